"""The statement that puts rows into windows and aggregates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from arrowetl.sql import INPUT, literal, name
from arrowetl.transforms._aggregates import ROW, key_column, key_value
from arrowetl.transforms._grids import FILLED, TIME, WINDOW, Grid
from arrowetl.transforms._sessions import TICKS, Sessions
from arrowetl.transforms._times import Times
from arrowetl.transforms._wanted import is_numbered

START, END = "window_start", "window_end"
_FIRST, _LAST = name("arrowetl:first"), name("arrowetl:last")


@dataclass(frozen=True)
class Windowed:
    """What is known of windows over `input`.

    Attributes:
        times: the rows' times.
        windows: where they begin and end.
        keys: the columns to group by.
        made: SQL of the aggregates, under their names.
        empty: whether there are windows without rows.
    """

    times: Times
    windows: Grid | Sessions
    keys: Sequence[pa.Field]
    made: Sequence[str]
    empty: bool = False

    def statement(self, *more: str) -> str:
        """Give the SELECT of keys, start, end, aggregates, and what more is wanted a group."""
        made = [*self.made, *more]
        rows = self.windows.spread(self._timed(numbered=is_numbered(made)))
        keys = [key_column(key) for key in self.keys]
        # All aggregates there are: of the grouped rows what isn't hidden.
        hidden = [*self._names, WINDOW]
        if isinstance(self.windows, Sessions):
            ends = [f"min({TICKS}) AS {_FIRST}", f"max({TICKS}) AS {_LAST}"]
            hidden += [_FIRST, _LAST]
            start = self.times.from_ticks(_FIRST)
            end = self.times.from_ticks(f"({_LAST} + {self.windows.gap})")
        else:
            ends = []
            start = self.times.from_micro(self.windows.start(WINDOW))
            end = self.times.from_micro(self.windows.end(WINDOW))
        places = ", ".join(str(place) for place in range(1, len(keys) + 2))
        columns = ", ".join([*keys, WINDOW, *ends, *made])
        grouped = f"SELECT {columns} FROM ({rows}) GROUP BY {places}"
        if self.empty and not isinstance(self.windows, Sessions):
            grouped = self._filled(self.windows, grouped, rows, made)
        shown = [*self._names, f"{start} AS {START}", f"{end} AS {END}"]
        if made:
            shown.append(f"* EXCLUDE ({', '.join(hidden)})")
        order = ", ".join([*self._names, WINDOW])
        return f"SELECT {', '.join(shown)} FROM ({grouped}) ORDER BY {order}"

    @property
    def _names(self) -> list[str]:
        return [name(key.name) for key in self.keys]

    @property
    def order(self) -> list[str]:
        """What the rows have to be ordered by so that they come window by window."""
        return [*(key_value(key) for key in self.keys), WINDOW]

    def numbered(self) -> str:
        """Give the SELECT of the rows in their windows, with the rows' numbers."""
        return self.windows.spread(self._timed(numbered=True))

    def _timed(self, *, numbered: bool) -> str:
        """Give the SELECT of the rows with their times as numbers."""
        row = f", row_number() OVER () AS {name(ROW)}" if numbered else ""
        ticked = f"SELECT *, {self.times.ticks} AS {TICKS}{row} FROM {INPUT}"
        micro = self.times.micro(TICKS)
        return f"SELECT *, {micro} AS {TIME} FROM ({ticked}) WHERE {TICKS} IS NOT NULL"

    def _filled(self, grid: Grid, grouped: str, rows: str, made: Sequence[str]) -> str:
        """Give the groups, and those of windows in between that no row lies in."""
        error = literal(
            f"a group has more than {FILLED:,} windows of {grid.step} from its first to its last; "
            "take longer ones, leave out what is far off, or set empty=False"
        )
        keys = "".join(f"{each}, " for each in self._names)
        by = f"GROUP BY {', '.join(self._names)}" if self.keys else "HAVING count(*) > 0"
        ends = f"SELECT {keys}min({WINDOW}) AS {_FIRST}, max({WINDOW}) AS {_LAST} FROM found {by}"
        every = f"unnest({grid.all_from(_FIRST, _LAST, error=error)})"
        windows = f"SELECT {keys}{every} AS {WINDOW} FROM ({ends})"
        same = " AND ".join(f"f.{k} IS NOT DISTINCT FROM w.{k}" for k in [*self._names, WINDOW])
        missing = f"SELECT w.* FROM ({windows}) AS w ANTI JOIN found AS f ON {same}"
        # What aggregates give for no rows, which isn't null for each of them.
        nothing = f" CROSS JOIN (SELECT {', '.join(made)} FROM ({rows}) WHERE false)"
        # A window that the clock skipped as a whole isn't one.
        lasting = f"{grid.start(WINDOW)} < {grid.end(WINDOW)}"
        return (
            f"WITH found AS ({grouped}) SELECT * FROM found UNION ALL "
            f"SELECT * FROM ({missing}){nothing if made else ''} WHERE {lasting}"
        )
