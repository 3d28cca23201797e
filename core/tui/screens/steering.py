"""What can be done to a study and its runs, by the keys of the screen that shows them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from core.tui.screens.ask import Ask, when
from core.tui.screens.page import Page
from core.tui.trials import Trial, Trials
from core.tui.widgets.rows import Rows


class Steering(Page):
    """A screen with a study in `found` and its runs in the table `trials`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("s", "stop", "Stop"),
        Binding("x", "stop_run", "Stop run"),
        Binding("e", "again", "Again"),
        Binding("c", "compare", "Compare"),
        Binding("a", "accept", "Judge", show=False),
        Binding("b", "ablation", "Ablation table", show=False),
        Binding("i", "pictures", "Pictures", show=False),
        Binding("w", "page", "Write its review page", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: Trials | None = None
        self.marked: list[str] = []

    @property
    def trial(self) -> Trial | None:
        """The run under the cursor, when it has begun."""
        key = self.query_one("#trials", Rows).chosen
        trials = self.found.trials if self.found else []
        return next((t for t in trials if t.key == key and t.begun), None)

    def action_pause(self) -> None:
        """Pause, or go on: also with a study that was stopped."""
        from core import study

        if self.found is None:
            return
        name, state = self.found.summary.id, self.found.summary.state
        project = self.assay.source.project
        if state == "running":
            self.do(lambda: study.pause(project, name), f"paused {name}: runs under way go on")
        elif state == "paused":
            self.do(lambda: study.unpause(project, name), f"{name} goes on")
        elif state == "stopped":
            self.assay.launch(["resume", name])
        else:
            self.notify(f"{name} is {state}")

    def action_stop(self) -> None:
        """Stop the whole study, when that is meant."""
        from core import study

        if self.found is None:
            return
        name = self.found.summary.id
        if self.found.summary.state not in ("running", "paused"):
            self.notify(f"{name} is {self.found.summary.state}")
            return
        said = "All its runs save a checkpoint at their next step and end. p goes on from there."
        project = self.assay.source.project
        stop = when(lambda: self.do(lambda: study.stop(project, name), f"asked {name} to stop"))
        self.app.push_screen(Ask(f"Stop {name}?", said, "Stop"), stop)

    def action_stop_run(self) -> None:
        """Stop one run, when that is meant."""
        from core import control

        if (trial := self.trial) is None:
            return
        source = self.assay.source

        def stop() -> None:
            control.stop(source.project, [source.record(trial.key)])

        said = (
            "It saves a checkpoint at its next step and ends; the study goes on. e does it again."
        )
        ask = Ask(f"Stop run #{trial.number}?", said, "Stop")
        self.app.push_screen(ask, when(lambda: self.do(stop, f"asked #{trial.number} to stop")))

    def action_again(self) -> None:
        """Have a run done again; its study goes on if it does not run."""
        from core.tui import starting

        trial = self.trial
        if trial is None or self.found is None:
            return
        project, name = self.assay.source.project, self.found.summary.id

        def again() -> None:
            said = starting.ask(project, ["study", "requeue", trial.key])
            if not said["running"]:
                self.app.call_from_thread(self.assay.launch, ["resume", name])

        self.do(again, f"queued #{trial.number} again")

    def action_compare(self) -> None:
        """The marked runs over each other."""
        from core.tui.screens.compare import Compare

        if len(self.marked) < 2:
            self.notify("mark two runs or more with space")
        else:
            self.app.push_screen(Compare(list(self.marked)))

    def action_accept(self) -> None:
        """The acceptance of its task."""
        if self.found:
            self.assay.open_task(self.found.summary.task)

    def action_ablation(self) -> None:
        """The study as a matrix."""
        if self.found:
            self.assay.open_ablation(self.found.summary.id)

    def action_pictures(self) -> None:
        """The pictures of the run under the cursor."""
        if trial := self.trial:
            self.assay.open_run(trial.key, part="pictures")

    def action_page(self) -> None:
        """Its review page, as a file."""
        if self.found:
            self.write_page(self.found.summary.id)
