"""Sums of doubles without rounding: the same for every order of rows, and so for every merge.

A double is a whole number times a power of two. Such whole numbers are summed by exponent in
NumPy, in halves that can't overflow, and the few sums as Python's integers, which have no end. The
idea is Kulisch's accumulator; squares are split by Dekker's product (T. J. Dekker, A
floating-point technique for extending the available precision, 1971).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOWEST = -2400
"""Below the exponent of any bit of the square of a double."""
_HALF = 2.0**27


def exact_total(values: Floats, weights: Ints | None = None) -> int:
    """Give the sum of finite doubles as an integer, in units of 2 to the power of -2400.

    Costs some 30 ns a value. The weights may add up to 2**25.

    >>> rational(exact_total(np.array([1e16, 1.0, -1e16])))
    Fraction(1, 1)
    """
    mantissas, exponents = np.frexp(values)
    return _accumulated(mantissas * 2.0**53, exponents.astype(np.int64) - 53, weights)


def exact_squares(values: Floats, weights: Ints | None = None) -> int:
    """Give the sum of the squares of finite doubles, in the same units.

    >>> rational(exact_squares(np.array([3.0, 0.5])))
    Fraction(37, 4)
    """
    mantissas, exponents = np.frexp(values)
    squares = mantissas * mantissas
    high = mantissas * (_HALF + 1)
    high -= high - mantissas
    low = mantissas - high
    rest = ((high * high - squares) + 2 * high * low) + low * low
    exponents = 2 * exponents.astype(np.int64)
    return _accumulated(squares * 2.0**54, exponents - 54, weights) + _accumulated(
        rest * 2.0**106, exponents - 106, weights
    )


def rational(total: int) -> Fraction:
    """Give what such a sum stands for."""
    return Fraction(total, 1 << -_LOWEST)


def rounded(value: Fraction) -> float | None:
    """Give the nearest double; None if there is none that is finite.

    >>> rounded(Fraction(1, 3)), rounded(Fraction(10) ** 400)
    (0.3333333333333333, None)
    """
    try:
        return float(value)
    except OverflowError:
        return None


def deviation(count: int, total: int, squares: int) -> float | None:
    """Give the standard deviation of a sample; None of fewer than two values.

    >>> deviation(2, exact_total(np.array([1.0, 3.0])), exact_squares(np.array([1.0, 3.0])))
    1.4142135623730951
    """
    if count < 2:  # noqa: PLR2004 - one value has no deviation
        return None
    variance = (rational(squares) - rational(total) ** 2 / count) / (count - 1)
    near = rounded(variance)
    if near is not None and near > 1e-290:  # noqa: PLR2004 - below, digits are lost
        return math.sqrt(near)
    root = math.isqrt(int(variance * (1 << 2400)))
    return rounded(Fraction(root, 1 << 1200))


def _accumulated(whole: Floats, exponents: Ints, weights: Ints | None) -> int:
    """Sum whole * 2**exponents, where no whole number has more than 54 bits."""
    high = np.floor(whole / _HALF)
    low = whole - high * _HALF
    if weights is not None:
        high, low = high * weights, low * weights
    lowest = int(exponents.min()) if len(exponents) else 0
    places = exponents - lowest
    total = 0
    for part, shift in ((high, 27), (low, 0)):
        sums: Any = np.bincount(places, part)
        for place in np.flatnonzero(sums):
            total += int(sums[place]) << (int(place) + lowest + shift - _LOWEST)
    return total
