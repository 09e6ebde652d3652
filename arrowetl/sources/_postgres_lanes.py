"""Ranges that are read at the same time, by as many connections as the server has to give.

Each connection reads the range that is its own, and then the first that nobody has begun. The one
that is there already reads, too: so everything arrives, also where a pool has no other to give,
and the range that is waited for is always being read by somebody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

from arrowetl.postgres.errors import no_room
from arrowetl.sources._postgres_read import Reading, Told

if TYPE_CHECKING:
    from typing_extensions import Self

AHEAD = 2
"""Batches that a range may be ahead of who reads them."""

PATIENCE = 2.0
"""Seconds in which a range of its own connection should have begun, if ranges come in turn."""

_WAIT, _AGAIN = 0.05, 1.0

Batches = Generator[Told, None, None]
Opened = Callable[[], AbstractContextManager[Any]]
_END = object()


@dataclass
class _Lane:
    """One range: who reads it puts its batches into a short queue."""

    reading: Reading
    queue: Queue[Any] = field(default_factory=lambda: Queue(AHEAD))
    begun: threading.Event = field(default_factory=threading.Event)

    def get(self) -> Any:
        """Give the next batch, or `_END`; raise what the reader raised."""
        item = self.queue.get()
        if isinstance(item, BaseException):
            raise item
        return item


class Lanes:
    """Readings that are done at the same time. A context manager: leaving it ends all threads.

    Leave it when the first connection is closed: a thread may still be waiting for that place.

    Args:
        read: gives the batches of a reading, on a connection.
        cancel: ends what connections are waiting for.
    """

    def __init__(self, read: Callable[[Any, Reading], Batches], cancel: Callable[[], None]) -> None:
        """Nothing is read yet."""
        self._read, self._cancel = read, cancel
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._lanes: list[_Lane] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(self._threads)

    def batches(
        self, readings: Sequence[Reading], connections: Sequence[Opened], *, ordered: bool
    ) -> Batches:
        """Give the batches of all readings, once.

        Args:
            readings: what to read, in the order of the rows.
            connections: each gives one in a thread of its own, if the server has room for it; the
                first is there already, and is left alone afterwards.
            ordered: one reading's batches after the other's. Otherwise one of each in turn, for
                the first that have a connection each, which is the same order each time, too; but
                a reading whose connection isn't to be had joins in when it is begun.
        """
        self._lanes = [_Lane(reading) for reading in readings]
        self._threads = [
            threading.Thread(target=self._work, args=each, name="arrowetl-range", daemon=True)
            for each in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()
        turns = 0 if ordered else len(connections)
        try:
            yield from _in_turn(self._lanes[:turns])
            for lane in self._lanes[turns:]:
                yield from iter(lane.get, _END)
        finally:
            self._end(self._threads[:1])

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        self._stopped.set()
        for thread in threads:
            thread.join(_WAIT)
            while thread.is_alive():
                self._cancel()
                thread.join(_AGAIN)

    def _work(self, number: int, opened: Opened) -> None:
        """Read with one connection whatever nobody else has begun, its own range first."""
        lane: _Lane | None = None
        try:
            with opened() as connection:
                lane = self._taken(number)
                while lane is not None and self._filled(lane, connection):
                    lane = self._taken(0)
        except BaseException as error:  # noqa: BLE001 - it is raised where the rows are read
            if lane is None and no_room(error):
                return  # another will read its range
            self._put(lane or self._taken(number, only=True), error)

    def _taken(self, number: int, *, only: bool = False) -> _Lane | None:
        """Give a range to read, that one or the first that nobody has begun; none if all are."""
        with self._lock:
            mine = self._lanes[number : number + 1]
            for lane in mine if only else (*mine, *self._lanes):
                if not lane.begun.is_set() and not self._stopped.is_set():
                    lane.begun.set()
                    return lane
        return None

    def _filled(self, lane: _Lane, connection: Any) -> bool:
        with closing(self._read(connection, lane.reading)) as batches:
            return all(self._put(lane, batch) for batch in batches) and self._put(lane, _END)

    def _put(self, lane: _Lane | None, item: object) -> bool:
        while lane is not None and not self._stopped.is_set():
            with suppress(Full):
                lane.queue.put(item, timeout=_WAIT)
                return True
        return False


def _in_turn(lanes: Sequence[_Lane]) -> Batches:
    left, until = list(lanes), time.monotonic() + PATIENCE
    while left:
        begun = [each for each in left if each.begun.wait(max(0, until - time.monotonic()))]
        for lane in begun:
            batch = lane.get()
            if batch is _END:
                left.remove(lane)
            else:
                yield batch
        if not begun:
            time.sleep(_WAIT)
