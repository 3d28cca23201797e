"""Study files and what they ask for."""

from typing import Any

import pytest

from core import registry
from core.errors import AssayError
from core.project import Project
from core.study import plan
from core.study.plan import Plan
from tests.study.conftest import Write

ABLATION = "kind: ablation\nvariants: [baseline, quick]\n"


def asked(made: Plan) -> list[tuple[str, dict[str, Any], int]]:
    return [(c.arm, c.set, c.seed) for c in made.cells]


def test_an_ablation_is_every_variant_with_every_seed(project: Project, write: Write) -> None:
    made = plan.make(project, write(ABLATION + "seeds: [0, 7]"))
    assert asked(made) == [
        ("baseline", {}, 0),
        ("quick", {"lr": 0.3}, 0),
        ("baseline", {}, 7),
        ("quick", {"lr": 0.3}, 7),
    ]
    assert made.reference == "baseline"


def test_variants_may_be_written_in_the_file(project: Project, write: Write) -> None:
    name = write("kind: ablation\nvariants: {quick: , slow: {set: {lr: 0.01}}}\nreference: slow")
    made = plan.make(project, name)
    assert asked(made) == [("quick", {"lr": 0.3}, 0), ("slow", {"lr": 0.01}, 0)]
    assert made.reference == "slow"


def test_questions_name_variants_of_the_study(project: Project, write: Write) -> None:
    made = plan.make(project, write(ABLATION + "contrasts: {faster helps: [quick, baseline]}"))
    assert made.study.contrasts == {"faster helps": ("quick", "baseline")}
    assert Plan.model_validate_json(made.model_dump_json()) == made


def test_seeds_are_one_variant_many_times(project: Project, write: Write) -> None:
    made = plan.make(project, write("kind: seeds\nvariants: [quick]\nseeds: [3, 4]"))
    assert asked(made) == [("quick", {"lr": 0.3}, 3), ("quick", {"lr": 0.3}, 4)]
    assert made.reference is None


SWITCHES = "switches: {lr: [0.1, 0.3], easy: {set: {noise: 0.0}}}\n"


@pytest.mark.parametrize(
    ("design", "arms"),
    [
        (
            "leave_one_out",
            {
                "full": {"lr": 0.3, "noise": 0.0},
                "without lr": {"lr": 0.1, "noise": 0.0},
                "without easy": {"lr": 0.3},
            },
        ),
        (
            "add_one",
            {"base": {"lr": 0.1}, "with lr": {"lr": 0.3}, "with easy": {"lr": 0.1, "noise": 0.0}},
        ),
        (
            "factorial",
            {
                "base": {"lr": 0.1},
                "lr": {"lr": 0.3},
                "easy": {"lr": 0.1, "noise": 0.0},
                "lr + easy": {"lr": 0.3, "noise": 0.0},
            },
        ),
    ],
)
def test_designs_of_switches(
    project: Project, write: Write, design: str, arms: dict[str, dict[str, float]]
) -> None:
    made = plan.make(project, write(f"kind: ablation\n{SWITCHES}design: {design}"))
    assert {a.label: a.set for a in made.arms} == arms
    assert made.reference == next(iter(arms))


def test_a_grid_is_every_combination(project: Project, write: Write) -> None:
    made = plan.make(project, write("kind: grid\ngrid: {lr: [0.1, 0.2], noise: [0.0, 0.5]}"))
    assert [c.set for c in made.cells] == [
        {"lr": 0.1, "noise": 0.0},
        {"lr": 0.1, "noise": 0.5},
        {"lr": 0.2, "noise": 0.0},
        {"lr": 0.2, "noise": 0.5},
    ]
    assert made.reference is None


def test_the_variant_wins_over_the_files_config_and_o_over_both(
    project: Project, write: Write
) -> None:
    name = write("kind: ablation\nconfig: {lr: 0.2, noise: 0.1}\nvariants: [baseline, quick]")
    made = plan.make(project, name, {"weight": 2.0})
    specs = [plan.spec(project, made, cell) for cell in made.cells]
    assert [s.config["lr"] for s in specs] == [0.2, 0.3]
    assert {s.config["noise"] for s in specs} == {0.1}
    assert {s.config["weight"] for s in specs} == {2.0}
    assert specs[1].origins["lr"] == "variant quick"
    assert [s.variant for s in specs] == ["baseline", "quick"]


def test_cores_are_shared_by_the_workers(
    project: Project, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.plan.default_threads", lambda: 8)
    name = write(ABLATION)
    assert plan.make(project, name, workers=3).threads == 2
    assert plan.make(project, name, workers=99).threads == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: seeds\nbudget: {minutes: 10}", "no study key 'minutes' in .*, budget. Known: epo"),
        ("kind: seeds\nbudget: {step: 10}", "no study key 'step' .*Did you mean 'steps'"),
        ("kind: seeds\ncriteria: [{name: a, metrc: b}]", "'metrc' .*Did you mean 'metric'"),
        ("kind: ablation\nvariant: [quick]", "no study key 'variant'.*Did you mean 'variants'"),
        ("kind: ablation\nvariants: [quik]", "no variant 'quik'.*Did you mean 'quick'"),
        ("kind: ablation\nvariants: {a: {set: {lrr: 1}}}", "no config key 'lrr'.*'lr'"),
        ("kind: ablation\nvariants: {a: {set: {lr: fast}}}", "lr = 'fast'.*variant a"),
        ("kind: ablation\ngrid: {lr: [1]}", "kind ablation does not use 'grid'"),
        ("kind: seeds\nseeds: [1, 1]", "seeds = .*an entry stands twice"),
        ("kind: ablation\nvariants: [quick, quick]", "variants.*an entry stands twice"),
        ("kind: single\nseeds: [0, 1]", "a single run has one seed"),
        ("kind: grid\ngrid: {lr: []}", "grid.lr"),
        ("kind: seeds\nseeds: []", "seeds"),
        ("kind: seeds\nvariants: [baseline, quick]", "several are an ablation"),
        ("kind: grid", "a grid needs"),
        ("kind: ablation\ndesign: factorial", "factorial needs switches"),
        (f"kind: ablation\n{SWITCHES}", "switches need"),
        ("kind: ablation\nvariants: [baseline]\nreference: quick", "no variant 'quick'"),
        (f"{ABLATION}contrasts: {{q: [quick, slow]}}", "no variant 'slow'.*q"),
        (f"{ABLATION}contrasts: {{q: [quick]}}", "contrasts.q"),
        ("kind: search\ncontrasts: {q: [a, b]}", "kind search does not use 'contrasts'"),
        (
            "kind: ablation\ndesign: factorial\nswitches: {lr: [0.1, 0.2], b: {set: {lr: 1}}}",
            "two switches set one key",
        ),
        ("kind: seeds\nbudget: {minutes: 3}", "minutes"),
        ("kind: seeds\ndevice: tpu", "no device 'tpu'"),
        (
            "kind: seeds\ncriteria: [{name: a, metric: eror, at_most: 1}]",
            "no metric 'eror'.*Did you mean 'error'",
        ),
        ("kind: nothing", "kind = 'nothing'"),
        ("kind: search\nsearch: {lrr: {low: 0, high: 1}}", "no config key 'lrr'"),
        ("kind: search\nsearch: {total_steps: {choices: [5, many]}}", "total_steps = 'many'"),
        ("kind: search\nsearch: {lr: {choices: [[1, 2]]}}", "one plain value"),
        ("kind: search\nobjectives: [eror]", "no metric 'eror'"),
        ("kind: search\nobjectives: [score]\npruner: median", "pruning looks at error"),
        ("kind: search\nsampler: grid", "no grid over lr"),
        ("kind: search\nseeds: [1]", "does not use 'seeds'"),
        ("kind: search\nstorage: sqlite:///x.db", "postgresql"),
        ("kind: search\nstorage: postgresql+nodriver://x/y", "needs the package 'nodriver'"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    project: Project, write: Write, text: str, said: str
) -> None:
    with pytest.raises(AssayError, match=f"(?s){said}"):
        plan.make(project, write(text))


def test_o_may_not_fix_what_the_study_varies(project: Project, write: Write) -> None:
    with pytest.raises(AssayError, match="'lr' is varied by"):
        plan.make(project, write(ABLATION), {"lr": 0.5})
    with pytest.raises(AssayError, match="'shift' is varied by"):
        plan.make(project, write("kind: search"), {"shift": 0.5})
    one = write("kind: seeds\nvariants: [quick]")
    assert plan.make(project, one, {"lr": 0.5}).overrides == {"lr": 0.5}


def test_a_search_takes_the_tasks_space_and_direction(project: Project, write: Write) -> None:
    made = plan.make(project, write("kind: search\ntrials: 7"))
    assert set(made.space) == {"lr", "shift"}
    assert made.objectives == ["error"]
    assert (made.cells, made.trials, made.sampler) == ([], 7, "tpe")


def test_a_grid_search_has_no_more_trials_than_points(project: Project, write: Write) -> None:
    name = write("kind: search\nsearch: {lr: {low: 0.1, high: 0.3, step: 0.1}}\ntrials: 50")
    made = plan.make(project, name)
    assert (made.sampler, made.trials) == ("grid", 3)


@pytest.mark.parametrize(
    ("text", "reused"),
    [
        ("kind: seeds", True),  # gpu_ms is judged on CUDA alone, and this is a CPU
        ("kind: seeds\nbudget: {steps: 5}", True),
        ("kind: seeds\nbudget: {seconds: 5}", False),
        ("kind: seeds\ncriteria: [{name: quick, metric: gpu_ms, below: 60}]", False),
    ],
)
def test_runs_whose_numbers_are_not_repeatable_are_not_reused(
    project: Project, write: Write, text: str, reused: bool
) -> None:
    made = plan.make(project, write(text))
    task = registry.load(project).find("toy")
    assert (plan.no_reuse(made, task) == "") is reused
    fresh = made.model_copy(update={"fresh": True})
    assert plan.no_reuse(fresh, task) == "--fresh"


def test_keys_of_the_file_can_be_changed_for_once(project: Project, write: Write) -> None:
    name = write("kind: seeds\nseeds: [0, 1, 2]\nbudget: {steps: 9, epochs: 2}")
    changes = {"seeds": [5], "budget.steps": 3}
    made = plan.make(project, name, changes=changes)
    assert [cell.seed for cell in made.cells] == [5]
    assert (made.study.budget.steps, made.study.budget.epochs) == (3, 2)
    with pytest.raises(AssayError, match="no study key 'sedes'"):
        plan.make(project, name, changes={"sedes": [5]})


def test_without_a_file_the_keys_are_the_study(project: Project) -> None:
    changes = {"task": "toy", "kind": "ablation", "variants": ["baseline", "quick"]}
    made = plan.make(project, "", changes=changes)
    assert (made.name, made.origin, len(made.cells)) == ("toy", "-s", 2)
    with pytest.raises(AssayError, match="no task to make a study of"):
        plan.make(project, "", changes={"kind": "seeds"})
