"""Figures that others measured on CircuitNet-N28: reference rows, never results of ours."""

from __future__ import annotations

from core.contract import Published

SEED = "seed 002, CircuitNet-N28 test set, 3164 maps"


def _row(name: str, nrms: float, ssim: float, **more: float) -> Published:
    return Published(name=name, metrics={"nrms": nrms, "ssim": ssim, **more}, source=SEED)


PUBLISHED = (
    _row("official congestion.pth", 0.0417, 0.8078, emd=0.0026),
    _row("GPDL at 10k of 200k", 0.0455, 0.7873),
    _row("GPDL at 50k", 0.0470, 0.7874),
    _row("GPDL at 200k", 0.0497, 0.7763),
    _row("SE+ASPP at 10k of 200k", 0.0460, 0.7905),
    _row("SE+ASPP at 50k", 0.0494, 0.7846),
    _row("SE+ASPP at 200k", 0.0491, 0.7880),
    _row("10k, INT8 weights", 0.0454, 0.7875),
    _row("10k, INT4 weights", 0.0469, 0.7622),
    _row("10k, FP8 weights", 0.0463, 0.7768),
    _row("10k, FP4 weights", 0.0479, 0.6992),
    _row("10k, INT4 encoder weights", 0.0460, 0.7840),
    _row("10k, INT4 decoder weights", 0.0463, 0.7659),
    _row("10k, INT4 activations", 0.2338, 0.2099),
)
