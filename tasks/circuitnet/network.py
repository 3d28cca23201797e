"""A network that is ready to predict: loaded, quantised as the config asks, in evaluation mode."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.kit import checkpoint
from tasks.circuitnet import dataset, quantise, weights
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import build
from tasks.circuitnet.quantise import Quantised
from tasks.circuitnet.split import Array

say = logging.getLogger("circuitnet").warning


@dataclass(frozen=True, eq=False)  # hashed by identity
class Network:
    """What a checkpoint predicts with."""

    net: nn.Module
    device: str
    mean_label: Array | None  # of its training maps, H W; None: an official weight file
    bits: int  # of all parameters, as the config stores them

    @torch.inference_mode()
    def predict(self, feature: Array) -> Array:
        """Maps B H W in [0, 1] of features B C H W."""
        out: Array = self.net(torch.from_numpy(feature).to(self.device))[:, 0].float().cpu().numpy()
        return out


def load(cfg: CircuitnetConfig, path: Path, device: str) -> Network:
    """The network of a run's checkpoint or of an official weight file.

    One whose fine-tuning had not begun is quantised as any other.

    Raises:
        AssayError: the file holds another architecture.
    """
    content, model = checkpoint.foreign(path), build(cfg)
    for said in weights.put(model, content, path, partial=cfg.partial_load):
        say(f"{path}: {said}")
    state = content["state"] if content.get("format") == checkpoint.FORMAT else {}
    bits = quantise.bits(cfg, model)
    net: nn.Module = model.eval()
    if cfg.qat_steps and content["step"] > cfg.float_steps:
        tuned = Quantised(model, cfg)
        tuned.load_state_dict(state["quant"], strict=False)  # the network is in it already
        net = tuned.eval().freeze()
    else:
        net = quantise.apply(cfg, model, calibration(cfg))
    mean = state.get("mean_label")
    return Network(net.to(device), device, None if mean is None else mean.numpy(), bits)


def calibration(cfg: CircuitnetConfig) -> Iterator[Tensor]:
    """Features of the first training maps, a batch at a time."""
    train = dataset.read(cfg.model_copy(update={"cache": "off"})).train  # few: not worth a copy
    some = dataclasses.replace(train, names=train.names[: cfg.calib_maps])
    for feature, _ in some.batches(cfg.eval_batch):
        yield torch.from_numpy(feature)
