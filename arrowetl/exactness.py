"""Values that are what was read, or the statement ends: macros that every connection has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import duckdb
import pyarrow as pa

from arrowetl.errors import InexactError, ReadError
from arrowetl.sql import literal

Batches: TypeAlias = Iterator[pa.RecordBatch]

CHANGED = "a value would be rounded or cut"
"""What a statement that comes upon one ends with."""

_OTHERWISE = {
    "number(value, read, beyond)": "value::DOUBLE IS DISTINCT FROM read OR abs(read) >= beyond",
    "size(value, read)": "isinf(value) OR value IS NULL AND read IS NOT NULL",
    "time(value, read)": "value::TIMESTAMP IS DISTINCT FROM read",
    "text(value, read, plain)": (
        "read IS NOT NULL AND (value IS NULL OR NOT regexp_full_match(read, plain))"
    ),
    "parts(value, read, wider, again)": (
        "read IS NOT NULL AND (value IS NULL OR again IS DISTINCT FROM wider)"
    ),
}
"""Macros that give `value`, by what they take, with what must not be true of it.

`number` knows it by the double that was read, where that is exact; `size` is for floats, `time`
for dates and coarser times by the date-time that was read; `text` by how plain texts look; `parts`
by what comes of wider types.
"""

MACROS = ";".join(
    f"CREATE MACRO exact_{macro} AS CASE WHEN {test} THEN error({literal(CHANGED)}) ELSE value END"
    for macro, test in _OTHERWISE.items()
)


@contextmanager
def exactly(source: str) -> Iterator[None]:
    """Raise InexactError where a statement came upon a value that `source` would have changed."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if CHANGED not in str(error):
            raise
        said = (
            f"{source}: {CHANGED}: careful=True rejects its line, and schema= (DOUBLE, or VARCHAR) "
            "makes room for it"
        )
        raise InexactError(said, bare=said) from error


def resumed(batches: Batches, again: Callable[[int], Batches | None]) -> Batches:
    """Give batches; where they end in an InexactError, those that come another way, from there.

    Args:
        batches: the first way.
        again: gives the same rows in the same order from the beginning, for how many are known;
            None if it can't.

    Raises:
        ReadError: it gives fewer rows than are known: the source has changed.
    """
    known = 0
    try:
        for batch in batches:
            known += batch.num_rows
            yield batch
    except InexactError:
        rest = again(known)
        if rest is None:
            raise
    else:
        return
    for batch in rest:
        seen = min(known, batch.num_rows)
        known -= seen
        if seen < batch.num_rows or not known:
            yield batch.slice(seen)
    if known:
        raise ReadError(f"the source has changed while it was read: {known:,} rows are gone")
