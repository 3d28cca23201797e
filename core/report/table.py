"""A table of words, and its four forms: aligned text, Markdown, LaTeX with booktabs, CSV."""

from __future__ import annotations

import csv as csv_module
import io
import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH = 110  # columns of text
GAP = "  "
NUMBER = re.compile(r"[-+−]?[\d.]+(e[-+]?\d+)?(?=[ %]|$)|NaN|–$")


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def text(tables: Sequence[Table]) -> str:
    """Aligned columns, at most `WIDTH` wide where the cells allow it; wider tables are split."""
    return "\n\n".join("\n".join(_text(t)) for t in tables)


def _text(table: Table) -> Iterator[str]:
    yield table.title
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    for number, panel in enumerate(_panels(widths)):
        if number:
            yield ""
        for row in (table.columns, *table.rows):
            yield GAP.join(_aligned(table, row, i, widths[i]) for i in panel).rstrip()
    for note in table.notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent=GAP, subsequent_indent=GAP * 2)


def _panels(widths: Sequence[int]) -> list[list[int]]:
    """Column numbers of each part; the first column stands in every part."""
    parts = [[0]]
    for i, width in enumerate(widths[1:], 1):
        taken = sum(widths[k] + len(GAP) for k in parts[-1])
        if len(parts[-1]) > 1 and taken + width > WIDTH:
            parts.append([0])
        parts[-1].append(i)
    return parts


def _aligned(table: Table, row: Sequence[str], i: int, width: int) -> str:
    return row[i].rjust(width) if numeric(table, i) else row[i].ljust(width)


def numeric(table: Table, i: int) -> bool:
    """Whether a column holds numbers, which line up on the right."""
    cells = [row[i] for row in table.rows if row[i]]
    return i > 0 and bool(cells) and all(map(NUMBER.match, cells))


def markdown(tables: Sequence[Table]) -> str:
    """Tables as GitHub reads them."""
    return "\n\n".join("\n".join(_markdown(t)) for t in tables)


def _markdown(table: Table) -> Iterator[str]:
    rules = ["---:" if numeric(table, i) else "---" for i in range(len(table.columns))]
    yield f"**{table.title}**\n"
    for row in (table.columns, rules, *table.rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield from (f"\n{note}" for note in table.notes)


def latex(tables: Sequence[Table]) -> str:
    """Floating tables for a paper; needs the package booktabs."""
    return "\n\n".join("\n".join(_latex(t)) for t in tables)


def _latex(table: Table) -> Iterator[str]:
    kinds = "".join("r" if numeric(table, i) else "l" for i in range(len(table.columns)))
    yield "\\begin{table}\n\\centering"
    yield f"\\caption{{{escape('. '.join([table.title, *table.notes]))}}}"
    yield f"\\begin{{tabular}}{{{kinds}}}\n\\toprule"
    for row in (table.columns, *table.rows):
        yield " & ".join(map(escape, row)) + " \\\\"
        if row is table.columns:
            yield "\\midrule"
    yield "\\bottomrule\n\\end{tabular}\n\\end{table}"


SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "<": "$<$",
    ">": "$>$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
}


def escape(cell: str) -> str:
    """A cell as LaTeX prints it."""
    return "".join(SIGNS.get(c, c) for c in cell)


def csv(tables: Sequence[Table]) -> str:
    """Comma-separated rows with one header; several tables of equal columns are one."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    for columns, group in itertools.groupby(tables, key=lambda t: t.columns):
        writer.writerow(columns)
        for table in group:
            writer.writerows(table.rows)
    return out.getvalue().rstrip("\n")
