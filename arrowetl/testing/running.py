"""Ways to run a part by itself, and a source that fails on cue."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.stage import BATCH_ROWS, Source, Stage


@contextmanager
def own_garbage() -> Iterator[None]:
    """Let `gc.collect` look only at what was made inside: of all else it would take seconds.

    >>> with own_garbage():
    ...     loop = []
    ...     loop.append(loop)
    ...     del loop
    ...     gc.collect() >= 1
    True
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Let temporary files of this process go to a folder of its own, to see what is left in it.

    >>> with own_temporary_folder() as folder:
    ...     _ = tempfile.mkstemp()
    ...     len(list(folder.iterdir()))
    1
    """
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


class Crash(Exception):  # noqa: N818 - what happens to a process, not an error of ours
    """What a `CrashingSource` dies of."""


@dataclass
class CrashingSource(Source):
    """Give batches, but die once before the batch whose number is `at`.

    The second run finds it alive: it is the recovery.

    Args:
        batches: what to give; at least one.
        at: the number of the batch before which to die, from 0.

    >>> source = CrashingSource([pa.record_batch({"x": [1]})], at=0)
    >>> list(source.scan())
    Traceback (most recent call last):
    arrowetl.testing.running.Crash: before batch 0
    >>> sum(batch.num_rows for batch in source.scan())
    1
    """

    batches: Sequence[pa.RecordBatch]
    at: int
    died: bool = field(default=False, init=False)

    def schema(self) -> pa.Schema:
        """Give the schema of the first batch."""
        return self.batches[0].schema

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the batches, or die."""
        for number, batch in enumerate(self.batches):
            if number == self.at and not self.died:
                self.died = True
                raise Crash(f"before batch {number}")
            for start in range(0, batch.num_rows, batch_size):
                part = batch.slice(start, batch_size)
                yield part if columns is None else part.select(list(columns))


def rebatch(table: pa.Table, rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """Cut a table into batches of `rows` rows, with empty ones before, between and after.

    Args:
        table: what to cut; no copy is made.
        rows: how many; all in one if None.

    >>> [batch.num_rows for batch in rebatch(pa.table({"x": [1, 2, 3]}), 2)]
    [0, 2, 0, 1, 0]
    """
    whole = table.combine_chunks()
    yield empty_batch(table.schema)
    for batch in whole.to_batches(max_chunksize=rows or max(1, table.num_rows)):
        yield batch
        yield empty_batch(table.schema)


def run_stage(stage: Stage, table: pa.Table, *, batch_rows: int | None = None) -> pa.Table:
    """Bind a stage to a table and give what becomes of it.

    Args:
        stage: any stage; rows that it would reject are not taken out.
        table: the rows.
        batch_rows: rows in the batches that it gets, as `rebatch` cuts them; all if None.

    >>> from arrowetl.transforms.query import SQL
    >>> run_stage(SQL("SELECT sum(x)::INTEGER AS x FROM input"), pa.table({"x": [1, 2]}))["x"][0]
    <pyarrow.Int32Scalar: 3>
    """
    bound = stage.bind(table.schema)
    batches = list(stage.process(rebatch(table, batch_rows)))
    schema = batches[0].schema if stage.dynamic and batches else bound
    return pa.Table.from_batches(batches, schema)
