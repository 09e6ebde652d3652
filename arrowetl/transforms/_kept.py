"""A fuzzy Deduplicator's run with an index: new rows beside all that came before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.ml._threads import cores
from arrowetl.ml.models import HASHED, MODEL, short
from arrowetl.remembering import Memory
from arrowetl.transforms._likeness import Likeness, Search, likeness, vector_column

if TYPE_CHECKING:
    from arrowetl.ml.kept import Described, Index


@dataclass
class KeptRun(Memory):
    """One run of a Deduplicator with an index.

    Args:
        path: the index.
        threshold: how alike rows have to be; see `Index`.
        search: gives for a schema what is looked for.
        best: gives for a schema the aggregate that chooses the row of a cluster.
        report: as in `Likeness.rows`.
        columns: gives for a schema the columns that come out.
    """

    path: Path
    threshold: float | None
    search: Callable[[pa.Schema], Search]
    best: Callable[[pa.Schema], str]
    report: tuple[str | None, str | None]
    columns: Callable[[pa.Schema], list[str]]
    _index: Index | None = field(default=None, init=False)
    _complete: bool = field(default=False, init=False)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Compare the rows with each other and with those of earlier runs, and add them."""
        first = next(batches, None)
        if first is None:
            return
        schema = first.schema
        index, search = self._opened(schema)
        with likeness(schema, chain((first,), batches), search, index) as alike:
            self._add(alike, index, self.best(schema))
            yield from alike.chosen(self.report, self.columns(schema))

    def _opened(self, schema: pa.Schema) -> tuple[Index, Search]:
        from arrowetl.ml.kept import Index

        search = self.search(schema)
        self._index = Index(
            self.path,
            records_of(schema, search),
            threshold=self.threshold,
            limit=search.limit,
            threads=cores(),
        )
        # In the order they were kept: texts are joined in it.
        return self._index, replace(search, columns=self._index.described.columns)

    def _add(self, alike: Likeness, index: Index, best: str) -> None:
        """Choose the row that stands for each record, and add the records."""
        import numpy as np

        index.take(alike.records)
        joined = alike.join(index)
        alike.choose(best)
        stands, other = alike.stands()
        own = np.flatnonzero(other >= 0)
        similarity = joined.alike.copy()
        space = alike.records.space
        similarity[own] = space.compare(own, other[own], threads=cores())
        similarity[own[own == other[own]]] = 1
        standard = np.where(other >= 0, other + index.records, joined.standard)
        index.add(alike.count, stands, standard, similarity)
        self._complete = True

    def commit(self) -> None:
        """Make what was added live."""
        if self._index is not None and self._complete:
            self._index.commit()
        self.abort()

    def abort(self) -> None:
        """Let go of the index; what wasn't committed is gone."""
        if self._index is not None:
            self._index.close()
            self._index = None


def records_of(schema: pa.Schema, search: Search) -> Described:
    """Say what the records of an index are; nothing is loaded for it."""
    from arrowetl.ml.encoders import Encoder, encoder_of
    from arrowetl.ml.kept import Described

    columns = {column: float(weight) for column, weight in search.columns.items()}
    if search.similarity == "text":
        return Described("text", columns)
    column = vector_column(schema, columns)
    if column is not None:
        kind = schema.field(column).type
        size = kind.list_size if pa.types.is_fixed_size_list(kind) else None
        return Described("embedding", columns, None, size)
    model = encoder_of(HASHED) if search.model == HASHED else search.model
    name = model.name if isinstance(model, Encoder) else short(MODEL if model is None else model)
    return Described("embedding", columns, name)


def refuse_other(path: Path, records: Described) -> None:
    """Refuse an index that has records of another kind, without opening it.

    Raises:
        ConfigError: it has.
        StateError: it is damaged.
    """
    from arrowetl.ml.kept import described

    before = described(path)
    if before is not None:
        before.refuse(records, path)
