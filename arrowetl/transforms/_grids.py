"""Where windows begin and end, in SQL: evenly, or by the clock on a wall.

All times are microseconds since 1970 as BIGINT: of an instant, or of what a clock showed. A grid
reads the column TIME of rows and gives each the column WINDOW, a number that stands for the
window, from which its start and end are computed once a window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from arrowetl.sql import literal, name
from arrowetl.transforms._spans import DAY, HOUR, Span

TIME = name("arrowetl:time")
"""The column with a row's time."""
WINDOW = name("arrowetl:window")
"""The column with the number of a row's window."""
_LOCAL = name("arrowetl:local")
_BEFORE = name("arrowetl:before")
_GRID = name("arrowetl:grid")
_STEP = name("arrowetl:step")

HALF_HOURS = ("Australia/Lord_Howe", "Australia/LHI")
"""The zones whose clocks are set by half an hour twice a year."""

FILLED = 1_000_000
"""How many windows there may be from the first to the last of a group where all are wanted."""


@dataclass(frozen=True)
class Grid(ABC):
    """Windows of `size`, of which one begins every `step`.

    Attributes:
        size: how long a window is.
        step: from the start of one to the start of the next.
        origin: SQL of a place where a window begins, in microseconds; on the zone's clock where
            there is a zone.
        zone: the clock's time zone; None for times as they are.
    """

    size: Span
    step: Span
    origin: str
    zone: str | None

    @abstractmethod
    def place(self, rows: str) -> str:
        """Give the SELECT that adds WINDOW, the last that began by TIME, to the rows."""

    @abstractmethod
    def start(self, window: str) -> str:
        """Give the SQL of where a window starts."""

    @abstractmethod
    def end(self, window: str) -> str:
        """Give the SQL of where a window ends: the first time that isn't in it."""

    @abstractmethod
    def reached(self, place: str) -> str:
        """Give the SQL of whether a row's time has reached a place on the grid's clock."""

    def spread(self, rows: str) -> str:
        """Give the SELECT that has a row for each window that a row lies in."""
        placed = self.place(rows)
        if self.size == self.step:
            return placed
        steps = f"SELECT *, unnest(range({self.most})) AS {_STEP} FROM ({placed})"
        moved = (
            f"SELECT * REPLACE ({add(WINDOW, self.step, by=f'-{_STEP}')} AS {WINDOW}) "
            f"FROM ({steps})"
        )
        return f"SELECT * FROM ({moved}) WHERE NOT {self.reached(add(WINDOW, self.size))}"

    @property
    def most(self) -> int:
        """In how many windows a row may lie."""
        # The one more is for a day of 25 hours.
        return -(-self.size.longest // self.step.shortest) + (self.zone is not None)

    def all_from(self, first: str, last: str, *, error: str) -> str:
        """Give the SQL of the list of all windows from one to another.

        Args:
            first: SQL of a window.
            last: SQL of a later one.
            error: SQL of the error's text where there are more than `FILLED`.
        """
        if self.step.months:
            ends = f"make_timestamp({first}), make_timestamp({last})"
            number = f"datediff('month', {ends}) // {self.step.months}"
        else:
            number = f"({last}::HUGEINT - {first}) // {self.step.microseconds}"
        steps = f"range(({number} + 1)::BIGINT)"
        listed = f"list_transform({steps}, lambda i: {add(first, self.step, by='i')})"
        return f"CASE WHEN {number} < {FILLED} THEN {listed} ELSE error({error}) END"


@dataclass(frozen=True)
class Even(Grid):
    """Windows that are all as long, counted from the origin.

    In a zone they begin where its clock shows so, whenever that was last set: a step has to be
    a part of an hour, by whole numbers of which clocks are set. (Where one is set by half an hour,
    steps that half an hour has no whole number of, 20 minutes say, overlap that day.)
    """

    def place(self, rows: str) -> str:
        """Give the SELECT that adds WINDOW."""
        if self.zone is None:
            return f"SELECT *, {floor(TIME, self.step, self.origin)} AS {WINDOW} FROM ({rows})"
        shown = f"SELECT *, {local(TIME, self.zone)} AS {_LOCAL} FROM ({rows})"
        passed = since(_LOCAL, self.step, self.origin)
        return f"SELECT * EXCLUDE ({_LOCAL}), {TIME} - {passed} AS {WINDOW} FROM ({shown})"

    def start(self, window: str) -> str:
        """Give the window's own number."""
        return window

    def end(self, window: str) -> str:
        """Give the start, and the size after it."""
        return add(window, self.size)

    def reached(self, place: str) -> str:
        """Compare times."""
        return f"({TIME} >= {place})"


@dataclass(frozen=True)
class Wall(Grid):
    """Windows by the clock on a wall in `zone`: each begins when the clock first shows its start.

    Where the clock jumps over a start, the window begins when the clock would have shown it. A
    window's number is what the clock shows at its start.
    """

    zone: str

    def place(self, rows: str) -> str:
        """Give the SELECT that adds WINDOW.

        The clock's reading says it, unless the clock was set within the last day: then the last
        start is sought that has passed already, be it before the clock was set back.
        """
        yesterday = local(f"({TIME} - {DAY})", self.zone)
        clocks = (
            f"SELECT *, {local(TIME, self.zone)} AS {_LOCAL}, {yesterday} + {DAY} AS {_BEFORE} "
            f"FROM ({rows})"
        )
        gridded = f"SELECT *, {floor(_LOCAL, self.step, self.origin)} AS {_GRID} FROM ({clocks})"
        following = add(_GRID, self.step)
        return (
            f"SELECT * EXCLUDE ({_GRID}), CASE WHEN {_BEFORE} = {_LOCAL} THEN {_GRID} "
            f"WHEN {TIME} >= {self.start(following)} THEN {following} "
            f"WHEN {TIME} >= {self.start(_GRID)} THEN {_GRID} "
            f"ELSE {add(_GRID, self.step, by='-1')} END AS {WINDOW} FROM ({gridded})"
        )

    def reached(self, place: str) -> str:
        """Compare what the clock shows, or instants where it was set."""
        return (
            f"(CASE WHEN {_BEFORE} = {_LOCAL} THEN {_LOCAL} >= {place} "
            f"ELSE {TIME} >= {self.start(place)} END)"
        )

    def start(self, window: str) -> str:
        """Give when the clock first shows the window's start.

        DuckDB gives the later of two instants. The earlier is found by what the clock was set to
        the day before.
        """
        later = f"epoch_us(make_timestamp({window}) AT TIME ZONE {literal(self.zone)})"
        day_before = local(f"({later} - {DAY})", self.zone)
        earlier = f"({window} - {day_before} + {later} - {DAY})"
        return (
            f"(CASE WHEN {earlier} < {later} AND {local(earlier, self.zone)} = {window} "
            f"THEN {earlier} ELSE {later} END)"
        )

    def end(self, window: str) -> str:
        """Give when the clock first shows the window's end."""
        return self.start(add(window, self.size))


def grid_of(size: Span, step: Span, origin: str, zone: str | None) -> Grid:
    """Give the windows of a size, of which one begins every step."""
    if zone is None:
        return Even(size, step, origin, zone)
    # An hour that half of is shown twice is one of an hour and a half.
    longer = zone in HALF_HOURS and step.microseconds == HOUR
    parts = step.microseconds and HOUR % step.microseconds == 0
    even = parts and not size.in_days and not longer
    return Even(size, step, origin, zone) if even else Wall(size, step, origin, zone)


def local(instant: str, zone: str) -> str:
    """Give the SQL of what a zone's clock shows at an instant."""
    return f"epoch_us(make_timestamptz({instant}) AT TIME ZONE {literal(zone)})"


def since(value: str, step: Span, origin: str) -> str:
    """Give the SQL of how far a value is beyond the last multiple of a step from the origin.

    >>> from arrowetl.instances import Instance
    >>> with Instance() as connection:
    ...     connection.sql(f"SELECT {since('(-1)', Span(0, 10), '3')}").fetchall()
    [(6,)]
    """
    length = step.microseconds
    return f"((({value} - {origin}) % {length} + {length}) % {length})"


def floor(value: str, step: Span, origin: str) -> str:
    """Give the SQL of the last multiple of a step, counted from the origin, up to a value."""
    if step.months:
        moment, first = f"make_timestamp({value})", f"make_timestamp({origin})"
        return f"epoch_us(time_bucket(to_months({step.months}), {moment}, {first}))"
    return f"({value} - {since(value, step, origin)})"


def add(value: str, span: Span, *, by: str = "1") -> str:
    """Give the SQL of a value and so many times a span after it.

    >>> add("x", Span(0, 60)), add("x", Span(3), by="-n")
    ('(x + 1 * 60)', 'epoch_us(make_timestamp(x) + to_months((-n * 3)::INTEGER))')
    """
    if span.months:
        return f"epoch_us(make_timestamp({value}) + to_months(({by} * {span.months})::INTEGER))"
    return f"({value} + {by} * {span.microseconds})"
