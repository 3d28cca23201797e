"""The same as a comment on a pull request: short, verdict first, long tables folded away."""

from __future__ import annotations

from collections.abc import Iterator

from core.report import groups, table, trials
from core.report.table import Table
from core.review import luck
from core.review.page import MARK, lines
from core.review.subject import Subject, changes, headline

CODE = 12  # lines


def text(subject: Subject) -> str:
    """GitHub's Markdown."""
    return "\n".join(_lines(subject)) + "\n"


def _lines(subject: Subject) -> Iterator[str]:
    finished = sum(r.status == "finished" for r in subject.runs)
    yield f"### {subject.name}\n"
    for label, word, why in headline(subject):
        yield f"- {MARK[word]} **{label}: {word}** · {why}"
    if not headline(subject):
        yield "- ○ **no verdict**"
    chance = " ".join(luck.sentences(subject))
    yield f"\n{finished} of {len(subject.runs)} runs finished. {chance}\n"
    first, rest = _tables(subject)
    yield table.markdown(first)
    if rest:
        yield from _folded("Differences and clauses", table.markdown(rest))
    config = Table("Config", ("variant", "changes"), tuple(changes(subject)))
    code = "\n".join(subject.code[:CODE])
    body = f"{table.markdown([config])}\n\n```\n{code}\n```" if config.rows else f"```\n{code}\n```"
    yield from _folded("What changed", body)
    commands = "\n".join(f"{command}  # {what}" for command, what in subject.commands)
    yield from _folded("Do it again", f"```\n{commands}\n```")
    yield from _folded("In the ledger", table.markdown([lines(subject.runs)]))


def _tables(subject: Subject) -> tuple[list[Table], list[Table]]:
    """The one that everybody reads, and the others."""
    made = groups.tables(subject.arms) if subject.arms else []
    searched = trials.tables(subject.search) if subject.search else []
    every = [*made[:1], *searched, *made[1:]]
    return every[:1], every[1:]


def _folded(title: str, body: str) -> Iterator[str]:
    yield f"\n<details><summary>{title}</summary>\n\n{body}\n\n</details>"
