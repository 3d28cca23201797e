"""A W&B on loopback: answers publishing, online runs and `wandb sync`, keeps what it is sent.

And a proxy that refuses: what is meant for another host goes there, and the wish is written down.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEAM = {"id": "e", "name": "team"}
Given = dict[str, Any]


class Fake(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Given] = []  # GraphQL requests
        self.other: list[str] = []  # what was wanted of other hosts
        self.streams: list[tuple[str, Given]] = []  # run -> rows of its files
        self.files: dict[str, bytes] = {}

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is none."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self, mutation: str) -> list[Given]:
        """The variables of all mutations of a name."""
        return [a["variables"] for a in self.asked if mutation in a["query"]]

    def rows(self, run: str) -> list[Given]:
        """A run's history as it was streamed, each row at the place that it was sent for."""
        at: dict[int, str] = {}
        for one, told in self.streams:
            part = told.get("files", {}).get("wandb-history.jsonl") if one == run else None
            if part:
                at |= dict(enumerate(part["content"], start=part["offset"]))
        return [json.loads(at[i]) for i in sorted(at)]


def bucket(server: Fake, given: Given) -> Given:
    """A run as W&B gives it back."""
    project = {"id": "p", "name": given["project"], "entity": TEAM}
    made = {"id": "b", "name": given["name"], "displayName": given["displayName"]}
    made |= {"description": None, "config": given["config"], "sweepName": None}
    made |= {"project": project, "historyLineCount": 0}
    return {"upsertBucket": {"bucket": made, "inserted": True}}


def run_files(server: Fake, given: Given) -> Given:
    files = [{"name": f, "uploadUrl": f"{server.url}/storage/{f}"} for f in given["files"]]
    return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}


def artifact(server: Fake, given: Given) -> Given:
    name = given["input"]["artifactCollectionName"]
    made = {"id": name, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
    return {"createArtifact": {"artifact": made}}


def manifest(server: Fake, given: Given) -> Given:
    file = {"id": "f", "uploadUrl": f"{server.url}/manifest/{given['artifactID']}"}
    made = {"id": given["artifactID"], "file": {**file, "uploadHeaders": []}}
    return {"createArtifactManifest": {"artifactManifest": made}}


def new_manifest(server: Fake, given: Given) -> Given:
    file = {"id": "f", "uploadUrl": f"{server.url}/manifest/{given['artifactManifestID']}"}
    made = {"id": given["artifactManifestID"], "file": {**file, "uploadHeaders": []}}
    return {"updateArtifactManifest": {"artifactManifest": made}}


def artifact_files(server: Fake, given: Given) -> Given:
    edges = []
    for one in given["input"]["artifactFiles"]:
        node = {"storagePath": one["name"], "uploadUrl": f"{server.url}/artifact/{one['name']}"}
        node |= {"uploadHeaders": [], "uploadMultipartUrls": None}
        edges.append({"node": node | {"artifact": {"id": one["artifactID"]}}})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


def commit(server: Fake, given: Given) -> Given:
    return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": "d"}}}


def view(server: Fake, given: Given) -> Given:
    made = {"id": given.get("id") or f"view{len(server.asked)}", "name": given["name"]}
    made |= {"displayName": given["displayName"], "description": "", "type": given["type"]}
    made |= {"project": {"name": given["projectName"], "entityName": given["entityName"]}}
    made |= {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
    made |= {"spec": given["spec"], "user": {"id": "u", "name": "n", "username": "n"}}
    return {"upsertView": {"view": made, "inserted": True}}


def model(server: Fake, given: Given) -> Given:
    return {"upsertModel": {"model": {"id": "m", "name": given.get("name")}}}


def projects(server: Fake, given: Given) -> Given:
    node = {"id": "p", "name": "lines", "entityName": "team", "createdAt": ""}
    edge = {"node": {**node, "user": None, "isBenchmark": False}, "cursor": "c"}
    page = {"endCursor": None, "hasNextPage": False}
    return {"models": {"edges": [edge], "pageInfo": page}}


def no_run_yet(server: Fake, given: Given) -> Given:
    return {"model": {"id": "p", "name": given["project"], "entity": TEAM, "bucket": None}}


def project(server: Fake, given: Given) -> Given:
    return {"project": {"internalId": "1", "id": "p", "name": "lines", "artifact": None}}


def features(server: Fake, given: Given) -> Given:
    return {"serverInfo": {"features": []}}


def viewer(server: Fake, given: Given) -> Given:
    who = {"id": "v", "entity": "team", "username": "n", "email": "n@example.org", "flags": "{}"}
    return {"viewer": {**who, "teams": {"edges": []}}}


ANSWERS = {  # a word of the query -> the answer; the first that is found
    "upsertBucket": bucket,
    "createRunFiles": run_files,
    "createArtifactManifest": manifest,
    "updateArtifactManifest": new_manifest,
    "createArtifactFiles": artifact_files,
    "createArtifact": artifact,
    "commitArtifact": commit,
    "upsertView": view,
    "upsertModel": model,
    "RunResumeStatus": no_run_yet,
    "serverInfo": features,
    "projects": projects,
    "models": projects,
    "project": project,
}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Fake

    def do_CONNECT(self) -> None:
        self.server.other.append(self.path)
        self.send_error(403)

    def do_GET(self) -> None:
        if not self.path.startswith("/"):
            self.server.other.append(self.path)
        self.send_error(404)

    def do_PUT(self) -> None:
        self.server.files[self.path] = self._body()
        self._answer({})

    def do_POST(self) -> None:
        body = self._body()
        _, kind, *place = self.path.split("/")
        if not self.path.startswith("/"):  # what a proxy is asked for
            self.server.other.append(self.path)
            self.send_error(404)
        elif kind == "graphql":
            asked = json.loads(body)
            self.server.asked.append(asked)
            found = next((a for word, a in ANSWERS.items() if word in asked["query"]), viewer)
            self._answer({"data": found(self.server, asked.get("variables") or {})})
        elif place[-1:] == ["file_stream"]:
            self.server.streams.append((place[-2], json.loads(body)))
            self._answer({"exitcode": None, "limits": {}})
        else:  # what W&B counts of itself
            self._answer({})

    def _body(self) -> bytes:
        data = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def _answer(self, told: Given) -> None:
        data = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

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
