"""The commands that judge, on a ledger with recorded runs of the toy."""

import json
import math
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from core import judging, registry
from core.cli import accept
from core.contract import Criterion
from core.errors import AssayError, Exit
from core.ledger import Ledger, baselines
from core.ledger.fold import ENDED, MERGED, STARTED
from core.ledger.record import RunRecord
from core.project import Project
from core.study import verdicts
from tests.acceptance.records import run
from tests.study import running
from tests.toy.toytask import task as toy

GOOD, BASE = [0.10, 0.12, 0.11], [0.20, 0.21, 0.22]


def record(ledger: Ledger, made: RunRecord) -> RunRecord:
    """Append what a supervisor would have appended for this run."""
    dump = json.loads(made.model_dump_json())
    ledger.append("started", made.run, {k: dump[k] for k in STARTED if k in dump})
    if made.status != "running":
        ledger.append("ended", made.run, {k: dump[k] for k in (*ENDED, *MERGED)})
    return made


def recorded(ledger: Ledger, errors: Sequence[float], group: str, **given: Any) -> list[RunRecord]:
    """Finished toy runs, one a seed."""
    fields: dict[str, Any] = {"task": "toy", "declared": toy.metrics, "nonfinite_steps": 0} | given
    fields |= {"group": group, "absent": {"gpu_ms": "no CUDA"}}
    return [
        record(ledger, run(seed, error=error, score=-20 * math.log10(error), **fields))
        for seed, error in enumerate(errors)
    ]


@pytest.fixture
def ledger(project: Project) -> Ledger:
    return Ledger(project)


@pytest.fixture
def base(project: Project, ledger: Ledger) -> list[RunRecord]:
    runs = recorded(ledger, BASE, "b" * 16, variant="baseline")
    baselines.put(project, "toy", [r.run for r in runs], by="human")
    return runs


def assay(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    app = typer.Typer(pretty_exceptions_enable=False)
    accept.register(app)
    done = CliRunner().invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


def data(*words: str) -> Any:
    return json.loads(assay(*words, "--json")[1].splitlines()[-1])["data"]


# ---- accept ----


def test_accept_judges_the_newest_group_that_is_not_the_yardstick(
    ledger: Ledger, base: list[RunRecord]
) -> None:
    recorded(ledger, [0.3, 0.3, 0.3], "a" * 16)
    newest = recorded(ledger, GOOD, "c" * 16)
    got = data("accept", "toy")
    assert sorted(got["candidate"]) == sorted(r.run for r in newest)
    assert sorted(got["reference"]) == sorted(r.run for r in base)


def test_what_was_not_measured_stands_under_its_own_heading(
    ledger: Ledger, base: list[RunRecord]
) -> None:
    recorded(ledger, GOOD, "c" * 16)
    code, text = assay("accept", "toy")
    assert code == Exit.INCONCLUSIVE
    table, blank = text.split("not measured or not comparable here")
    assert "+0.100 [+0.083, +0.117]" in table
    assert "0.21 (3)" in table
    assert "real time" not in table
    assert "not measured: no CUDA" in blank


@pytest.mark.parametrize(
    ("errors", "code", "verdict"),
    [
        (GOOD, Exit.OK, "pass"),
        (BASE, Exit.NOT_ACCEPTED, "fail"),
        ([0.1, 0.2, 0.3], Exit.INCONCLUSIVE, "inconclusive"),
    ],
)
def test_the_exit_code_is_the_verdict(
    ledger: Ledger,
    base: list[RunRecord],
    monkeypatch: pytest.MonkeyPatch,
    errors: list[float],
    code: Exit,
    verdict: str,
) -> None:
    only_error = toy.model_copy(update={"criteria": (toy.criteria[0].of[0],)})  # type: ignore[union-attr]
    monkeypatch.setattr(registry.Registry, "find", lambda *_: only_error)
    recorded(ledger, errors, "c" * 16)
    assert assay("accept", "toy")[0] == code
    assert data("accept", "toy")["verdict"] == verdict


def test_the_verdict_is_recorded_on_every_candidate_and_published(
    project: Project, ledger: Ledger, base: list[RunRecord]
) -> None:
    runs = recorded(ledger, GOOD, "c" * 16)
    got = data("accept", "toy")
    for r in runs:
        found = Ledger(project).find(r.run).verdict
        assert found is not None
        assert json.loads(found.model_dump_json()) == got
    segments = (project.ledger / "segments").rglob("*.jsonl")
    assert any(got["id"] in s.read_text() for s in segments)


def test_a_nan_fails_and_stays_in_the_json(ledger: Ledger, base: list[RunRecord]) -> None:
    recorded(ledger, [0.1, float("nan"), 0.1], "c" * 16)
    clause = data("accept", "toy")["clauses"][0]
    assert clause["result"] == "fail"
    assert clause["candidate"][1] == "NaN"


def test_a_run_stands_for_its_group_and_a_digest_is_one(
    ledger: Ledger, base: list[RunRecord]
) -> None:
    older = recorded(ledger, GOOD, "a" * 16)
    recorded(ledger, GOOD, "c" * 16)
    for ref in (older[1].run, older[1].run[:22].lower() + older[1].run[22:], "a" * 16):
        assert sorted(data("accept", "toy", ref)["candidate"]) == [r.run for r in older]


def test_a_variant_narrows_the_choice(ledger: Ledger, base: list[RunRecord]) -> None:
    quick = recorded(ledger, GOOD, "a" * 16, variant="quick")
    recorded(ledger, GOOD, "c" * 16, variant="better")
    assert sorted(data("accept", "toy", "-v", "quick")["candidate"]) == [r.run for r in quick]
    code, text = assay("accept", "toy", "-v", "quik")
    assert code == Exit.INPUT
    assert "Did you mean 'quick'?" in text


def test_another_yardstick_takes_the_place_of_the_named_one(
    project: Project, ledger: Ledger, base: list[RunRecord]
) -> None:
    other = recorded(ledger, [0.5, 0.5, 0.5], "d" * 16)
    baselines.put(project, "toy", [r.run for r in other], by="human", name="old")
    recorded(ledger, GOOD, "c" * 16)
    got = data("accept", "toy", "--against", "old")
    assert sorted(got["reference"]) == sorted(r.run for r in other)
    assert {c["against"] for c in got["clauses"]} == {"old"}
    assert assay("accept", "toy", "--against", "odd")[0] == Exit.INPUT


def test_a_broken_seed_is_exit_5(ledger: Ledger, base: list[RunRecord]) -> None:
    recorded(ledger, GOOD, "c" * 16)
    record(ledger, run(7, task="toy", group="c" * 16, status="crashed"))
    code, text = assay("accept", "toy")
    assert code == Exit.NOT_FINISHED
    assert "(seed 7) is crashed" in text


def test_nothing_to_judge_is_exit_5(base: list[RunRecord]) -> None:
    code, text = assay("accept", "toy")
    assert code == Exit.NOT_FINISHED
    assert "`assay run toy`" in text


def test_a_run_of_another_task_is_refused(ledger: Ledger, base: list[RunRecord]) -> None:
    other = recorded(ledger, GOOD, "e" * 16, task="other")
    code, text = assay("accept", "toy", other[0].run)
    assert code == Exit.INPUT
    assert "is a run of other" in text


def test_junit_has_a_case_a_criterion(
    ledger: Ledger, base: list[RunRecord], tmp_path: Path
) -> None:
    recorded(ledger, GOOD, "c" * 16)
    assay("accept", "toy", "--junit", str(tmp_path / "junit.xml"))
    root = xml.parse(tmp_path / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "0", "1")
    cases = {case.get("name"): case for case in root}
    assert list(cases) == ["better", "stable", "real time"]
    skipped = cases["real time"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "not measured: no CUDA"


def test_markdown_is_a_table_of_a_row_a_clause(ledger: Ledger, base: list[RunRecord]) -> None:
    recorded(ledger, GOOD, "c" * 16)
    lines = assay("accept", "toy", "--markdown")[1].splitlines()
    rows = [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("|")]
    assert rows[2:6] == ["better (one of)", "· error", "· score", "stable"]


def test_accept_says_what_was_judged_and_that_it_is_recorded(
    ledger: Ledger, base: list[RunRecord]
) -> None:
    runs = recorded(ledger, GOOD, "c" * 16, variant="quick")
    first, second, *_ = assay("accept", "toy")[1].splitlines()
    assert first.startswith("judged: quick, 3 seeds, runs ")
    assert all(r.run[-6:] in first for r in runs)
    assert second == "recorded as a verdict"


# ---- accept of a study ----

STUDY = """task: toy
kind: ablation
config: {total_steps: 2}
variants: [baseline, quick]
reference: baseline
seeds: [0, 1, 2]
criteria:
  - {name: mine, metric: error, gain: -100.0}
"""


def test_a_study_is_judged_by_its_own_criteria_and_reference(
    project: Project, base: list[RunRecord]
) -> None:
    (project.root / "studies").mkdir(exist_ok=True)
    (project.root / "studies" / "s.yaml").write_text(STUDY)
    made = running.here(project, "s")
    ledger = Ledger(project)
    arms = {a.label: a for a in verdicts.of(project, ledger, made).arms}
    got = data("accept", "toy", "s")
    assert [c["name"] for c in got["clauses"]] == ["mine"]
    assert got["candidate"] == [r.run for r in arms["quick"].runs]
    assert got["reference"] == sorted(r.run for r in arms["baseline"].runs)
    reported = arms["quick"].verdict
    assert reported
    assert got["verdict"] == reported.verdict == "pass"
    assert data("accept", "toy", "s")["id"] == got["id"]  # said once
    assert assay("accept", "toy", "s", "-v", "quick")[1].startswith(
        "judged: quick, 3 seeds, commit"
    )
    code, text = assay("accept", "toy", "s", "-v", "baseline")
    assert (code, "besides its reference" in text) == (Exit.INPUT, True)
    aimed = data("accept", "toy", "s", "--against", "baseline")
    assert [c["name"] for c in aimed["clauses"]] == ["mine"]
    assert "no comparison with baseline: " in aimed["clauses"][0]["reason"]  # other conditions


# ---- judging ----


def test_after_a_run_nothing_is_judged_until_the_group_is_complete(
    project: Project, ledger: Ledger, base: list[RunRecord]
) -> None:
    recorded(ledger, GOOD, "c" * 16)
    late = record(ledger, run(7, task="toy", group="c" * 16, status="running"))
    assert judging.after_run(project, ledger, toy, "c" * 16) is None
    with pytest.raises(AssayError, match="not finished"):
        judging.judge_group(project, ledger, toy, "c" * 16)
    ledger.append("note", late.run, {"kind": "void", "text": "stray", "by": "human"})
    assert judging.after_run(project, ledger, toy, "c" * 16) is not None


def test_a_study_may_bring_criteria_and_a_yardstick_of_its_own(
    project: Project, ledger: Ledger
) -> None:
    recorded(ledger, GOOD, "c" * 16)
    own = recorded(ledger, BASE, "b" * 16)
    asked = [Criterion(name="error", metric="error", gain=0.05)]
    verdict = judging.judge_group(
        project, ledger, toy, "c" * 16, criteria=asked, references={"baseline": own}
    )
    assert verdict.verdict == "pass"
    assert verdict.criteria[0]["gain"] == 0.05
    assert verdict.reference == sorted(r.run for r in own)


# ---- selftest ----


def test_selftest_accepts_criteria_that_refuse_the_yardstick(base: list[RunRecord]) -> None:
    code, text = assay("accept", "toy", "--selftest")
    assert (code, "no effect" in text) == (Exit.OK, True)


def test_selftest_names_criteria_that_a_given_control_passes(
    ledger: Ledger, base: list[RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    lax = toy.model_copy(update={"criteria": toy.criteria[1:2]})  # nonfinite_steps alone
    monkeypatch.setattr(registry.Registry, "find", lambda *_: lax)
    constant = recorded(ledger, [9.0, 9.0, 9.0], "f" * 16)
    code, text = assay("accept", "toy", constant[0].run, "--selftest")
    assert code == Exit.NOT_ACCEPTED
    assert "given control" in text


def test_selftest_on_a_yardstick_of_one_run_decides_nothing(
    project: Project, ledger: Ledger
) -> None:
    alone = recorded(ledger, [0.2], "b" * 16)
    baselines.put(project, "toy", [alone[0].run], by="human")
    code, text = assay("accept", "toy", "--selftest")
    assert (code, "do not decide" in text) == (Exit.INCONCLUSIVE, True)


def test_selftest_needs_a_yardstick(project: Project) -> None:
    code, text = assay("accept", "toy", "--selftest")
    assert (code, "no baseline 'baseline'" in text) == (Exit.INPUT, True)


# ---- baselines ----


def test_a_run_is_set_with_its_whole_group(project: Project, ledger: Ledger) -> None:
    runs = recorded(ledger, BASE, "b" * 16)
    record(ledger, run(7, task="toy", group="b" * 16, status="crashed"))
    code, _ = assay("baseline", "set", "toy", runs[1].run, "--note", "three seeds")
    assert code == Exit.OK
    got = baselines.get(project, "toy")
    assert (got.runs, got.note, got.by) == (tuple(r.run for r in runs), "three seeds", "human")


def test_setting_a_yardstick_anew_says_what_it_replaces(
    ledger: Ledger, base: list[RunRecord]
) -> None:
    new = recorded(ledger, GOOD, "c" * 16)
    text = assay("baseline", "set", "toy", new[0].run)[1]
    assert f"replaces {' '.join(r.run for r in base)}, set 20" in text
    assert "replaces" not in assay("baseline", "set", "toy", new[0].run, "--name", "old")[1]


def test_only_the_given_runs_are_set_when_asked(project: Project, ledger: Ledger) -> None:
    runs = recorded(ledger, BASE, "b" * 16)
    assay("baseline", "set", "toy", runs[2].run, runs[0].run, "--only", "--name", "old")
    assert baselines.get(project, "toy", "old").runs == (runs[0].run, runs[2].run)


def test_a_yardstick_is_finished_and_of_one_group(ledger: Ledger) -> None:
    crashed = record(ledger, run(0, task="toy", group="a" * 16, status="crashed"))
    code, text = assay("baseline", "set", "toy", crashed.run)
    assert (code, "no finished run" in text) == (Exit.INPUT, True)
    one, other = recorded(ledger, [0.1], "b" * 16), recorded(ledger, [0.1], "c" * 16)
    code, text = assay("baseline", "set", "toy", one[0].run, other[0].run)
    assert (code, "several groups" in text) == (Exit.INPUT, True)


def test_yardsticks_are_shown_and_removed(base: list[RunRecord]) -> None:
    assert base[0].run in assay("baseline", "show")[1]
    assert data("baseline", "show", "toy")["toy"]["baseline"]["runs"] == [r.run for r in base]
    assert assay("baseline", "remove", "toy")[0] == Exit.OK
    assert assay("baseline", "show", "toy") == (0, "no yardstick is set\n")
    assert assay("baseline", "remove", "toy")[0] == Exit.INPUT
