"""What a stage says of its rows besides the rows: counts by rule, statistics, a profile.

A stage is a value and keeps nothing. What it sees in a run is kept by an observer, made anew for
each run; the engine shows it every batch that leaves the stage, and asks at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pyarrow as pa

SEEN = "arrowetl:seen"
"""A column that a stage may add for its observer alone. Nobody else sees it."""

SET_APART = "arrowetl:set_apart"
"""A column by which a stage rejects rows that it has looked at: a struct of `code`, `reason` and
`column`, null for good rows. They go to the dead letters without what the stage added."""


class Observer(ABC):
    """Looks at the rows of one run as they leave a stage.

    >>> class CountNulls(Observer):
    ...     nulls = 0
    ...     def see(self, batch):
    ...         self.nulls += sum(column.null_count for column in batch.columns)
    ...     def summary(self):
    ...         return pa.Table.from_pylist([{"nulls": self.nulls}])
    """

    @abstractmethod
    def see(self, batch: pa.RecordBatch) -> None:
        """Look at a batch that leaves the stage, its column `SEEN` included; change nothing."""

    @abstractmethod
    def summary(self) -> pa.Table:
        """Give what was seen, once all batches have passed; a small table."""


_COVERED = b"arrowetl:covered"
UNTOLD = "***"
"""What stands for a value that may not be shown: personal, or masked by a stage further on."""


def as_covered(field: pa.Field) -> pa.Field:
    """Say in a field's metadata that its values aren't those that there were."""
    return field.with_metadata({**(field.metadata or {}), _COVERED: b""})


LOOKED_AT = 100
"""Rows of a batch among which different samples are looked for."""


def told(batch: pa.RecordBatch, column: str, rows: Sequence[int]) -> list[str]:
    """Give the values of a column in some rows as texts, without those that may not be shown.

    >>> batch = pa.record_batch({"x": [7, None], "y": [0, 0]})
    >>> shown = pa.schema([batch.schema.field("x"), as_covered(batch.schema.field("y"))])
    >>> told(batch.cast(shown), "x", [0, 1]), told(batch.cast(shown), "y", [0, 1])
    (['7', 'None'], ['***', '***'])
    """
    if _COVERED in (batch.schema.field(column).metadata or {}):
        return [UNTOLD] * len(rows)
    values = batch[column].take(pa.array(rows, pa.int64()))
    return [str(value) for value in values.to_pylist()]  # small: a few samples


def different(known: Sequence[str], more: Sequence[str], most: int) -> list[str]:
    """Give texts with others that aren't among them, so many in all.

    >>> different(["a"], ["b", "a", "b", "c", "d"], 3)
    ['a', 'b', 'c']
    """
    return list(dict.fromkeys([*known, *more]))[:most]


def without_hidden(schema: pa.Schema) -> pa.Schema:
    """Give the schema without the columns that only the engine sees.

    >>> without_hidden(pa.schema({"x": pa.int8(), SEEN: pa.uint64()}))
    x: int8
    """
    return pa.schema([field for field in schema if field.name not in HIDDEN], schema.metadata)


def unseen(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the batch without the observer's column; no value is copied."""
    index = batch.schema.get_field_index(SEEN)
    return batch if index < 0 else batch.remove_column(index)


def passed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give a stage's own rows without hidden columns, and without those that are set apart."""
    batch = unseen(batch)
    index = batch.schema.get_field_index(SET_APART)
    return batch if index < 0 else batch.filter(batch[index].is_null()).remove_column(index)


HIDDEN = (SEEN, SET_APART)
