from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.contract import Budget
from core.errors import AssayError
from core.kit import checkpoint, loop, seed


def test_a_checkpoint_gives_back_what_was_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = {"model": model, "opt": optimiser, "count": {"n": 3}}
    checkpoint.save(tmp_path / "x.ckpt", state, 7, {"metrics": {"psnr": 1.5}})
    ahead = torch.rand(4)

    fresh = torch.nn.Linear(3, 2)
    again = {"model": fresh, "opt": torch.optim.Adam(fresh.parameters()), "count": {"n": 0}}
    saved = checkpoint.load(tmp_path / "x.ckpt")
    checkpoint.restore(again, saved)
    assert saved["step"] == 7
    assert saved["metrics"] == {"psnr": 1.5}
    assert torch.equal(fresh.weight, model.weight)
    assert again["count"] == {"n": 3}
    assert torch.equal(torch.rand(4), ahead)  # the generator continues where it stood


def test_a_cut_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    checkpoint.save(path, {"w": torch.ones(1000)}, 1, {})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(AssayError, match=r"x\.ckpt cannot be read as a checkpoint"):
        checkpoint.load(path)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "pwned",))  # type: ignore[return-value]

    torch.save({"format": 1, "x": Evil()}, tmp_path / "x.ckpt")
    with pytest.raises(AssayError):
        checkpoint.load(tmp_path / "x.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    checkpoint.save(path, {"n": 1}, 1, {})

    class Unsaveable:
        def state_dict(self) -> dict[str, object]:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        checkpoint.save(path, {"n": Unsaveable()}, 2, {})
    assert checkpoint.load(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_derived_seeds_depend_on_every_part() -> None:
    seen = {
        seed.derive(*parts)
        for parts in [(0, "a", 1), (0, "a", 2), (1, "a", 1), (0, "b", 1), (0, "a1")]
    }
    assert len(seen) == 5
    assert all(0 <= s < 2**63 for s in seen)
    assert seed.derive(0, "a", 1) == seed.derive(0, "a", 1)


def test_weigh_sums_declared_terms() -> None:
    terms = {"l2": torch.tensor(2.0), "ssim": torch.tensor(float("nan"))}
    assert loop.weigh(terms, {"l2": 0.5, "ssim": 0.0}).item() == 1.0


@pytest.mark.parametrize(
    ("terms", "weights", "message"),
    [
        (["l2", "extra"], {"l2": 1.0}, r"undeclared \['extra'\]"),
        (["l2"], {"l2": 1.0, "ssim": 0.2}, r"missing \['ssim'\]"),
        (["l2"], {"l2": 0.0}, "nothing to train"),
    ],
)
def test_weigh_refuses_terms_that_do_not_match(
    terms: list[str], weights: dict[str, float], message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        loop.weigh({t: torch.tensor(1.0) for t in terms}, weights)


def test_budget_names_its_kind() -> None:
    assert [Budget().kind, Budget(seconds=3).kind, Budget(steps=3).kind] == [
        "config",
        "seconds",
        "steps",
    ]
