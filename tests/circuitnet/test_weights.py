"""Weight files: what is taken, what is refused, and how the refusal names it."""

from pathlib import Path

import pytest
import torch

from core.errors import AssayError
from core.kit import checkpoint
from tasks.circuitnet import weights
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import GPDL, GPDLEnhanced, build


def put(model: GPDL, path: Path, **options: bool) -> list[str]:
    return weights.put(model, checkpoint.foreign(path), path, **options)


def same(a: GPDL, b: GPDL) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize("form", ["state_dict", "bare", "module.", "ours"])
def test_every_form_of_file_is_loaded(tmp_path: Path, form: str) -> None:
    theirs, ours, path = GPDL(), GPDL(), tmp_path / "w.pth"
    state = theirs.state_dict()
    if form == "ours":
        checkpoint.save(path, {"model": theirs}, 3, {})
    else:
        forms = {"state_dict": {"state_dict": state}, "bare": state}
        torch.save(forms.get(form, {f"module.{k}": v for k, v in state.items()}), path)
    assert put(ours, path) == []
    assert same(ours, theirs)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "GPDL"),
        ({"use_se": True}, "GPDL with SE"),
        ({"use_se": True, "use_aspp": True}, "GPDL with SE and ASPP"),
        ({"task": "drc_routenet"}, "RouteNet"),
    ],
)
def test_networks_are_told_apart_by_their_keys(settings: dict[str, object], said: str) -> None:
    model = build(CircuitnetConfig.model_validate(settings))
    assert weights.kind(model.state_dict()) == said


def test_another_architecture_is_refused_and_named(tmp_path: Path) -> None:
    torch.save({"state_dict": GPDLEnhanced(out_channels=1).state_dict()}, tmp_path / "w.pth")
    model, before = GPDL(), GPDL()
    before.load_state_dict(model.state_dict())
    with pytest.raises(AssayError, match=r"holds the seed's SE/ASPP GPDL .* asks for GPDL: "):
        put(model, tmp_path / "w.pth")
    assert same(model, before)  # nothing was loaded


def test_partial_load_takes_what_fits_and_says_what_did_not(tmp_path: Path) -> None:
    theirs = build(CircuitnetConfig(use_se=True, skip_before_conv2=True))
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = GPDL()
    said = put(ours, tmp_path / "w.pth", partial=True)
    assert [line.split(" (")[0] for line in said] == ["8 unexpected", "2 of other shape"]
    assert torch.equal(ours.encoder.c1.main[0].weight, theirs.encoder.c1.main[0].weight)


def test_files_that_hold_no_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"lr": 0.1}, tmp_path / "odd.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(AssayError, match="holds no tensors by name"):
        put(GPDL(), tmp_path / "odd.pth")
    with pytest.raises(AssayError, match="cannot be read"):
        put(GPDL(), tmp_path / "cut.pth")
    with pytest.raises(AssayError, match=r"no checkpoint .*gone\.pth"):
        put(GPDL(), tmp_path / "gone.pth")


def test_a_file_that_would_run_code_is_not_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(AssayError, match="cannot be read"):
        put(GPDL(), tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
