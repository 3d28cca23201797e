"""Regions: an image with its road mask and distances, from a folder or generated; split by city.

<root>/<city>/<region>/crop_<key>_z16.tif (or crop_<key>.tif), roadnet_<key>.png,
                       roadnet_skeleton*.png, distance_dataset_all_<key>_p<20|50>.npz
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError
from core.kit.io import write_png
from core.kit.seed import derive
from tasks.route import geotiff, npz
from tasks.route.city import paint, streets
from tasks.route.clock import Clock
from tasks.route.geotiff import Geo, Picture
from tasks.route.log import say
from tasks.route.npz import Cases

SAMPLE = Path(__file__).parent / "sample" / "spacenet" / "vegas_img0" / "crop_vegas_img0.tif"
CASES = {"p20": 20, "p50": 50}  # nodes of a case
GENERATED_CASES = 8
JUDGED = 1000  # added to the seed of the generated cities that are judged


class Region(NamedTuple):
    """An image H x W with what is known of its roads."""

    name: str  # city/region
    picture: Picture
    mask: NDArray[np.uint8] | None  # H W, 0..255: road
    cases: Cases | None
    skeleton: NDArray[np.uint8] | None = None  # H W, 255: centre line; read when asked for
    features: Path | None = None  # SAM-Road's encoder output of the whole image, where it is there

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.picture.rgb.shape[:2]
        return height, width


class Split(NamedTuple):
    """Regions to train on, to choose the checkpoint by, and to judge it by: of different cities."""

    train: list[Region]
    val: list[Region]
    test: list[Region]


class Data(NamedTuple):
    """What a run works on, and where its seconds go."""

    train: list[Region]
    val: list[Region]
    test: list[Region]
    clock: Clock


def key_of(tif: Path) -> str:
    """The key in the names of a region's files."""
    return tif.stem.removeprefix("crop_").removesuffix("_z16")


def open_region(
    tif: Path,
    *,
    p_count: int = 20,
    distances: Path | None = None,
    mask: Path | None = None,
    bands: tuple[int, int, int] | None = None,
    stretch: str = "percentile",
    allow_size_mismatch: bool = False,
    thin: bool = False,
) -> Region:
    """The region of a GeoTIFF; mask and distances are None where no file is there.

    Raises:
        AssayError: a file that was named is missing, or one does not fit the image.
    """
    picture = geotiff.read(tif, bands=bands, stretch=stretch)
    height, width = picture.rgb.shape[:2]
    key = key_of(tif)
    mask_path = mask or tif.parent / f"roadnet_{key}.png"
    cases_path = distances or tif.parent / f"distance_dataset_all_{key}_p{p_count}.npz"
    roads = read_mask(mask_path, height, width) if mask or mask_path.exists() else None
    cases = None
    if distances or cases_path.exists():
        cases = npz.read(cases_path, height, width, allow_size_mismatch=allow_size_mismatch)
    lines = sorted(tif.parent.glob("roadnet_skeleton*.png")) if thin else []
    if thin and not lines:
        raise AssayError(f"no {tif.parent}/roadnet_skeleton*.png", "Add it, or thin_target=false")
    return Region(
        "/".join(tif.parts[-3:-1]),
        picture,
        roads,
        cases,
        read_mask(lines[0], height, width) if lines else None,
        features_of(tif),
    )


def features_of(tif: Path) -> Path | None:
    """The cached encoder features beside an image, if there are any."""
    return next(iter(sorted(tif.parent.glob("samroad_feat_full_*.npy"))), None)


def read_mask(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """Channel 0 of a road mask, H W.

    Raises:
        AssayError: missing, unreadable, or of another size.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            mask = np.asarray(image.convert("L") if image.mode in ("1", "P") else image)
    except FileNotFoundError as error:
        raise AssayError(f"no road mask {path}", "Give mask") from error
    except OSError as error:
        raise AssayError(f"{path} is not a readable image ({error})", code="bad_image") from error
    mask = mask[..., 0] if mask.ndim == 3 else mask
    if mask.shape != (height, width):
        raise AssayError(f"{path.name} is {mask.shape}, its image {height}x{width}")
    if mask.dtype != np.uint8:
        raise AssayError(f"{path.name} is {mask.dtype}, a road mask has 8 bits")
    return mask


def open_folder(
    root: Path, val_fraction: float, seed: int, p_count: int, *, thin: bool = False
) -> Split:
    """All regions below a folder, split by city in a shuffled order.

    Two cities are too few to choose and to judge by different ones: the same one does both.

    Raises:
        AssayError: no regions, or fewer than two cities.
    """
    tifs = sorted(root.glob("*/*/crop_*.tif"))
    cities = sorted({t.parts[-3] for t in tifs})
    if len(cities) < 2:
        raise AssayError(
            f"{root} holds {len(tifs)} regions of {len(cities)} cities",
            "Training and measuring need a city each: <root>/<city>/<region>/crop_<key>.tif",
        )
    judging = split(cities, val_fraction, seed)
    rest = [c for c in cities if c not in judging]
    if len(rest) > 1:
        choosing = split(rest, val_fraction, seed)
    else:
        choosing = judging
        say(
            f"{root} has two cities: {cities[0] if cities[0] in judging else cities[1]} "
            "both chooses the checkpoint and judges it"
        )
    regions = [_complete(open_region(t, p_count=p_count, thin=thin)) for t in tifs]

    def of(wanted: set[str]) -> list[Region]:
        return [r for r in regions if r.name.split("/")[0] in wanted]

    return Split(of(set(rest) - choosing), of(choosing), of(judging))


def _complete(region: Region) -> Region:
    if region.mask is None or region.cases is None:
        what = "road mask" if region.mask is None else "distance file"
        raise AssayError(f"region {region.name} has no {what}", "Add it, or move the folder")
    return region


def split(cities: Sequence[str], val_fraction: float, seed: int) -> set[str]:
    """The cities held out: at least one, and at least one is left."""
    order = np.random.default_rng([seed, 71]).permutation(len(cities))
    count = min(len(cities) - 1, max(1, round(val_fraction * len(cities))))
    return {cities[i] for i in order[:count]}


class Plan(NamedTuple):
    """What decides a generated region."""

    size: int
    pitch: float = streets.PITCH
    width_scale: float = 1.0
    occlusion: float = 0.3
    nodes: int = 20
    width: int = 0  # 0: square
    one_component: bool = True


def generate(plan: Plan, seed: int, name: str) -> tuple[Region, NDArray[np.uint8]]:
    """A region and its centre lines, H W; a function of plan, seed and name."""
    height, width = plan.size, plan.width or plan.size

    def rng(purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive(seed, name, purpose))

    net = streets.lay(height, width, rng("streets"), pitch=plan.pitch, connect=plan.one_component)
    roads = paint.rasters(net, height, width, paint.widths(plan.width_scale * plan.pitch / 150))
    rgb = paint.picture(net, roads, rng("paint"), pitch=plan.pitch, occlusion=plan.occlusion)
    yx, dist = draw_cases(net, rng("cases"), plan.nodes, GENERATED_CASES)
    pixel = np.rint(yx).astype(np.int64)
    far = np.where(np.isfinite(dist) & (dist > 0), dist, np.nan)
    far[:, np.eye(far.shape[-1], dtype=bool)] = 0
    cases = Cases(pixel, far, None, [])
    region = Region(name, Picture(rgb, None, None, []), roads.mask, cases, roads.skeleton)
    return region, roads.skeleton


def draw_cases(
    net: streets.Streets, rng: np.random.Generator, nodes: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cases of random street vertices: C N 2 as (y, x), and C N N distances, inf without a road."""
    if len(net.xy) < nodes:
        raise AssayError(
            f"the street network has {len(net.xy)} vertices, a case needs {nodes}",
            "Raise city_size, or lower city_pitch",
        )
    chosen = [np.sort(rng.choice(len(net.xy), nodes, replace=False)) for _ in range(count)]
    yx = np.stack([net.xy[c][:, ::-1] for c in chosen])
    return yx, np.stack([net.distances(c) for c in chosen])


@functools.lru_cache(maxsize=2)
def generated(plan: Plan, seed: int, cities: int, regions: int, val_fraction: float) -> Split:
    """The generated data set; kept, since studies and tests ask for the same one again.

    It is judged on a city of another seed, which no run has trained on or chosen by.
    """
    names = [f"city{c}" for c in range(cities)]
    held = split(names, val_fraction, seed)
    made = {c: [generate(plan, seed, f"{c}/region{r}")[0] for r in range(regions)] for c in names}
    return Split(
        [r for c in names if c not in held for r in made[c]],
        [r for c in names if c in held for r in made[c]],
        [generate(plan, seed + JUDGED, f"city/region{r}")[0] for r in range(regions)],
    )


def write_region(
    region: Region, skeleton: NDArray[np.uint8], plan: Plan, seed: int, root: Path
) -> list[Path]:
    """A generated region as files in the users' layout, with distances among 20 and 50 nodes."""
    import tifffile

    height, width = region.size
    key = region.name.replace("/", "_")
    folder = root / region.name
    folder.mkdir(parents=True, exist_ok=True)
    tif = folder / f"crop_{key}_z16.tif"
    tifffile.imwrite(tif, region.picture.rgb, photometric="rgb", compression="deflate")
    mask, line = folder / f"roadnet_{key}.png", folder / "roadnet_skeleton_r1.png"
    assert region.mask is not None
    made = [tif, write_png(mask, region.mask), write_png(line, skeleton)]
    net = streets.lay(
        height,
        width,
        np.random.default_rng(derive(seed, region.name, "streets")),
        pitch=plan.pitch,
        connect=plan.one_component,
    )
    for variant, nodes in CASES.items():
        rng = np.random.default_rng(
            derive(seed, region.name, "cases" if nodes == plan.nodes else variant)
        )
        yx, dist = draw_cases(net, rng, nodes, GENERATED_CASES)
        path = folder / f"distance_dataset_all_{key}_{variant}.npz"
        made.append(npz.write(path, yx, dist, height, width))
    return made


def metres(geo: Geo | None, cases: Cases | None) -> tuple[float, float] | None:
    """Height and width of a pixel in metres, from the image or else from the distances."""
    if geo is not None and geo.metres is not None:
        return geo.metres
    return (cases.metres, cases.metres) if cases is not None and cases.metres else None
