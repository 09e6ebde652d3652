"""ParquetLoader: a Parquet file, or a folder of them, that appears all at once."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arguments import whole
from arrowetl.arrow import empty_batch, reader_of
from arrowetl.duck import describing
from arrowetl.errors import (
    ConfigError,
    OccupiedError,
    SchemaError,
    WriteError,
    closest,
    did_you_mean,
)
from arrowetl.instances import Instance
from arrowetl.sinks.feed import MEMORY, Feed, choice, column_names, path_text, writing
from arrowetl.sinks.folders import partitions_of
from arrowetl.sinks.parquet_files import Layout, coded
from arrowetl.sinks.places import Place, Stage, diagnosed, place_of, tried_out
from arrowetl.sql import INPUT, literal, names
from arrowetl.stage import Finding, Mode, Sink, require
from arrowetl.stores.s3 import Store, is_s3
from arrowetl.tunable import Knob
from arrowetl.typemap import (
    Stored,
    copy_safe,
    duck_types,
    duckable,
    duckable_schema,
    parquet_columns,
    writable,
)

# What DuckDB calls each codec; pyarrow calls them as we do.
_GROUP_ROWS = 122_880
_CODECS = {
    "zstd": "zstd",
    "snappy": "snappy",
    "gzip": "gzip",
    "brotli": "brotli",
    "lz4": "lz4_raw",
    "none": "uncompressed",
}
_HAVE_LEVELS = {"zstd", "gzip", "brotli"}


@dataclass
class _Run:
    stage: Stage | None = None
    stem: str = "part"
    is_folder: bool = False


@dataclass(frozen=True, repr=False)
class ParquetLoader(Sink):
    """Write a Parquet file, or a folder of Parquet files, that appears all at once.

    It is a folder if the path ends in ``/`` or is one already, with `partition_by`, with
    `max_file_bytes`, and in mode ``append``; else one file. Rows are written beside the
    destination, under a hidden name, and renamed at the commit: whoever reads it sees the old
    rows or the new ones, and a run that was killed leaves nothing that the next doesn't remove.

    Memory holds about one row group a thread, and one an open partition. Arrow types come back
    as they were written, but for views inside nested types, which become plain text and bytes.

    In a store rows wait in the system's temporary folder, and are uploaded at the commit. One
    object appears all at once. Of several each does, one after the other, within moments, and in
    mode ``replace`` beside the old ones until those are removed; a run that is killed meanwhile is
    undone, or finished, by the next.

    Args:
        path: where to: a path, or an `s3://` URL.
        mode: ``error`` if nothing may be there; ``replace`` it; ``append`` files to a folder that
            has the same `partition_by`. A file has no keys, so there is no ``upsert``.
        partition_by: columns that become folders, ``year=2024/``: text, whole numbers, dates
            and booleans. Files don't hold them, and rows with a null are in a folder of their
            own. Without rows the folder is empty.
        compression: ``zstd``, ``snappy``, ``gzip``, ``brotli``, ``lz4`` or ``none``.
        compression_level: of zstd, gzip or brotli.
        row_group_size: rows in a row group, about; DuckDB may end smaller ones sooner.
        max_file_bytes: a file that has grown to this is ended, and the next begun; it may be
            larger by a row group.
        sorted_by: columns to sort the rows by, nulls last; sorts larger than memory spill to the
            destination's folder.
        store: the server and the credentials for an `s3://` URL; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> import pyarrow.parquet as pq
    >>> rows = pa.table({"city": ["Rome", "Oslo", "Rome"], "visits": [3, 1, 2]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = ParquetLoader(f"{folder}/visits.parquet", sorted_by=["visits"])
    ...     loader.begin(rows.schema)
    ...     written = loader.write(rows.to_reader())
    ...     loader.commit()
    ...     written, pq.read_table(loader.path)["city"].to_pylist()
    (3, ['Oslo', 'Rome', 'Rome'])
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    mode: str = "error"
    partition_by: str | Sequence[str] = ()
    compression: str = "zstd"
    compression_level: int | None = None
    row_group_size: int = _GROUP_ROWS
    max_file_bytes: int | None = None
    sorted_by: str | Sequence[str] = ()
    store: Store | None = None
    _run: _Run = field(default_factory=_Run, init=False, repr=False, compare=False)

    mixed_schemas: ClassVar[bool] = True

    def __post_init__(self) -> None:
        where = type(self).__name__
        checked = {
            "path": path_text(self.path, where=where),
            "mode": choice(Mode, self.mode, what="mode", where=where),
            "partition_by": column_names(self.partition_by, what="partition_by", where=where),
            "sorted_by": column_names(self.sorted_by, what="sorted_by", where=where),
        }
        for each, value in checked.items():
            object.__setattr__(self, each, value)
        self._refuse_nonsense()

    def _refuse_nonsense(self) -> None:
        where = type(self).__name__
        if self.mode == Mode.UPSERT:
            raise ConfigError(
                f"{where}: Parquet files have no keys, so there is no mode='upsert'; "
                f"use 'replace' or 'append', or load into a database"
            )
        if self.compression not in _CODECS:
            hint = did_you_mean(closest(str(self.compression), _CODECS))
            raise ConfigError(
                f"{where}: no compression {self.compression!r}{hint} "
                f"There are: {', '.join(_CODECS)}"
            )
        if self.compression_level is not None and self.compression not in _HAVE_LEVELS:
            raise ConfigError(f"{where}: {self.compression} has no compression_level")
        for option in ("row_group_size", "max_file_bytes"):
            whole(getattr(self, option), option, where=where, or_none=True)

    @property
    def knobs(self) -> Sequence[Knob]:
        """How many rows a row group has, unless somebody said it."""
        if self.row_group_size != _GROUP_ROWS:
            return ()
        return (
            Knob("row_group_rows", tuple(_GROUP_ROWS >> 3 << n for n in range(6)), _GROUP_ROWS),
        )

    def tuned(self, chosen: Mapping[str, int]) -> ParquetLoader:
        """Give one with other row groups."""
        rows = chosen.get("row_group_rows", self.row_group_size)
        return self if rows == self.row_group_size else replace(self, row_group_size=rows)

    @property
    def label(self) -> str:
        """The class and the path."""
        return f"ParquetLoader({str(self.path)!r})"

    @property
    def _is_folder(self) -> bool:
        if self._run.stage is not None:
            return self._run.is_folder
        asked = self._is_cut or self.mode == Mode.APPEND or str(self.path).endswith("/")
        return asked or (not is_s3(self.path) and Path(self.path).is_dir())

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows could be written; nothing is changed.

        Raises:
            SchemaError: a column is missing, or of a type that Parquet hasn't; or the folder that
                is appended to has another `partition_by`.
            WriteError: the folder isn't there or may not be written, or something is there
                which the mode forbids to touch.
        """
        require(schema, (*self.partition_by, *self.sorted_by), where=self.label)
        if not schema.names:
            raise SchemaError("the rows have no columns, so there is no file", where=self.label)
        self.stored(schema)
        self._check_partitions(schema)
        if self.sorted_by and not self._copies(schema):
            self._check_sortable(schema)
        self._check_place()
        return ()

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give the type of each column in the file, and what `ParquetSource` reads of it.

        Raises:
            SchemaError: Parquet has no type for a column.
        """
        return parquet_columns(schema, where=self.label)

    def _check_partitions(self, schema: pa.Schema) -> None:
        for column in self.partition_by:
            kind = schema.field(column).type
            if not _names_folders(kind):
                raise SchemaError(
                    f"partition_by takes text, whole numbers, dates and booleans, "
                    f"{column!r} is {kind}; cast it, or derive one",
                    where=self.label,
                    column=column,
                )
        if self.partition_by and len(self.partition_by) == len(schema.names):
            raise SchemaError(
                "partition_by names all columns, so the files would hold none", where=self.label
            )

    def _check_sortable(self, schema: pa.Schema) -> None:
        """DuckDB sorts: its types have to lead back to the ones there were."""
        duck_types(schema, where=self.label)
        for column in schema:
            as_text = kinds.is_decimal(column.type) and kinds.is_string(duckable(column.type))
            if (as_text and column.name in self.sorted_by) or not _returns(column):
                raise SchemaError(
                    f"sorted_by: {column.name!r} is {column.type}, which can't be sorted "
                    f"and stay so; cast it",
                    where=self.label,
                    column=column.name,
                )

    def diagnose(self, schema: pa.Schema) -> Iterator[Finding]:
        """Look whether the rows would fit, then whether the place may be written."""
        yield from diagnosed(super().diagnose(schema), lambda: self._place)

    def reached(self) -> Iterator[Finding]:
        """Try whether the place may be written."""
        yield tried_out(lambda: self._place)

    @property
    def _place(self) -> Place:
        return place_of(str(self.path), self.store, folder=self._is_folder, where=self.label)

    def _check_place(self) -> Place:
        place = self._place
        if self._is_folder and place.is_file():
            raise WriteError(f"{self.label}: is a file, and a folder is wanted; name another path")
        if not self._is_folder and place.is_folder():
            raise WriteError(f"{self.label}: is a folder; end its name in '/' to write into it")
        if self.mode == Mode.ERROR and not place.is_empty():
            raise OccupiedError(
                f"{self.label}: is there already; mode='replace' puts the new rows in its place, "
                f"mode='append' adds files to a folder"
            )
        if self.mode == Mode.REPLACE and self._is_folder:
            place.refuse_foreign()
        if self.mode == Mode.APPEND:
            self._check_layout(place.example())
        return place

    def _check_layout(self, there: PurePath | None) -> None:
        """Refuse to mix layouts: of columns that are folders of some files only, nulls are read."""
        have = [] if there is None else partitions_of(there)
        if there is None or sorted(have) == sorted(self.partition_by):
            return
        raise SchemaError(
            f"the files that are there, as {str(there)!r}, have partition_by={have}, and the new "
            f"ones would have {list(self.partition_by)}; use the same, or write to another folder",
            where=self.label,
        )

    def _copies(self, schema: pa.Schema) -> bool:
        by_pyarrow = self.compression_level is not None and self.compression != "zstd"
        return copy_safe(schema) and not by_pyarrow

    def begin(self, schema: pa.Schema) -> None:
        """Make the hidden folder beside the destination."""
        self.abort()
        self.check(schema)
        self._run.is_folder = self._is_folder
        with writing(self.label):
            self._run.stage = self._place.stage()
            self._run.stem = f"part-{uuid.uuid4().hex[:16]}"
            if self._is_folder:
                self._target.mkdir()

    @property
    def _target(self) -> Path:
        stage = self._run.stage
        if stage is None:
            return self._place.preview
        return stage.folder / ("new" if self._is_folder else "new.parquet")

    @property
    def _is_cut(self) -> bool:
        return bool(self.partition_by) or self.max_file_bytes is not None

    def statement(self, select: str, schema: pa.Schema) -> str | None:
        """Give the COPY; None for types that DuckDB would change, and for several files.

        A COPY to several files on several threads mixes the rows, also sorted ones (measured on
        DuckDB 2.0): those are written by a connection that has one thread.
        """
        return self._copy(select) if self._copies(schema) and not self._is_cut else None

    def _copy(self, select: str) -> str:
        options = [
            "FORMAT parquet",
            f"COMPRESSION {_CODECS[self.compression]}",
            f"ROW_GROUP_SIZE {self.row_group_size}",
        ]
        if self.compression_level is not None:
            options.append(f"COMPRESSION_LEVEL {self.compression_level}")
        if self.partition_by:
            options.append(f"PARTITION_BY ({names(self.partition_by)})")
        if self.max_file_bytes is not None:
            options.append(f"FILE_SIZE_BYTES {self.max_file_bytes}")
        target = self._target
        if self._is_cut:
            options.append(f"FILENAME_PATTERN {literal(self._run.stem + '-{i}')}")
        elif self._is_folder:
            target /= f"{self._run.stem}-0.parquet"
        return f"COPY ({self._sorted(select)}\n) TO {literal(target)} ({', '.join(options)})"

    def _sorted(self, select: str) -> str:
        if not self.sorted_by:
            return select
        by = ", ".join(f"{names([column])} NULLS LAST" for column in self.sorted_by)
        return f"SELECT * FROM ({select}\n) ORDER BY {by}"

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Write the rows where nobody sees them."""
        schema = writable(batches.schema)
        copies = self._copies(schema)
        feed = Feed(batches, schema if copies else _sortable(schema, self.sorted_by))
        with feed.written(self.label):
            if copies:
                with self._duckdb(feed) as connection:
                    connection.execute(self._copy(f"FROM {INPUT}"))
            elif self.sorted_by:
                with self._duckdb(feed) as connection:
                    query = connection.sql(self._sorted(f"FROM {INPUT}"))
                    with query.to_arrow_reader(65_536) as reader:
                        self._write_arrow(_as(schema, reader))
            else:
                self._write_arrow(coded(feed.reader()))
        return feed.rows

    @contextmanager
    def _duckdb(self, feed: Feed) -> Iterator[Any]:
        scratch = self._target.parent / "spill"
        threads = 1 if self._is_cut else None
        with Instance(memory_limit=MEMORY, scratch=scratch, threads=threads) as connection:
            connection.register(INPUT, feed.reader())
            yield connection

    def _write_arrow(self, reader: pa.RecordBatchReader) -> None:
        layout = Layout(
            codec=self.compression,
            level=self.compression_level,
            group_rows=self.row_group_size,
            max_bytes=self.max_file_bytes,
            partition_by=tuple(self.partition_by),
            stem=self._run.stem,
        )
        if self._is_folder:
            layout.write_folder(reader, self._target)
        else:
            layout.write_file(reader, self._target)

    def commit(self) -> None:
        """Rename what was written to its place, durably."""
        stage = self._run.stage
        if stage is None:
            return
        with writing(self.label):
            if self._is_folder and self.mode == Mode.APPEND:
                stage.add(self._target)
            elif self._is_folder and self.mode == Mode.REPLACE:
                stage.replace(self._target)
            else:
                stage.publish(self._target, overwrite=self.mode == Mode.REPLACE)
        self.abort()

    def abort(self) -> None:
        """Remove what was written."""
        if self._run.stage is not None:
            self._run.stage.close()
            self._run.stage = None


def _names_folders(kind: Any) -> bool:
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    tests = (kinds.is_string, kinds.is_large_string, kinds.is_string_view, kinds.is_integer)
    return kinds.is_date32(kind) or kinds.is_boolean(kind) or any(test(kind) for test in tests)


def _sortable(schema: pa.Schema, sorted_by: Sequence[str]) -> pa.Schema:
    return duckable_schema(schema) if sorted_by else schema


def _returns(column: pa.Field) -> bool:
    """Whether a column that went through DuckDB can be cast back to its type."""
    schema = pa.schema([column])
    readable = duckable_schema(schema)
    with describing() as connection:
        connection.register(INPUT, reader_of(readable, [empty_batch(readable)]))
        through = connection.sql(f"FROM {INPUT}").to_arrow_table()
    try:
        through.cast(schema)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _as(schema: pa.Schema, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return reader_of(schema, (batch.cast(schema) for batch in reader))
