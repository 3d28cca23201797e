"""Road lines of a GeoJSON, laid over a GeoTIFF, become the mask, centre lines and distances."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from core.errors import AssayError
from core.kit.io import write_png
from tasks.route import geotiff, npz
from tasks.route.city.streets import Streets
from tasks.route.geotiff import Geo
from tasks.route.regions import CASES, GENERATED_CASES, draw_cases, key_of

PIECE = 4.0  # pixels between two vertices of a densified line
SAME = 1.0  # vertices nearer than this are one: lines of a network meet there


def read(path: Path) -> list[NDArray[np.float64]]:
    """Every line of the file: N 2 as (x, y) in its own map coordinates.

    Raises:
        AssayError: no JSON, or no LineString in it.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise AssayError(f"no GeoJSON {path}", "Give geojson") from error
    except ValueError as error:
        raise AssayError(f"{path} is not JSON ({error})") from error
    lines = [np.asarray(c, np.float64)[:, :2] for c in _lines(content) if len(c) > 1]
    if not lines:
        raise AssayError(f"{path} holds no LineString or MultiLineString")
    return lines


def _lines(node: Any) -> Iterator[list[list[float]]]:
    """Coordinates of all lines below a GeoJSON object."""
    kind = node.get("type") if isinstance(node, dict) else None
    if kind == "LineString":
        yield node["coordinates"]
    elif kind == "MultiLineString":
        yield from node["coordinates"]
    elif kind == "Feature":
        yield from _lines(node.get("geometry"))
    elif kind in ("FeatureCollection", "GeometryCollection"):
        for part in node.get("features", node.get("geometries", [])):
            yield from _lines(part)


def to_pixels(line: NDArray[np.float64], geo: Geo) -> NDArray[np.float64]:
    """Map coordinates to (x, y) pixels, pixel centres at whole numbers.

    Longitudes and latitudes over an image in metres are turned into Web Mercator first.
    """
    if not geo.geographic and (np.abs(line) <= (180, 90)).all():
        if geo.epsg not in geotiff.WEB_MERCATOR:
            raise AssayError(
                f"the lines are in degrees, the image in EPSG:{geo.epsg}",
                "Convert them to the image's coordinates first",
            )
        y = np.log(np.tan(math.pi / 4 + np.radians(line[:, 1]) / 2))
        line = np.stack([np.radians(line[:, 0]), y], 1) * geotiff.EARTH_M
    at = (line - (geo.x0, geo.y0)) / (geo.dx, -geo.dy)
    pixels: NDArray[np.float64] = at - 0.5
    return pixels


def network(lines: list[NDArray[np.float64]], height: int, width: int) -> Streets:
    """Lines in pixels as a graph: densified, cut to the image, joined where vertices meet."""
    number: dict[tuple[int, int], int] = {}
    xy: list[NDArray[np.float64]] = []
    edges: dict[tuple[int, int], float] = {}

    def vertex(p: NDArray[np.float64]) -> int:
        cell = (math.floor(p[0] / SAME), math.floor(p[1] / SAME))
        for near in [(cell[0] + i, cell[1] + j) for i in (0, -1, 1) for j in (0, -1, 1)]:
            if near in number and np.hypot(*(xy[number[near]] - p)) < SAME:
                return number[near]
        number[cell] = len(xy)
        xy.append(p)
        return number[cell]

    for line in lines:
        before = None
        for p in _dense(line):
            inside = 0 <= p[0] <= width - 1 and 0 <= p[1] <= height - 1
            here = vertex(p) if inside else None
            if here is not None and before is not None and here != before:
                pair = (min(here, before), max(here, before))
                edges[pair] = float(np.hypot(*(xy[here] - xy[before])))
            before = here
    if not edges:
        raise AssayError("no line crosses the image", "Do lines and image lie in the same place?")
    points, pairs = np.array(xy), np.array(list(edges), np.int64)
    n, label = connected_components(
        csr_array((np.ones(len(pairs)), pairs.T), shape=(len(points),) * 2), directed=False
    )
    order = np.argsort(-np.bincount(label, minlength=n), kind="stable")
    rank = np.zeros(len(pairs), np.int64)
    component = np.argsort(order, kind="stable")[label]
    return Streets(points, pairs, np.array(list(edges.values())), rank, component)


def _dense(line: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The line's points with others between them, at most `PIECE` apart."""
    yield line[0]
    for a, b in itertools.pairwise(line):
        n = max(1, math.ceil(float(np.hypot(*(b - a))) / PIECE))
        yield from (a + (b - a) * k / n for k in range(1, n + 1))


def main_part(net: Streets) -> Streets:
    """The largest component."""
    kept = net.component == 0
    number = np.cumsum(kept) - 1
    own = kept[net.edges[:, 0]]
    return Streets(
        net.xy[kept],
        number[net.edges[own]],
        net.length[own],
        net.rank[own],
        net.component[kept],
    )


def write(tif: Path, geojson: Path, out: Path, road_px: int, seed: int) -> list[Path]:
    """Mask, centre lines and distance files of a GeoTIFF below `out`.

    Raises:
        AssayError: the image does not say where it lies, or no line crosses it.
    """
    picture = geotiff.read(tif)
    if picture.geo is None:
        raise AssayError(f"{tif.name} does not say where it lies", "It needs GeoTIFF tags")
    height, width = picture.rgb.shape[:2]
    lines = [to_pixels(line, picture.geo) for line in read(geojson)]
    net = main_part(network(lines, height, width))
    key = key_of(tif)
    made = [
        write_png(out / f"roadnet_{key}.png", draw(lines, height, width, road_px)),
        write_png(out / "roadnet_skeleton_r1.png", draw(lines, height, width, 1)),
    ]
    for variant, nodes in CASES.items():
        if len(net.xy) >= nodes:
            yx, dist = draw_cases(net, np.random.default_rng([seed, nodes]), nodes, GENERATED_CASES)
            path = out / f"distance_dataset_all_{key}_{variant}.npz"
            metres = picture.geo.metres
            made.append(npz.write(path, yx, dist, height, width, metres[0] if metres else None))
    return made


def draw(lines: list[NDArray[np.float64]], height: int, width: int, size: int) -> NDArray[np.uint8]:
    """Lines of `size` pixels as 255 on 0."""
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line([(float(x), float(y)) for x, y in np.rint(line)], 255, size, joint="curve")
    return np.asarray(image).copy()
