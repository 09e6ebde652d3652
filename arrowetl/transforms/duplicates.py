"""Duplicates: what a fuzzy Deduplicator finds, to look at and to choose a threshold by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.transforms._likeness import Search, likeness

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Why:
    """Why two rows are duplicates, or aren't.

    Attributes:
        similarity: how alike they are; None if one of them has nothing to compare.
        threshold: how alike rows have to be.
        kept: which row stands for each of them.
        values: the two rows, of the columns that are compared.
    """

    similarity: float | None
    threshold: float
    kept: tuple[int, int]
    values: pa.Table

    @property
    def together(self) -> bool:
        """Whether one row stands for both."""
        return self.kept[0] == self.kept[1]

    def __str__(self) -> str:
        """Say it in a sentence."""
        if self.similarity is None:
            return "not compared: one of them has nothing in the columns that are compared"
        side = ">=" if self.similarity >= self.threshold else "<"
        said = f"{self.similarity:.3f} alike {side} {self.threshold:g}"
        if self.together:
            through = "" if self.similarity >= self.threshold else ": both are like another row"
            return f"duplicates ({said}{through}); row {self.kept[0]} is kept"
        if self.similarity >= self.threshold:
            first, second = self.kept
            return f"apart ({said}): each is more like others; rows {first} and {second} are kept"
        return f"no duplicates ({said})"


class Duplicates:
    """The duplicates among a table's rows, with the threshold movable: nothing is encoded again.

    Rows are named by their position, from 0. Holds the rows in a database that spills to a
    temporary folder, and what is compared in memory, until it is closed; it is a context manager.

    >>> from arrowetl.transforms.dedup import Deduplicator
    >>> names = pa.table({"name": ["Anna Lee Smith", "Ann Lee Smith", "Bo Lee", "Ann-Lee Smith"]})
    >>> found = Deduplicator(on="name", method="fuzzy", threshold=0.9).find(names)
    >>> len(found), len(found.rethreshold(0.6))
    (1, 2)
    >>> print(found.why(0, 1))
    duplicates (0.769 alike >= 0.6); row 0 is kept
    >>> found.close()
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        search: Search,
        best: str,
        *,
        threshold: float | None,
    ) -> None:
        """Read the rows, find the pairs, put them together; the threshold is the usual if None."""
        self._method, self._best = search.similarity, best
        with ExitStack() as stack:
            self._alike = stack.enter_context(likeness(schema, batches, search))
            threshold = self._alike.records.space.usual if threshold is None else threshold
            self._searched = threshold
            self._pairs = self._alike.pairs(threshold)
            self._stack = stack.pop_all()
        self._cluster(threshold)

    def _cluster(self, threshold: float) -> None:
        self.threshold = threshold
        self._alike.cluster(self._pairs, threshold)
        self._repeats = self._alike.repeats(self._best)

    def __len__(self) -> int:
        """Give how many rows repeat others."""
        return int(self._repeats.num_rows)

    def report(self) -> pa.Table:
        """Give the rows that repeat others: `row`, the one `kept`, `similarity`, `method`.

        The similarity may be below the threshold where both are like a third row.
        """
        method = pa.repeat(pa.scalar(self._method), len(self))
        return self._repeats.append_column("method", method)

    def rethreshold(self, threshold: float) -> Self:
        """Move the threshold, up or down.

        Up takes moments; down compares again what is in memory, and encodes nothing.

        Raises:
            ConfigError: it isn't a number above 0, up to 1; or too many candidates would have to
                be compared.
        """
        if not (isinstance(threshold, (int, float)) and 0 < threshold <= 1):
            raise ConfigError(f"a threshold is a number above 0, up to 1, not {threshold!r}")
        if threshold < self._searched:
            self._pairs, self._searched = self._alike.pairs(threshold), threshold
        self._cluster(threshold)
        return self

    def why(self, a: int, b: int) -> Why:
        """Say why two rows are duplicates, or aren't.

        Raises:
            ConfigError: there is no such row.
        """
        values = [self._alike.row(row) for row in (a, b)]
        for row, found in zip((a, b), values, strict=True):
            if not found.num_rows:
                raise ConfigError(f"there is no row {row!r}; rows are counted from 0")
        records = [self._alike.record(row) for row in (a, b)]
        return Why(
            self._compared(*records),
            self.threshold,
            (self._kept(a), self._kept(b)),
            pa.concat_tables(values),
        )

    def _compared(self, first: int | None, second: int | None) -> float | None:
        import numpy as np

        if first is None or second is None:
            return None
        pair = np.array([first]), np.array([second])
        return float(self._alike.records.space.compare(*pair, threads=1)[0])

    def _kept(self, row: int) -> int:
        import pyarrow.compute as pc

        place = pc.index(self._repeats["row"], row).as_py()  # small: one number
        return row if place < 0 else int(self._repeats["kept"][place].as_py())  # small: one number

    def close(self) -> None:
        """Let go of the rows. Safe twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
