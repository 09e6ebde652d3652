"""Arrow values without copies: empty batches, readers, batches cut to size, views by NumPy.

The views share their column's buffer and keep it alive; nothing can be written through them.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ReadError, SchemaError
from arrowetl.nesting import plain_words

Flags = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float32]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch of no rows.

    >>> empty_batch(pa.schema({"x": pa.int64()})).num_rows
    0
    """
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def require(schema: pa.Schema, columns: Iterable[str], *, where: str) -> None:
    """Raise SchemaError for the first of `columns` that the schema lacks, or has twice.

    >>> require(pa.schema({"a": pa.int64()}), ["A"], where="Select")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: Select: no column 'A'; did you mean 'a'? Columns: a
    """
    times = Counter(schema.names)
    for column in columns:
        if column not in times:
            raise SchemaError.missing(column, schema.names, where=where)
    duplicate = next((column for column in times if times[column] > 1), None)
    if duplicate is not None:
        raise SchemaError(f"two columns are called {duplicate!r}", where=where, column=duplicate)


def reader_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Give a reader over batches that have `schema`; it can be read once.

    >>> schema = pa.schema({"x": pa.int64()})
    >>> reader_of(schema, [empty_batch(schema)]).read_all().num_rows
    0
    """
    return pa.RecordBatchReader.from_batches(schema, batches)


def reader_from(data: Any) -> pa.RecordBatchReader:
    """Give a reader of what has `__arrow_c_stream__`; of ours it raises what is raised there.

    The C interface passes on texts alone.

    >>> reader_from(pa.table({"x": [1]})).read_all().num_rows
    1
    """
    if isinstance(data, pa.RecordBatchReader):
        return data
    own = getattr(data, "reader", None)
    if callable(own):
        return own()
    if _has_named_range(data):
        return pa.Table.from_pandas(data, preserve_index=True).to_reader()
    return pa.RecordBatchReader.from_stream(data)


def _has_named_range(data: Any) -> bool:
    """Say whether it's a frame of pandas with an index that pandas leaves out, name and all.

    `set_index` makes a RangeIndex of a column whose values are evenly spaced, by chance perhaps.
    """
    index = getattr(data, "index", None)
    is_frame = type(data).__module__.partition(".")[0] == "pandas"
    return is_frame and type(index).__name__ == "RangeIndex" and index.name is not None  # type: ignore[union-attr]


def refuse_addresses(frame: Any, schema: Mapping[str, Any]) -> None:
    """Raise ReadError for Polars' columns of Python objects: of those it gives the addresses."""
    for column, kind in schema.items() if type(frame).__module__.startswith("polars.") else ():
        if str(kind) == "Object":
            raise ReadError(
                f"column {column!r} has Python objects (Polars' Object), which Arrow can't read; "
                "make another type of it, or drop it"
            )


_UNDECIDED = b"arrowetl:undecided"


def as_undecided(schema: pa.Schema) -> pa.Schema:
    """Give a schema whose texts may turn out to be of other types, once there are rows.

    >>> undecided(as_undecided(pa.schema({"x": pa.string()})))
    True
    """
    return schema.with_metadata({**(schema.metadata or {}), _UNDECIDED: b""})


def undecided(schema: pa.Schema) -> bool:
    """Say whether the rows will decide which types the schema's texts have."""
    return _UNDECIDED in (schema.metadata or {})


def texts(values: Sequence[str | None]) -> pa.StringArray:
    """Give a few texts as an array, without what `pa.array` does first: import pandas.

    Wherever that is installed, Arrow imports it (0.3 s) to see whether a Python value is its.

    >>> texts(["é", None, ""]).to_pylist()
    ['é', None, '']
    """
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = accumulate(map(len, encoded), initial=0)
    there = sum(1 << at for at, value in enumerate(values) if value is not None)
    buffers = [
        there.to_bytes(len(encoded) // 8 + 1, "little"),
        struct.pack(f"={len(encoded) + 1}i", *ends),
        b"".join(encoded),
    ]
    return pa.Array.from_buffers(pa.string(), len(encoded), list(map(pa.py_buffer, buffers)))


def scalar(value: str | int | datetime | None, kind: pa.DataType) -> pa.Scalar:
    """Give a value of a type, as `pa.scalar` does, without importing pandas: see `texts`.

    >>> scalar("x", pa.string()), scalar(3, pa.int32()), scalar(None, pa.date32())
    (<pyarrow.StringScalar: 'x'>, <pyarrow.Int32Scalar: 3>, <pyarrow.Date32Scalar: None>)
    >>> scalar(datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc), pa.timestamp("us", "UTC")).value
    1000000
    """
    if value is None:
        return pa.nulls(1, kind)[0]
    if isinstance(value, str):
        return texts([value]).cast(kind)[0]
    if isinstance(value, datetime):
        value = (value - _EPOCH) // timedelta(microseconds=1)
        return _whole(value).view(pa.timestamp("us", "UTC")).cast(kind)[0]
    return _whole(value).cast(kind)[0]


def _whole(value: int) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(struct.pack("=q", value))])


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


def decoded(column: pa.Array) -> pa.Array:
    """Give the values of a dictionary, or of runs; any other column as it is.

    >>> decoded(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist()
    ['a', None, 'a']
    """
    import pyarrow.compute as pc

    column = plain_words(column)
    while kinds.is_dictionary(column.type) or kinds.is_run_end_encoded(column.type):
        if kinds.is_dictionary(column.type):
            column = column.dictionary_decode()
        else:
            column = pc.run_end_decode(column)
    return column


def flags_array(flags: Flags) -> pa.Array | None:
    """Give flags as Arrow's, if any is set, without importing pandas: see `texts`.

    >>> flags_array(np.array([False])) is None, flags_array(np.array([True, False])).to_pylist()
    (True, [True, False])
    """
    if not flags.any():
        return None
    bits = pa.py_buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits])


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


# --- views by NumPy -----------------------------------------------------------------------------


def view(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Give a numeric column without nulls as an array over the same buffer; never a copy.

    Whole and floating numbers, timestamps and durations. A slice gives its part of the buffer.
    Several chunks are several buffers: view each, or copy them together
    (`combine_chunks`).

    Raises:
        ValueError: that can't be had without a copy; says why, and what gives it with one.

    >>> column = pa.array([1, 2, 3, 4]).slice(1)
    >>> numbers = view(column)
    >>> numbers.tolist(), numbers.ctypes.data == column.buffers()[1].address + 8
    ([2, 3, 4], True)
    """
    one = _one_chunk(column)
    if one.null_count:
        raise ValueError(
            f"{one.null_count} of {len(one)} values are null, and NumPy has none: masked() gives "
            "values and a mask, matrix() gives NaN"
        )
    return masked(one)[0]


def masked(column: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[Any], Flags | None]:
    """Give a numeric column as `view` does, with a mask that is true for nulls; None without any.

    The values are a view; behind a null is whatever lies there. The mask is a copy: Arrow keeps a
    bit a row where NumPy needs a byte.

    Raises:
        ValueError: see `view`.

    >>> numbers, nulls = masked(pa.array([1.5, None, 3.5]))
    >>> numbers[~nulls].tolist(), nulls.tolist()
    ([1.5, 3.5], [False, True, False])
    """
    one = _one_chunk(column)
    _refuse_unviewable(one.type)
    nulls = one.is_null().to_numpy(zero_copy_only=False) if one.null_count else None
    if nulls is not None:
        one = pa.Array.from_buffers(one.type, len(one), [None, one.buffers()[1]], 0, one.offset)
    return one.to_numpy(), nulls


def vectors(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Give a column of lists of one fixed length as a 2-D array over the same buffer; no copy.

    Returns:
        shape (rows, length), C order.

    Raises:
        ValueError: it holds something else, or nulls (of lists or in them), or has several chunks.

    >>> column = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))
    >>> vectors(column).tolist(), vectors(column.slice(1)).tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [[3.0, 4.0]])
    """
    one = _one_chunk(column)
    if not kinds.is_fixed_size_list(one.type):
        raise ValueError(f"{one.type} has no one length of lists; cast it to pa.list_(type, n)")
    if one.null_count:
        raise ValueError(f"{one.null_count} of {len(one)} lists are null; drop or fill them first")
    length = one.type.list_size
    return view(one.values.slice(one.offset * length, len(one) * length)).reshape(len(one), length)


def vector_column(matrix: npt.NDArray[Any]) -> pa.FixedSizeListArray:
    """Give the rows of a 2-D array as a column of lists; the reverse of `vectors`.

    It shares the array's memory where that is in C order. Else one copy is made, since Arrow's
    values of a list lie one after the other.

    >>> matrix = np.array([[1, 2], [3, 4]], np.float32)
    >>> column = vector_column(matrix)
    >>> column.type, vectors(column).ctypes.data == matrix.ctypes.data
    (FixedSizeListType(fixed_size_list<item: float>[2]), True)
    """
    flat = np.ascontiguousarray(matrix).reshape(-1)
    values = pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), len(flat), [None, _held(flat)])
    kind = pa.list_(values.type, matrix.shape[1])
    return pa.Array.from_buffers(kind, len(matrix), [None], 0, 0, [values])


def matrix(batch: pa.RecordBatch, columns: Sequence[str] | None = None) -> Matrix:
    """Give numeric columns side by side as 32-bit floats, a row a row; nulls are NaN.

    One copy is made, of 4 bytes a value: Arrow keeps each column by itself. None is made, and the
    array can't be written to, where the batch is laid out for it: one column of lists of 32-bit
    floats (`vectors`), or 32-bit floats without nulls that lie at equal distances in one buffer, as
    `side_by_side` makes them. Decimals and 64-bit numbers are rounded to the nearest 32-bit float;
    what is larger than any becomes infinite. Booleans are 0 and 1. Beside the result, decimals and
    dictionaries take 8 bytes for each value of one column.

    Args:
        batch: where the columns are.
        columns: their names; all if None.

    Returns:
        shape (rows, columns), C order where it is a copy.

    Raises:
        ValueError: a column holds no numbers.

    >>> matrix(pa.record_batch({"a": [1, 2], "b": [0.5, None]})).tolist()
    [[1.0, 0.5], [2.0, nan]]
    """
    chosen = batch.columns if columns is None else [batch[each] for each in columns]
    if len(chosen) == 1 and _holds_vectors(chosen[0].type):
        return vectors(chosen[0])
    laid_out = _at_equal_distances(chosen)
    if laid_out is not None:
        return laid_out
    found = np.empty((batch.num_rows, len(chosen)), np.float32)
    with np.errstate(over="ignore"):
        for at, column in enumerate(chosen):
            numbers, nulls = masked(as_numbers(column))
            found[:, at] = numbers
            if nulls is not None:
                found[nulls, at] = np.nan
    return found


def side_by_side(matrix: npt.NDArray[Any], names: Sequence[str]) -> pa.RecordBatch:
    """Give the columns of a 2-D array as a batch over one buffer, which `matrix` then views.

    It shares the array's memory where that is in Fortran order, columns one after the other. Else
    one copy is made.

    >>> made = side_by_side(np.asfortranarray([[1, 2], [3, 4]], np.float32), ["a", "b"])
    >>> made["b"].to_pylist(), matrix(made).flags.writeable
    ([2.0, 4.0], False)
    """
    flat = np.asfortranarray(matrix).reshape(-1, order="F")
    rows, kind, held = len(matrix), pa.from_numpy_dtype(flat.dtype), _held(flat)
    parts = [
        pa.Array.from_buffers(kind, rows, [None, held], 0, at * rows) for at in range(len(names))
    ]
    return pa.RecordBatch.from_arrays(parts, names=list(names))


def as_numbers(column: pa.Array) -> pa.Array:
    """Give a column whose values `masked` can view: itself, unless it needs a copy to be one.

    Booleans become bytes, decimals doubles, and a dictionary its words, if they are numbers.

    Raises:
        ValueError: it holds no numbers.

    >>> as_numbers(pa.array([True, None])).type
    DataType(uint8)
    """
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_boolean(column.type):
        return column.cast(pa.uint8())
    if kinds.is_decimal(column.type):
        return column.cast(pa.float64(), safe=False)
    if kinds.is_null(column.type):
        return column.cast(pa.float32())
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        raise ValueError(f"{column.type} is no number; cast it")
    return column


def _one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks > 1:
        raise ValueError(
            f"{column.num_chunks} chunks are as many buffers; view each of .chunks, or copy them "
            "together by .combine_chunks()"
        )
    return column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)


def _refuse_unviewable(kind: pa.DataType) -> None:
    if kinds.is_boolean(kind):
        raise ValueError("booleans are bits, of which NumPy has no view; as_numbers() copies them")
    if kinds.is_dictionary(kind):
        raise ValueError("a dictionary has its words elsewhere; view(.indices), or as_numbers()")
    if kinds.is_decimal(kind):
        raise ValueError(f"NumPy has no {kind}; as_numbers() copies them as doubles")
    if kinds.is_date(kind) or kinds.is_time(kind):
        raise ValueError(
            f"NumPy's are of another size than {kind}; .view('int32' or 'int64') first"
        )
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or _is_instant(kind)):
        raise ValueError(f"{kind} is no number; NumPy has no view of it")


def _is_instant(kind: pa.DataType) -> bool:
    return bool(kinds.is_timestamp(kind) or kinds.is_duration(kind))


def _holds_vectors(kind: pa.DataType) -> bool:
    return kinds.is_fixed_size_list(kind) and bool(kind.value_type == pa.float32())


def _at_equal_distances(columns: Sequence[pa.Array]) -> Matrix | None:
    """Give a view of columns that are slices of one buffer, each as far behind the one before."""
    if len(columns) < 1 or not len(columns[0]):
        return None
    if any(each.type != pa.float32() or each.null_count for each in columns):
        return None
    buffers = [each.buffers()[1] for each in columns]
    if len({(each.address, each.size) for each in buffers}) > 1:
        return None  # beside each other by chance: nothing would keep the others alive
    starts = [each.offset for each in columns]
    steps = set(np.diff(starts).tolist()) or {0}
    if len(steps) > 1 or min(steps) < 0:
        return None
    rows, size = len(columns[0]), 4
    numbers = np.frombuffer(buffers[0], np.float32)[starts[0] :]
    return np.lib.stride_tricks.as_strided(
        numbers, (rows, len(columns)), (size, size * steps.pop()), writeable=False
    )


def _held(flat: npt.NDArray[Any]) -> pa.Buffer:
    """Give an array's memory as a buffer that keeps the array alive."""
    return pa.py_buffer(flat)
