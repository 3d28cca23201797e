"""`./run demo`: an ablation on bundled data, from nothing to a judged table, on any two cores.

Everything here is an `assay` command that a user could type; the last lines say which.
"""

from __future__ import annotations

import sys

from core import acceptance, project, registry
from core.cli import records, study, study_view
from core.cli.answer import say
from core.errors import AssayError, Exit
from core.ledger import Ledger, baselines
from core.ledger.record import RunRecord
from core.project import Project
from core.study import cells, folder
from core.study.folder import Folder

STUDY = "lightmap_demo"
ASSAY = ".venv/bin/assay"  # where ./run sets it up


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
    """Draw the study; the pictures of it and those that a run of its best variant left."""
    drawn = study_view.draw(here, made, here.runs / "plots")
    chosen, why = _best(here, made)
    images = sorted((here.run_dir(chosen.run) / "images").glob("*.png"))
    plots, shown = ([f"  {p.relative_to(here.root)}" for p in side] for side in (drawn, images))
    head = f"Pictures of {chosen.variant}, seed {chosen.seed} ({why}):"
    return "\n".join(["\nPlots, with their data beside them:", *plots, head, *shown])


def _best(here: Project, made: Folder) -> tuple[RunRecord, str]:
    """The first run of the variant with the best mean of the task's primary metric, and why it."""
    task = registry.load(here).find(made.plan.study.task)
    metric = task.metric(task.primary)
    sign = 1 if metric.direction == "max" else -1
    arms = [acceptance.usable(runs) for runs in cells.records(Ledger(here), made).values()]
    means = [
        (sum(r.metrics[metric.name].value for r in runs) / len(runs), runs[0])
        for runs in arms
        if runs
    ]
    mean, first = max(means, key=lambda one: sign * one[0])
    return first, f"best mean {metric.name}, {mean:.4g}"


def _next(made: Folder) -> str:
    """What one would type now, in a shell that has not activated the environment."""
    lines = (
        ("show @last", "one run: numbers, verdict, code, files"),
        (f"accept lightmap {made.plan.id} -v encoder", "judge one variant; exit 0, 3 or 4"),
        (f"report {made.plan.id} --format latex", "the tables for a paper"),
        ("study run lightmap_ablation", "six variants at 160x90, three seeds each"),
        ("tasks lightmap", "what can be set and varied"),
    )
    said = (f"  {f'{ASSAY} {words}':66} {what}" for words, what in lines)
    return "\n".join(["\nNext:", *said])


if __name__ == "__main__":
    sys.exit(main())
