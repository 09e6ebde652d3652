"""How columns of numbers go together: sums of products of pairs, that merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arrowetl.profiling.profile import Correlation

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Products:
    """Sums over the rows that have both columns of a pair, of numbers less their `origin`.

    Attributes:
        names: the columns.
        origin: what was taken from each column's numbers, so that few digits are lost.
        rows: how many rows have both.
        sums: of the left column, by pair.
        squares: of the left column's squares, by pair.
        products: of both.
    """

    names: tuple[str, ...]
    origin: Matrix
    rows: Matrix
    sums: Matrix
    squares: Matrix
    products: Matrix

    @classmethod
    def of(
        cls, names: Sequence[str], columns: Sequence[Matrix], origin: Matrix | None = None
    ) -> Products:
        """Give the sums over columns of one length; what isn't finite is missing."""
        rows = np.array(columns, np.float64).reshape(len(names), -1)
        there = np.isfinite(rows)
        if origin is None:
            counts = np.maximum(there.sum(axis=1), 1)
            origin = np.where(there, rows, 0.0).sum(axis=1) / counts
            origin = np.where(np.isfinite(origin), origin, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            less = np.where(there, rows - origin[:, None], 0.0)
            mask = there.astype(np.float64)
            return cls(
                tuple(names),
                origin,
                mask @ mask.T,
                less @ mask.T,
                (less * less) @ mask.T,
                less @ less.T,
            )

    def merge(self, other: Products) -> Products:
        """Give the sums of both, about the first one's origin."""
        by = (other.origin - self.origin)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            sums = other.sums + other.rows * by
            squares = other.squares + 2 * by * other.sums + other.rows * by * by
            products = (
                other.products + by * other.sums.T + other.sums * by.T + other.rows * by * by.T
            )
            return Products(
                self.names,
                self.origin,
                self.rows + other.rows,
                self.sums + sums,
                self.squares + squares,
                self.products + products,
            )

    def correlations(self) -> tuple[Correlation, ...]:
        """Give Pearson's coefficient of each pair that has one, the strongest first.

        Rounded to 6 digits, since their sums are rounded by the order of rows.

        >>> x = np.arange(4.0)
        >>> Products.of(["x", "y"], [x, 1 - 2 * x]).correlations()
        (Correlation(left='x', right='y', coefficient=-1.0, rows=4),)
        """
        with np.errstate(all="ignore"):
            spread = self.squares - self.sums**2 / self.rows
            together = self.products - self.sums * self.sums.T / self.rows
            coefficients = together / np.sqrt(spread) / np.sqrt(spread.T)
            # What is left of a constant after rounding is no spread.
            empty = spread <= 1e-12 * self.squares
        found = [
            Correlation(
                self.names[i],
                self.names[j],
                round(float(np.clip(coefficients[i, j], -1, 1)), 6) + 0.0,
                int(self.rows[i, j]),
            )
            for i in range(len(self.names))
            for j in range(i + 1, len(self.names))
            if np.isfinite(coefficients[i, j]) and not (empty[i, j] or empty[j, i])
        ]
        return tuple(
            sorted(found, key=lambda each: (-abs(each.coefficient), each.left, each.right))
        )
