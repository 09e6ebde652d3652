"""Ranges of a column that are read side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from queue import Empty, Full, Queue
from typing import Any

from arrowetl.errors import SchemaError
from arrowetl.postgres.parameters import PREFIX, bind
from arrowetl.postgres.types import Read
from arrowetl.sources._postgres_read import Reading, Told
from arrowetl.sql import name

AHEAD = 2
"""Batches that a range may be ahead of who reads them."""

_WAIT = 0.05


@dataclass(frozen=True)
class _Axis:
    """How a type's values are counted.

    Attributes:
        number: SQL that makes a value an integer.
        value: SQL that makes an integer the value again; both of `{}`.
        finite: a predicate without which there may be no number.
    """

    number: str
    value: str
    finite: str = "true"


_INTEGER = _Axis("{}::int8", "{}::int8")
_INSTANT = "(extract(epoch FROM {}) * 1000000)::int8"
_AXES: Mapping[str, _Axis] = {
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "oid": _INTEGER,
    "numeric": _Axis("trunc({})::int8", "{}::numeric", "{} BETWEEN -1e18 AND 1e18"),
    "date": _Axis("{} - date '2000-01-01'", "date '2000-01-01' + {}::int4", "isfinite({})"),
    "timestamp": _Axis(
        _INSTANT, "timestamp 'epoch' + {}::int8 * interval '1 microsecond'", "isfinite({})"
    ),
    "timestamptz": _Axis(
        _INSTANT, "timestamptz 'epoch' + {}::int8 * interval '1 microsecond'", "isfinite({})"
    ),
}


def require_axis(read: Read, *, where: str) -> None:
    """Raise SchemaError for a column that has no ranges."""
    if read.kind not in _AXES:
        raise SchemaError(
            f"partition_column {read.column!r} is {read.declared}; ranges can be made of integers, "
            "numerics, dates and timestamps",
            where=where,
            column=read.column,
        )


def ranges(connection: Any, reading: Reading, read: Read, parts: int) -> tuple[Reading, ...]:
    """Cut what is read into ranges of a column: every row is in one, nulls are in their own.

    The ranges are equally wide, from the least to the greatest value; the first and the last have
    no end, so that infinities are in them.
    """
    axis, column = _AXES[read.kind], name(read.column)
    ends = _ends(connection, reading, axis, column)
    cuts = _cuts(*ends, parts) if ends else []
    first = len(reading.settings)
    settings = [(f"{PREFIX}r{first + i}", str(cut)) for i, cut in enumerate(cuts)]
    edges = [axis.value.format(f"current_setting('{key}')") for key, _ in settings]
    predicates = [
        " AND ".join(
            [*([f"{column} >= {low}"] if low else []), *([f"{column} < {high}"] if high else [])]
        )
        or f"{column} IS NOT NULL"
        for low, high in zip([None, *edges], [*edges, None], strict=True)
    ]
    predicates.append(f"{column} IS NULL")
    return tuple(
        replace(
            reading,
            predicates=(*reading.predicates, predicate),
            settings=(*reading.settings, *settings),
        )
        for predicate in predicates
    )


def _ends(connection: Any, reading: Reading, axis: _Axis, column: str) -> tuple[int, int] | None:
    inner = replace(reading, predicates=(*reading.predicates, axis.finite.format(column)))
    low, high = axis.number.format(f"min({column})"), axis.number.format(f"max({column})")
    bind(connection, reading.settings)
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT {low}, {high} FROM {inner.origin} AS rows{inner.condition}")
        least, most = cursor.fetchone()
    return None if least is None else (int(least), int(most))


def _cuts(least: int, most: int, parts: int) -> list[int]:
    """Give the numbers at which ranges begin, but for the first.

    >>> _cuts(0, 9, 3), _cuts(5, 5, 4)
    ([3, 6], [])
    """
    width = most - least + 1
    found = {least + width * part // parts for part in range(1, parts)}
    return sorted(found - {least})


Batches = Generator[Told, None, None]
_END = object()


@dataclass
class _Lane:
    """One range, read by a thread of its own into a short queue."""

    make: Callable[[], Batches]
    stopped: threading.Event
    queue: Queue[Any] = field(default_factory=lambda: Queue(AHEAD))
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="arrowetl-range", daemon=True)

    def _run(self) -> None:
        try:
            batches = self.make()
            with closing(batches):
                for batch in batches:
                    if not self._put(batch):
                        return
        except BaseException as error:  # noqa: BLE001 - it is raised where the rows are read
            self._put(error)
        else:
            self._put(_END)

    def _put(self, item: object) -> bool:
        while not self.stopped.is_set():
            with suppress(Full):
                self.queue.put(item, timeout=_WAIT)
                return True
        return False

    def get(self) -> Any:
        """Give the next batch, or `_END`; raise what the thread raised."""
        while True:
            with suppress(Empty):
                item = self.queue.get(timeout=1)
                if isinstance(item, BaseException):
                    raise item
                return item


def side_by_side(
    makers: Sequence[Callable[[], Batches]], cancel: Callable[[], None], *, ordered: bool
) -> Batches:
    """Give the batches of several readers that read at the same time.

    Args:
        makers: each gives a reader; it is called in a thread of its own.
        cancel: ends what the readers wait for.
        ordered: one reader's batches after the other's. Otherwise one of each in turn, which is
            the same order each time, too, and keeps all readers busy.
    """
    stopped = threading.Event()
    lanes = [_Lane(make, stopped) for make in makers]
    for lane in lanes:
        lane.thread.start()
    try:
        yield from _one_by_one(lanes) if ordered else _in_turn(lanes)
    finally:
        stopped.set()
        if any(lane.thread.is_alive() for lane in lanes):
            cancel()
        for lane in lanes:
            lane.thread.join()


def _one_by_one(lanes: Sequence[_Lane]) -> Batches:
    for lane in lanes:
        yield from iter(lane.get, _END)


def _in_turn(lanes: Sequence[_Lane]) -> Batches:
    left = list(lanes)
    while left:
        for lane in tuple(left):
            batch = lane.get()
            if batch is _END:
                left.remove(lane)
            else:
                yield batch
