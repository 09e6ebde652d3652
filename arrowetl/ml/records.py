"""The different records of a table's rows: equal ones are compared once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from arrowetl.ml.grams import Rows
from arrowetl.ml.pairs import Space
from arrowetl.sql import name

_ALL = name("arrowetl:records")
_KEPT = name("arrowetl:different_records")
_EARLIER = "arrowetl:earlier_records"
_BATCH = 20_000


Keys = npt.NDArray[np.uint64]
"""128 bits of each record, as two columns: equal where records are."""
Known = Callable[[Keys], Rows]
"""Gives for each key the number of the earlier record that has it; -1 where none does."""

_NO_ROWS: Rows = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Records:
    """Different records, in an order of their own, and which rows of the table have which."""

    space: Space
    ids: Rows
    """For each record the lowest id of the rows that have it."""
    repeats: tuple[Rows, Rows]
    """The other rows' ids, and beside each the record it has."""
    keys: Keys | None = None
    """The records' keys; None where nobody asked what is known."""
    earlier: tuple[Rows, Rows] = (_NO_ROWS, _NO_ROWS)
    """The ids of rows whose record is known from earlier, and its number there."""


@dataclass(frozen=True)
class Different:
    """The different values of an expression over a table's rows, in their own order."""

    connection: DuckDBPyConnection
    ids: Rows
    """For each value the lowest id of the rows that have it."""
    keys: Keys | None = None
    earlier: tuple[Rows, Rows] = (_NO_ROWS, _NO_ROWS)
    """As in `Records`: those values are left out."""

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
    connection: DuckDBPyConnection,
    table: str,
    expression: str,
    *,
    id_column: str,
    known: Known | None = None,
) -> Iterator[Different]:
    """Find the different values of an expression; rows for which it is null are left out.

    Args:
        connection: where the table is; it is scanned once, into a temporary table.
        table: its name.
        expression: SQL over its columns.
        id_column: whole numbers that differ from row to row. Nothing depends on the rows' order.
        known: tells values that are known from earlier; they are left out. A key is the value's
            MD5.
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
        keys, earlier = None, (_NO_ROWS, _NO_ROWS)
        if known is not None:
            keys = _keys(connection)
            keys, earlier = _without_known(connection, keys, known(keys))
        ids = _column(connection, f"SELECT id FROM {_KEPT} ORDER BY rowid")
        yield Different(connection, ids, keys, earlier)
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {_KEPT}")
        connection.execute(f"DROP TABLE {_ALL}")


def _keys(connection: DuckDBPyConnection) -> Keys:
    # As JSON: a list of texts is no other list's text.
    text = "to_json(value)::VARCHAR"
    table = connection.sql(
        f"SELECT md5_number_upper({text}) AS a, md5_number_lower({text}) AS b "
        f"FROM {_KEPT} ORDER BY rowid"
    ).to_arrow_table()
    return np.stack([table[column].to_numpy() for column in ("a", "b")], axis=1)


def _without_known(
    connection: DuckDBPyConnection, keys: Keys, numbers: Rows
) -> tuple[Keys, tuple[Rows, Rows]]:
    """Take the values that have a number out of the table; give their rows, and the other keys."""
    places = np.flatnonzero(numbers >= 0)
    if not len(places):
        return keys, (_NO_ROWS, _NO_ROWS)
    # Places among the values: rowids need not be dense in all versions of DuckDB.
    made = pa.table({"place": places, "number": numbers[places]})
    connection.register(_EARLIER, made)
    placed = f"(SELECT *, row_number() OVER (ORDER BY rowid) - 1 AS place FROM {_KEPT})"
    rows = connection.sql(
        f"SELECT every.id, seen.number FROM {name(_EARLIER)} AS seen JOIN {placed} AS kept "
        f"USING (place) JOIN {_ALL} AS every ON every.value = kept.value ORDER BY every.id"
    ).to_arrow_table()
    connection.execute(
        f"DELETE FROM {_KEPT} WHERE id IN (SELECT kept.id FROM {name(_EARLIER)} "
        f"JOIN {placed} AS kept USING (place))"
    )
    connection.unregister(_EARLIER)
    earlier = (rows["id"].to_numpy(), rows["number"].to_numpy())
    return keys[numbers < 0], earlier


def _column(connection: DuckDBPyConnection, select: str) -> Rows:
    table: pa.Table = connection.sql(select).to_arrow_reader().read_all()
    values: Rows = table.column(0).fill_null(0).to_numpy()
    return values
