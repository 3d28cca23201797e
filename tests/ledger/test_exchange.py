"""In and out: nothing invented, nothing twice."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from core.errors import AssayError
from core.ledger import Ledger, exchange
from core.ledger.record import RunRecord
from tests.ledger.conftest import record

RESULTS = """commit\tval_bpb\tmemory_gb\tstatus\tdescription
a1b2c3d\t0.997900\t44.0\tkeep\tbaseline
b2c3d4e\t0.993200\t44.2\tkeep\traise "LR", to 0.04
c3d4e5f\t1.005000\t44.0\tdiscard\tGeLU
d4e5f6a\t0.000000\t0.0\tcrash\tdouble width (OOM)
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.tsv"
    path.write_text(RESULTS)
    return path


def test_a_crash_is_a_failed_run_without_the_metric(ledger: Ledger, results: Path) -> None:
    exchange.import_results(ledger, results, "gpt")
    (crash,) = ledger.records("status = 'failed'")
    assert crash.metrics == {}
    assert crash.absent == {"val_bpb": "the run crashed"}
    assert crash.resources.peak_vram_mib is None
    assert crash.git is not None
    assert crash.git.commit == "d4e5f6a"
    assert ledger.find("@best:val_bpb").metrics["val_bpb"].value == 0.9932  # not the crash's 0


def test_decisions_memory_and_words_come_along(ledger: Ledger, results: Path) -> None:
    exchange.import_results(ledger, results, "gpt")
    rows = ledger.rows(["commit", "decision", "peak_vram_mib", "kind", "task"], sort="val_bpb desc")
    assert [tuple(r.values()) for r in rows] == [
        ("c3d4e5f", "discard", 44.0 * 1024, "imported", "gpt"),
        ("a1b2c3d", "keep", 44.0 * 1024, "imported", "gpt"),
        ("b2c3d4e", "keep", 44.2 * 1024, "imported", "gpt"),
        ("d4e5f6a", None, None, "imported", "gpt"),
    ]
    (run,) = ledger.records("commit = 'b2c3d4e'")
    assert 'raise "LR", to 0.04' in run.notes[0].text
    assert "seed, threads, environment and times were not recorded" in run.notes[0].text


def test_what_was_imported_is_not_imported_again(ledger: Ledger, results: Path) -> None:
    assert len(exchange.import_results(ledger, results, "gpt")) == 4
    results.write_text(RESULTS + "e5f6a7b\t0.99\t44.1\tkeep\tanother\n")
    assert len(exchange.import_results(ledger, results, "gpt")) == 1
    assert len(ledger.records()) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("commit,val_bpb\n", "has the columns commit,val_bpb"),
        ("", "has the columns none"),
        (RESULTS + "x\t1\n", "line 6 has 2 columns, not 5"),
        (RESULTS + "x\tfast\t1\tkeep\ty\n", "line 6: 'fast' is no number"),
        (RESULTS + "x\tnan\t1\tkeep\ty\n", "line 6: 'nan' is no number"),
        (RESULTS + "x\t1\t1\tkept\ty\n", "no status 'kept' in .*line 6. Did you mean 'keep'"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(
    ledger: Ledger, results: Path, text: str, said: str
) -> None:
    results.write_text(text)
    with pytest.raises(AssayError, match=said):
        exchange.import_results(ledger, results, "gpt")
    assert ledger.records() == []


def test_jsonl_holds_whole_records(ledger: Ledger) -> None:
    for seed in range(3):
        record(ledger, seed=seed)
    out = io.StringIO()
    assert exchange.export(ledger, "jsonl", "seed > 0", out) == 2
    back = [RunRecord.model_validate_json(line) for line in out.getvalue().splitlines()]
    assert back == ledger.records("seed > 0")


def test_csv_has_a_row_a_run_and_blank_for_unknown(ledger: Ledger) -> None:
    record(ledger, ssim=0.25)
    record(ledger, "failed", config={"lr": 0.5, "note": 'a,"b"\nc'}, origins={})
    out = io.StringIO(newline="")
    assert exchange.export(ledger, "csv", None, out) == 2
    failed, finished = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert (finished["metric.ssim"], failed["metric.ssim"]) == ("0.25", "")
    assert (failed["config.note"], finished["config.note"]) == ('a,"b"\nc', "")
    assert json.loads(finished["config.optim.betas"]) == [0.9, 0.999]


def test_an_unknown_format_is_refused(ledger: Ledger) -> None:
    with pytest.raises(AssayError, match="no format 'xml'"):
        exchange.export(ledger, "xml", None, io.StringIO())
