"""The different texts of a table's rows, cut, weighed and ready to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from duckdb import DuckDBPyConnection

from arrowetl.ml.grams import GramSets, gram_sets
from arrowetl.ml.records import Known, Records, different
from arrowetl.ml.strings import levels, record_text
from arrowetl.ml.trigram_pairs import Trigrams
from arrowetl.ml.weights import WeighedSets
from arrowetl.ml.weights import weigh as weigh_alone


def read_texts(
    connection: DuckDBPyConnection,
    table: str,
    columns: Mapping[str, float],
    *,
    id_column: str,
    threads: int = 1,
    known: Known | None = None,
    weigh: Callable[[GramSets, Sequence[float]], WeighedSets] | None = None,
) -> Records:
    """Read the texts of a table, equal ones once; rows without any text are left out.

    Args:
        connection: where the table is.
        table: its name.
        columns: what is compared, with the weight of each.
        id_column: whole numbers that differ from row to row. Nothing depends on the rows' order.
        threads: how many work at once.
        known: tells texts that are known from earlier, which are left out.
        weigh: weighs the sets, by the levels of the columns; among themselves if None.

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
    text = record_text(columns)
    with different(connection, table, text, id_column=id_column, known=known) as found:
        size = found.total("length(value)")
        texts = (batch.column(0) for batch in found.values())
        sets = gram_sets(texts, characters=size, threads=threads)
        repeats = found.repeats()
    weigh = partial(weigh_alone, threads=threads) if weigh is None else weigh
    space = Trigrams(weigh(sets, weights))
    return Records(space, found.ids, repeats, found.keys, found.earlier)
