"""Map: a Python function over every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.errors import ConfigError, SchemaError
from arrowetl.stage import Rows, Stage

Function = Callable[[pa.RecordBatch], "pa.RecordBatch | pa.Table | Mapping[str, Any]"]


@dataclass(frozen=True)
class Map(Stage):
    """Give `fn(batch)` for every batch.

    The function sees an Arrow batch, not rows: `pyarrow.compute` and NumPy views keep it fast. It
    has to answer for each row by itself, since where a batch ends isn't said.

    Args:
        fn: takes a batch; gives one, or a table, or a mapping of column names to Arrow arrays.
        schema: what comes out; without it, the function is tried on an empty batch.
        rows: how it may change the number of rows; by default it may not.

    Raises:
        ConfigError: `fn` can't be called.

    >>> import pyarrow as pa, pyarrow.compute as pc
    >>> double = Map(lambda batch: {"x": pc.multiply(batch["x"], 2)})
    >>> double.bind(pa.schema({"x": pa.int64()}))
    x: int64
    """

    fn: Function
    schema: pa.Schema | None = None
    _: KW_ONLY
    rows: Rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the function."""
        if not callable(self.fn):
            raise ConfigError(f"Map: takes a function over a batch, not {self.fn!r}")

    @property
    def label(self) -> str:
        """The function's name, if it has one."""
        named = getattr(self.fn, "__name__", "<lambda>")
        return "Map" if named == "<lambda>" else f"Map({named})"

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema that was stated, or that of what becomes of an empty batch."""
        return self.schema if self.schema is not None else super().bind(schema)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Apply the function to every batch."""
        for batch in batches:
            yield from self._batches(self.fn(batch))

    def _batches(self, made: object) -> Iterator[pa.RecordBatch]:
        match made:
            case pa.RecordBatch():
                yield made
            case pa.Table():
                # An empty table may have no chunks, and its schema would be lost.
                yield from made.to_batches() or [empty_batch(made.schema)]
            case Mapping():
                yield pa.RecordBatch.from_pydict(dict(made), schema=self.schema)
            case _:
                raise SchemaError(
                    f"the function gave {type(made).__name__}: it has to give a RecordBatch, a "
                    "Table, or a mapping of column names to Arrow arrays",
                    where=self.label,
                )

