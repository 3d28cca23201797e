"""Runs in TensorBoard, read back by TensorBoard."""

from __future__ import annotations

import struct

import pytest

from core import events
from core.export import scope
from core.export.follow import Exporter
from core.export.settings import Settings
from core.ledger import Ledger
from core.project import Project
from tests import toy
from tests.export import reading
from tests.export.test_wandb import picture

BOARD = Settings(tensorboard=True)


def single(value: float | None) -> float:
    """As TensorBoard keeps it, in 32 bits."""
    assert value is not None
    return float(struct.unpack("f", struct.pack("f", value))[0])


def export(project: Project) -> None:
    Exporter(project, scope.find(project, "@last"), BOARD).run()


def test_scalars_and_pictures_stand_under_their_own_tags(project: Project) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture(project)
    toy.assay(project.root, "run", "toy", "--tensorboard", check=True)
    reading.settled(project)
    record = Ledger(project).find("@last")
    folder = project.run_dir(record.run)
    found = reading.scalars(folder)
    for name, rows in events.series(folder / "events.jsonl").items():
        assert found[name] == [(step, single(value)) for step, value in rows]
    assert found["best/error"] == [(20, pytest.approx(record.metrics["error"].value))]
    board = EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    (image,) = board.Images("images/fit")
    assert image.encoded_image_string == (folder / "images/fit.png").read_bytes()
    assert (image.width, image.height) == (4, 3)
    (outcome,) = board.Tensors("outcome")
    assert b"| gpu_ms | no CUDA |" in outcome.tensor_proto.string_val[0]


def test_an_unfinished_file_is_replaced_and_nothing_stands_twice(ran: Project) -> None:
    export(ran)
    folder = ran.run_dir(Ledger(ran).find("@last").run)
    (folder / "tensorboard" / "position.json").unlink()  # as a killed exporter leaves it
    export(ran)
    assert [step for step, _ in reading.scalars(folder)["error"]] == list(range(1, 21))


def test_a_resumed_run_shows_what_counts(project: Project) -> None:
    toy.assay(project.root, "run", "toy", "-o", "misbehave=exit", "--tensorboard")
    reading.settled(project)
    record = Ledger(project).find("@last")
    assert record.status == "crashed"
    folder = project.run_dir(record.run)
    assert len(reading.scalars(folder)["error"]) == 4
    lines = (folder / "events.jsonl").read_text()
    more = '{"t": 2.0, "kind": "resume", "step": 2}\n' + "".join(
        f'{{"t": 2.0, "kind": "log", "step": {step}, "values": {{"error": 7.0}}}}\n'
        for step in (3, 4, 5)
    )
    (folder / "events.jsonl").write_text(lines + more)
    (folder / "tensorboard" / "position.json").unlink()
    export(project)
    found = reading.scalars(folder)["error"]
    assert [step for step, _ in found] == [1, 2, 3, 4, 5]
    assert [value for _, value in found[2:]] == [7.0] * 3
