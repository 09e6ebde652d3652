"""What becomes of a column in a destination, and of the types inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

NAN = "a NaN"
"""The name of NaN, in `Stored.rare`: what a column may lose and nothing else."""

NOT_FINITE = "a NaN or an infinity"
"""The name of NaN and the infinities, in `Stored.rare`."""

NANOSECONDS = "less than a microsecond"
"""The name of parts of a microsecond, in `Stored.rare`: intervals, whose type has no unit, may have
them, and hardly ever do."""

AS_DIGITS = "the exact digits, as text"

DIGITS = 38
"""Of a decimal of 128 bits; DuckDB has none that are longer."""


class Fate(str, Enum):
    """What becomes of a column's values, once they are read back."""

    LOSSLESS = "lossless"
    """The same values, of the same type."""
    WIDENED = "widened"
    """The same values, of another type: they can be had back by a cast."""
    LOSSY = "lossy"
    """Some values come out different; a pipeline has to allow it."""
    REFUSED = "refused"
    """There is no way to keep them: a SchemaError, before a byte is written."""


@dataclass(frozen=True)
class Stored:
    """How a destination keeps a column, and what is read back of it.

    Attributes:
        column: its name.
        arrow: its Arrow type.
        declared: the type that the table or the file declares.
        convert: a DuckDB expression over the column, or None where none is needed.
        fate: what becomes of its values.
        why: what is widened or lost, in words.
        back: the type that our source of the same kind gives; None if there is none, or if it
            is `arrow`.
        rare: the values that are lost where no others are, for instance `NAN`. They stop a run
            when they come, where another lossy column is refused beforehand.
    """

    column: str
    arrow: pa.DataType
    declared: str
    convert: str | None = None
    fate: Fate = Fate.LOSSLESS
    why: str = ""
    back: pa.DataType | None = None
    rare: str | None = None

    @property
    def note(self) -> str:
        """The line that `explain` shows."""
        reason = f" ({self.why})" if self.why else ""
        kind = self.declared or "a column without a type"
        return f"{self.column}: {self.arrow} becomes {kind}, {self.fate.value}{reason}"


def any_of(kind: Any, test: Callable[[Any], bool]) -> bool:
    """Say whether a type, or one inside it, passes a test."""
    if isinstance(kind, pa.BaseExtensionType):
        return any_of(kind.storage_type, test)
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        return any_of(kind.value_type, test)
    inside = [kind.field(i).type for i in range(kind.num_fields)] if kinds.is_nested(kind) else []
    return test(kind) or any(any_of(each, test) for each in inside)


def cut(kind: Any) -> bool:
    """Say whether a type counts nanoseconds where DuckDB's interval counts microseconds."""
    return bool(kinds.is_interval(kind) or (kinds.is_duration(kind) and kind.unit == "ns"))


def rarely_cut(kind: Any) -> str | None:
    """Give `NANOSECONDS` for types that have them only by intervals; None for those with a unit."""
    return None if any_of(kind, _is_fine) else NANOSECONDS


def _is_fine(kind: Any) -> bool:
    return not kinds.is_interval(kind) and getattr(kind, "unit", None) == "ns"


def fine(unit: str) -> str:
    """Give the unit in which a database keeps times of this one."""
    return "ns" if unit == "ns" else "us"


def as_what(kind: Any, back: Any) -> str:
    """Say in words what differs in the same values of another type."""
    if kinds.is_timestamp(kind) and kind.tz not in {None, "UTC"}:
        return "the instant, without the name of its time zone"
    return next((why for is_kind, why in _WIDENED if is_kind(kind)), f"as {back}")


_WIDENED: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda kind: kinds.is_decimal(kind) and kind.precision > DIGITS, AS_DIGITS),
    (kinds.is_dictionary, "the values instead of their codes"),
    (kinds.is_run_end_encoded, "the values instead of their runs"),
    (lambda kind: kinds.is_timestamp(kind) or kinds.is_time(kind), "in microseconds"),
    (kinds.is_duration, "an interval of microseconds"),
    (kinds.is_null, "a column of nulls only"),
)
