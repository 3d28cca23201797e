"""CircuitNet's raw trees: one folder for each kind of map, one `.npy` file for each layout in each.

Folders are found by their own name, wherever they lie: the released N28 and N14 trees, and flat
ones with the folders side by side, read the same. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.circuitnet.names import listed

Array = NDArray[Any]

ROUTABILITY = "routability_features_decompressed"
_CONGESTION = f"{ROUTABILITY}/congestion"
_GR = f"{_CONGESTION}/congestion_global_routing"
_EGR = f"{_CONGESTION}/congestion_early_global_routing"

#: Where the released data set keeps each kind of map.
PLACES: Mapping[str, str] = {
    "macro_region": ROUTABILITY,
    "cell_density": ROUTABILITY,
    **dict.fromkeys(
        ("RUDY", "RUDY_long", "RUDY_short", "RUDY_pin", "RUDY_pin_long"), f"{ROUTABILITY}/RUDY"
    ),
    **{
        f"congestion_{kind}_{way}_{what}": f"{place}/{what_folder}"
        for kind, place in (("GR", _GR), ("eGR", _EGR))
        for what, what_folder in (("overflow", "overflow_based"), ("util", "utilization_based"))
        for way in ("horizontal", "vertical")
    },
    "DRC_all": f"{ROUTABILITY}/DRC",
    **dict.fromkeys(
        ("power_i", "power_s", "power_sca", "power_all", "power_t", "IR_drop"),
        "IR_drop_features_decompressed",
    ),
}


def find(root: Path, kinds: Iterable[str]) -> dict[str, Path]:
    """The folder of each kind of map below `root`.

    Raises:
        AssayError: no such folder, two of one kind, or kinds that are not there.
    """
    if not root.is_dir():
        raise AssayError(f"no folder {root}", "Give the folder that holds the raw maps")
    found: dict[str, list[Path]] = {kind: [] for kind in kinds}
    for folder in (root, *sorted(p for p in root.rglob("*") if p.is_dir())):
        if folder.name in found and any(p.is_file() for p in folder.iterdir()):
            found[folder.name].append(folder)
    for kind, places in found.items():
        if len(places) > 1:
            here = ", ".join(str(p.relative_to(root)) for p in places)
            raise AssayError(
                f"{root} has {len(places)} folders '{kind}': {here}",
                "Give the folder above one of them",
                code="ambiguous_folder",
            )
    missing = [kind for kind, places in found.items() if not places]
    if missing:
        raise AssayError(
            f"{root} has no folder with maps named {', '.join(missing)}",
            f"Needed: {', '.join(found)}",
            code="missing_folder",
        )
    return {kind: places[0] for kind, places in found.items()}


def files(folder: Path) -> dict[str, Path]:
    """Layout name -> file. The `.npy` may be missing, as it is in some copies.

    Raises:
        AssayError: one layout twice, with and without `.npy`.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.name.removesuffix(".npy")
        if name in found:
            raise AssayError(f"{folder} has both {name} and {name}.npy", "Remove one of them")
        found[name] = path
    return found


def layouts(folders: Mapping[str, Path], allow_missing: bool = False) -> dict[str, dict[str, Path]]:
    """Layout name -> kind -> file, of layouts that every folder has.

    Raises:
        AssayError: layouts that some folder lacks, unless `allow_missing`; or none are left.
    """
    by_kind = {kind: files(folder) for kind, folder in folders.items()}
    everywhere = set.intersection(*(set(found) for found in by_kind.values()))
    anywhere = set.union(*(set(found) for found in by_kind.values()))
    if anywhere - everywhere and not allow_missing:
        gaps = [
            f"{kind} lacks {listed(anywhere - set(found))}"
            for kind, found in by_kind.items()
            if anywhere - set(found)
        ]
        raise AssayError(
            "the folders hold different layouts: " + "; ".join(gaps),
            "Complete them, or leave those layouts out with allow_missing=true",
            code="missing_maps",
        )
    if not everywhere:
        raise AssayError(f"no layout is in all of {', '.join(folders)}", code="missing_maps")
    return {n: {kind: found[n] for kind, found in by_kind.items()} for n in sorted(everywhere)}


def read(path: Path, dims: int = 2) -> Array:
    """One raw map as it is stored: X Y, axis 0 is x; a picture of it is `np.rot90`.

    `dims` is the number of axes once axes of length 1 are gone.

    Raises:
        AssayError: unreadable, pickled, not numbers, another shape, empty, or not finite.
    """
    try:
        array: Array = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise AssayError(f"no file {path}", "Check the data folder", code="bad_map") from error
    except (OSError, ValueError, EOFError) as error:
        pickled = "allow_pickle" in str(error)
        raise AssayError(
            f"{path} is not a readable .npy map ({error})",
            "It holds Python objects, which are never loaded: save the plain array"
            if pickled
            else "Get the file again",
            code="bad_map",
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise AssayError(f"{path} holds no array of numbers", code="bad_map")
    shape = array.shape
    if array.ndim != dims:
        array = array.squeeze()
    if array.ndim != dims or not array.size:
        raise AssayError(f"{path} has shape {shape}, expected {dims} axes", code="bad_map")
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise AssayError(f"{path} has {bad} values that are NaN or infinite", code="bad_map")
    return array


def write(root: Path, name: str, maps: Mapping[str, Array]) -> None:
    """Write a layout's maps into the released tree's places below `root`."""
    for kind, array in maps.items():
        save(root / PLACES[kind] / kind / f"{name}.npy", array)


def save(path: Path, array: Array) -> None:
    """Write an array whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AssayError(
            f"cannot write {path}: {error.strerror}", "Make room or check the folder"
        ) from error
