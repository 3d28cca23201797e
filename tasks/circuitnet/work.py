"""The six functions of the task, in the order in which they are called."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit import checkpoint
from core.kit.loop import finite, steps, weigh
from tasks.circuitnet import (
    dataset,
    evaluation,
    losses,
    maps,
    network,
    official,
    pictures,
    quantise,
    weights,
)
from tasks.circuitnet.ahead import Ahead
from tasks.circuitnet.batch import sample
from tasks.circuitnet.compute import Stepper, arithmetic, placed
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.dataset import Data
from tasks.circuitnet.history import History
from tasks.circuitnet.model import GPDL, build
from tasks.circuitnet.network import Network
from tasks.circuitnet.quantise import FOLLOWED, Quantised
from tasks.circuitnet.schedule import rate
from tasks.circuitnet.split import Split

say = logging.getLogger("circuitnet").warning

MARKS = (10_000, 50_000, 100_000, 200_000)  # steps that the seed tested; kept in its file format


def data(cfg: CircuitnetConfig, run: Run) -> Data:
    """Open the maps; nothing is generated or read before it is needed."""
    official.check_device(cfg, run)
    return dataset.read(cfg, run.progress)


def train(cfg: CircuitnetConfig, data: Data, run: Run) -> Network:
    """Fit the network; then, where the config says so, fine-tune it with quantisers in it."""
    if len(data.train) < cfg.batch_size:
        raise AssayError(
            f"{len(data.train)} training maps do not fill a batch of {cfg.batch_size}",
            "Lower batch_size or add maps",
        )
    official.open_folder(cfg)
    model = start(cfg, data).to(run.device)
    tuned = Quantised(model, cfg).to(run.device) if cfg.qat_steps else None
    past = History()
    state: dict[str, Any] = {
        "model": model,
        "opt": optimiser(cfg, model, tuned),
        "history": past,
        "mean_label": torch.from_numpy(data.train.mean_label),
        "config": cfg.model_dump(mode="json"),
        **({"quant": _Extra(tuned)} if tuned else {}),
    }
    opt: torch.optim.Optimizer = state["opt"]
    stepper = Stepper(cfg, model, run)
    run.training_started()
    for step, batches in fed(cfg, data.train, run, state):
        if tuned is not None:
            tuned.quantising = step > cfg.float_steps  # its hooks sit in the float network, too
            if tuned.quantising:
                _follow(cfg, tuned, step)
                stepper.forward = tuned
        stepper.begin()
        for group in opt.param_groups:
            group["lr"] = rate(cfg, step)
        x, y = batches.take(step)
        model.train()
        with arithmetic(cfg, run.device):
            pred = stepper.forward(placed(x, cfg, run.device))
        terms = losses.terms(cfg, pred.float(), y.to(run.device), run.weights)
        loss = weigh(terms, run.weights)
        opt.zero_grad(set_to_none=True)
        good = finite(loss, step, run)
        if good:
            loss.backward()
            opt.step()
        stepper.end(step, cfg.total_steps)
        past.add(step, loss.item() if good else None)
        if step % cfg.log_every == 0:
            logged = {f"loss/{k}": term.item() for k, term in terms.items()}
            run.log({"lr": rate(cfg, step)} | past.close_window() | logged, step)
        if step in MARKS:
            named = {"state_dict": model.state_dict()}
            checkpoint.save_plain(run.dir / f"model_iters_{step}.pth", named)
        if step % cfg.val_every == 0:
            keep(cfg, stepper, data, run, state)
    if past.step > past.kept:  # the budget ended it, or total_steps is no multiple of val_every
        keep(cfg, stepper, data, run, state)
    return Network(tuned or model, run.device, data.train.mean_label, quantise.bits(cfg, model))


def fed(
    cfg: CircuitnetConfig, train: Split, run: Run, state: Mapping[str, Any]
) -> Iterator[tuple[int, Ahead[tuple[Tensor, Tensor]]]]:
    """The steps to make, and where each finds its batch; the next ones are read meanwhile."""

    def make(step: int) -> tuple[Tensor, Tensor]:
        return sample(train, cfg.batch_size, cfg.augment, run.seed, step)

    with Ahead(make, cfg.total_steps + 1, train.workers) as batches:
        for step in steps(cfg.total_steps, run, state, len(train) // cfg.batch_size):
            yield step, batches


def start(cfg: CircuitnetConfig, data: Data) -> GPDL:
    """The network before its first step."""
    model = build(cfg)
    if cfg.init_output_bias:
        model.start_at(float(data.train.mean_label.mean()))
    if cfg.pretrained:
        content = checkpoint.foreign(cfg.pretrained)
        for said in weights.put(model, content, cfg.pretrained, partial=cfg.partial_load):
            say(f"{cfg.pretrained}: {said}")
    return model


def optimiser(
    cfg: CircuitnetConfig, model: nn.Module, tuned: Quantised | None
) -> torch.optim.Optimizer:
    """AdamW over the network and, in fine-tuning, over learned scales (never decayed)."""
    groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]
    if tuned is not None and len(tuned.scales):
        groups.append({"params": list(tuned.scales), "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=cfg.lr, weight_decay=cfg.weight_decay)


class _Extra:
    """The state of a quantised network without that of the network in it."""

    def __init__(self, tuned: Quantised) -> None:
        self.tuned = tuned

    def state_dict(self) -> dict[str, Any]:
        """Ranges and learned scales."""
        return {k: v for k, v in self.tuned.state_dict().items() if not k.startswith("net.")}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put them back."""
        self.tuned.load_state_dict(saved, strict=False)


def _follow(cfg: CircuitnetConfig, tuned: Quantised, step: int) -> None:
    """Calibrate before the first fine-tuning step; let ranges follow the first part of it."""
    if step == cfg.float_steps + 1:
        device = tuned.ranges.device
        tuned.calibrate(x.to(device) for x in network.calibration(cfg))
    tuned.train()
    tuned.following = step <= cfg.float_steps + FOLLOWED * cfg.qat_steps


def keep(
    cfg: CircuitnetConfig, stepper: Stepper, data: Data, run: Run, state: Mapping[str, Any]
) -> None:
    """Validate the network as it is, and save it and the curves so far.

    Before fine-tuning starts nothing is chosen: a float network is no candidate for the best
    quantised one.
    """
    past: History = state["history"]
    past.kept = past.step
    tuned = past.step > cfg.float_steps
    net = stepper.forward if tuned and isinstance(stepper.forward, nn.Module) else stepper.model
    net.eval()
    found = evaluation.quick(Network(net, run.device, None, 0), data.val, cfg.eval_batch)
    past.scores.append([past.step, found.nrms, found.ssim])
    which = "val" if cfg.select_on == "val" else "test"
    run.log({f"{which}/nrms": found.nrms, f"{which}/ssim": found.ssim}, past.step)
    past.write(run.dir)
    candidate = tuned or not cfg.qat_steps
    run.checkpoint(state, past.step, {"val_nrms": found.nrms} if candidate else None)
    official.copy(cfg, run)
    if candidate:
        run.report(found.nrms, past.step)


def load(cfg: CircuitnetConfig, checkpoint: Path, device: str) -> Network:
    """The network of a checkpoint, quantised as the config asks."""
    return network.load(cfg, checkpoint, device)


def evaluate(
    cfg: CircuitnetConfig, model: Network, data: Data, run: Run
) -> dict[str, float | Absent]:
    """Quality on the test maps beside what needs no network; latency; size."""
    return evaluation.measure(cfg, model, data, run)


def infer(cfg: CircuitnetConfig, model: Network, out: Path, run: Run) -> list[Path]:
    """Write the prediction of each input as .npy and heat map, and the hottest places as csv."""
    return maps.infer(cfg, model, out, run)


def visualise(cfg: CircuitnetConfig, model: Network, data: Data, out: Path, run: Run) -> list[Path]:
    """Loss curves, maps beside their labels, the table beside trivial predictors."""
    return pictures.draw(cfg, model, data, out, run)
