"""What is read of a table, cut into ranges of a column."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from arrowetl.errors import SchemaError
from arrowetl.postgres.parameters import PREFIX, bind
from arrowetl.postgres.types import Read
from arrowetl.sources._postgres_read import Reading
from arrowetl.sql import name


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


def ranges(connection: Any, reading: Reading, read: Read, parts: int) -> list[Reading]:
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
    return [
        replace(
            reading,
            predicates=(*reading.predicates, predicate),
            settings=(*reading.settings, *settings),
        )
        for predicate in predicates
    ]


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
