"""Forms of texts: a text with 9 for every digit. What a form says needn't be asked of each text.

A column of a million dates has one form or two, the same in every chunk. So a form is looked at
once, by SQL, and what it says is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arrowetl.profiling._sums import Ints
from arrowetl.profiling.readings import EXACT_DIGITS, READINGS
from arrowetl.sql import literal

Kind = TypeVar("Kind", bound=Hashable)

_LONG = 12
"""Whole numbers of so many digits and more are long."""
_REMEMBERED = 16_384
"""How many forms are remembered at most."""
_NINES = np.array([ord("9") if 48 <= byte < 58 else byte for byte in range(256)], np.uint8)  # noqa: PLR2004 - the digits
_NEW = "arrowetl_forms"
_PARTS = r"'^[+-]?([0-9]*)\.?([0-9]*)$'"
_ASKED = (
    f"length(regexp_extract(s, {_PARTS}, 1))",
    f"length(regexp_extract(s, {_PARTS}, 2))",
    "CASE WHEN regexp_full_match(s, '9+') THEN length(s) ELSE 0 END",
    r"regexp_full_match(s, '[+-]?9+(\.9*)?[eE][+-]?9+')",
    "regexp_full_match(s, '[+-]?99+')",
    rf"regexp_matches(s, '^[+-]?\.?(9\.?){{{EXACT_DIGITS + 1}}}')",
    "regexp_matches(s, '^99[/.-]99?[/.-]99')",
    "regexp_matches(s, '^99?[/.-]99[/.-]99')",
)
_READ = tuple(f"regexp_full_match(s, {literal(each.shape)})" for each in READINGS.values())
"""What a form is asked: the fields of `Form`, and whether it is that of each reading."""


@dataclass(frozen=True)
class Form:
    """What a form says of the texts that have it.

    Attributes:
        before: how many digits are before the point, of a number.
        after: how many are after it.
        digits: how many digits it is, if it is nothing else; 0 if not.
        scientific: whether it is a number with an exponent.
        whole: whether it is a number of two digits or more, which may have leading zeros.
        long: whether it begins with more digits than a double keeps.
        first_of_two: whether two digits come first of a date's three parts.
        second_of_two: whether two digits come second.
        readings: for each reading whether it is of this form.
    """

    before: int
    after: int
    digits: int
    scientific: bool
    whole: bool
    long: bool
    first_of_two: bool
    second_of_two: bool
    readings: Sequence[bool]


@dataclass(frozen=True)
class Forms:
    """The forms of some texts, and how many have each."""

    forms: Sequence[Form]
    counts: Ints

    def some(self) -> dict[str, bool]:
        """Say of each reading whether some text is of its form."""
        return dict(zip(READINGS, np.any(self._readings(), axis=0).tolist(), strict=True))

    def all(self) -> dict[str, bool]:
        """Say of each reading whether all texts are of its form."""
        return dict(zip(READINGS, np.all(self._readings(), axis=0).tolist(), strict=True))

    def widths(self) -> dict[str, int]:
        """Give the most digits before and after the point."""
        return {
            "before": max((each.before for each in self.forms), default=0),
            "after": max((each.after for each in self.forms), default=0),
        }

    def digits(self) -> Counter[int]:
        """Count texts of nothing but digits by their length."""
        return self._summed({at: each.digits for at, each in enumerate(self.forms) if each.digits})

    def long(self) -> bool:
        """Whether some begin with more digits than a double keeps."""
        return any(each.long for each in self.forms)

    def fractions(self) -> bool:
        """Whether some may be numbers with a point."""
        return any(each.after for each in self.forms)

    def cautions(self) -> Counter[str]:
        """Count numbers with an exponent, and long whole ones."""
        scientific = {at: "scientific" for at, each in enumerate(self.forms) if each.scientific}
        long = {at: "long_integers" for at, each in enumerate(self.forms) if each.digits >= _LONG}
        return self._summed(scientific) + self._summed(long)

    def doubtful(self) -> list[str]:
        """Say what has to be asked of the texts themselves, since their digits matter to it."""
        asked = {
            "leading_zeros": any(each.whole for each in self.forms),
            "digits_lost": self.long() or any(each.scientific for each in self.forms),
            "day_over_12": any(each.first_of_two for each in self.forms),
            "month_over_12": any(each.second_of_two for each in self.forms),
        }
        return [each for each, matters in asked.items() if matters]

    def _summed(self, kinds: Mapping[int, Kind]) -> Counter[Kind]:
        """Sum the counts of forms of a kind."""
        found: Counter[Kind] = Counter()
        for at, kind in kinds.items():
            found[kind] += int(self.counts[at])
        return found

    def _readings(self) -> npt.NDArray[np.bool_]:
        """Give a row a form, a column a reading."""
        return np.array([each.readings for each in self.forms], bool).reshape(-1, len(READINGS))


class FormLook:
    """Says what forms say; remembers it, since chunks of a column are much alike."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remember nothing yet."""
        self.connection = connection
        self._known: dict[str, Form] = {}

    def at(self, texts: pa.StringArray, counts: Ints) -> Forms:
        """Give the forms of texts, each of which occurs so many times."""
        coded = with_nines(texts).dictionary_encode()
        shapes = coded.dictionary.to_pylist()  # small: few, or else as many as are asked for
        sums = np.bincount(coded.indices.to_numpy(), counts, len(shapes)).astype(np.int64)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        new = [each for each in shapes if each not in self._known]
        if new:
            self._known.update(zip(new, self._asked(new), strict=True))
        return Forms([self._known[each] for each in shapes], sums)

    def _asked(self, shapes: Sequence[str]) -> list[Form]:
        table = pa.table({"s": pa.array(shapes, pa.string()), "place": range(len(shapes))})
        self.connection.register(_NEW, table)
        query = f"SELECT {', '.join(_ASKED)}, [{', '.join(_READ)}] FROM {_NEW} ORDER BY place"
        answers = self.connection.sql(query).fetchall()
        self.connection.unregister(_NEW)
        return [Form(*each) for each in answers]


def with_nines(texts: pa.StringArray) -> pa.StringArray:
    """Give texts without nulls with 9 for each of their ASCII digits.

    >>> with_nines(pa.array(["2024-01-31", "ten: ٣"])).to_pylist()
    ['9999-99-99', 'ten: ٣']
    """
    _, offsets, data = texts.buffers()
    if data is None:
        return texts
    # Bytes of longer letters are 128 and more, so none of them is a digit.
    nines = pa.py_buffer(_NINES[np.frombuffer(data, np.uint8)])
    return pa.StringArray.from_buffers(len(texts), offsets, nines, offset=texts.offset)
