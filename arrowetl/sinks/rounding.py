"""Numbers that a column of a table would round: a load ends where one comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import decoded
from arrowetl.errors import WriteError
from arrowetl.typemap import keeps, rounded, unfit

_LONGEST = 60


def exact(
    batches: pa.RecordBatchReader, into: Mapping[str, tuple[str, pa.DataType]], *, where: str
) -> Iterator[pa.RecordBatch]:
    """Give the batches as they are, unless a number comes that its column would round.

    Args:
        batches: the rows.
        into: for columns of the rows, what the table's is declared as, and its Arrow type.
        where: the sink, for errors.

    Raises:
        WriteError: there is one.

    >>> rows = pa.table({"id": [1, 2**53 + 1]}).to_reader()
    >>> list(exact(rows, {"id": ("DOUBLE", pa.float64())}, where="DuckDBLoader"))
    Traceback (most recent call last):
    arrowetl.errors.WriteError: DuckDBLoader: column 'id' has 9007199254740993, which the table's...
    """
    watched = [
        (column, declared, kind)
        for column, (declared, kind) in into.items()
        if not keeps(batches.schema.field(column).type, kind)
    ]
    for batch in batches:
        for column, declared, kind in watched:
            found = _lost(batch[column], kind)
            if found is not None:
                value = shown(batch[column].filter(found))
                raise WriteError(
                    f"{where}: column {column!r} has {value}, which the table's {declared} would "
                    f"round. Give the table's column a type that keeps it, load into another "
                    f"table, or cast the rows to {declared} before"
                )
        yield batch


def _lost(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Find the rows whose number the type hasn't; a floating one in an exact type by its digits."""
    if kinds.is_integer(kind):
        signed = kinds.is_signed_integer(kind)
        return unfit(column, scale=0, bits=kind.bit_width + (not signed))
    if kinds.is_decimal(kind):
        odd = pc.invert(pc.is_finite(decoded(column)))
        found = unfit(column, scale=kind.scale)
        found = odd if found is None else pc.or_(odd, found)
        return found if pc.any(found).as_py() else None  # small: one flag
    return rounded(column, kind)


def shown(values: pa.Array) -> str:
    """Give the first of some values as text, not too long."""
    text = str(values[0].as_py())  # small: one value
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
