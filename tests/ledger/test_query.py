"""Filters: what a condition says, better ends first, and nothing but reading."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from core.errors import AssayError
from core.ledger import Ledger, flat, query
from tests.ledger.conftest import ended, record, started

Rows = list[dict[str, Any]]


@pytest.fixture
def many(ledger: Ledger) -> tuple[Ledger, Rows]:
    """Thirty runs, and what is known of them."""
    chance = random.Random(4)
    known = []
    for number in range(30):
        run = clock.ulid()
        facts: dict[str, Any] = {
            "seed": chance.randrange(4),
            "variant": chance.choice(["baseline", "o'hara"]),
            "study": chance.choice([None, "s1"]),
        }
        config = {"lr": chance.choice([0.1, 0.01]), "optim": {"name": chance.choice("ab")}}
        metrics = {n: chance.random() for n in ("ssim", "lpips") if chance.random() < 0.7}
        ledger.append("started", run, started(config=config, origins={}, **facts))
        ledger.append("ended", run, ended(**metrics))
        lr, name = config["lr"], config["optim"]["name"]  # type: ignore[index]
        known.append({"run": run, "n": number, "lr": lr, "optim.name": name, **facts, **metrics})
    return ledger, known


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        (
            "task='lightmap' and ssim > 0.5 and seed in (0,1)",
            lambda r: r.get("ssim", 0) > 0.5 and r["seed"] < 2,
        ),
        ('variant == "o\'hara"', lambda r: r["variant"] == "o'hara"),
        ("variant = 'o''hara' or lr < 0.05", lambda r: r["variant"] == "o'hara" or r["lr"] < 0.05),
        ("config.optim.name = 'a'", lambda r: r["optim.name"] == "a"),
        (
            "optim.name != 'a' and run.seed between 1 and 2",
            lambda r: r["optim.name"] != "a" and 1 <= r["seed"] <= 2,
        ),
        ("ssim is null", lambda r: "ssim" not in r),
        ("not (study is null)", lambda r: r["study"]),
        (
            "variant LIKE 'base%' AND round(metric.ssim, 1) = 0.3",
            lambda r: r["variant"] == "baseline" and round(r.get("ssim", 0), 1) == 0.3,
        ),
        (
            "abs(ssim - lpips) < .25e0",
            lambda r: "ssim" in r and "lpips" in r and abs(r["ssim"] - r["lpips"]) < 0.25,
        ),
        ("coalesce(ssim, lpips, 0) >= - -0.5", lambda r: r.get("ssim", r.get("lpips", 0)) >= 0.5),
        ("status = 'finished' and not void", lambda r: True),
        ("false", lambda r: False),
        (None, lambda r: True),
    ],
)
def test_a_filter_leaves_what_it_says(many: tuple[Ledger, Rows], where: str, rule: Any) -> None:
    ledger, known = many
    assert [r["run"] for r in ledger.rows(["run"], where)] == [
        r["run"] for r in reversed(known) if rule(r)
    ]


@pytest.mark.parametrize(
    ("sort", "key", "reverse"),
    [("ssim", "ssim", True), ("lpips", "lpips", False), ("ssim asc", "ssim", False)],
)
def test_the_better_end_comes_first_and_unknown_last(
    many: tuple[Ledger, Rows], sort: str, key: str, reverse: bool
) -> None:
    ledger, known = many
    measured = sorted((r for r in known if key in r), key=lambda r: r[key], reverse=reverse)
    blank = [r["run"] for r in reversed(known) if key not in r]
    found = [r["run"] for r in ledger.rows(["run"], sort=sort)]
    assert found == [*(r["run"] for r in measured), *blank]
    assert [r["run"] for r in ledger.rows(["run"], sort=sort, limit=5, offset=3)] == found[3:8]
    best = [r["run"] for r in ledger.rows(["run"], "seed > 0", sort=sort, limit=4)]
    assert best == [run for run in found if {r["run"]: r["seed"] for r in known}[run] > 0][:4]


def test_other_columns_sort_upwards_and_newest_first_among_equals(ledger: Ledger) -> None:
    runs = [record(ledger, seed=seed) for seed in (1, 0, 1)]
    assert [r["run"] for r in ledger.rows(["run"], sort="seed")] == [runs[1], runs[2], runs[0]]
    assert [r["seed"] for r in ledger.rows(["seed"], sort="seed desc")] == [1, 1, 0]


def test_a_bare_name_is_a_run_field_then_a_metric_then_a_config_key(ledger: Ledger) -> None:
    run = clock.ulid()
    ledger.append("started", run, started(config={"psnr": 5, "seed": 7}, origins={}))
    ledger.append("ended", run, ended(psnr=31.5))
    columns = ["psnr", "metric.psnr", "config.psnr", "seed", "config.seed", "run.seed"]
    assert list(ledger.rows(columns)[0].values()) == [31.5, 31.5, 5, 0, 7, 0]


def test_names_that_differ_by_case_are_two_columns(ledger: Ledger) -> None:
    record(ledger, config={"T": 1, "t": 2}, origins={})
    assert ledger.rows(["T", "t"], "T = 1 and t = 2") == [{"T": 1, "t": 2}]


def test_values_of_any_type_can_be_filtered(ledger: Ledger) -> None:
    record(ledger, config={"on": True, "big": 2**70, "list": [1, 2], "no": None}, origins={})
    where = f"on and big = '{2**70}' and list = '[1, 2]' and no is null"
    assert ledger.rows(["on", "no"], where) == [{"on": 1, "no": None}]


def test_a_measured_nan_matches_nothing_and_sorts_last(ledger: Ledger) -> None:
    for value in ("NaN", 0.2, "Infinity", 0.4):
        run = clock.ulid()
        ledger.append("started", run, started())
        ledger.append("ended", run, ended(lpips=value))
    found = [r["lpips"] for r in ledger.rows(["lpips"], sort="lpips")]
    assert found == [0.2, 0.4, float("inf"), None]
    assert ledger.rows(["lpips"], "lpips <= 0 or lpips > 9") == [{"lpips": float("inf")}]


def test_a_metric_that_no_run_could_measure_is_unknown_and_not_an_error(ledger: Ledger) -> None:
    run = record(ledger)
    ledger.append("ended", run, ended() | {"absent": {"gpu_ms": "no CUDA"}})
    assert ledger.rows(["gpu_ms"], "gpu_ms is null", sort="gpu_ms") == [{"gpu_ms": None}]


def test_a_wrong_column_is_one_line_with_the_closest_name(ledger: Ledger) -> None:
    record(ledger)
    with pytest.raises(AssayError, match=r"no column 'ssmi'\. Did you mean 'ssim'") as caught:
        ledger.rows(["run"], "ssmi > 0.9")
    assert "\n" not in str(caught.value)


def test_a_metric_that_two_tasks_read_differently_asks_which_end(ledger: Ledger) -> None:
    record(ledger)
    other = clock.ulid()
    ledger.append("started", other, started(task="other"))
    upside = {"value": 0.1, "unit": "1", "direction": "min", "split": "val"}
    ledger.append("ended", other, {"status": "finished", "metrics": {"ssim": upside}})
    with pytest.raises(AssayError, match="Write 'ssim asc' or 'ssim desc'"):
        ledger.rows(["run"], sort="ssim")
    assert [r["ssim"] for r in ledger.rows(["ssim"], sort="ssim desc")] == [0.9, 0.1]


@pytest.mark.parametrize(
    "where",
    [
        "1); drop table run; --",
        "1) union select line from event --",
        "run in (select id from event)",
        "(select count(*) from sqlite_master) > 0",
        "load_extension('x')",
        "gone('x')",
        "exists (select 1)",
        "run = randomblob(9)",
        "status = 'finished' /* all of it",
        "[run] = 1",
        "`run` = 1",
        "?",
        ":x",
        "seed = 0 collate evil",
        "'unfinished",
        "and",
        "seed = 1 group by seed",
        "seed in (1,",
        "run = '\0'",
        "abs()",
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(ledger: Ledger, where: str) -> None:
    run = record(ledger)
    with pytest.raises(AssayError) as caught:
        ledger.rows(["run"], where)
    assert "\n" not in str(caught.value)
    assert [r.run for r in ledger.records()] == [run]


def test_the_authorizer_alone_would_refuse_the_other_tables(ledger: Ledger) -> None:
    """The second wall, tried without the first."""
    record(ledger)
    for sql in (
        "SELECT line FROM event",
        "SELECT sql FROM sqlite_master",
        "DELETE FROM run",
        "UPDATE run SET seed = 1",
        "DROP TABLE run",
        "PRAGMA user_version = 3",
        "ATTACH ':memory:' AS x",
        "SELECT load_extension('x')",
    ):
        with pytest.raises(AssayError, match=r"not valid: (not authorized|access to)"):
            ledger._index.read(lambda db, sql=sql: query._run(db, sql, (), sql))  # type: ignore[misc]


def test_a_filter_that_takes_too_long_is_stopped(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(200):
        record(ledger)
    monkeypatch.setattr(query, "LIMIT_S", -1.0)
    slow = " or ".join(["run like '%' || substr(run, 3) || '%x'"] * 50)
    with pytest.raises(AssayError, match="takes longer than"):
        ledger.rows(["run"], slow)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(st.text(st.sampled_from("abrunse d'\"().,;-*/=<>01\0\n[]é%|?:@{"), max_size=25))
def test_no_filter_does_more_than_read_or_fail_clearly(ledger: Ledger, where: str) -> None:
    if not ledger.rows(["run"]):
        record(ledger)
    with contextlib.suppress(AssayError):
        ledger.rows(["run"], where)
    assert len(ledger.rows(["run"])) == 1


def test_the_page_lists_every_field_that_a_filter_knows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| run f", "| numb", "| the r"))]
    listed = [name for row in rows for name in row.split("`")[1].split()]
    assert sorted(listed) == sorted({*flat.FIELDS, "stale"})
