"""Every screen and every key, on a workspace with a history."""

from __future__ import annotations

import json
from functools import partial

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Input, Static, TabbedContent

from core.ledger import Ledger
from core.project import Project
from core.study import folder
from core.tui import words
from core.tui.app import Assay
from core.tui.machine import Gauge, Machine
from core.tui.screens import page
from core.tui.screens.compare import Compare
from core.tui.screens.help import Help
from core.tui.screens.run import RunPage
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Rows
from tests.tui import workspace
from tests.tui.driving import cells, drive, press, settle, text, until

P = Pilot[None]


def rows(pilot: P, table: str) -> Rows:
    return pilot.app.screen.query_one(table, Rows)


def test_the_dashboard_says_what_stands_and_what_goes_on(history: Project) -> None:
    async def scene(pilot: P) -> None:
        assert cells(pilot, "#tasks", "toy")[1] == "● running"
        search, ablation, broken = rows(pilot, "#studies").keys
        assert cells(pilot, "#studies", search)[1:5] == ["● running", "7/12", "0.2689", "4"]
        assert cells(pilot, "#studies", ablation)[1:3] == ["■ finished", "9/9"]
        assert cells(pilot, "#studies", broken)[1] == "⚠ broken"
        newest = Ledger(history).board(limit=1)[0]
        assert rows(pilot, "#runs").keys[0] == newest["run"]

    drive(history, scene, size=(160, 40))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_dashboard_shows_the_whole_machine_at_every_width(
    history: Project, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gauge, "look", lambda _: Machine("main@97a0589*", 12.0, 2e9, "35% 12.3G"))

    async def scene(pilot: P) -> None:
        for part in ("main@97a0589*", "● 1 running", "cpu  12%", "mem 1.86G", "gpu 35% 12.3G"):
            assert text(pilot).count(part) == 1, part

    drive(history, scene, size=(width, 34))


def test_ages_are_reckoned_anew_while_nothing_happens(
    history: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "STALE_S", 0.0)
    at = workspace.Time()
    at.at = workspace.NOW

    async def scene(pilot: P) -> None:
        newest = rows(pilot, "#runs").keys[0]
        assert cells(pilot, "#runs", newest)[0] == "4 h"
        at.pass_(days=2)
        await until(pilot, lambda: cells(pilot, "#runs", newest)[0] == "2 d")

    with workspace.standing(at):
        drive(history, scene)


def test_keys_move_as_in_vi_and_with_arrows(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "5")
        runs = rows(pilot, "#runs")
        at = []
        for key in ("j", "down", "k", "up", "G", "g", "ctrl+d", "ctrl+u", "end", "home"):
            await press(pilot, key)
            at.append(runs.cursor_row)
        last = runs.row_count - 1
        assert at[:6] == [1, 2, 1, 0, last, 0]
        assert at[6] > 0
        assert at[8:] == [last, 0]

    drive(history, scene)


def test_the_filter_of_a_table_and_esc(history: Project) -> None:
    async def scene(pilot: P) -> None:
        runs = rows(pilot, "#runs")
        whole = runs.row_count
        await press(pilot, "slash", *"diverged")
        assert runs.row_count == 1
        await press(pilot, "enter", "escape")
        assert runs.row_count == whole
        assert not pilot.app.screen.query_one("#filter").display

    drive(history, scene, size=(140, 40))


def test_the_ledger_takes_the_filter_of_the_command_line(history: Project) -> None:
    async def scene(pilot: P) -> None:
        where = "status = 'finished' and error < 0.3 and seed in (0, 1)"
        await press(pilot, "5", "slash")
        pilot.app.screen.query_one("#where", Input).value = where
        await press(pilot, "enter")
        expected = [r["run"] for r in Ledger(history).rows(["run"], where)]
        assert expected
        assert rows(pilot, "#runs").keys == expected
        assert f"1–{len(expected)} of {len(expected)}" in text(pilot)
        await press(pilot, "escape")
        assert len(rows(pilot, "#runs").keys) > len(expected)

    drive(history, scene)


def test_a_wrong_filter_is_told_beside_it(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "5")
        before = rows(pilot, "#runs").keys
        await press(pilot, "slash", *"errror > 1", "enter")
        assert "no column 'errror'" in text(pilot)
        assert rows(pilot, "#runs").keys == before

    drive(history, scene)


def test_folders_that_the_ledger_does_not_know_are_marked_rows(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "5")
        first, second = rows(pilot, "#runs").keys[:2]
        assert (first, second) == ("01KBXFOREIGN00000000000000", "01KBXHALFWRITTEN0000000000")
        assert "plots" not in rows(pilot, "#runs").keys
        assert "⚠ broken" in cells(pilot, "#runs", first)
        assert "of another version" in text(pilot)  # beside the list
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, RunPage)
        assert "no run '01KBXFOREIGN" in text(pilot)

    drive(history, scene, size=(160, 34))


def test_a_run_has_its_page_config_code_and_log(history: Project) -> None:
    better = Ledger(history).rows(["run"], "variant = 'better'")[0]["run"]

    async def scene(pilot: P) -> None:
        app = pilot.app
        assert isinstance(app, Assay)
        app.open_run(better)
        await settle(pilot)
        assert "toy/better" in text(pilot)
        assert "? inconclusive" in text(pilot)
        parts = app.screen.query_one(TabbedContent)
        await press(pilot, "right")
        assert parts.active == "config"
        assert rows(pilot, "#keys").keys[0] == "shift"  # what differs is first
        assert cells(pilot, "#keys", "shift")[:4] == ["• shift", "-0.1", "0.0", "0.0"]
        await press(pilot, "right")
        assert "the same code as the baseline" in text(pilot)
        await press(pilot, "right")
        assert "step  20" in text(pilot)
        await press(pilot, "right")
        assert "it made no picture" in text(pilot)
        await press(pilot, "left", "y")
        assert app.clipboard == f"assay repro {better}"
        await press(pilot, "escape")
        assert not isinstance(app.screen, RunPage)

    drive(history, scene)


def test_marked_runs_are_set_side_by_side(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "5", "slash", *"status = 'finished' and seed = 0", "enter")
        await press(pilot, "d")
        assert not isinstance(pilot.app.screen, Compare)  # two are needed
        await press(pilot, "space", "space", "space", "d")
        assert isinstance(pilot.app.screen, Compare)
        said = text(pilot)
        for word in ("toy/better s0", "toy/quick s0", "config shift", "config lr", "★"):
            assert word in said
        assert "error" in str(pilot.app.screen.query_one("#curve").border_title)
        await press(pilot, "v", "L")
        assert pilot.app.screen.query_one("#curve").border_title == "loss/l2"
        assert pilot.app.screen.query_one("#curve").border_subtitle == "log"
        await press(pilot, "escape", "u")
        assert "◆" not in text(pilot)

    drive(history, scene)


def test_the_ledger_turns_its_pages(history: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tui.source.PAGE", 8)

    async def scene(pilot: P) -> None:
        await press(pilot, "5", "right_square_bracket")
        assert "9–16 of 21" in text(pilot)
        await press(pilot, "right_square_bracket", "right_square_bracket")
        assert "17–21 of 21" in text(pilot)
        await press(pilot, "left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert "1–8 of 21" in text(pilot)

    drive(history, scene)


def test_a_log_is_followed_searched_and_wrapped(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "7")
        run = rows(pilot, "#files").keys[0]
        path = history.run_dir(run) / "log.txt"
        with path.open("a") as log:
            log.writelines(f"later {n}\n" for n in range(100))
        await until(pilot, lambda: "later 99" in text(pilot))
        await press(pilot, "enter", "g")
        assert "step   1" in text(pilot)
        with path.open("a") as log:
            log.write("much later\n")
        await pilot.pause(0.6)
        assert "step   1" in text(pilot)  # scrolled away, it stays
        await press(pilot, "slash", *"later 4", "enter", "N", "n")
        lines = pilot.app.screen.query_one(Lines)
        assert len(lines.matches) == 11  # 4 and 40..49
        assert "later 4" in text(pilot)
        await press(pilot, "w", "f", "y")
        assert (lines.wrapping, lines.following) == (False, True)
        assert pilot.app.clipboard == str(path)
        await press(pilot, "escape")
        assert rows(pilot, "#files").has_focus

    drive(history, scene)


def test_brackets_are_letters_and_no_markup(history: Project) -> None:
    """Of what people type and tasks log, wherever it stands in a frame."""
    search = folder.every(history)[0].plan.id
    run = Ledger(history).rows(["run"], f"study = '{search}' and status = 'running'")[0]["run"]
    events = history.run_dir(run) / "events.jsonl"

    async def scene(pilot: P) -> None:
        await press(pilot, "7", "slash")
        pilot.app.screen.query_one("#filter", Input).value = "[/step"
        await until(pilot, lambda: "0 match '[/step'" in text(pilot))
        await press(pilot, "enter", "5", "slash")
        pilot.app.screen.query_one("#where", Input).value = "[/where]"
        await press(pilot, "enter")
        await until(pilot, lambda: "[/where]" in text(pilot).split("Runs")[0].split("Where")[1])
        with events.open("a") as file:
            for step in (1, 2):
                line = {"t": 0, "kind": "log", "step": step, "values": {"a[/b]/error": 0.1}}
                file.write(json.dumps(line) + "\n")
        await press(pilot, "3")
        rows(pilot, "#trials").choose(run)
        await until(pilot, lambda: "error of #" in text(pilot))
        await press(pilot, "v")
        await until(pilot, lambda: "a[/b]/error of #" in text(pilot))

    drive(history, scene)


def test_help_names_the_keys_of_the_screen(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "5", "question_mark")
        assert isinstance(pilot.app.screen, Help)
        for word in ("assay ls -w", "Diff marked", "Mark", "Screens", "Next page"):
            assert word in text(pilot)
        await press(pilot, "j", "k", "escape")
        assert not isinstance(pilot.app.screen, Help)

    drive(history, scene)


def test_the_theme_turns_and_the_palette_leads_to_screens(history: Project) -> None:
    async def scene(pilot: P) -> None:
        themes = []
        for _ in range(3):
            await press(pilot, "t")
            themes.append(pilot.app.theme)
        assert themes == ["assay-light", "assay-contrast", "assay"]
        await press(pilot, "ctrl+p", *"go to logs")
        await pilot.pause(0.5)
        await press(pilot, "enter")
        await until(pilot, lambda: pilot.app.current_mode == "logs")

    drive(history, scene)


def test_a_theme_repaints_what_was_drawn_in_the_last_one(history: Project) -> None:
    async def scene(pilot: P) -> None:
        def inks(at: str) -> set[str]:
            drawn = pilot.app.screen.query_one(at, Static).content
            return {str(span.style) for span in drawn.spans} if isinstance(drawn, Text) else set()

        def inked(at: str, tone: str) -> bool:
            return words.colour(pilot.app.theme_variables, tone) in inks(at)

        for key, at, tone in (("2", "#checks", "success"), ("3", "#line", "accent")):
            await press(pilot, key)
            await until(pilot, partial(inked, at, tone))
            before = words.colour(pilot.app.theme_variables, tone)
            await press(pilot, "t")
            await until(pilot, partial(inked, at, tone))
            assert before not in inks(at)

    drive(history, scene)


def test_maximise_gives_a_panel_the_whole_screen(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await press(pilot, "m")
        assert pilot.app.screen.maximized is rows(pilot, "#tasks")
        await press(pilot, "m", "m", "escape")
        assert pilot.app.screen.maximized is None

    drive(history, scene)


def test_q_quits(history: Project) -> None:
    async def scene(pilot: P) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert not pilot.app.is_running

    drive(history, scene)
