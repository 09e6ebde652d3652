"""Deduplicator: one row of those that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import chain
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import reader_from
from arrowetl.duck import describe_select
from arrowetl.errors import ConfigError, SchemaError, describe
from arrowetl.ml import LIMIT
from arrowetl.ml.models import HASHED, refuse_missing
from arrowetl.ml.strings import levels
from arrowetl.remembering import Memory
from arrowetl.sql import INPUT, name, names
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._arguments import choice, is_float, refuse_taken, unused, words
from arrowetl.transforms._kept import KeptRun, records_of, refuse_other
from arrowetl.transforms._likeness import ROW, Search, likeness, vector_column
from arrowetl.tunable import Knob

if TYPE_CHECKING:
    from arrowetl.ml.encoders import Encoder
    from arrowetl.transforms.duplicates import Duplicates

METHODS = ("exact", "fuzzy")
KEEPS = ("first", "last", "best_quality")
SIMILARITIES = ("text", "embedding")
SCORE = "quality_score"
"""The column by which rows are ranked where none is named: what `QualityScorer` adds."""

_ROWS = name("arrowetl:rows")
_KEPT = name("arrowetl:kept")


@dataclass(frozen=True)
class Deduplicator(SQLStage):
    """Keep one row of those that are alike: equal values, or nearly equal texts.

    Nulls are equal to nulls, NaN to NaN, 0.0 to -0.0; text has to be equal to the letter. The rows
    that stay keep the source's order, whatever the batches and the threads are. Cost: the rows are
    held once, spilled to disk where memory ends, and the keys are hashed.

    With ``method="fuzzy"`` the texts of the columns are compared, together: without case, accents
    and punctuation, as sets of character trigrams in which rare ones count more (Jaccard's measure
    weighted by inverse document frequency), so that neither typing errors, nor missing parts, nor
    words or columns that changed places matter much. Never all pairs: candidates share some of
    their MinHashes, and each is compared exactly. Every pair has the similarity asked for; some are
    missed by chance, most of them only just as alike (`arrowetl.ml.trigram_pairs.similar_pairs`).
    Rows are put together around one that all of them are like, so that a chain doesn't join what is
    unlike. Rows without any text are like none. Cost: some 1.5 KB of memory a different text (a
    million addresses take some 17 seconds on two cores); the rows wait in DuckDB, which spills.

    With ``similarity="embedding"`` (extra `ml`) a model says what the texts mean, and rows are as
    alike as the cosine of their vectors. Up to 8,192 different texts every pair is compared; of
    more, candidates are on the same side of some random hyperplanes, and each is compared exactly
    (`arrowetl.ml.vector_pairs.near_pairs`). Cost: nearly all is the model's time (hundreds of texts
    a second and core), and 1.8 KB of memory a different text. Case and punctuation count for as
    much as they do to the model.

    With an `index` what is compared is kept in a folder, and later runs are compared with it: at a
    cost that grows with their own rows, whatever came before (`arrowetl.ml.kept.Index`). A row like
    one of an earlier run is removed, whatever `keep` says, since that one has arrived. Rows count
    as seen once the run's destination has them, or a reader has given out its last: a run that
    fails, or is killed, leaves the index as it was. Killed in the moment between the destination's
    commit and the index's, its rows are in the destination, and new to the next run. What later
    stages remove counts as seen, so put them before this one. One run at a time uses an index.

    `find` shows the duplicates of a table, says why two rows are alike, and moves the threshold.

    Args:
        on: the columns to compare; all if None. For fuzzy also a mapping: how much each counts.
        method: `exact` or `fuzzy`.
        keep: `first` or `last` in the source's order, or `best_quality`: the one with the highest
            score, the first of those. (`keep_first` and its kin are the same words.)
        score_column: the score for `best_quality`. If None: `quality_score` where there is such a
            column, else how many values of the row aren't null. A null or NaN is the lowest.
        report_column: keeps every row, and adds a column of this name with the position (from 0,
            among the rows that come in) of the row that it repeats; null for those to keep.
        similarity: for fuzzy, `text` or `embedding`.
        model: for embedding, the model's name or the path of its folder; `hashed` for n-grams
            that need none, but know nothing of meaning; or an `Encoder`. `all-MiniLM-L6-v2` if
            None. A single column of vectors is compared as it is, without one.
        threshold: for fuzzy, how alike rows have to be, from 0 to 1. If None, 0.9 for embedding;
            for text from 0.45 to 0.8, the more the shorter the texts are and the more there are,
            since short ones are alike by chance (`arrowetl.ml.trigram_pairs.usual_threshold`):
            0.45 for people with their addresses, 0.7 for thousands of two words. `find` says which
            it was, and what others would give.
        similarity_column: for fuzzy and with `report_column`: adds how alike a row is to the one
            that it repeats, which may be below the threshold where both are like a third.
        limit: for fuzzy, how many candidates may be compared; more are refused beforehand.
        index: for fuzzy, the folder in which what is compared is kept from run to run; it is made
            if it isn't there. Columns, weights and model (told by its name and dimension) are those
            it was made with; the threshold may change, for new rows. Positions that are reported
            count on: the first row of a run has the number of all rows of the runs before it.
        encoding_batch: for embedding, how many texts the model is given at once; 32 if None, 256
            on a GPU. It may change the last of a similarity's six digits.

    Raises:
        ConfigError: an option makes no sense, or the index was made for other columns or another
            model.
        StateError: the index is damaged, or another run uses it.

    >>> from arrowetl.testing import run_stage
    >>> people = pa.table({"email": ["a@x", "b@x", "a@x"], "age": [1, 2, 3]})
    >>> run_stage(Deduplicator(on="email", keep="last"), people).to_pydict()
    {'email': ['b@x', 'a@x'], 'age': [2, 3]}
    >>> run_stage(Deduplicator(on="email", report_column="repeats"), people)["repeats"].to_pylist()
    [None, None, 0]
    >>> names = pa.table({"name": ["Zoë Müller-Lange", "Jo Smith", "Muller Lange, Zoe"]})
    >>> run_stage(Deduplicator(on="name", method="fuzzy"), names).to_pydict()
    {'name': ['Zoë Müller-Lange', 'Jo Smith']}
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     seen = Deduplicator(on="name", method="fuzzy", index=f"{folder}/seen")
    ...     run_stage(seen, names).num_rows
    ...     run_stage(seen, pa.table({"name": ["Jo Smyth", "Jo Smith", "Ann Lee"]})).to_pydict()
    2
    {'name': ['Jo Smyth', 'Ann Lee']}
    """

    _: KW_ONLY
    on: str | Sequence[str] | Mapping[str, float] | None = None
    method: str = "exact"
    keep: str = "first"
    score_column: str | None = None
    report_column: str | None = None
    similarity: str = "text"
    model: str | PathLike[str] | Encoder | None = None
    threshold: float | None = None
    similarity_column: str | None = None
    limit: int = LIMIT
    index: str | PathLike[str] | None = None
    encoding_batch: int | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        choice(self.method, METHODS, where="Deduplicator", option="method")
        keep = str(self.keep).removeprefix("keep_")
        object.__setattr__(self, "keep", choice(keep, KEEPS, where="Deduplicator", option="keep"))
        if self.score_column is not None and keep != "best_quality":
            raise ConfigError("Deduplicator: a score_column needs keep='best_quality'")
        if isinstance(self.on, Mapping):
            if self.method == "exact":
                raise ConfigError("Deduplicator: columns have no weights with method='exact'")
            levels(self.on, where="Deduplicator")
            object.__setattr__(self, "on", dict(self.on))
        elif self.on is not None:
            object.__setattr__(self, "on", words(self.on, where="Deduplicator", option="on"))
        if self.on is not None and not self.on:
            raise ConfigError("Deduplicator: on is empty; leave it out to compare all columns")
        self._check_fuzzy()

    def _check_fuzzy(self) -> None:
        choice(self.similarity, SIMILARITIES, where="Deduplicator", option="similarity")
        given = self.threshold
        if given is not None and not (isinstance(given, (int, float)) and 0 < given <= 1):
            raise ConfigError(
                f"Deduplicator: threshold is a number above 0, up to 1, not {given!r}"
            )
        batch = self.encoding_batch
        if batch is not None and (not isinstance(batch, int) or batch < 1):
            raise ConfigError(f"Deduplicator: encoding_batch is a number from 1, not {batch!r}")
        if self.model is not None and not (self._fuzzy and self.similarity == "embedding"):
            raise ConfigError("Deduplicator: a model needs 'fuzzy' and similarity='embedding'")
        if self.similarity_column is not None and not (self._fuzzy and self.report_column):
            raise ConfigError("Deduplicator: similarity_column needs 'fuzzy' and a report_column")
        if self.index is not None:
            if not self._fuzzy:
                raise ConfigError("Deduplicator: an index needs method='fuzzy'")
            if not (isinstance(self.index, (str, PathLike)) and fspath(self.index)):
                raise ConfigError(
                    f"Deduplicator: index is the path of a folder, not {self.index!r}"
                )
            object.__setattr__(self, "index", fspath(self.index))

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((frozenset(self.on or ()), self.method, self.keep, self.report_column))

    @property
    def knobs(self) -> Sequence[Knob]:
        """How many texts a model is given at once."""
        named = self.model is None or isinstance(self.model, (str, PathLike))
        if not (self._fuzzy and self.similarity == "embedding" and named):
            return ()
        if self.model == HASHED or self.encoding_batch is not None:
            return ()
        from arrowetl.ml.sentences import usual_batch

        return (Knob("encoding_batch", (16, 32, 64, 128, 256), usual_batch()),)

    def tuned(self, chosen: Mapping[str, int]) -> Deduplicator:
        """Give one that encodes by other batches."""
        batch = chosen.get("encoding_batch")
        return self if batch is None or not self.knobs else replace(self, encoding_batch=batch)

    @property
    def _fuzzy(self) -> bool:
        return self.method == "fuzzy"

    @property
    def label(self) -> str:
        """Its name, with the index if it has one."""
        return "Deduplicator" if self.index is None else f"Deduplicator(index={self.index!r})"

    @property
    def scope(self) -> Scope:
        """Equal rows together; all rows where positions are reported, or any may be alike."""
        apart = self.report_column is None and not self._fuzzy
        return Scope.KEY if apart else Scope.STREAM

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are compared."""
        return tuple(self.on or ())

    @property
    def rows(self) -> Rows:
        """Several become one, unless they are only reported."""
        return Rows.MERGES if self.report_column is None else Rows.SAME

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema, with the columns that report."""
        require(schema, self.on or (), where=self.label)
        new = (self.report_column, self.similarity_column)
        refuse_taken(new, schema, where=self.label, instead="call the report's otherwise")
        if not self._fuzzy:
            return super().bind(schema)
        self._score(schema)
        if self.similarity == "embedding" and vector_column(schema, self._weights(schema)) is None:
            refuse_missing(self.model)
        if self.index is not None:
            refuse_other(Path(self.index), records_of(schema, self._search(schema)))
        # The rows go through DuckDB, which hasn't all of Arrow's types.
        schema = describe_select(f"SELECT * FROM {INPUT}", schema, where=self.label)
        added = [(self.report_column, pa.int64()), (self.similarity_column, pa.float64())]
        for column, kind in added:
            schema = schema if column is None else schema.append(pa.field(column, kind))
        return schema

    def select(self, schema: pa.Schema) -> str | None:
        """Number the rows, find the number to keep for each key, join, restore the order."""
        require(schema, self.on or (), where=self.label)
        if self._fuzzy:
            return None
        row = name(unused("arrowetl:row", schema.names))
        # Numbering streams, and so the numbers are the source's positions.
        numbered = f"SELECT *, row_number() OVER () AS {row} FROM {INPUT}"
        keys = names(self.on or schema.names)
        with_rows = f"WITH {_ROWS} AS MATERIALIZED ({numbered})"
        return with_rows + self._chosen(schema, row, keys)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement; for fuzzy, compare the texts first."""
        memory = self.memory()
        if memory is not None:
            try:
                yield from memory.process(batches)
                memory.commit()
            finally:
                memory.abort()
            return
        if not self._fuzzy:
            yield from super().process(batches)
            return
        first = next(batches, None)
        if first is None:
            return
        schema = first.schema
        with likeness(schema, chain((first,), batches), self._search(schema)) as alike:
            least = alike.records.space.usual if self.threshold is None else self.threshold
            alike.cluster(alike.pairs(least), least)
            columns = self.bind(schema).names
            rows = alike.rows(self._best(schema, name(ROW)), self._reported, columns)
            del alike  # what was compared isn't needed any more
            yield from rows

    def memory(self) -> Memory | None:
        """Give a run that compares with the rows of earlier ones, if there is an index."""
        if self.index is None:
            return None
        return KeptRun(
            Path(self.index),
            self.threshold,
            self._search,
            lambda schema: self._best(schema, name(ROW)),
            self._reported,
            lambda schema: self.bind(schema).names,
        )

    def find(self, data: Any) -> Duplicates:
        """Find the duplicates of a table's rows, to look at them; nothing is removed.

        Args:
            data: whatever has `__arrow_c_stream__`: a table, a reader, a source, a pipeline.

        Raises:
            ConfigError: the method isn't fuzzy, data is neither a source nor Arrow's, or too many
                candidates would have to be compared.

        >>> names = pa.table({"name": ["Zoë Müller-Lange", "Jo Smith", "Muller Lange, Zoe"]})
        >>> with Deduplicator(on="name", method="fuzzy").find(names) as found:
        ...     found.report().to_pylist()
        [{'row': 2, 'kept': 0, 'similarity': 1.0, 'method': 'text'}]
        """
        from arrowetl.transforms.duplicates import Duplicates

        if not self._fuzzy:
            raise ConfigError("Deduplicator: find() needs method='fuzzy'; report_column tells more")
        if self.index is not None:
            raise ConfigError("Deduplicator: find() looks at one table alone; leave the index out")
        if not hasattr(data, "__arrow_c_stream__"):
            raise ConfigError(
                "Deduplicator: find takes a source, CSVSource(path) for instance, or Arrow data, "
                f"not {describe(data)}"
            )
        reader = reader_from(data)
        self.bind(reader.schema)
        search, best = self._search(reader.schema), self._best(reader.schema, name(ROW))
        return Duplicates(reader.schema, reader, search, best, threshold=self.threshold)

    def _weights(self, schema: pa.Schema) -> dict[str, float]:
        if isinstance(self.on, Mapping):
            return dict(self.on)
        return dict.fromkeys(self.on or schema.names, 1.0)

    def _search(self, schema: pa.Schema) -> Search:
        return Search(
            self._weights(schema), self.similarity, self.model, self.limit, self.encoding_batch
        )

    @property
    def _reported(self) -> tuple[str | None, str | None]:
        return (self.report_column, self.similarity_column)

    def _chosen(self, schema: pa.Schema, row: str, keys: str) -> str:
        best = self._best(schema, row)
        if self.report_column is None:
            return (
                f", {_KEPT} AS (SELECT {best} AS {row} FROM {_ROWS} GROUP BY {keys}) "
                f"SELECT {_ROWS}.* EXCLUDE ({row}) FROM {_ROWS} "
                f"SEMI JOIN {_KEPT} USING ({row}) ORDER BY {row}"
            )
        kept = name(unused("arrowetl:kept", schema.names))
        return (
            f" SELECT * EXCLUDE ({row}, {kept}), "
            f"CASE WHEN {kept} <> {row} THEN {kept} - 1 END AS {name(self.report_column)} "
            f"FROM (SELECT *, {best} OVER (PARTITION BY {keys}) AS {kept} FROM {_ROWS}) "
            f"ORDER BY {row}"
        )

    def _best(self, schema: pa.Schema, row: str) -> str:
        """Give the aggregate that finds the number of the row to keep."""
        if self.keep == "first":
            return f"min({row})"
        if self.keep == "last":
            return f"max({row})"
        score = self._score(schema)
        # False is less than true: rows without a score come last, and ties go to the first row.
        return f"arg_max({row}, row(({score}) IS NOT NULL, {score}, -{row}))"

    def _score(self, schema: pa.Schema) -> str:
        column = self.score_column or (SCORE if SCORE in schema.names else None)
        if column is None:
            return " + ".join(f"({name(each)} IS NOT NULL)::INTEGER" for each in schema.names)
        require(schema, [column], where=self.label)
        kind = schema.field(column).type
        if kinds.is_nested(kind):
            raise SchemaError(
                f"column {column!r} is {kind}, which has no highest value; score by a number",
                where=self.label,
                column=column,
            )
        quoted = name(column)
        return f"CASE WHEN NOT isnan({quoted}) THEN {quoted} END" if is_float(kind) else quoted
