"""The screens that start, watch, stop and judge: with real processes where something starts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static, TabbedContent

from core import registry
from core.ledger import Ledger, baselines
from core.project import Project
from core.study import folder
from core.tui import fields, starting
from core.tui.app import POLL_S, Assay
from core.tui.screens.ask import Ask
from core.tui.screens.compare import Compare
from core.tui.screens.edit import Edit
from core.tui.screens.run import RunPage
from core.tui.source import Source
from core.tui.widgets.curve import Curve
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Rows
from tests import toy
from tests.study import running
from tests.tui.driving import cells, drive, press, settle, text, until

P = Pilot[None]


def rows(pilot: P, table: str) -> Rows:
    return pilot.app.screen.query_one(table, Rows)


def checks(pilot: P) -> str:
    return str(pilot.app.screen.query_one("#checks", Static).render())


def said(app: Assay) -> str:
    """All toasts that stand."""
    return " ".join(note.message for note in app._notifications)


def every_task() -> list[str]:
    from core import project

    return sorted(registry.load(project.find(toy.ROOT)).lines)


@pytest.mark.parametrize("name", every_task())
def test_every_task_has_a_form_whose_defaults_it_takes(name: str) -> None:
    from core import config, project

    task = registry.load(project.find(toy.ROOT)).find(name)
    made = fields.of(task)
    assert [f.key for f in made] == list(config.leaves(task.config))
    for field in made:
        back = fields.read(field, fields.written(field.default))
        assert fields.refused(task, {field.key: back}) == "", field
        assert not field.choices or field.default in field.choices, field
        assert field.takes, field
    assert "no config key" in fields.refused(task, {"no_such_key": 1})


def test_the_form_follows_the_choice_and_edits_a_value(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "2")
        assert rows(pilot, "#what").keys[0] == "study ablation"
        await until(pilot, lambda: "9 runs, 1 at a time" in checks(pilot))
        for said in ("the task makes its own", "free", "about 9m", "main@"):
            assert said in checks(pilot)
        await press(pilot, "j", "enter")
        assert rows(pilot, "#keys").has_focus
        assert "sampler" in text(pilot)  # of a search
        rows(pilot, "#keys").choose("lr")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, Edit)
        field = pilot.app.screen.query_one(Input)
        field.value = "fast"
        await settle(pilot)
        assert "✗ toy: lr = 'fast'" in text(pilot)
        await press(pilot, "enter")  # is not taken
        field.value = "0.25"
        await press(pilot, "enter")
        assert not isinstance(pilot.app.screen, Edit)
        assert "assay study run search -o lr=0.25" in text(pilot)
        await until(pilot, lambda: "'lr' is varied by" in checks(pilot))
        await press(pilot, "L")
        assert not isinstance(pilot.app.screen, Ask)  # the preflight is against it
        await press(pilot, "backspace")
        assert "-o lr" not in text(pilot)

    drive(history, scene, size=(140, 40))


def test_where_it_is_narrow_the_panel_at_hand_has_the_room(history: Project) -> None:
    """Nothing is cut at 80x24: neither a key nor its help; the other panels say what they hold."""

    def line(title: str) -> str:
        return next(row for row in text(pilots[0]).splitlines() if f"─ {title} " in row)

    async def scene(pilot: P) -> None:
        pilots.append(pilot)
        await press(pilot, "2")
        await until(pilot, lambda: "9 runs, 1 at a time" in line("Preflight"))
        assert "seeds [0, 1, 2], workers 1, device cpu" in line("Run with")
        await press(pilot, "tab")
        assert "ablation" in line("Launch")
        shown = pilot.app.screen.query_one("#about", Static)
        for key in list(made):
            words = " ".join(text(pilot).replace("│", "").split())
            assert f" {key} " in words
            assert f"default {fields.written(made[key].default)} {made[key].help}".strip() in words
            assert shown.virtual_size.height <= shown.size.height
            await press(pilot, "j")
        await press(pilot, "tab", "tab")
        assert "✓ disk" in text(pilot)  # the preflight, whole
        assert "workers 1" in line("Run with")

    pilots: list[P] = []
    made = {f.key: f for f in fields.of(registry.load(history).find("toy"))}
    drive(history, scene, size=(80, 24))


def test_what_it_runs_with_is_in_the_command(history: Project) -> None:
    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        app.open_launch("toy")
        await settle(pilot)
        rows(pilot, "#what").choose("toy/quick")
        rows(pilot, "#what").focus()
        await press(pilot, "enter", "tab")
        rows(pilot, "#with").choose("seeds")
        await press(pilot, "enter")
        app.screen.query_one(Input).value = "[4, 5]"
        await press(pilot, "enter")
        rows(pilot, "#with").choose("wandb")
        await press(pilot, "space", "space", "enter")
        assert app.screen.query_one(OptionList).highlighted == 2  # offline
        await press(pilot, "j", "enter")
        await press(pilot, "y")
        assert app.clipboard == (
            "assay study run -s task=toy -s kind=seeds -s 'variants=[quick]' -s 'seeds=[4, 5]' "
            "--wandb online"
        )
        await until(pilot, lambda: "2 runs, 1 at a time" in checks(pilot))
        await press(pilot, "L")
        assert isinstance(app.screen, Ask)
        await press(pilot, "n")
        assert not app.started

    drive(history, scene, size=(140, 40))


def test_a_launched_study_shows_runs_and_rings(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bells = []
    monkeypatch.setattr(Assay, "bell", lambda _: bells.append(1))

    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        await until(pilot, lambda: "2 runs" in checks(pilot))
        await press(pilot, "L", "y")
        await until(pilot, lambda: app.current_mode == "study" and rows(pilot, "#trials").keys)
        await until(pilot, lambda: "■ finished" in text(pilot).splitlines()[1])
        assert cells(pilot, "#trials", rows(pilot, "#trials").keys[0])[1] == "■ finished"
        await until(pilot, lambda: bells and not app.started)

    (project.root / "studies").mkdir()
    (project.root / "studies" / "two.yaml").write_text(
        "task: toy\nkind: seeds\nseeds: [0, 1]\nconfig: {total_steps: 30, step_s: 0.02}\n"
    )
    drive(project, scene, start="launch", size=(140, 40))
    assert [r.status for r in Ledger(project).records()] == ["finished", "finished"]


def test_a_command_that_fails_is_told(project: Project) -> None:
    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        app.launch(["study", "run", "nothing"])
        await until(pilot, lambda: "no study 'nothing'" in said(app))

    drive(project, scene)


def test_a_study_of_the_command_line_appears_and_is_steered(project: Project) -> None:
    (project.root / "studies").mkdir()
    (project.root / "studies" / "s.yaml").write_text(
        "task: toy\nkind: seeds\nseeds: [0, 1, 2]\nconfig: {total_steps: 4000, step_s: 0.02}\n"
    )

    async def scene(pilot: P) -> None:
        trials = rows(pilot, "#trials")
        assert not trials.keys
        with running.parent(project, "study", "run", "s") as parent:
            await until(pilot, lambda: len(trials.keys) == 3 and running.running(project))
            first = running.running(project)[0]
            await until(pilot, lambda: "%" in cells(pilot, "#trials", first)[1])
            assert cells(pilot, "#trials", trials.keys[1])[1] == "◌ queued"
            await until(
                pilot, lambda: pilot.app.screen.query_one(Curve).border_title == "error of #0"
            )
            await press(pilot, "v")
            assert pilot.app.screen.query_one(Curve).border_title == "loss/l2 of #0"
            await press(pilot, "p")
            await until(pilot, lambda: "‖ paused" in text(pilot))
            await press(pilot, "p")
            await until(pilot, lambda: "● running" in text(pilot).splitlines()[1])
            await press(pilot, "x")
            assert isinstance(pilot.app.screen, Ask)
            await press(pilot, "y")
            await until(pilot, lambda: cells(pilot, "#trials", first)[1] == "□ cancelled")
            await press(pilot, "e")
            await until(pilot, lambda: cells(pilot, "#trials", first)[1] == "◌ queued")
            await press(pilot, "s", "y")
            await until(pilot, lambda: "□ stopped" in text(pilot).splitlines()[1])
            assert parent.wait(running.PATIENCE_S) == 130

    drive(project, scene, start="study")


def test_a_study_shows_on_the_other_side_within_two_looks(project: Project) -> None:
    assert POLL_S <= 1.0  # a look a second: two seconds, with the time that gathering takes
    (project.root / "studies").mkdir()
    for name in ("theirs", "ours"):
        (project.root / "studies" / f"{name}.yaml").write_text(
            "task: toy\nkind: seeds\nseeds: [0]\nconfig: {total_steps: 5}\n"
        )

    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        with running.parent(project, "study", "run", "theirs"):
            await until(pilot, lambda: "theirs-" in text(pilot))
        app.launch(["study", "run", "ours"])
        await until(pilot, lambda: app.current_mode == "study" and "ours-" in text(pilot))
        listed = toy.assay(project.root, "study", "list").stdout
        assert "theirs-" in listed
        assert "ours-" in listed
        await until(pilot, lambda: not app.started)

    drive(project, scene)


def test_marked_trials_are_compared_and_studies_turned(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "3", "j", "j")
        search = folder.every(history)[0].plan.id
        assert search in text(pilot)
        keys = rows(pilot, "#trials").keys
        assert cells(pilot, "#trials", keys[2])[3] == "✓ met"
        assert "≤ 0.3" in text(pilot)  # the baseline's mean less the gain
        await press(pilot, "space", "space", "c")
        assert isinstance(pilot.app.screen, Compare)
        await press(pilot, "escape", "right_square_bracket")
        assert "ablation-" in text(pilot).splitlines()[1]
        await press(pilot, "left_square_bracket", "L", "m", "escape", "enter")
        assert isinstance(pilot.app.screen, RunPage)
        await press(pilot, "escape", "i")
        assert isinstance(pilot.app.screen, RunPage)
        await press(pilot, "escape", "a")
        assert pilot.app.current_mode == "acceptance"

    drive(history, scene)


def test_keys_step_back_as_they_step_on(history: Project) -> None:
    async def scene(pilot: P) -> None:
        def title() -> str:
            return str(pilot.app.screen.query_one(Curve).border_title)

        await press(pilot, "3", "v")
        assert title() == "loss/l2 of #8"
        await press(pilot, "V")
        assert title() == "error of #8"
        await press(pilot, "space", "space", "c", "v", "V", "V")
        assert title() == "loss/l2"
        await press(pilot, "escape", "right_square_bracket", "b")
        assert pilot.app.current_mode == "ablation"
        await press(pilot, "1")
        assert pilot.app.current_mode == "dashboard"
        rows(pilot, "#runs").focus()
        await press(pilot, "enter", "l", "l", "h")
        assert pilot.app.screen.query_one(TabbedContent).active == "config"
        await press(pilot, "l", "l")  # its log, one screen of it
        lines = pilot.app.screen.query_one("#lines", Lines)
        await press(pilot, "g", "j", "k")
        assert not lines.following
        await press(pilot, "G")
        assert lines.is_vertical_scroll_end

    drive(history, scene, size=(80, 24))


def test_what_is_not_meant_is_let_be(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "2", "tab", "enter")
        assert isinstance(pilot.app.screen, Edit)
        pilot.app.screen.query_one(Input).value = "7"
        await press(pilot, "escape")
        assert "-o" not in str(pilot.app.screen.query_one("#command", Static).render())
        await press(pilot, "3", "s")
        assert isinstance(pilot.app.screen, Ask)
        await press(pilot, "l", "enter")  # from the one answer to the other
        assert not isinstance(pilot.app.screen, Ask)
        assert not folder.every(history)[0].stop_file.exists()

    drive(history, scene)


def test_r_looks_at_other_branches_again(history: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(Source, "refresh", lambda _: looked.append(1))

    async def scene(pilot: P) -> None:
        await press(pilot, "r")
        assert looked == [1]

    drive(history, scene)


def test_acceptance_shows_limit_baseline_delta_and_evidence(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "4")
        record = Ledger(history).records("variant = 'better' and verdict is not null")[0]
        assert record.verdict is not None
        clause = next(c for c in record.verdict.clauses if c.name == "error")
        row = cells(pilot, "#criteria", "better/error")
        assert row[0] == "· error"
        assert row[1] == "≥ +0.02"
        mean = sum(clause.candidate) / 3
        assert row[3] == f"{mean:.4g}"
        assert f"{clause.point:+.2f}"[:5] in row[4]
        assert row[-1] == "✓ pass"
        await press(pilot, "j")
        for word in ("paired t", "noise sd", "detectable", "over baseline"):
            assert word in text(pilot)
        rows(pilot, "#history").focus()
        await press(pilot, "j", "enter")
        assert "toy/quick" in text(pilot)
        await press(pilot, "o")
        assert isinstance(pilot.app.screen, RunPage)

    drive(history, scene, size=(160, 40))


def test_the_judged_runs_become_the_baseline_when_that_is_meant(history: Project) -> None:
    before = baselines.get(history, "toy").runs

    async def scene(pilot: P) -> None:
        await press(pilot, "4", "b")
        assert isinstance(pilot.app.screen, Ask)
        await press(pilot, "n")
        assert baselines.get(history, "toy").runs == before
        await press(pilot, "b", "y")
        await until(pilot, lambda: baselines.get(history, "toy").runs != before)

    drive(history, scene)
    variants = {Ledger(history).find(run).variant for run in baselines.get(history, "toy").runs}
    assert variants == {"better"}


def test_check_now_judges_the_newest_group(project: Project) -> None:
    for seed in ("0", "1"):
        toy.assay(project.root, "run", "toy", "--seed", seed, "-o", "total_steps=5", check=True)

    async def scene(pilot: P) -> None:
        events = len(Ledger(project).events(Ledger(project).find("@last").run))
        await press(pilot, "c")
        run = Ledger(project).find("@last").run
        await until(pilot, lambda: len(Ledger(project).events(run)) == events + 1)
        await until(pilot, lambda: "over 2 seeds" in text(pilot))

    drive(project, scene, start="acceptance")


def test_the_ablation_is_a_matrix_with_bars(history: Project) -> None:
    report = json.loads(toy.assay(history.root, "report", "ablation", "--json").stdout)
    assert report["ok"]
    csv = toy.assay(history.root, "report", "ablation", "--format", "csv").stdout

    async def scene(pilot: P) -> None:
        await press(pilot, "6")
        assert rows(pilot, "#matrix").keys == ["baseline", "quick", "better"]
        better = cells(pilot, "#matrix", "better")
        mean = next(
            float(line.split(",")[5])
            for line in csv.splitlines()
            if line.startswith("better,error")
        )
        assert better[3].startswith(f"{mean:.3f}"[:5])
        said = text(pilot)
        bars = [line for line in said.splitlines() if "●" in line and "better " in line]
        assert len(bars) == 4  # two variants, error and score
        assert all("┊" in line and line.split()[-2] == "better" for line in bars)
        await press(pilot, "right_square_bracket", "enter")
        assert isinstance(pilot.app.screen, RunPage)

    drive(history, scene)


def test_the_review_page_is_written_from_the_screens(history: Project) -> None:
    ablation = next(one.plan.id for one in folder.every(history) if one.plan.name == "ablation")

    async def scene(pilot: P) -> None:
        await press(pilot, "3", "right_square_bracket", "w")
        await until(pilot, lambda: pilot.app.clipboard.endswith(f"{ablation}.html"))
        await press(pilot, "4", "w")
        await until(pilot, lambda: pilot.app.clipboard.endswith("toy.html"))
        page = Path(pilot.app.clipboard).read_text()
        assert "inconclusive" in page

    drive(history, scene)


def test_half_written_events_do_not_harm(history: Project) -> None:
    run = Ledger(history).rows(["run"], "status = 'running'")[0]["run"]
    path = history.run_dir(run) / "events.jsonl"
    with path.open("a") as file:
        file.write('{"kind": "log", "step": "x", "values": 3}\n[1, 2]\nnonsense\n{"kind": "log"}\n')
        file.write('{"kind": "progress", "done": null}\n{"kind": "log", "step": 99, "val')

    async def scene(pilot: P) -> None:
        await press(pilot, "3")
        assert "%" in cells(pilot, "#trials", run)[1]

    drive(history, scene)


def test_what_was_started_outlives_us(project: Project) -> None:
    words = ["run", "toy", "-o", "total_steps=5"]
    started = starting.start(project, words)
    assert os.getsid(started.process.pid) == started.process.pid != os.getsid(0)
    assert started.process.wait(60) == 0
    assert started.log.parent == project.store / "launches"
    assert starting.shown([*words, "a b"]) == "assay run toy -o total_steps=5 'a b'"
    assert isinstance(started.log, Path)
