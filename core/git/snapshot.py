"""A commit of every run's exact tree, on one chained ref of this clone; nothing else moves.

The work is done in a copy of the index, so that index, HEAD, work tree and stash stay byte for byte
what they were, and the copy's stat cache keeps it quick.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.git import code, status, untracked
from core.git.plumbing import Plumbing, Refused
from core.ledger.record import Excluded, Git
from core.project import Project, WorkTree, work_tree, writer

REF = "refs/assay/snap"
OURS = ("runs", "ledger")  # folders of the project whose changes are no part of a run's code
TRIES = 3  # a file may vanish while git reads it
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "assay"), ("EMAIL", "assay@localhost"))
}
UNDER_WAY = {
    "MERGE_HEAD": "merge in progress",
    "CHERRY_PICK_HEAD": "cherry-pick in progress",
    "REVERT_HEAD": "revert in progress",
    "rebase-merge": "rebase in progress",
    "rebase-apply": "rebase in progress",
}


class Staged(NamedTuple):
    """What a copy of the index holds now, and what it does not."""

    status: status.Status
    submodules: list[str]
    left: list[Excluded]


def snapshot(project: Project, run: str, paths: Sequence[str]) -> Git | None:
    """Commit the tree as it is now, tracked and untracked; None outside git.

    `ledger/`, `runs/` and what looks like a secret stay as in HEAD, submodules at their commit. The
    parents are HEAD and this clone's previous snapshot; when HEAD and tree are those of the
    previous one, it is used again. Where git's store cannot be written the tree's id is all there
    is, and flagged.

    Args:
        project: The checkout; its root may lie below the top of the work tree.
        run: Id for the commit's message.
        paths: What decides the run's numbers: `code_tree` is their digest.

    Raises:
        AssayError: git refused, three times.
    """
    here = work_tree(project.root)
    if project.git_dir is None or here is None:
        return None
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        kept = all(_writable(project.git_dir / name) for name in ("objects", "refs"))
        git = Plumbing(here.top, _environment(project.git_dir, Path(folder), kept))
        with contextlib.suppress(FileNotFoundError):  # a repository without a commit may have none
            # With its time: git trusts no entry as young as its index, and must see how young.
            shutil.copy2(here.git_dir / "index", Path(folder) / "index")
        staged = _stage(git, here, project.root)
        tree = git("write-tree")
        head = staged.status.head
        return Git(
            commit=_commit(git, project, run, head, tree) if kept else None,
            head=head,
            branch=staged.status.branch,
            dirty=head is None or git.resolve([f"{head}^{{tree}}"]) != [tree],
            code_tree=code.digest(git, tree, here.top, project.root, paths),
            tree=tree,
            excluded=untracked.shortened(staged.left),
            submodules=_gitlinks(git, tree, staged.submodules),
            flags=[*_flags(here, project, staged), *([] if kept else ["read-only .git"])],
        )


def _environment(git_dir: Path, folder: Path, kept: bool) -> dict[str, str]:
    """An index, and objects too where they cannot be kept, in a folder that goes away."""
    env = {"GIT_INDEX_FILE": str(folder / "index"), **WHO}
    if kept:
        return env
    (folder / "objects").mkdir()
    return env | {
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git_dir / "objects"),
    }


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _stage(git: Plumbing, here: WorkTree, root: Path, tries: int = TRIES) -> Staged:
    """Bring the copy of the index to the state of the work tree."""
    ours = tuple(f"{(root / name).relative_to(here.top)}/" for name in OURS)
    try:
        submodules = _look_at_all(git, here.top)
        now = status.read(git)
        return Staged(now, submodules, _update(git, here.top, now, ours))
    except Refused:
        if tries == 1:
            raise
        return _stage(git, here, root, tries - 1)


def _look_at_all(git: Plumbing, top: Path) -> list[str]:
    """Let git see changes of files that were marked unchanged or skipped; paths of submodules."""
    seen_again, submodules = [], []
    for line in git("ls-files", "-v", "--stage", "-z").split("\0")[:-1]:
        head, _, path = line.partition("\t")
        tag, mode, blob, stage = head.split(" ")
        if mode == "160000":
            submodules.append(path)
        elif (tag == "S" or tag.islower()) and os.path.lexists(top / path):
            seen_again.append(f"{mode} {blob} {stage}\t{path}")
    _index_info(git, seen_again)
    return submodules


def _update(git: Plumbing, top: Path, now: status.Status, ours: tuple[str, ...]) -> list[Excluded]:
    """Put what differs into the index, but for what no snapshot takes; what was left out."""
    restored, taken, left = [], [], []
    for change in now.changes:
        hidden = change.on_disk and untracked.secret(change.path)
        if change.path.startswith(ours) or hidden:
            restored.append(f"{change.head}\t{change.path}")
        elif not change.on_disk:
            restored.append(f"0 {change.head.split()[1]}\t{change.path}")
        else:
            taken.append(change.path)
        if hidden:
            size = untracked.bytes_of(top, change.path)
            left.append(untracked.excluded(change.path, size, untracked.SECRET))
    new = untracked.sort(top, (n for n in now.untracked if not n.startswith(ours)))
    _index_info(git, restored)
    if taken or new.taken:
        given = "\0".join([*taken, *new.taken])
        git("update-index", "--add", "-z", "--stdin", given=given)
    return left + new.left


def _index_info(git: Plumbing, lines: Sequence[str]) -> None:
    """Set entries of the index outright: `<mode> <blob>[ <stage>]<tab><path>`, mode 0 removes."""
    if lines:
        git("update-index", "-z", "--index-info", given="\0".join(lines))


def _commit(git: Plumbing, project: Project, run: str, head: str | None, tree: str) -> str:
    """Chain a commit onto this clone's ref, or take its tip when that says the same."""
    ref = f"{REF}/{writer(project.store)}"
    while True:
        tip, tip_tree, tip_head = git.resolve([ref, f"{ref}^{{tree}}", f"{ref}^1"])
        if tip and tip_tree == tree and head in (None, tip_head):
            return tip
        parents = [word for parent in (head, tip) if parent for word in ("-p", parent)]
        commit = git("commit-tree", tree, *parents, "-m", run)
        try:
            git("update-ref", ref, commit, tip or "0" * len(commit))
            return commit
        except Refused:
            if git.resolve([ref]) == [tip]:
                raise
            # Another process was quicker: chain onto its commit.


def _gitlinks(git: Plumbing, tree: str, paths: Sequence[str]) -> dict[str, str]:
    """The commit at which each submodule is in the tree."""
    entries = git.entries(tree, paths) if paths else {}
    return {path: entry.oid for path, entry in entries.items()}


def _flags(here: WorkTree, project: Project, staged: Staged) -> list[str]:
    """What a reader must know before trusting that the commit is all there was."""
    flags = {flag for name, flag in UNDER_WAY.items() if (here.git_dir / name).exists()}
    if project.git_dir and (project.git_dir / "shallow").exists():
        flags.add("shallow clone")
    unkept = [c.path for c in staged.status.changes if set(c.submodule) & {"M", "U"}]
    flags |= {f"submodule {path} has changes that no commit holds" for path in unkept}
    for reason in (untracked.SECRET, untracked.NESTED):
        names = [e.path for e in staged.left if e.reason == reason]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            flags.add(f"left out, {reason}: {', '.join(names[:3])}{more}")
    return sorted(flags)
