"""PostgreSQL: `PostgreSQLSource`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from arrowetl.arguments import flag
from arrowetl.arrow import rebatched
from arrowetl.errors import ConfigError, ReadError, SchemaError, closest, did_you_mean
from arrowetl.postgres.catalog import (
    columns_of,
    nearest_tables,
    relation,
    version,
)
from arrowetl.postgres.connection import Server
from arrowetl.postgres.errors import missing_relation, sqlstate
from arrowetl.postgres.parameters import PREFIX, Bound, as_text, bound, place, sql_type
from arrowetl.postgres.types import Read, arrivals, arrow_schema
from arrowetl.rejected import refusal
from arrowetl.sources._aside import Aside, Spool
from arrowetl.sources._columns import as_names, check_choice
from arrowetl.sources._postgres_lanes import Lanes, Opened
from arrowetl.sources._postgres_ranges import ranges, require_axis
from arrowetl.sources._postgres_read import (
    Connections,
    Reading,
    Told,
    batches,
    exported,
    snapshot,
)
from arrowetl.sources._postgres_rejects import SHOWN, rejected_rows
from arrowetl.sources._tables import check_what, labelled
from arrowetl.sql import name, table_parts
from arrowetl.stage import BATCH_ROWS, Finding, Source, found

RANGE_ENDS = ("closed", "open")
SYNTAX_ERROR = "42601"
NO_OPERATOR = "42883"
NO_TABLE = ("42P01", "3F000")


@dataclass(frozen=True, repr=False)
class PostgreSQLSource(Server, Source):
    """Read a table or a query of PostgreSQL.

    Rows come by binary COPY, as the server sends them: memory holds a few batches, and none of
    them is a Python object. A reading sees one moment of the database, whatever others commit,
    and can't change it. The types are the server's, known before a row is read: `numeric(p,s)` is
    `decimal128(p,s)`, `timestamptz` is in UTC, `jsonb` is JSON, `uuid` is a UUID, an array is a
    list; all others are text, in PostgreSQL's own form. So is a numeric without a precision, as
    sums and products are: give it one in the query, ``sum(paid)::numeric(18,2)``. A row with a
    value that no Arrow type holds (NaN in a decimal, `infinity` in a date, an array of several
    dimensions) is rejected, with the column and the value: choose another form in a query.

    A table has no order but the one that a query's ORDER BY gives it.

    Args:
        uri: where the database is; see `Server` for this and the next ones.
        host: the server's name or address, or the folder of its socket.
        port: where it listens.
        database: which of its databases.
        user: as whom.
        password: the user's. Better not here: libpq reads `PGPASSWORD` and ``~/.pgpass``.
        service: a section of ``~/.pg_service.conf`` that says the rest.
        libpq: other connection parameters by name: ``sslmode``, ``sslrootcert``, ``passfile``.
        table: a table or view: ``orders``, or ``sales.orders`` with its schema. Names are taken
            as they are; one with a dot in it goes into double quotes.
        query: a SELECT, in place of `table`.
        params: values for `$1`, `$2` and so on in `query`. They are bound, each with the type
            that Python gives it: compare a date with a date, or write ``$1::date``.
        columns: the ones to give, in this order; all if None.
        partition_column: a column whose ranges are read side by side, all in one snapshot: an
            integer, numeric, date or timestamp, best with an index.
        partitions: how many ranges, and connections; fewer connections where the server, or a
            pool before it, has no more to give. Rows that are null there come, too.
        ordered: whether one range follows the other. Otherwise they come in turn, which is the
            same order at every reading that has its connections, and quicker.
        cursor_column: a column of which only a range is read.
        initial_value: where that begins; from the least if None. Beside a column without a zone,
            a moment with one is taken in UTC.
        end_value: where it ends; no end if None. With either, rows that are null there don't come.
        range_start: ``closed`` if `initial_value` itself belongs to it, or ``open``.
        range_end: the same of `end_value`.
        on_error: `dead_letter` sets rows apart that hold such a value; `raise` raises a ReadError
            for the first.

    Raises:
        ConfigError: an option makes no sense.

    >>> source = PostgreSQLSource(
    ...     host="db", database="shop", password="hunter2", table="sales.orders",
    ...     cursor_column="updated_at", initial_value="2026-01-31",
    ... )
    >>> source.label
    "PostgreSQLSource('db/shop', table='sales.orders')"
    >>> "hunter2" in repr(source)
    False
    """

    _: KW_ONLY
    table: str | None = None
    query: str | None = None
    params: Sequence[Any] = ()
    columns: Sequence[str] | None = None
    partition_column: str | None = None
    partitions: int = 4
    ordered: bool = False
    cursor_column: str | None = None
    initial_value: Any = None
    end_value: Any = None
    range_start: str = "closed"
    range_end: str = "open"
    on_error: str = "dead_letter"
    _aside: Aside = field(init=False, repr=False, compare=False, default_factory=Aside)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        check_what(self.table, self.query, where=where)
        if self.table is not None:
            table_parts(self.table, where=where)
        if isinstance(self.params, str | bytes) or not isinstance(self.params, Sequence):
            raise ConfigError(f"{where}: params is a list of values, not {self.params!r}")
        columns = None if self.columns is None else as_names(self.columns, where=where)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "params", tuple(map(_hashable, self.params)))
        bound(self.query or "", self.params, where=where)
        check_choice("on_error", self.on_error, ("dead_letter", "raise"), where)
        flag(self.ordered, "ordered", where=where)
        self._check_ranges(where)

    def _check_ranges(self, where: str) -> None:
        if not isinstance(self.partitions, int) or not 1 <= self.partitions <= 64:  # noqa: PLR2004
            raise ConfigError(f"{where}: partitions is a number from 1 to 64: {self.partitions!r}")
        for option in ("range_start", "range_end"):
            value = getattr(self, option)
            if value not in RANGE_ENDS:
                hint = did_you_mean(closest(str(value), RANGE_ENDS))
                raise ConfigError(f"{where}: {option} is closed or open, not {value!r}{hint}")
        for value in (self.initial_value, self.end_value):
            if value is not None:
                sql_type(value, where=where)
                if self.cursor_column is None:
                    raise ConfigError(f"{where}: initial_value and end_value need cursor_column=")

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each PostgreSQL type."""
        return arrivals()

    @property
    def label(self) -> str:
        """The class, the database, and the table or the query's beginning."""
        return labelled(self, self.place, self.table, self.query)

    def schema(self) -> pa.Schema:
        """Give the schema that the server says; no row is read.

        Raises:
            ConfigError: a connection parameter makes no sense.
            ReadError: the database can't be reached, or the table isn't there.
            SchemaError: a column isn't there, or two have one name.
        """
        with self.connect(where=self.label) as connection:
            return arrow_schema(self._picked(self._columns(connection), self.columns))

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows as they come; only the columns that are asked for leave the server.

        Raises:
            ReadError: the server refuses, or goes away midway (then it is `Transient`); with
                `on_error="raise"`, a row doesn't fit.
        """
        yield from rebatched(self._batches(columns or self.columns), batch_size)

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with self._aside.scanning() as spool, closing(self._told(columns)) as rows:
            for batch, told in rows:
                if told.null_count == len(told):
                    yield batch
                    continue
                self._set_apart(rejected_rows(told.drop_null(), table=self.table), spool)
                yield batch.filter(told.is_null())

    def _set_apart(self, rejected: pa.RecordBatch, spool: Spool) -> None:
        if self.on_error == "raise":
            row = str(rejected["text"][0])[:SHOWN]
            raise refusal(rejected, f"{rejected['reason'][0]}; in the row {row}", where=self.label)
        spool.add(rejected)

    def rejected(
        self,
        connection: Any,  # noqa: ARG002 - the rows came from a scan
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows with values that no Arrow type holds."""
        yield from self._aside.taken()

    def _told(self, columns: Sequence[str] | None) -> Generator[Told, None, None]:
        open_ones = Connections()
        read = partial(batches, self.server, connections=open_ones)
        with (
            Lanes(read, open_ones.cancel) as lanes,
            snapshot(self.server, where=self.label) as connection,
        ):
            known = self._columns(connection)
            parts = [self._reading(known, self._picked(known, columns))]
            # One alone reads ahead, too: what is done with the rows takes as long as having them.
            connections: list[Opened] = [partial(nullcontext, connection)]
            if self.partition_column is not None and self.partitions > 1:
                column = self._one(known, self.partition_column)
                require_axis(column, where=self.label)
                with self.translated(self.label, ReadError):
                    parts = ranges(connection, parts[0], column, self.partitions)
                    moment = exported(connection)
                again = partial(snapshot, self.server, where=self.label, like=moment)
                connections += [again] * (min(self.partitions, len(parts)) - 1)
            with closing(lanes.batches(parts, connections, ordered=self.ordered)) as rows:
                yield from rows

    def _reading(self, known: tuple[Read, ...], picked: tuple[Read, ...]) -> Reading:
        reading = Reading(self.label, picked, self._origin, settings=self._bound.settings)
        if self.cursor_column is None:
            return reading
        column = self._one(known, self.cursor_column)
        ends = (
            (self.initial_value, ">=" if self.range_start == "closed" else ">"),
            (self.end_value, "<=" if self.range_end == "closed" else "<"),
        )
        for number, (value, sign) in enumerate(ends, len(self.params) + 1):
            text = as_text(value)
            if text is not None:
                kind = _edge_kind(value, column)
                edge = place(number, value, where=self.label, kind=kind)
                reading = replace(
                    reading,
                    predicates=(*reading.predicates, f"{name(column.column)} {sign} {edge}"),
                    settings=(*reading.settings, (f"{PREFIX}{number}", text)),
                )
        return reading

    @property
    def _bound(self) -> Bound:
        return bound(self.query or "", self.params, where=self.label)

    @property
    def _origin(self) -> str:
        if self.table is not None:
            return relation(table_parts(self.table, where=self.label))
        return f"(\n{self._bound.sql}\n)"

    def _columns(self, connection: Any) -> tuple[Read, ...]:
        selects = [f"SELECT * FROM {self._origin} AS rows"]
        if self.query is not None:
            # By itself first: what fits into parentheses may be more than a query.
            selects.insert(0, self._bound.sql)
        for select in selects:
            try:
                with self.translated(self.label, ReadError):
                    known = columns_of(connection, select)
            except ReadError as error:
                raise self._explained(connection, error) from error.__cause__
        if not known:
            raise SchemaError("there are no columns", where=self.label)
        return known

    def _explained(self, connection: Any, error: ReadError) -> ReadError:
        """Say which tables are there, or what a query is, if that is what is wrong."""
        state = sqlstate(error.__cause__) if error.__cause__ else None
        if state == SYNTAX_ERROR:
            return type(error)(f"{error}; a query is a SELECT", bare=error.bare)
        if state == NO_OPERATOR and self.params:
            advice = "a parameter has its Python type: $1::date makes a date"
            return type(error)(f"{error}; {advice}", bare=error.bare)
        if state not in NO_TABLE:
            return error
        missing = self.table or missing_relation(error.__cause__)
        if not missing:
            return error
        with self.translated(self.label, ReadError):
            connection.rollback()
            hint = did_you_mean(nearest_tables(connection, missing))
        kind = "table or view" if self.table else "table, view or sequence"
        return type(error)(f"{self.label}: no {kind} {missing!r}{hint}")

    def _picked(self, known: tuple[Read, ...], columns: Sequence[str] | None) -> tuple[Read, ...]:
        seen = [read.column for read in known]
        twice = next((column for column in seen if seen.count(column) > 1), None)
        if twice is not None:
            raise SchemaError(
                f"two columns are called {twice!r}; name them in the query: AS ...",
                where=self.label,
                column=twice,
            )
        return known if columns is None else tuple(self._one(known, each) for each in columns)

    def _one(self, known: tuple[Read, ...], column: str) -> Read:
        by_name = {read.column: read for read in known}
        if column not in by_name:
            raise SchemaError.missing(column, by_name, where=self.label)
        return by_name[column]

    def diagnose(self) -> Iterator[Finding]:
        """Try to connect, to find the table or parse the query, and to read it: no row of it."""
        steps = (
            ("connect", self._version),
            (f"find table {self.table!r}" if self.table else "parse the query", self._found),
            ("read it", self._allowed),
        )
        for step, attempt in steps:
            finding = found(step, attempt)
            yield finding
            if not finding.works:
                return

    def _version(self) -> str:
        with self.connect(where=self.label) as connection, self.translated(self.label, ReadError):
            return version(connection)

    def _found(self) -> str:
        return f"{len(self.schema())} columns"

    def _allowed(self) -> str:
        with snapshot(self.server, where=self.label) as connection:
            known = self._columns(connection)
            reading = self._reading(known, self._picked(known, self.columns))
            none = replace(reading, predicates=(*reading.predicates, "false"))
            for _ in batches(self.server, connection, none):
                pass
        return "allowed"


def _edge_kind(value: Any, column: Read) -> str:
    """Give the type as which an end of a range is compared with its column.

    As a date, a moment would lose its time, and as a timestamp its zone: both are compared with a
    moment all the same, in UTC as all that is read.
    """
    moment = isinstance(value, str | datetime) and column.kind in {"date", "timestamp"}
    return "timestamptz" if moment else name(column.kind)


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
