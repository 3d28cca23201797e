"""Every setting of the task; the defaults are the baseline, names and values those of seed 003."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from core.contract import TaskConfig, protocol, site
from core.errors import AssayError

Hour = Annotated[int, Field(ge=0, le=23)]
Byte = Annotated[int, Field(ge=0, le=255)]
SIZE = r"[1-9]\d*x[1-9]\d*"
Size = Annotated[str, Field(pattern=rf"^({SIZE})?$")]

SSIM_WINDOW = 11  # the metric's and the loss's window: smaller patches have no SSIM
LPIPS_SIDE = 32  # AlexNet's smallest input


class LightmapConfig(TaskConfig):
    """What a lightmap run can be told."""

    # data
    data_dir: Path | None = Field(
        None, description="Folder with tod_0.png .. tod_23.png; empty: the bundled `data`"
    )
    data: Literal["street", "city"] = protocol(
        "street", description="Without data_dir: the path-traced street, or a quick synthetic city"
    )
    resize: Size = protocol(
        "", description="WxH: resize all frames (area mean); empty: as they are"
    )
    train_extra_times: bool = protocol(
        False, description="Train on the images between whole hours too (else they are measured)"
    )
    color_space: Literal["srgb", "linear"] = Field(
        "srgb", description="linear: bases, network and losses work in linear light"
    )
    allow_missing: bool = protocol(False, description="Train on the hours that are there")
    alpha_background: tuple[Byte, Byte, Byte] | None = protocol(
        None, description="R,G,B laid under transparent pixels; empty: they are an error"
    )
    city_size: Size = protocol("128x96", description="WxH of the synthetic city")
    city_seed: int = protocol(0, ge=0, description="Which city")

    # network
    hidden: int = Field(64, ge=1, le=1024, description="Width of the MLP")
    layers: int = Field(6, ge=1, le=16, description="Hidden layers of the MLP")
    time_harmonics: int = Field(4, ge=1, le=12, description="Fourier pairs of the 24 h cycle")
    xy_harmonics: int = Field(4, ge=0, le=12, description="Octaves of the position encoding")
    xy_include_input: bool = Field(True, description="Position itself beside its harmonics")
    xy_mapping: Literal["harmonics", "gaussian"] = Field(
        "harmonics", description="Position encoding; gaussian: waves of random direction and length"
    )
    ff_dim: int = Field(32, ge=1, le=512, description="Gaussian waves: how many")
    ff_sigma: float = Field(
        4.0, gt=0, le=1000, description="Gaussian waves: spread, periods a unit"
    )
    activation: Literal["relu", "sine"] = Field("relu", description="sine: SIREN, see w0")
    w0: float = Field(30.0, gt=0, le=1000, description="Sine: frequency factor of every layer")
    film: bool = Field(False, description="The hour scales and shifts every hidden layer")
    hash_grid: bool = Field(False, description="Position by tables over (x, y, t), coarse to fine")
    hash_levels: int = Field(8, ge=1, le=24, description="Hash grid: levels")
    hash_log2_size: int = Field(15, ge=4, le=24, description="Hash grid: log2 of a level's entries")
    hash_features: int = Field(2, ge=1, le=8, description="Hash grid: features an entry")
    hash_base: int = Field(8, ge=1, le=4096, description="Hash grid: cells across, coarsest level")
    hash_top: int = Field(
        0, ge=0, le=16384, description="Hash grid: cells across, finest level; 0: one a pixel"
    )
    residual_mode: bool = Field(True, description="Learn the change from the baseline image")
    baseline_time: Hour = protocol(12, description="Hour of the baseline image")
    use_baseline_encoder: bool = Field(False, description="Features of the baseline image by a CNN")
    be_channels: int = Field(32, ge=1, le=256, description="Encoder: channels")
    be_downsample: Literal[1, 2] = Field(1, description="Encoder: stride of its second layer")
    be_input: Literal["concat", "replace"] = Field(
        "concat", description="Encoder: features beside the position encoding, or instead of it"
    )
    be_every: int = Field(
        1, ge=1, le=1000, description="Encoder: trained in every n-th step; kept as it is between"
    )
    blend: Literal["none", "linear", "smoothstep", "learned"] = Field(
        "none",
        description="Mix the two nearest known hours; without blend_base no network. learned: "
        "a small network weighs, at each pixel, ten ways to get from one to the other",
    )
    blend_base: bool = Field(False, description="Blend: let the network correct the mixture")
    basis_k: int = Field(
        0, ge=0, le=72, description="Blend: keep the day as at most so many coded basis images"
    )
    basis_step: float = Field(
        0.2, gt=0, le=10, description="Basis: quantisation step of a coefficient, full range 1"
    )
    quantize: Literal["none", "fp16", "bf16", "int8"] = Field(
        "none", description="Measure the network with weights as stored in so many bits"
    )

    # training
    epochs: int = Field(20, ge=1, le=10_000, description="Passes of samples_per_epoch")
    batch_size: int = Field(8192, ge=1, le=2**22, description="Pixels in a step")
    samples_per_epoch: int = Field(200_000, ge=1, description="Pixels in an epoch")
    lr: float = Field(5e-4, gt=0, le=1, description="Initial rate of Adam")
    lr_schedule: Literal["none", "cosine", "plateau"] = Field(
        "cosine", description="Cosine to 5 %; plateau: halve after 3 epochs without a lower loss"
    )
    w_l2: float = Field(1.0, ge=0, description="Weight of the mean squared error")
    patch_size: int = Field(
        0, ge=0, le=1024, description="Side of training patches; 0: single pixels"
    )
    patch_mix: float = Field(
        0.0, ge=0, lt=1, description="Patches: share of each batch drawn as single pixels"
    )
    loss_ssim_w: float = Field(0.2, ge=0, description="Patches: weight of 1 - SSIM")
    ssim_min_std: float = Field(
        0.0, ge=0, le=1, description="Patches: flatter ones (standard deviation) have no SSIM term"
    )
    loss_lpips_w: float = Field(0.0, ge=0, description="Patches: weight of LPIPS, see lpips_freq")
    lpips_freq: int = Field(0, ge=0, description="Patches: LPIPS in every n-th step; 0: never")
    lpips_patch: int = Field(
        0, ge=0, le=1024, description="Patches: side of LPIPS' own, larger ones; 0: the same ones"
    )
    amp: Literal["none", "bf16", "fp16"] = Field(
        "none", description="The network in 16 bits; fp16 (with a scaled loss) needs CUDA"
    )
    grad_clip: float = Field(0.0, ge=0, description="Largest norm of the gradient; 0: any")
    init_from: Path | None = Field(
        None, description="Checkpoint whose weights training begins with; same architecture"
    )
    embed_baseline: bool = Field(
        False, description="Keep the baseline image in the checkpoint: it alone is enough to infer"
    )
    num_workers: int = site(1, ge=0, le=64, description="Threads that draw batches ahead; 0: none")
    out_dir: Path | None = Field(
        None, description="Leave best.ckpt and last.ckpt here too; empty: in the run's folder alone"
    )

    # validation and output
    val_hours: tuple[Hour, ...] = protocol(
        (0, 3, 6, 9, 12, 15, 18, 21), min_length=1, description="Hours that are measured"
    )
    val_split: Literal["seen", "holdout"] = protocol(
        "seen", description="holdout: val_hours are not trained on, and count as held_*"
    )
    val_downsample: int = protocol(1, ge=1, le=16, description="Measure at 1/n size (area mean)")
    val_every: int = Field(1, ge=1, description="Epochs between validations")
    best_metric: Literal["ssim", "psnr", "lpips", "mix"] = Field(
        "ssim", description="What chooses the checkpoint; mix: mean of SSIM, 1 - LPIPS, PSNR / 60"
    )
    early_stop_patience: int = Field(
        0, ge=0, description="End after so many epochs without a better best_metric; 0: never"
    )
    infer_hours: tuple[Annotated[float, Field(ge=0, lt=24)], ...] = Field(
        tuple(float(h) for h in range(24)), min_length=1, description="Times that infer writes"
    )

    @field_validator("val_hours", "infer_hours", "alpha_background", mode="before")
    @classmethod
    def _numbers_as_text(cls, value: object, info: ValidationInfo) -> object:
        """The seed's way to write a list, 0,6,12; empty for the default."""
        if not isinstance(value, str):
            return value
        default = cls.model_fields[info.field_name or ""].default
        return [part.strip() for part in value.split(",")] if value.strip() else default

    @model_validator(mode="after")
    def _patches_fit_their_losses(self) -> LightmapConfig:
        if self.lpips_freq and self.loss_lpips_w and not self.patch_size:
            raise ValueError("loss_lpips_w needs patches: set patch_size to 32 or more")
        if self.loss_ssim_w and 0 < self.patch_size < SSIM_WINDOW:
            raise ValueError(f"patch_size {self.patch_size} is below SSIM's window, {SSIM_WINDOW}")
        if self.patch_size and 0 < self.lpips_patch < LPIPS_SIDE:
            raise ValueError(f"lpips_patch {self.lpips_patch} is below LPIPS' {LPIPS_SIDE} pixels")
        if self.early_stop_patience and self.network and not self.chooses:
            raise ValueError(
                "early_stop_patience needs hours that may choose: val_split seen and no blend"
            )
        alone = not (self.blend_base or self.color_space == "linear" or self.patch_size)
        if self.blend == "learned" and not alone:
            raise ValueError(
                "blend learned is a network already, in sRGB and taught by w_l2: no blend_base, "
                "linear or patch_size"
            )
        if self.basis_k and (self.blend == "none" or self.blend_base):
            raise ValueError(
                "basis_k keeps the images that a blend mixes: set blend, no blend_base"
            )
        if self.embed_baseline and self.blend != "none":
            raise ValueError("embed_baseline keeps one image, and a blend needs them all")
        if not (self.xy_harmonics or self.xy_include_input or self.xy_mapping == "gaussian"):
            raise ValueError("xy_harmonics 0 without xy_include_input leaves no position")
        if set(self.val_hours) == {self.given_hour}:
            raise ValueError("val_hours holds only the baseline hour, which is given")
        return self

    @property
    def network(self) -> bool:
        """Whether there is anything to train: a bare blend has no network."""
        return self.blend == "none" or self.blend_base

    @property
    def chooses(self) -> bool:
        """Whether validation may choose a checkpoint: not by hours held out or held by a blend."""
        return self.val_split == "seen" and self.blend == "none"

    @property
    def reconstructs(self) -> bool:
        """Whether trained hours are worth measuring: a blend without a basis holds them exactly."""
        return self.val_split == "seen" and (self.blend == "none" or bool(self.basis_k))

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch, at least one."""
        return max(1, self.samples_per_epoch // self.batch_size)

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    @property
    def given_hour(self) -> int | None:
        """The hour whose image the network is given: never held out, and no mean counts it."""
        shown = self.use_baseline_encoder or (self.residual_mode and self.blend == "none")
        return self.baseline_time if shown and self.network else None

    @property
    def smallest(self) -> int:
        """The smallest side of frames that training can use."""
        return max(SSIM_WINDOW, self.patch_size, self.lpips_patch if self.patch_size else 0)

    def architecture(self) -> dict[str, object]:
        """The settings that a checkpoint must share, but for those of switched-off features."""
        names = [
            "color_space",
            "hidden",
            "layers",
            "time_harmonics",
            "xy_include_input",
            "xy_mapping",
            "blend",
        ]
        names += ["xy_harmonics"] if self.xy_mapping == "harmonics" else ["ff_dim"]
        names += ["activation", "film", "hash_grid"]
        names += ["w0"] if self.activation == "sine" else []
        if self.hash_grid:
            names += [name for name in type(self).model_fields if name.startswith("hash_")]
        names += ["basis_k", "basis_step"] if self.basis_k else []
        names += ["blend_base"] if self.blend != "none" else ["residual_mode", "baseline_time"]
        names += ["use_baseline_encoder"]
        if self.use_baseline_encoder:
            names += ["baseline_time", "be_channels", "be_downsample", "be_input"]
        return {name: getattr(self, name) for name in names}


def size(text: str) -> tuple[int, int]:
    """`WxH` as (width, height).

    Raises:
        AssayError: another text.
    """
    if not re.fullmatch(SIZE, text):
        raise AssayError(f"size '{text}' is not WxH, such as 1920x1080", code="bad_option")
    width, height = map(int, text.split("x"))
    return width, height
