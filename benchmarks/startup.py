"""Starting up: CPU seconds of `assay --help` against the smallest typer program.

Fresh processes in turn, medians; bare Python beside them. The goal is at most twice the peer.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys

REPEATS = 9
GOAL = 2.0
HELLO = """
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None)
@app.command()
def hello(name: str = "you") -> None:
    typer.echo(f"hello {name}")
app()
"""
COMMANDS = {
    "assay": ["-m", "core.cli", "--help"],
    "hello": ["-c", HELLO, "--help"],
    "python": ["-c", "pass"],
}


def cpu_s(words: list[str]) -> float:
    """CPU seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turns, print medians and the ratio as JSON."""
    for words in COMMANDS.values():  # the first start writes bytecode
        cpu_s(words)
    rows: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, words in COMMANDS.items():
            rows[name].append(cpu_s(words))
    table = {name: statistics.median(seconds) for name, seconds in rows.items()}
    ratio = table["assay"] / table["hello"]
    print(json.dumps({"benchmark": "startup", "cpu_s": table, "ratio": ratio, "goal": GOAL}))


if __name__ == "__main__":
    main()
