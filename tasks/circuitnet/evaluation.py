"""What a network is worth: its metrics on the test maps, beside predictors that need no network."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.contract import Absent, Run
from core.kit.timing import measure as timed
from tasks.circuitnet import curves, dataset, metrics, predictors
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.curves import Curves
from tasks.circuitnet.dataset import Data
from tasks.circuitnet.network import Network
from tasks.circuitnet.predictors import Predictor
from tasks.circuitnet.split import Split

TABLE = "per_map.csv"  # every metric of every test map, of the model and of the trivial predictors
MODEL = "model"
TRIVIAL = {"zero map": "zero", "mean map": "mean", "RUDY": "rudy"}  # predictor -> metric prefix
BESIDE = ("nrms", "ssim", "emd", "emd_true")  # what trivial predictors are measured by
REPEATS = 10

Scores = Mapping[str, NDArray[np.float64]]  # metric -> a value a map


class Quick(NamedTuple):
    """What training looks at."""

    nrms: float
    ssim: float


def quick(network: Network, split: Split, batch: int) -> Quick:
    """The official NRMS and SSIM of a split."""
    found = metrics.summary(scored(network, split, batch, ("nrms", "ssim")), "compat")
    return Quick(found["nrms"].value, found["ssim"].value)


def scored(network: Network, split: Split, batch: int, names: tuple[str, ...]) -> Scores:
    """The named metrics of every map of a split."""
    parts = [
        metrics.score(torch.from_numpy(got.label), torch.from_numpy(got.pred), names)
        for got in split.predictions(network.predict, batch)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


@dataclass(frozen=True)
class Scored:
    """Every metric of every test map: of the model, and of each trivial predictor."""

    names: list[str]
    by: Mapping[str, Scores]  # MODEL, "zero map", ... -> metric -> values
    curve: Curves

    @functools.cached_property
    def means(self) -> dict[str, dict[str, float]]:
        """The official means of each."""
        summed = {who: metrics.summary(scores, "compat") for who, scores in self.by.items()}
        return {who: {k: m.value for k, m in found.items()} for who, found in summed.items()}

    def write(self, path: Path) -> Path:
        """One row a map."""
        columns = [(who, name) for who, scores in self.by.items() for name in scores]
        head = ["map", *(f"{who}: {name}" for who, name in columns)]
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(head)
            for i, name in enumerate(self.names):
                rows.writerow([name, *(repr(float(self.by[w][m][i])) for w, m in columns)])
        return path


@functools.lru_cache(1)  # a run measures, then draws: the same network on the same maps
def score(cfg: CircuitnetConfig, network: Network, data: Data) -> Scored:
    """All test maps, a batch at a time; each trivial predictor sees the same batches."""
    rivals = trivial(cfg, network, data)
    beside = tuple(dict.fromkeys([*BESIDE, *cfg.eval_metric]))
    parts: dict[str, list[Scores]] = {who: [] for who in (MODEL, *rivals)}
    counted = []
    for got in data.test.predictions(network.predict, cfg.eval_batch):
        label, pred = torch.from_numpy(got.label), torch.from_numpy(got.pred)
        parts[MODEL].append(metrics.score(label, pred))
        counted.append(curves.counts(label, pred, cfg.threshold))
        for who, rival in rivals.items():
            guess = rival(torch.from_numpy(got.feature))[:, 0].contiguous()
            parts[who].append(metrics.score(label, guess, beside))
    joined = {
        who: {name: np.concatenate([s[name] for s in some]) for name in some[0]}
        for who, some in parts.items()
    }
    return Scored(list(data.test.names), joined, curves.draw(np.concatenate(counted, axis=1)))


def trivial(cfg: CircuitnetConfig, network: Network, data: Data) -> dict[str, Predictor]:
    """What needs no network. Nine-map features hold no RUDY of all nets."""
    mean, size = network.mean_label, data.test.one(0)[1].shape[1:]
    if data.test.seen:  # the mean of labels that judge, not of those that trained
        mean = dataset.read(cfg.model_copy(update={"train_mode": "same"})).train.mean_label
    elif mean is None or mean.shape != size:  # an official file, or maps of another size
        mean = data.train.mean_label
    found = dict(predictors.trivial(torch.from_numpy(mean)[None, None]))
    if cfg.task != "congestion_gpdl":
        del found["RUDY"]
    return found


def measure(
    cfg: CircuitnetConfig, network: Network, data: Data, run: Run
) -> dict[str, float | Absent]:
    """Every declared metric; `per_map.csv` in the run's folder."""
    scored = score(cfg, network, data)
    scored.write(run.dir / TABLE)
    summed = {how: metrics.summary(scored.by[MODEL], how) for how in ("compat", "strict")}
    out: dict[str, float | Absent] = {
        name: _number(summed["compat"][name].value, "no test map has a value")
        for name in scored.by[MODEL]
        if not name.endswith("pm")
    }
    for name in ("nrms", "ssim"):
        out[f"{name}_strict"] = _number(summed["strict"][name].value, "no test map has a value")
    out["roc_auc"] = _number(scored.curve.roc_auc, "no test map has hot and cold gcells")
    out["prc_auc"] = _number(scored.curve.prc_auc, "no test map has hot and cold gcells")
    return {
        **out,
        **_rivals(scored),
        **_validation(cfg, network, data),
        "weight_kb": network.bits / 8192,
        "latency_ms": latency(network, data.test, run),
        "nonfinite_steps": float(run.nonfinite_steps),
    }


def _rivals(scored: Scored) -> dict[str, float | Absent]:
    """Trivial predictors, and how far the model is ahead of them."""
    means, gone = scored.means, Absent(reason="nine-map features hold no RUDY of all nets")
    rivals = {who: means[who] for who in TRIVIAL if who in means}
    out: dict[str, float | Absent] = {
        f"{prefix}_{name}": rivals[who][name] if who in rivals else gone
        for who, prefix in TRIVIAL.items()
        for name in ("nrms", "ssim")
    }
    ours = means[MODEL]
    best_nrms = min(m["nrms"] for m in rivals.values())
    best_ssim = max(m["ssim"] for m in rivals.values())
    rudy = rivals.get("RUDY")
    out["nrms_over_rudy"] = _over(ours["nrms"], rudy["nrms"]) if rudy else gone
    out["nrms_over_trivial"] = _over(ours["nrms"], best_nrms)
    out["ssim_over_trivial"] = ours["ssim"] - best_ssim
    return out


def _over(ours: float, theirs: float) -> float | Absent:
    if theirs > 0:
        return ours / theirs
    return Absent(reason="a trivial map has no error: are these maps the training's own?")


def _validation(cfg: CircuitnetConfig, network: Network, data: Data) -> dict[str, float | Absent]:
    if cfg.select_on == "test":
        gone = Absent(reason="selected on test: the test maps chose the checkpoint, as in the seed")
        return {"val_nrms": gone, "val_ssim": gone}
    found = quick(network, data.val, cfg.eval_batch)
    return {"val_nrms": found.nrms, "val_ssim": found.ssim}


def latency(network: Network, split: Split, run: Run) -> float:
    """Median milliseconds of torch for one map, on the run's device and threads."""
    feature, _ = split.maps([0])
    with run.quiet():
        call = functools.partial(network.predict, feature)
        return timed(call, network.device, warm_up=2, repeats=REPEATS).median_ms


def _number(value: float, why_not: str) -> float | Absent:
    return value if math.isfinite(value) else Absent(reason=why_not)
