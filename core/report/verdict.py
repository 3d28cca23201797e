"""A verdict as tables for people and as JUnit for a build server."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Iterator

from core import acceptance
from core.ledger.record import ClauseResult, Verdict
from core.report.table import Table


def tables(verdict: Verdict, title: str) -> list[Table]:
    """What was judged, clause by clause, and under a heading of its own what could not be."""
    judged = Table(
        f"{title}: {verdict.verdict}",
        ("clause", "result", "ref. (n)", "cand. (n)", "effect [95 % bounds]", "needed"),
        tuple(_rows(verdict)),
        tuple(_notes(verdict)),
    )
    blank = tuple((c.name, c.metric, c.reason) for c in verdict.clauses if _blank(c))
    unknown = Table("not measured or not comparable here", ("clause", "metric", "why"), blank)
    return [t for t in (judged, unknown) if t.rows]


def _rows(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    for name, members in acceptance.groups(verdict.clauses).items():
        nested = members[0].any_of is not None
        if nested:
            yield f"{name} (one of)", acceptance.outcome(members), "", "", "", ""
        for clause in members:
            if not _blank(clause):
                yield f"{'· ' * nested}{clause.name}", *_cells(clause)


def _notes(verdict: Verdict) -> Iterator[str]:
    """The reasons of what the candidate did not reach."""
    for members in acceptance.groups(verdict.clauses).values():
        if acceptance.outcome(members) != "pass":
            yield from (c.reason for c in members if not _blank(c))


def _cells(clause: ClauseResult) -> tuple[str, ...]:
    sides = (acceptance.side(clause.reference), acceptance.side(clause.candidate))
    return clause.result, *sides, acceptance.effect(clause), acceptance.needed(clause)


def _blank(clause: ClauseResult) -> bool:
    """Whether there is nothing to show but a reason."""
    return clause.result == "unknown" and not clause.method


def junit(verdict: Verdict, suite: str) -> str:
    """One test case a criterion: unknown is skipped with its reason, alternatives are one case."""
    cases = acceptance.groups(verdict.clauses)
    results = {name: acceptance.outcome(members) for name, members in cases.items()}
    tally = Counter(results.values())
    counts = {"tests": len(cases), "failures": tally["fail"], "skipped": tally["unknown"]}
    root = xml.Element("testsuite", {"name": suite, **{k: str(v) for k, v in counts.items()}})
    for name, members in cases.items():
        case = xml.SubElement(root, "testcase", classname=suite, name=name)
        kind = {"fail": "failure", "unknown": "skipped"}.get(results[name])
        said = "; ".join(c.reason for c in members)
        if kind:
            xml.SubElement(case, kind, message=said)
        else:
            xml.SubElement(case, "system-out").text = said
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True)
