"""The training loop: Adam over batches that are a function of seed and step."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from core.contract import Run
from core.errors import AssayError
from core.kit.image import lpips
from core.kit.loop import finite, steps, weigh
from tasks.lightmap import basis, checkpoints, history, losses, metrics, mixing
from tasks.lightmap.batch import Batch, sample, sample_large
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, held_hours, measured_hours
from tasks.lightmap.features import Features
from tasks.lightmap.model import Lightmap, build
from tasks.lightmap.render import frames, known
from tasks.lightmap.schedule import rate
from tasks.lightmap.told import Told, say

LOG_EVERY = 10  # steps
HALVES = {"none": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def train(cfg: LightmapConfig, data: Day, run: Run) -> Lightmap:
    """Fit the network to the hours that it may see; a bare blend has nothing to fit."""
    _check(cfg, run)
    model = begin(cfg, data, run)
    opt, about = Optimiser(cfg, model, run.device), checkpoints.about(cfg, data)
    state = {"model": model, "opt": opt, "history": history.History(), **about}
    if cfg.basis_k:
        model.file = basis.encoded(cfg, data)
        (run.dir / "basis.alm").write_bytes(model.file)
        state["file"] = torch.frombuffer(bytearray(model.file), dtype=torch.uint8)
    if model.mixer is not None:
        mixing.train(cfg, model.mixer, *known(cfg, model, data), run, state)
    elif not cfg.network:
        say("a blend: nothing to train")
        run.checkpoint(state, 0)
    else:
        _fit(cfg, model, data, run, state)
    _copy(cfg, run)
    return model


def _fit(
    cfg: LightmapConfig, model: Lightmap, data: Day, run: Run, state: Mapping[str, Any]
) -> None:
    """The steps of a network; `state` is what a checkpoint holds."""
    past, opt = state["history"], state["opt"]
    base, seen = Base(cfg, data), Features(cfg, model.encoder, data.at(cfg.baseline_time))
    count = sum(p.numel() for p in model.parameters())
    told = Told(cfg, run, f"{count} weights")
    run.training_started()
    with ahead(cfg, lambda step: sample(cfg, base, run.seed, step)) as draw:
        for step in steps(cfg.total_steps, run, state, cfg.steps_per_epoch):
            batch, weights = draw(step), losses.due(cfg, run.weights, step)
            lr = opt.lr = rate(cfg, step, past.epochs)
            pred = predict(cfg, model, seen, batch, step)
            terms = losses.terms(pred, batch, weights, cfg.ssim_min_std)
            if weights["lpips"]:
                if cfg.lpips_patch:
                    batch = sample_large(cfg, base, run.seed, step)
                    pred = predict(cfg, model, seen, batch, step)
                terms |= losses.perceptual(pred, batch)
            loss = weigh(terms, weights)
            good = finite(loss, step, run)
            if good:
                opt.step(loss)
            past.add(step, lr, loss.item() if good else None)
            if step % LOG_EVERY == 0:
                run.log({"lr": lr} | {f"loss/{k}": term.item() for k, term in terms.items()}, step)
            if step % cfg.steps_per_epoch == 0:
                run.log(past.close_epoch(), step)
            judged = step % (cfg.steps_per_epoch * cfg.val_every) == 0
            if judged:
                keep(cfg, model, data, run, state)
            told.step(past)
            if judged and waited(cfg, past):
                break
    if past.step > past.kept:  # the budget ended it, or epochs is no multiple of val_every
        keep(cfg, model, data, run, state)
    past.write(run.dir)


def _check(cfg: LightmapConfig, run: Run) -> None:
    """What can be known to fail before the first step."""
    if cfg.amp == "fp16" and not run.device.startswith("cuda"):
        raise AssayError("amp fp16 needs CUDA", "Set amp to bf16 or none", code="no_cuda")
    if run.weights["lpips"]:
        lpips(device=run.device)  # raises without its weights
        run.log({"loss_weight/lpips": run.weights["lpips"] / cfg.lpips_freq}, 0)  # its mean


def begin(cfg: LightmapConfig, data: Day, run: Run) -> Lightmap:
    """A fresh network, or one with the weights of `init_from`."""
    model = build(cfg, data.longest).to(run.device)
    if cfg.init_from is not None:
        first = checkpoints.load(cfg, cfg.init_from, run.device)
        model.load_state_dict(first.state_dict())
    return model


def predict(
    cfg: LightmapConfig, model: Lightmap, seen: Features, batch: Batch, step: int
) -> Tensor:
    """Colours N 3 of a batch, not clamped: a clamped pixel would not learn."""
    half = torch.autocast(batch.xy.device.type, HALVES[cfg.amp], enabled=cfg.amp != "none")
    with half:
        change = model.colour(batch.xy, batch.t, seen(batch, step))
    return batch.base + batch.gain * change.float()


class Optimiser:
    """Adam, with the gradient clipped and the loss scaled where the config asks for it."""

    def __init__(self, cfg: LightmapConfig, model: Lightmap, device: str) -> None:
        eps = 1e-15 if cfg.hash_grid else 1e-8  # a hash table's gradients are rare and small
        self.adam = torch.optim.Adam(model.parameters(), lr=cfg.lr, eps=eps, fused=True)
        self.scaler = torch.amp.GradScaler(device, enabled=cfg.amp == "fp16")
        self.clip = cfg.grad_clip
        self.parameters = list(model.parameters())
        self.lr = cfg.lr

    def step(self, loss: Tensor) -> None:
        """Follow the gradient of a finite loss."""
        for group in self.adam.param_groups:
            group["lr"] = self.lr
        self.adam.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.clip:
            self.scaler.unscale_(self.adam)
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.scaler.step(self.adam)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Moments, and the scale of the loss."""
        return {"adam": self.adam.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue where `saved` was."""
        self.adam.load_state_dict(saved["adam"])
        self.scaler.load_state_dict(saved["scaler"])


@contextlib.contextmanager
def ahead(cfg: LightmapConfig, draw: Callable[[int], Batch]) -> Iterator[Callable[[int], Batch]]:
    """A function of the step like `draw`, whose next results are made while this one is used."""
    if not cfg.num_workers:
        yield draw
        return
    waiting: dict[int, Future[Batch]] = {}
    with ThreadPoolExecutor(cfg.num_workers) as pool:

        def drawn(step: int) -> Batch:
            for number in range(step, step + cfg.num_workers + 1):
                if number not in waiting:
                    waiting[number] = pool.submit(draw, number)
            return waiting.pop(step).result()

        yield drawn
        for rest in waiting.values():
            rest.cancel()


def keep(
    cfg: LightmapConfig, model: Lightmap, data: Day, run: Run, state: Mapping[str, Any]
) -> None:
    """Validate the network as it is, and save it; only hours that may choose do so."""
    past: history.History = state["history"]
    past.kept = past.step
    hours = measured_hours(cfg, data) if cfg.chooses else held_hours(cfg, data)
    lpips = metrics.lpips_for(data, cfg.val_downsample)
    scores = metrics.score_all(frames(cfg, model, data), data, hours, cfg.val_downsample, lpips)
    metrics.log(run, scores, past.step, "val" if cfg.chooses else "val_held")
    if not cfg.chooses:
        run.checkpoint(state, past.step)
        return
    mean = metrics.means(scores)
    choice = metrics.choice(cfg, mean, lpips)
    past.judge(choice, past.step / cfg.steps_per_epoch, mean.psnr, mean.ssim)
    run.checkpoint(state, past.step, {"choice": choice})
    run.report(mean.ssim, past.step)


def waited(cfg: LightmapConfig, past: history.History) -> bool:
    """Whether early_stop_patience epochs went by since the best one."""
    patience = cfg.early_stop_patience * cfg.steps_per_epoch
    return bool(patience) and past.step - past.best_at >= patience


def _copy(cfg: LightmapConfig, run: Run) -> None:
    """Leave the checkpoints where the seed's command line looks for them."""
    if cfg.out_dir is not None:
        cfg.out_dir.mkdir(parents=True, exist_ok=True)
        for path in (run.dir / "checkpoints").glob("*.ckpt"):
            shutil.copyfile(path, cfg.out_dir / path.name)
