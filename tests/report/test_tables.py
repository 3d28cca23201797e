"""Tables read back from each of their forms, and what they say of a study."""

import csv
import dataclasses
import io
import math
import re

import pytest

from core import acceptance
from core.contract import Published
from core.ledger.record import RunRecord
from core.report import groups, numbers, table
from core.report.groups import Comparison, Group
from core.report.table import Table
from core.stats import Estimate, mean
from tests.acceptance.records import LIGHTMAP, METRICS, run

SAMPLE = Table(
    "Two rows of 100 % & more",
    ("variant", "psnr dB ↑", "said"),
    (("base_line", "20.74 ± 0.01", "a|b"), ("x^2", "3.5", "50 % {off}")),
    ("a note",),
)


def arm(label: str, ssim: float, **given: float) -> list[RunRecord]:
    """Three seeds around a value."""
    return [
        run(seed, variant=label, ssim=ssim + 0.01 * seed, absent={"gpu_ms": "no CUDA"}, **given)
        for seed in range(3)
    ]


@pytest.fixture
def study() -> Comparison:
    common = {"lpips": 0.2, "psnr": 20.0, "nonfinite_steps": 0.0}
    base, good = arm("baseline", 0.5, **common), arm("good", 0.7, **common)
    verdict = acceptance.judge(METRICS, LIGHTMAP, good, {"baseline": base})
    made = [Group("baseline", base), Group("good", good, verdict)]
    return Comparison("demo", METRICS, made, made[0])


def test_text_lines_columns_up() -> None:
    title, *lines = table.text([SAMPLE]).splitlines()
    assert title == SAMPLE.title
    assert lines[0].index("psnr") + len("psnr dB ↑") == lines[1].index("0.01") + 4
    assert lines[0].index("said") == lines[1].index("a|b") == lines[2].index("50 %")
    assert lines[-1].strip() == "a note"


def test_text_is_never_wider_than_the_page() -> None:
    wide = Table(
        "t",
        ("variant", *(f"column{i:02d}" for i in range(30))),
        (("a", *("1.25" for _ in range(30))),),
    )
    lines = table.text([wide]).splitlines()
    assert max(map(len, lines)) <= table.WIDTH
    assert sum(line.startswith("variant") for line in lines) > 1  # every part names its rows
    for i in range(30):
        assert any(f"column{i:02d}" in line for line in lines)


def test_markdown_reads_back() -> None:
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.markdown([SAMPLE]).splitlines()
        if line.startswith("|")
    ]
    assert rows[0] == list(SAMPLE.columns)
    assert rows[1] == ["---", "---:", "---"]
    assert rows[2:] == [list(r) for r in SAMPLE.rows]


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(table.csv([SAMPLE]))))
    assert rows == [list(SAMPLE.columns), *map(list, SAMPLE.rows)]


def test_latex_reads_back() -> None:
    text = table.latex([SAMPLE])
    body = re.search(r"\\toprule\n(.*)\\bottomrule", text, re.DOTALL)
    assert body
    back = {v: k for k, v in table.SIGNS.items()}
    signs = re.compile("|".join(re.escape(v) for v in sorted(back, key=len, reverse=True)))
    rows = [
        [signs.sub(lambda m: back[m.group()], cell.strip()) for cell in re.split(r"(?<!\\)&", line)]
        for line in body[1].replace("\\midrule\n", "").split("\\\\\n")[:-1]
    ]
    assert rows == [list(SAMPLE.columns), *map(list, SAMPLE.rows)]
    assert re.search(r"\\begin\{tabular\}\{lrl\}", text)
    for special in "%&_":
        assert not re.search(rf"(?<!\\){special}", text.split("\\toprule")[0].split("\\caption")[1])


def test_latex_has_plain_letters_only(study: Comparison) -> None:
    signs = table.Table("a ≥ b", ("x", "y"), (("· k", "0.1 ± 0.2 ≤ < > · ↑ ↓ − × – …"),))
    text = table.latex([signs, *groups.tables(study)])
    assert text.isascii()
    assert r"$\cdot$ k & 0.1 $\pm$ 0.2 $\leq$ $<$ $>$ $\cdot$ $\uparrow$ $\downarrow$ $-$" in text


def test_means_differences_and_clauses(study: Comparison) -> None:
    means, differences, clauses = groups.tables(study)
    assert means.columns == ("variant", "n", "verdict", "commit", "ssim ↑")
    assert means.rows == (
        ("baseline", "3", "reference", "", "0.510 ± 0.010"),
        ("good", "3", "inconclusive", "", "0.710 ± 0.010"),
    )
    assert "gpu_ms not measured: no CUDA" in means.notes
    assert "psnr is 20 in every run" in means.notes
    assert [row[0] for row in differences.rows] == ["good"]
    assert differences.rows[0][1].startswith("+0.2")
    results = {row[1].lstrip("· "): row[2] for row in clauses.rows}
    assert results == {
        "perceptual (one of)": "pass",
        "ssim": "pass",
        "lpips": "fail",
        "psnr kept": "pass",
        "real time": "unknown",
        "stable": "pass",
    }
    measured = {row[1]: row[3] for row in clauses.rows}
    assert measured["real time"] == "not measured: no CUDA"


def test_published_figures_stand_apart_and_are_not_judged(study: Comparison) -> None:
    theirs = [
        Published(name="theirs", metrics={"ssim": 0.9, "lpips": 0.1}, source="their paper"),
        Published(name="older", metrics={"lpips": 0.2}, source="an older paper"),
    ]
    with_them = groups.tables(dataclasses.replace(study, published=theirs))
    assert with_them[:-1] == groups.tables(study)
    shown = with_them[-1]
    assert "not judged" in shown.title
    values = {row[0]: dict(zip(shown.columns[1:], row[1:], strict=True)) for row in shown.rows}
    assert values["theirs"]["ssim ↑"] == "0.9"
    assert values["older"]["ssim ↑"] == "–"
    assert shown.notes == ("theirs: their paper", "older: an older paper")
    only_ssim = [m for m in study.metrics if m.name == "ssim"]
    narrow = dataclasses.replace(study, metrics=only_ssim, published=theirs)
    assert [row[0] for row in groups.tables(narrow)[-1].rows] == ["theirs"]


def test_tidy_csv_holds_the_numbers_in_full(study: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(table.csv(groups.tidy(study)))))
    by = {(r["variant"], r["metric"]): r for r in rows}
    assert len(by) == 2 * len(METRICS)
    good = by["good", "ssim"]
    expected = mean([0.7 - 0.5, 0.71 - 0.51, 0.72 - 0.52])
    assert float(good["mean"]) == pytest.approx(0.71)
    assert float(good["sd"]) == pytest.approx(0.01)
    assert float(good["difference"]) == pytest.approx(expected.point)
    assert (good["n"], good["unit"], good["direction"]) == ("3", "1", "max")
    assert good["clause perceptual/ssim"] == "pass"
    assert good["clause real time"] == "unknown"
    assert by["baseline", "ssim"]["difference"] == ""
    assert by["good", "gpu_ms"]["mean"] == ""


def test_unfinished_and_odd_runs_are_said() -> None:
    runs = [run(0, ssim=math.nan), run(1, ssim=0.5), run(2, status="crashed", metrics={})]
    odd = Group("odd", runs, unjudged="not judged: seed 2 crashed")
    means, *_ = groups.tables(Comparison("demo", METRICS, [odd], None))
    assert means.rows == (("odd", "2 of 3", "", "", "nan in 1 of 2"),)
    assert means.notes == ("odd: not judged: seed 2 crashed",)


def test_a_full_factorial_gets_a_table_of_effects() -> None:
    made = [
        Group(f"{a}{b}", arm("x", 0.5 + 0.1 * a + 0.2 * b), levels={"A": bool(a), "B": bool(b)})
        for a in (0, 1)
        for b in (0, 1)
    ]
    found = groups.tables(Comparison("demo", METRICS, made, None))[-1]
    assert [row[:2] for row in found.rows] == [("A", "3"), ("B", "3"), ("A x B", "3")]
    assert [round(float(row[2].split()[0]), 6) for row in found.rows] == [0.1, 0.2, 0.0]
    partial = groups.tables(Comparison("demo", METRICS, made[:3], None))
    assert not any("Effects" in t.title for t in partial)


def test_a_metric_that_a_cell_lacks_has_no_effects_and_the_others_keep_theirs() -> None:
    psnr = {(0, 0): {"psnr": 20.0}, (0, 1): {"psnr": 21.0}, (1, 0): {"psnr": 22.0}, (1, 1): {}}
    made = [
        Group(f"{a}{b}", arm("x", 0.5 + 0.1 * a, **had), levels={"A": bool(a), "B": bool(b)})
        for (a, b), had in psnr.items()
    ]
    for metrics in (METRICS, METRICS[::-1]):
        found = groups.tables(Comparison("demo", metrics, made, None))[-1]
        assert found.columns == ("switch", "n", "ssim ↑")
        assert [row[0] for row in found.rows] == ["A", "B", "A x B"]


def test_one_run_shows_all_its_numbers_that_matter() -> None:
    alone = Group("alone", [run(0, ssim=0.5, psnr=20.0)])
    means, *_ = groups.tables(Comparison("demo", METRICS, [alone], None, primary="ssim"))
    assert means.columns[-1] == "ssim ↑"
    assert means.rows[0][-1] == "0.5"
    assert not any("in every run" in note for note in means.notes)


@pytest.mark.parametrize(
    ("samples", "shown"),
    [
        ([[1.0, 1.2, 1.1], [2.0, 2.0, 2.0]], ["1.10 ± 0.10", "2.00 ± 0.00"]),
        ([[1234.5, 1254.5]], ["1244 ± 14"]),
        ([[0.5], []], ["0.5", "–"]),
        ([[3.0, 3.0]], ["3"]),
        ([[math.inf, 1.0]], ["inf in 1 of 2"]),
    ],
)
def test_spreads_show_two_digits_of_the_largest_sd(
    samples: list[list[float]], shown: list[str]
) -> None:
    assert numbers.spreads(samples) == shown


def test_intervals_show_two_digits_of_their_own_bounds_or_of_the_widest() -> None:
    wide, narrow = mean([1.0, 1.4, 1.2]), mean([2.0, 2.0, 2.0])
    near = mean([0.001, 0.0014, 0.0012])
    one = Estimate(0.25, math.nan, math.nan)
    assert numbers.intervals([wide, narrow, one, near, None]) == [
        f"+1.20 [{wide.low:+.2f}, {wide.high:+.2f}]",
        "+2.00",
        "+0.25",
        f"+0.00120 [{near.low:+.5f}, {near.high:+.5f}]",
        "–",
    ]
