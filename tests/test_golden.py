"""Losses are those that were recorded: to the bit where they were recorded, else to 1e-5."""

from __future__ import annotations

import pytest

from tests import golden

ELSEWHERE = 1e-5  # relative; other processors add up in another order


@pytest.mark.parametrize("name", golden.tasks())
def test_losses_are_the_recorded_ones(name: str) -> None:
    recorded, now = golden.read(name), golden.measure(golden.tasks()[name])
    exact = recorded["machine"] == now["machine"]
    how = "to the bit" if exact else f"to {ELSEWHERE}: recorded on {recorded['machine']}"
    assert now["losses"].keys() == recorded["losses"].keys()
    for loss, values in recorded["losses"].items():
        wanted = values if exact else pytest.approx(values, rel=ELSEWHERE)
        assert now["losses"][loss] == wanted, f"{loss}, {how}; see tests/golden.py"


def test_nothing_is_recorded_of_tasks_that_are_gone() -> None:
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == set(golden.tasks())
