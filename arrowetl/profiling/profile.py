"""The profile: what was found in some rows, as values that print, serialise and compare.

Every share is a count and what it is out of, so that evidence is never lost. Texts that a profile
shows of columns with personal data are masked already, unless it was asked not to.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.profiling._json import rebuilt
from arrowetl.profiling._types import arrow_type, schema_from_text

if TYPE_CHECKING:
    from rich.console import RenderableType

VERSION = 1
"""The format of the JSON; one that is newer isn't read."""


@dataclass(frozen=True)
class Sample:
    """Which rows were looked at.

    Attributes:
        rows: how many.
        of: how many there were.
        seed: what the choice depends on, besides the row numbers; None if all were taken.
    """

    rows: int
    of: int
    seed: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every row was looked at."""
        return self.rows == self.of


@dataclass(frozen=True)
class TypeFound:
    """A type as which the texts of a column can be read.

    Attributes:
        type: Arrow's word for it: ``int64``, ``decimal128(12, 2)``, ``date32[day]``...
        count: how many texts can be read so.
        of: out of how many, nulls and words for null left out.
        format: how dates and times are written, in strptime's letters; None for what SQL casts.
        notes: what speaks for caution: day and month that can't be told apart, leading zeros.
    """

    type: str
    count: int
    of: int
    format: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """The share of texts that can be read so; 0 where there are none."""
        return self.count / self.of if self.of else 0.0

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type itself."""
        return arrow_type(self.type)


@dataclass(frozen=True)
class PatternFound:
    """A pattern that texts of a column have, or its whole numbers by their digits.

    Attributes:
        name: as in `arrowetl.patterns.PATTERNS`.
        title: for people.
        count: how many values have it.
        of: out of how many, nulls and words for null left out.
        pii: the label of personal data that it is a sign of, if it is one.
        least: whether it was counted only from some row on, where it first showed up: some values
            before may have it, too.
    """

    name: str
    title: str
    count: int
    of: int
    pii: str | None = None
    least: bool = False

    @property
    def share(self) -> float:
        """The share of values that have it."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True)
class PiiFound:
    """That a column holds personal data, and why one should think so.

    Attributes:
        label: what it is: ``email``, ``phone``, ``name``...
        count: how many values have its pattern, or are numbers of as many digits as what the
            column's name says; 0 if only the name says so.
        of: out of how many.
        evidence: sentences, the strongest first.
    """

    label: str
    count: int
    of: int
    evidence: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of values that speak for it."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True)
class ValueCount:
    """A value and how often it occurs.

    Attributes:
        value: as text; masked where personal data are.
        count: how often, at least.
        error: how many more there may be; 0 means that the count is exact.
    """

    value: str
    count: int
    error: int = 0


@dataclass(frozen=True)
class Distinct:
    """How many different values there are.

    Attributes:
        count: how many.
        exact: whether they were counted; if not, it is an estimate.
        error: the relative standard error of the estimate; 0 where it is exact.
        looks: how often the rows were read for it: twice where a first look was an estimate.
    """

    count: int
    exact: bool
    error: float = 0.0
    looks: int = 1


@dataclass(frozen=True)
class Histogram:
    """How values are spread: `counts[i]` of them from `edges[i]` up to `edges[i + 1]`.

    The last one takes its upper edge, too. Times are seconds since 1970 in UTC.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Quantile:
    """The value below which the share `at` of values lies."""

    at: float
    value: float


@dataclass(frozen=True)
class NumberStatistics:
    """Statistics of numbers; of the finite ones, but for the counts of those that aren't.

    Attributes:
        count: how many finite numbers.
        minimum: the smallest; None where there are no numbers, as for the others.
        maximum: the largest.
        mean: the mean, correctly rounded whatever the order of rows.
        std: the standard deviation of a sample (divided by n - 1), correctly rounded, too.
        total: the sum.
        quantiles: some of them, the median among them.
        quantile_error: by what part of its value a quantile may be wrong; 0 means exact.
        histogram: the spread.
        zeros: how many are zero.
        negatives: how many are below zero.
        nans: how many are not a number.
        infinities: how many are infinite.
        whole: how many have no fraction.
    """

    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    total: float | None
    quantiles: tuple[Quantile, ...]
    quantile_error: float
    histogram: Histogram | None
    zeros: int
    negatives: int
    nans: int
    infinities: int
    whole: int


@dataclass(frozen=True)
class TextStatistics:
    """Statistics of texts; lengths are in characters.

    Attributes:
        count: how many texts.
        shortest: the smallest length.
        longest: the largest length.
        mean_length: the mean of lengths.
        lengths: the spread of lengths.
        empty: how many are ``''``.
        blank: how many are nothing but space, the empty ones not among them.
        padded: how many have space before or after.
        digits: how many are digits only.
        letters: how many are letters only.
        upper: how many have letters, none of them small.
        lower: how many have letters, none of them capital.
        non_ascii: how many have a character outside ASCII.
        multiline: how many have a line end inside.
    """

    count: int
    shortest: int | None
    longest: int | None
    mean_length: float | None
    lengths: Histogram | None
    empty: int
    blank: int
    padded: int
    digits: int
    letters: int
    upper: int
    lower: int
    non_ascii: int
    multiline: int


@dataclass(frozen=True)
class TimeStatistics:
    """Statistics of dates, times and moments.

    Attributes:
        count: how many.
        minimum: the earliest, in ISO form.
        maximum: the latest.
        histogram: the spread, in seconds since 1970 (of times: since midnight).
        future: how many lie after the day on which the profile was made.
    """

    count: int
    minimum: str | None
    maximum: str | None
    histogram: Histogram | None
    future: int = 0


@dataclass(frozen=True)
class ColumnProfile:
    """What was found in a column.

    Attributes:
        name: the column's; of parts of structs with a dot, of elements of lists with ``[]``.
        type: the Arrow type that it has.
        rows: how many values it has, nulls included.
        nulls: how many are null.
        null_words: texts that mean null, with counts; they aren't among `nulls`.
        null_map: the share of nulls in stretches of rows, from the first to the last.
        distinct: how many different values, nulls left out.
        top: the most frequent values.
        minimum: the smallest value, as text; masked where personal data are.
        maximum: the largest.
        inferred: the type that texts should be cast to; None for other columns, and for texts
            that are just that.
        types: every type as which some texts can be read, the likeliest first.
        patterns: the patterns that texts have, or whole numbers by their digits, the most frequent
            first.
        pii: what personal data it holds.
        enum: all values, if they are few and repeat; None if not.
        key: why its values may identify a row, as a sentence; None if they don't.
        nullable: whether it may be null, by what was seen.
        nullable_evidence: what was seen, as a sentence: ``no null in 1,200,000``.
        numbers: statistics of numbers, also of texts that are read as numbers; None where they are
            personal data, which their ends would show.
        texts: statistics of texts.
        times: statistics of dates and times, also of texts that are read so.
        trues: how many are true, of a column of booleans; None for others.
        lengths: statistics of the lengths of lists; None for others.
    """

    name: str
    type: str
    rows: int
    nulls: int
    null_words: tuple[ValueCount, ...]
    null_map: tuple[float, ...]
    distinct: Distinct | None
    top: tuple[ValueCount, ...]
    minimum: str | None
    maximum: str | None
    inferred: TypeFound | None
    types: tuple[TypeFound, ...]
    patterns: tuple[PatternFound, ...]
    pii: tuple[PiiFound, ...]
    enum: tuple[str, ...] | None
    key: str | None
    nullable: bool
    nullable_evidence: str
    numbers: NumberStatistics | None = None
    texts: TextStatistics | None = None
    times: TimeStatistics | None = None
    trues: int | None = None
    lengths: NumberStatistics | None = None

    @property
    def null_share(self) -> float:
        """The share of nulls."""
        return self.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Correlation:
    """How two columns of numbers go together.

    Attributes:
        left: one column.
        right: the other.
        coefficient: Pearson's, from -1 to 1.
        rows: how many rows have both.
    """

    left: str
    right: str
    coefficient: float
    rows: int


@dataclass(frozen=True)
class Caution:
    """Something that a person should look at.

    Attributes:
        kind: a short fixed word: ``constant``, ``all_null``, ``mixed_dates``...
        column: where; None if it is about all of it.
        text: what it is, as a sentence.
    """

    kind: str
    column: str | None
    text: str


@dataclass(frozen=True)
class Profile:
    """What was found in some rows. `SchemaInferrer.profile` makes it.

    Attributes:
        rows: how many rows were looked at.
        columns: a profile a column, parts of structs and elements of lists after their column.
        sample: which rows were looked at.
        arrow_schema: the Arrow schema of the rows, serialised, in base64.
        source: what the rows came from, for people.
        correlations: of pairs of numeric columns, if asked for; the strongest first.
        cautions: what a person should look at.
        masked: whether values of personal data are masked.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    sample: Sample
    arrow_schema: str
    source: str = ""
    correlations: tuple[Correlation, ...] = ()
    cautions: tuple[Caution, ...] = ()
    masked: bool = True

    def column(self, name: str) -> ColumnProfile:
        """Give the profile of a column.

        Raises:
            SchemaError: there is no such column; names the nearest.
        """
        for each in self.columns:
            if each.name == name:
                return each
        raise SchemaError.missing(name, (each.name for each in self.columns), where="Profile")

    def schema(self) -> pa.Schema:
        """Give the Arrow schema: texts have the inferred types.

        Columns in which no null was seen are `not null`, unless only a sample was looked at.
        """
        found = {each.name: each for each in self.columns}
        return pa.schema(
            [
                pa.field(
                    field.name,
                    column.inferred.arrow if column.inferred else field.type,
                    nullable=column.nullable or not self.sample.complete,
                    metadata=field.metadata,
                )
                for field in schema_from_text(self.arrow_schema)
                for column in [found[field.name]]
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as dicts and lists that JSON takes."""
        return {"version": VERSION, **asdict(self)}

    def to_json(self, *, indent: int | None = None) -> str:
        """Give it as JSON text; `from_json` gives it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    def to_html(self, *, title: str | None = None) -> str:
        """Give it as one page of HTML that loads nothing; see `arrowetl.profiling.html.page`."""
        from arrowetl.profiling.html import page

        return page(self, title=title)

    def __str__(self) -> str:
        from arrowetl.profiling.terminal import printed

        return printed(self)

    def __rich__(self) -> RenderableType:
        from arrowetl.profiling.terminal import rendered

        return rendered(self)

    def _repr_html_(self) -> str:
        from arrowetl.profiling.html import fragment

        return fragment(self)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` gave.

        Raises:
            ConfigError: the text isn't a profile, or is one of a newer version.

        >>> Profile.from_json('{"version": 99}')
        Traceback (most recent call last):
        arrowetl.errors.ConfigError: Profile: version 99 is newer than this arrowetl reads (1)
        """
        try:
            found = json.loads(text)
            version = found.pop("version")
            if version > VERSION:
                raise ConfigError(
                    f"Profile: version {version} is newer than this arrowetl reads ({VERSION})"
                )
            return rebuilt(cls, found)
        except json.JSONDecodeError as error:
            raise ConfigError("Profile: not the JSON of a profile") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"Profile: not the JSON of a profile ({type(error).__name__}: {error})"
            ) from error
