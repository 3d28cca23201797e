"""Lines and their chains, checked from the files themselves, not from the index.

A break is evidence that a line was changed, taken out or put in. It is no proof against somebody
who rewrites a whole chain that was never published: git's history is the outer witness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from core.ledger import flat, lines, payload, repository, segments
from core.ledger.journal import Journal
from core.project import Project

Kind = Literal["break", "open"]  # open: skipped, or not to be checked in this clone


class Finding(NamedTuple):
    """Something about the ledger that somebody should know."""

    kind: Kind
    place: str  # a file (a segment's folder is its writer), or a run
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{self.kind}: {self.place}{line}: {self.field}: {self.message}"


class Place(NamedTuple):
    """A file of lines."""

    name: str
    own: bool  # the journal of this clone
    data: bytes


def places(project: Project) -> Iterator[Place]:
    """The journal, then every segment once: from the work tree, then from the branches."""
    for path in Journal(project.store).files():
        yield Place(f"the journal ({path.name})", True, path.read_bytes())
    commits = repository.tips(project.root) if project.git_dir else {}
    hexdigits = len(next(iter(commits), "")) or 40
    seen = set()
    for name, path in segments.files(project):
        data = path.read_bytes()
        seen.add(repository.blob_id(data, hexdigits))
        yield Place(f"ledger/segments/{name}", False, data)
    found = repository.segments(project.root, commits) if commits else {}
    for oid, data in repository.contents(project.root, [o for o in found if o not in seen]):
        yield Place(f"{found[oid].name} on a branch", False, data)


class Damaged(NamedTuple):
    """A line without its digest."""

    place: Place
    number: int
    raw: bytes
    follower: str | None  # the digest that the next line continues


See = Callable[[Place, int, dict[str, Any]], None]


def check(project: Project, see: See) -> list[Finding]:
    """Check every line of every file; `see` gets each event that counts."""
    walk = _Walk(see)
    for place in places(project):
        walk.file(place)
    digests = set(walk.ids.values())
    for place, before in walk.begins:
        if before and before not in digests:
            said = f"continues a line ({before[:8]}…) that is not in this clone"
            walk.say("break" if place.own else "open", place, 1, "p", said)
    if walk.damaged:
        copies = _copies(project, walk.damaged)
        for line in walk.damaged:
            walk.say("break", line.place, line.number, *_what_changed(line, copies))
    return walk.findings


class _Walk:
    """What was found so far."""

    def __init__(self, see: See) -> None:
        self._see = see
        self.findings: list[Finding] = []
        self.damaged: list[Damaged] = []
        self.ids: dict[str, str] = {}  # event -> digest
        self.begins: list[tuple[Place, str]] = []  # the digest that a file continues

    def say(self, kind: Kind, place: Place, line: int, field: str, message: str) -> None:
        self.findings.append(Finding(kind, place.name, line, field, message))

    def file(self, place: Place) -> None:
        before: str | None = None  # digest of the last line that has one
        doubtful: list[tuple[int, bytes]] = []
        whole = lines.whole(place.data)
        for number, raw in enumerate(whole, 1):
            digest = lines.digest(raw)
            if digest is None:
                doubtful.append((number, raw))
                continue
            try:
                event = lines.loose(raw)
                self._linked(place, number, str(event.get("p")), before, doubtful)
                self._counts(place, number, lines.read(raw), digest)
            except lines.Flaw as flaw:
                kind: Kind = "open" if flaw.field == "v" else "break"
                self.say(kind, place, number, flaw.field, flaw.reason)
            before, doubtful = digest, []
        self.damaged += [Damaged(place, number, raw, None) for number, raw in doubtful]
        if not place.data.endswith(b"\n") and place.data:
            said = "torn: its writer was stopped in the middle; it does not count"
            self.say("open", place, len(whole) + 1, "line", said)

    def _linked(
        self,
        place: Place,
        number: int,
        continues: str,
        before: str | None,
        doubtful: list[tuple[int, bytes]],
    ) -> None:
        """Compare what a line continues with what stands before it."""
        if doubtful and continues == before:  # the chain goes past them: torn writes
            for at, _ in doubtful:
                self.say("open", place, at, "line", "torn: a later writer went on after it")
        elif doubtful:
            self.damaged += [Damaged(place, at, raw, continues) for at, raw in doubtful]
        elif before is None:
            self.begins.append((place, continues))
        elif continues != before:
            said = f"continues {continues[:8]}…, which is not the line before: one is missing"
            self.say("break", place, number, "p", said)

    def _counts(self, place: Place, number: int, event: dict[str, Any], digest: str) -> None:
        payload.check(event)
        if self.ids.setdefault(event["id"], digest) != digest:
            self.say("break", place, number, "id", f"event {event['id']} has two contents")
        self._see(place, number, event)


def _copies(project: Project, damaged: list[Damaged]) -> dict[str, dict[str, Any]]:
    """Intact events of the same id or digest as damaged lines, by both."""
    wanted = {key for line in damaged for key in _keys(line.raw)}
    out: dict[str, dict[str, Any]] = {}
    for place in places(project):
        for raw in lines.whole(place.data):
            if lines.digest(raw) and (keys := wanted & set(_keys(raw))):
                out |= dict.fromkeys(keys, lines.loose(raw))
    return out


def _keys(raw: bytes) -> list[str]:
    """Digest and id that a line claims; nothing of one that is not JSON."""
    try:
        event = lines.loose(raw)
    except lines.Flaw:
        return []
    return [key for key in (event.get("d"), event.get("id")) if isinstance(key, str)]


def _what_changed(line: Damaged, copies: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """The field of a damaged line that was changed, and what can be said of it."""
    try:
        now = lines.loose(line.raw)
    except lines.Flaw as flaw:
        return flaw.field, flaw.reason
    body = {k: v for k, v in now.items() if k != "d"}
    if line.follower and lines.digest(lines.seal(body)[:-1]) == line.follower:
        return "d", f"{now.get('d')} is not the digest of this line; {line.follower} is"
    for key in _keys(line.raw):
        if key in copies:
            here, there = (dict(flat.leaves(event, {})) for event in (now, copies[key]))
            for name in sorted(here.keys() | there.keys()):
                if here.get(name) != there.get(name):
                    return name, f"is {here.get(name)!r}, was recorded as {there.get(name)!r}"
    return "d", "the line is not what its digest was taken of; no intact copy shows which field"
