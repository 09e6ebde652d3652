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
from arrowetl.sql import STREAM, name
from arrowetl.stage import BATCH_ROWS

if TYPE_CHECKING:
    from arrowetl.ml.weights import WeighedSets

ROW = "arrowetl:row"
"""The column with a row's number in the source's order."""

_TEXT = "arrowetl:text"
_CLUSTER = "arrowetl:cluster"
_ROW = name(ROW)
_ROWS = "arrowetl:rows"
_TEXTS = "arrowetl:texts"
_CHOSEN = "arrowetl:chosen"
_ALIKE = "arrowetl:alike"


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
        connection: has the rows, numbered, and for each with a text its text's number and cluster.
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
        chosen = f"FROM {name(_ROWS)} AS r JOIN {name(_CHOSEN)} AS c USING ({_ROW})"
        if repeats is None:
            query = f"SELECT {listed} {chosen} WHERE c.kept = {_ROW} ORDER BY {_ROW}"
        else:
            listed += f", CASE WHEN c.kept <> {_ROW} THEN c.kept - 1 END AS {name(repeats)}"
            if alike is not None:
                self._compare()
                chosen += f" LEFT JOIN {name(_ALIKE)} AS a USING ({_ROW})"
                listed += f", a.similarity AS {name(alike)}"
            query = f"SELECT {listed} {chosen} ORDER BY {_ROW}"
        with self.connection.sql(query).to_arrow_reader(BATCH_ROWS) as reader:
            yield from reader

    def _choose(self, best: str) -> None:
        """Make the table that says of each row which one stands for it."""
        text, cluster = name(_TEXT), name(_CLUSTER)
        # Rows without a text are alone.
        clustered = (
            f"SELECT r.*, t.{text}, coalesce(t.{cluster}, -{_ROW}) AS {cluster} "
            f"FROM {name(_ROWS)} AS r LEFT JOIN {name(_TEXTS)} AS t USING ({_ROW})"
        )
        self.connection.execute(
            f"CREATE TEMP TABLE {name(_CHOSEN)} AS "
            f"WITH clustered AS MATERIALIZED ({clustered}), "
            f"chosen AS (SELECT {cluster}, {best} AS kept FROM clustered GROUP BY {cluster}) "
            f"SELECT c.{_ROW}, c.{text}, k.kept "
            f"FROM clustered AS c JOIN chosen AS k USING ({cluster})"
        )

    def _compare(self) -> None:
        """Make the table that says how alike rows are to those that stand for them."""
        from arrowetl.ml.pairs import compared

        pairs = self.connection.sql(
            f"SELECT c.{_ROW}, c.{name(_TEXT)} AS text, k.{name(_TEXT)} AS other "
            f"FROM {name(_CHOSEN)} AS c JOIN {name(_CHOSEN)} AS k ON k.{_ROW} = c.kept "
            f"WHERE c.kept <> c.{_ROW} ORDER BY c.{_ROW}"
        ).to_arrow_table()
        left, right = (pairs[column].to_numpy() for column in ("text", "other"))
        similarity = pa.array(compared(self.sets, left, right, threads=_threads()))
        made = pa.Table.from_arrays([pairs[ROW], similarity], names=[ROW, "similarity"])
        self.connection.register(_ALIKE, made)


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
            f"CREATE TEMP TABLE {name(_ROWS)} AS "
            f"SELECT *, row_number() OVER () AS {_ROW} FROM {name(STREAM)}"
        )
        yield Likeness(connection, _clustered(connection, weights, search))


def _clustered(
    connection: duckdb.DuckDBPyConnection, weights: Mapping[str, float], search: Search
) -> WeighedSets:
    """Compare the texts, and register which text and cluster each row has."""
    import numpy as np

    from arrowetl.ml.clusters import clusters
    from arrowetl.ml.pairs import compared, similar_pairs
    from arrowetl.ml.texts import read_texts

    threads = _threads()
    texts = read_texts(connection, _ROWS, weights, id_column=ROW, threads=threads)
    pairs = similar_pairs(texts.sets, search.threshold, limit=search.limit, threads=threads)
    cluster = clusters(
        texts.sets.rows,
        pairs,
        lambda left, right: compared(texts.sets, left, right, threads=threads),
        least=search.threshold,
    )
    again, which = texts.repeats
    text = np.concatenate([np.arange(texts.sets.rows), which])
    columns = [np.concatenate([texts.ids, again]), text, cluster[text]]
    known = pa.Table.from_arrays([pa.array(each) for each in columns], [ROW, _TEXT, _CLUSTER])
    connection.register(_TEXTS, known)
    return texts.sets


def _threads() -> int:
    return os.cpu_count() or 1
