from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from core.errors import AssayError
from tasks.route import lines, npz, regions
from tasks.route.geotiff import Geo
from tasks.route.regions import SAMPLE


def geojson(path: Path, *coordinates: Any) -> Path:
    features = [
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": c}}
        for c in coordinates
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def image(path: Path, geo: bool = True) -> Path:
    """80 x 120 pixels of 2 m, corner at (1000, 5000) in UTM."""
    tags = [
        (33550, "d", 3, (2.0, 2.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, 5000.0, 0.0), True),
        (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32611), True),
    ]
    tifffile.imwrite(
        path, np.zeros((80, 120, 3), np.uint8), photometric="rgb", extratags=tags if geo else ()
    )
    return path


def test_a_cross_of_two_streets(tmp_path: Path) -> None:
    """Straight streets at x = 1120 and y = 4920, crossing: distances are city blocks."""
    path = geojson(
        tmp_path / "l.json",
        [[1001, 4919], [1121, 4919], [1239, 4919]],  # row 40: y = 5000 - 2 (40 + 1/2)
        [[1121, 4999], [1121, 4919], [1121, 4841]],  # column 60
    )
    made = lines.write(image(tmp_path / "crop_k.tif"), path, tmp_path / "out", road_px=5, seed=0)
    region_mask = regions.read_mask(tmp_path / "out" / "roadnet_k.png", 80, 120)
    want = np.zeros((80, 120), bool)
    want[38:43] = True
    want[:, 58:63] = True
    assert ((region_mask > 0) == want).all()
    cases = npz.read(made[2], 80, 120)
    for yx, dist in zip(cases.yx, cases.dist, strict=True):
        on_row, on_column = np.abs(yx[:, 0] - 40) <= 0, np.abs(yx[:, 1] - 60) <= 0
        assert (on_row | on_column).all()
        for i in range(20):
            for j in range(20):
                same = (on_row[i] and on_row[j]) or (on_column[i] and on_column[j])
                step = np.abs(yx[i] - yx[j])
                blocks = (
                    step.sum()
                    if same
                    else np.abs(yx[i] - (40, 60)).sum() + np.abs(yx[j] - (40, 60)).sum()
                )
                if np.isfinite(dist[i, j]):
                    assert dist[i, j] == pytest.approx(blocks, abs=1.1)  # nodes are rounded


def test_the_bundled_lines_give_the_bundled_mask(tmp_path: Path) -> None:
    """The bundled files were made by another program from the same lines."""
    made = lines.write(SAMPLE, SAMPLE.parent / "roads_gt.geojson", tmp_path, road_px=24, seed=0)
    ours = regions.read_mask(made[0], 1300, 1300) > 0
    theirs = regions.read_mask(SAMPLE.parent / "roadnet_vegas_img0.png", 1300, 1300) > 0
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.95
    cases = npz.read(made[2], 1300, 1300)
    assert cases.metres == pytest.approx(0.3006, abs=1e-3)
    assert np.isfinite(cases.dist).all()


def test_degrees_over_web_mercator() -> None:
    geo = Geo(0.0, 0.0, 1.0, 1.0, 3857, False)
    x, y = lines.to_pixels(np.array([[0.001, -0.001]]), geo)[0]
    assert (x, y) == pytest.approx((111.319 - 0.5, 111.319 - 0.5), abs=0.01)
    with pytest.raises(AssayError, match="the lines are in degrees, the image in EPSG:32611"):
        lines.to_pixels(np.array([[0.001, -0.001]]), geo._replace(epsg=32611))


def test_refusals(tmp_path: Path) -> None:
    tif = image(tmp_path / "crop_k.tif")
    with pytest.raises(AssayError, match="no line crosses the image"):
        lines.write(tif, geojson(tmp_path / "l.json", [[9000, 0], [9001, 1]]), tmp_path, 5, 0)
    with pytest.raises(AssayError, match="holds no LineString"):
        lines.read(geojson(tmp_path / "e.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(AssayError, match="is not JSON"):
        lines.read(tmp_path / "bad.json")
    bare = image(tmp_path / "crop_b.tif", geo=False)
    with pytest.raises(AssayError, match="does not say where it lies"):
        lines.write(bare, tmp_path / "l.json", tmp_path, 5, 0)
