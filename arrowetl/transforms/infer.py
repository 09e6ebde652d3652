"""SchemaInferrer: what the rows look like, and texts cast to the types that they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from arrowetl.arguments import flag
from arrowetl.arrow import as_undecided, empty_batch, reader_from
from arrowetl.duck import unwrapped
from arrowetl.errors import ConfigError, InexactError, ReadError, translated
from arrowetl.instances import Instance
from arrowetl.observing import Observer
from arrowetl.profiling.profile import Profile, Sample
from arrowetl.profiling.statistics import Looker, Statistics
from arrowetl.profiling.summarise import Reading, profile_of
from arrowetl.sampling import RowSample
from arrowetl.spool import spooled
from arrowetl.sql import INPUT
from arrowetl.stage import BATCH_ROWS, STREAM_ERRORS, Rows, Scope, Source, SQLStage, Stage
from arrowetl.transforms._arguments import words
from arrowetl.transforms._infer_cast import InferredCast, marked
from arrowetl.transforms._second_look import with_exact_keys

if TYPE_CHECKING:
    from arrowetl.patterns import Pattern
    from arrowetl.rules import Rule

T = TypeVar("T")

SEED = 0
_MEMORY = "256MB"


@dataclass(frozen=True)
class SchemaInferrer(SQLStage):
    """Say what the rows look like: types, patterns, personal data, keys, spread.

    In a pipeline the rows pass as they are, and the profile is the stage's `summary` in the result,
    a row a column. `profile` gives all of it, for a source or for data.

    Texts are tried as booleans, whole numbers, decimals, doubles, dates and times in some thirty
    formats; the type is inferred that at least `confidence` of them have. Leading zeros and codes
    like ``5.54E+15`` speak against numbers. No digit is lost: numbers that a double would round
    are decimals, or stay text where 38 digits aren't enough. Dates whose day and month can't
    be told apart stay text, unless `day_first` says which it is. Words like ``N/A`` are counted as
    null-like, and are in nobody's way.

    One pass; memory is bounded. Counts, sums, means, deviations and ends are exact. Quantiles are
    exact of up to 16,384 different numbers, and say their error beyond. Different values are exact
    up to 8,192, and estimated (1.1 % standard error) beyond.

    Args:
        sample_size: how many rows to look at, chosen by the seed and the rows' numbers; all if
            None.
        seed: which sample it is.
        detect_pii: whether to look for personal data; its values are masked then.
        show_values: show them nevertheless.
        patterns: names of those to look for; all if None.
        confidence: the share of texts that must have a type, above a half.
        day_first: whether in ``01/02/2024`` the day comes first, where nothing tells.
        correlations: whether to say how columns of numbers go together.
        cast: whether texts are cast to the inferred types. The rows are kept in a temporary file
            until they, or the sample, were looked at. Words that mean null become null; rows with
            a cell that doesn't fit go to the dead letters, as they were. Stages behind it are
            bound to texts first, and again when the types are known: what needs a type to be
            bound takes a `Cast` to it in between.

    Raises:
        ConfigError: an option makes no sense.

    >>> rows = pa.table({"mail": ["ada@example.org", "bob@example.org"], "at": ["2024-01-31", "-"]})
    >>> found = SchemaInferrer().profile(rows)
    >>> found.schema().field("at").type, found.column("mail").pii[0].label
    (DataType(date32[day]), 'email')
    """

    _: KW_ONLY
    sample_size: int | None = None
    seed: int = SEED
    detect_pii: bool = True
    show_values: bool = False
    patterns: str | Sequence[str] | None = None
    confidence: float = 0.9
    day_first: bool | None = None
    correlations: bool = False
    cast: bool = False

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the options."""
        size = self.sample_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ConfigError(f"SchemaInferrer: sample_size is {size!r}: it takes 1 or more rows")
        number = isinstance(self.confidence, (int, float)) and not isinstance(self.confidence, bool)
        if not number or not 0.5 < self.confidence <= 1:  # noqa: PLR2004
            raise ConfigError(
                f"SchemaInferrer: confidence is {self.confidence!r}: it has to be above 0.5, "
                "and 1 at most"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"SchemaInferrer: seed is {self.seed!r}: it has to be a whole number")
        for option in ("detect_pii", "show_values", "correlations", "cast"):
            flag(getattr(self, option), option, where="SchemaInferrer")
        flag(self.day_first, "day_first", where="SchemaInferrer", or_none=True)
        if self.patterns is not None:
            given = words(self.patterns, where="SchemaInferrer", option="patterns")
            object.__setattr__(self, "patterns", given)
            self.looked_for()

    @property
    def scope(self) -> Scope:
        """A row by itself, unless all of them say which types there are."""
        return Scope.STREAM if self.cast else Scope.ROW

    @property
    def dynamic(self) -> bool:
        """Whether the rows decide the types."""
        return self.cast

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Itself, and the casts behind it if they are asked for."""
        return (self, InferredCast()) if self.cast else (self,)

    def select(self, schema: pa.Schema) -> str | None:  # noqa: ARG002
        """Give the rows as they are; None with `cast`, which has to see them first."""
        return None if self.cast else f"SELECT * FROM {INPUT}"

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema as it is: types change in the casts behind it, as the rows decide."""
        return as_undecided(schema) if self.cast else super().bind(schema)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give the rows once they were looked at, with the types to cast to in the metadata."""
        if not self.cast:
            yield from super().process(batches)
            return
        first = next(batches, None)
        if first is None:
            return
        with (
            closing(_Profiling(self, first.schema)) as profiling,
            spooled(first.schema, chain((first,), batches), profiling.see) as rows,
        ):
            schema = marked(first.schema, profiling.profile())
            if not profiling.rows:  # nothing has decided anything
                schema = as_undecided(schema)
            yield empty_batch(schema)
            for batch in rows:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def observer(self, schema: pa.Schema) -> Observer:
        """Give what makes the profile while the rows pass."""
        return _Profiling(self, schema)

    def profile(
        self,
        data: Any,
        *,
        progress: Callable[[int], None] | None = None,
        exact_keys: bool = False,
    ) -> Profile:
        """Give the profile of a source, or of whatever has `__arrow_c_stream__`.

        Args:
            data: what to read; a source is read as a pipeline would, and rows that can't be
                read are a caution in the profile.
            progress: is told how many rows were read, now and then.
            exact_keys: whether columns of more than 8,192 values, none of which was seen twice,
                are read once more, so that their different values are counted and not estimated.
                Takes 256 MB, and spills what is beyond. Not of a sample.

        Raises:
            ConfigError: it is neither, or `exact_keys` is for what can be read only once.
            ReadError: the source can't be read.
        """
        profiled = partial(self._profiled, progress=progress, exact_keys=exact_keys)
        return _with_care(profiled, data)

    def _profiled(
        self, data: Any, *, progress: Callable[[int], None] | None, exact_keys: bool
    ) -> Profile:
        source = data if isinstance(data, Source) else None
        schema = source.schema() if source else _reader(data).schema
        unreadable: list[int] = []
        batches = _batches(source, unreadable) if source else iter(_reader(data))
        with closing(_Profiling(self, schema)) as profiling:
            for batch in batches:
                profiling.see(batch)
                if progress is not None:
                    progress(profiling.sample.rows if profiling.sample else profiling.rows)
            found = profiling.profile(source.label if source else "", sum(unreadable))
        return with_exact_keys(found, data) if exact_keys else found

    def rules(self, data: Any) -> tuple[Rule, ...]:
        """Give the rules that all rows keep, each with its evidence; see `arrowetl.rules.inferred`.

        What can be read twice is, where there may be a key; see `exact_keys` of `profile`.

        `QualityScorer(rules=...)` holds other rows against them.

        >>> for rule in SchemaInferrer().rules(pa.table({"state": ["new", "paid"] * 50})):
        ...     print(f"{rule.name}: {rule.evidence}")
        state is there: no null in 100 rows
        state is one of 2: 2 different values in 100 rows, each at least 50 times
        """
        from arrowetl.rules import inferred

        once = isinstance(data, pa.RecordBatchReader)
        return inferred(self.profile(data, exact_keys=not once))

    def statistics(self, data: Any) -> Statistics:
        """Give the statistics that a profile is read from; those of parts merge.

        `profile_of` reads it: a profile of many files is that of their merged statistics. They
        can be pickled, and merged later; a profile, saved as JSON, can only be compared. Parts have
        to have one schema.

        Raises:
            ConfigError: data isn't a source, and has no `__arrow_c_stream__`.
        """
        return _with_care(self._statistics, data)

    def _statistics(self, data: Any) -> Statistics:
        source = data if isinstance(data, Source) else None
        schema = source.schema() if source else _reader(data).schema
        with closing(_Profiling(self, schema)) as profiling:
            for batch in _batches(source, []) if source else iter(_reader(data)):
                profiling.see(batch)
            return profiling.statistics()

    def profile_of(self, statistics: Statistics, *, source: str = "") -> Profile:
        """Give the profile of statistics, merged ones for instance."""
        return profile_of(statistics, self.reading(), source=source)

    def reading(self) -> Reading:
        """Give how statistics are read, by these options and now."""
        return Reading(
            self.looked_for(),
            confidence=self.confidence,
            day_first=self.day_first,
            detect_pii=self.detect_pii,
            show_values=self.show_values,
            now=datetime.now(timezone.utc),
        )

    def looked_for(self) -> Mapping[str, Pattern]:
        """Give the patterns to look for, by name.

        Raises:
            ConfigError: there is no such pattern.
        """
        from arrowetl.patterns import PATTERNS, pattern

        if self.patterns is None:
            return PATTERNS
        return {each: pattern(each) for each in self.patterns}


class _Profiling(Observer):
    """Looks at the rows of one run, or at a sample of them once they are known."""

    def __init__(self, stage: SchemaInferrer, schema: pa.Schema) -> None:
        """Look at nothing yet; threads and connections are opened with the first rows."""
        self.stage, self.schema, self.rows = stage, schema, 0
        size = stage.sample_size
        self.sample = None if size is None else RowSample(size, seed=stage.seed)
        self._look: Looker | None = None

    def see(self, batch: pa.RecordBatch) -> None:
        """Look at a batch, or choose from it."""
        self.rows += batch.num_rows
        if self.sample is None:
            self._looker().see(batch)
        else:
            self.sample.see(batch)

    def summary(self) -> pa.Table:
        """Give a row a column."""
        with closing(self):
            return summary_of(self.profile())

    def statistics(self) -> Statistics:
        """Give the statistics of all rows, or of the sample."""
        looker = self._looker()
        for batch in self.sample.batches() if self.sample else ():
            looker.see(batch)
        return looker.statistics()

    def profile(self, source: str = "", unreadable: int = 0) -> Profile:
        """Give the profile of what was seen."""
        statistics = self.statistics()
        seed = None if statistics.rows == self.rows else self.stage.seed
        sample = Sample(statistics.rows, self.rows, seed)
        return profile_of(
            statistics, self.stage.reading(), sample=sample, source=source, unreadable=unreadable
        )

    def close(self) -> None:
        """Let go of threads and connections."""
        if self._look is not None:
            self._look.close()

    def _looker(self) -> Looker:
        if self._look is None:
            patterns, correlations = self.stage.looked_for(), self.stage.correlations
            self._look = Looker(self.schema, patterns, correlations=correlations)
        return self._look


def summary_of(profile: Profile) -> pa.Table:
    """Give the heart of a profile as a table: a row a column."""
    rows = [
        {
            "column": each.name,
            "type": each.type,
            "inferred": each.inferred.type if each.inferred else None,
            "confidence": each.inferred.confidence if each.inferred else None,
            "format": each.inferred.format if each.inferred else None,
            "nulls": each.nulls,
            "null_words": sum(word.count for word in each.null_words),
            "distinct": each.distinct.count if each.distinct else None,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "pattern": each.patterns[0].name if each.patterns else None,
            "pii": each.pii[0].label if each.pii else None,
            "key": each.key is not None,
            "cautions": [c.text for c in profile.cautions if c.column == each.name],
        }
        for each in profile.columns
    ]
    return pa.Table.from_pylist(rows, schema=_SUMMARY)


_SUMMARY = pa.schema(
    [
        ("column", pa.string()),
        ("type", pa.string()),
        ("inferred", pa.string()),
        ("confidence", pa.float64()),
        ("format", pa.string()),
        ("nulls", pa.int64()),
        ("null_words", pa.int64()),
        ("distinct", pa.int64()),
        ("minimum", pa.string()),
        ("maximum", pa.string()),
        ("pattern", pa.string()),
        ("pii", pa.string()),
        ("key", pa.bool_()),
        ("cautions", pa.list_(pa.string())),
    ]
)


def _reader(data: Any) -> Any:
    """Give what reads Arrow data.

    Raises:
        ConfigError: it has no `__arrow_c_stream__`.
    """
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data]).to_reader()
    if isinstance(data, pa.RecordBatchReader):
        return data
    if not hasattr(data, "__arrow_c_stream__"):
        raise ConfigError(
            "SchemaInferrer: profile takes a source, CSVSource(path) for instance, or Arrow data, "
            f"not {type(data).__name__}"
        )
    return reader_from(data)


def _with_care(read: Callable[[Any], T], data: Any) -> T:
    """Read data; with care, from the beginning, if a value comes that would be changed."""
    try:
        return read(data)
    except InexactError:
        careful = data.with_care(None) if isinstance(data, Source) else None
        if careful is None:
            raise
        return read(careful)


def _batches(source: Source, unreadable: list[int]) -> Iterator[pa.RecordBatch]:
    """Read a source with little memory; tell how many rows couldn't be read."""
    with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
        relation = source.relation(Path(folder))
        if relation is None:
            yield from source.scan(batch_size=BATCH_ROWS)
            unreadable += [batch.num_rows for batch in source.rejected(None)]
            return
        # One thread reads as fast as the others count, and holds one part of the file.
        own = Instance(
            scratch=Path(folder),
            attached=source.attached,
            reads=relation,
            threads=1,
            memory_limit=_MEMORY,
        )
        with own as connection:
            with (
                translated(source.label, dict.fromkeys(STREAM_ERRORS, ReadError)),
                unwrapped(source.label),
                connection.sql(relation).to_arrow_reader(BATCH_ROWS) as reader,
            ):
                yield from reader
            unreadable += [batch.num_rows for batch in source.rejected(connection)]
