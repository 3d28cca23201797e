"""What comes at a bad moment: the terminal grows, another screen is asked for, the app leaves."""

from __future__ import annotations

import asyncio
import gc
import shutil
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.ledger import Ledger
from core.project import Project
from core.study import folder
from core.tui import words
from core.tui.app import Assay
from core.tui.screens import study
from core.tui.screens.ask import Ask
from core.tui.screens.dashboard import Dashboard
from core.tui.screens.help import Help
from core.tui.screens.run import RunPage
from core.tui.screens.study import Study
from core.tui.widgets.checks import Checks
from core.tui.widgets.curve import Curve
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Rows
from tests.tui import workspace
from tests.tui.driving import drive, press, settle, text, until

P = Pilot[None]


def shown(pilot: P) -> Study:
    assert isinstance(pilot.app.screen, Study)
    return pilot.app.screen


def ablation(project: Project) -> str:
    return folder.every(project)[1].plan.id


@pytest.mark.parametrize(
    ("before", "after"), [((80, 24), (200, 60)), ((120, 34), (120, 40)), ((200, 60), (80, 24))]
)
def test_a_curve_is_drawn_for_the_size_that_the_terminal_takes(
    history: Project, before: tuple[int, int], after: tuple[int, int]
) -> None:
    async def scene(pilot: P) -> None:
        await until(pilot, lambda: "error of #" in text(pilot))
        await pilot.resize_terminal(*after)
        await settle(pilot)
        curve = pilot.app.screen.query_one(Curve)
        assert "step" in curve.render_line(curve.size.height - 1).text  # the axis is the last line

    drive(history, scene, size=before, start="study")


def test_a_study_is_shown_though_a_run_lies_over_the_screen(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "3", "enter")
        assert isinstance(pilot.app.screen, RunPage)
        await press(pilot, "1")
        table = pilot.app.screen.query_one("#studies", Rows)
        table.focus()
        table.choose(ablation(history))
        await press(pilot, "enter")
        await until(pilot, lambda: shown(pilot)._study == ablation(history))

    drive(history, scene)


def test_a_task_is_shown_though_a_run_lies_over_the_screen(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "4", "o")
        assert isinstance(pilot.app.screen, RunPage)
        await press(pilot, "1")
        pilot.app.screen.query_one("#tasks").focus()
        await press(pilot, "enter")
        assert pilot.app.screen.query("#criteria")

    drive(history, scene)


@pytest.mark.parametrize(("key", "dialog"), [("s", Ask), ("question_mark", Help)])
def test_a_started_study_waits_until_the_dialog_is_answered(
    history: Project, key: str, dialog: type
) -> None:
    started = SimpleNamespace(
        process=SimpleNamespace(poll=lambda: 0), study=lambda: ablation(history)
    )

    async def scene(pilot: P) -> None:
        app = cast(Assay, pilot.app)
        await press(pilot, key)
        app.started.append(cast(Any, started))
        await until(pilot, lambda: not app.started)
        await settle(pilot)
        assert isinstance(app.screen, dialog)
        await press(pilot, "escape")
        await until(pilot, lambda: shown(pilot)._study == ablation(history))

    drive(history, scene, start="study")


LEAVING: dict[str, Callable[[Study], object]] = {
    "look": lambda page: page.assay.look(),
    "select": lambda page: page.assay.open_study(None),
    "reload": lambda page: page.reload(),
    "do": lambda page: page.do(lambda: None, "done"),
    "write": lambda page: page.write_page("no such study"),
    "refresh": lambda page: page.action_reload(),
    "live": lambda page: page._live(),
}


@pytest.mark.parametrize("name", LEAVING)
def test_what_was_asked_for_when_the_app_left_is_not_half_begun(
    history: Project, name: str
) -> None:
    async def scene(pilot: P) -> None:
        page = shown(pilot)
        page.assay._looking = False
        LEAVING[name](page)
        page.workers.cancel_all()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        drive(history, scene, start="study")
        gc.collect()
    assert not [w for w in told if "never awaited" in str(w.message)]


def test_a_log_on_another_machine_is_left_for_the_next(history: Project) -> None:
    missing = Ledger(history).board(limit=3)[1]["run"]
    shutil.rmtree(history.run_dir(missing))

    async def scene(pilot: P) -> None:
        files, lines = pilot.app.screen.query_one("#files", Rows), pilot.app.screen.query_one(Lines)
        files.focus()
        files.choose(missing)
        await until(pilot, lambda: "its folder is not on this machine" in text(pilot))
        await press(pilot, "r")
        assert files.chosen == missing
        assert "its folder is not on this machine" in text(pilot)  # and no other log meanwhile
        await press(pilot, "j")
        assert files.chosen
        assert str(lines.border_title) == str(files._given[files.chosen][0])
        assert "its folder is not on this machine" not in text(pilot)

    drive(history, scene, start="logs")


def test_a_curve_is_drawn_while_a_thread_reads_on(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await until(pilot, lambda: "error of #" in text(pilot))
        page = shown(pilot)
        run = page._runs[page.query_one("#trials", Rows).chosen or ""]
        run.steps["error"].append(1e6)  # as it stands between a step and its value
        page._plot()
        await settle(pilot)
        assert "error of #" in text(pilot)

    drive(history, scene, start="study")


def test_a_value_is_turned_at_once_of_the_run_that_the_cursor_came_to(
    history: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "TURN_S", 3600.0)

    async def scene(pilot: P) -> None:
        pilot.app.screen.query_one("#trials", Rows).action_scroll_bottom()
        await settle(pilot)
        page = shown(pilot)
        assert page.found
        chosen = next(t for t in page.found.trials if t.key == page.query_one(Rows).chosen)
        assert chosen.key not in page._runs
        await press(pilot, "v")
        title = str(page.query_one(Curve).border_title)
        assert page._metric
        assert title == f"{page._metric} of #{chosen.number}"

    drive(history, scene, start="study")


def test_the_line_of_a_study_fits_the_size_that_the_terminal_takes(history: Project) -> None:
    said: list[str] = []

    def line(pilot: P) -> str:
        return text(pilot).splitlines()[1].rstrip()

    for before in ((80, 24), (160, 24)):

        async def scene(pilot: P) -> None:
            await pilot.resize_terminal(80, 24)
            await settle(pilot)
            said.append(line(pilot))

        at = workspace.Time()
        at.at = workspace.NOW
        with workspace.standing(at):
            drive(history, scene, size=before, start="study")
    assert said[0] == said[1]
    assert "…" not in said[1]


def test_launch_takes_a_theme_that_was_chosen_on_another_screen(history: Project) -> None:
    def inks(pilot: P) -> set[str]:
        strips = pilot.app.screen._compositor.render_strips()
        styles = [segment.style for strip in strips for segment in strip if segment.text.strip()]
        return {
            s.color.triplet.hex for s in styles if s is not None and s.color and s.color.triplet
        }

    async def scene(pilot: P) -> None:
        def looked() -> bool:
            drawn = pilot.app.screen.query_one(Checks).render()
            return "free" in str(drawn)

        await until(pilot, looked)
        await press(pilot, "tab", "1", "t", "2")
        theme = pilot.app.theme
        await settle(pilot)
        came = inks(pilot)
        muted = words.colour(pilot.app.theme_variables, "text-muted")
        about = pilot.app.screen.query_one("#about", Static).content
        await press(pilot, "t", "t", "t")
        assert pilot.app.theme == theme
        assert came == inks(pilot)
        assert muted in {str(span.style) for span in cast(Any, about).spans}

    drive(history, scene, start="launch")


def test_an_app_that_left_during_a_look_is_told_nothing(history: Project) -> None:
    app = Assay(history)
    asyncio.run(app._look())  # no screen stands
    assert app.last is None


def test_a_second_goes_by_on_a_dashboard_that_has_nothing_on_it_yet(history: Project) -> None:
    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        await until(pilot, lambda: app.last)
        assert app.last is not None
        Dashboard().pulse(app.last)

    drive(history, scene)
