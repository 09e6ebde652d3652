"""Work shared among threads: NumPy lets go of the interpreter while it works."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from arrowetl.stopping import check

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Give how many threads can work at a time."""
    return os.cpu_count() or 1


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """Give `work` of each item, in the items' order, with a few under way at a time.

    Items are taken as they are needed, so few of them and of the results are held.

    >>> list(in_order(abs, [-1, 2, -3], threads=2))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[Result]] = deque()
        for item in items:
            check()
            # In the context of the run that this thread works for.
            running.append(pool.submit(copy_context().run, work, item))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
