"""What a stage remembers from run to run, such as the rows that came before.

A stage is a value and keeps nothing. One that remembers gives a `Memory` for each run; the engine
runs that in the stage's place, and says how the run ended. So nothing counts as seen before its
rows have arrived.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import pyarrow as pa


class Memory(ABC):
    """One run of a stage that remembers.

    What it adds is written beside what earlier runs left, and valid only after `commit`, which the
    engine calls right after the destination's, or when the last row was given out where there is
    none. A process that is killed between the two leaves rows that the next run doesn't know.

    >>> class CountRows(Memory):
    ...     known = rows = 0
    ...     def process(self, batches):
    ...         for batch in batches:
    ...             self.rows += batch.num_rows
    ...             yield batch
    ...     def commit(self):
    ...         CountRows.known += self.rows
    ...     def abort(self):
    ...         self.rows = 0
    """

    @abstractmethod
    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do as the stage's `process`, and stage what there is to remember. Called once."""

    @abstractmethod
    def commit(self) -> None:
        """Make what was staged valid, durably and at once."""

    @abstractmethod
    def abort(self) -> None:
        """Forget what was staged, and let go of all. Safe at any point; does nothing when done."""
