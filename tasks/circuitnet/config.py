"""Every setting of the task; the defaults are the seed's baseline, names those of its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.contract import TaskConfig, protocol, site
from tasks.circuitnet import official

METRICS = (  # of single maps: what a table can show
    *("nrms", "ssim", "emd", "emd_true", "pearson", "spearman", "peak_nrms"),
    *("f1_10", "f1_20", "f1_30", "ap_10", "ap_20", "ap_30"),
)
Precision = Literal["FP32", "INT8", "INT4", "FP8", "FP4"]
Rates = Field("6,12,18", pattern=r"^[1-9]\d*(,[1-9]\d*)*$", description="ASPP: dilations")


class CircuitnetConfig(TaskConfig):
    """What a circuitnet run can be told."""

    # data
    task: Literal["congestion_gpdl", "drc_routenet"] = protocol(
        "congestion_gpdl", description="What is predicted: overflow from 3 maps, or DRC from 9"
    )
    dataroot: Path | None = Field(
        None, description="Folder with feature/ and label/; empty: designs are generated"
    )
    ann_file_train: Path | None = Field(
        None, description="csv of the training maps; default: train.csv in dataroot"
    )
    ann_file_test: Path | None = Field(
        None, description="csv of the test maps; default: test.csv in dataroot"
    )
    allow_missing: bool = protocol(False, description="Leave out csv rows whose files are missing")
    arg_file: Path | None = Field(None, description="The official arg.json; other settings win")
    cache: Literal["off", "float32", "float16"] = Field(
        "off", description="Keep each csv's maps in two files that are read in place; its features"
    )
    cache_dir: Path | None = Field(None, description="Folder of these files; default: in dataroot")
    num_workers: int = site(2, ge=0, le=64, description="Threads that read the next batches")
    mode: Literal["compat", "clean"] = protocol(
        "compat", description="Generated data: the official preprocess, or the repaired one"
    )
    train_mode: Literal["same", "compat", "clean"] = Field(
        "same", description="Generated data: mode of the training maps; test labels stay mode's"
    )
    synth_grid: int = protocol(
        64, ge=16, le=512, multiple_of=4, description="Side of a map, gcells"
    )
    synth_raw: int | None = protocol(
        None, ge=16, le=512, description="Side before preprocessing; default: synth_grid"
    )
    synth_cells: int = protocol(2500, ge=50, description="Cells of a generated design")
    synth_designs: int = protocol(160, ge=4, description="Generated designs, test ones included")
    synth_test: int = protocol(24, ge=1, description="Of these, designs held out for the test")
    synth_seed: int = protocol(0, ge=0, description="Which designs")
    val_share: float = protocol(0.1, gt=0, lt=1, description="Share of train designs that select")
    select_on: Literal["val", "test"] = protocol(
        "val", description="Maps that choose the checkpoint; the seed chose on its test set"
    )

    # network
    naming: Literal["official", "seed"] = Field(
        "official", description="State-dict keys: CircuitNet's, or those of the seed's SE/ASPP GPDL"
    )
    norm: Literal["auto", "instance", "batch"] = Field(
        "auto", description="Of the conv blocks; auto: instance in GPDL, batch in RouteNet"
    )
    width: float = Field(1.0, ge=0.125, le=8, description="Factor on the inner channels")
    use_se: bool = Field(False, description="Squeeze-and-excitation after each conv block")
    se_reduction: int = Field(16, ge=1, description="SE: channels over hidden units")
    use_aspp: bool = Field(False, description="Dilated convolutions at the bottleneck")
    aspp_rates: str = Rates
    aspp_dropout: float = Field(0.5, ge=0, lt=1, description="ASPP: dropout of its projection")
    aspp_norm: Literal["batch", "group"] = Field("batch", description="ASPP: normalisation")
    skip_before_conv2: bool = Field(False, description="Concatenate the skip one block earlier")
    init_output_bias: bool = Field(False, description="Start at the mean label, not at 0.5")
    pretrained: Path | None = Field(None, description="Weights to start from, official or ours")
    partial_load: bool = Field(False, description="pretrained: accept missing and unexpected keys")

    # training
    max_iters: int = Field(200_000, ge=1, description="Steps of training")
    batch_size: int = Field(16, ge=1, description="Maps in a step")
    lr: float = Field(2e-4, gt=0, le=1, description="Initial rate of AdamW; cosine to min_lr")
    min_lr: float = Field(1e-7, ge=0, description="Last learning rate")
    weight_decay: float = Field(0.0, ge=0, description="Of AdamW")
    loss_type: Literal["MSELoss", "L1Loss", "HuberLoss"] = Field(
        "MSELoss", description="The pixel loss"
    )
    w_pixel: float = Field(100.0, ge=0, description="Weight of the pixel loss")
    w_ssim: float = Field(0.0, ge=0, description="Weight of 1 - SSIM")
    hotspot_weight: float = Field(0.0, ge=0, description="Extra pixel weight where label > 0.1")
    sample_wise: bool = Field(False, description="Weighted pixels: normalise each map by itself")
    augment: Literal["none", "hflip", "hvflip", "d4"] = Field(
        "hflip", description="Random mirrors (and quarter turns) of training maps"
    )
    val_every: int = Field(10_000, ge=1, description="Steps between validations and checkpoints")
    log_every: int = Field(100, ge=1, description="Steps in a point of the loss curve")
    amp: Literal["fp32", "bf16", "auto"] = Field(
        "fp32", description="Arithmetic of training; auto: bf16 where the processor has it"
    )
    channels_last: bool = Field(False, description="Memory layout of activations")
    compile: Literal["off", "on", "auto"] = Field(
        "off", description="torch.compile; auto: when the steps left repay it (not bit-repeatable)"
    )

    # evaluation
    eval_batch: int = Field(16, ge=1, description="Maps in a forward pass of evaluation")
    eval_metric: tuple[str, ...] = site(
        METRICS[:4], min_length=1, description="Columns of the comparison; all are measured"
    )
    plot_roc: bool = site(False, description="Draw ROC and precision-recall curves")
    threshold: float = protocol(0.1, gt=0, lt=1, description="Label above which a pixel is hot")

    # quantisation
    precision: Precision = Field("FP32", description="Simulated precision of what is evaluated")
    quant_target: Literal["weights", "activations", "both"] = Field(
        "weights", description="What is quantised"
    )
    quant_module: str = Field(
        "all", description="all, encoder, aspp, decoder, or any dotted module name"
    )
    quant_flavour: Literal["seed", "standard"] = Field(
        "seed", description="The seed's formulas, or per-channel, scaled and calibrated ones"
    )
    quant_granularity: Literal["tensor", "channel", "group"] = Field(
        "channel", description="standard: what shares a weight scale"
    )
    quant_group: int = Field(16, ge=2, description="standard, group: weights that share a scale")
    quant_observer: Literal["minmax", "average", "p99.9", "p99.99", "mse", "kl"] = Field(
        "minmax", description="standard: how calibration picks activation ranges"
    )
    calib_maps: int = Field(64, ge=1, description="standard: training maps that calibrate")
    qat_steps: int = Field(0, ge=0, description="Steps of quantisation-aware fine-tuning")
    qat_lr: float = Field(2e-5, gt=0, le=1, description="qat: constant learning rate")
    qat_scales: Literal["observed", "lsq"] = Field(
        "observed", description="qat: scales from the weights, or learned (LSQ)"
    )

    # output
    cpu: bool = site(False, description="Refuse any other device than the CPU, the default one")
    save_path: Path | None = Field(
        None, description="Leave checkpoints, weight files and the loss curve here too"
    )
    infer_input: Path | None = Field(None, description="infer: a feature .npy or a folder of them")
    infer_maps: int = Field(8, ge=1, description="infer without input: test maps")

    @model_validator(mode="before")
    @classmethod
    def _official_arguments(cls, values: Any) -> Any:
        """Values of an official `arg.json` stand below those that are given."""
        path = values.get("arg_file") if isinstance(values, dict) else None
        if path is None or set(cls.model_fields) <= set(values):
            return values
        found = official.arguments(Path(path))
        if unknown := sorted(set(found) - set(cls.model_fields)):
            raise ValueError(f"{path} has {', '.join(unknown)}, no setting here: take it out")
        return {**found, **values}

    @field_validator("eval_metric", mode="before")
    @classmethod
    def _metrics(cls, value: Any) -> Any:
        """Names as the official flag writes them, NRMS; also one text with commas."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        found = [str(name).strip().lower() for name in names]
        if gone := [name for name in found if name not in METRICS]:
            raise ValueError(f"no metric {', '.join(gone)}; known: {', '.join(METRICS)}")
        return found

    @model_validator(mode="after")
    def _fits_together(self) -> CircuitnetConfig:
        if self.synth_test > self.synth_designs - 2:
            raise ValueError("synth_designs must leave two designs beside synth_test")
        if self.use_aspp and self.aspp_norm == "batch" and self.batch_size == 1:
            raise ValueError(
                "ASPP's pooled branch has one value a channel at batch_size 1, which batch norm "
                "cannot train on: set aspp_norm=group, or batch_size=2 or more"
            )
        if self.naming == "seed" and not (self.use_aspp and self.skip_before_conv2):
            raise ValueError("naming=seed is the seed's network: use_aspp and skip_before_conv2")
        if self.qat_steps and (self.precision == "FP32" or self.quant_flavour != "standard"):
            raise ValueError("qat_steps need a precision below FP32 and quant_flavour=standard")
        if self.dataroot is None and (self.ann_file_train or self.ann_file_test):
            raise ValueError("ann_file_train and ann_file_test need dataroot")
        if self.dataroot is None and self.cache != "off":
            raise ValueError("cache needs dataroot: generated designs are kept in memory")
        if self.dataroot is not None and (self.mode, self.train_mode) != ("compat", "same"):
            raise ValueError(
                "mode and train_mode are for generated designs: your maps are made already"
            )
        return self

    def annotation(self, half: str) -> Path:
        """The csv of `train` or `test`: as given, else <half>.csv of the data root."""
        given: Path | None = getattr(self, f"ann_file_{half}")
        return given or (self.dataroot or Path()) / f"{half}.csv"

    @property
    def channels(self) -> int:
        """Maps in a feature."""
        return 3 if self.task == "congestion_gpdl" else 9

    @property
    def seen_mode(self) -> Literal["compat", "clean"]:
        """The mode of the maps that the network is trained on."""
        return self.mode if self.train_mode == "same" else self.train_mode

    @property
    def block_norm(self) -> str:
        """The normalisation of the conv blocks."""
        if self.norm != "auto":
            return self.norm
        return "instance" if self.task == "congestion_gpdl" else "batch"

    @property
    def float_steps(self) -> int:
        """Steps before quantisation-aware ones: none when pretrained weights are fine-tuned."""
        return 0 if self.qat_steps and self.pretrained else self.max_iters

    @property
    def total_steps(self) -> int:
        """All steps."""
        return self.float_steps + self.qat_steps

    def architecture(self) -> dict[str, object]:
        """The settings that a checkpoint must share, but for those of switched-off features."""
        names = ["task", "naming", "width", "use_se", "use_aspp", "skip_before_conv2"]
        names += ["se_reduction"] if self.use_se else []
        names += ["aspp_rates", "aspp_norm"] if self.use_aspp else []
        return {name: getattr(self, name) for name in names} | {"norm": self.block_norm}
