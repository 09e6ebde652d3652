"""Whole numbers as texts of their digits: how long these are, and which patterns they have.

Numbers of cards, telephones and people are often kept as integers, decimals or doubles. What they
are is told by their digits, as it is where they are texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.profiling._sums import Ints

LONGEST = 19
"""Numbers of more digits are looked at no further: nothing that is known has so many."""
Whole = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Digits:
    """What is known of the digits of a column of numbers. Of parts it merges into that of all.

    Attributes:
        lengths: how many whole numbers that aren't negative have so many digits.
        patterns: how many have it, by the name of the pattern.
    """

    lengths: Counter[int] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Digits) -> Digits:
        """Give what is known of both."""
        return Digits(self.lengths + other.lengths, self.patterns + other.patterns)


def whole(values: npt.NDArray[Any], counts: Ints) -> tuple[Whole, Ints]:
    """Give those of different, ordered numbers that have digits alone, with their counts.

    >>> whole(np.array([-1.0, 0.5, 7.0, np.inf]), np.array([1, 1, 3, 1]))
    (array([7], dtype=uint64), array([3]))
    """
    kept = (values >= 0) & (values < 10**LONGEST)
    if values.dtype.kind == "f":
        kept &= values == np.trunc(values)
    return values[kept].astype(np.uint64), counts[kept]


def lengths_of(numbers: Whole, counts: Ints) -> Counter[int]:
    """Count ordered numbers by how many digits they have.

    >>> lengths_of(np.array([0, 9, 10, 4711], np.uint64), np.array([1, 1, 5, 2]))
    Counter({2: 5, 1: 2, 4: 2})
    """
    ends = np.searchsorted(numbers, 10 ** np.arange(1, LONGEST + 1, dtype=np.uint64))
    sums = np.concatenate([[0], np.cumsum(counts)])[ends]
    each = np.diff(sums, prepend=0).tolist()
    return Counter({length: n for length, n in enumerate(each, 1) if n})


def between(numbers: Whole, counts: Ints, digits: tuple[int, int]) -> pa.Table:
    """Give, as texts, those of ordered numbers that have from so many to so many digits.

    >>> between(np.array([9, 10, 4711], np.uint64), np.array([1, 5, 2]), (2, 3)).to_pydict()
    {'t': ['10'], 'n': [5]}
    """
    least, most = digits
    start, end = np.searchsorted(numbers, np.array([10 ** (least - 1), 10**most], np.uint64))
    texts = pa.array(numbers[start:end]).cast(pa.string())
    return pa.table({"t": texts, "n": counts[start:end]})


def as_digits(values: pa.Array) -> pa.StringArray:
    """Give numbers as texts; of doubles the whole ones. For a few of them: it costs a text each.

    >>> as_digits(pa.array([4111111111111111.0, 0.5])).to_pylist()
    ['4111111111111111']
    """
    if kinds.is_floating(values.type):
        doubles = values.drop_null().to_numpy().astype(np.float64)
        values = pa.array(whole(doubles, np.ones(len(doubles), np.int64))[0])
    texts = values.cast(pa.string())
    return pc.replace_substring_regex(texts, pattern=r"\.0+$", replacement="")
