"""Image quality: PSNR, SSIM (metric and loss) and LPIPS. Images are float B C H W in [0, 1]."""

from __future__ import annotations

import functools
import hashlib
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from core.errors import AssayError

CAP_DB = 60.0  # equal images would be infinite, and one such frame would hide a mean
SSIM_WINDOW = 11  # with sigma 1.5, as Wang et al. 2004
LPIPS_SIDE = 32  # AlexNet's two poolings leave nothing of a smaller image
LPIPS_FILE = Path(__file__).parent / "weights" / "lpips_alex_v0.1.safetensors"
LPIPS_SHA256 = "972b85a274f7af1bc18638c2257488e4740296ea1ddeefe6c5a48da7ece116e3"

Lpips = Callable[[Tensor, Tensor], Tensor]


def mse(pred: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each image: B."""
    return (pred - target).square().flatten(1).mean(1)


def psnr_of(error: float) -> float:
    """PSNR in dB of a mean squared error at data range 1, at most 60; NaN of NaN."""
    return CAP_DB if error <= 10 ** (-CAP_DB / 10) else -10 * math.log10(error)


def psnr(pred: Tensor, target: Tensor) -> Tensor:
    """PSNR of each image in dB, at most 60: B."""
    return (-10 * mse(pred, target).log10()).clamp(max=CAP_DB)


def ssim(pred: Tensor, target: Tensor) -> Tensor:
    """SSIM of each image: B. Gaussian window 11, sigma 1.5, data range 1, no padding.

    Both sides must be at least 11. Differentiable; 1 for equal images.
    """
    from pytorch_msssim import ssim as gaussian_ssim

    if min(pred.shape[-2:]) < SSIM_WINDOW:
        raise AssayError(
            f"SSIM needs images of at least {SSIM_WINDOW}x{SSIM_WINDOW}, got "
            f"{pred.shape[-1]}x{pred.shape[-2]}"
        )
    value: Tensor = gaussian_ssim(
        pred, target, data_range=1.0, size_average=False, win_size=SSIM_WINDOW, win_sigma=1.5
    )
    return value


def ssim_loss(pred: Tensor, target: Tensor) -> Tensor:
    """1 - mean SSIM, in [0, 2]. `pred` may leave [0, 1]: nothing is clamped."""
    return 1 - ssim(pred, target).mean()


@functools.cache
def lpips(weights: Path = LPIPS_FILE, device: str = "cpu") -> Lpips:
    """The LPIPS distance, v0.1 on AlexNet, of two batches: a function giving B values.

    It is the `lpips` package's own class; we load trunk and heads from `weights`, because the class
    would fetch its trunk from the network. Sides must be at least 32. Differentiable in the images.

    Raises:
        AssayError: the bundled file is missing or not the one whose values are known.
    """
    state = _lpips_state(weights)
    import lpips as package

    with torch.device("meta"), warnings.catch_warnings():  # nothing is allocated or drawn at random
        warnings.simplefilter("ignore", UserWarning)  # torchvision's new argument names
        network = package.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    for name in network.state_dict():
        if name.startswith("scaling_layer"):
            state[name] = network.state_dict()[name]
    network.load_state_dict(state, assign=True)
    network.requires_grad_(False).to(device)

    def distance(pred: Tensor, target: Tensor) -> Tensor:
        value: Tensor = network(pred, target, normalize=True)
        return value.flatten()

    return distance


def _lpips_state(weights: Path) -> dict[str, Tensor]:
    """The file's tensors under the names of the `lpips` class."""
    from safetensors.torch import load

    try:
        content = weights.read_bytes()
    except FileNotFoundError as error:
        raise AssayError(f"no LPIPS weights at {weights}", "Restore the file from git") from error
    found = hashlib.sha256(content).hexdigest()
    if found != LPIPS_SHA256:
        raise AssayError(
            f"{weights} has sha256 {found[:12]}..., expected {LPIPS_SHA256[:12]}...",
            "Restore the file from git",
        )
    layers = {"0": 1, "3": 2, "6": 3, "8": 4, "10": 5}  # AlexNet layer -> slice of the class
    state = {}
    for name, tensor in load(content).items():
        part, _, rest = name.partition(".")
        if part == "features":
            state[f"net.slice{layers[rest.split('.')[0]]}.{rest}"] = tensor
        else:  # lin0..lin4; the class holds each head under two names
            state[name] = state[f"lins.{part.removeprefix('lin')}.{rest}"] = tensor
    return state
