"""A sample of rows that depends on the seed and the rows' numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]


class RowSample:
    """Keeps those `size` rows whose numbers have the smallest hashes; batches don't matter.

    Every set of rows of that size is as likely as any other. Holds up to three times as many rows.

    >>> sample = RowSample(2, seed=1)
    >>> for start in (0, 50):
    ...     sample.see(pa.record_batch({"x": list(range(start, start + 50))}))
    >>> sample.rows, [batch["x"].to_pylist() for batch in sample.batches()]
    (100, [[..., ...]])
    """

    def __init__(self, size: int, *, seed: int) -> None:
        """Keep so many rows."""
        self.size, self.rows = size, 0
        self._salt = hashed(np.array([seed], np.int64)).view(np.int64)[0]
        self._bound = np.uint64(2**64 - 1)
        self._kept: list[pa.RecordBatch] = []
        self._hashes: list[Hashes] = []

    def see(self, batch: pa.RecordBatch) -> None:
        """Take what belongs to the sample so far."""
        numbers = np.arange(self.rows, self.rows + batch.num_rows, dtype=np.int64)
        self.rows += batch.num_rows
        hashes = hashed(numbers ^ self._salt)
        chosen = np.flatnonzero(hashes <= self._bound)
        if not len(chosen):
            return
        self._hashes.append(hashes[chosen])
        self._kept.append(batch.take(pa.array(chosen)))
        if sum(map(len, self._hashes)) > 2 * self.size:
            self._cut()

    def batches(self) -> list[pa.RecordBatch]:
        """Give the rows of the sample, in their order."""
        self._cut()
        return self._kept

    def _cut(self) -> None:
        if sum(map(len, self._hashes)) <= self.size:
            return
        hashes = np.concatenate(self._hashes)
        rows = pa.Table.from_batches(self._kept)
        # Positions in order, so that rows stay in theirs.
        chosen = np.sort(np.argpartition(hashes, self.size - 1)[: self.size])
        self._hashes = [hashes[chosen]]
        self._bound = self._hashes[0].max()
        self._kept = rows.take(pa.array(chosen)).combine_chunks().to_batches()


def hashed(keys: npt.NDArray[Any]) -> Hashes:
    """Give hashes of 64-bit keys (the finaliser of SplitMix64: Steele, Lea, Flood, 2014).

    >>> hashed(np.array([0, 1], np.int64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    with np.errstate(over="ignore"):
        mixed = keys.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: Hashes = mixed ^ (mixed >> np.uint64(31))
        return found
