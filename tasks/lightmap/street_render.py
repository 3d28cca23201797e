"""The street's frames by path tracing: `assay do lightmap synth_street -o output_dir=...`.

Needs the optional extra `lightmap-data` (Mitsuba 3; pyoidn for denoising). `variant=llvm_ad_rgb` is
faster but needs an LLVM library of version 16 or newer (with 14 the process aborts).
"""

from __future__ import annotations

import importlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contract import Run
from core.errors import AssayError
from core.kit.io import write_png
from tasks.lightmap import street_scene
from tasks.lightmap.config import LightmapConfig, size
from tasks.lightmap.data import name
from tasks.lightmap.synth import sun

DEPTH = 6  # bounces
Image = NDArray[np.float32]


def synth_street(
    cfg: LightmapConfig,
    run: Run,
    *,
    output_dir: str,
    output_size: str = "480x270",
    spp: int = 32,
    step: float = 1,
    start_hour: float = 0,
    end_hour: float = 23.999,
    seed: int = 7,
    denoise: bool = False,
    variant: str = "scalar_rgb",
) -> list[Path]:
    """A path-traced street as tod_<h>.png and meta.json; frames that are there are kept.

    Raises:
        AssayError: Mitsuba (or, to denoise, pyoidn) is not installed.
    """
    mi, clean = _mitsuba(variant), _denoiser() if denoise else None
    width, height = size(output_size)
    folder, made = Path(output_dir), []
    meta = _meta(folder) | {"spp": spp, "seed": seed, "mitsuba": mi.__version__}
    times = [float(t) for t in np.arange(start_hour, end_hour, step)]
    for done, t in enumerate(times):
        path = folder / name(t)
        if not path.exists():
            began = time.monotonic()
            image = _frame(mi, t, (width, height), spp, seed, clean)
            write_png(path, image)
            at = sun(t)
            meta["frames"][path.name] = {
                "hour": t,
                "sun_elevation_deg": round(math.degrees(at.elevation), 3),
                "sun_azimuth_deg": round(math.degrees(at.azimuth), 3),
                "exposure": round(street_scene.exposure(at), 4),
                "seconds": round(time.monotonic() - began, 2),
            }
            (folder / "meta.json").write_text(json.dumps(meta, indent=1))
        made.append(path)
        run.progress(done + 1, len(times), path.name)
    return made


def _mitsuba(variant: str) -> Any:
    """The library in one of its variants."""
    try:
        mi = importlib.import_module("mitsuba")
    except ImportError as error:
        raise AssayError(
            "the street is traced by Mitsuba, which is not installed",
            "pip install 'assay[lightmap-data]', or use the bundled street",
            code="no_mitsuba",
        ) from error
    try:
        mi.set_variant(variant)
    except ImportError as error:
        raise AssayError(
            f"Mitsuba has no variant '{variant}'", f"Known here: {', '.join(mi.variants())}"
        ) from error
    return mi


def _denoiser() -> Any:
    try:
        return importlib.import_module("pyoidn").denoise
    except ImportError as error:
        raise AssayError(
            "denoising needs pyoidn", "pip install 'assay[lightmap-data]', or raise spp"
        ) from error


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / "meta.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"frames": {}}
    folder.mkdir(parents=True, exist_ok=True)
    return found


def _frame(
    mi: Any, t: float, size: tuple[int, int], spp: int, seed: int, clean: Any
) -> NDArray[np.float32]:
    """One frame as sRGB values H W 3 in [0, 1]."""
    scene = street_scene.describe(t, _texture(mi), _place(mi), seed)
    scene["sensor"] = {
        "type": "perspective",
        "fov": 52,
        "to_world": mi.ScalarTransform4f().look_at(
            origin=[1.0, -15, 6], target=[-0.3, 12, 3.6], up=[0, 0, 1]
        ),
        "film": {"type": "hdrfilm", "width": size[0], "height": size[1], "pixel_format": "rgb"},
        "sampler": {"type": "independent", "sample_count": spp},
    }
    inner = {"type": "path", "max_depth": DEPTH}
    scene["integrator"] = {"type": "aov", "aovs": "alb:albedo,nn:sh_normal", "image": inner}
    layers = np.array(mi.render(mi.load_dict(scene), spp=spp, seed=round(100 * t)), np.float32)
    light = np.ascontiguousarray(layers[..., :3])
    if clean is not None:
        guides = (np.ascontiguousarray(layers[..., i : i + 3]) for i in (-6, -3))
        light = np.asarray(clean(light, *guides, hdr=True))
    return display(light * street_scene.exposure(sun(t)))


def display(light: Image) -> Image:
    """Light as sRGB values in [0, 1]: highlights are rolled off, x / (1 + x)."""
    rolled = np.maximum(light, 0) / (1 + np.maximum(light, 0))
    curve = np.where(
        rolled <= 0.0031308, 12.92 * rolled, 1.055 * np.maximum(rolled, 1e-9) ** (1 / 2.4) - 0.055
    )
    out: Image = np.clip(curve, 0, 1).astype(np.float32)
    return out


def _texture(mi: Any) -> street_scene.Texture:
    def texture(colours: NDArray[np.float64]) -> Any:
        bitmap = mi.Bitmap(np.ascontiguousarray(colours, dtype=np.float32))
        return {"type": "bitmap", "bitmap": bitmap, "raw": True}

    return texture


def _place(mi: Any) -> street_scene.Place:
    """Boxes and floors as they are; walls (with a turn) stand up and look along -y, then turn."""

    def place(to: Any, scale: Any, turn: float | None = None) -> Any:
        whole = mi.ScalarTransform4f().translate(list(to))
        if turn is not None:
            whole = whole.rotate([0, 0, 1], turn).rotate([1, 0, 0], 90)
        return whole.scale(list(scale))

    return place
