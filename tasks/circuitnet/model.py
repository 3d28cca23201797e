"""GPDL and RouteNet of CircuitNet, and the seed's SE/ASPP network: one network with switches.

The names of the modules are the contract: official weight files load strictly. Sources:
circuitnet/CircuitNet models/gpdl.py and routenet.py (BSD-3-Clause), seed 002 (commit 8c2b4a1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from core.errors import AssayError
from tasks.circuitnet.config import CircuitnetConfig

SIDES = 4  # height and width must be multiples: two poolings


class Names(NamedTuple):
    """How a flavour of the network calls three of its modules."""

    block: str = "main"
    bottleneck: str = "c3"
    head: str = "conv3"


OFFICIAL = Names()
SEED = Names("main_conv", "c3_bottleneck", "conv3_final_pred")


class Widths(NamedTuple):
    """Channels of the encoder's stages and of the ASPP."""

    c1: int = 32
    c2: int = 64
    bottleneck: int = 32
    aspp: int = 32


class Shape(NamedTuple):
    """The switches of the network; the defaults are GPDL."""

    norm: str = "instance"
    use_se: bool = False
    se_reduction: int = 16
    use_aspp: bool = False
    aspp_rates: tuple[int, ...] = (6, 12, 18)
    aspp_dropout: float = 0.5
    aspp_norm: str = "batch"
    skip_before_conv2: bool = False
    decoder: float = 1.0  # factor on the decoder's channels
    names: Names = OFFICIAL


PLAIN_WIDTHS, PLAIN = Widths(), Shape()


class SE(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018): each channel times a gate in (0, 1).

    state_dict: fc.{0,2}.weight.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Gate the channels."""
        gated: Tensor = x * self.fc(x.mean((2, 3)))[:, :, None, None]
        return gated


class Block(nn.Module):
    """Two 3x3 convolutions, each normalised and leaky; then SE where it is switched on.

    state_dict: <block>.{0,1,3,4}, se.fc.{0,2}.
    """

    def __init__(self, ins: int, outs: int, shape: Shape) -> None:
        super().__init__()
        layers = [
            *(nn.Conv2d(ins, outs, 3, padding=1), _norm(outs, shape), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(outs, outs, 3, padding=1), _norm(outs, shape), nn.LeakyReLU(0.2)),
        ]
        self._block = shape.names.block
        self.add_module(self._block, nn.Sequential(*layers))
        if shape.use_se:
            self.se = SE(outs, shape.se_reduction)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Two convolutions, and the gate."""
        out: Tensor = getattr(self, self._block)(x)
        return self.se(out) if hasattr(self, "se") else out


class Up(nn.Module):
    """Twice the size by a 4x4 transposed convolution. state_dict: main.{0,1}."""

    def __init__(self, ins: int, outs: int, shape: Shape) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(ins, outs, 4, 2, 1), _norm(outs, shape), nn.LeakyReLU(0.2)
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D 2*H 2*W"]:
        """Twice the size."""
        out: Tensor = self.main(x)
        return out


class Encoder(nn.Module):
    """Features at a quarter of the size, and the skip at half."""

    def __init__(self, ins: int, widths: Widths, shape: Shape) -> None:
        super().__init__()
        self.c1 = Block(ins, widths.c1, shape)
        self.pool1 = nn.MaxPool2d(2)
        self.c2 = Block(widths.c1, widths.c2, shape)
        self.pool2 = nn.MaxPool2d(2)
        self._bottleneck = shape.names.bottleneck
        conv = nn.Conv2d(widths.c2, widths.bottleneck, 3, padding=1)
        last = nn.Sequential(conv, nn.BatchNorm2d(widths.bottleneck), nn.Tanh())
        self.add_module(self._bottleneck, last)
        self.skip_channels_h2 = widths.c1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and skip."""
        skip = self.pool1(self.c1(x))
        return getattr(self, self._bottleneck)(self.pool2(self.c2(skip))), skip


class Pooled(nn.Sequential):
    """The mean of the whole map through a 1x1 convolution, spread over the map again."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The same numbers everywhere."""
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return F.interpolate(out, size=x.shape[-2:], mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017).

    state_dict: convs.0 (1x1), convs.1.. (dilated 3x3), convs.<last>.{1,2} (pooled), project.{0,1}.
    """

    def __init__(self, ins: int, outs: int, shape: Shape) -> None:
        super().__init__()
        branches = len(shape.aspp_rates) + 2
        inner = outs // branches if outs % branches == 0 else max(32, outs // 4)

        def layers(conv: nn.Conv2d) -> list[nn.Module]:
            grouped = shape.aspp_norm == "group"
            many = conv.out_channels
            norm = nn.GroupNorm(math.gcd(8, many), many) if grouped else nn.BatchNorm2d(many)
            return [conv, norm, nn.ReLU()]

        def dilated(rate: int) -> nn.Conv2d:
            return nn.Conv2d(ins, inner, 3, padding=rate, dilation=rate, bias=False)

        point = nn.Sequential(*layers(nn.Conv2d(ins, inner, 1, bias=False)))
        holes = [nn.Sequential(*layers(dilated(rate))) for rate in shape.aspp_rates]
        whole = Pooled(nn.AdaptiveAvgPool2d(1), *layers(nn.Conv2d(ins, inner, 1, bias=False)))
        self.convs = nn.ModuleList([point, *holes, whole])
        mix = nn.Conv2d(branches * inner, outs, 1, bias=False)
        self.project = nn.Sequential(*layers(mix), nn.Dropout(shape.aspp_dropout))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """All branches, mixed."""
        out: Tensor = self.project(torch.cat([conv(x) for conv in self.convs], dim=1))
        return out


class Decoder(nn.Module):
    """Back to full size; the skip joins after conv2, or before it with `skip_before_conv2`."""

    def __init__(self, ins: int, skip: int, outs: int, shape: Shape) -> None:
        super().__init__()
        wide, half, thin = (_scaled(n, shape.decoder) for n in (32, 16, 4))
        self._early, self._head = shape.skip_before_conv2, shape.names.head
        self.conv1 = Block(ins, wide, shape)
        self.upc1 = Up(wide, half, shape)
        self.conv2 = Block(half + (skip if self._early else 0), half, shape)
        self.upc2 = Up(half + (0 if self._early else skip), thin, shape)
        head = nn.Sequential(nn.Conv2d(thin, outs, 3, padding=1), nn.Sigmoid())
        self.add_module(self._head, head)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """The map in [0, 1]."""
        x = self.upc1(self.conv1(x))
        x = self.conv2(torch.cat([x, skip], 1)) if self._early else self.conv2(x)
        x = self.upc2(x if self._early else torch.cat([x, skip], 1))
        out: Tensor = getattr(self, self._head)(x)
        return out

    @property
    def last(self) -> nn.Conv2d:
        """The convolution before the sigmoid."""
        conv: nn.Conv2d = getattr(self, self._head)[0]
        return conv


class GPDL(nn.Module):
    """Congestion (or DRC) in [0, 1] from feature maps; sides must be multiples of 4.

    With all switches off and 3 channels in: 119,169 parameters, 49 entries in the state dict.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        widths: Widths = PLAIN_WIDTHS,
        shape: Shape = PLAIN,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = Encoder(in_channels, widths, shape)
        after = widths.bottleneck
        if shape.use_aspp:
            self.aspp = ASPP(widths.bottleneck, widths.aspp, shape)
            after = widths.aspp
        self.decoder = Decoder(after, widths.c1, out_channels, shape)
        self.apply(_start)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The map in [0, 1]; refuses sides and channels that do not fit."""
        if x.shape[1] != self.in_channels or x.shape[2] % SIDES or x.shape[3] % SIDES:
            raise AssayError(
                f"the network takes {self.in_channels} maps with sides that are multiples of "
                f"{SIDES}, got {x.shape[1]} maps of {x.shape[2]}x{x.shape[3]}",
                "Run the preprocess tool on raw maps first",
                code="bad_shape",
            )
        features, skip = self.encoder(x)
        if hasattr(self, "aspp"):
            features = self.aspp(features)
        out: Tensor = self.decoder(features, skip)
        return out

    @torch.no_grad()
    def start_at(self, label: float) -> None:
        """Set the last bias so that the untrained network says about `label` everywhere."""
        kept = min(max(label, 1e-4), 1 - 1e-4)
        bias = self.decoder.last.bias
        assert bias is not None  # the head has one
        bias.fill_(math.log(kept / (1 - kept)))


class GPDLEnhanced(GPDL):
    """The seed's SE/ASPP network with its constructor and its state-dict keys.

    157,729 parameters at in_channels=3, out_channels=1. Unknown arguments are ignored, as there.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 2,
        enc_c1_channels: int = 32,
        enc_c2_channels: int = 64,
        enc_bottleneck_channels: int = 32,
        aspp_out_channels: int = 32,
        aspp_atrous_rates: Sequence[int] = (6, 12, 18),
        use_se_in_conv: bool = True,
        **_ignored: Any,
    ) -> None:
        widths = Widths(
            enc_c1_channels, enc_c2_channels, enc_bottleneck_channels, aspp_out_channels
        )
        shape = Shape(
            use_se=use_se_in_conv,
            use_aspp=True,
            aspp_rates=tuple(aspp_atrous_rates),
            skip_before_conv2=True,
            names=SEED,
        )
        super().__init__(in_channels, out_channels, widths, shape)


def build(cfg: CircuitnetConfig) -> GPDL:
    """The network of a config; its start is drawn from torch's global generator."""
    shape = Shape(
        norm=cfg.block_norm,
        use_se=cfg.use_se,
        se_reduction=cfg.se_reduction,
        use_aspp=cfg.use_aspp,
        aspp_rates=tuple(map(int, cfg.aspp_rates.split(","))),
        aspp_dropout=cfg.aspp_dropout,
        aspp_norm=cfg.aspp_norm,
        skip_before_conv2=cfg.skip_before_conv2,
        decoder=cfg.width,
        names=SEED if cfg.naming == "seed" else OFFICIAL,
    )
    return GPDL(cfg.channels, 1, Widths(*(_scaled(n, cfg.width) for n in Widths())), shape)


def _scaled(channels: int, factor: float) -> int:
    return max(1, round(channels * factor))


def _norm(channels: int, shape: Shape) -> nn.Module:
    if shape.norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True)


def _start(module: nn.Module) -> None:
    """Weights N(0, 0.02), biases 0; norms stay as torch makes them."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
