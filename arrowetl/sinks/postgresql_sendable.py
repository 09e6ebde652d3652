"""Values that COPY can't take at all: found before they are sent, while that is cheap."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import scalar

_FIRST_SECOND = -210_866_803_200
"""4714-11-24 before Christ: no date or timestamp of PostgreSQL's is earlier."""
_LAST = (2**63 - 1) // 1_000_000 - 1
_A_DAY = 86_400


def beyond(column: pa.Array, most: int) -> pa.Array | None:
    """Find integers that a type can't hold whose greatest is `most`; None if it holds all.

    >>> beyond(pa.array([1, None, 40_000, -32_769]), 32_767).to_pylist()
    [False, False, True, True]
    """
    ends = pc.min_max(column).as_py()  # small: two numbers
    if ends["max"] is None or -most - 1 <= ends["min"] <= ends["max"] <= most:
        return None
    limits = [scalar(limit, column.type) for limit in (-most - 1, most)]
    outside = pc.or_(pc.less(column, limits[0]), pc.greater(column, limits[1]))
    return pc.fill_null(outside, fill_value=False)


def unsendable(column: pa.ChunkedArray) -> tuple[Any, str, str] | None:
    r"""Find values that COPY can't take at all: which, the SQLSTATE, why; None if there can't be.

    >>> unsendable(pa.chunked_array([["a", "b\0"]]))[0].to_pylist()
    [False, True]
    """
    kind = column.type
    if kinds.is_string_view(kind):
        column, kind = column.cast(pa.large_string()), pa.large_string()
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        return pc.match_substring(column, "\0"), "22021", "PostgreSQL keeps no NUL in text"
    if kinds.is_date32(kind):
        column, per_second, last = column.cast(pa.int32()), 1, 2_145_042_905
        first = _FIRST_SECOND // _A_DAY
    elif kinds.is_timestamp(kind) and kind.unit != "ns":
        per_second = {"s": 1, "ms": 1000, "us": 1_000_000}[kind.unit]
        first, last = _FIRST_SECOND * per_second, _LAST * per_second
        column = column.cast(pa.int64())
    else:
        return None
    limits = [scalar(limit, column.type) for limit in (first, last)]
    outside = pc.or_(pc.less(column, limits[0]), pc.greater(column, limits[1]))
    return outside, "22008", f"{kind} out of PostgreSQL's range"
