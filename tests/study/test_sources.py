"""Studies that evaluate checkpoints of earlier runs and train nothing."""

import pytest

from core.errors import AssayError
from core.inputs import file_digest
from core.project import Project
from core.study import cells, start, verdicts
from tests.study import running
from tests.study.conftest import Write

TRAIN = "config: {total_steps: 3}\nkind: ablation\nvariants: [baseline, quick]\nseeds: [0, 1]\n"
SHIFTS = "kind: ablation\nvariants: {as_is: {set: {}}, worse: {set: {shift: 0.5}}}\n"


def test_each_run_evaluates_the_variants_run_of_its_seed(project: Project, write: Write) -> None:
    trained = cells.records(running.Ledger(project), running.here(project, write(TRAIN)))
    evaluated = running.here(project, write(SHIFTS + "start_from: s/quick\nseeds: [0, 1]"))
    found = cells.records(running.Ledger(project), evaluated)
    for source, as_is, worse in zip(trained["quick"], found["as_is"], found["worse"], strict=True):
        best = project.run_dir(source.run) / "checkpoints" / "best.ckpt"
        assert as_is.parent == worse.parent == source.run
        assert as_is.start_from == worse.start_from == file_digest(best)
        assert as_is.seed == worse.seed == source.seed
        assert as_is.config["lr"] == 0.3  # of the run that it starts from
        assert as_is.metrics["error"].value == source.metrics["error"].value
        assert worse.metrics["error"].value == pytest.approx(as_is.metrics["error"].value + 0.5)
        assert not (project.run_dir(worse.run) / "checkpoints").exists()  # nothing was trained
    arms = verdicts.of(project, running.Ledger(project), evaluated).arms
    assert [arm.why for arm in arms] == ["", ""]  # seeds of one group: they can be judged
    assert len({r.group for r in found["worse"]}) == 1
    assert found["worse"][0].group != found["as_is"][0].group


def test_one_run_serves_all_seeds(project: Project, write: Write) -> None:
    running.here(project, write("config: {total_steps: 3}\nkind: single"))
    (source,) = running.records(project)
    plan = start.new(project, write(f"{SHIFTS}start_from: {source.run}:last\nseeds: [4, 5]"), {})
    assert plan.starts == {4: f"{source.run}:last", 5: f"{source.run}:last"}


@pytest.mark.parametrize("ref", ["s/quick", "s/better", "elsewhere/quick"])
def test_what_is_missing_names_the_study_that_makes_it(
    project: Project, write: Write, ref: str
) -> None:
    running.here(project, write(TRAIN))
    name = write(f"{SHIFTS}start_from: {ref}\nseeds: [0, 7]")
    with pytest.raises(AssayError, match="no finished run of") as refused:
        start.new(project, name, {})
    assert refused.value.hint == f"Run `assay study run {ref.partition('/')[0]}` first"


def test_a_search_cannot_start_from_a_checkpoint(project: Project, write: Write) -> None:
    with pytest.raises(AssayError, match="does not use 'start_from'"):
        start.new(project, write("kind: search\nstart_from: s/quick"), {})
