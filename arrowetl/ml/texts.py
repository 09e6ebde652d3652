"""The different texts of a table's rows, cut, weighed and ready to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from arrowetl.ml.grams import Rows, gram_sets
from arrowetl.ml.strings import levels, record_text
from arrowetl.ml.weights import WeighedSets, weigh
from arrowetl.sql import name

_ALL = name("arrowetl:record_texts")
_KEPT = name("arrowetl:different_texts")
_BATCH = 20_000


@dataclass(frozen=True)
class Texts:
    """Different texts, in the order of the letters, and which rows of the table have which."""

    sets: WeighedSets
    ids: Rows
    """For each text the lowest id of the rows that have it."""
    repeats: tuple[Rows, Rows]
    """The other rows' ids, and beside each the text it has."""


def read_texts(
    connection: DuckDBPyConnection,
    table: str,
    columns: Mapping[str, float],
    *,
    id_column: str,
    threads: int = 1,
) -> Texts:
    """Read the texts of a table, equal ones once; rows without any text are left out.

    Args:
        connection: where the table is; it is scanned once, into a temporary table.
        table: its name.
        columns: what is compared, with the weight of each.
        id_column: whole numbers that differ from row to row. Nothing depends on the rows' order.
        threads: how many work at once.

    Raises:
        ConfigError: no column, or a weight makes no sense.

    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     _ = connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1, 'b'), (2, 'B.'), "
    ...                            "(3, 'a'), (4, ''), (5, NULL)) AS t(id, x)")
    ...     texts = read_texts(connection, "t", {"x": 1.0}, id_column="id")
    >>> texts.ids.tolist(), [each.tolist() for each in texts.repeats]
    ([3, 1], [[2], [1]])
    """
    weights = levels(columns, where="read_texts")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_ALL} AS SELECT * FROM (SELECT "
        f"{name(id_column)}::BIGINT AS id, {record_text(columns)} AS text FROM {name(table)}) "
        "WHERE text IS NOT NULL"
    )
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_KEPT} AS SELECT min(id) AS id, text FROM {_ALL} "
            "GROUP BY text ORDER BY text"
        )
        size = _column(connection, f"SELECT sum(length(text))::BIGINT FROM {_KEPT}")
        ids = _column(connection, f"SELECT id FROM {_KEPT} ORDER BY rowid")
        texts = connection.sql(f"SELECT text FROM {_KEPT} ORDER BY rowid").to_arrow_reader(_BATCH)
        sets = gram_sets(
            (batch.column(0) for batch in texts), characters=int(size[0]), threads=threads
        )
        other = (
            f"FROM {_ALL} AS every JOIN {_KEPT} AS kept ON every.text = kept.text "
            "WHERE every.id <> kept.id ORDER BY every.id"
        )
        repeated = _column(connection, f"SELECT every.id {other}")
        first = _column(connection, f"SELECT kept.id {other}")
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {_KEPT}")
        connection.execute(f"DROP TABLE {_ALL}")
    order = np.argsort(ids)
    places = order[np.searchsorted(ids, first, sorter=order)] if len(first) else first
    return Texts(weigh(sets, weights, threads=threads), ids, (repeated, places))


def _column(connection: DuckDBPyConnection, select: str) -> Rows:
    table: pa.Table = connection.sql(select).to_arrow_reader().read_all()
    values: Rows = table.column(0).fill_null(0).to_numpy()
    return values
