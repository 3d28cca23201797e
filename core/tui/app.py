"""The app: its screens, its keys, its themes, and one look at the world a second."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from core.project import Project
from core.tui.source import Pulse, Source
from core.tui.widgets.header import Tab
from core.tui.work import begin

if TYPE_CHECKING:
    from core.tui.starting import Started

POLL_S = 1.0
QUIET = (0, 3, 4, 130)  # exit codes that are no failure of the command: done, judged, stopped

DARK = Theme(
    "assay",
    primary="#7aa2f7",
    secondary="#9d8cd6",
    accent="#7dcfff",
    foreground="#c8d0e8",
    background="#16181f",
    surface="#1b1e27",
    panel="#272b38",
    success="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    dark=True,
)
LIGHT = Theme(
    "assay-light",
    primary="#2e5fa8",
    secondary="#6b4fa0",
    accent="#00708f",
    foreground="#23262e",
    background="#fafafa",
    surface="#f1f2f4",
    panel="#dfe2e8",
    success="#2f7d32",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
)
CONTRAST = Theme(
    "assay-contrast",
    primary="#ffff00",
    secondary="#ffffff",
    accent="#00ffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    success="#00ff5f",
    warning="#ffd700",
    error="#ff8080",
    dark=True,
    variables={"text-muted": "#d0d0d0"},
)
THEMES = (DARK, LIGHT, CONTRAST)


def _page(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A screen whose module is imported when it is first shown."""

    def make() -> Screen[Any]:
        import importlib

        screen: Screen[Any] = getattr(importlib.import_module(f"core.tui.screens.{module}"), name)()
        return screen

    return make


class Assay(App[None]):
    """Everything that the command line does, on screens that stay open all day."""

    TITLE = "assay"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (150, "-broad")]  # noqa: RUF012
    TABS: ClassVar[tuple[Tab, ...]] = (
        Tab("dashboard", "Dashboard", "Dash", "verdicts, studies, the newest runs"),
        Tab("launch", "Launch", "Launch", "choose, configure and start a study"),
        Tab("study", "Study", "Study", "runs, curves, log; pause and stop"),
        Tab("acceptance", "Acceptance", "Accept", "criteria, evidence and history of a task"),
        Tab("ledger", "Ledger", "Ledger", "every run, under a filter"),
        Tab("ablation", "Ablation", "Ablate", "variants by metrics, with bounds"),
        Tab("logs", "Logs", "Logs", "what runs and workers print"),
    )
    DEFAULT_MODE = "dashboard"  # so that no empty screen is made before it
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "dashboard": _page("dashboard", "Dashboard"),
        "launch": _page("launch", "Launch"),
        "study": _page("study", "Study"),
        "acceptance": _page("acceptance", "Acceptance"),
        "ledger": _page("ledger", "LedgerPage"),
        "ablation": _page("ablation", "Ablation"),
        "logs": _page("logs", "Logs"),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(n), f"go('{tab.mode}')", tab.name, show=False)
            for n, tab in enumerate(TABS, 1)
        ),
        Binding("t", "theme", "Theme", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, project: Project, *, start: str = "dashboard") -> None:
        gc.disable()  # until the first frame stands: a seventh of the start goes into collecting
        super().__init__()
        for theme in THEMES:  # before the first style sheet is read, so that it is read once
            self.register_theme(theme)
        if self.theme == "textual-dark":  # TEXTUAL_THEME names none
            self.theme = DARK.name
        self.source = Source(project)
        self.last: Pulse | None = None
        self.start = start
        self._looking = False
        self.started: list[Started] = []  # commands of ours that have not ended
        self.shown: set[str] = set()  # studies that were opened because we started them
        self._due: str | None = None  # one that waits until a dialog has been answered

    def on_mount(self) -> None:
        """The first screen, and the pulse."""
        self.theme_changed_signal.subscribe(self, self._repaint)
        self.switch_mode(self.start)
        self.call_after_refresh(gc.enable)
        self.set_interval(POLL_S, self.look)
        self.look()

    def look(self) -> None:
        """Look at the world in a thread; a look that takes long is not overtaken by another."""
        if not self._looking:
            self._looking = True
            begin(self, self._look)

    async def _look(self) -> None:
        from core.tui.screens.page import Page

        try:
            pulse = await asyncio.to_thread(self.source.pulse)
        finally:
            self._looking = False
        if not self.screen_stack:  # the app left meanwhile
            return
        self.last = pulse
        self._hear()
        for study in pulse.ended:
            self.bell()
            self.notify(f"study {study} has ended", markup=False)
        if isinstance(self.screen, Page):
            self.screen.pulse(pulse)

    def _repaint(self, _: Theme) -> None:
        from core.tui.screens.page import Page

        if isinstance(self.screen, Page):  # of others, when they are shown again
            self.screen.repaint()
            self.screen.reload()

    def action_go(self, mode: str) -> None:
        """Show a screen."""
        while len(self.screen_stack) > 1 and self.screen.is_modal:
            self.pop_screen()
        self.switch_mode(mode)

    def action_theme(self) -> None:
        """The next of dark, light and high contrast."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def action_help(self) -> None:
        """What this screen is for, and its keys."""
        from core.tui.screens.help import Help

        if not self.screen.is_modal:
            self.push_screen(Help(self.screen))

    def open_task(self, task: str | None) -> None:
        """The acceptance of a task."""
        self._open("acceptance", task)

    def open_study(self, study: str | None) -> None:
        """A study, live."""
        self._open("study", study)

    def open_launch(self, task: str | None) -> None:
        """The form to launch a task's study."""
        self._open("launch", task)

    def open_log(self, run: str | None) -> None:
        """The log of a run or a study's worker."""
        self._open("logs", run)

    def _open(self, mode: str, what: str | None) -> None:
        begin(self, self._select, mode, what)

    async def _select(self, mode: str, what: str | None) -> None:
        await self.switch_mode(mode)
        while len(self.screen_stack) > 1:  # a run's page, or a dialog, left open there
            await self.pop_screen()
        page: Any = self.screen
        await page.ready.wait()
        if what is not None:
            page.select(what)

    def open_ablation(self, study: str | None) -> None:
        """The arms of a study."""
        self._open("ablation", study)

    def open_run(self, run: str | None, part: str = "page") -> None:
        """All about one run."""
        from core.tui.screens.run import RunPage

        if run is not None:
            self.push_screen(RunPage(run, part))

    def launch(self, command: Sequence[str]) -> None:
        """Start a command so that it outlives the screens; its study is shown when it is there."""
        from core.tui import starting

        self.started.append(starting.start(self.source.project, command))
        self.notify(starting.shown(command), title="started", markup=False)

    def _hear(self) -> None:
        """Say of a command that was started which study it leads, or why it left."""
        for one in list(self.started):
            code = one.process.poll()
            if code is not None:
                self.started.remove(one)
                if code not in QUIET:
                    self.notify(
                        one.said() or f"it left with code {code}",
                        title="assay",
                        severity="error",
                        markup=False,
                    )
            name = one.study()
            if name and name not in self.shown:
                self.shown.add(name)
                self._due = name
        if self._due and not self.screen.is_modal:
            self.open_study(self._due)
            self._due = None

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: screens, what this screen can do, themes, and Textual's own."""
        for tab in self.TABS:
            yield SystemCommand(
                f"Go to {tab.name}", tab.about, lambda m=tab.mode: self.action_go(m)
            )
        yield from super().get_system_commands(screen)
