"""The different records of a table's rows: equal ones are compared once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from arrowetl.ml.grams import Rows
from arrowetl.ml.pairs import Space
from arrowetl.sql import name

_ALL = name("arrowetl:records")
_KEPT = name("arrowetl:different_records")
_BATCH = 20_000


@dataclass(frozen=True)
class Records:
    """Different records, in an order of their own, and which rows of the table have which."""

    space: Space
    ids: Rows
    """For each record the lowest id of the rows that have it."""
    repeats: tuple[Rows, Rows]
    """The other rows' ids, and beside each the record it has."""


@dataclass(frozen=True)
class Different:
    """The different values of an expression over a table's rows, in their own order."""

    connection: DuckDBPyConnection
    ids: Rows
    """For each value the lowest id of the rows that have it."""

    def values(self) -> pa.RecordBatchReader:
        """Give the values, as the one column of batches."""
        return self.connection.sql(f"SELECT value FROM {_KEPT} ORDER BY rowid").to_arrow_reader(
            _BATCH
        )

    def total(self, measure: str) -> int:
        """Give the sum of a measure of `value`, as SQL, over all of them."""
        return int(_column(self.connection, f"SELECT sum({measure})::BIGINT FROM {_KEPT}")[0])

    def repeats(self) -> tuple[Rows, Rows]:
        """Give the ids of all other rows, and for each the number of its value."""
        other = (
            f"FROM {_ALL} AS every JOIN {_KEPT} AS kept ON every.value = kept.value "
            "WHERE every.id <> kept.id ORDER BY every.id"
        )
        repeated = _column(self.connection, f"SELECT every.id {other}")
        first = _column(self.connection, f"SELECT kept.id {other}")
        order = np.argsort(self.ids)
        places = order[np.searchsorted(self.ids, first, sorter=order)] if len(first) else first
        return repeated, places


@contextmanager
def different(
    connection: DuckDBPyConnection, table: str, expression: str, *, id_column: str
) -> Iterator[Different]:
    """Find the different values of an expression; rows for which it is null are left out.

    Args:
        connection: where the table is; it is scanned once, into a temporary table.
        table: its name.
        expression: SQL over its columns.
        id_column: whole numbers that differ from row to row. Nothing depends on the rows' order.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_ALL} AS SELECT * FROM (SELECT "
        f"{name(id_column)}::BIGINT AS id, {expression} AS value FROM {name(table)}) "
        "WHERE value IS NOT NULL"
    )
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_KEPT} AS SELECT min(id) AS id, value FROM {_ALL} "
            "GROUP BY value ORDER BY value"
        )
        yield Different(connection, _column(connection, f"SELECT id FROM {_KEPT} ORDER BY rowid"))
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {_KEPT}")
        connection.execute(f"DROP TABLE {_ALL}")


def _column(connection: DuckDBPyConnection, select: str) -> Rows:
    table: pa.Table = connection.sql(select).to_arrow_reader().read_all()
    values: Rows = table.column(0).fill_null(0).to_numpy()
    return values
