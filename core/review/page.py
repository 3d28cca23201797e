"""The page as HTML: one file, no script, nothing fetched; what is asked first comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from core.ledger.record import RunRecord
from core.report import groups, trials
from core.report.numbers import column
from core.report.table import Table, numeric
from core.review import chart, curves, luck, pictures, searching
from core.review.style import CSS
from core.review.subject import SHOWN, Subject, changes, headline

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MARK = {"pass": "✔", "fail": "✘", "inconclusive": "○", "unknown": "○"}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
BARS = 4  # metrics drawn by arm


def html(subject: Subject) -> str:
    """The whole file."""
    parts = [
        _head(subject),
        _verdicts(subject),
        _section("Results", _results(subject)),
        _section("Curves", _curves(subject)),
        _section("Pictures", _pictures(subject)),
        _section("What changed", _changed(subject)),
        _section("How sure is this", _list(luck.sentences(subject))),
        _section("Do it again", _commands(subject)),
        _section("In the ledger", _ledger(subject.runs)),
    ]
    title = escape(f"{subject.name}: review")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _head(subject: Subject) -> str:
    finished = sum(r.status == "finished" for r in subject.runs)
    commits = dict.fromkeys((r.git.head or "")[:7] for r in subject.runs if r.git and r.git.head)
    facts = [f"task {subject.task.name}", f"{finished} of {len(subject.runs)} runs finished"]
    facts += [f"commit {' '.join(list(commits)[:3])}"] if commits else []
    facts += [subject.state] if subject.state else []
    facts.append(f"made {subject.made[:16].replace('T', ' ')} UTC")
    about = f"<p>{escape(subject.about)}</p>" if subject.about else ""
    said = " · ".join(map(escape, facts))
    return f'<header><h1>{escape(subject.name)}</h1>{about}<p class="soft">{said}</p></header>'


def _verdicts(subject: Subject) -> str:
    """Each judged arm with its verdict, before anything else."""
    shown = headline(subject)
    if not shown and subject.winner:
        return _winner(subject, *subject.winner)
    if not shown:
        why = [g.unjudged for g in subject.arms.groups if g.unjudged] if subject.arms else []
        text = escape(why[0] if why else "nothing has been judged")
        return f'<div class="verdict"><span class="word unknown">No verdict: {text}</span></div>'
    out = []
    for label, word, reason in shown:
        said = f'<span class="word {word}">{MARK[word]} {word}</span>'
        because = f'<span class="why">{escape(reason)}</span>'
        out.append(f'<div class="verdict {word}"><b>{escape(label)}</b>{said}{because}</div>')
    return "".join(out)


def _winner(subject: Subject, trial: FrozenTrial, run: RunRecord) -> str:
    """Of a search that confirmed nothing: its best trial, and that this is no verdict."""
    assert subject.search
    told = zip(subject.search.objectives, trial.values, strict=True)
    numbers = ", ".join(f"{column(metric)} {value:.4g}" for metric, value in told)
    short = "" if trials.feasible(trial) else f"; constraints not met: {trials.wanting(trial)}"
    name = f"trial {trial.number}, the best of {len(subject.search.ranked)}"
    return (
        f'<div class="verdict"><b>{name}</b>'
        '<span class="word unknown">○ no verdict</span>'
        f'<span class="why">{escape(numbers + short)}; one seed ({run.seed}), not confirmed on '
        "others</span></div>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _results(subject: Subject) -> str:
    out = []
    if subject.search:
        out.append(_search(subject.search))
    study = subject.arms
    if study:
        drawn = [m for m in study.telling if any(g.values(m.name) for g in study.groups)][:BARS]
        charts = [
            f"<figure>{_caption(m.name, m.doc)}{chart.arms(study, m)}</figure>" for m in drawn
        ]
        if charts:
            out.append(f'<div class="charts">{"".join(charts)}</div>')
            out.append(
                '<p class="note">Dots: runs. Bar: mean with its one-sided 95 % bounds. Grey: what '
                "the others are compared with.</p>"
            )
        out += [table(t) for t in groups.tables(study)]
    return "".join(out)


def _search(found: trials.Search) -> str:
    """How it went, what mattered, which values are good; then the best trials as a table."""
    if not found.ranked:
        return ""
    first, *_ = trials.tables(found)
    shares = trials.importance(found.study)
    constrained = any(t.constraints for t in found.ranked)
    said = " Full dots: feasible; hollow: not." if constrained else ""
    drawn = [
        (f"{m.name} by trial; the line is the best so far.{said}", searching.history(found, i))
        for i, m in enumerate(found.objectives)
    ]
    if shares:
        drawn.append(
            (
                "Importance: share in setting good trials apart (PED-ANOVA)",
                searching.importance(shares),
            )
        )
    charts = "".join(f"<figure>{_caption(c, '')}{one}</figure>" for c, one in drawn if one)
    lines = searching.parallel(found, shares)
    caption = _caption(f"Values of the trials; strong: the best {searching.BEST}", "")
    wide = f'<figure>{caption}<div class="wide">{lines}</div></figure>' if lines else ""
    return f'<div class="charts">{charts}</div>{wide}{table(first)}'


def _caption(name: str, doc: str) -> str:
    return f"<figcaption>{escape(name)}{f': {escape(doc)}' if doc else ''}</figcaption>"


def table(one: Table) -> str:
    """A table that scrolls sideways where it must; verdicts carry a mark and a word."""
    sides = [' class="n"' if numeric(one, i) else "" for i in range(len(one.columns))]
    head = "".join(f"<th{s}>{escape(c)}</th>" for s, c in zip(sides, one.columns, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{s}>{_cell(c)}</td>' for s, c in zip(sides, row, strict=True))}</tr>"
        for row in one.rows
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in one.notes)
    return (
        f'<h3>{escape(one.title)}</h3><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def _cell(text: str) -> str:
    if text in MARK:
        return f'<span class="{text}">{MARK[text]} {text}</span>'
    return escape(text)


def _curves(subject: Subject) -> str:
    found = curves.of(subject)
    if not found:
        return ""
    labels = [c.label for c in max(found.values(), key=len)]
    first = bool(subject.arms and subject.arms.reference is subject.arms.groups[0])
    drawn = [
        f"<figure>{_caption(name, '')}"
        f"{chart.curves(name, _aligned(one, labels), _limit(subject, name), first)}</figure>"
        for name, one in found.items()
    ]
    note = '<p class="note">Mean over seeds; the shade is the range of all values.</p>'
    return f'{chart.legend(labels, first)}<div class="charts">{"".join(drawn)}</div>{note}'


def _limit(subject: Subject, series: str) -> float | None:
    return subject.limits.get(series.rpartition("/")[2])


def _aligned(found: Sequence[curves.Curve], labels: Sequence[str]) -> list[curves.Curve]:
    """One curve a label, so that an arm has the same colour in every chart."""
    by = {c.label: c for c in found}
    return [by.get(label, curves.Curve(label, [])) for label in labels]


def _pictures(subject: Subject) -> str:
    return "".join(
        f'<figure><figcaption>{escape(p.caption)}</figcaption><img src="{p.uri}" '
        f'width="{p.width}" height="{p.height}" alt="{escape(p.caption)}"></figure>'
        for p in pictures.of(subject)
    )


def _changed(subject: Subject) -> str:
    rows = tuple(changes(subject))
    made = table(Table("Config, beside the task's defaults", ("variant", "changes"), rows))
    wrapped = re.sub(r"<td>(?=[^<]*</td></tr>)", '<td class="say">', made)
    return f"{wrapped if rows else ''}<h3>Code</h3><pre>{escape(chr(10).join(subject.code))}</pre>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _commands(subject: Subject) -> str:
    wide = max(len(command) for command, _ in subject.commands)
    lines = (f"{command:{wide}}  # {what}" for command, what in subject.commands)
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def _ledger(runs: Sequence[RunRecord]) -> str:
    return table(lines(runs))


def lines(runs: Sequence[RunRecord]) -> Table:
    """The newest runs as the ledger has them."""
    rows = tuple(tuple(_line(run)) for run in runs[:SHOWN])
    more = (f"{len(runs) - SHOWN} older runs are not shown",) if len(runs) > SHOWN else ()
    note = "* changes on top of the commit; the exact tree of every run is kept"
    columns = ("run", "variant", "seed", "status", "verdict", "primary", "commit", "started (UTC)")
    return Table(f"{len(runs)} runs", columns, rows, (note, *more))


def _line(run: RunRecord) -> Iterator[str]:
    primary = run.metrics.get(run.primary or "")
    yield run.run
    yield run.variant if run.trial is None else f"trial {run.trial}"
    yield str(run.seed)
    yield f"{run.status}, void" if run.void else run.status
    yield run.verdict.verdict if run.verdict else ""
    yield f"{primary.value:.5g}" if primary else "–"
    yield ((run.git.head or run.git.commit or "")[:7] + "*" * run.git.dirty) if run.git else ""
    yield run.timing.started[:16].replace("T", " ")
