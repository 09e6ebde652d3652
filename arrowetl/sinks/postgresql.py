"""PostgreSQLLoader: a table of a PostgreSQL database, loaded by COPY in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import pyarrow as pa

from arrowetl.arguments import flag, whole
from arrowetl.errors import ConfigError, OccupiedError, SchemaError, WriteError
from arrowetl.findings import tried
from arrowetl.postgres.connection import Server
from arrowetl.postgres.errors import PassingWriteError, may_pass, sqlstate
from arrowetl.sinks.postgresql_fit import Change, change, ways
from arrowetl.sinks.postgresql_rows import CHUNK_ROWS, Rows
from arrowetl.sinks.postgresql_sql import Load
from arrowetl.sinks.postgresql_tables import Have, Tables
from arrowetl.sinks.postgresql_types import MAX_NAME, Sent, sent_columns
from arrowetl.sinks.rounding import shown
from arrowetl.sinks.table import Column, Fit, check_table_options, table_place
from arrowetl.stage import Finding, Mode, Refuse, RowSink, require
from arrowetl.tunable import Knob
from arrowetl.typemap import Stored

ON_ERROR = ("dead_letter", "raise")


@dataclass
class _Run:
    open: ExitStack | None = None
    connection: Any = None
    tables: Tables | None = None
    old: Tables | None = None
    load: Load | None = None


@dataclass(frozen=True, repr=False)
class PostgreSQLLoader(Server, RowSink):
    """Load a table of a PostgreSQL database by binary COPY, in one transaction.

    Schema and table are made if they aren't there. Readers see the old rows until the commit, and
    wait for it only where the table's columns have to change. Rows go from Arrow to the server as
    they are, or cast a column at a time; memory holds a chunk of `chunk_rows` rows, or 32 MB.

    A row that the table doesn't take (a constraint, a text that its column can't be read from, a
    NUL) goes to the dead letters with PostgreSQL's own name for the reason, and all others arrive;
    of two rows with one unique key it is the later. Constraints that may be deferred are checked
    at once.

    ``replace`` deletes the rows, so that constraints, indexes, grants and views stay; others can't
    write to the table meanwhile. If the rows lack a column of the table, or have one of a type
    that no wider one holds, a new table takes the place of the old one at the commit (not with
    ``freeze`` or ``discard``): its grants stay, its indexes and constraints don't, and a view on
    it is an error. `explain` and ``arrowetl doctor`` say so before.

    With ``evolve`` a column is widened for rows of a wider type: an integer for int64, which is
    what Python, pandas and CSV have; never to one that would round what is there, as double
    precision would a bigint. Where it can't be (a view, a generated column or the partition key
    needs it as it is, it's a domain, or the table is another's), and with ``freeze`` and
    ``discard``, a column of numbers keeps its type: rows with a value that it can't hold go to the
    dead letters, the others arrive. So go integers that double precision would round. A column of
    integers or numerics keeps its type beside doubles, too, and takes those whose digits it has:
    1.25, and not 1.255, is a numeric(7,2), and 3.0 an integer.

    A row that a BEFORE trigger leaves out goes to the dead letters, unless other tables inherit
    from the table: then it is taken to be in one of them. Their rows are never touched.

    Args:
        uri: ``postgresql://user@host:port/database``; or the parts by themselves, as `Server`
            describes them: `host`, `port`, `database`, `user`, `password`, `service`, and any
            other parameter in `libpq`, for instance ``{"sslmode": "verify-full"}``. What isn't
            given comes from the ``PG*`` environment and libpq's files. Passwords are never shown.
        table: where to: ``orders``, or ``sales.orders`` with its schema, as `PostgreSQLSource`
            reads it. Any name of at most 63 bytes; one with a dot in it goes into double quotes.
        schema: the table's schema, where `table` doesn't say it; ``public`` if None.
        mode: ``append``; ``replace`` the table's rows; ``upsert`` rows by `key`; ``error`` if
            there is such a table.
        key: columns by which ``upsert`` finds rows; a primary key of a table that is made, a
            unique index if there is none. Of several rows of a run with one key the last wins,
            and those before it may go unjudged. Columns that the rows lack keep their values.
        on_schema_change: ``evolve``, ``freeze`` or ``discard``, if the table has other columns.
        on_error: ``dead_letter``, or ``raise`` to fail the load with the first bad row.
        exclusive: whether an ``upsert`` may keep others from writing to the table until it
            commits. It then deletes and copies rows instead of updating them, where no trigger,
            foreign key or other column could tell: nearly twice as quick.
        chunk_rows: rows that are sent at a time, and go back together if one of them is refused.
            An `AutoTuner` may choose others. An `exclusive` upsert takes more.

    Raises:
        ConfigError: an option makes no sense.

    >>> loader = PostgreSQLLoader(host="db", database="w", password="x", table="t", schema="sales")
    >>> print(loader.label)
    PostgreSQLLoader('db/w', table='sales.t')
    """

    _: KW_ONLY
    table: str
    schema: str | None = None
    mode: str = "append"
    key: str | Sequence[str] = ()
    on_schema_change: str = "evolve"
    on_error: str = "dead_letter"
    exclusive: bool = True
    chunk_rows: int = CHUNK_ROWS
    _run: _Run = field(default_factory=_Run, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        check_table_options(self)
        for option, value in zip(("schema", "table"), self._at, strict=True):
            if len(value.encode()) > MAX_NAME:
                raise ConfigError(
                    f"{where}: {option} {value!r} has {len(value.encode())} bytes, and PostgreSQL "
                    f"cuts names after {MAX_NAME}; choose a shorter one"
                )
        if self.on_error not in ON_ERROR:
            raise ConfigError(
                f"{where}: on_error is 'dead_letter' or 'raise', not {self.on_error!r}"
            )
        flag(self.exclusive, "exclusive", where=where)
        whole(self.chunk_rows, "chunk_rows", where=where)

    @property
    def knobs(self) -> Sequence[Knob]:
        """How many rows are sent at a time, unless somebody said it, or keys decide."""
        if self.chunk_rows != CHUNK_ROWS or self.mode == Mode.UPSERT:
            return ()
        return (
            Knob("ingest_rows", tuple(CHUNK_ROWS >> 4 << n for n in range(0, 7, 2)), CHUNK_ROWS),
        )

    def tuned(self, chosen: Mapping[str, int]) -> PostgreSQLLoader:
        """Give one that sends other chunks."""
        rows = chosen.get("ingest_rows", self.chunk_rows)
        return self if rows == self.chunk_rows else replace(self, chunk_rows=rows)

    @property
    def label(self) -> str:
        """The class, the place and the table."""
        return f"PostgreSQLLoader({self.place!r}, table={'.'.join(self._at)!r})"

    @property
    def _at(self) -> tuple[str, str]:
        """The table's schema and its name."""
        return table_place(self.table, self.schema, "public", where=type(self).__name__)

    def _connected(self, begin: str = "BEGIN") -> AbstractContextManager[Any]:
        return self.connect(where=self.label, failed=WriteError, autocommit=True, first=[begin])

    def _writing(self) -> AbstractContextManager[None]:
        return self.translated(self.label, WriteError)

    # --- before a run ----------------------------------------------------------------------

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows would fit the table; nothing is changed.

        Raises:
            SchemaError: they don't.
            WriteError: the server can't be reached, or the mode forbids it.
        """
        sent = self._sent(schema)
        with self._writing(), self._connected() as connection:
            tables = self._tables(connection)
            have = self._columns(tables)
            return () if have is None else self._change(tables, have, sent).notes

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give the declared type of each column, and what is read back of it.

        Raises:
            SchemaError: PostgreSQL has no type for a column.
        """
        return tuple(each.stored for each in sent_columns(schema, where=self.label))

    def diagnose(self, schema: pa.Schema) -> Iterator[Finding]:
        """Try to connect, find the table, ask for each permission, and fit the rows to it."""
        fit = ("take the rows", lambda: "; ".join(self.check(schema)) or "they fit")
        return self._tried(schema.names, fit)

    def reached(self) -> Iterator[Finding]:
        """Try to connect, and ask for the permissions that rows of any columns need."""
        return self._tried(())

    def _tried(
        self, columns: Sequence[str], *more: tuple[str, Callable[[], str]]
    ) -> Iterator[Finding]:
        with ExitStack() as stack:

            def connect() -> str:
                with self._writing():
                    tables.append(self._tables(stack.enter_context(self._connected())))
                    return str(tables[0].asked(_WHO)[0][0])

            tables: list[Tables] = []
            allowed = ("have the permissions", lambda: self._permissions(tables[0], columns))
            yield from tried([("connect", connect), allowed, *more])

    def _permissions(self, tables: Tables, columns: Sequence[str]) -> str:
        with self._writing():
            there = self._columns(tables) is not None
            needs = {
                Mode.UPSERT: ["INSERT", "SELECT", "UPDATE"],
                Mode.REPLACE: ["INSERT", "DELETE"],
            }
            asked = needs.get(Mode(self.mode), ["INSERT"]) if there else ["CREATE"]
            lacking = [each for each in asked if not tables.may(each)]
            lacking += tables.lacking_around(columns)
        if lacking:
            raise WriteError(
                f"{self.label}: {' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} "
                f"needed{'' if there else ', to make the table,'} and not granted; ask the owner"
            )
        return f"{', '.join(asked)} {'on the table' if there else 'a table'}"

    def _sent(self, schema: pa.Schema) -> tuple[Sent, ...]:
        require(schema, self.key, where=self.label)
        return sent_columns(schema, where=self.label)

    def _tables(self, connection: Any) -> Tables:
        return Tables(connection, *self._at, self.label)

    def _columns(self, tables: Tables) -> list[Have] | None:
        columns = tables.columns()
        if columns is not None and self.mode == Mode.ERROR:
            raise OccupiedError(f"{self.label}: the table is there already, and mode='error'")
        return columns

    def _change(self, tables: Tables, have: Sequence[Have], sent: Sequence[Sent]) -> Change:
        """Find what the table has to become for the rows.

        Raises:
            SchemaError: they don't fit it.
            WriteError: this user may not do it, or other objects forbid it.
        """
        found = change(have, sent, policy=self.on_schema_change, mode=self.mode, where=self.label)
        if found.fit is None:
            tables.refuse_new(found.anew)
            return found
        if found.fit.added:
            column = found.fit.added[0].name
            tables.require_owner(f"column {column!r} has to be added", "on_schema_change='discard'")
        if self.mode == Mode.REPLACE:
            tables.refuse_clear()
        if self.mode == Mode.UPSERT:
            places = dict(zip([each.column for each in sent], found.fit.columns, strict=True))
            for key in self.key:
                if places[key] is None:
                    known = [each.column.name for each in have]
                    raise SchemaError.missing(key, known, where=self.label)
            tables.require_key([to.name for key in self.key if (to := places[key])])
        return found

    # --- a run -----------------------------------------------------------------------------

    def begin(self, schema: pa.Schema) -> None:
        """Connect and begin a transaction; make or alter the table in it."""
        self.abort()
        sent = self._sent(schema)
        run = self._run
        run.open = ExitStack()
        try:
            with self._writing():
                run.connection = run.open.enter_context(self._connected(_BEGIN))
                run.tables = self._tables(run.connection)
                for statement in _SET:
                    run.tables.run(statement)
                run.load = self._prepare(run.tables, sent)
        except BaseException:
            self.abort()
            raise

    def _prepare(self, tables: Tables, sent: Sequence[Sent]) -> Load:
        have = self._columns(tables)
        key = self.key if self.mode == Mode.UPSERT else ()
        fitting = None if have is None else self._change(tables, have, sent).fit
        if have is None or fitting is None:
            if have is not None:
                self._run.old = tables
                tables = self._run.tables = tables.beside()
            tables.create(_incoming(sent), key)
            have = tables.columns() or []
            fitting = Fit(tuple(_incoming(sent)))
        else:
            self._alter(tables, fitting)
        to = tuple(ways(sent, fitting, have))
        target_key = tuple(way.column for each in key for way in to if way.sent.column == each)
        watched = tables.is_watched(updates=bool(key))
        if not key:
            return Load(self._at[0], tables.table, to, watched=watched)
        tables.ensure_key(target_key)
        swift = self.exclusive and tables.is_plain(len(to))
        if swift:
            tables.lock()
        return Load(self._at[0], tables.table, to, target_key, swift, watched)

    def _alter(self, tables: Tables, fitting: Fit) -> None:
        for column in fitting.added:
            tables.add(column)
        for column in fitting.widened:
            tables.widen(column)
        if self.mode == Mode.REPLACE:
            tables.clear()

    def write_rows(self, batches: pa.RecordBatchReader, refuse: Refuse) -> int:
        """Put the rows in the transaction; those that the table refuses go to `refuse`."""
        run = self._run
        if run.load is None or run.tables is None:
            raise WriteError(f"{self.label}: begin() comes before write()")
        giving = refuse if self.on_error == "dead_letter" else self._raise
        rows = Rows(run.connection, run.tables, run.load, giving, chunk_rows=self.chunk_rows)
        with self._writing():
            try:
                return rows.put(batches)
            except Exception:
                if rows.error is not None:
                    raise rows.error from None
                raise

    def _raise(self, why: pa.RecordBatch, rows: pa.RecordBatch) -> None:
        column = why["column"][0].as_py()  # small: one name
        known = column in rows.schema.names
        value = f" (column {column!r} has {shown(rows[column])})" if known else ""
        raise WriteError(f"{self.label}: {why['reason'][0]}{value}")

    def commit(self) -> None:
        """Commit the transaction and disconnect.

        Raises:
            WriteError: it was not committed; or the answer of the server was lost and it can't be
                asked again. Then the message says that the outcome is unknown.
        """
        run = self._run
        if run.tables is None:
            return
        with self._writing():
            if run.old is not None:
                run.tables.put_in_place_of(run.old)
            transaction = run.tables.asked(_TRANSACTION)[0][0]
        self._commit(run.tables, transaction)
        self._close()

    def _commit(self, tables: Tables, transaction: str | None) -> None:
        from adbc_driver_manager import Error

        try:
            tables.run("COMMIT")
        except Error as error:
            answered = sqlstate(error) is not None and not may_pass(error)
            if answered or transaction is None:
                with self._writing():
                    raise
            self._ask_again(transaction, error)

    def _ask_again(self, transaction: str, lost: Exception) -> None:
        """Find what became of a transaction whose COMMIT nobody answered.

        Raises:
            WriteError: it was rolled back (a second attempt may work), or nobody knows.
        """
        status = None
        with suppress(WriteError), self._writing(), self._connected() as connection:
            for _ in range(ASK_TIMES):
                status = self._tables(connection).asked(_STATUS, transaction)[0][0]
                if status != "in progress":
                    break
                time.sleep(ASK_AFTER)
        if status == "committed":
            return
        if status == "aborted":
            raise PassingWriteError(
                f"{self.label}: the connection was lost before the commit; nothing has arrived"
            ) from lost
        raise WriteError(
            f"{self.label}: the connection was lost during the commit, and whether the rows have "
            f"arrived is unknown: SELECT pg_xact_status('{transaction}') on the server tells. Look "
            f"before you run it again"
        ) from lost

    def abort(self) -> None:
        """Roll back and disconnect."""
        self._close()

    def _close(self) -> None:
        run = self._run
        if run.open is not None:
            run.open.close()
        run.open = run.connection = run.tables = run.old = run.load = None


ASK_TIMES, ASK_AFTER = 20, 0.25
"""How often, and after how many seconds again, a server is asked for a commit's outcome."""

_TRANSACTION = "SELECT pg_current_xact_id_if_assigned()::text"
_STATUS = "SELECT pg_xact_status($1::text::xid8)"
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_SET = (
    "SET LOCAL client_min_messages = error",
    "SET CONSTRAINTS ALL IMMEDIATE",
)
_WHO = "SELECT 'PostgreSQL ' || current_setting('server_version') || ', as ' || current_user"


def _incoming(sent: Sequence[Sent]) -> list[Column]:
    return [each.incoming for each in sent]
