"""Work on many layouts at once, in processes, with the results in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def each(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """function(job) of every job, in order. One worker works in this process.

    Few jobs are handed out ahead, so that stopping early wastes little. `function` must be a
    module's own, and jobs must be picklable.
    """
    if min(workers, len(jobs)) <= 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")  # a forkserver is for runs: core.child
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        ahead: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                ahead.append(executor.submit(function, job))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
