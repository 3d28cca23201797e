"""Each of these toys breaks a promise; the first that the suite finds broken is that one."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.contract import Absent, Cancelled, Loss, Model, Run, Task, Variant
from core.kit.loop import steps
from core.testing import PROMISES, Subject, check_task
from core.testing.declaration import declares_lightly
from core.testing.subject import difference
from tests.toy import toytask, toywork

TOY: Task[Any] = toytask.task


def declared(**changes: Any) -> Task[Any]:
    """The toy with another declaration."""
    return TOY.model_copy(update={"work": "tests.toy.toywork", "tools": {}, **changes})


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Task[Any]]:
    """The toy with some of its six functions replaced."""

    def make(**functions: Callable[..., Any]) -> Task[Any]:
        module = ModuleType("brokenwork")
        vars(module).update({**vars(toywork), **functions})
        monkeypatch.setitem(sys.modules, "brokenwork", module)
        return declared(work="brokenwork")

    return make


def breaks(task: Task[Any], promise: str, seen: str, folder: Path, seconds: float = 60) -> None:
    subject = Subject(task, folder, seconds)
    with pytest.raises(AssertionError) as caught:  # noqa: PT012
        for check in PROMISES:
            if check is not declares_lightly:  # it starts interpreters; tested by itself below
                check(subject)
    assert str(caught.value).startswith(f"task toy breaks its promise {promise} ("), caught.value
    assert seen in str(caught.value)


def test_the_toy_itself_breaks_none(tmp_path: Path) -> None:
    check_task(declared(), folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"work": "toywork_gone"}, "No module named 'toywork_gone'"),
        ({"models": (Model(name="Line", make="tests.toy:nothing", doc=""),)}, "tests.toy:nothing"),
        ({"tools": {"double": "tests.toy.toywork:halve"}}, "tests.toy.toywork:halve"),
        ({"tools": {"seed": "random:getstate"}}, "random:getstate cannot be called with 2 values"),
        ({"evaluator": ("tests.toy.metrics",)}, "no module tests.toy.metrics"),
        ({"inputs": lambda cfg: {"points": Path("gone.csv")}}, "input points is not there"),
    ],
)
def test_a_name_leads_nowhere(changes: dict[str, Any], seen: str, tmp_path: Path) -> None:
    breaks(declared(**changes), "names_resolve", seen, tmp_path)


def test_a_function_of_the_six_takes_other_values(
    working: Callable[..., Task[Any]], tmp_path: Path
) -> None:
    task = working(load=lambda cfg, path: {})
    breaks(task, "names_resolve", "brokenwork:load cannot be called with 3 values", tmp_path)


@pytest.mark.parametrize(("module", "seen"), [("heavy", "it loads numpy"), ("light", "")])
def test_a_declaration_that_imports_numpy(
    module: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{module}.py").write_text(
        f"{'import numpy' if seen else ''}\n"
        "from tests.toy import toytask\n"
        "class Config(toytask.ToyConfig): pass\n"
        "task = toytask.task.model_copy(update={'config': Config, 'work': 'tests.toy.toywork'})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    subject = Subject(__import__(module).task, tmp_path)
    if seen:
        with pytest.raises(AssertionError, match=seen):
            declares_lightly(subject)
    else:
        declares_lightly(subject)


def test_a_torch_free_task_whose_work_imports_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("")  # stands for the real one, which is slow to import
    (tmp_path / "burning.py").write_text("import torch\nfrom tests.toy.toywork import *\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AssertionError, match="framework is none, but burning loads torch"):
        declares_lightly(Subject(declared(work="burning"), tmp_path))


@pytest.mark.parametrize(
    ("changes", "promise", "seen"),
    [
        ({"tiny": {"total_steps": 2}}, "tiny_goes_all_the_way", "tiny makes 2 steps"),
        (
            {"tiny": {"total_steps": 3, "misbehave": "nanmetric"}},
            "metrics_are_numbers_or_absent",
            "'error': 'NaN'",
        ),
        (
            {"tiny": {"total_steps": 3, "misbehave": "undeclared"}},
            "tiny_goes_all_the_way",
            "undeclared metrics ['surprise']",
        ),
        (
            {"variants": (Variant(name="baseline"), Variant(name="loud", set={"noise": "much"}))},
            "variants_run",
            "variant loud: ",
        ),
        (
            {"losses": (*TOY.losses, Loss(name="l1", weight="lr", when="misbehave", formula=""))},
            "zero_weights_switch_off",
            "no variant switches loss l1 on",
        ),
    ],
)
def test_a_declaration_promises_too_much(
    changes: dict[str, Any], promise: str, seen: str, tmp_path: Path
) -> None:
    breaks(declared(**changes), promise, seen, tmp_path)


def test_a_tiny_config_that_needs_longer_than_it_says(tmp_path: Path) -> None:
    slow = declared(tiny={"total_steps": 3, "step_s": 0.01})
    breaks(slow, "tiny_goes_all_the_way", "s of 0.001 s", tmp_path, seconds=0.001)


def jitters(cfg: Any, run: Run) -> Any:
    return [(x, y + random.SystemRandom().random()) for x, y in toywork.data(cfg, run)]


def forgets(cfg: Any, data: Any, run: Run) -> Any:
    line, speed = {"a": 0.0, "b": 0.0}, 0.0  # the speed is in no checkpoint
    for step in steps(cfg.total_steps, run, {"line": line}):
        speed = 0.5 * speed + run.weights["l2"]
        line["a"] += speed
        run.checkpoint({"line": line}, step, {"error": 1.0})
    return line


def starts_over(cfg: Any, data: Any, run: Run) -> Any:
    line = {"a": 0.0, "b": 0.0}
    for step in range(1, cfg.total_steps + 1):
        if run.out_of_budget(step):
            break
        line["a"] += run.weights["l2"]
        run.checkpoint({"line": line}, step, {"error": 1.0})
        run.progress(step, cfg.total_steps)
    return line


def will_not_stop(cfg: Any, data: Any, run: Run) -> Any:
    try:
        return toywork.train(cfg, data, run)
    except Cancelled:
        return {}


def spends_more(cfg: Any, data: Any, run: Run) -> Any:
    line, saved = {"a": 0.0, "b": 0.0}, run.resume()
    line.update(saved["state"]["line"] if saved else {})
    for step in range(saved["step"] + 1 if saved else 1, cfg.total_steps + 1):
        run.out_of_budget(step)  # raises on cancel, and its answer is not heard
        line["a"] += step * run.weights["l2"]
        run.checkpoint({"line": line}, step, {"error": 1.0})
        run.progress(step, cfg.total_steps)
    return line


def keeps_no_secret(cfg: Any, model: Any, data: Any, run: Run) -> Any:
    (run.dir.parent / "scores.txt").write_text("best ever")
    return toywork.evaluate(cfg, model, data, run)


def litters(cfg: Any, model: Any, data: Any, run: Run) -> Any:
    subprocess.run(["touch", "scores.txt"], check=True)
    return toywork.evaluate(cfg, model, data, run)


def reads_the_config_alone(cfg: Any, data: Any, run: Any) -> Any:
    run.weights = {"l2": cfg.weight}
    return toywork.train(cfg, data, run)


def reads_no_weight(cfg: Any, data: Any, run: Any) -> Any:
    run.weights = {"l2": 1.0}
    return toywork.train(cfg, data, run)


def shrugs(cfg: Any, model: Any, data: Any, run: Run) -> Any:
    return {**toywork.evaluate(cfg, model, data, run), "gpu_ms": Absent(reason=" ")}


@pytest.mark.parametrize(
    ("function", "promise", "seen"),
    [
        (
            {"infer": lambda cfg, model, out, run: []},
            "tiny_goes_all_the_way",
            "infer wrote nothing",
        ),
        (
            {"visualise": lambda cfg, model, data, out, run: [out / "gone.csv"]},
            "tiny_goes_all_the_way",
            "gone.csv in its folder",
        ),
        ({"evaluate": shrugs}, "metrics_are_numbers_or_absent", "the absence of gpu_ms"),
        ({"data": jitters}, "repeats_exactly", "differ at .metrics.error: "),
        ({"train": forgets}, "resumes_exactly", "differ at .checkpoint.line.a: "),
        ({"train": starts_over}, "resumes_exactly", "cancelled before 2, it resumed at [1]"),
        ({"train": will_not_stop}, "cancels_within_a_step", "it went on to the end"),
        ({"train": spends_more}, "keeps_a_budget_of_steps", "made 3 steps"),
        ({"evaluate": keeps_no_secret}, "writes_where_it_may", "/scores.txt"),
        ({"evaluate": litters}, "writes_where_it_may", "into the working directory"),
        ({"train": reads_the_config_alone}, "zero_weights_switch_off", "moves .line.a"),
        ({"train": reads_no_weight}, "zero_weights_switch_off", "l2 changes nothing"),
    ],
)
def test_a_function_breaks_a_promise(
    function: dict[str, Callable[..., Any]],
    promise: str,
    seen: str,
    working: Callable[..., Task[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    breaks(working(**function), promise, seen, tmp_path)


def test_a_difference_names_its_place() -> None:
    import torch

    nan = float("nan")
    assert difference({"a": [1, nan]}, {"a": [1, nan]}) == ""
    assert difference(0.3, 0.1 + 0.2) == ": 0.3 and 0.30000000000000004"
    assert difference({"a": [1, 2]}, {"a": [1, 3]}) == ".a[1]: 2 and 3"
    assert difference({"a": 1}, {"b": 1}) == ": ['a'] and ['b']"
    assert difference(torch.tensor([1.0, nan]), torch.tensor([1.0, nan])) == ""
    assert difference({"w": torch.ones(2)}, {"w": torch.ones(2).double()}) == ".w: the arrays"
    assert difference({"w": torch.zeros(1)}, {"w": torch.full((1,), 1e-45)}) == ".w: the arrays"
