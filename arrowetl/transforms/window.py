"""WindowAggregator: one row a group and stretch of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import chain
from typing import Any

import pyarrow as pa

from arrowetl.arguments import flag
from arrowetl.duck import describing
from arrowetl.errors import ConfigError, SchemaError, closest, describe, did_you_mean
from arrowetl.sql import literal, name
from arrowetl.stage import Rejection, Rows, Scope, SQLStage, Stage
from arrowetl.transforms._aggregates import key_value
from arrowetl.transforms._arguments import words
from arrowetl.transforms._grids import grid_of
from arrowetl.transforms._groups import SIZE, Grouping
from arrowetl.transforms._on_time import OnTime
from arrowetl.transforms._sessions import Sessions
from arrowetl.transforms._spans import DAY, Span
from arrowetl.transforms._times import Times
from arrowetl.transforms._wanted import Wanted, refuse_twins
from arrowetl.transforms._windowed import END, START, Windowed

MOST = 10_000
"""In how many windows a row may lie."""

_FIRST, _LAST = name("arrowetl:first"), name("arrowetl:last")
_HERE = "WindowAggregator"


@dataclass(frozen=True)
class WindowAggregator(SQLStage):
    """Give one row a group and window of time: the keys, `window_start`, `window_end`, aggregates.

    A window takes times from its start up to, not including, its end. Which windows there are:

    - tumbling, `size` alone: one after the other.
    - sliding, with `slide`: one begins every `slide`, so a row lies in several.
    - sessions, `gap` in place of `size`: a session goes on while rows come, and ends when none
      came for `gap`. It ends that long after its last row.

    Windows of weeks begin on Mondays, those of months and years with their first. Others are
    counted on and on from the midnight of Monday 2000-01-03: those that a day has a whole number of
    begin at the same hours each day, those of seven hours don't. In a `time_zone` they follow its
    clock: a day has 23 or 25 hours where the clock is set, six hours from midnight 5 or 7. Windows
    of an hour or an even part of one are always as long, and an hour that the clock shows twice is
    two windows. (Where it is set by half an hour, in Lord Howe, those of an hour follow it, and
    those of 20 minutes overlap.) A start that the clock skips is where it would have been, had the
    clock not been set.

    Groups come sorted by their keys (nulls last, they form a group), then by window. The answer
    doesn't depend on batches or threads. Rows whose time is null, infinite, or too far off to
    compute with go to the dead letters.

    Cost: a row a group and window in memory, spilled to disk where memory ends; a row of a
    sliding window is counted size / slide times; sessions sort.

    Args:
        time_column: a timestamp or a date, when the row's event was. Starts and ends have its
            type.
        size: how long a window is: ``"15 minutes"``, ``"1 day"``, ``"1 month"``, ``"PT1H"`` or a
            timedelta.
        slide: from the start of a window to that of the next; `size` if None.
        gap: the silence that ends a session.
        group_by: what has windows of its own.
        aggregations: what to compute, as for `Aggregator`.
        returns: types of what Python functions give, as for `Aggregator`.
        time_zone: by whose clock, ``"Europe/Berlin"``; for instants (timestamps with a zone),
            whose windows are in UTC if None.
        origin: a time where a window begins, in ISO form or a datetime without a zone; of the
            zone's clock. What is said above if None.
        empty: whether there are rows for windows without rows, between a group's first and last:
            counts are 0 there, most other aggregates null.
        lateness: how far a row's time may be behind the newest of the rows before it. Later rows
            go to the dead letters. None: any, which in a bounded input is right.

    Raises:
        ConfigError: an option makes no sense, or two columns would have one name.

    >>> from datetime import datetime
    >>> from arrowetl.testing import run_stage
    >>> moments = [datetime(2024, 5, 1, 9, 5), datetime(2024, 5, 1, 9, 50), datetime(2024, 5, 2)]
    >>> rows = pa.table({"at": moments, "amount": [1.5, 2.0, 3.0]})
    >>> hourly = WindowAggregator("at", "1 hour", aggregations={"total": ("amount", "sum")})
    >>> run_stage(hourly, rows).select(["window_start", "total"]).to_pylist()[0]
    {'window_start': datetime.datetime(2024, 5, 1, 9, 0), 'total': 3.5}
    """

    time_column: str
    size: str | timedelta | None = None
    _: KW_ONLY
    slide: str | timedelta | None = None
    gap: str | timedelta | None = None
    group_by: str | Sequence[str] = ()
    aggregations: Mapping[str, Any] = field(default_factory=dict)
    returns: Mapping[str, str | pa.DataType] = field(default_factory=dict)
    time_zone: str | None = None
    origin: str | datetime | None = None
    empty: bool = False
    lateness: str | timedelta | None = None
    # Two that give their columns in another order aren't equal.
    _order: tuple[str, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        """Check the windows, then keys, names and aggregates."""
        keys = words(self.group_by, where=_HERE, option="group_by")
        wanted = Wanted.of(self.aggregations, self.returns, where=_HERE)
        object.__setattr__(self, "group_by", keys)
        object.__setattr__(self, "aggregations", wanted.aggregations)
        object.__setattr__(self, "returns", wanted.returns)
        object.__setattr__(self, "_order", tuple(wanted.aggregations))
        refuse_twins([*keys, START, END, *wanted.aggregations], where=_HERE)
        for option in ("size", "slide", "gap", "lateness"):
            span = self._span(option)
            if span is not None:
                object.__setattr__(self, option, str(span))
        object.__setattr__(self, "origin", _origin(self.origin))
        _check_zone(self.time_zone)
        flag(self.empty, "empty", where=_HERE)
        self._check_windows()

    def _check_windows(self) -> None:
        size, slide, gap = (self._span(option) for option in ("size", "slide", "gap"))
        if (size is None) == (gap is None):
            raise ConfigError(
                f"{_HERE}: either size ('1 hour') or gap ('30 minutes', for sessions) is needed"
            )
        for option in ("slide", "origin", "time_zone", "empty") if gap is not None else ():
            if getattr(self, option):
                raise ConfigError(f"{_HERE}: sessions (gap) have no {option}")
        for option in ("gap", "lateness"):
            span = self._span(option)
            if span is not None and span.months:
                raise ConfigError(f"{_HERE}: {option} is {span}, and months differ in length")
        if size is not None and slide is not None:
            _check_slide(size, slide)

    def _span(self, option: str) -> Span | None:
        value = getattr(self, option)
        return None if value is None else Span.of(value, where=f"{_HERE}: {option}")

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        options = (self.size, self.slide, self.gap, self.time_zone, self.origin, self.lateness)
        made = (tuple(self.aggregations.items()), tuple(self.returns.items()))
        return hash((self.time_column, *options, self.empty, self.group_by, made))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """With `lateness`, what rejects late rows comes before."""
        late = self._span("lateness")
        return (self,) if late is None else (OnTime(self.time_column, late), self)

    @property
    def scope(self) -> Scope:
        """All rows of a group together; all rows where there is one group."""
        return Scope.KEY if self.group_by else Scope.STREAM

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns to group by."""
        return tuple(self.group_by)

    @property
    def rows(self) -> Rows:
        """Several become one, unless a row may lie in several windows or there are empty ones."""
        repeats = self.slide not in {None, self.size}
        return Rows.ANY if repeats or self.empty else Rows.MERGES

    @property
    def functions(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """The Python functions among the aggregates, with their columns."""
        return self._wanted.functions

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.aggregations, self.returns, self.label)

    def select(self, schema: pa.Schema) -> str | None:
        """Give one SELECT; None where a Python function has to run."""
        return None if self.functions else self._windowed(schema).statement()

    def rejections(self, schema: pa.Schema) -> Sequence[Rejection]:
        """Give the one for rows without a time that can be computed with."""
        column, times = name(self.time_column), self._windowed(schema).times
        absent = literal(f"{self.time_column} is null, so the row is in no window")
        far = f"{column}::VARCHAR || ' is too far off for a window'"
        reason = f"CASE WHEN {column} IS NULL THEN {absent} ELSE {far} END"
        return [Rejection("time", f"({times.ticks}) IS NULL", reason, self.time_column)]

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the keys, start and end, and a column an aggregate."""
        return self._grouping(schema).schema if self.functions else super().bind(schema)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement; with Python functions, one over each window's values."""
        if not self.functions:
            yield from super().process(batches)
            return
        first = next(batches, None)
        if first is not None:
            yield from self._grouping(first.schema).run(chain((first,), batches), first.schema)

    def _grouping(self, schema: pa.Schema) -> Grouping:
        windowed = self._windowed(schema)
        groups = windowed.statement(f"count(*) AS {name(SIZE)}")
        after = self._wanted.schema(groups, schema, *self.group_by, START, END)
        return Grouping(groups, windowed.numbered(), windowed.order, self.functions, after)

    def _windowed(self, schema: pa.Schema) -> Windowed:
        wanted = self._wanted
        wanted.require(schema, self.time_column, *self.group_by)
        times = self._times(schema.field(self.time_column))
        keys = [schema.field(key) for key in self.group_by]
        made = wanted.columns(schema)
        size, gap = self._span("size"), self._span("gap")
        if size is None:
            silence = gap.microseconds * times.scale if gap else 0
            sessions = Sessions(silence, [key_value(key) for key in keys])
            return Windowed(times, sessions, keys, made)
        step = self._span("slide") or size
        grid = grid_of(size, step, str(self._since(step)), self.time_zone)
        return Windowed(times, grid, keys, made, empty=self.empty)

    def _since(self, step: Span) -> int:
        # A Monday; or the first day of a month, a quarter and a year.
        usual = "2000-01-01" if step.months else "2000-01-03"
        moment = datetime.fromisoformat(str(self.origin or usual)).replace(tzinfo=timezone.utc)
        return (moment - _EPOCH) // timedelta(microseconds=1)

    def _times(self, column: pa.Field) -> Times:
        spans = [self._span(option) for option in ("size", "slide", "gap")]
        longest = sum(span.longest for span in spans if span is not None)
        since = self._since(Span(0, DAY))
        # Room for windows on either side, the origin, and the days that a clock is asked of.
        times = Times.of(column, 2 * longest + abs(since) + 400 * DAY, where=self.label)
        quoted = name(column.name)
        if self.time_zone is not None and not times.zoned:
            raise SchemaError(
                f"column {column.name!r} is {column.type}, which no clock's zone can be asked of; "
                f"say what they are in first, in a statement: SELECT * REPLACE ({quoted} AT TIME "
                f"ZONE 'UTC' AS {quoted}) FROM input; or leave out time_zone",
                where=self.label,
                column=column.name,
            )
        in_days = all(span.in_days for span in spans if span is not None)
        if times.date and not (in_days and since % DAY == 0):
            raise SchemaError(
                f"column {column.name!r} is {column.type}: windows of dates take whole days",
                where=self.label,
                column=column.name,
            )
        return times


def _check_slide(size: Span, slide: Span) -> None:
    if slide.longest > size.shortest and slide != size:
        raise ConfigError(
            f"{_HERE}: slide ({slide}) is longer than size ({size}), so rows between two windows "
            "would be in none"
        )
    if size.longest / slide.shortest > MOST:
        raise ConfigError(
            f"{_HERE}: with a size of {size} and a slide of {slide} a row would lie in "
            f"{size.longest // slide.shortest:,} windows; {MOST:,} are the most"
        )


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _origin(value: str | datetime | None) -> str | None:
    """Give an origin in ISO form."""
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"{_HERE}: origin is {describe(value)}, which is no time: '2024-01-01 06:00'"
        ) from None
    if moment.tzinfo is not None:
        raise ConfigError(
            f"{_HERE}: origin is {describe(value)}; it is what the clock of time_zone shows, so "
            "it has no zone of its own"
        )
    return moment.isoformat(" ")


@cache
def _zones() -> frozenset[str]:
    with describing() as connection:
        rows = connection.sql("SELECT name FROM pg_timezone_names()").fetchall()
    return frozenset(zone for (zone,) in rows)


def _check_zone(zone: str | None) -> None:
    if zone is not None and zone not in _zones():
        hint = did_you_mean(closest(str(zone), _zones()))
        raise ConfigError(f"{_HERE}: no time zone is called {describe(zone)}{hint}")
