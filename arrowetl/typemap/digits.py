"""Which floating numbers a type of exact ones has: those whose shortest decimal form it holds.

0.1 is meant by the double next to it, and the shortest form that tells a double from all others
is what every language prints of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import Flags, decoded, flags_array, masked

_SURE = {32: 1e6, 64: 1e15}
"""Below, no two decimals without a point are one floating number, and none is rounded away."""
_LARGEST_POWER = 22
"""Of ten, that is a double."""
_FORM = r"^-?\d+(?:\.(?P<part>\d*?)0*)?(?:e\+?(?P<power>-?\d+))?$"


def unfit(column: pa.Array, *, scale: int | None, bits: int | None = None) -> pa.Array | None:
    """Find the rows whose floating number a column of exact numbers hasn't.

    Args:
        column: of floating numbers.
        scale: the digits that the other has after the point; None for any number of them.
        bits: of a type of integers; None for decimals, whose digits before the point are looked
            at by whoever casts, and so are NaN and infinities.

    Returns:
        A flag a row; None if there is no such number.

    >>> unfit(pa.array([1.25, 1.255, None, 0.07]), scale=2).to_pylist()
    [False, True, False, False]
    >>> unfit(pa.array([3.0, 3.5, 2.0**31, float("nan")]), scale=0, bits=32).to_pylist()
    [False, True, True, True]
    >>> unfit(pa.array([1e22, 123456789012.35, 0.1 + 0.2]), scale=2).to_pylist()
    [False, False, True]
    """
    if scale is None:
        return None
    numbers, nulls = masked(_at_least_single(decoded(column)))
    finite = np.isfinite(numbers)
    if bits is not None:
        end = 2.0 ** (bits - 1)
        bad = ~(finite & (np.trunc(numbers) == numbers) & (numbers >= -end) & (numbers < end))
    else:
        bad = finite & ~_has(np.where(finite, numbers, 0), scale)
    return flags_array(bad if nulls is None else bad & ~nulls)


def unfit_text(column: pa.Array, *, scale: int | None) -> pa.Array | None:
    """Find the rows whose text is a number with more digits after the point than a type has.

    Others that aren't numbers, or are too large, are looked at by whoever casts.

    Args:
        column: of texts.
        scale: the digits that the type has after the point; None for any number of them.

    Returns:
        A flag a row; None if there is no such number.

    >>> unfit_text(pa.array(["1.25", " -1.250", "1.255", "x", None, "1e-3"]), scale=2).to_pylist()
    [False, False, True, False, False, True]
    """
    if scale is None or scale < 0:
        return None
    texts = decoded(column)
    many = _like(texts, rf"^\s*[-+]?\d*\.\d{{{scale}}}\d*[1-9]\d*\s*$")
    powers = _like(texts, r"^\s*[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+\s*$")
    numbers = pc.if_else(powers, pc.utf8_trim_whitespace(texts), "0").cast(pa.float64())
    small = unfit(numbers, scale=scale)
    return flags_array(many.to_numpy(zero_copy_only=False) | _flags(small, len(texts)))


def _like(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)


def _flags(found: pa.Array | None, rows: int) -> Flags:
    return np.zeros(rows, bool) if found is None else found.to_numpy(zero_copy_only=False)


def _at_least_single(column: pa.Array) -> pa.Array:
    return column.cast(pa.float32()) if kinds.is_float16(column.type) else column


def _has(numbers: npt.NDArray[Any], scale: int) -> Flags:
    """Say which finite numbers have no more digits after the point than `scale`."""
    has = np.zeros(len(numbers), dtype=bool)
    if scale <= 0:
        has = np.fmod(numbers.astype(np.float64), 10.0**-scale) == 0
    elif scale <= _LARGEST_POWER:
        power = 10.0**scale
        with np.errstate(over="ignore"):
            whole = np.rint(numbers.astype(np.float64) * power)
        same = (whole / power).astype(numbers.dtype) == numbers
        has = same & (np.abs(whole) < _SURE[numbers.dtype.itemsize * 8])
    left = np.flatnonzero(~has)
    if len(left):
        has[left] = _written(numbers[left]) <= scale
    return has


def _written(numbers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Give how many digits after the point the shortest forms have."""
    held = pa.py_buffer(np.ascontiguousarray(numbers))
    column = pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, held])
    form = pc.extract_regex(column.cast(pa.string()), _FORM)
    part, power = form.flatten()
    power = pc.if_else(pc.equal(pc.binary_length(power), 0), pa.nulls(1, pa.string())[0], power)
    power = pc.fill_null(power.cast(pa.int64()), 0)
    digits = pc.binary_length(part).cast(pa.int64())
    return np.asarray(pc.subtract(digits, power).to_numpy(), dtype=np.int64)
