"""A commit of every run's exact tree, on one chained ref of this clone; nothing else moves.

The work is done in a copy of the index, so that the index, HEAD, the work tree and the stash stay
byte for byte what they were, and the copy's stat cache keeps it quick.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import AssayError
from core.git import untracked
from core.git.plumbing import Entry, Plumbing, Refused
from core.ledger.record import Excluded, Git
from core.project import Project, writer

REF = "refs/assay/snap"
OURS = ("runs", "ledger")  # folders of the project that no snapshot looks at
TRIES = 5  # a file may vanish while git reads it; another process may move the ref
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "assay"), ("EMAIL", "assay@localhost"))
}
UNDERWAY = {
    "MERGE_HEAD": "merge in progress",
    "CHERRY_PICK_HEAD": "cherry-pick in progress",
    "rebase-merge": "rebase in progress",
    "rebase-apply": "rebase in progress",
}


def snapshot(project: Project, run: str, code: Sequence[str]) -> Git | None:
    """Commit the tree as it is now, tracked and untracked; None outside git.

    `ledger/` is as in HEAD and `runs/` is left out. The commit's parents are HEAD and the clone's
    previous snapshot; when neither HEAD nor the tree changed, that one is used again. Where git's
    store cannot be written only the tree's id is known, and flagged.

    Args:
        project: Its root must lie in the work tree.
        run: Id for the commit's message.
        code: Paths that decide the run's numbers; absolute ones may lie outside the work tree.
    """
    if project.git_dir is None:
        return None
    plain = Plumbing(project.root)
    top = Path(plain("rev-parse", "--show-toplevel"))
    head = plain.maybe("rev-parse", "--verify", "-q", "HEAD")
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        index = Path(folder) / "index"
        _copy_index(plain, project.root, index)
        git = Plumbing(top, index)
        inside = project.root.resolve().relative_to(top.resolve())
        left = _stage(git, top, head, inside)
        try:
            tree, flags = git("write-tree"), []
        except Refused:
            tree, flags = _tree_elsewhere(git, Path(folder)), ["read-only .git"]
        entries = git.tree(tree) if not flags else {}
        commit = None if flags else _commit(git, project, run, head, tree)
    flags += _underway(plain, project.root)
    head_tree = plain.maybe("rev-parse", "-q", "--verify", "HEAD^{tree}")
    return Git(
        commit=commit,
        head=head,
        branch=plain.maybe("symbolic-ref", "-q", "--short", "HEAD"),
        dirty=tree != head_tree,
        code_tree=_code_digest(project.root, inside, entries, code),
        tree=tree,
        excluded=left,
        submodules={path: e.blob for path, e in entries.items() if e.mode == "160000"},
        flags=flags + [f"left out: {e.path} {e.reason}" for e in left if "secret" in e.reason],
    )


def _copy_index(git: Plumbing, root: Path, to: Path) -> None:
    """The index of this work tree; a repository without a commit may have none."""
    index = root / git("rev-parse", "--git-path", "index")
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(index, to)


def _stage(git: Plumbing, top: Path, head: str | None, inside: Path) -> list[Excluded]:
    """Bring the index copy to the work tree's state; what was left out."""
    ours = [str(inside / name) for name in OURS]
    ledger = ours[1]
    for attempt in range(TRIES):
        try:
            if head:
                git("reset", "-q", "--", ledger)
            else:
                git("rm", "-r", "-q", "--cached", "--ignore-unmatch", "--", ledger)
            git("add", "-u", "--", ":/", *(f":(exclude,top,literal){path}" for path in ours))
            listed = git("ls-files", "-o", "-z", "--exclude-standard").split("\0")
            names = [n for n in listed if n and not n.startswith(tuple(f"{o}/" for o in ours))]
            taken, left = untracked.sort_out(top, names)
            paths = "\0".join(taken).encode("utf-8", "surrogateescape")
            if taken:
                git("update-index", "--add", "-z", "--stdin", given=paths + b"\0")
            return left
        except Refused:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _tree_elsewhere(git: Plumbing, folder: Path) -> str:
    """The tree's id, its objects written into a folder that goes away."""
    store = folder / "objects"
    store.mkdir()
    real = str(Path(git("rev-parse", "--git-path", "objects")).resolve())
    env = {"GIT_OBJECT_DIRECTORY": str(store), "GIT_ALTERNATE_OBJECT_DIRECTORIES": real}
    return git("write-tree", env=env)


def _commit(git: Plumbing, project: Project, run: str, head: str | None, tree: str) -> str:
    """Chain a commit onto this clone's ref, or take its tip when that says the same."""
    ref = f"{REF}/{writer(project.store)}"
    for _ in range(TRIES * 10):
        tip = git.maybe("rev-parse", "-q", "--verify", ref)
        if tip:
            tip_tree, *parents = git("log", "-1", "--format=%T %P", tip).split()
            if tip_tree == tree and parents[:1] == ([head] if head else parents[:1]):
                return tip
        chain = [word for parent in (head, tip) if parent for word in ("-p", parent)]
        commit = git("commit-tree", tree, *chain, "-m", run, env=WHO)
        try:
            git("update-ref", "-m", "assay snapshot", ref, commit, tip or "0" * 40)
            return commit
        except Refused:  # another process moved it: chain onto its commit
            continue
    raise AssayError(f"{ref} moves faster than a snapshot is made", "Try again", code="git")


def _underway(git: Plumbing, root: Path) -> list[str]:
    found = [
        flag
        for name, flag in UNDERWAY.items()
        if (root / git("rev-parse", "--git-path", name)).exists()
    ]
    if git("rev-parse", "--is-shallow-repository") == "true":
        found.append("shallow clone")
    return sorted(set(found))


def _code_digest(
    root: Path, inside: Path, entries: Mapping[str, Entry], code: Sequence[str]
) -> str:
    """40 hex digits over the code paths: blob ids where the snapshot has them, else bytes."""
    total = hashlib.sha1(usedforsecurity=False)
    for path in sorted(code):
        start = str(inside / path)
        mine = {k: e for k, e in entries.items() if k == start or k.startswith(f"{start}/")}
        if Path(path).is_absolute() or not mine:
            total.update(content_digest(root, [path]).encode())
            continue
        for name, entry in sorted(mine.items()):
            total.update(f"{name} {entry.mode} {entry.blob}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def content_digest(root: Path, paths: Sequence[str]) -> str:
    """40 hex digits over the names and bytes of Python and text files, for trees without git."""
    total = hashlib.sha1(usedforsecurity=False)
    for path in sorted(paths):
        full = root / path
        files = sorted(full.rglob("*")) if full.is_dir() else [full]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(full)}\0".encode("utf-8", "surrogateescape"))
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def moved(project: Project, commit: str, modules: Mapping[str, str]) -> list[str]:
    """Modules (path below the project -> blob id as loaded) that differ from the snapshot's.

    Where a clean filter changes bytes on their way in, git's own id of the file decides.
    """
    git = Plumbing(project.root)
    top = Path(git("rev-parse", "--show-toplevel"))
    inside = project.root.resolve().relative_to(top.resolve())
    entries = git.tree(commit)
    out = []
    for path, blob in sorted(modules.items()):
        entry = entries.get(str(inside / path))
        if entry is None or entry.blob == blob:
            continue  # an ignored module is not part of the tree
        as_loaded = git("hash-object", "--no-filters", "--", path) == blob
        as_committed = git("hash-object", "--", path) == entry.blob
        if not (as_loaded and as_committed):
            out.append(path)
    return out
