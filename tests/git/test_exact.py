"""A checkout of the snapshot is the work tree, but for what git ignores: for any files at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import git as linkage
from core.git import untracked
from tests.git.conftest import begin, sh, state, take

LETTERS = st.characters(exclude_characters="/\0\\", exclude_categories=["Cs"])
ODD = [" ", "a b", "line\nbreak", "tab\t", "-n", "ü", "*", "?", "[a]", ":(top)", '"', "x.ignored"]


def plain(name: str) -> bool:
    """Whether the name is one that git takes and that no rule leaves out."""
    ours = name in (".", "..", "runs", "ledger") or name.lower().startswith((".git", "git~"))
    left = untracked.secret(name) or Path(name).suffix.lower() in untracked.DATA
    return not ours and not left and len(name.encode()) < 50


names = st.text(LETTERS, min_size=1, max_size=8).filter(plain) | st.sampled_from(ODD)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.binary(max_size=20)
files = st.one_of(
    st.tuples(st.just("file"), contents),
    st.tuples(st.just("script"), contents),
    st.tuples(st.just("link"), names),
    st.tuples(st.just("none"), st.just(b"")),
)
scenes = st.dictionaries(paths, files, max_size=6)


def put(root: Path, scene: dict[str, Any]) -> None:
    """Make each path what the scene says, in place of whatever is there or on the way to it."""
    for name, (kind, what) in scene.items():
        path = root / name
        for part in reversed(path.relative_to(root).parents):
            if (root / part).is_symlink() or (root / part).is_file():
                (root / part).unlink()
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            path.symlink_to(what)
        elif kind != "none":
            path.write_bytes(what)
            path.chmod(0o755 if kind == "script" else 0o644)


def seen(root: Path) -> dict[str, tuple[str, bytes]]:
    """Every file that git would not ignore, read from the disk without git."""
    out: dict[str, tuple[str, bytes]] = {}
    for folder, inside, here in os.walk(root):
        inside[:] = [d for d in inside if not d.endswith(".ignored") and d != ".git"]
        links = [d for d in inside if os.path.islink(os.path.join(folder, d))]
        for name in (n for n in [*here, *links] if not n.endswith(".ignored") and n != ".git"):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found = ("link", os.fsencode(os.readlink(path)))
            else:
                found = ("script" if mode & 0o100 else "file", path.read_bytes())
            out[str(path.relative_to(root))] = found
    return out


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(committed=scenes, staged=scenes, loose=scenes)
@example(committed={}, staged={"0": ("file", b"")}, loose={"0": ("none", b"")})  # added and gone
def test_a_checkout_of_the_snapshot_equals_the_work_tree(
    committed: dict[str, Any], staged: dict[str, Any], loose: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = begin(Path(folder) / "repo")
        for scene, words in (
            (committed, ["commit", "-qm", "c", "--allow-empty"]),
            (staged, ["status", "-s"]),
        ):
            put(made.root, scene)
            sh(made.root, "add", "-A")
            sh(made.root, *words)
        put(made.root, loose)
        before = state(made.root)
        got = take(made)
        with linkage.checkout(made, str(got.commit), "again") as tree:
            assert seen(tree) == seen(made.root)
        assert state(made.root) == before
        with linkage.checkout(made, str(got.head), "head") as tree:
            assert got.dirty == (seen(tree) != seen(made.root))
