"""Pictures of runs, made small enough for a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core import stats
from core.ledger.record import RunRecord
from core.report.groups import Group
from core.review.subject import Subject

WIDE = 1000  # pixels
TALL = 1600
EACH = 3  # of one run
QUALITY = 80


class Picture(NamedTuple):
    """A picture that stands in the page itself."""

    caption: str
    uri: str
    width: int
    height: int


def of(subject: Subject) -> list[Picture]:
    """The pictures of the reference and of the best arm, first seed of each."""
    return [p for run in _chosen(subject) for p in _of_run(subject, run)]


def _chosen(subject: Subject) -> list[RunRecord]:
    groups = [g for g in subject.drawn if g.finished]
    metric = subject.metric
    sign = 1 if metric.direction == "max" else -1

    def mean(group: Group) -> float:
        return sign * stats.mean(list(group.values(metric.name).values())).point

    measured = [g for g in groups if g.values(metric.name)]
    best = max(measured, key=mean, default=None)
    chosen = [g for g in groups if g is subject.arms.reference] if subject.arms else []
    chosen += [best] if best and best not in chosen else []
    if not chosen:
        return [r for r in subject.runs if r.status == "finished"][:1]
    return [min(g.finished, key=lambda r: r.seed) for g in chosen]


def _of_run(subject: Subject, run: RunRecord) -> Iterator[Picture]:
    folder = subject.folders.get(run.run)
    names = [a.path for a in run.artifacts if a.kind == "image" and a.path.endswith(".png")]
    for name in names[:EACH] if folder else []:
        file = Path(str(folder)) / name
        if file.is_file():
            yield embedded(file, f"{run.variant}, seed {run.seed}: {file.stem}")


def embedded(file: Path, caption: str) -> Picture:
    """The picture, shrunk to the page, in the smaller of two encodings."""
    from PIL import Image

    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((WIDE, TALL), Image.Resampling.LANCZOS)
    webp, png = io.BytesIO(), io.BytesIO()
    picture.save(webp, "WEBP", quality=QUALITY)
    picture.save(png, "PNG", optimize=True)
    kind, data = min(
        (("webp", webp.getvalue()), ("png", png.getvalue())), key=lambda one: len(one[1])
    )
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(caption, uri, *picture.size)
