"""SQLiteLoader: a table in a SQLite file, loaded in one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.adbc import Connection
from arrowetl.arguments import seconds, whole
from arrowetl.arrow import reader_of
from arrowetl.errors import ConfigError, OccupiedError, SchemaError, WriteError
from arrowetl.files import destination_path
from arrowetl.instances import Instance
from arrowetl.sinks.feed import MEMORY, Feed, first_bytes, path_text, writing
from arrowetl.sinks.rounding import exact
from arrowetl.sinks.sqlite_rows import as_kept, fitting
from arrowetl.sinks.sqlite_tables import Tables, add_sql, affinity, exact_type, insert_sql, widest
from arrowetl.sinks.table import (
    Column,
    Fit,
    check_table_options,
    dropped_notes,
    fit,
    require_key,
)
from arrowetl.sql import INPUT, name
from arrowetl.stage import Finding, Mode, SchemaChange, Sink, found, require
from arrowetl.typemap import Stored, duckable_schema, sqlite_columns

_MAGIC = b"SQLite format 3\0"
MOST_COLUMNS = 2_000


@dataclass
class _Run:
    open: ExitStack | None = None
    cursor: Any = None
    path: Path | None = None
    created: bool = False
    fit: Fit | None = None


@dataclass(frozen=True, repr=False)
class SQLiteLoader(Sink):
    """Load a table of a SQLite file, in one transaction.

    The file and the table are made if they aren't there. Rows go from Arrow to SQLite by ADBC, a
    column at a time where a type needs a conversion; memory holds a few batches. Readers see the
    old rows until the commit. In a database that isn't in WAL mode they may have to wait
    meanwhile: SQLite locks it when the changes outgrow its page cache.

    SQLite has few types: decimals, times and nested values are kept as text, which `explain`
    tells column by column. Don't open the same file with Python's `sqlite3` in the same process:
    two SQLite libraries over one file corrupt it.

    Args:
        path: the database file.
        table: where to; any name.
        mode: ``append``; ``replace`` the table's rows, and its columns if they differ; ``upsert``
            rows by `key`; ``error`` if there is such a table.
        key: columns by which ``upsert`` finds rows; a unique index is made if there is none. Of
            several rows of a run with one key the last wins; a null in a key is an error.
            Columns that the rows lack keep their values.
        on_schema_change: ``evolve``, ``freeze`` or ``discard``, if the table has other columns. A
            column of numbers never becomes one of text, nor one of integers REAL, which rounds
            them: it takes floating numbers that are whole (or, one of decimals, whose digits it
            has). A row's number that the table's column would round is an error.
        batch_rows: rows in a batch that is converted.
        timeout: seconds to wait for whoever has locked the database.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> from adbc_driver_sqlite import dbapi
    >>> rows = pa.table({"id": [1, 2], "city": ["Rome", "Oslo"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = SQLiteLoader(f"{folder}/w.db", table="cities", mode="upsert", key="id")
    ...     for _ in range(2):
    ...         loader.begin(rows.schema)
    ...         written = loader.write(rows.to_reader())
    ...         loader.commit()
    ...     with dbapi.connect(loader.path) as connection, connection.cursor() as cursor:
    ...         _ = cursor.execute("SELECT * FROM cities")
    ...         cursor.fetchall()
    [(1, 'Rome'), (2, 'Oslo')]
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    table: str
    mode: str = "append"
    key: str | Sequence[str] = ()
    on_schema_change: str = "evolve"
    batch_rows: int = 65_536
    timeout: float = 10.0
    _run: _Run = field(default_factory=_Run, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = type(self).__name__
        object.__setattr__(self, "path", path_text(self.path, where=where))
        check_table_options(self)
        if not isinstance(self.table, str) or not self.table or "\0" in self.table:
            raise ConfigError(f"{where}: table is a name, not {self.table!r}")
        if self.table.lower().startswith("sqlite_"):
            raise ConfigError(f"{where}: SQLite keeps names like {self.table!r} for itself")
        whole(self.batch_rows, "batch_rows", where=where)
        seconds(self.timeout, "timeout", where=where)

    @property
    def label(self) -> str:
        """The class, the file and the table."""
        return f"SQLiteLoader({str(self.path)!r}, table={self.table!r})"

    @property
    def locks(self) -> str:
        """The file that nobody else can write before the commit."""
        return os.path.realpath(self.path)

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows would fit the table; nothing is changed.

        Raises:
            SchemaError: they don't.
            WriteError: the file can't be opened, or the mode forbids it.
        """
        stored = self._stored(schema)
        path = destination_path(str(self.path), where=self.label)
        if not path.exists():
            return ()
        with self._writing(), self._cursor(path, read_only=True) as cursor:
            columns = self._columns(Tables(cursor, self.label))
            found = self._fit(columns, stored)
        if columns is None or found is None:
            return ()
        return (*found.notes, *dropped_notes(_declared(stored), found))

    def reached(self) -> Iterator[Finding]:
        """Try to open the file, and look for the table."""
        yield found("open the file", self._opened)

    def _opened(self) -> str:
        path = destination_path(str(self.path), where=self.label)
        if not path.exists():
            return "the file will be made"
        with self._writing(), self._cursor(path, read_only=True) as cursor:
            there = self._columns(Tables(cursor, self.label)) is not None
        return f"the table {'is there' if there else 'will be made'}"

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give the declared type of each column, and what is read back of it.

        Raises:
            SchemaError: there is no way to keep a column.
        """
        return sqlite_columns(schema, where=self.label)

    def _stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        require(schema, self.key, where=self.label)
        if len(schema) > MOST_COLUMNS:
            raise SchemaError(
                f"the rows have {len(schema):,} columns, and SQLite takes {MOST_COLUMNS:,}; "
                f"select fewer, or load into a DuckDB file",
                where=self.label,
            )
        return self.stored(schema)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        from adbc_driver_manager import Error

        with writing(self.label, Error):
            yield

    @contextmanager
    def _cursor(self, path: Path, *, read_only: bool = False) -> Iterator[Any]:
        import adbc_driver_sqlite

        if path.is_dir():
            raise WriteError(f"{self.label}: is a folder, and a file is wanted")
        with writing(self.label):
            head = first_bytes(path, len(_MAGIC)) if path.exists() else b""
        if head and head != _MAGIC:
            raise WriteError(f"{self.label}: the file is there, and isn't a SQLite database")
        # As a URI, so that no character of the path means anything.
        uri = path.as_uri() + ("?mode=ro" if read_only else "")
        # Transactions are begun by hand: a writer has to say so when it begins, not later.
        database = adbc_driver_sqlite.connect(uri)
        with Connection(database) as connection, connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {round(self.timeout * 1000)}")
            cursor.fetchall()
            yield cursor

    def _columns(self, tables: Tables) -> list[Column] | None:
        columns = tables.columns(self.table)
        if columns is not None and self.mode == Mode.ERROR:
            raise OccupiedError(f"{self.label}: the table is there already, and mode='error'")
        return columns

    def _fit(self, columns: list[Column] | None, stored: Sequence[Stored]) -> Fit | None:
        """Find how the rows fit the table; None where the table is made for them."""
        if columns is None:
            return None
        rows = _declared(stored)
        if self.mode == Mode.REPLACE and self.on_schema_change == SchemaChange.EVOLVE:
            return Fit(tuple(rows)) if set(columns) == set(rows) else None
        found = fit(columns, rows, policy=self.on_schema_change, wider=widest, where=self.label)
        if self.mode == Mode.UPSERT:
            require_key(self.key, rows, found, columns, where=self.label)
        return found

    def begin(self, schema: pa.Schema) -> None:
        """Open the file and a transaction; make or alter the table in it."""
        self.abort()
        stored = self._stored(schema)
        path = destination_path(str(self.path), where=self.label)
        run = self._run
        run.path, run.created, run.open = path, not path.exists(), ExitStack()
        try:
            with self._writing():
                run.cursor = run.open.enter_context(self._cursor(path))
                # Indexes and views that name the table don't stop it from being renamed.
                run.cursor.execute("PRAGMA legacy_alter_table = ON")
                run.cursor.execute("BEGIN IMMEDIATE")
                self._prepare(Tables(run.cursor, self.label), stored)
        except BaseException:
            self.abort()
            raise

    def _prepare(self, tables: Tables, stored: Sequence[Stored]) -> None:
        columns = self._columns(tables)
        found = self._fit(columns, stored)
        self._run.fit = found or Fit(tuple(_declared(stored)))
        if columns is None or found is None:
            tables.make(self.table, _declared(stored))
        else:
            if found.widened:
                tables.widen(self.table, columns, found.widened)
            for column in found.added:
                tables.run(add_sql(self.table, column))
            if self.mode == Mode.REPLACE:
                tables.run(f"DELETE FROM {name(self.table)}")
        if self.mode == Mode.UPSERT:
            tables.ensure_key(self.table, self._table_key(stored))

    def _table_key(self, stored: Sequence[Stored]) -> list[str]:
        """Give the key by the names that the table has for it."""
        pairs = zip(stored, self._run.fit.columns if self._run.fit else (), strict=True)
        target = {each.column: to.name for each, to in pairs if to is not None}
        return [target[key] for key in self.key]

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Insert the rows in the transaction."""
        from adbc_driver_manager import Error

        found = self._run.fit
        if found is None:
            raise WriteError(f"{self.label}: begin() comes before write()")
        schema = as_kept(batches.schema, found.columns)
        stored = self._stored(schema)
        pairs = [(each, to) for each, to in zip(stored, found.columns, strict=True) if to]
        key = self._table_key(stored) if self.mode == Mode.UPSERT else []
        insert = insert_sql(self.table, [to.name for _, to in pairs], key)
        pairs = [(_by_digits(each, to), to) for each, to in pairs]
        watched = {
            each.column: (to.kind, kind) for each, to in pairs if (kind := _narrow(each, to))
        }
        exactly = exact(batches, watched, where=self.label)
        kept = pa.schema([schema.field(each.column) for each, _ in pairs])
        keyed = self._keyed(fitting(exactly, kept, where=self.label))
        feed = Feed(reader_of(batches.schema, keyed), duckable_schema(schema))
        with feed.written(self.label, Error), self._bound(feed, pairs) as reader:
            self._run.cursor.executemany(insert, reader)
        return feed.rows

    def _keyed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for key in self.key if self.mode == Mode.UPSERT else ():
                empty = batch[key].is_null(nan_is_null=True).sum().as_py() or 0  # small: one number
                if empty:
                    raise WriteError(
                        f"{self.label}: {empty:,} rows of a batch have no value in the key "
                        f"{key!r}; drop them, or choose another key"
                    )
            yield batch

    @contextmanager
    def _bound(
        self, feed: Feed, pairs: Sequence[tuple[Stored, Column]]
    ) -> Iterator[pa.RecordBatchReader]:
        """Give the rows as SQLite takes them; they pass DuckDB where a column is converted."""
        values = ", ".join(
            f"{each.convert or name(each.column)} AS {name(each.column)}" for each, _ in pairs
        )
        if not any(each.convert for each, _ in pairs) and len(pairs) == len(feed.columns):
            yield feed.reader()
            return
        with Instance(memory_limit=MEMORY) as connection:
            connection.register(INPUT, feed.reader())
            query = connection.sql(f"SELECT {values} FROM {INPUT}")
            with query.to_arrow_reader(self.batch_rows) as reader:
                yield reader

    def commit(self) -> None:
        """Commit the transaction and close the file."""
        if self._run.cursor is None:
            return
        with self._writing():
            self._run.cursor.execute("COMMIT")
        self._close()

    def abort(self) -> None:
        """Roll back and close the file; remove it if there was none."""
        from adbc_driver_manager import Error

        run = self._run
        if run.open is None:
            return
        if run.cursor is not None:
            with suppress(Error):
                run.cursor.execute("ROLLBACK")
        path, created = run.path, run.created
        self._close()
        if path is not None and path.with_name(f"{path.name}-journal").exists():
            # After an error of the disk SQLite leaves the undoing to whoever opens the file next.
            with suppress(Error), self._cursor(path) as cursor:
                Tables(cursor, self.label).columns(self.table)
        # One that somebody else has filled meanwhile isn't empty.
        if path is not None and created and path.exists() and path.stat().st_size == 0:
            path.unlink()

    def _close(self) -> None:
        if self._run.open is not None:
            self._run.open.close()
        self._run.open = self._run.cursor = self._run.fit = None


def _narrow(stored: Stored, to: Column) -> pa.DataType | None:
    """Give the type of a column that may round the numbers which come; None for any other."""
    if affinity(to.kind) == "REAL":
        return pa.float64()
    return exact_type(to.kind) if stored.declared == "REAL" else None


def _by_digits(stored: Stored, to: Column) -> Stored:
    """Give how a floating number is kept as text of decimals, where it goes into such a column."""
    kind: Any = _narrow(stored, to)
    if kind is None or not kinds.is_decimal(kind):
        return stored
    decimal = f"DECIMAL({kind.precision}, {kind.scale})"
    return replace(stored, convert=f"{name(stored.column)}::VARCHAR::{decimal}::VARCHAR")


def _declared(stored: Sequence[Stored]) -> list[Column]:
    return [Column(each.column, each.declared) for each in stored]
