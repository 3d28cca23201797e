"""Some layouts of a run, one or many at a time, as arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.circuitnet.ahead import Ahead
from tasks.circuitnet.resize import Range

Array = NDArray[np.float32]
Maps = tuple[Array, Array]  # feature C H W, label 1 H W
Call = Callable[[Array], Array]  # features B C H W to maps B H W in [0, 1]


class Predicted(NamedTuple):
    """A batch of maps."""

    pred: Float[np.ndarray, "B H W"]
    label: Float[np.ndarray, "B H W"]
    feature: Float[np.ndarray, "B C H W"]


class Seen(NamedTuple):
    """A layout for a network that was trained on maps of another mode."""

    feature: Array  # C H W, as it was trained
    own: Range  # what this layout's label spans in its mode
    truth: Range  # and in the mode of the labels that judge


@dataclass(frozen=True)
class Split:
    """Some layouts: their names, and how to get one."""

    names: Sequence[str]
    one: Callable[[int], Maps]
    seen: Callable[[int], Seen] | None = None  # None: the network sees what it is judged by
    workers: int = 0  # threads that read ahead
    label: Callable[[int], Array] | None = None  # 1 H W, where it can be had without its feature

    def __len__(self) -> int:
        return len(self.names)

    def maps(
        self, which: Sequence[int] | NDArray[np.int64]
    ) -> tuple[Float[np.ndarray, "B C H W"], Float[np.ndarray, "B 1 H W"]]:
        """Features and labels of layouts by number, float32.

        Raises:
            AssayError: they differ in size.
        """
        found = [self.one(int(i)) for i in which]
        for i, (feature, _) in zip(which, found, strict=True):
            fits(self.names[int(i)], feature.shape, found[0][0].shape)
        features, labels = zip(*found, strict=True)
        return np.stack(features), np.stack(labels)

    def chunks(self, size: int) -> list[range]:
        """The numbers of all layouts in order, `size` at a time."""
        return [range(at, min(at + size, len(self))) for at in range(0, len(self), size)]

    def batches(self, size: int) -> Iterator[tuple[Array, Array]]:
        """All maps in order, `size` at a time."""
        chunks = self.chunks(size)
        with Ahead(lambda i: self.maps(chunks[i]), len(chunks), self.workers) as coming:
            for i in range(len(chunks)):
                yield coming.take(i)

    def predictions(self, call: Call, size: int) -> Iterator[Predicted]:
        """What a network makes of all maps in order, `size` at a time."""
        for which, (feature, label) in zip(self.chunks(size), self.batches(size), strict=True):
            yield Predicted(self.predict(call, which, feature), label[:, 0], feature)

    def predict(self, call: Call, which: Sequence[int], features: Array) -> Array:
        """Predictions B H W of these layouts on the scale of their labels, from their features.

        A network of another mode gets its own features; by the range of its own label what it
        predicts is overflow, and by that of the other a label.
        """
        if self.seen is None:
            return call(features)
        seen = [self.seen(i) for i in which]
        pred = call(np.stack([one.feature for one in seen]))
        return np.stack([_moved(p, one) for p, one in zip(pred, seen, strict=True)])

    def feature(self, i: int) -> Array:
        """A feature C H W as the network sees it."""
        return self.one(i)[0] if self.seen is None else self.seen(i).feature

    @functools.cached_property
    def mean_label(self) -> Float[np.ndarray, "H W"]:
        """The mean of all labels: the best prediction that sees no feature.

        Raises:
            AssayError: they differ in size.
        """
        read = self.label or (lambda i: self.one(i)[1])
        first = read(0)
        total = first[0].astype(np.float64)
        for i in range(1, len(self)):
            label = read(i)
            fits(self.names[i], label.shape, first.shape)
            total += label[0]
        mean: Array = (total / len(self)).astype(np.float32)
        return mean


def fits(name: str, shape: tuple[int, ...], before: tuple[int, ...]) -> None:
    """Refuse a map whose shape is not that of those before it."""
    if shape != before:
        raise AssayError(
            f"{name} has shape {shape}, maps before it {before}",
            "Preprocess them to one size",
            code="bad_shape",
        )


def _moved(predicted: Array, seen: Seen) -> Array:
    overflow = seen.own.low + (seen.own.high - seen.own.low) * predicted
    span = seen.truth.high - seen.truth.low  # 0 for a constant label, which is 0 everywhere
    moved: Array = ((overflow - seen.truth.low) / (span or 1.0)).astype(np.float32)
    return moved


def channels_first(feature: np.ndarray, label: np.ndarray) -> Maps:
    """Maps H W C as networks read them: C H W, float32."""
    return channel_first(feature), channel_first(label)


def channel_first(a: np.ndarray) -> Array:
    """One of them."""
    return np.ascontiguousarray(a.transpose(2, 0, 1), dtype=np.float32)
