"""Preview: the first rows that would arrive, for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.errors import InexactError, ReadError, StageError

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, repr=False)
class Preview:
    """The first rows that would arrive."""

    table: pa.Table

    def __repr__(self) -> str:
        rows, columns = self.table.shape
        return f"<Preview: rows {rows}, columns {columns}; print it to see them>"

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=120, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        # As text: what stands in brackets would be taken for a style.
        shown = Table(caption=f"{self.table.num_rows} rows")
        for field, column in zip(self.table.schema, self.table.columns, strict=True):
            share = column.null_count / max(1, self.table.num_rows)
            shown.add_column(Text(f"{field.name}\n{field.type}\n{share:.0%} null"))
        for row in self.table.to_pylist():
            shown.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
        return shown

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"

    def to_json(self) -> str:
        """Give the rows as a JSON array of objects."""
        import orjson

        return orjson.dumps(self.table.to_pylist(), default=str).decode()


def previewed(stream: Callable[..., Any], limit: int) -> Preview:
    """Give the first rows of what `stream(careful=..., glance=...)` opens.

    At a glance, no whole file is looked over before; where that won't do, as a run reads them.
    """

    def first(**how: bool) -> Preview:
        with closing(stream(**how)) as opened:
            return Preview(pa.Table.from_batches(first_rows(opened, limit), opened.schema))

    with suppress(ReadError, StageError):
        return first(glance=True)
    try:
        return first()
    except InexactError:
        return first(careful=True)


def first_rows(batches: Iterator[pa.RecordBatch], limit: int) -> Iterator[pa.RecordBatch]:
    """Give so many rows, and pull no more."""
    left = limit
    while left > 0:
        batch = next(batches, None)
        if batch is None:
            return
        yield batch.slice(0, left)
        left -= batch.num_rows
