"""Python functions over the groups of a column, each as one NumPy array."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import reader_of
from arrowetl.errors import SchemaError
from arrowetl.instances import Instance
from arrowetl.sql import INPUT, STREAM, name
from arrowetl.transforms._aggregates import ROW

SIZE = "arrowetl:size"
"""The column with a group's number of rows."""

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Grouping:
    """What it takes to run functions over groups, bound to a schema.

    Attributes:
        groups: the SELECT over `input` that gives a row a group, in the groups' order, and the
            group's size in the column SIZE.
        rows: the SELECT over `input` that gives the groups' rows, with their numbers in ROW.
        order: what `rows` has to be ordered by so that its groups come in the same order.
        functions: column and function, by the name of what they give.
        schema: what comes out.
    """

    groups: str
    rows: str
    order: Sequence[str]
    functions: Mapping[str, tuple[str, Function]]
    schema: pa.Schema

    def run(self, batches: Iterator[pa.RecordBatch], before: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give the groups. The rows are held by DuckDB, and spilled to disk where memory ends."""
        with (
            tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
            Instance(scratch=Path(folder)) as connection,
        ):
            connection.register(STREAM, reader_of(before, batches))
            connection.execute(f"CREATE TEMP TABLE {INPUT} AS SELECT * FROM {name(STREAM)}")
            table = connection.sql(self.groups).to_arrow_table()
            sizes = table[SIZE].to_numpy()
            for made, (column, function) in self.functions.items():
                with self._sorted(connection, column) as reader:
                    results = [
                        None if values is None else function(values)
                        for values in _arrays(reader, sizes)
                    ]
                kind = self.schema.field(made).type
                table = table.append_column(made, pa.array(results, kind))
            yield from table.select(self.schema.names).to_batches(max_chunksize=65_536)

    def _sorted(self, connection: duckdb.DuckDBPyConnection, column: str) -> pa.RecordBatchReader:
        order = ", ".join([*self.order, name(ROW)])
        return connection.sql(
            f"SELECT {name(column)} FROM ({self.rows}) ORDER BY {order}"
        ).to_arrow_reader(65_536)


def _arrays(batches: Iterable[pa.RecordBatch], sizes: Iterable[Any]) -> Iterator[Any]:
    """Cut a sorted column into its groups, as views unless they span batches or have nulls."""
    batch_of = (batch.column(0) for batch in batches)
    rest: Any = None
    for size in sizes:
        parts, missing = [], int(size)
        while missing:
            while rest is None or len(rest) == 0:
                rest = next(batch_of)
            parts.append(rest.slice(0, missing))
            rest = rest.slice(len(parts[-1]))
            missing -= len(parts[-1])
        joined = parts[0] if len(parts) == 1 else pa.concat_arrays(parts) if parts else pa.nulls(0)
        values = joined.drop_null()
        yield values.to_numpy(zero_copy_only=False) if len(values) else None


def result_type(function: Function, field: pa.Field, *, where: str) -> pa.DataType:
    """Find the type of what a function gives, by calling it on an array of one value.

    Raises:
        SchemaError: the column's values don't fit a NumPy array, or the function fails on it.

    >>> import numpy as np
    >>> result_type(np.ptp, pa.field("x", pa.int16()), where="Aggregator")
    DataType(int16)
    """
    refuse_objects(field, where=where)
    one = pa.array([kinds.is_boolean(field.type) or 1], field.type)
    try:
        return pa.scalar(function(one.to_numpy(zero_copy_only=False))).type
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise SchemaError(
            f"{_named(function)} failed on one value of column {field.name!r} "
            f"({type(error).__name__}: {error}), so its type isn't known; state it in returns",
            where=where,
            column=field.name,
        ) from error


def refuse_objects(field: pa.Field, *, where: str) -> None:
    """Raise SchemaError for a column whose values would become Python objects.

    >>> refuse_objects(pa.field("x", pa.string()), where="Aggregator")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: Aggregator: column 'x' is string, which no NumPy array holds ...
    """
    kind = field.type
    fits = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_timestamp)
    if not any(fit(kind) for fit in (*fits, kinds.is_date, kinds.is_duration)):
        raise SchemaError(
            f"column {field.name!r} is {kind}, which no NumPy array holds as it is; "
            "use SQL, or cast it before",
            where=where,
            column=field.name,
        )


def _named(function: Function) -> str:
    return getattr(function, "__name__", None) or repr(function)
