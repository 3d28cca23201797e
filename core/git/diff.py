"""Two recorded trees, compared; and whether this clone has them."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import AssayError
from core.git.plumbing import Plumbing
from core.ledger.record import Git
from core.project import Project


def locate(project: Project, recorded: Git | None) -> str:
    """The commit that holds a run's tree: its snapshot, or HEAD where a clean run's is not here.

    Raises:
        AssayError: the run has none, or this clone has not got it.
    """
    if recorded is None or project.git_dir is None:
        raise AssayError("the run was not made in a git repository, or this is none", code="no_git")
    wanted = [recorded.commit, None if recorded.dirty else recorded.head]
    names = [commit for commit in wanted if commit]
    found = [commit for commit in Plumbing(project.root).resolve(names) if commit] if names else []
    if found:
        return found[0]
    if not names:
        raise AssayError(
            f"no commit holds this run's tree: {', '.join(recorded.flags)}", code="no_commit"
        )
    raise AssayError(
        f"commit {names[0]} is not in this clone",
        "Fetch it from the clone that made it: git fetch <clone> 'refs/assay/snap/*'",
        code="no_commit",
    )


def diff(project: Project, a: str, b: str, paths: Sequence[str] = (), *, stat: bool = False) -> str:
    """`git diff` from commit `a` to `b`, or its summary; `ledger/` is left out."""
    shape = ["--stat=100"] if stat else []
    return _diff(project, a, b, paths, "--no-color", "--no-ext-diff", *shape)


def changed_files(project: Project, a: str, b: str, paths: Sequence[str] = ()) -> dict[str, str]:
    """Path from the top of the work tree -> A added, D deleted, M modified, T another type."""
    words = _diff(project, a, b, paths, "--name-status", "--no-renames", "-z").split("\0")
    return dict(zip(words[1::2], words[0::2], strict=False))


def _diff(project: Project, a: str, b: str, paths: Sequence[str], *options: str) -> str:
    chosen = [f":(literal){path}" for path in paths] or [":(top)"]
    return Plumbing(project.root)("diff", *options, a, b, "--", *chosen, ":(exclude)ledger")
