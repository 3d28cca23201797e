"""Batches that are read in threads while the network computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """make(n) for n, n + 1, ... below `end`: as many as there are threads are under way.

    What is made depends on n alone, so it is the same whatever the number of threads. Without
    threads the caller makes it.
    """

    def __init__(self, make: Callable[[int], T], end: int, threads: int) -> None:
        self.make, self.end, self.threads = make, end, threads
        self._pool = ThreadPoolExecutor(threads, "ahead") if threads else None
        self._coming: dict[int, Future[T]] = {}

    def take(self, number: int) -> T:
        """make(number); the next ones are under way."""
        if self._pool is None:
            return self.make(number)
        for n in range(number, max(number + 1, min(number + 1 + self.threads, self.end))):
            if n not in self._coming:
                self._coming[n] = self._pool.submit(self.make, n)
        return self._coming.pop(number).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
