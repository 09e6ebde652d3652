"""Statistics of texts that merge: what they can be read as, which patterns they have.

A column's texts are grouped first, so that what repeats is looked at once. All further questions
are SQL over the different texts with their counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arrowetl.profiling._forms import FormLook, Forms
from arrowetl.profiling._sums import Ints
from arrowetl.profiling.digits import LONGEST, Digits, Whole, as_digits, between, lengths_of
from arrowetl.profiling.numbers import Numbers
from arrowetl.profiling.readings import (
    DECIMAL,
    DOUBLE,
    LOST,
    READINGS,
    TIMED,
    is_null_word,
    trimmed,
)
from arrowetl.profiling.values import FREQUENT, KEPT, SHOWN_BYTES, Counted, Values
from arrowetl.sql import literal

if TYPE_CHECKING:
    from arrowetl.patterns import Pattern

DIGITS = "digits:"
"""Traits of this name and a number: how many are just so many digits."""
NUMBER = "double"
"""The reading whose numbers are kept."""

_TRAITS = {
    "empty": "v = ''",
    "blank": "v <> '' AND t = ''",
    "padded": "t <> '' AND length(t) <> length(v)",
    "digits": "regexp_full_match(v, '[0-9]+')",
    "letters": r"regexp_full_match(v, '\pL+')",
    "upper": "v = upper(v) AND v <> lower(v)",
    "lower": "v = lower(v) AND v <> upper(v)",
    "non_ascii": "strlen(v) <> length(v)",
    "multiline": r"contains(v, chr(10)) OR contains(v, chr(13))",
}
_CAUTIONS = {
    "leading_zeros": "regexp_full_match(t, '[+-]?0[0-9]+')",
    "digits_lost": f"regexp_full_match(t, {literal(DOUBLE.shape)}) AND {LOST.format('t')}",
    "day_over_12": r"regexp_matches(t, '^(1[3-9]|2[0-9]|3[01])[/.-][0-9]{1,2}[/.-][0-9]{2}')",
    "month_over_12": r"regexp_matches(t, '^[0-9]{1,2}[/.-](1[3-9]|2[0-9]|3[01])[/.-][0-9]{2}')",
}
_READABLE = (
    "length(t) <= 40 AND regexp_full_match(t, '(?i)[+-]?[0-9.][0-9.,/: TZ+eEAPM-]*"
    "|[0-9]{1,2}[ -][a-z]{3,9}[ -][0-9]{4}|[a-z]{3,9} [0-9]{1,2}, [0-9]{4}"
    "|[+-]?inf(inity)?|true|false|yes|no|y|n|t|f|on|off')"
)
"""What may be any of the readings: a first, cheap look."""


@dataclass(frozen=True)
class Texts:
    """What is known of some texts. Of parts it merges into that of the whole.

    Attributes:
        count: how many, those that mean null among them.
        words: how many mean null, by spelling.
        lengths: their lengths in characters.
        traits: how many are so, by the words of `TextStatistics` and for cautions.
        readings: how many can be read so, by the name of the reading.
        read: the numbers, and the seconds since 1970 of times, by the name of the reading.
        patterns: how many have it, by the name of the pattern.
        widths: the most digits before and after the point.
        first: the smallest text by its code points, those for null left out; None of none.
        last: the largest.
        ends: the smallest and the largest number, where some have more digits than a double keeps;
            None where it keeps all, or no decimal has so many.
    """

    count: int = 0
    words: Counter[str] = field(default_factory=Counter)
    lengths: Numbers = field(default_factory=Numbers)
    traits: Counter[str] = field(default_factory=Counter)
    readings: Counter[str] = field(default_factory=Counter)
    read: Mapping[str, Numbers] = field(default_factory=dict)
    patterns: Counter[str] = field(default_factory=Counter)
    widths: Mapping[str, int] = field(default_factory=dict)
    first: str | None = None
    last: str | None = None
    ends: tuple[Decimal, Decimal] | None = None

    @property
    def meant(self) -> int:
        """How many texts don't stand for null."""
        return self.count - self.words.total()

    def digits(self) -> dict[int, int]:
        """Count whole numbers by how many digits they have."""
        return {
            int(trait.removeprefix(DIGITS)): n
            for trait, n in self.traits.items()
            if trait.startswith(DIGITS)
        }

    def merge(self, other: Texts) -> Texts:
        """Give what is known of both."""
        return Texts(
            count=self.count + other.count,
            words=self.words + other.words,
            lengths=self.lengths.merge(other.lengths),
            traits=self.traits + other.traits,
            readings=self.readings + other.readings,
            read={
                each: self.read.get(each, Numbers()).merge(other.read.get(each, Numbers()))
                for each in self.read.keys() | other.read.keys()
            },
            patterns=self.patterns + other.patterns,
            widths={
                each: max(self.widths.get(each, 0), other.widths.get(each, 0))
                for each in self.widths.keys() | other.widths.keys()
            },
            first=_one_of(min, self.first, other.first),
            last=_one_of(max, self.last, other.last),
            ends=_outer(self, other) if self.ends or other.ends else None,
        )


def _one_of(choose: Callable[[list[str]], str], *texts: str | None) -> str | None:
    there = [each for each in texts if each is not None]
    return choose(there) if there else None


def _outer(*texts: Texts) -> tuple[Decimal, Decimal]:
    """Give the ends of the numbers of several; what has none of its own, a double keeps."""
    ends = [each.ends for each in texts if each.ends]
    kept = [each.read[NUMBER] for each in texts if not each.ends and NUMBER in each.read]
    ends += [(Decimal(repr(e.minimum)), Decimal(repr(e.maximum))) for e in kept if e.count]
    return min(low for low, _ in ends), max(high for _, high in ends)


class TextLook:
    """Looks at chunks of texts, by SQL in one connection."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, patterns: Mapping[str, Pattern]
    ) -> None:
        """Look for some patterns."""
        self.connection = connection
        self.patterns = patterns
        self.forms = FormLook(connection)

    def likely(self, texts: Mapping[str, pa.Array]) -> dict[str, set[str]]:
        """Say by a look at some of the texts of columns which patterns are worth a count.

        Forty patterns over every text would cost more than all else together.
        """
        known = [each for each in self.patterns if not each.startswith(_READ)] or [*self.patterns]
        some = {each: _some_of(column.cast(pa.string())) for each, column in texts.items()}
        return self._likely(known, some, _WORTH)

    def likely_of_numbers(self, numbers: Mapping[str, pa.Array]) -> dict[str, set[str]]:
        """Say by a look at some of the numbers of columns which patterns are worth a count."""
        known = {each: found.digits for each, found in self.patterns.items() if found.digits}
        some = {each: as_digits(_some_of(column)) for each, column in numbers.items()}
        return self._likely([*known], _long_enough(some, known), _WORTH_OF_NUMBERS)

    def glimpsed(
        self, texts: Mapping[str, pa.Array], numbers: Mapping[str, pa.Array]
    ) -> dict[str, set[str]]:
        """Say which personal data are among a few values of columns, by a far cheaper look.

        What half of the values are is among these, but once in more chunks than there are.
        """
        personal = [each for each, found in self.patterns.items() if found.pii]
        lengths = {each: self.patterns[each].digits for each in personal}
        digits = {each: found for each, found in lengths.items() if found}
        few = {each: _few_of(column).cast(pa.string()) for each, column in texts.items()}
        others = {each: as_digits(_few_of(column)) for each, column in numbers.items()}
        numbered = self._likely([*digits], _long_enough(others, digits), _ANY)
        return {**self._likely(personal, few, _ANY), **numbered}

    def _likely(
        self, known: Sequence[str], some: Mapping[str, pa.Array], worth: float
    ) -> dict[str, set[str]]:
        if not known or not some:
            return {each: set() for each in some}
        self.connection.register(_CHUNK, pa.Table.from_batches([_named(some)]))
        sums = ", ".join(f"coalesce(sum(({self._test(each)})::INTEGER), 0)" for each in known)
        counts = self._rows(
            f"SELECT c, count(*), {sums} FROM (SELECT c, {trimmed('v')} AS t FROM {_CHUNK}) "
            f"WHERE NOT {is_null_word('t')} GROUP BY c"
        )
        self.connection.unregister(_CHUNK)
        found: dict[str, set[str]] = {each: set() for each in some}
        for column, looked_at, *hits in counts:
            found[column] = {
                each for each, n in zip(known, hits, strict=True) if n >= worth * looked_at
            }
        return found

    def at(
        self, column: pa.Array, bound: int, patterns: Collection[str] = ()
    ) -> tuple[Texts, Values]:
        """Give what is known of a chunk of texts, and which values it has.

        Args:
            column: the texts.
            bound: no value with a larger hash matters to the sample of values.
            patterns: those to count.
        """
        self._register(column)
        self.connection.execute(_GROUPED)
        self.connection.unregister(_CHUNK)
        different = self.connection.sql(_DIFFERENT).to_arrow_table().combine_chunks()
        texts = different.to_batches()[0] if len(different) else _NO_TEXTS
        worded = texts["word"].true_count > 0
        meant = texts.filter(pc.invert(texts["word"])) if worded else texts
        lengths, traits = _lengths(texts), self._counted(_TRAITS, "texts")
        forms, readings, read = self._readings()
        ends = pc.min_max(meant["v"])
        return Texts(
            count=lengths.count,
            words=self._words() if worded else Counter(),
            lengths=lengths,
            traits=traits + self._traits_of(forms, cautions=bool(readings)),
            readings=readings,
            read=read,
            patterns=self._patterns(patterns),
            widths=forms.widths(),
            first=ends["min"].as_py(),  # small: one
            last=ends["max"].as_py(),  # small: one
            ends=self._long_ends(forms),
        ), Values.of(Counted(meant["h"].to_numpy(), meant["n"].to_numpy(), meant["v"]), bound)

    def others(self, column: pa.Array, bound: int) -> Values:
        """Give which values a chunk has of a type that only DuckDB groups."""
        self._register(column)
        self.connection.execute(_OTHERS)
        self.connection.unregister(_CHUNK)
        return grouped_values(self.connection, "others", f"left(v::VARCHAR, {SHOWN_BYTES})", bound)

    def decimals(self, *, as_text: bool) -> tuple[Whole, Ints]:
        """Give the whole ones of the decimals that `others` grouped last, and their counts."""
        decimal = "TRY_CAST(v AS DECIMAL(38, 9))" if as_text else "v"
        found = self.connection.sql(_WHOLE.format(decimal)).fetchnumpy()
        order = np.argsort(found["v"])
        return np.asarray(found["v"])[order], np.asarray(found["n"])[order]

    def digits(self, numbers: Whole, counts: Ints, patterns: Collection[str]) -> Digits:
        """Give what is known of the digits of different, ordered numbers."""
        found: Counter[str] = Counter()
        for each in patterns:
            texts = between(numbers, counts, self.patterns[each].digits or (1, LONGEST))
            self.connection.register(_CHUNK, texts)
            found += self._counted({each: self.patterns[each].sql("t")}, _CHUNK)
            self.connection.unregister(_CHUNK)
        return Digits(lengths_of(numbers, counts), found)

    def _register(self, column: pa.Array) -> None:
        chunk = pa.RecordBatch.from_arrays([column], ["v"])
        self.connection.register(_CHUNK, pa.Table.from_batches([chunk]))

    def _rows(self, query: str) -> list[Any]:
        return self.connection.sql(query).fetchall()

    def _numbers(self, query: str) -> Numbers:
        found = self.connection.sql(query).fetchnumpy()
        values, counts = (np.asarray(each) for each in found.values())
        return Numbers.of(values, counts)

    def _counted(self, tests: Mapping[str, str], table: str) -> Counter[str]:
        """Count the texts that pass each test."""
        if not tests:
            return Counter()
        sums = ", ".join(
            f"coalesce(sum(CASE WHEN {test} THEN n END), 0)::BIGINT" for test in tests.values()
        )
        counts = self._rows(f"SELECT {sums} FROM {table}")[0]
        return Counter({each: n for each, n in zip(tests, counts, strict=True) if n})

    def _words(self) -> Counter[str]:
        return Counter(
            dict(self._rows("SELECT t, sum(n)::BIGINT FROM texts WHERE word GROUP BY t"))
        )

    def _readings(self) -> tuple[Forms, Counter[str], dict[str, Numbers]]:
        """Give the forms there are, what can be read in each way, and what numbers that gives."""
        table = self.connection.sql("SELECT t, n FROM readable").to_arrow_table()
        if not len(table):
            return Forms((), np.zeros(0, np.int64)), Counter(), {}
        forms = self.forms.at(table["t"].combine_chunks(), table["n"].to_numpy())
        some, every = forms.some(), forms.all()
        values = {
            # What all texts have the form of needn't be held against it again.
            each.name: each.cast.format("t") if every[each.name] else each.value("t")
            for each in READINGS.values()
            if some[each.name]
        }
        tests = {each: f"({value}) IS NOT NULL" for each, value in values.items()}
        found = self._counted(tests, "readable")
        read = {each: self._read(values[each], each) for each in _KEPT_READINGS if found[each]}
        return forms, found, read

    def _read(self, value: str, reading: str) -> Numbers:
        number = value if reading == NUMBER else f"epoch({value})"
        return self._numbers(f"SELECT ({number})::DOUBLE AS x, n FROM readable WHERE x IS NOT NULL")

    def _long_ends(self, forms: Forms) -> tuple[Decimal, Decimal] | None:
        """Give the smallest and the largest number exactly, if a double may not keep them."""
        widths = forms.widths()
        if not forms.long() or sum(widths.values()) > _LONGEST_DECIMAL:
            return None
        number = f"TRY_CAST(t AS DECIMAL({_LONGEST_DECIMAL}, {widths['after']}))"
        ends = f"SELECT min({number}), max({number}) FROM readable"
        shaped = f"{ends} WHERE regexp_full_match(t, {literal(DECIMAL.shape)})"
        [(low, high)] = self._rows(shaped)
        return None if low is None else (low, high)

    def _traits_of(self, forms: Forms, *, cautions: bool) -> Counter[str]:
        """Count what forms say; where something can be read also what is to be said of that."""
        traits = Counter({f"{DIGITS}{length}": n for length, n in forms.digits().items()})
        if forms.fractions():
            traits += Counter({f"{DIGITS}{length}": n for length, n in self._rows(_WHOLE_TEXTS)})
        if not cautions:
            return traits
        tests = {each: _CAUTIONS[each] for each in forms.doubtful()}
        return traits + self._counted(tests, "readable") + forms.cautions()

    def _patterns(self, wanted: Collection[str]) -> Counter[str]:
        tests = {each: self._test(each) for each in self.patterns if each in wanted}
        return self._counted(tests, "meant")

    def _test(self, pattern: str) -> str:
        """Give the test of a trimmed text; what digits alone can be, ``.0`` after them is, too."""
        known = self.patterns[pattern]
        return known.sql(r"regexp_replace(t, '\.0+$', '')" if known.digits else "t")


_CHUNK = "arrowetl_chunk"
_OTHERS = f"""
CREATE OR REPLACE TEMP TABLE others AS
SELECT v, count(*) AS n, hash(v) AS h FROM {_CHUNK} WHERE v IS NOT NULL GROUP BY v
"""
_WHOLE = f"""
SELECT v::UBIGINT AS v, n FROM (SELECT {{}} AS v, n FROM others)
WHERE v >= 0 AND v < 1e{LONGEST} AND v = trunc(v)
"""
_WHOLE_TEXTS = r"""
SELECT strpos(t, '.') - 1, sum(n)::BIGINT FROM readable
WHERE (ends_with(t, '.0') OR ends_with(t, '.00')) AND regexp_full_match(t, '[0-9]+\.0+') GROUP BY 1
"""
"""How many digits whole numbers have that a program wrote with a fraction."""
_READ = ("date", "datetime", "boolean")
"""Patterns that readings know better; they are looked for where nothing else is."""
_LOOKED_AT = 500
"""Of how many different texts of a column a first look is taken."""
_WORTH = 0.01
"""The share of these that has to have a pattern."""
_GLIMPSED = 64
"""Of how many values a cheaper look is taken."""
_ANY = 1e-9
"""The share that says: at least one."""
_WORTH_OF_NUMBERS = 0.05
"""That of numbers: check digits are right by chance, in 3 of 100 numbers of sixteen digits."""
_GROUPED = f"""
CREATE OR REPLACE TEMP TABLE texts AS
SELECT v, t, n, length(v) AS len, hash(v) AS h, {is_null_word("t")} AS word
FROM (SELECT v, {trimmed("v")} AS t, count(*) AS n FROM {_CHUNK}
WHERE v IS NOT NULL GROUP BY v);
CREATE OR REPLACE TEMP VIEW meant AS SELECT * FROM texts WHERE NOT word;
CREATE OR REPLACE TEMP TABLE readable AS SELECT t, n FROM meant WHERE {_READABLE}
"""
_DIFFERENT = f"""
SELECT CASE WHEN strlen(v) > {SHOWN_BYTES} THEN left(v, {SHOWN_BYTES}) ELSE v END AS v,
n, len, h, word FROM texts
"""
"""The different texts, cut; the first and the last of cut texts are those of whole ones, cut."""
_NO_TEXTS = pa.RecordBatch.from_pylist(
    [],
    pa.schema(
        {"v": pa.string(), "n": pa.int64(), "len": pa.int64(), "h": pa.uint64(), "word": pa.bool_()}
    ),
)
_LONGEST_DECIMAL = 38
_KEPT_READINGS = (NUMBER, *(each.name for each in TIMED))
"""The readings whose numbers are kept."""


def _lengths(texts: pa.RecordBatch) -> Numbers:
    """Give the lengths of texts, each so often as it occurs."""
    lengths, places = np.unique(texts["len"].to_numpy(), return_inverse=True)
    counts = np.bincount(places, texts["n"].to_numpy(), len(lengths)).astype(np.int64)
    return Numbers.of(lengths.astype(np.float64), counts)


def _some_of(column: pa.Array) -> pa.Array:
    """Give some different values of a column, from all over it."""
    return _spread_over(column.unique().drop_null(), _LOOKED_AT)


def _few_of(column: pa.Array) -> pa.Array:
    """Give a few values of a column as they come, from all over it."""
    return _spread_over(column.drop_null(), _GLIMPSED)


def _long_enough(
    texts: Mapping[str, pa.Array], digits: Mapping[str, tuple[int, int]]
) -> dict[str, pa.Array]:
    """Give the columns of digits of which some are as many as a pattern has."""
    shortest = min((least for least, _ in digits.values()), default=0)
    return {
        each: found
        for each, found in texts.items()
        if (pc.max(pc.utf8_length(found)).as_py() or 0) >= shortest  # small: one
    }


def _spread_over(values: pa.Array, size: int) -> pa.Array:
    """Give so many of some values: one of each stretch, by chance, since values may take turns."""
    if len(values) <= size:
        return values
    # The same chance for all, so that a profile is the same tomorrow.
    places = np.arange(size) + np.random.default_rng(size).random(size)
    return values.take(pa.array((places * (len(values) / size)).astype(np.int64)))


def _named(columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """Give the texts of columns below each other, each with its column's name."""
    names = np.repeat([*columns], [len(each) for each in columns.values()])
    texts = pa.concat_arrays([each.cast(pa.string()) for each in columns.values()])
    return pa.RecordBatch.from_arrays([pa.array(names, pa.string()), texts], ["c", "v"])


def grouped_values(
    connection: duckdb.DuckDBPyConnection, table: str, shown: str, bound: int
) -> Values:
    """Give which values a table of different values has, with their hashes and counts.

    Args:
        connection: where the table is; its columns are `v`, `n` (the count) and `h` (the hash).
        table: its name.
        shown: SQL for the text by which a value is shown.
        bound: no value with a larger hash matters to the sample of values.
    """
    size = connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    columns = f"SELECT h, n, {shown} AS v FROM {table}"
    if size <= KEPT:
        return Values.of(_counted(connection, columns))
    sample = _counted(connection, f"{columns} WHERE h <= {bound}::UBIGINT ORDER BY h LIMIT {KEPT}")
    frequent = _counted(connection, f"{columns} ORDER BY n DESC, h LIMIT {FREQUENT + 1}")
    left_out = int(frequent.counts[FREQUENT])
    order = np.argsort(frequent.hashes[:FREQUENT])
    return Values(sample, True, frequent.take(order), left_out)


def _counted(connection: duckdb.DuckDBPyConnection, query: str) -> Counted:
    table = connection.sql(query).to_arrow_table()
    values = table["v"].combine_chunks()
    return Counted(table["h"].to_numpy(), table["n"].to_numpy(), values)
