"""The review page: what it says, that it is one file, and how it looks to a browser."""

from __future__ import annotations

import base64
import html as html_module
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from core import events, judging, registry
from core.errors import AssayError
from core.ledger import Ledger
from core.project import Project
from core.review import curves, luck, markdown, page, pictures, subject
from core.study import folder
from tests import toy
from tests.export.test_wandb import picture
from tests.review import chromium

STUDY = "task: toy\nkind: ablation\nabout: does <shift> help & why\nseeds: [0, 1, 2]\n"
VOID = {"meta", "img", "line", "circle", "polygon", "polyline", "rect", "path"}


class Checked(HTMLParser):
    """Every element closed in order; the words, and what is referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.refers: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.refers += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A judged ablation whose code was changed and not committed, with pictures."""
    project = toy.build(tmp_path_factory.mktemp("review") / "lines")
    (project.root / "studies").mkdir()
    (project.root / "studies" / "s.yaml").write_text(
        f"{STUDY}variants: {{baseline: , better: , '<b>wild</b>': {{set: {{shift: 0.3}}}}}}\n"
    )
    picture(project)
    toy.assay(project.root, "study", "run", "s", check=True)
    return project


@pytest.fixture(scope="module")
def about(made: Project) -> subject.Subject:
    return subject.of_study(made, folder.find(made, "s"))


def test_it_is_one_file_that_fetches_nothing(about: subject.Subject) -> None:
    text = page.html(about)
    found = Checked(text)
    assert all(one.startswith("data:image/") for one in found.refers)
    assert not found.tags & {"script", "link", "iframe", "object", "form", "base"}
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "default-src 'none'" in text


def test_the_verdict_comes_first_and_nothing_is_taken_for_markup(about: subject.Subject) -> None:
    text = page.html(about)
    words = html_module.unescape(" ".join(Checked(text).words))
    assert "<b>wild</b>" not in text.replace("&lt;b&gt;wild&lt;/b&gt;", "")
    assert "does <shift> help & why" in words
    order = ["✔ inconclusive", "○ inconclusive", "✘ fail", "Results", "Curves", "Pictures"]
    order += ["What changed", "How sure is this", "Do it again", "In the ledger"]
    places = [words.index(one) for one in order[1:]]
    assert places == sorted(places)
    assert "real time: not measured: no CUDA" in words


def test_every_number_of_the_report_is_there(made: Project, about: subject.Subject) -> None:
    words = " ".join(html_module.unescape(" ".join(Checked(page.html(about)).words)).split())
    shown = toy.assay(made.root, "report", "s", "--format", "markdown", check=True).stdout
    cells = [c.strip() for c in shown.replace("\n", "|").split("|")]
    numbers = [c for c in cells if re.match(r"[-+]?\d.*\d", c)]
    assert len(numbers) > 12
    assert [c for c in numbers if c not in words] == []


def test_code_config_and_commits_are_named(made: Project, about: subject.Subject) -> None:
    words = html_module.unescape(" ".join(Checked(page.html(about)).words))
    head = toy.run_git(made.root, "rev-parse", "HEAD")
    assert f"commit {head[:12]} on main, with changes on top" in words
    assert re.search(r"toywork\.py +\| +\d", words)
    assert "shift=-0.1" in words
    for record in Ledger(made).records():
        assert record.run in words
    assert "assay study run studies/s.yaml --fresh" in words


def test_the_limit_of_a_curve_is_the_studys_own(project: Project) -> None:
    (project.root / "studies").mkdir()
    own = "criteria:\n- {name: small, metric: error, below: 0.37}\n"
    (project.root / "studies" / "o.yaml").write_text(f"task: toy\nkind: single\n{own}")
    toy.assay(project.root, "study", "run", "o")
    about = subject.find(project, "o")
    assert about.limits == {"error": 0.37}
    text = page.html(about)
    assert "limit 0.37" in text
    assert 'class="c0 line"' not in text  # nothing is compared with it: not the reference's grey


def test_chance_is_counted(about: subject.Subject) -> None:
    found = luck.of(about)
    assert (found.compared, found.kept) == (2, 0)
    assert found.false_keeps == pytest.approx(0.1)
    said = " ".join(luck.sentences(about))
    assert "at most 0.1 of them" in said
    assert re.search(r"score: with 3 seeds a true gain of \d[\d.]* dB", said)
    assert "e-1" not in said  # rounding is no spread


def test_pictures_are_shrunk_and_stand_in_the_page(about: subject.Subject, tmp_path: Path) -> None:
    found = pictures.of(about)
    assert [p.caption.partition(",")[0] for p in found] == ["baseline", "better"]
    large = Image.new("RGB", (3000, 1500), (10, 120, 200))
    ImageDraw.Draw(large).rectangle((0, 0, 1500, 1500), (250, 250, 250))
    large.save(tmp_path / "large.png")
    made = pictures.embedded(tmp_path / "large.png", "large")
    data = base64.b64decode(made.uri.partition(",")[2])
    with Image.open(io.BytesIO(data)) as again:
        assert again.size == (made.width, made.height) == (1000, 500)
        assert again.convert("RGB").getpixel((100, 250)) == pytest.approx((250, 250, 250), abs=2)
        assert again.convert("RGB").getpixel((900, 250)) == pytest.approx((10, 120, 200), abs=2)


def test_a_task_has_a_page(made: Project) -> None:
    task = registry.load(made).find("toy")
    runs = [r.run for r in Ledger(made).records("variant = 'baseline'")]
    toy.assay(made.root, "baseline", "set", "toy", runs[0], check=True)
    better = Ledger(made).records("variant = 'better'")[0]
    judging.after_run(made, Ledger(made), task, better.group)
    words = " ".join(Checked(page.html(subject.find(made, "toy"))).words)
    assert "the baseline" in words
    assert "○ inconclusive" in words
    assert "assay accept toy" in words


def test_chance_counts_every_judged_try_of_a_variant(made: Project) -> None:
    """Three codes of one variant were judged: two were replaced, and still had their chance."""
    task = registry.load(made).find("toy")
    ledger = Ledger(made)
    base = [r.run for r in ledger.records("variant = 'baseline' and seed < 3")]
    toy.assay(made.root, "baseline", "set", "toy", base[0], check=True)
    before = luck.of(subject.find(made, "toy")).compared
    for lr in (0.11, 0.12):
        for seed in ("0", "1"):
            words = ("--variant", "better", "--seed", seed, "-o", f"lr={lr}")
            toy.assay(made.root, "run", "toy", *words, check=True)
        judging.after_run(made, ledger, task, ledger.find("@last").group)
    about = subject.find(made, "toy")
    assert luck.of(about).compared == before + 2
    assert luck.of(about).false_keeps == pytest.approx(0.05 * (before + 2))
    last = ledger.records("config.lr = 0.12")
    session = subject.find(made, "toy", "config.lr = 0.12")
    assert {r.run for r in session.runs} == {r.run for r in last}
    assert luck.of(session).compared == 1
    words = html_module.unescape(" ".join(Checked(page.html(session)).words))
    assert "only runs with config.lr = 0.12" in words


def test_a_filter_is_for_a_task_and_may_find_nothing(made: Project) -> None:
    done = toy.assay(made.root, "report", "toy", "--html", "-w", "seed = 77")
    assert done.returncode == 5
    assert "no run with seed = 77" in done.stderr
    for words in (("s", "--html", "-w", "seed = 1"), ("s", "-w", "seed = 1")):
        done = toy.assay(made.root, "report", *words)
        assert done.returncode == 2
        assert "-w" in done.stderr


def test_a_search_has_a_page_that_says_how_it_flatters(project: Project) -> None:
    (project.root / "studies").mkdir()
    text = "task: toy\nkind: search\ntrials: 3\nsampler: random\n"
    (project.root / "studies" / "q.yaml").write_text(text)
    toy.assay(project.root, "study", "run", "q", check=True)
    about = subject.find(project, "q")
    text = page.html(about)
    words = " ".join(Checked(text).words)
    trials = Ledger(project).records("kind = 'trial'")
    best = min(trials, key=lambda r: r.metrics["error"].value)
    assert f"trial {best.trial}, the best of 3 ○ no verdict" in words
    assert f"error ↓ {best.metrics['error'].value:.4g}" in words
    assert f"one seed ({best.seed}), not confirmed on others" in words
    for title in ("error ↓ by trial", "values of the trials", "error over steps"):
        assert f"<title>{title}</title>" in text
    (curve,) = curves.of(about)["error"]
    series = events.series(project.run_dir(best.run) / "events.jsonl")["error"]
    assert [(p.step, p.mean) for p in curve.points] == series  # the winner's, not another's
    assert "best trials (3 complete)" in words
    assert "chose from 3 complete trials with one seed each" in words


def test_a_comment_is_short_and_whole(made: Project, about: subject.Subject) -> None:
    text = markdown.text(about)
    assert len(text) < 65536  # GitHub's limit
    assert text.splitlines()[2].startswith("- ○ **better: inconclusive**")
    assert text.count("<details>") == text.count("</details>") == 4
    for record in Ledger(made).records("study is not null"):
        assert record.run in text
    shown = toy.assay(made.root, "report", "s", "--markdown", check=True).stdout
    assert shown.splitlines()[0] == text.splitlines()[0]


def test_the_command_says_where_and_how_large(made: Project, tmp_path: Path) -> None:
    done = toy.assay(made.root, "report", "s", "--html", "--json", check=True)
    data = json.loads(done.stdout)["data"]
    assert Path(data["file"]).stat().st_size == data["bytes"] < 100_000
    toy.assay(made.root, "report", "toy", "--html", "--out", str(tmp_path / "p.html"), check=True)
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")


def test_what_is_neither_is_said(made: Project) -> None:
    with pytest.raises(AssayError, match="neither a study"):
        subject.find(made, "nothing")


def test_a_task_without_runs_is_said(project: Project) -> None:
    with pytest.raises(AssayError, match="has no run yet"):
        subject.find(project, "toy")


@chromium.needed
def test_a_browser_lays_it_out_on_phone_desk_and_paper(
    about: subject.Subject, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(page.html(about))
    with chromium.browser(tmp_path / "profile") as seen:
        seen.open(file, 390)
        assert seen.ask("document.documentElement.scrollWidth") <= 390
        assert seen.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        sizes = seen.ask("[...document.images].map(i => i.naturalWidth)")
        assert sizes == [4, 4]
        top = seen.ask("document.querySelector('.verdict').getBoundingClientRect().top")
        assert top < 300  # on the first screen
        seen.open(file, 1200, dark=True)
        assert seen.ask("document.documentElement.scrollWidth") <= 1200
        ink, paper = seen.ask(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body)"
            ".backgroundColor].map(c => c.match(/\\d+/g).reduce((a, b) => +a + +b, 0))"
        )
        assert ink > 600
        assert paper < 120
        pdf = seen.pdf()
        asked = {one["request"]["url"].partition(":")[0] for one in seen.said(REQUEST)}
        errors = [e["entry"]["text"] for e in seen.said("Log.entryAdded")]
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) in (2, 3, 4)
    assert asked == {"file", "data"}
    assert errors == []


REQUEST = "Network.requestWillBeSent"
