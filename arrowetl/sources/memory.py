"""What is in memory already: `ArrowSource`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from arrowetl.arrow import conform, reader_from, rebatched, refuse_addresses
from arrowetl.errors import ConfigError, ReadError, SchemaError, describe
from arrowetl.nesting import plain_words, plainly_worded_schema
from arrowetl.sources._python_values import MISFITS, array, infer
from arrowetl.stage import BATCH_ROWS, Source, require

PAIR = 2


@dataclass(frozen=True, eq=False, repr=False)
class ArrowSource(Source):
    """Read rows that an Arrow library holds or streams, without a copy.

    A table, a batch or a data frame can be read again and again. A reader or an iterator is
    read once; a second time is a ReadError. A pandas index is what pandas makes of it, a column,
    unless it has no name and only counts the rows.

    Args:
        obj: a `pa.Table`, `pa.RecordBatch` or `pa.RecordBatchReader`; a pair of a schema and its
            batches (a list, an iterator, a generator); a dict of columns (lists, NumPy arrays,
            series); a lazy frame of Polars, which is computed as it is read; or anything with
            `__arrow_c_stream__` or `__arrow_c_array__`: frames of Polars and pandas, a DuckDB
            relation, a pipeline. Rows of Python objects are for `PythonSource`.

    Raises:
        ConfigError: it is none of those.

    >>> source = ArrowSource(pa.table({"id": [1, 2]}))
    >>> source.schema()
    id: int64
    """

    obj: Any

    def __post_init__(self) -> None:
        """Say at once what can't be read; open nothing."""
        object.__setattr__(self, "_held", _Held(_opener(self.obj)))

    def schema(self) -> pa.Schema:
        """Give the schema; a stream is opened for it, and read from there by `scan`.

        Raises:
            ReadError: it was read already, or its owner can't give it.
            SchemaError: two columns have one name.
        """
        if isinstance(self.obj, pa.Table | pa.RecordBatch | pa.RecordBatchReader):
            schema = self.obj.schema
        elif _is_pair(self.obj):
            schema = self.obj[0]
        else:
            schema = self._source.peek(self.label).schema
        require(schema, (), where=self.label)
        return plainly_worded_schema(schema)

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give views of the batches, with only `columns`, and at most `batch_size` rows in each.

        Raises:
            ReadError: it was read already, or its owner fails.
            SchemaError: a column isn't there.
        """
        schema = self.schema()
        require(schema, columns or (), where=self.label)
        batches = rebatched(self._source.take(self.label), batch_size)
        return (batch if columns is None else batch.select(list(columns)) for batch in batches)

    def row_count(self) -> int | None:
        """Give the rows of a table or a batch; None for what streams."""
        known = isinstance(self.obj, pa.Table | pa.RecordBatch)
        return self.obj.num_rows if known else None

    @property
    def label(self) -> str:
        """The class and what it reads."""
        kind = type(self.obj[1] if _is_pair(self.obj) else self.obj)
        return f"{type(self).__name__}({kind.__module__.split('.')[0]}.{kind.__qualname__})"

    @property
    def size(self) -> int | None:
        """Bytes of a table or a batch; None for what streams."""
        known = isinstance(self.obj, pa.Table | pa.RecordBatch)
        return self.obj.nbytes if known else None

    @property
    def _source(self) -> _Held:
        return self.__dict__["_held"]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return self.label

    def __reduce__(self) -> tuple[type[ArrowSource], tuple[Any]]:
        return type(self), (self.obj,)


class _Stream:
    """A schema, and batches that have it."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.schema = schema
        self.batches = batches


class _Held:
    """Opens streams, and keeps one that was opened for its schema until it is read."""

    def __init__(self, open_one: Callable[[], _Stream]) -> None:
        self._open = open_one
        self._opened: _Stream | None = None

    def peek(self, label: str) -> _Stream:
        """Give the stream that `take` will give next."""
        if self._opened is None:
            try:
                self._opened = self._open()
            except (pa.ArrowException, ReadError) as error:
                bare = getattr(error, "bare", None)
                raise ReadError(f"{label}: {error}", bare=bare and f"{label}: {bare}") from error
        return self._opened

    def take(self, label: str) -> Iterator[pa.RecordBatch]:
        """Give the batches of a stream, as they come."""
        stream = self.peek(label)
        self._opened = None
        return _checked(stream, label)


def _checked(stream: _Stream, label: str) -> Iterator[pa.RecordBatch]:
    schema = plainly_worded_schema(stream.schema)
    for number, batch in enumerate(stream.batches):
        if not isinstance(batch, pa.RecordBatch):
            raise ReadError(
                f"{label}: batch {number} is {describe(batch)}, not a RecordBatch",
                bare=f"{label}: batch {number} is a {type(batch).__name__}, not a RecordBatch",
            )
        try:
            given = conform(batch, stream.schema)
        except ValueError as error:
            raise SchemaError(f"batch {number}: {error}", where=label) from error
        if schema is not stream.schema:
            given = pa.RecordBatch.from_arrays(list(map(plain_words, given.columns)), schema=schema)
        yield given


def _opener(obj: Any) -> Callable[[], _Stream]:
    """Give what opens a stream over the object.

    Raises:
        ConfigError: nothing does.
    """
    if isinstance(obj, pa.RecordBatchReader):
        return _once(obj.schema, obj)
    if isinstance(obj, pa.Table):
        return lambda: _Stream(obj.schema, obj.to_batches())
    if isinstance(obj, pa.RecordBatch):
        return lambda: _Stream(obj.schema, [obj])
    if _is_pair(obj):
        schema, batches = obj
        again = iter(batches) is not batches
        return (lambda: _Stream(schema, batches)) if again else _once(schema, batches)
    return _foreign_opener(obj)


def _foreign_opener(obj: Any) -> Callable[[], _Stream]:
    if isinstance(obj, type):
        raise ConfigError(f"ArrowSource: reads an object, and {obj.__qualname__} is a class")
    if isinstance(obj, Mapping):
        _refuse_record(obj)
        return lambda: _reader(_table_of(obj).to_reader())
    if hasattr(obj, "collect_batches") and hasattr(obj, "collect_schema"):
        return lambda: _lazy(obj)
    if hasattr(obj, "__arrow_c_stream__"):
        return lambda: _streamed(obj)
    if hasattr(obj, "__arrow_c_array__"):
        return lambda: _reader(pa.table(pa.record_batch(obj)).to_reader())
    raise ConfigError(_refusal(obj))


def _refuse_record(obj: Mapping[str, Any]) -> None:
    """Raise ConfigError for a dict that is a record, or an answer with records in it."""
    lone = [key for key, values in obj.items() if not _is_listed(values)]
    if not lone:
        return
    lists = [key for key, values in obj.items() if isinstance(values, list)]
    kept = [key for key in lists if all(isinstance(each, Mapping) for each in obj[key])]
    advice = [f"for the records in it give the list: obj[{key!r}]" for key in kept[:1]]
    raise ConfigError(
        f"{ArrowSource.__name__}: a dict is columns of lists, and its {lone[0]!r} is "
        f"{describe(obj[lone[0]])}; {', '.join([*advice, 'for one record give a list: [obj]'])}"
    )


def _is_listed(values: Any) -> bool:
    if isinstance(values, str | bytes | Mapping):
        return False
    return any(hasattr(values, each) for each in ("__iter__", "__array__", "__arrow_c_array__"))


def _streamed(obj: Any) -> _Stream:
    refuse_addresses(obj, getattr(obj, "schema", {}))
    try:
        return _reader(reader_from(obj))
    except (ValueError, TypeError, pa.ArrowException) as error:
        bare = f"a {type(obj).__name__} that Arrow can't read as a table"
        if hasattr(obj, "to_frame"):
            bare += "; of one column make one with .to_frame()"
        raise ReadError(f"{bare} ({': '.join(map(str, error.args))})", bare=bare) from error


def _table_of(columns: Mapping[str, Any]) -> pa.Table:
    arrays = {str(name): _column(str(name), values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {rows:,}" for name, rows in lengths.items())
        raise SchemaError(f"columns of one table have as many values: {listed}")
    return pa.Table.from_arrays(list(arrays.values()), names=list(arrays))


def _column(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    """Give a column; NumPy's numbers and Arrow's arrays as they are."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    try:
        if isinstance(values, Sequence) and not isinstance(values, str | bytes):
            return array(values, infer(values))
        return pa.array(values)
    except MISFITS as error:
        raise SchemaError(f"column {name!r}: {error}", column=name) from error


def _lazy(frame: Any) -> _Stream:
    """Compute a lazy frame of Polars, part by part."""
    schema = frame.collect_schema()
    refuse_addresses(frame, schema)
    empty = pa.RecordBatchReader.from_stream(schema.to_frame())
    parts = (pa.RecordBatchReader.from_stream(part) for part in frame.collect_batches())
    return _Stream(empty.schema, chain.from_iterable(parts))


def _reader(reader: pa.RecordBatchReader) -> _Stream:
    return _Stream(reader.schema, reader)


def _once(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Callable[[], _Stream]:
    left = [_Stream(schema, batches)]

    def opened() -> _Stream:
        if not left:
            raise ReadError(
                "this reader can be read once, and it was; read it into a table (read_all()) to "
                "read it again"
            )
        return left.pop()

    return opened


def _is_pair(obj: Any) -> bool:
    return (
        isinstance(obj, tuple)
        and len(obj) == PAIR
        and isinstance(obj[0], pa.Schema)
        and isinstance(obj[1], Iterable)
    )


def _refusal(obj: Any) -> str:
    if isinstance(obj, Iterator):
        return (
            "ArrowSource: an iterator has no schema before it runs; give both: "
            "ArrowSource((schema, batches)); rows of Python objects are for PythonSource"
        )
    return (
        f"ArrowSource: {describe(obj)} is no Arrow data: give a table, a reader, a pair "
        "(schema, batches), or an object with __arrow_c_stream__; rows of Python objects are for "
        "PythonSource"
    )
