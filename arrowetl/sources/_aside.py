"""Rows that a scan set apart, until the engine asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from arrowetl.stage import REJECTED_SCHEMA


class Aside:
    """What the scans of one source have rejected, scan by scan, in files without a name.

    A field of a source that doesn't count: `field(init=False, repr=False, compare=False,
    default_factory=Aside)`. Copies and pickles of it are empty.

    >>> aside = Aside()
    >>> with aside.scanning() as spool:
    ...     spool.add(pa.RecordBatch.from_pylist([{"reason_code": "cast"}], REJECTED_SCHEMA))
    >>> [batch.num_rows for batch in aside.taken()], list(aside.taken())
    ([1], [])
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._spools: list[Spool] = []

    def __reduce__(self) -> tuple[type[Aside], tuple[()]]:
        return Aside, ()

    @contextmanager
    def scanning(self) -> Iterator[Spool]:
        """Give the place for what one scan rejects; it is forgotten if the scan is abandoned."""
        spool = Spool()
        self._spools.append(spool)
        try:
            yield spool
        except BaseException:  # a closed generator, too
            if spool in self._spools:
                self._spools.remove(spool)
            spool.close()
            raise

    def taken(self) -> Iterator[pa.RecordBatch]:
        """Give what the first scan rejected whose rejects weren't taken; once."""
        if self._spools:
            yield from self._spools.pop(0).read()


class Spool:
    """Batches of `REJECTED_SCHEMA` on disk; memory holds none."""

    def __init__(self) -> None:
        """Open nothing before there is something to keep."""
        self._file: Any = None
        self._writer: Any = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep some."""
        if self._writer is None:
            self._file = tempfile.TemporaryFile(prefix="arrowetl-")  # noqa: SIM115 - see close
            self._writer = pa.ipc.new_stream(self._file, REJECTED_SCHEMA)
        self._writer.write_batch(batch)

    def read(self) -> Iterator[pa.RecordBatch]:
        """Give them, once."""
        if self._writer is None:
            return
        try:
            self._writer.close()
            self._file.seek(0)
            with pa.ipc.open_stream(self._file) as reader:
                yield from reader
        finally:
            self.close()

    def close(self) -> None:
        """Forget them. Safe twice."""
        if self._file is not None:
            self._writer.close()
            self._file.close()
            self._file = self._writer = None
