from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import AssayError
from core.kit.checkpoint import foreign


class Settings:
    """A class of somebody else."""

    def __init__(self) -> None:
        self.rate = 3


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("echo boom > boom.txt",))


@pytest.mark.parametrize("zipped", [True, False])  # files of before 2020 are no archives
def test_tensors_come_back_and_objects_come_back_empty(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.ckpt"
    state = {"w": torch.arange(6.0).view(2, 3), "p": torch.nn.Parameter(torch.ones(2))}
    content = {"state_dict": state, "epoch": 3, "hyper_parameters": Settings()}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    got = foreign(path)
    assert torch.equal(got["state_dict"]["w"], state["w"])
    assert torch.equal(got["state_dict"]["p"], torch.ones(2))
    assert got["epoch"] == 3
    assert got["hyper_parameters"] == {}


def test_no_code_of_the_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(1), "x": Bomb()}, tmp_path / "a.ckpt")
    assert torch.equal(foreign(tmp_path / "a.ckpt")["w"], torch.ones(1))
    assert not (tmp_path / "boom.txt").exists()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="no checkpoint"):
        foreign(tmp_path / "a.ckpt")
    (tmp_path / "a.ckpt").write_text("hello")
    with pytest.raises(AssayError, match="cannot be read as a torch file"):
        foreign(tmp_path / "a.ckpt")
    torch.save([1, 2], tmp_path / "b.ckpt")
    with pytest.raises(AssayError, match="no mapping"):
        foreign(tmp_path / "b.ckpt")
