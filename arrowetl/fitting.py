"""Stages that learn from some of their rows before they answer for any."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import pyarrow as pa

from arrowetl.sampling import RowSample
from arrowetl.spool import spooled
from arrowetl.stage import Rows, Scope, Stage

Fitted = Callable[[pa.RecordBatch], pa.RecordBatch]
"""What was learned: gives each batch what the stage makes of it, row by row."""


class FittedStage(Stage):
    """A stage that fits something on a sample of its rows, then passes over all of them once.

    Your own needs `bind` and `fit`. Each set of `sample_size` rows is as likely as any other; which
    it is depends on `seed` and on the rows' order alone, never on where a batch ends. The rows wait
    on disk meanwhile. Peak memory: up to three samples, and a batch.

    >>> import pyarrow.compute as pc
    >>> class OverMean(FittedStage):
    ...     sample_size = 1000
    ...     def bind(self, schema):
    ...         return schema.append(pa.field("over", pa.bool_()))
    ...     def fit(self, sample):
    ...         mean = pc.mean(sample["x"])
    ...         return lambda batch: batch.append_column("over", pc.greater(batch["x"], mean))
    >>> rows = pa.record_batch({"x": [1, 2, 6]})
    >>> [batch["over"].to_pylist() for batch in OverMean().process(iter([rows]))]
    [[False, False, True]]
    """

    sample_size: int = 100_000
    """Rows to fit on, at most."""
    seed: int = 0
    """Which sample it is."""

    @property
    def scope(self) -> Scope:
        """Every row may be in the sample; a fitted stage answers for a row by itself."""
        return Scope.STREAM if self.fitted() is None else Scope.ROW

    @property
    def rows(self) -> Rows:
        """Every row gets an answer."""
        return Rows.SAME

    @property
    def label(self) -> str:
        """The name, with what it fits on."""
        name = type(self).__name__
        if self.fitted() is not None:
            return name
        return f"{name}(fits on up to {self.sample_size:,} rows, seed {self.seed})"

    @property
    def fits_on(self) -> Sequence[str] | None:
        """The columns of the sample that `fit` gets, so that no others are held; all if None."""
        return None

    def fitted(self) -> Fitted | None:
        """Give what was learned at another time, if it was; then no row has to wait."""
        return None

    @abstractmethod
    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema that comes out; nothing is learned for it."""

    @abstractmethod
    def fit(self, sample: pa.Table) -> Fitted:
        """Learn from a sample, which has no rows where the input has none."""

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Fit, unless that was done; then answer batch by batch."""
        known = self.fitted()
        if known is not None:
            yield from map(known, batches)
            return
        first = next(batches, None)
        if first is None:
            return
        sample = RowSample(self.sample_size, seed=self.seed)

        def narrow(batch: pa.RecordBatch) -> pa.RecordBatch:
            return batch if self.fits_on is None else batch.select(list(self.fits_on))

        def see(batch: pa.RecordBatch) -> None:
            sample.see(narrow(batch))

        with spooled(first.schema, chain((first,), batches), see) as rows:
            schema = narrow(first).schema
            answer = self.fit(pa.Table.from_batches(sample.batches(), schema))
            yield from map(answer, rows)
