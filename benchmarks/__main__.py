"""`./run bench [NAME ...]`: run benchmarks and keep their results with machine and commit."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from core import clock

HERE = Path(__file__).parent
SKIP = {"__init__", "__main__"}


def main() -> None:
    """Run the named benchmarks (default: all), write results/<name>.json."""
    known = sorted(p.stem for p in HERE.glob("*.py") if p.stem not in SKIP)
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(known)}")
    parser.add_argument("--peers", help="python that has mlflow, for `record`")
    args = parser.parse_args()
    for name in args.names or known:
        if name not in known:
            sys.exit(f"no benchmark '{name}'. Known: {', '.join(known)}")
        extra = ["--peers", args.peers] if name == "record" and args.peers else []
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *extra],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        whole = {"at": clock.stamp(), "commit": _commit(), "machine": _machine(), "result": found}
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
        print(json.dumps(whole, indent=1))


def _commit() -> str:
    head = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() or "no git"


def _machine() -> dict[str, object]:
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), ""
        )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "os": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
