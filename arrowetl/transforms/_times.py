"""Columns of times as whole numbers in SQL, and back."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import SchemaError
from arrowetl.sql import name
from arrowetl.transforms._arguments import is_text

_FIRST, _LAST = -9_223_372_022_400_000_000, 2**63 - 2
"""The first and the last microsecond that DuckDB's TIMESTAMP has."""


@dataclass(frozen=True)
class Times:
    """A column of times, as its numbers since 1970: nanoseconds for those, else microseconds.

    A null has no number, nor has infinity, nor a time so far off that `margin` can't be added to
    it and taken from it.

    Attributes:
        field: the column.
        margin: microseconds.
    """

    field: pa.Field
    margin: int

    @classmethod
    def of(cls, field: pa.Field, margin: int, *, where: str) -> Times:
        """Check that a column holds times.

        Raises:
            SchemaError: it doesn't.
        """
        kind = field.type
        if kinds.is_timestamp(kind) or kinds.is_date(kind):
            return cls(field, margin)
        hint = (
            "times are text here, so cast it before: "
            f"Cast({{{field.name!r}: 'TIMESTAMP'}}, format=...)"
            if is_text(kind)
            else "it has to be a timestamp or a date"
        )
        raise SchemaError(
            f"column {field.name!r} is {kind}; {hint}", where=where, column=field.name
        )

    @property
    def nano(self) -> bool:
        """Whether the numbers are nanoseconds."""
        return bool(kinds.is_timestamp(self.field.type) and self.field.type.unit == "ns")

    @property
    def zoned(self) -> bool:
        """Whether these are instants, and not what some clock showed."""
        return bool(kinds.is_timestamp(self.field.type) and self.field.type.tz is not None)

    @property
    def date(self) -> bool:
        """Whether these are dates."""
        return bool(kinds.is_date(self.field.type))

    @property
    def ticks(self) -> str:
        """The number of a row's time; null for one that has none."""
        value, kind = name(self.field.name), self.field.type
        if self.nano:
            ticks, low, high = f"epoch_ns({value})", 1 - 2**63, 2**63 - 2
        else:
            # Seconds and milliseconds reach further than microseconds do, and so do dates.
            far = self.date or (not self.zoned and kind.unit != "us")
            ticks = f"epoch_us({f'TRY_CAST({value} AS TIMESTAMP)' if far else value})"
            low, high = _FIRST, _LAST
        margin = self.margin * self.scale
        return f"CASE WHEN {ticks} BETWEEN {low + margin} AND {high - margin} THEN {ticks} END"

    @property
    def scale(self) -> int:
        """Numbers a microsecond."""
        return 1000 if self.nano else 1

    def micro(self, ticks: str) -> str:
        """Give a number as whole microseconds, the earlier ones for part of one."""
        if not self.nano:
            return ticks
        return f"({ticks} // 1000 - ({ticks} % 1000 < 0)::BIGINT)"

    def from_micro(self, number: str) -> str:
        """Give microseconds as a time: an instant, a date, or what the clock showed."""
        if self.zoned:
            return f"make_timestamptz({number})"
        return f"make_timestamp({number}){'::DATE' if self.date else ''}"

    def from_ticks(self, number: str) -> str:
        """Give a number as a time, as fine as the column's."""
        if not self.nano:
            return self.from_micro(number)
        return f"make_timestamp_ns({number}){'::TIMESTAMPTZ_NS' if self.zoned else ''}"
