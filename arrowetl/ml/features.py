"""Columns of a batch as the numbers that a model learns from: what a sample says about each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import Flags, Matrix, as_numbers, masked, matrix
from arrowetl.ml.weights import Floats

_LARGEST = 1e37
"""Larger numbers count as this one, so that their differences are 32-bit floats too."""
_STEPS = 2.0**16
"""So many different 32-bit floats a column's usual range should have."""


@dataclass(frozen=True)
class Feature:
    """What a sample said of a column, and how its values become numbers.

    Attributes:
        column: its name.
        centre: the middle of the sample's values, which stands for nulls; as it is judged.
        low: the 5 % of its numbers that are below; NaN of words.
        high: the 5 % that are above.
        offset: is taken off before numbers are rounded to 32 bits: zero, unless the usual ones are
            so near each other that rounding would hide their differences (a time in seconds).
        log: whether ``sign(x) * ln(1 + |x|)`` is judged, in place of x.
        words: for texts and booleans, the values that the sample has at least twice.
        codes: what each of `words` is as a number: minus the logarithm of its share. Any other
            value is as a value that the sample had once.
        rows: how many of the sample's rows have a value.
    """

    column: str
    centre: float
    low: float
    high: float
    rows: int
    offset: float = 0.0
    log: bool = False
    words: pa.Array | None = None
    codes: Floats | None = None

    @property
    def rare(self) -> float:
        """The number of a word that the sample has once or never."""
        return math.log(max(self.rows, 1))

    def numbers(self, column: pa.Array) -> tuple[Floats, Flags]:
        """Give values as doubles, before rounding, and which are known: neither null nor NaN.

        >>> feature = Feature("x", centre=2.0, low=1.0, high=3.0, rows=3)
        >>> numbers, known = feature.numbers(pa.array([1, None]))
        >>> numbers.tolist(), known.tolist()
        ([1.0, 2.0], [True, False])
        """
        if self.words is not None and self.codes is not None:
            found = pc.index_in(_texts(column), value_set=self.words).fill_null(len(self.words))
            codes = np.append(self.codes, self.rare)
            known = column.is_valid().to_numpy(zero_copy_only=False)
            return np.where(known, codes[found.to_numpy()], self.centre), known
        values, known = _doubles(column)
        if self.log:
            values = np.sign(values) * np.log1p(np.abs(values))
        return np.where(known, values - self.offset, self.centre), known


@dataclass(frozen=True)
class Prepared:
    """A batch's rows as numbers, in the order of the features."""

    rows: Matrix
    """float32, shape (rows, features), finite; it may be the batch's own buffer."""
    known: Flags | None
    """Which values were there; None if all were."""
    infinite: Flags | None
    """Which values were infinite; None if none was."""


def prepared(batch: pa.RecordBatch, features: Sequence[Feature]) -> Prepared:
    """Give a batch's columns side by side: nulls and NaN at the centre, as 32-bit floats.

    Memory: 4 bytes a value, and 8 for those of one column; nothing is copied where the batch is
    laid out for it (`arrowetl.arrow.matrix`), no value is missing and all are plain numbers.

    >>> batch = pa.record_batch({"x": [1.0, None, 3.0]})
    >>> prepared(batch, [Feature("x", centre=2.0, low=1.0, high=3.0, rows=3)]).rows.tolist()
    [[1.0], [2.0], [3.0]]
    """
    if all(_is_plain(each, batch.schema.field(each.column).type) for each in features):
        rows = matrix(batch, [each.column for each in features])
        if (np.abs(rows) <= _LARGEST).all():
            return Prepared(rows, None, None)
    rows = np.empty((batch.num_rows, len(features)), np.float32)
    known = np.empty(rows.shape, np.bool_)
    infinite = np.empty(rows.shape, np.bool_)
    for at, feature in enumerate(features):
        numbers, known[:, at] = feature.numbers(batch[feature.column])
        # NumPy 2.4 doesn't write all of a column that is given as `out`.
        infinite[:, at] = np.isinf(numbers)
        rows[:, at] = np.clip(numbers, -_LARGEST, _LARGEST)
    return Prepared(rows, known, infinite if infinite.any() else None)


def _is_plain(feature: Feature, kind: pa.DataType) -> bool:
    """Whether values are rounded once; larger ones would be twice, as doubles first."""
    small = kinds.is_floating(kind) or (kinds.is_integer(kind) and kind.bit_width <= 32)  # noqa: PLR2004
    return bool(small and feature.words is None and not feature.offset and not feature.log)


def learned(
    column: str,
    values: pa.Array,
    *,
    log: bool = False,
    least: int = 1,
    codes: int | None = None,
    different: float = 1.0,
) -> Feature | None:
    """Give what a sample says of a column; None if it isn't to be judged.

    Args:
        column: its name.
        values: the sample's.
        log: see `Feature`.
        least: how many known values it needs.
        codes: if given, a column with at most so many different values is left out, and one whose
            values are different in at least the share `different`: codes and ids.
        different: see `codes`.

    >>> learned("x", pa.array([1.0, 2.0, None, 6.0])).centre
    2.0
    >>> learned("x", pa.array(["a", "a", "b"])).numbers(pa.array(["a", "b", "c"]))[0].round(2)
    array([0.41, 1.1 , 1.1 ])
    """
    if _are_words(values.type):
        return _learned_words(column, values, least)
    numbers, known = _doubles(values)
    numbers = numbers[known & np.isfinite(numbers)]
    if len(numbers) < least:
        return None
    if codes is not None:
        count = len(np.unique(numbers))
        if count <= codes or count >= different * len(numbers):
            return None
    low, _, high = _ends(numbers)
    if log:
        numbers = np.sign(numbers) * np.log1p(np.abs(numbers))
    lowest, centre, highest = _ends(numbers)
    # Equal ones are left as they are: their distance is no range.
    half = highest / 2 - lowest / 2
    offset = centre if 0 < half < abs(centre) * _STEPS / 2.0**25 else 0.0
    middle = float(np.clip(centre - offset, -_LARGEST, _LARGEST))
    return Feature(column, middle, float(low), float(high), len(numbers), float(offset), log)


def _ends(numbers: Floats) -> Floats:
    """Give what 5 %, a half and 95 % of numbers are below."""
    # Halves: the distance of two doubles may be no double.
    found: Floats = 2 * np.quantile(numbers / 2, [0.05, 0.5, 0.95])
    return found


def _learned_words(column: str, values: pa.Array, least: int) -> Feature | None:
    texts = _texts(values).drop_null()
    rows = len(texts)
    if rows < least:
        return None
    counted = pc.value_counts(texts)
    counts = counted.field("counts").to_numpy()
    often = np.flatnonzero(counts > 1)
    codes = np.log(rows) - np.log(counts[often])
    words = counted.field("values").take(pa.array(often))
    centre = np.median(np.repeat(np.log(rows) - np.log(counts), counts))
    return Feature(column, float(centre), math.nan, math.nan, rows, words=words, codes=codes)


def _are_words(kind: pa.DataType) -> bool:
    plain = kind.value_type if kinds.is_dictionary(kind) else kind
    return not (
        kinds.is_integer(plain)
        or kinds.is_floating(plain)
        or kinds.is_decimal(plain)
        or kinds.is_null(plain)
    )


def _texts(column: pa.Array) -> pa.Array:
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string())


def _doubles(column: pa.Array) -> tuple[Floats, Flags]:
    """Give numbers as doubles, and which are neither null nor NaN."""
    values, nulls = masked(as_numbers(column))
    numbers: npt.NDArray[np.float64] = values.astype(np.float64)
    known = ~np.isnan(numbers)
    if nulls is not None:
        known &= ~nulls
    return numbers, known
