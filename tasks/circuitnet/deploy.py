"""The network as an ONNX file, in float32 or really in INT8: its size, latency and quality."""

from __future__ import annotations

import csv
import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.contract import Run
from core.errors import AssayError
from core.kit.timing import measure
from tasks.circuitnet import charts, dataset, metrics, network
from tasks.circuitnet.charts import Point
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import SIDES
from tasks.circuitnet.split import Array, Split

say = logging.getLogger("circuitnet").warning

NAMES = {"fp32": "model.onnx", "int8": "model_int8.onnx"}
REPEATS = 30


Call = Callable[[Array], Array]  # features B C H W -> maps B 1 H W


class Quality(NamedTuple):
    """Official means over the test maps."""

    nrms: float
    ssim: float


class Form(NamedTuple):
    """One way to run the network, as measured here."""

    name: str
    kb: float
    median_ms: float
    p95_ms: float
    max_difference: float  # from torch in float32, over the same input
    quality: Quality | None  # None: exported for a side that the test maps do not have

    def cells(self) -> tuple[str | float, ...]:
        """A row of deploy.csv."""
        return (*self[:-1], *(self.quality or ("", "")))


def export(
    cfg: CircuitnetConfig, run: Run, *, ckpt: str, out: str = "", int8: bool = False, side: int = 0
) -> list[Path]:
    """model.onnx, and with `int8` model_int8.onnx; deploy.csv and deploy.png compare them.

    The INT8 file is quantised by onnxruntime (static QDQ, convolutions, weights a channel, ranges
    from `calib_maps` training maps). `side`: of the maps that are timed; default: the data's. On
    another side than the data's there is no quality to measure, and its columns stay empty.
    """
    if side < 0 or side % SIDES:
        raise AssayError(f"side {side}", f"Give a multiple of {SIDES}, or leave it out")
    folder = Path(out) if out else run.dir / "export"
    folder.mkdir(parents=True, exist_ok=True)
    plain = cfg.model_copy(update={"precision": "FP32", "qat_steps": 0})
    net = network.load(plain, Path(ckpt), "cpu").net
    features = [x.numpy() for x in network.calibration(cfg)]
    shape = (1, cfg.channels, side or features[0].shape[2], side or features[0].shape[3])
    files = [write(net, shape, folder / NAMES["fp32"])]
    if int8:
        files.append(quantise(files[0], features, folder / NAMES["int8"]))
    x, test = features[0][:1], dataset.read(cfg, run.progress).test
    if x.shape != shape:
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
    fits = test.one(0)[0].shape == shape[1:]
    rows = compare(net, files, x, test if fits else None, run)
    with (folder / "deploy.csv").open("w", newline="") as file:
        lines = [(*Form._fields[:-1], *Quality._fields), *(row.cells() for row in rows)]
        csv.writer(file, lineterminator="\n").writerows(lines)
    for row in rows:
        say(
            f"{row.name:22} {row.kb:8.1f} kB {row.median_ms:8.2f} ms (p95 {row.p95_ms:.2f}), "
            f"largest difference {row.max_difference:.1e}"
            + (f", SSIM {row.quality.ssim:.4f}" if row.quality else "")
        )
    return [*files, folder / "deploy.csv", *draw(rows, folder)]


def write(net: torch.nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    """The network as ONNX for inputs B C H W with a free batch size.

    Raises:
        AssayError: the packages for ONNX are not installed.
    """
    _need("onnx", "onnxscript")
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            net.eval(),
            (torch.zeros(max(2, shape[0]), *shape[1:]),),
            input_names=["feature"],
            output_names=["congestion"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
            external_data=False,
        )
        assert program is not None  # with dynamo
        program.save(path)
    return path


def quantise(source: Path, features: list[Array], path: Path) -> Path:
    """The ONNX file with INT8 weights and 8-bit inputs of its convolutions."""
    _need("onnxruntime")
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter([{"feature": one[None]} for batch in features for one in batch])

        def get_next(self) -> dict[str, Array] | None:
            return next(self.rest, None)

    ready = path.with_suffix(".prepared.onnx")
    try:
        quant_pre_process(str(source), str(ready))
        quantize_static(
            str(ready),
            str(path),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "ConvTranspose"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
    finally:
        ready.unlink(missing_ok=True)
    return path


def compare(
    net: torch.nn.Module, files: list[Path], x: Array, test: Split | None, run: Run
) -> list[Form]:
    """Torch and every ONNX file: size; latency, difference over one input; quality over `test`."""

    @torch.inference_mode()
    def eager(x: Array) -> Array:
        result: Array = net(torch.from_numpy(x)).numpy()
        return result

    want = eager(x)
    ways: list[tuple[str, float, Call]] = [
        ("torch eager fp32", sum(p.numel() for p in net.parameters()) * 4 / 1024, eager)
    ]
    for file in files:
        name = "onnxruntime " + ("int8" if file.name == NAMES["int8"] else "fp32")
        ways.append((name, file.stat().st_size / 1024, session(file, run.threads)))
    rows = []
    for done, (name, kb, call) in enumerate(ways, 1):
        with run.quiet():
            time = measure(functools.partial(call, x), warm_up=3, repeats=REPEATS)
        apart = float(np.abs(call(x) - want).max())
        quality = judge(call, test) if test else None
        times = (round(time.median_ms, 3), round(time.p95_ms, 3))
        rows.append(Form(name, round(kb, 1), *times, apart, quality))
        run.progress(done, len(ways), name)
    return rows


def judge(call: Call, test: Split) -> Quality:
    """The official NRMS and SSIM of one way to run the network, map by map as it is timed."""
    parts = []
    for got in test.predictions(lambda x: call(x)[:, 0], 1):
        pair = torch.from_numpy(got.label), torch.from_numpy(got.pred)
        parts.append(metrics.score(*pair, Quality._fields))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in Quality._fields}
    means = metrics.summary(joined, "compat")
    return Quality(means["nrms"].value, means["ssim"].value)


def draw(rows: list[Form], folder: Path) -> list[Path]:
    """deploy.png: latency, SSIM and (as area) size of every form whose quality is known."""
    largest = max(row.kb for row in rows)
    points = [
        Point(f"{r.name}, {r.kb:.0f} kB", r.median_ms, r.quality.ssim, r.kb / largest, r.name)
        for r in rows
        if r.quality
    ]
    if not points:
        return []
    labels = {"x_label": "median latency of one map, ms", "y_label": "SSIM on the test maps"}
    title = "Ways to run the network: area is size"
    return [charts.scatter(folder / "deploy.png", points, **labels, title=title)]


def session(file: Path, threads: int) -> Call:
    """An ONNX file as a function of features, on that many threads."""
    _need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    made: Any = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])

    def call(x: Array) -> Array:
        out: Array = made.run(None, {"feature": x})[0]
        return out

    return call


def _need(*packages: str) -> None:
    import importlib.util

    gone = [p for p in packages if importlib.util.find_spec(p) is None]
    if gone:
        raise AssayError(f"export needs {', '.join(gone)}", "pip install 'assay[export]'")
