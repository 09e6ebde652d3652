"""One SELECT of PostgreSQL's as a stream of batches: by COPY, in a snapshot, nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from arrowetl.errors import ReadError
from arrowetl.postgres.connection import Server
from arrowetl.postgres.parameters import bind
from arrowetl.postgres.types import Read
from arrowetl.sources._postgres_values import made
from arrowetl.sql import literal

BATCH_BYTES = 4 << 20
"""Bytes in a batch of the driver's, about: memory holds a few of them, whatever a row is long."""

_BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"


@dataclass(frozen=True)
class Reading:
    """What is read.

    Attributes:
        where: the source, as errors call it.
        columns: the columns, in their order.
        origin: the table, or the query in parentheses.
        predicates: what must be true of a row, each of them.
        settings: the values that `origin` and `predicates` read, by their setting's name.
    """

    where: str
    columns: tuple[Read, ...]
    origin: str
    predicates: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def sql(self) -> str:
        """The SELECT whose rows come."""
        items = ", ".join(read.select for read in self.columns)
        return f"SELECT {items} FROM {self.origin} AS rows{self.condition}"

    @property
    def condition(self) -> str:
        """The WHERE of it, with the space before it; empty if there is none."""
        return f" WHERE {' AND '.join(self.predicates)}" if self.predicates else ""


@dataclass
class Connections:
    """The connections of a run, so that whoever leaves can end what they do."""

    open: list[Any] = field(default_factory=list)

    def cancel(self) -> None:
        """Ask the server to stop what it does for them."""
        import adbc_driver_manager

        for connection in self.open:
            with suppress(adbc_driver_manager.Error):
                connection.adbc_cancel()


@contextmanager
def snapshot(server: Server, *, where: str, like: str | None = None) -> Iterator[Any]:
    """Open a connection that sees one moment, and writes nothing.

    Args:
        server: where.
        where: the place to name in errors.
        like: the snapshot that another connection exported, to see what it sees.
    """
    # What is read from another's snapshot was described by it: nothing but built-in types.
    with server.connect(where=where, own_types=like is None) as connection:
        with server.translated(where, ReadError), closing(connection.cursor()) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if like is not None:
                cursor.execute(f"SET TRANSACTION SNAPSHOT {literal(like)}")
        yield connection


def exported(connection: Any) -> str:
    """Give the name by which other connections see what this one does, while it is open."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        return str(cursor.fetchone()[0])


def batches(
    server: Server, connection: Any, reading: Reading, connections: Connections | None = None
) -> Iterator[pa.RecordBatch]:
    """Give the rows as they come; the server waits while nobody asks.

    Raises:
        ReadError: the server refuses, or goes away (then it is `Transient`); or a value doesn't
            fit its column's type.
    """
    with ExitStack() as stack:
        if connections is not None:
            connections.open.append(connection)
            stack.callback(connections.open.remove, connection)
        with server.translated(reading.where, ReadError), _blaming(reading):
            bind(connection, reading.settings)
            cursor = stack.enter_context(closing(connection.cursor()))
            cursor.adbc_statement.set_options(**{_BATCH_OPTION: str(BATCH_BYTES)})
            cursor.execute(reading.sql)
            reader = stack.enter_context(closing(cursor.fetch_record_batch()))
        while True:
            with server.translated(reading.where, ReadError), _blaming(reading):
                batch = next(reader, None)
            if batch is None:
                return
            yield made(batch, reading.columns, where=reading.where)


_TOLD: tuple[tuple[str, str, str], ...] = (
    ("cannot convert NaN to bigint", "numeric(", "NaN, which decimals can't hold"),
    ("Interval with time value", "interval", "an interval of infinity or over 292 years of hours"),
)
"""What the server or the driver says without a column, the types that can be meant, our words."""


@contextmanager
def _blaming(reading: Reading) -> Iterator[None]:
    """Name the columns that may be meant where the server doesn't."""
    import adbc_driver_manager

    try:
        yield
    except (adbc_driver_manager.Error, OSError, pa.ArrowException) as error:
        for text, kind, what in _TOLD:
            meant = [
                read.column for read in reading.columns if f"{read.declared}(".startswith(kind)
            ]
            if text in str(error) and meant:
                raise ReadError(
                    f"{reading.where}: column {' or '.join(map(repr, meant))} has {what}; read it "
                    "as text, or as null, by a query"
                ) from error
        raise
