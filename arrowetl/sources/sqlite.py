"""SQLite tables and queries: `SQLiteSource`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from arrowetl.arguments import flag, seconds
from arrowetl.errors import ConfigError
from arrowetl.rejected import refusal
from arrowetl.sources import _sqlite_scan as scanning
from arrowetl.sources._aside import Aside
from arrowetl.sources._columns import Declared, Fields, as_names, check_choice, named_types
from arrowetl.sources._fields import set_fields
from arrowetl.sources._files import PathLike
from arrowetl.sources._params import checked_params
from arrowetl.sources._sqlite_file import opened, stamp
from arrowetl.sources._sqlite_reading import Request, described, narrowed, rows_at_once
from arrowetl.sources._sqlite_rejects import rejected_rows
from arrowetl.sources._sqlite_scan import Reading
from arrowetl.sources._sqlite_types import READABLE, arriving_types
from arrowetl.sources._tables import (
    as_path,
    at_rest,
    check_what,
    database_file,
    labelled,
    writes_to,
)
from arrowetl.stage import BATCH_ROWS, Finding, Sink, Source, found, require
from arrowetl.typemap import arrow_schema


@dataclass(frozen=True, init=False, repr=False)
class SQLiteSource(Source):
    """Read a table, a view or a query of a SQLite file, in one consistent snapshot.

    The file is opened read-only: it is never made, and never written. Others may write meanwhile;
    in a database that isn't in WAL mode they wait with their commits. Rows come in the order of
    the table (by rowid or primary key), or in the query's. Don't open the same file with Python's
    `sqlite3` in the same process: two SQLite libraries over one file corrupt it.

    SQLite's columns take values of any type, so their declarations decide, and each value is held
    to its column's type: one that doesn't fit is rejected, with table, row, column and value.

    | declared | arrives as | takes |
    | --- | --- | --- |
    | `INTEGER`, `BIGINT`, `INT8`, ... | int64 | integers |
    | `REAL`, `DOUBLE`, `FLOAT` | double | numbers |
    | `TEXT`, `VARCHAR(n)`, `JSON`, `UUID` | string | text in UTF-8; numbers as SQLite prints them |
    | `BLOB` | binary | bytes and text |
    | `BOOLEAN`, `BOOL` | bool | 0 and 1, `true` and `false` |
    | `DECIMAL(p, s)`, `NUMERIC(p, s)` | decimal(p, s) | numbers, digits in text; not more than s |
    | `DATE` | date32 | ISO 8601 text |
    | `DATETIME`, `TIMESTAMP` | timestamp[us] | ISO 8601 text; with an offset, the time in UTC |
    | `TIMESTAMPTZ` | timestamp[us, UTC] | ISO 8601 text; UTC where there is no offset |
    | `TIME` | time64[us] | `12:30`, `12:30:00.5` |
    | nothing, `NUMERIC`, another word | int64, double, string, binary | whatever holds all values |

    What holds all values is found by a look over the whole column; it is null if there are none.
    A decimal that SQLite keeps as a number has 15 digits; `DECIMAL_TEXT(p, s)` has them all.

    `TIMESTAMP_NS`, `TIMESTAMPTZ_NS` and `TIME_NS` are those with nanoseconds. A number in a column
    of dates could be seconds, milliseconds or days: say what it is in a query, or read it as a
    number with `schema`.

    Args:
        path: the database file.
        table: a table or view; any name.
        query: a SELECT in SQLite's SQL, in place of `table`. Columns that are expressions have no
            declared type: the query is run once more to look at them, unless `schema` names them.
        params: values for the query's parameters: a list for `?`, a mapping for `:name`. They are
            bound, never part of the text.
        columns: the ones to give, in this order; all if None.
        schema: types by column name (as `Cast` takes them) in place of the declared ones.
        types: what `schema` is kept as; give one of the two.
        timeout: seconds to wait for whoever has locked the database.
        spooled: read all rows, into a temporary file, before the first is given. A pipeline that
            writes to the file it reads does so by itself: a writer can't wait for its reader.
        on_error: `dead_letter` sets rows apart that don't fit; `raise` raises a ReadError for the
            first.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> from arrowetl import SQLiteLoader
    >>> rows = pa.table({"id": [1, 2], "day": pa.array([0, None], pa.date32())})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loader = SQLiteLoader(f"{folder}/w.db", table="days")
    ...     loader.begin(rows.schema)
    ...     written = loader.write(rows.to_reader())
    ...     loader.commit()
    ...     query = "SELECT day FROM days WHERE id < ?"
    ...     source = SQLiteSource(f"{folder}/w.db", query=query, params=[2])
    ...     source.reader().read_all().to_pydict()
    {'day': [datetime.date(1970, 1, 1)]}
    """

    path: PathLike
    table: str | None
    query: str | None
    params: Sequence[object] | Mapping[str, object]
    columns: Sequence[str] | None
    types: Fields
    timeout: float
    spooled: bool
    on_error: str
    _aside: Aside = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        path: PathLike,
        *,
        table: str | None = None,
        query: str | None = None,
        params: Sequence[object] | Mapping[str, object] = (),
        columns: Sequence[str] | None = None,
        schema: Declared | None = None,
        types: Fields = (),
        timeout: float = 10.0,
        spooled: bool = False,
        on_error: str = "dead_letter",
    ) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        check_what(table, query, where=where)
        declared, option = (types, "types") if schema is None else (schema, "schema")
        settled = {
            "_aside": Aside(),
            "path": as_path(path, where=where),
            "query": query and query.strip().rstrip(";"),
            "params": checked_params(params, query, where=where),
            "columns": as_names(columns, where=where),
            "types": _readable(named_types(declared, where=where, option=option), where),
        }
        set_fields(self, locals() | settled)
        check_choice("on_error", self.on_error, ("dead_letter", "raise"), where)
        flag(self.spooled, "spooled", where=where)
        seconds(self.timeout, "timeout", where=where)

    def schema(self) -> pa.Schema:
        """Give the schema, from declarations and, where they say nothing, from the values.

        Raises:
            ReadError: the file can't be read, or there is no such table.
            SchemaError: a column isn't there, or two have one name.
        """
        return self._reading().schema

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows; values of columns that aren't asked for aren't looked at.

        Raises:
            ReadError: the file can't be read; with `on_error="raise"`, a row doesn't fit.
            SchemaError: a column isn't there.
        """
        reading = self._reading()
        if columns is not None:
            require(self.schema(), columns, where=self.label)
            reading = narrowed(reading, columns)
        return self._scanned(reading, batch_size)

    def _scanned(self, reading: Reading, batch_size: int) -> Iterator[pa.RecordBatch]:
        def refuse(refused: scanning.Refused) -> None:
            rows = rejected_rows(refused, reading.columns, file=str(self.path), table=self.table)
            if self.on_error == "raise":
                raise refusal(rows, str(rows["reason"][0]), where=self.label)
            spool.add(rows)

        with self._aside.scanning() as spool:
            batches = self._read(reading, batch_size, refuse)
            yield from at_rest(reading.schema, batches) if self.spooled else batches

    def _read(
        self, reading: Reading, batch_size: int, refuse: scanning.Refuse
    ) -> Iterator[pa.RecordBatch]:
        path = database_file(str(self.path), where=self.label)
        with opened(path, timeout=self.timeout, where=self.label) as database:
            limits = scanning.Limits(
                driver=min(rows_at_once(database, reading), batch_size),
                batch=min(scanning.MANY_ROWS, batch_size),
            )
            yield from scanning.batches(database, reading, limits, refuse)

    def beside(self, sink: Sink) -> Source:
        """Give the source so that it has ended when the sink begins, if that writes the file."""
        return replace(self, spooled=True) if writes_to(sink, str(self.path)) else self

    def rejected(
        self,
        connection: duckdb.DuckDBPyConnection | None,  # noqa: ARG002 - it isn't DuckDB that reads
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows that the last scan set apart; their text is the row as JSON."""
        yield from self._aside.taken()

    def diagnose(self) -> Iterator[Finding]:
        """Try to find the file, to open it, and to find the table or prepare the query."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("find the file", lambda: str(database_file(str(self.path), where=self.label))),
            ("read it", self._opened),
            ("read the schema", lambda: f"{len(self.schema())} columns"),
        ]
        for step, attempt in steps:
            finding = found(step, attempt)
            yield finding
            if not finding.works:
                return

    def _opened(self) -> str:
        path = database_file(str(self.path), where=self.label)
        stamp(path, where=self.label)
        with opened(path, timeout=self.timeout, where=self.label) as database:
            ((tables, version),) = database.ask(
                "SELECT count(*), sqlite_version() FROM sqlite_schema WHERE type = 'table'"
            )
        return f"{tables} tables, read by SQLite {version}"

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each declared type that says what its values are."""
        return arriving_types()

    @property
    def label(self) -> str:
        """The class, the file, and the table or the query's beginning."""
        return labelled(self, str(self.path), self.table, self.query)

    def _reading(self) -> Reading:
        path = database_file(str(self.path), where=self.label)
        arrow = arrow_schema(self.types) if self.types else ()
        request = Request(
            self.label,
            self.table,
            self.query,
            tuple(self.params),
            None if self.columns is None else tuple(self.columns),
            tuple((each.name, each.type) for each in arrow),
            self.timeout,
        )
        return described(request, stamp(path, where=self.label))


def _readable(types: Fields, where: str) -> Fields:
    """Check that SQLite's values can be of the stated types."""
    for column in arrow_schema(types) if types else ():
        if not any(is_kind(column.type) for is_kind in READABLE):
            raise ConfigError(
                f"{where}: schema: column {column.name!r} can't be {column.type}; read it as "
                "VARCHAR, and cast it in a transform"
            )
    return types
