"""Arrow values without copies: empty batches, readers, batches cut to size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch of no rows.

    >>> empty_batch(pa.schema({"x": pa.int64()})).num_rows
    0
    """
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def reader_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Give a reader over batches that have `schema`; it can be read once.

    >>> schema = pa.schema({"x": pa.int64()})
    >>> reader_of(schema, [empty_batch(schema)]).read_all().num_rows
    0
    """
    return pa.RecordBatchReader.from_batches(schema, batches)


def rebatched(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Cut batches into ones of at most `rows` rows, as views of the same buffers.

    Small batches stay small: joining them would copy.

    >>> batch = pa.record_batch({"x": [1, 2, 3]})
    >>> [part.num_rows for part in rebatched([batch], 2)]
    [2, 1]
    """
    for batch in batches:
        if batch.num_rows <= rows:
            yield batch
        else:
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)


def unsliced(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the batch with no structs that have an offset, as a slice of a batch has.

    DuckDB 2.0 refuses them if there are structs inside. Only masks of nulls are copied, and only
    of those columns.

    >>> rows = pa.record_batch({"x": [{"a": {"b": 1}}, {"a": {"b": 2}}]}).slice(1)
    >>> unsliced(rows)["x"].offset, unsliced(rows).equals(rows)
    (0, True)
    """
    columns = [_unsliced(column) for column in batch.columns]
    if all(new is old for new, old in zip(columns, batch.columns, strict=True)):
        return batch
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _unsliced(column: pa.Array) -> pa.Array:
    kind = column.type
    if not column.offset or not pa.types.is_struct(kind) or not kind.num_fields:
        return column
    parts = [_unsliced(part) for part in column.flatten()]
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=column.is_null())


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the batch with exactly `schema`; only metadata and nullability may differ.

    Raises:
        ValueError: names or types differ.

    >>> conform(pa.record_batch({"x": [1]}), pa.schema({"x": pa.int64()})).num_rows
    1
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    if batch.schema.names != schema.names:
        raise ValueError(f"columns {batch.schema.names} where {schema.names} were promised")
    for have, want in zip(batch.schema, schema, strict=True):
        if have.type != want.type:
            raise ValueError(f"column {want.name!r} is {have.type} where {want.type} was promised")
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
