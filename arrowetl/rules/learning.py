"""Rules from a profile: what all rows kept so far, where that is a reason to believe in it.

A rule that is wrong costs more than one that is missing: it throws good rows away. So nothing is
learned that tomorrow's rows are likely to break. Of an open-ended amount neither the largest nor
the smallest value is a limit, and the tenth city isn't the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.types as kinds

from arrowetl.errors import ConfigError
from arrowetl.profiling._types import schema_from_text
from arrowetl.profiling.columns import is_number, is_text
from arrowetl.profiling.pii import words_of
from arrowetl.profiling.profile import ColumnProfile, PatternFound, Profile, Sample
from arrowetl.rules.rule import Rule

LEAST_ROWS = 30
LEAST_SAMPLED = 1_000
MOST_ENUM = 20
ENUM_MEAN, ENUM_RAREST = 30, 5
ENUM_LONGEST = 60
FORMAT_VALUES = 10
NEAR_ZERO = 0.1
FIRST_YEAR, LAST_YEAR, NO_YEAR = 1900, 2099, 2200

_KEY_NAME = (
    r"(?:^|_)(?:ids?|keys?|uuid|guid|no|nr|num|number|code|sku|isbn|ean|ref|reference)(?:_|$)"
)
_UNSURE = ("boolean", "bic", "currency", "percentage", "date_compact")


def inferred(profile: Profile, *, rows: int = LEAST_ROWS, share: float = 1.0) -> tuple[Rule, ...]:
    """Give the rules that the columns of a profile keep, each with its evidence as a sentence.

    - `not_null`: no value is null, nor a word for it.
    - `enum`: texts that repeat: 2 to 20 different ones, 30 times each in the mean and 5 times at
      least. Never of personal data, whose values stay out of rules.
    - `format`: all texts have one pattern and no other. Postal codes are left out, since one of
      Germany is one of Spain, too; so are patterns that words have by chance.
    - `range`: of numbers only the sign, where values come near to zero (a tenth of the median) and
      none is below. Of dates the years 1900 to 2099, wider by centuries if there are others: that
      finds 0001-01-01 and 9999-12-31, and years that were mistyped.
    - `unique`: all values are different, which was counted exactly, and the column is the first, or
      is called like a key. One look counts up to 8,192 values; beyond it takes a second one, by
      ``profile(data, exact_keys=True)``.

    Args:
        profile: what was found in the rows.
        rows: how many values have to be there for a rule to be learned; of a sample at least 1,000.
        share: the share of texts that have to have a pattern.

    Raises:
        ConfigError: an option makes no sense.

    >>> import pyarrow as pa
    >>> from arrowetl.transforms.infer import SchemaInferrer
    >>> table = pa.table({"id": range(1200), "state": ["new", "paid", "sent"] * 400})
    >>> for rule in inferred(SchemaInferrer().profile(table)):
    ...     print(f"{rule.name}: {rule.evidence}")
    id is there: no null in 1,200 rows
    id is unique: 1,200 different values in 1,200 rows
    id from 0: the smallest of 1,200 numbers is near zero, and none is below
    state is there: no null in 1,200 rows
    state is one of 3: 3 different values in 1,200 rows, each at least 400 times
    """
    schema = schema_from_text(profile.arrow_schema)
    known = {each.name: each for each in profile.columns}
    belief = belief_of(profile, rows=rows, share=share)
    return tuple(
        rule
        for place, field in enumerate(schema)
        for rule in belief.rules(known[field.name], field.name, field.type, first=not place)
    )


def belief_of(profile: Profile, *, rows: int = LEAST_ROWS, share: float = 1.0) -> Belief:
    """Give what decides which rules are learned, by the options of `inferred`.

    Raises:
        ConfigError: an option makes no sense.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise ConfigError(f"inferred: rows is a number from 1, not {rows!r}")
    if not 0.5 < share <= 1:  # noqa: PLR2004
        raise ConfigError(f"inferred: share is above 0.5, and 1 at most, not {share!r}")
    whole = profile.sample.complete
    return Belief(profile.sample, rows if whole else max(rows, LEAST_SAMPLED), share)


@dataclass(frozen=True)
class Belief:
    """What decides whether a rule is learned.

    Attributes:
        sample: which rows were looked at.
        least: how many values have to be there.
        share: the share of texts that have to have a pattern.
    """

    sample: Sample
    least: int
    share: float

    def rules(
        self,
        column: ColumnProfile,
        called: str,
        kind: Any,
        *,
        first: bool = False,
        absent: int = 0,
        unit: str = "rows",
    ) -> Iterator[Rule]:
        """Give the rules of a column.

        Args:
            column: what was found in it.
            called: what rules call it.
            kind: its Arrow type.
            first: whether it is the first one, as keys are.
            absent: of a part how many nulls it has because what it is in isn't there.
            unit: what its values are counted in.
        """
        rows = column.rows - absent
        there = column.rows - column.nulls
        if rows >= self.least and column.nulls == absent and not column.null_words:
            yield Rule(called, not_null=True, evidence=f"no null in {self._of(rows, unit)}")
        if there < self.least:
            return
        if first or re.search(_KEY_NAME, words_of(column.name)):
            yield from self._unique(column, called, there, unit)
        if is_text(kind):
            enum = list(self._enum(column, called, there, unit))
            yield from enum or self._format(column, called, there)
        elif kinds.is_decimal256(kind):
            return  # DuckDB has no such numbers: they arrive as texts of their digits.
        elif is_number(kind) and not kinds.is_unsigned_integer(kind):
            yield from self._sign(column, called, there)
        elif kinds.is_date(kind) or kinds.is_timestamp(kind):
            yield from self._years(column, called, there)

    def _of(self, count: int, unit: str) -> str:
        if self.sample.complete:
            return f"{count:,} {unit}"
        # The rule of three: what none of n does, fewer than 3/n of all do.
        sure = f"with 95 % certainty fewer than {3 / count:.2%} of all break it"
        return f"a sample of {count:,} {unit} ({sure})"

    def _unique(self, column: ColumnProfile, called: str, there: int, unit: str) -> Iterator[Rule]:
        different = column.distinct
        if column.key is None or different is None or not different.exact:
            return
        if self.sample.complete and different.count == there:
            again = ", counted in a second look" if different.looks > 1 else ""
            evidence = f"{different.count:,} different values in {column.rows:,} {unit}{again}"
            yield Rule(called, unique=True, evidence=evidence)

    def _enum(self, column: ColumnProfile, called: str, there: int, unit: str) -> Iterator[Rule]:
        values, texts = column.enum, column.texts
        if values is None or column.pii or column.null_words or texts is None:
            return
        if texts.padded or texts.empty or not 1 < len(values) <= min(MOST_ENUM, there / ENUM_MEAN):
            return
        # As many as are shown; the rarest are, if there are no more.
        rarest = min(each.count for each in column.top)
        if rarest < ENUM_RAREST or any(len(value) > ENUM_LONGEST for value in values):
            return
        often = f", each at least {rarest:,} times" if len(column.top) == len(values) else ""
        evidence = f"{len(values)} different values in {self._of(there, unit)}{often}"
        yield Rule(called, enum=sorted(values), evidence=evidence)

    def _format(self, column: ColumnProfile, called: str, there: int) -> Iterator[Rule]:
        if column.distinct is None or column.distinct.count < FORMAT_VALUES:
            return
        believed = [each for each in column.patterns if self._believed(each, column, there)]
        if len(believed) == 1:
            [found] = believed
            evidence = f"{found.count:,} of {self._of(found.of, 'values')} have it"
            yield Rule(called, format=found.name, evidence=evidence)

    def _believed(self, found: PatternFound, column: ColumnProfile, there: int) -> bool:
        if found.of != there or found.share < self.share:
            return False
        if found.name in _UNSURE or found.name.startswith("postal_code"):
            return False
        # Ten digits may be anything.
        named = [each for each in column.pii if each.label == "phone" and len(each.evidence) > 1]
        return found.name != "phone" or bool(named)

    def _sign(self, column: ColumnProfile, called: str, there: int) -> Iterator[Rule]:
        numbers = column.numbers
        if numbers is None or numbers.count != there or numbers.negatives:
            return
        median = next((each.value for each in numbers.quantiles if each.at == 0.5), None)  # noqa: PLR2004
        least = numbers.minimum
        if median is None or least is None or not 0 <= least <= NEAR_ZERO * median:
            return
        what = self._of(there, "numbers")
        evidence = f"the smallest of {what} is near zero, and none is below"
        yield Rule(called, range=(0, None), evidence=evidence)

    def _years(self, column: ColumnProfile, called: str, there: int) -> Iterator[Rule]:
        times = column.times
        if times is None or times.count != there:
            return
        found = [re.match(r"(\d{4})-", each or "") for each in (times.minimum, times.maximum)]
        if None in found:
            return
        low, high = (int(each[1]) for each in found if each)
        if high >= NO_YEAR:
            return
        first = min(FIRST_YEAR, low // 100 * 100)
        last = max(LAST_YEAR, high // 100 * 100 + 99)
        evidence = f"{self._of(there, 'dates')}, all from these centuries"
        yield Rule(called, range=(f"{first:04}-01-01", f"{last}-12-31"), evidence=evidence)
