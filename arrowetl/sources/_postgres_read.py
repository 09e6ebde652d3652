"""One SELECT of PostgreSQL's as a stream of batches: by COPY, in a snapshot, nothing written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from arrowetl.errors import ReadError
from arrowetl.postgres.connection import Server
from arrowetl.postgres.parameters import bind
from arrowetl.postgres.types import Read
from arrowetl.sources._postgres_rejects import misfit_item
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
        """The SELECT whose rows come; its last column tells of those that don't fit."""
        items = ", ".join([*(read.select for read in self.columns), misfit_item(self.columns)])
        return f"SELECT {items} FROM {self.origin} AS rows{self.condition}"

    @property
    def condition(self) -> str:
        """The WHERE of it, with the space before it; empty if there is none."""
        return f" WHERE {' AND '.join(self.predicates)}" if self.predicates else ""


Told = tuple[pa.RecordBatch, pa.Array]
"""Rows, and what `MISFIT` tells of those that don't fit; null for the others."""


@dataclass
class Connections:
    """The connections of a run, so that whoever leaves can end what they do."""

    open: list[Any] = field(default_factory=list)

    def cancel(self) -> None:
        """Ask the server to stop what it does for them."""
        import adbc_driver_manager

        for connection in self.open:
            with suppress(adbc_driver_manager.Error):
                connection.cancel()


@contextmanager
def snapshot(server: Server, *, where: str, like: str | None = None) -> Iterator[Any]:
    """Open a connection that sees one moment, and writes nothing.

    Args:
        server: where.
        where: the place to name in errors.
        like: the snapshot that another connection exported, to see what it sees.
    """
    # What is read from another's snapshot was described by it: nothing but built-in types.
    first = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
    if like is not None:
        first.append(f"SET TRANSACTION SNAPSHOT {literal(like)}")
    with server.connect(where=where, own_types=like is None, first=first) as connection:
        yield connection


def exported(connection: Any) -> str:
    """Give the name by which other connections see what this one does, while it is open."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        return str(cursor.fetchone()[0])


def batches(
    server: Server, connection: Any, reading: Reading, *, connections: Connections | None = None
) -> Generator[Told, None, None]:
    """Give the rows as they come, with what is told of those that don't fit.

    The server waits while nobody asks.

    Raises:
        ReadError: the server refuses, or goes away (then it is `Transient`).
    """
    with ExitStack() as stack:
        if connections is not None:
            connections.open.append(connection)
            stack.callback(connections.open.remove, connection)
        with server.translated(reading.where, ReadError):
            bind(connection, reading.settings)
            cursor = stack.enter_context(closing(connection.cursor()))
            cursor.set_option(_BATCH_OPTION, str(BATCH_BYTES))
            cursor.execute(reading.sql)
            reader = stack.enter_context(closing(cursor.fetch_reader()))
        while True:
            with server.translated(reading.where, ReadError):
                batch = next(reader, None)
            if batch is None:
                return
            *columns, told = batch.columns
            yield made(columns, reading.columns, where=reading.where), told
