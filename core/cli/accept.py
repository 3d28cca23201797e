"""Commands that judge: accept, and the yardsticks that it judges against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.answer import Answer, command

if TYPE_CHECKING:
    from core.contract import Task
    from core.ledger import Ledger
    from core.ledger.baselines import Yardstick
    from core.ledger.record import Verdict
    from core.project import Project

baseline = typer.Typer(help="Set, show or remove the yardsticks in ledger/baselines.yaml.")
Name = Annotated[str, typer.Option(help="The yardstick's name; clauses ask for `baseline`.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(baseline, name="baseline")

    @command(app)
    def accept(
        task: str,
        ref: Annotated[
            str | None,
            typer.Argument(help="A run, a group or a study; default: the newest group."),
        ] = None,
        variant: Annotated[
            str | None, typer.Option("--variant", "-v", help="Look at this variant only.")
        ] = None,
        against: Annotated[
            str | None, typer.Option(help="A yardstick in place of those that clauses name.")
        ] = None,
        junit: Annotated[
            Path | None, typer.Option(help="Write a JUnit file, one case a criterion.")
        ] = None,
        markdown: Annotated[
            bool, typer.Option("--markdown", help="Tables for a pull request.")
        ] = False,
        selftest: Annotated[
            bool,
            typer.Option("--selftest", help="Judge the criteria: what must not pass, REF too."),
        ] = False,
    ) -> Answer:
        """Judge a task's newest group of runs: exit 0 pass, 4 fail, 3 inconclusive.

        A study is judged by its own criteria and reference. The verdict is recorded.
        """
        from core import project, registry
        from core.ledger import Ledger, baselines
        from core.report import table, verdict
        from core.study import folder, judged

        here = project.find()
        declared = registry.load(here).find(task)
        yardstick = against or baselines.DEFAULT
        if against or selftest:
            baselines.get(here, task, yardstick)
        ledger = Ledger(here)
        if selftest:
            return _selftest(here, ledger, declared, ref, yardstick)
        if ref and folder.named(here, ref):
            found, name, what = judged.of_study(here, ledger, declared, ref, variant, against)
        else:
            found, name, what = judged.of_group(here, ledger, declared, ref, variant, against)
        ledger.publish()
        title = f"{task} {name}"
        if junit:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(verdict.junit(found, title) + "\n", encoding="utf-8")
        form = table.markdown if markdown else table.text
        head = f"judged: {name}, {what}\nrecorded as a verdict\n\n"
        return _answer(found, title, head + form(verdict.tables(found, title)))


def _answer(judged: Verdict, title: str, text: str) -> Answer:
    from core import acceptance
    from core.errors import AssayError, Exit

    if judged.verdict == "pass":
        return Answer(judged, text)
    failed = judged.verdict == "fail"
    results = {n: acceptance.outcome(c) for n, c in acceptance.groups(judged.clauses).items()}
    named = [n for n, result in results.items() if result == ("fail" if failed else "unknown")]
    error = AssayError(
        f"{title} is not accepted: {', '.join(named)}"
        if failed
        else f"{title} cannot be judged yet: {', '.join(named) or 'the task declares no criteria'}",
        code="not_accepted" if failed else "inconclusive",
        exit_code=Exit.NOT_ACCEPTED if failed else Exit.INCONCLUSIVE,
    )
    return Answer(judged, text, error.exit_code, error)


def _selftest(
    here: Project, ledger: Ledger, task: Task[Any], ref: str | None, against: str
) -> Answer:
    """Whether the task's criteria refuse what they must."""
    from core import acceptance, judging
    from core.errors import AssayError, Exit
    from core.study import judged

    found = acceptance.selftest(
        task.metrics,
        task.criteria,
        judging.yardsticks(here, ledger, task.name),
        judged.named(ledger, task, ref) if ref else (),
        against=against,
        paired=task.paired_seeds,
    )
    text = "\n".join(f"{name:22} {v.verdict}" for name, v in found.items())
    passed = [name for name, v in found.items() if v.verdict == "pass"]
    undecided = [name for name, v in found.items() if v.verdict == "inconclusive"]
    if not passed + undecided:
        return Answer(found, text)
    error = AssayError(
        f"the criteria of {task.name} {'accept' if passed else 'do not decide'} what they must "
        f"refuse: {', '.join(passed or undecided)}",
        "Ask for a gain, or for more than the yardstick has" if passed else "Add seeds to it",
        code="cannot_fail" if passed else "inconclusive",
        exit_code=Exit.NOT_ACCEPTED if passed else Exit.INCONCLUSIVE,
    )
    return Answer(found, text, error.exit_code, error)


@command(baseline, "set")
def set_(
    task: str,
    runs: Annotated[list[str], typer.Argument(help="Runs; each stands for its whole group.")],
    name: Name = "baseline",
    note: Annotated[str, typer.Option(help="Why this one.")] = "",
    by: Annotated[str, typer.Option(help="human, agent or CI.")] = "human",
    only: Annotated[bool, typer.Option("--only", help="These runs, not their group.")] = False,
) -> Answer:
    """Record what a task's runs are judged against."""
    from dataclasses import asdict

    from core import project, registry
    from core.cli.answer import local
    from core.ledger import Ledger, baselines
    from core.study import judged

    here = project.find()
    declared = registry.load(here).find(task)
    old = baselines.load(here).get(task, {}).get(name)
    new = judged.set_baseline(
        here, Ledger(here), declared, runs, name=name, note=note, by=by, only=only
    )
    replaced = f"\nreplaces {' '.join(old.runs)}, set {local(old.set)}" if old else ""
    return Answer(asdict(new), _line(task, name, new) + replaced)


@command(baseline)
def show(
    task: Annotated[str | None, typer.Argument(help="One task; default: all.")] = None,
) -> Answer:
    """List the yardsticks and their runs."""
    from dataclasses import asdict

    from core import project
    from core.ledger import baselines

    whole = baselines.load(project.find())
    named = {t: whole[t] for t in sorted(whole) if task in (None, t)}
    lines = [_line(t, name, one) for t, given in named.items() for name, one in given.items()]
    data = {t: {name: asdict(one) for name, one in given.items()} for t, given in named.items()}
    return Answer(data, "\n".join(lines) or "no yardstick is set")


@command(baseline)
def remove(task: str, name: Name = "baseline") -> Answer:
    """Take a yardstick away; its runs stay."""
    from dataclasses import asdict

    from core import project
    from core.ledger import baselines

    old = baselines.remove(project.find(), task, name)
    return Answer(asdict(old), f"removed {_line(task, name, old)}")


def _line(task: str, name: str, one: Yardstick) -> str:
    from core.cli.answer import local

    note = f"  {one.note}" if one.note else ""
    return f"{task}.{name}  {local(one.set)}  {one.by}  {' '.join(one.runs)}{note}"
