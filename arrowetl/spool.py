"""Rows kept on disk while all of them are looked at, for stages that need to see them twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


@contextmanager
def spooled(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    see: Callable[[pa.RecordBatch], object],
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Show every batch to `see`, then give them all again, from a file that is mapped.

    The file is gone when the block is left, so what was taken from it has to be used by then.

    >>> numbers = pa.record_batch({"x": [1, 2]})
    >>> seen = []
    >>> with spooled(numbers.schema, [numbers, numbers], seen.append) as rows:
    ...     len(seen), sum(batch.num_rows for batch in rows)
    (2, 4)
    """
    with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
        path = Path(folder) / "rows.arrows"
        with pa.ipc.new_stream(str(path), schema) as writer:
            for batch in batches:
                see(batch)
                writer.write_batch(batch)
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as reader:
            yield reader
