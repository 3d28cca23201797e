"""Promises of the six functions, kept or broken in runs of the tiny config."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from core.contract import Budget, Loss, Task
from core.errors import AssayError
from core.kit import checkpoint
from core.run import LiveRun
from core.testing import tiny
from core.testing.promise import demand, promise
from core.testing.subject import Subject, arrays, difference
from core.testing.writes import watched

FEWEST_STEPS = 3  # fewer cannot be interrupted in the middle


@promise
def tiny_goes_all_the_way(subject: Subject) -> None:
    """The tiny config trains, evaluates, infers and draws in its seconds."""
    whole, steps = subject.whole, subject.whole.run.steps_done
    demand(
        steps >= FEWEST_STEPS,
        f"tiny makes {steps} steps, as told to run.progress; {FEWEST_STEPS} are needed",
    )
    began = time.monotonic()
    out = subject.folder / "out"
    for name, made in subject.deliver(whole, out).items():
        demand(bool(made), f"{name} wrote nothing")
        lost = [p for p in made if not (p.is_file() and p.is_relative_to(out / name))]
        demand(not lost, f"{name} left no {', '.join(map(str, lost))} in its folder")
    used = whole.seconds + time.monotonic() - began
    demand(used <= subject.seconds, f"it took {used:.1f} s of {subject.seconds:g} s")


@promise
def metrics_are_numbers_or_absent(subject: Subject) -> None:
    """Every metric of the tiny run is a finite number, or absent for a stated reason."""
    odd = {k: v for k, v in subject.whole.metrics.items() if isinstance(v, str)}
    demand(not odd, f"not finite: {odd}")
    silent = [k for k, reason in subject.whole.absent.items() if not reason.strip()]
    demand(not silent, f"no reason for the absence of {', '.join(silent)}")


@promise
def repeats_exactly(subject: Subject) -> None:
    """Two runs with one seed agree bit for bit, durations apart."""
    found = difference(subject.numbers(subject.whole), subject.numbers(subject.run("again")))
    demand(not found, f"two runs differ at {found}")


@promise
def resumes_exactly(subject: Subject) -> None:
    """A run that was cancelled, then lost its power, ends with an undisturbed run's numbers."""
    task, last = subject.task, subject.whole.run.steps_done
    spec = subject.spec("interrupted")
    half = max(2, last // 2)
    tiny.interrupt(task, spec, half, "cancel")
    second = tiny.interrupt(task, spec.model_copy(update={"attempt": 2}), last, "power cut")
    demand(second.asked[:1] == [half], f"cancelled before {half}, it resumed at {second.asked[:1]}")
    again = spec.model_copy(update={"attempt": 3})
    resumed = tiny.finish(task, again, LiveRun(again, task))
    found = difference(subject.numbers(subject.whole), subject.numbers(resumed))
    demand(not found, f"undisturbed and resumed differ at {found}")


@promise
def cancels_within_a_step(subject: Subject) -> None:
    """A cancelled run stops before its next step and saves the last one made."""
    spec = subject.spec("cancelled")
    run = tiny.interrupt(subject.task, spec, 2, "cancel")
    demand(run.interrupted, "it went on to the end")
    saved = checkpoint.load(run.checkpoints / "last.ckpt")["step"]
    demand(saved == 1, f"cancelled after step 1, it saved step {saved}")


@promise
def keeps_a_budget_of_steps(subject: Subject) -> None:
    """A budget of two steps ends training after two, and evaluation follows."""
    result = subject.run("budget", budget=Budget(steps=2))
    steps, saved = result.run.steps_done, result.last["step"]
    demand(steps == saved == 2, f"it made {steps} steps and saved step {saved}")


@promise
def variants_run(subject: Subject) -> None:
    """Every variant validates, takes one step, and is evaluated."""
    for variant in subject.task.variants:
        try:
            result = subject.run(variant.name, variant=variant.name, budget=Budget(steps=1))
        except Exception as error:
            raise AssertionError(f"variant {variant.name}: {error!r}") from error
        steps = result.run.steps_done
        demand(steps <= 1, f"variant {variant.name} made {steps} steps of 1")


@promise
def writes_where_it_may(subject: Subject) -> None:
    """A run writes below its own folder and nowhere else."""
    here = subject.folder / "nowhere"  # a relative path would be written here
    here.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(here), watched() as written:
        result = subject.run("watched")
        subject.deliver(result, result.run.dir / "out")
    inside = result.run.dir.resolve()
    on_the_way = inside.parents  # mkdir of the folder's parents
    outside = sorted(
        p for p in written if not p.resolve().is_relative_to(inside) and p not in on_the_way
    )
    demand(not outside, f"it wrote {', '.join(map(str, outside))}")
    left = sorted(p.name for p in here.iterdir())
    demand(not left, f"it wrote {', '.join(left)} into the working directory")


@promise
def zero_weights_switch_off(subject: Subject) -> None:
    """A loss of weight 0 changes no bit, whether config or Run says so; a weighted one does."""
    for loss in subject.task.losses:
        variant, on = _switched_on(subject.task, loss)
        off = {**on, loss.weight: 0.0}
        with_it = _trained(subject, variant, on)
        by_config = _trained(subject, variant, off)
        by_run = _trained(subject, variant, on, without=loss.name)
        found = difference(by_config, by_run)
        demand(not found, f"loss {loss.name} is off, yet its weight in the config moves {found}")
        demand(
            bool(difference(with_it, by_config)),
            f"loss {loss.name} changes nothing at weight {on.get(loss.weight)}",
        )


def _switched_on(task: Task[Any], loss: Loss) -> tuple[str, dict[str, Any]]:
    """A variant, and overrides if it needs them, in which the loss counts beside most others."""
    keys = filter(None, (loss.weight, loss.when))
    found = []
    for overrides in ({}, dict.fromkeys(keys, 1)):
        for variant in task.variants:
            with contextlib.suppress(AssayError):  # the config may refuse 1 there
                config = tiny.tiny_config(task, variant.name, overrides)
                weights = task.weights(config)
                if weights[loss.name]:
                    found.append((sum(map(bool, weights.values())), variant.name, overrides))
    demand(bool(found), f"no variant switches loss {loss.name} on; declare one that does")
    _, name, overrides = max(found, key=lambda f: f[0])
    return name, overrides


def _trained(
    subject: Subject, variant: str, overrides: dict[str, Any], without: str | None = None
) -> Any:
    """What two steps of training leave; the refusal, where nothing is left to train.

    Of a checkpoint only the arrays count, where it has any: it may hold the config, too.
    """
    try:
        spec = subject.spec("weights", variant=variant, overrides=overrides, budget=Budget(steps=2))
        run = LiveRun(spec, subject.task)
        run.weights = {**run.weights, **({without: 0.0} if without else {})}
        config = tiny.begin(subject.task, spec)
        subject.work.train(config, subject.work.data(config, run), run)
    except AssayError as refusal:
        return str(refusal)
    state = checkpoint.load(run.checkpoints / "last.ckpt")["state"]
    return dict(arrays(state)) or state
