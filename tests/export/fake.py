"""A W&B on loopback: answers what publishing asks, keeps what it is sent. And a proxy that refuses.

Whatever is meant for another host goes to the proxy, which writes down the wish.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Fake(ThreadingHTTPServer):
    """The server; `asked` are the GraphQL requests, `other` what was wanted of other hosts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.other: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self, mutation: str) -> list[dict[str, Any]]:
        """The variables of all mutations of a name."""
        return [a["variables"] for a in self.asked if mutation in a["query"]]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Fake

    def do_CONNECT(self) -> None:
        self.server.other.append(self.path)
        self.send_error(403)

    def do_GET(self) -> None:
        if not self.path.startswith("/"):
            self.server.other.append(self.path)
        self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.startswith("/graphql"):
            if not self.path.startswith("/"):  # what a proxy is asked for
                self.server.other.append(self.path)
            self.send_error(404)
            return
        asked = json.loads(body)
        self.server.asked.append(asked)
        answer = json.dumps({"data": self._data(asked)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _data(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, given = asked["query"], asked.get("variables") or {}
        if "upsertView" in query:
            view = {"id": given.get("id") or f"view{len(self.server.asked)}", "name": given["name"]}
            view |= {"displayName": given["displayName"], "description": "", "type": given["type"]}
            view |= {"project": {"name": given["projectName"], "entityName": given["entityName"]}}
            view |= {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
            view |= {"spec": given["spec"], "user": {"id": "u", "name": "n", "username": "n"}}
            return {"upsertView": {"view": view, "inserted": True}}
        if "upsertModel" in query:
            return {"upsertModel": {"model": {"id": "m", "name": given.get("name")}}}
        if "projects" in query or "models" in query:
            node = {
                "id": "p",
                "name": "lines",
                "entityName": "team",
                "createdAt": "",
                "user": None,
                "isBenchmark": False,
            }
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"edges": [{"node": node, "cursor": "c"}], "pageInfo": page}}
        if "project" in query:
            return {"project": {"internalId": "1", "id": "p", "name": "lines"}}
        return {
            "viewer": {
                "id": "v",
                "entity": "team",
                "username": "n",
                "flags": "{}",
                "teams": {"edges": []},
            }
        }

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[Fake]:
    """The server in a thread."""
    server = Fake()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
