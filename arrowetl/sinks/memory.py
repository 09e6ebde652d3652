"""ArrowLoader: the rows as a table in this process."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from arrowetl.stage import Sink


@dataclass
class _Run:
    staged: pa.Table | None = None
    table: pa.Table | None = None


@dataclass(frozen=True, repr=False)
class ArrowLoader(Sink):
    """Keep the rows as a `pa.Table`, in `table` and in the pipeline's result.

    All of them are in memory; the batches are kept, not copied. A second run puts its table in
    the first one's place.

    >>> loader = ArrowLoader()
    >>> rows = pa.table({"x": [1, 2, 3]})
    >>> loader.begin(rows.schema)
    >>> loader.write(rows.to_reader())
    3
    >>> loader.commit()
    >>> loader.table["x"].to_pylist()
    [1, 2, 3]
    """

    _run: _Run = field(default_factory=_Run, init=False, repr=False, compare=False)

    @property
    def table(self) -> pa.Table | None:
        """The rows of the last run that was committed; None before."""
        return self._run.table

    def begin(self, schema: pa.Schema) -> None:
        """Start with no rows."""
        self._run.staged = schema.empty_table()

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Take all batches."""
        self._run.staged = batches.read_all()
        return int(self._run.staged.num_rows)

    def commit(self) -> None:
        """Make the table what `table` gives."""
        if self._run.staged is not None:
            self._run.table, self._run.staged = self._run.staged, None

    def abort(self) -> None:
        """Forget the rows; `table` is what it was."""
        self._run.staged = None
