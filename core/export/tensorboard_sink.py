"""A run in TensorBoard: event files in `runs/<id>/tensorboard/`, under the tags that it logs.

`tensorboard --logdir runs` shows them. The files are written by TensorBoard's own writer, which
needs no torch.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.export.sink import Session, outcome_of
from core.ledger.record import RunRecord

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

FLUSH_S = 2


class TensorboardSink:
    """Opens event files."""

    name = "tensorboard"

    def begin(self, record: RunRecord, folder: Path) -> Session:
        """A new file in place of what an unfinished session left."""
        for old in (folder / self.name).glob("events.out.tfevents.*"):
            old.unlink()
        session = TensorboardSession(folder / self.name, 0)
        session.purge(0)  # a server that has read the old file forgets it
        session.text("config", _listed({**record.config, "seed": record.seed}))
        return session

    def again(self, record: RunRecord, folder: Path, step: int) -> Session:
        """Another file beside the first."""
        return TensorboardSession(folder / self.name, step)


class TensorboardSession:
    """One event file."""

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer: EventFileWriter = EventFileWriter(str(folder), flush_secs=FLUSH_S)
        self.step = step

    def log(self, values: Mapping[str, float], step: int, at: float) -> None:
        """Scalars under their own names."""
        self.step = max(step, self.step)
        self._add(step, at, *({"tag": k, "simple_value": v} for k, v in values.items()))

    def image(self, name: str, path: Path, step: int, at: float) -> None:
        """The file's bytes as they are."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        data = path.read_bytes()
        wide, high = struct.unpack(">II", data[16:24])  # a PNG's head
        picture = Summary.Image(height=high, width=wide, colorspace=3, encoded_image_string=data)
        self._add(max(step, self.step), at, {"tag": f"images/{name}", "image": picture})

    def rewind(self, step: int) -> None:
        """What was logged after this step does not count."""
        self.purge(step + 1)

    def end(self, record: RunRecord) -> None:
        """The judged numbers as `best/<metric>`, and what became of the run."""
        numbers = {f"best/{name}": m.value for name, m in record.metrics.items()}
        self.log(numbers, self.step, time.time())
        words = {"status": record.status, "reason": record.reason, **record.absent}
        self.text("outcome", _listed(words))

    def judge(self, record: RunRecord) -> None:
        """The verdict, clause by clause."""
        clauses = record.verdict.clauses if record.verdict else []
        words = {c.name: f"{c.result}: {c.reason}" for c in clauses}
        self.text("verdict", _listed({"verdict": outcome_of(record), **words}))

    def close(self, record: RunRecord) -> None:
        """Write out; a full disk raises."""
        self._writer.close()

    def purge(self, step: int) -> None:
        """Have readers drop what they have of this step and later ones."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        start = SessionLog(status=SessionLog.START)
        self._writer.add_event(Event(wall_time=time.time(), step=step, session_log=start))

    def text(self, tag: str, words: str) -> None:
        """Markdown on the text page."""
        from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        value = TensorProto(dtype=DT_STRING, string_val=[words.encode()], tensor_shape=shape)
        plugin = SummaryMetadata.PluginData(plugin_name="text")
        meta = SummaryMetadata(plugin_data=plugin)
        self._add(self.step, time.time(), {"tag": tag, "metadata": meta, "tensor": value})

    def _add(self, step: int, at: float, *values: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(**value) for value in values])
        self._writer.add_event(Event(wall_time=at, step=step, summary=summary))


def _listed(values: Mapping[str, Any]) -> str:
    """A Markdown table of keys and values."""
    rows = (f"| {k} | {v if isinstance(v, str) else json.dumps(v)} |" for k, v in values.items())
    return "\n".join(["| | |", "| --- | --- |", *rows])
