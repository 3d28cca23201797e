"""The snapshot commit of a dirty tree of 2,000 files, against `git stash create` of the same tree.

    python -m benchmarks.snapshot

Both record staged and unstaged changes and move nothing; the stash leaves out untracked files. They
take turns, and before each turn another file changes, so that neither finds its work done.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core import git
from core.project import Project
from tests import toy

FILES, TURNS = 2000, 9
GOAL = 3.0  # times the stash, at most


def repository(folder: Path) -> Project:
    """2,000 small files in 40 folders; one staged, one changed, one untracked."""
    made = toy.build(folder, git=True)
    for n in range(FILES):
        path = made.root / f"pack{n % 40}" / f"module{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"value = {n}\n" * 40)
    toy.commit(made.root, "all")
    (made.root / "pack1" / "module1.py").write_text("staged = 1\n")
    toy.run_git(made.root, "add", "-u")
    (made.root / "new.py").write_text("untracked = 1\n")
    return made


def stash(made: Project) -> None:
    """The peer, started as people start it."""
    command = ["git", "stash", "create"]
    subprocess.run(command, cwd=made.root, check=True, stdout=subprocess.DEVNULL)


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def main() -> None:
    """Measure in turns; print medians and their ratio as JSON."""
    took: dict[str, list[float]] = {"snapshot_s": [], "stash_create_s": []}
    with tempfile.TemporaryDirectory() as folder:
        made = repository(Path(folder) / "tree")
        actions: dict[str, Callable[[], object]] = {
            "snapshot_s": lambda: git.snapshot(made, "run", ["toytask.py", "pack3"]),
            "stash_create_s": lambda: stash(made),
        }
        actions["snapshot_s"]()  # imports GitPython
        for turn in range(TURNS):
            for name, action in actions.items():
                (made.root / "pack2" / "module2.py").write_text(f"{name} = {turn}\n")
                took[name].append(seconds(action))
    table = {name: statistics.median(values) for name, values in took.items()}
    ratio = table["snapshot_s"] / table["stash_create_s"]
    print(json.dumps({"benchmark": "snapshot", **table, "ratio": ratio, "goal": GOAL}))


if __name__ == "__main__":
    main()
