"""Rows that are nearly alike: their texts compared, one a cluster chosen, the others removed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import reader_of
from arrowetl.duck import own_errors
from arrowetl.instances import Instance
from arrowetl.ml._threads import cores
from arrowetl.sql import STREAM, literal, name

if TYPE_CHECKING:
    import numpy.typing as npt

    from arrowetl.ml.grams import Rows
    from arrowetl.ml.kept import Index
    from arrowetl.ml.kept_joins import Joined
    from arrowetl.ml.pairs import Pairs
    from arrowetl.ml.records import Records
    from arrowetl.ml.weights import Floats

ROW = "arrowetl:row"
"""The column with a row's number in the source's order."""

_RECORD = "arrowetl:record"
_CLUSTER = "arrowetl:cluster"
_EARLIER = "arrowetl:earlier"
"""The column with the number of the row of an earlier run that stands for a row; null mostly."""
_SIMILARITY = "similarity"
_KNOWN = [ROW, _RECORD, _CLUSTER, _EARLIER, _SIMILARITY]
_ROW = name(ROW)
_ROWS = "arrowetl:rows"
_RECORDS = "arrowetl:known"
_CHOSEN = "arrowetl:chosen"
_ALIKE = "arrowetl:alike"
_BATCH = 8192
"""How many rows go on at a time: vectors are wide, and whoever writes them holds several."""
_MEMORY = "512MB"
"""What the rows that wait may take; more is spilled."""


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        columns: what is compared, with the weight of each.
        similarity: `text` or `embedding`.
        model: what encodes the texts.
        limit: how many candidates may be compared.
        encoding_batch: how many texts the model is given at once.
    """

    columns: Mapping[str, float]
    similarity: str
    model: Any
    limit: int
    encoding_batch: int | None = None


@dataclass(frozen=True)
class Likeness:
    """Rows in a database, and what of them is compared.

    Attributes:
        connection: has the rows, numbered; once clustered, for each with something to compare the
            number of its record, and its cluster.
        records: the different ones there are.
        search: what is looked for.
        before: how many rows earlier runs had; their numbers come before these rows'.
    """

    connection: duckdb.DuckDBPyConnection
    records: Records
    search: Search
    before: int = 0

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
        self.choose(best)
        yield from self.chosen(report, columns)

    def chosen(
        self, report: tuple[str | None, str | None], columns: Iterable[str]
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows that were chosen, or all of them; see `rows`."""
        repeats, alike = report
        kept = self._numbers(f"SELECT kept FROM {name(_CHOSEN)} ORDER BY {_ROW}")
        added = {} if repeats is None else {repeats: kept}
        if alike is not None:
            self._compare()
            added[alike] = self._numbers(
                f"SELECT a.similarity FROM {name(_CHOSEN)} AS c "
                f"LEFT JOIN {name(_ALIKE)} AS a USING ({_ROW}) ORDER BY c.{_ROW}"
            )
        listed = ", ".join(name(column) for column in (ROW, *columns) if column not in report)
        # A plain scan gives the rows as they came in; to sort wide ones would take longest of all.
        rows = self.connection.sql(f"SELECT {listed} FROM {name(_ROWS)}")
        return _told(rows, kept, added, before=self.before)

    def _numbers(self, select: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self.connection.sql(select).to_arrow_table().column(0).to_numpy()
        return found

    def choose(self, best: str) -> None:
        """Make the table that says of each row which one stands for it.

        That is a row of an earlier run, where there is one.
        """
        text, cluster, earlier = name(_RECORD), name(_CLUSTER), name(_EARLIER)
        # Rows without a text are alone.
        clustered = (
            f"SELECT r.*, t.{text}, t.{earlier}, coalesce(t.{cluster}, -{_ROW}) AS {cluster} "
            f"FROM {name(_ROWS)} AS r LEFT JOIN {name(_RECORDS)} AS t USING ({_ROW})"
        )
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name(_CHOSEN)} AS "
            f"WITH clustered AS MATERIALIZED ({clustered}), "
            f"chosen AS (SELECT {cluster}, coalesce(min({earlier}), {best}) AS kept "
            f"FROM clustered GROUP BY {cluster}) "
            f"SELECT c.{_ROW}, c.{text}, k.kept "
            f"FROM clustered AS c JOIN chosen AS k USING ({cluster})"
        )

    def _compare(self) -> None:
        """Make the table that says how alike rows are to those that stand for them."""
        pairs = self.connection.sql(
            f"SELECT c.{_ROW}, c.{name(_RECORD)} AS text, k.{name(_RECORD)} AS other "
            f"FROM {name(_CHOSEN)} AS c JOIN {name(_CHOSEN)} AS k ON k.{_ROW} = c.kept "
            f"WHERE c.kept <> c.{_ROW} ORDER BY c.{_ROW}"
        ).to_arrow_table()
        left, right = (pairs[column].to_numpy() for column in ("text", "other"))
        similarity = pa.array(self.records.space.compare(left, right, threads=cores()))
        made = pa.Table.from_arrays([pairs[ROW], similarity], names=[ROW, _SIMILARITY])
        self.connection.register(_ALIKE + ":new", made)
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name(_ALIKE)} AS FROM {name(_ALIKE + ':new')} "
            f"UNION ALL SELECT {_ROW}, {_SIMILARITY} FROM {name(_RECORDS)} "
            f"WHERE {name(_EARLIER)} IS NOT NULL"
        )

    def repeats(self, best: str) -> pa.Table:
        """Give the rows that repeat others, which ones, and how alike they are."""
        self.choose(best)
        self._compare()
        return self.connection.sql(
            f"SELECT c.{_ROW} - 1 AS row, c.kept - 1 AS kept, a.similarity "
            f"FROM {name(_CHOSEN)} AS c JOIN {name(_ALIKE)} AS a USING ({_ROW}) ORDER BY row"
        ).to_arrow_table()

    def record(self, row: int) -> int | None:
        """Give the number of a row's record; none if it has nothing to compare."""
        found = self.connection.execute(
            f"SELECT {name(_RECORD)} FROM {name(_RECORDS)} WHERE {_ROW} = ?", [row + 1]
        ).fetchall()  # small: one row
        return int(found[0][0]) if found else None

    def row(self, row: int) -> pa.Table:
        """Give one row, of the columns that are compared."""
        listed = ", ".join(map(name, self.search.columns))
        return self.connection.sql(
            f"SELECT {listed} FROM {name(_ROWS)} WHERE {_ROW} = {literal(row + 1)}"
        ).to_arrow_table()

    def cluster(self, pairs: Pairs, threshold: float) -> None:
        """Put the rows together that pairs at least so alike join."""
        import numpy as np

        from arrowetl.ml.clusters import clusters

        records = self.records
        cluster = clusters(
            records.space.rows,
            pairs.above(threshold),
            lambda left, right: records.space.compare(left, right, threads=cores()),
            least=threshold,
        )
        self._know(cluster, np.zeros(len(cluster), np.int64), np.zeros(len(cluster)))

    def join(self, index: Index) -> Joined:
        """Put the rows together, and those that belong to earlier ones to these.

        Raises:
            ConfigError: too many candidates would have to be compared.
        """
        from arrowetl.ml.kept_joins import join

        joined = join(index, self.records.space, limit=self.search.limit, threads=cores())
        numbers = self.records.earlier[1]
        earlier = index.of("stands", numbers), index.of("alike", numbers)
        self._know(joined.cluster, joined.stands, joined.alike, *earlier)
        return joined

    def _know(self, cluster: Rows, stands: Rows, alike: Floats, *earlier: Any) -> None:
        """Make the table of the rows that have something to compare.

        Args:
            cluster: for each record its cluster.
            stands: the row of an earlier run that stands for it; 0 if none does.
            alike: how alike it is to that.
            earlier: the same two for each row whose record is known from earlier.
        """
        import numpy as np

        again, which = self.records.repeats
        record = np.concatenate([np.arange(len(cluster)), which])
        ids = np.concatenate([self.records.ids, again])
        before = stands[record]
        # A row of an earlier run stands for a cluster of its own.
        cluster = np.where(before > 0, len(cluster) + before, cluster[record])
        arrays = [ids, record, cluster, before, alike[record]]
        known = pa.Table.from_arrays(list(map(pa.array, arrays)), _KNOWN)
        if earlier and len(earlier[0]):
            rows, before = self.records.earlier[0], earlier[0]
            arrays = [rows, np.full(len(rows), -1), len(stands) + before, before, earlier[1]]
            more = pa.Table.from_arrays(list(map(pa.array, arrays)), _KNOWN)
            known = pa.concat_tables([known, more])
        self.connection.register(_RECORDS + ":all", known)
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name(_RECORDS)} AS SELECT * REPLACE ("
            f"nullif({name(_EARLIER)}, 0) AS {name(_EARLIER)}) FROM {name(_RECORDS + ':all')}"
        )

    def stands(self) -> tuple[Rows, Rows]:
        """Give for each record the row that stands for it, and that row's record.

        For records of this run, chosen; the record is -1 where the row is of an earlier run.
        """
        found = self.connection.sql(
            "SELECT any_value(c.kept) AS kept, "
            f"coalesce(any_value(k.{name(_RECORD)}), -1) AS other "
            f"FROM {name(_CHOSEN)} AS c LEFT JOIN {name(_CHOSEN)} AS k ON k.{_ROW} = c.kept "
            f"WHERE c.{name(_RECORD)} >= 0 GROUP BY c.{name(_RECORD)} ORDER BY c.{name(_RECORD)}"
        ).to_arrow_table()
        return found["kept"].to_numpy(), found["other"].to_numpy()

    @property
    def count(self) -> int:
        """How many rows came in."""
        found = self.connection.execute(f"SELECT count(*) FROM {name(_ROWS)}").fetchall()
        return int(found[0][0])  # small: one number

    def pairs(self, threshold: float) -> Pairs:
        """Find the pairs that are at least so alike.

        Raises:
            ConfigError: too many candidates would have to be compared.
        """
        return self.records.space.pairs(threshold, limit=self.search.limit, threads=cores())


def _told(
    rows: duckdb.DuckDBPyRelation,
    kept: npt.NDArray[Any],
    added: Mapping[str, npt.NDArray[Any]],
    *,
    before: int,
) -> Iterator[pa.RecordBatch]:
    """Give the rows that stand for themselves; or all of them, with what is `added`."""
    with rows.to_arrow_reader(_BATCH) as reader:
        for batch in reader:
            row = batch.column(0).to_numpy()
            place = row - before - 1
            stands = kept[place]
            itself = stands == row
            told = batch.remove_column(0)
            for number, (column, values) in enumerate(added.items()):
                new = values[place] if number else stands - 1
                told = told.append_column(column, pa.array(new, mask=itself))
            yield told if added else told.filter(pa.array(itself))


@contextmanager
def likeness(
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    search: Search,
    index: Index | None = None,
) -> Iterator[Likeness]:
    """Take in the rows, and read what is compared of them; with an index, what is new in them."""
    before = 0 if index is None else index.rows
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
        Instance(scratch=Path(folder), memory_limit=_MEMORY) as connection,
        own_errors() as remembering,
    ):
        connection.register(STREAM, reader_of(schema, remembering(batches)))
        connection.execute(
            f"CREATE TEMP TABLE {name(_ROWS)} AS "
            f"SELECT *, row_number() OVER () + {before} AS {_ROW} FROM {name(STREAM)}"
        )
        yield Likeness(connection, _read(connection, schema, search, index), search, before)


def _read(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, search: Search, index: Index | None
) -> Records:
    known = None if index is None else index.known
    if search.similarity == "text":
        from arrowetl.ml.texts import read_texts

        threads = cores()
        return read_texts(
            connection,
            _ROWS,
            search.columns,
            id_column=ROW,
            threads=threads,
            known=known,
            weigh=None if index is None else index.weigh,
        )
    from arrowetl.ml.encoded import encoded_parts, read_encoded, read_vectors
    from arrowetl.ml.encoders import encoder_of

    column = vector_column(schema, search.columns)
    if column is not None:
        return read_vectors(connection, _ROWS, column, id_column=ROW, known=known)
    columns = search.columns
    encoder = encoder_of(search.model, batch_size=search.encoding_batch)
    if index is not None:
        index.dimension(encoder.dimension * encoded_parts(columns))
    return read_encoded(connection, _ROWS, columns, encoder, id_column=ROW, known=known)


def vector_column(schema: pa.Schema, columns: Iterable[str]) -> str | None:
    """Give the column that has vectors, if that is the one to compare."""
    only, *others = columns
    kind = schema.field(only).type
    lists = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
    return only if not others and lists and kinds.is_floating(kind.value_type) else None
