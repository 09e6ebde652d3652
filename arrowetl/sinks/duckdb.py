"""DuckDBLoader: a table in a DuckDB file, loaded in one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import reader_of
from arrowetl.errors import OccupiedError, SchemaError, WriteError, first_line
from arrowetl.files import destination_path
from arrowetl.instances import SETTINGS
from arrowetl.sinks.duckdb_types import (
    NULL,
    by_digits,
    exact_type,
    related,
    rounding,
    stays,
    takes_floats,
    wider,
)
from arrowetl.sinks.feed import Feed, LockedError, first_bytes, path_text, writing
from arrowetl.sinks.rounding import exact
from arrowetl.sinks.table import (
    Column,
    Fit,
    check_table_options,
    dropped_notes,
    fit,
    require_key,
    table_place,
)
from arrowetl.sql import INPUT, literal, name, names
from arrowetl.stage import Finding, Mode, SchemaChange, Sink, found, require
from arrowetl.typemap import Stored, duckable_schema, duckdb_columns

_MAGIC = b"DUCK"
_FOR_NULLS = "INTEGER"
_STAGED = "temp.main.arrowetl_staged"


@dataclass
class _Run:
    connection: duckdb.DuckDBPyConnection | None = None
    path: Path | None = None
    created: bool = False
    fit: Fit | None = None


@dataclass(frozen=True, repr=False)
class DuckDBLoader(Sink):
    """Load a table of a DuckDB file, in one transaction.

    The file, the schema and the table are made if they aren't there. Rows go from Arrow to
    DuckDB as they are, in its own threads; memory holds what DuckDB buffers, and it spills.
    Only one process at a time can have the file open for writing.

    Args:
        path: the database file.
        table: where to: ``orders``, or ``sales.orders`` with its schema, as `DuckDBSource` reads
            it. Any name; one with a dot in it goes into double quotes.
        schema: the table's schema, where `table` doesn't say it; ``main`` if None.
        mode: ``append``; ``replace`` the table's rows, and its columns if they differ; ``upsert``
            rows by `key`; ``error`` if there is such a table.
        key: columns by which ``upsert`` finds rows, compared as the table keeps them. Of several
            rows of a run with one key the last wins; a null in a key is an error. Columns that
            the rows lack keep their values.
        on_schema_change: ``evolve``, ``freeze`` or ``discard``, if the table has other columns. A
            column of numbers never becomes one of text, nor a column of a type that rounds them
            (of BIGINT one of DOUBLE): it takes floating numbers whose digits it has, 1.25 in a
            DECIMAL(7,2). A row's number that the table's column would round is an error.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> rows = pa.table({"id": [1, 2], "city": ["Rome", "Oslo"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = DuckDBLoader(f"{folder}/w.db", table="cities", mode="upsert", key="id")
    ...     for _ in range(2):
    ...         loader.begin(rows.schema)
    ...         written = loader.write(rows.to_reader())
    ...         loader.commit()
    ...     with duckdb.connect(loader.path) as connection:
    ...         connection.sql("FROM cities").fetchall()
    [(1, 'Rome'), (2, 'Oslo')]
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    table: str
    schema: str | None = None
    mode: str = "append"
    key: str | Sequence[str] = ()
    on_schema_change: str = "evolve"
    _run: _Run = field(default_factory=_Run, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = type(self).__name__
        object.__setattr__(self, "path", path_text(self.path, where=where))
        check_table_options(self)
        _ = self._at

    @property
    def label(self) -> str:
        """The class, the file and the table."""
        return f"DuckDBLoader({str(self.path)!r}, table={self.table!r})"

    @property
    def _target(self) -> str:
        return ".".join(map(name, self._at))

    @property
    def _at(self) -> tuple[str, str]:
        """The table's schema and its name."""
        return table_place(self.table, self.schema, "main", where=type(self).__name__)

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows would fit the table; nothing is changed.

        Raises:
            SchemaError: they don't.
            WriteError: the file can't be opened, or the mode forbids it.
        """
        require(schema, self.key, where=self.label)
        incoming = _incoming(schema, self.label)
        path = destination_path(str(self.path), where=self.label)
        if not path.exists():
            return ()
        connection = self._connect(path, read_only=True)
        try:
            with writing(self.label):
                columns = self._columns(connection)
                found = self._fit(connection, columns, schema)
        finally:
            connection.close()
        if columns is None or found is None:
            return ()
        return (*found.notes, *dropped_notes(incoming, found))

    def reached(self) -> Iterator[Finding]:
        """Try to open the file, and look for the table."""
        yield found("open the file", self._opened)

    def _opened(self) -> str:
        path = destination_path(str(self.path), where=self.label)
        if not path.exists():
            return "the file will be made"
        connection = self._connect(path, read_only=True)
        try:
            with writing(self.label):
                there = self._columns(connection) is not None
        finally:
            connection.close()
        return f"the table {'is there' if there else 'will be made'}"

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give the declared type of each column, and what is read back of it.

        Raises:
            SchemaError: DuckDB has no type for a column.
        """
        return duckdb_columns(schema, where=self.label)

    def _connect(self, path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        self._check_file(path)
        try:
            connection = duckdb.connect(str(path), read_only=read_only)
        except duckdb.ConnectionException:
            if not read_only:
                raise
            # This process has it open for writing already; then so must we.
            return self._connect(path)
        except duckdb.Error as error:
            kind = LockedError if "lock" in str(error) else WriteError
            raise kind(f"{self.label}: {first_line(error)}") from error
        for key, value in SETTINGS.items():
            connection.execute(f"SET {key} = {literal(value)}")
        return connection

    def _check_file(self, path: Path) -> None:
        if "?" in str(path):
            raise WriteError(f"{self.label}: DuckDB can't keep a file with a '?' in its path")
        with writing(self.label):
            head = first_bytes(path, 12) if path.exists() else b""
        # DuckDB would try to download an extension for a database of another kind.
        if head and head[8:12] != _MAGIC:
            raise WriteError(f"{self.label}: the file is there, and isn't a DuckDB database")

    def _columns(self, connection: duckdb.DuckDBPyConnection) -> list[Column] | None:
        """Give the table's columns; None if there is no table.

        Raises:
            WriteError: there is one and the mode forbids it, or it is a view.
        """
        found = connection.execute(
            "SELECT table_type FROM information_schema.tables "
            "WHERE table_catalog = current_database() "
            "AND lower(table_schema) = lower(?) AND lower(table_name) = lower(?)",
            [*self._at],
        ).fetchall()
        if not found:
            return None
        if found[0][0] != "BASE TABLE":
            raise WriteError(f"{self.label}: is a view; name a table")
        if self.mode == Mode.ERROR:
            raise OccupiedError(f"{self.label}: the table is there already, and mode='error'")
        described = connection.execute(f"DESCRIBE {self._target}").fetchall()
        return [Column(row[0], row[1]) for row in described]

    def _fit(
        self,
        connection: duckdb.DuckDBPyConnection,
        columns: list[Column] | None,
        schema: pa.Schema,
    ) -> Fit | None:
        """Find how the rows fit the table; None where the table is made for them."""
        if columns is None:
            return None
        rows = _incoming(schema, self.label)
        if self.mode == Mode.REPLACE and self.on_schema_change == SchemaChange.EVOLVE:
            return Fit(tuple(rows)) if set(columns) == set(rows) else None

        evolves = self.on_schema_change == SchemaChange.EVOLVE

        def widest(have: str, want: str) -> str | None:
            wide = wider(connection, have, want)
            return have if stays(have, want, wide, evolves=evolves) else wide

        have = self._typed(connection, columns, rows) if evolves else columns
        found = fit(have, rows, policy=self.on_schema_change, wider=widest, where=self.label)
        if self.mode == Mode.UPSERT:
            require_key(self.key, rows, found, columns, where=self.label)
        return replace(found, added=tuple(Column(c.name, _declared(c)) for c in found.added))

    def _typed(
        self, connection: duckdb.DuckDBPyConnection, columns: list[Column], rows: Sequence[Column]
    ) -> list[Column]:
        """Give the columns, without the type that rows of nothing but nulls have given one."""
        wanted = {row.name.lower(): row.kind for row in rows}

        def is_untyped(column: Column) -> bool:
            want = wanted.get(column.name.lower(), NULL)
            if column.kind != _FOR_NULLS or want == NULL or related(column.kind, want):
                return False
            count = f"SELECT count({name(column.name)}) FROM {self._target}"
            return connection.execute(count).fetchall() == [(0,)]

        return [Column(one.name, NULL) if is_untyped(one) else one for one in columns]

    def begin(self, schema: pa.Schema) -> None:
        """Open the file and a transaction; make or alter the table in it."""
        self.abort()
        require(schema, self.key, where=self.label)
        path = destination_path(str(self.path), where=self.label)
        self._run.path, self._run.created = path, not path.exists()
        self._run.connection = connection = self._connect(path)
        try:
            with writing(self.label):
                connection.execute("BEGIN")
                columns = self._columns(connection)
                self._run.fit = self._fit(connection, columns, schema)
                self._prepare(connection, schema, exists=columns is not None)
        except BaseException:
            self.abort()
            raise

    def _prepare(
        self, connection: duckdb.DuckDBPyConnection, schema: pa.Schema, *, exists: bool
    ) -> None:
        if self._run.fit is None:
            rows = _incoming(schema, self.label)
            self._run.fit = Fit(tuple(rows))
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name(self._at[0])}")
            columns = ", ".join(f"{name(one.name)} {_declared(one)}" for one in rows)
            create = "CREATE OR REPLACE TABLE" if exists else "CREATE TABLE"
            connection.execute(f"{create} {self._target} ({columns})")
            return
        for column in self._run.fit.added:
            connection.execute(
                f"ALTER TABLE {self._target} ADD COLUMN {name(column.name)} {_declared(column)}"
            )
        for column in self._run.fit.widened:
            self._widen(connection, column)
        if self.mode == Mode.REPLACE:
            connection.execute(f"DELETE FROM {self._target}")

    def _widen(self, connection: duckdb.DuckDBPyConnection, column: Column) -> None:
        try:
            connection.execute(
                f"ALTER TABLE {self._target} ALTER {name(column.name)} SET DATA TYPE {column.kind}"
            )
        except duckdb.Error as error:
            raise SchemaError(
                f"column {column.name!r} should be widened to {column.kind}, and DuckDB refuses: "
                f"{first_line(error)} Cast the rows, or drop the index or constraint first",
                where=self.label,
                column=column.name,
            ) from error

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Insert the rows in the transaction."""
        connection, found = self._run.connection, self._run.fit
        if connection is None or found is None:
            raise WriteError(f"{self.label}: begin() comes before write()")
        to_columns = zip(batches.schema.names, found.columns, strict=True)
        goes = {column: to for column, to in to_columns if to}
        pairs = [(column, to.name) for column, to in goes.items()]
        with writing(self.label):
            watched = rounding(connection, {column: to.kind for column, to in goes.items()})
        sources = {each.name: each.kind for each in _incoming(batches.schema, self.label)}
        narrow = {
            column: to.kind for column, to in goes.items() if takes_floats(to.kind, sources[column])
        }
        watched |= {column: (kind, exact_type(kind)) for column, kind in narrow.items()}
        exactly = exact(batches, watched, where=self.label)
        values = by_digits(narrow)
        feed = Feed(reader_of(batches.schema, exactly), duckable_schema(batches.schema))
        with feed.written(self.label):
            connection.register(INPUT, feed.reader())
            if self.mode == Mode.UPSERT:
                self._merge(connection, pairs, values)
            else:
                connection.execute(_insert(self._target, pairs, values))
            connection.unregister(INPUT)
        return feed.rows

    def _merge(
        self,
        connection: duckdb.DuckDBPyConnection,
        pairs: list[tuple[str, str]],
        values: Mapping[str, str],
    ) -> None:
        # Staged in the table's own types: a key is compared as it would be kept.
        columns = [to for _, to in pairs]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE arrowetl_staged AS "
            f"SELECT {names(columns)} FROM {self._target} LIMIT 0"
        )
        connection.execute(_insert(_STAGED, pairs, values))
        key = [dict(pairs)[each] for each in self.key]
        self._refuse_null_keys(connection, key)
        same = " AND ".join(f"t.{name(each)} = s.{name(each)}" for each in key)
        changes = ", ".join(f"{name(each)} = s.{name(each)}" for each in columns if each not in key)
        update = f"WHEN MATCHED THEN UPDATE SET {changes}" if changes else ""
        staged = ", ".join(f"s.{name(each)}" for each in columns)
        connection.execute(
            f"MERGE INTO {self._target} t USING (FROM {_STAGED} QUALIFY row_number() OVER "
            f"(PARTITION BY {names(key)} ORDER BY rowid DESC) = 1) s ON {same} {update} "
            f"WHEN NOT MATCHED THEN INSERT ({names(columns)}) VALUES ({staged})"
        )
        connection.execute(f"DROP TABLE {_STAGED}")

    def _refuse_null_keys(self, connection: duckdb.DuckDBPyConnection, key: Sequence[str]) -> None:
        empty = " OR ".join(f"{name(each)} IS NULL" for each in key)
        rows = connection.execute(f"SELECT count(*) FROM {_STAGED} WHERE {empty}").fetchall()[0][0]
        if rows:
            raise WriteError(
                f"{self.label}: {rows:,} rows have no value in the key {', '.join(self.key)}; "
                f"drop them, or choose another key"
            )

    def commit(self) -> None:
        """Commit the transaction and close the file."""
        if self._run.connection is None:
            return
        with writing(self.label):
            self._run.connection.execute("COMMIT")
        self._close()

    def abort(self) -> None:
        """Roll back and close the file; remove it if there was none."""
        if self._run.connection is None:
            return
        with suppress(duckdb.Error):
            self._run.connection.execute("ROLLBACK")
        path, created = self._run.path, self._run.created
        self._close()
        if path is not None and created and self._is_empty(path):
            path.unlink(missing_ok=True)

    def _is_empty(self, path: Path) -> bool:
        """Whether nobody else put a table into the file that this run made."""
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                return not connection.execute("SELECT 1 FROM duckdb_tables()").fetchall()
        except duckdb.Error:
            return False

    def _close(self) -> None:
        if self._run.connection is not None:
            self._run.connection.close()
        self._run.connection, self._run.fit = None, None


def _incoming(schema: pa.Schema, where: str) -> list[Column]:
    return [
        Column(each.column, NULL if kinds.is_null(each.arrow) else each.declared)
        for each in duckdb_columns(schema, where=where)
    ]


def _declared(column: Column) -> str:
    return _FOR_NULLS if column.kind == NULL else column.kind


def _insert(target: str, pairs: Sequence[tuple[str, str]], values: Mapping[str, str]) -> str:
    columns = names(to for _, to in pairs)
    given = ", ".join(values.get(column, name(column)) for column, _ in pairs)
    return f"INSERT INTO {target} ({columns}) SELECT {given} FROM {INPUT}"
