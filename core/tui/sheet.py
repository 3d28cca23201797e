"""A run on one page: outcome, numbers, verdict, code, cost, and how to do it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rich.text import Text

from core import acceptance, clock
from core.ledger.record import RunRecord
from core.tui import words
from core.tui.words import NONE, Cell

LOG = 12  # lines of the log that a run which did not finish shows
Tone = Callable[[str], str]  # the colour of a tone


def toned(theme: Mapping[str, str]) -> Tone:
    """Colours of a theme."""
    return lambda tone: words.colour(theme, tone)


def run(r: RunRecord, tone: Tone) -> Text:
    """The record as text."""
    blocks = [_head(r, tone), _numbers(r, tone), _verdict(r, tone), _facts(r, tone), _failure(r)]
    given = [Text("\n").join(lines) for block in blocks if (lines := list(block))]
    return Text("\n\n").join(given)


def _head(r: RunRecord, tone: Tone) -> Iterator[Text]:
    yield Text.assemble(
        (f"{r.task}/{r.variant}", "bold"), f"  seed {r.seed}  ", _toned(words.state(r.status), tone)
    )
    yield Text(r.run, tone("text-muted"))
    if r.void:
        yield Text("⚠ void: it does not count", tone("warning"))
    if r.reason:
        yield Text(r.reason)


def _numbers(r: RunRecord, tone: Tone) -> Iterator[Text]:
    names = sorted({*r.metrics, *r.absent}, key=lambda n: (n != r.primary, n))
    wide = max(map(len, names), default=0)
    for name in names:
        if name in r.metrics:
            m = r.metrics[name]
            arrow = "↑" if m.direction == "max" else "↓"
            value = words.number(m.value, m.unit)
            label = (f"{name:{wide}} {arrow} ", tone("text-muted"))
            yield Text.assemble(label, (value, "bold" if name == r.primary else ""))
        else:
            yield Text(f"{name:{wide}}   {NONE} {r.absent[name]}", tone("text-muted"))


def _verdict(r: RunRecord, tone: Tone) -> Iterator[Text]:
    if r.verdict:
        yield _toned(words.verdict(r.verdict.verdict), tone)
        for name, members in acceptance.groups(r.verdict.clauses).items():
            glyph = words.outcome([acceptance.outcome(members)])
            yield Text.assemble("  ", (glyph.text, tone(glyph.tone)), f" {name}")
    if r.decision:
        yield Text(f"{r.decision.decision} by {r.decision.by}: {r.decision.reason}")
    yield from (Text(f"{n.kind}: {n.text}") for n in r.notes)


def _facts(r: RunRecord, tone: Tone) -> Iterator[Text]:
    t = r.timing
    parts = (("setup", t.setup_s), ("train", t.train_s), ("eval", t.eval_s))
    took = ", ".join(f"{name} {words.duration(s)}" for name, s in parts if s is not None)
    begun = clock.parse(t.created).astimezone().strftime("%Y-%m-%d %H:%M")
    cost = [r.resources.device_name or r.resources.device, f"{r.resources.threads} threads"]
    if r.resources.peak_rss_mib is not None:
        cost.append(f"{r.resources.peak_rss_mib:.0f} MiB")
    code = "not in git"
    if r.git:
        dirty = ", with changes" if r.git.dirty else ""
        code = f"{(r.git.head or '')[:10]} on {r.git.branch or NONE}{dirty}"
        code += f"; tree {r.git.commit[:10]}" if r.git.commit else ""
    kind = [r.kind, *([f"study {r.study}"] if r.study else [])]
    kind += [f"attempt {r.attempt}"] if r.attempt > 1 else []
    facts = {
        "kind": ", ".join(kind),
        "begun": f"{begun}{f', {took}' if took else ''}",
        "code": code,
        "on": ", ".join(cost),
        "set": ", ".join(f"{k}={v}" for k, v in r.overrides.items()) or "as the task declares it",
        "again": f"assay repro {r.run}",
    }
    for name, said in facts.items():
        yield Text.assemble((f"{name:6}", tone("text-muted")), said)


def _failure(r: RunRecord) -> Iterator[Text]:
    if r.error:
        place = f"{r.error.get('file')}:{r.error.get('line')}"
        yield Text(f"{place}: {r.error.get('type')}: {r.error.get('message')}")
    yield from (Text(f"│ {line}") for line in r.log_tail[-LOG:])


def _toned(cell: Cell, tone: Tone) -> Text:
    return Text(cell.text, tone(cell.tone) if cell.tone else "")
