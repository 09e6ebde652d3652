"""Rows that are nearly alike: their texts compared, one a cluster chosen, the others removed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from arrowetl.arrow import reader_of
from arrowetl.duck import connect
from arrowetl.ml.strings import levels, record_text
from arrowetl.sql import STREAM, name
from arrowetl.stage import BATCH_ROWS

if TYPE_CHECKING:
    from arrowetl.ml.weights import WeighedSets

LIMIT = 1_000_000_000
"""How many candidates are compared at most, unless somebody says otherwise: minutes of work."""
ROW = name("arrowetl:row")
"""The column with a row's number in the source's order."""

_TEXT = name("arrowetl:text")
_ROWS = name("arrowetl:rows")
_TEXTS = name("arrowetl:texts")
_CENTRES = name("arrowetl:centres")
_CHOSEN = name("arrowetl:chosen")
_ALIKE = name("arrowetl:alike")


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        threshold: how alike two texts have to be.
        limit: how many candidates may be compared.
    """

    threshold: float
    limit: int


@dataclass(frozen=True)
class Likeness:
    """Rows in a database, their texts compared.

    Attributes:
        connection: has the rows, numbered, their different texts, and each text's centre.
        sets: the texts, weighed.
    """

    connection: duckdb.DuckDBPyConnection
    sets: WeighedSets

    def rows(
        self, best: str, report: tuple[str | None, str | None], columns: Iterable[str]
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows to keep; or all of them, with the row that each repeats.

        Args:
            best: the aggregate over ROW that chooses the row of a cluster.
            report: what to call the columns with the row it repeats, and how alike it is; None
                for the first removes the rows instead.
            columns: those that come out, in order.
        """
        self._choose(best)
        repeats, alike = report
        listed = ", ".join(f"r.{name(column)}" for column in columns if column not in report)
        chosen = f"FROM {_ROWS} AS r JOIN {_CHOSEN} AS c USING ({ROW})"
        if repeats is None:
            query = f"SELECT {listed} {chosen} WHERE c.kept = {ROW} ORDER BY {ROW}"
        else:
            listed += f", CASE WHEN c.kept <> {ROW} THEN c.kept - 1 END AS {name(repeats)}"
            if alike is not None:
                self._compare()
                chosen += f" LEFT JOIN {_ALIKE} AS a USING ({ROW})"
                listed += f", a.similarity AS {name(alike)}"
            query = f"SELECT {listed} {chosen} ORDER BY {ROW}"
        with self.connection.sql(query).to_arrow_reader(BATCH_ROWS) as reader:
            yield from reader

    def _choose(self, best: str) -> None:
        """Make the table that says of each row which one stands for it."""
        # Rows without a text are alone.
        clustered = (
            f"SELECT r.*, t.id, coalesce(n.centre, -r.{ROW}) AS centre FROM {_ROWS} AS r "
            f"LEFT JOIN {_TEXTS} AS t USING ({_TEXT}) LEFT JOIN {_CENTRES} AS n USING (id)"
        )
        self.connection.execute(
            f"CREATE TEMP TABLE {_CHOSEN} AS "
            f"WITH clustered AS MATERIALIZED ({clustered}), "
            f"kept AS (SELECT centre, {best} AS kept FROM clustered GROUP BY centre) "
            f"SELECT {ROW}, id, kept FROM clustered JOIN kept USING (centre)"
        )

    def _compare(self) -> None:
        """Make the table that says how alike rows are to those that stand for them."""
        from arrowetl.ml.pairs import compared

        pairs = self.connection.sql(
            f"SELECT c.{ROW}, c.id, k.id AS other FROM {_CHOSEN} AS c "
            f"JOIN {_CHOSEN} AS k ON k.{ROW} = c.kept WHERE c.kept <> c.{ROW} ORDER BY c.{ROW}"
        ).to_arrow_table()
        left, right = (pairs[column].to_numpy() for column in ("id", "other"))
        similarity = compared(self.sets, left, right, threads=_threads())
        made = pa.Table.from_arrays(
            [pairs.column(0), pa.array(similarity)], names=["arrowetl:row", "similarity"]
        )
        self.connection.register(_ALIKE.strip('"'), made)


@contextmanager
def likeness(
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    weights: Mapping[str, float],
    search: Search,
) -> Iterator[Likeness]:
    """Take in the rows, and compare their texts.

    Raises:
        ConfigError: too many candidates would have to be compared.
    """
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
        closing(connect(scratch=Path(folder))) as connection,
    ):
        connection.register(STREAM, reader_of(schema, batches))
        connection.execute(
            f"CREATE TEMP TABLE {_ROWS} AS SELECT *, row_number() OVER () AS {ROW}, "
            f"{record_text(weights)} AS {_TEXT} FROM {name(STREAM)}"
        )
        # In the texts' own order: which rows are alike doesn't depend on the rows' order.
        connection.execute(
            f"CREATE TEMP TABLE {_TEXTS} AS SELECT *, row_number() OVER (ORDER BY {_TEXT}) - 1 "
            f"AS id FROM (SELECT DISTINCT {_TEXT} FROM {_ROWS} WHERE {_TEXT} IS NOT NULL)"
        )
        yield Likeness(connection, _clustered(connection, weights, search))


def _clustered(
    connection: duckdb.DuckDBPyConnection, weights: Mapping[str, float], search: Search
) -> WeighedSets:
    """Compare the texts, and register each one's centre."""
    from arrowetl.ml.clusters import stars
    from arrowetl.ml.grams import gram_sets
    from arrowetl.ml.pairs import similar_pairs
    from arrowetl.ml.weights import weigh

    threads = _threads()
    count = f"SELECT coalesce(sum(length({_TEXT})), 0)::BIGINT FROM {_TEXTS}"
    ((characters,),) = connection.sql(count).fetchall()
    texts = connection.sql(f"SELECT {_TEXT} FROM {_TEXTS} ORDER BY id")
    with texts.to_arrow_reader(BATCH_ROWS) as reader:
        columns = (batch.column(0) for batch in reader)
        sets = gram_sets(columns, characters=characters, threads=threads)
    weighed = weigh(sets, levels(weights, where="Deduplicator"), threads=threads)
    pairs = similar_pairs(weighed, search.threshold, limit=search.limit, threads=threads)
    centres = stars(weighed.rows, pairs)
    known = pa.Table.from_arrays(
        [_counted(len(centres)), pa.array(centres)],
        names=["id", "centre"],
    )
    connection.register(_CENTRES.strip('"'), known)
    return weighed


def _counted(rows: int) -> pa.Array:
    import numpy as np

    return pa.array(np.arange(rows))


def _threads() -> int:
    return os.cpu_count() or 1
