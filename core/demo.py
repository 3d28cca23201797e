"""`./run demo`: an ablation on bundled data, from nothing to a judged table, on any two cores.

Everything here is an `assay` command that a user could type; the last lines say which.
"""

from __future__ import annotations

import sys

from core import project
from core.cli import records, study, study_view
from core.cli.answer import say
from core.errors import AssayError, Exit
from core.ledger import Ledger, baselines
from core.project import Project
from core.study import folder
from core.study.folder import Folder

STUDY = "lightmap_demo"


def main() -> int:
    """Run the study, show what came of it, and where to go from there."""
    here = project.find()
    try:
        answer = study.run_(STUDY, fresh=True)
        say(answer.text)
        if answer.error:
            raise answer.error
        made = folder.find(here, STUDY)
        say(_lines(made))
        say(_yardstick(here, made))
        say(_pictures(here, made))
        say(_next(made))
    except AssayError as error:
        say(f"assay: {error}", sys.stderr)
        return int(error.exit_code)
    return int(Exit.OK)


def _lines(made: Folder) -> str:
    """The study's ledger lines."""
    head = "\nIn the ledger (* is a commit with changes on top; the exact tree is kept):\n"
    return head + records.ls(where=f"study = '{made.plan.id}'").text


def _yardstick(here: Project, made: Folder) -> str:
    """Make the demo's baseline runs the task's yardstick, unless there is one."""
    task = made.plan.study.task
    if baselines.DEFAULT in baselines.load(here).get(task, {}):
        return f"\n{task} keeps the baseline that is recorded in ledger/baselines.yaml."
    where = f"study = '{made.plan.id}' and variant = '{made.plan.reference}'"
    runs = [row["run"] for row in Ledger(here).rows(["run"], where=where, sort="seed asc")]
    baselines.put(here, task, runs, by="demo", note=f"small runs of {made.plan.id}")
    return f"\nThe {made.plan.reference} runs are now {task}'s baseline: ledger/baselines.yaml."


def _pictures(here: Project, made: Folder) -> str:
    """Draw the study; the pictures of it and those that its first run left."""
    drawn = study_view.draw(here, made, here.runs / "plots")
    first = Ledger(here).rows(["run"], where=f"study = '{made.plan.id}'", sort="run asc")[0]["run"]
    images = sorted((here.run_dir(first) / "images").glob("*.png"))
    shown = [path.relative_to(here.root) for path in (*drawn, *images)]
    return "\n".join(["\nPictures, with the data beside the first:", *(f"  {p}" for p in shown)])


def _next(made: Folder) -> str:
    """What one would type now."""
    lines = (
        ("assay show @last", "one run: numbers, verdict, code, files"),
        (f"assay accept lightmap {made.plan.id} -v encoder", "judge one variant; exit 0, 3 or 4"),
        (f"assay report {made.plan.id} --format latex", "the tables for a paper"),
        ("assay study run lightmap_ablation", "the same at full length"),
        ("assay tasks lightmap", "what can be set and varied"),
    )
    return "\n".join(["\nNext:", *(f"  {command:58} {what}" for command, what in lines)])


if __name__ == "__main__":
    sys.exit(main())
