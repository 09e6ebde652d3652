"""What a source promises."""

from __future__ import annotations

import gc
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from arrowetl.instances import Instance
from arrowetl.sql import names
from arrowetl.stage import Source
from arrowetl.testing.running import own_garbage, own_temporary_folder
from arrowetl.testing.values import check_value, same

Check = Callable[[Source], None]

_BATCH_ROWS = 3


def check_source(source: Source) -> None:
    """Put a source through all of `SOURCE_CHECKS`; it is read many times, so let it be small.

    Raises:
        AssertionError: it breaks a promise; says which.

    >>> from arrowetl.sources.memory import ArrowSource
    >>> check_source(ArrowSource(pa.table({"x": [1, 2, None]})))
    """
    for check in SOURCE_CHECKS:
        check(source)


def check_schema_is_what_arrives(source: Source) -> None:
    """Every batch has the schema that `schema` gave before."""
    wanted = source.schema()
    with source.reader(batch_size=_BATCH_ROWS) as reader:
        assert reader.schema.equals(wanted), f"{source.label}: reads {reader.schema}, not {wanted}"
        for batch in reader:
            assert batch.schema.equals(wanted), f"{source.label}: gave {batch.schema}, not {wanted}"
    assert source.schema().equals(wanted), f"{source.label}: has another schema after reading"


def check_reading_twice_gives_the_same(source: Source) -> None:
    """The same rows, in the same order."""
    first, second = source.reader().read_all(), source.reader().read_all()
    assert same(first, second), f"{source.label}: gave {second}, and {first} before"


def check_batch_size_is_kept(source: Source) -> None:
    """No batch is larger than asked for, and the rows don't depend on it."""
    whole = source.reader().read_all()
    with source.reader(batch_size=_BATCH_ROWS) as reader:
        batches = list(reader)
    if not _has_relation(source):
        sizes = [batch.num_rows for batch in batches]
        assert max(sizes, default=0) <= _BATCH_ROWS, f"{source.label}: gave batches of {sizes}"
    cut = pa.Table.from_batches(batches, source.schema())
    assert same(cut, whole), f"{source.label}: batches of {_BATCH_ROWS} give other rows"


def check_columns_are_those_asked_for(source: Source) -> None:
    """Asking for some columns, in some order, gives what selecting them afterwards would."""
    columns = source.schema().names[::-2] or source.schema().names
    whole = source.reader().read_all().select(columns)
    with _opened(source) as (connection, relation):
        if relation is not None:
            # Over a relation DuckDB picks the columns itself.
            some = connection.sql(f"SELECT {names(columns)} FROM ({relation})").to_arrow_table()
        else:
            batches = list(source.scan(columns=columns))
            some = pa.Table.from_batches(batches, whole.schema)
    assert same(some, whole), f"{source.label}: gave {some} for {columns}, not {whole}"


def check_row_count_is_right(source: Source) -> None:
    """Where the number of rows is said beforehand, it is the number that arrives."""
    said, read = source.row_count(), source.reader().read_all().num_rows
    assert said is None or said == read, f"{source.label}: said {said} rows and gave {read}"


def check_is_a_stream(source: Source) -> None:
    """Any Arrow library takes the source itself."""
    stream = pa.RecordBatchReader.from_stream(source).read_all()
    assert same(stream, source.reader().read_all()), f"{source.label}: streams other rows"


def check_source_is_a_value(source: Source) -> None:
    """Equal, hashed, pickled and printed by what it was made of; one that holds rows, pickled."""
    holds_rows = type(source).__eq__ is object.__eq__
    again = pickle.loads(pickle.dumps(source)) if holds_rows else check_value(source)  # noqa: S301
    assert again.schema().equals(source.schema()), f"{source.label}: a copy has another schema"


def check_source_abandoned_midway(source: Source) -> None:
    """A read that nobody ends leaves no file open and no temporary folder."""
    # Whole, so that connections which a source keeps for its next reads are open from here on.
    source.reader().read_all()
    files = _open_files()
    with own_garbage(), own_temporary_folder() as folder:
        reader = source.reader(batch_size=1)
        next(iter(reader), None)
        reader.close()
        del reader
        gc.collect()
        assert _open_files() <= files, f"{source.label}: left {_open_files() - files} files open"
        left = list(folder.iterdir())
    assert not left, f"{source.label}: left {left}"


@contextmanager
def _opened(source: Source) -> Iterator[tuple[duckdb.DuckDBPyConnection, str | None]]:
    with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
        relation = source.relation(Path(folder))
        with Instance(scratch=Path(folder), attached=source.attached) as connection:
            yield connection, relation


def _has_relation(source: Source) -> bool:
    with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
        return source.relation(Path(folder)) is not None


def _open_files() -> int:
    """Count open files, where the system says."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


SOURCE_CHECKS: tuple[Check, ...] = (
    check_schema_is_what_arrives,
    check_reading_twice_gives_the_same,
    check_batch_size_is_kept,
    check_columns_are_those_asked_for,
    check_row_count_is_right,
    check_is_a_stream,
    check_source_is_a_value,
    check_source_abandoned_midway,
)
