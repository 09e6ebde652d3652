"""Numbers that a column of a table would round: a load ends where one comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from arrowetl.errors import WriteError
from arrowetl.typemap import keeps, rounded

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
            found = rounded(batch[column], kind)
            if found is not None:
                value = shown(batch[column].filter(found))
                raise WriteError(
                    f"{where}: column {column!r} has {value}, which the table's {declared} would "
                    f"round. Give the table's column a type that keeps it, load into another "
                    f"table, or cast the rows to {declared} before"
                )
        yield batch


def shown(values: pa.Array) -> str:
    """Give the first of some values as text, not too long."""
    text = str(values[0].as_py())  # small: one value
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
