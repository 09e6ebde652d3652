"""A look at each value of a CSV file for those that DuckDB would round or cut as it reads them.

It takes as long as reading the file does, once more, and then as long as finding the lines: only a
run that has come upon such a value does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from arrowetl.duck import describing
from arrowetl.errors import ReadError, describe
from arrowetl.rejected import as_text
from arrowetl.sources._cells import Rows, rows_of
from arrowetl.sources._cuts import loses_its_end
from arrowetl.sources._dialect import TOLERANT, Layout, Reading, read_csv
from arrowetl.sources._exact import inexact, plain_text
from arrowetl.sources._mend import Fault
from arrowetl.sql import literal, name

MOST = 100_000
"""Rows of a file, at most, that are rejected for this; their texts are held in memory."""

_SHOWN = 40


@dataclass(frozen=True)
class Care:
    """Finds the rows of files that have to be rejected since a value would be changed.

    Attributes:
        reading: what the user says of the files.
        columns: those that are wanted; values of others don't matter.
    """

    reading: Reading
    columns: frozenset[str]

    def faults(self, path: str, layout: Layout, *, where: str) -> list[Fault]:
        """Give the rows of a file, with the first value of each that would be changed.

        Raises:
            ReadError: there are too many, or not all that are there can be found.
        """
        doubtful = {
            number: (column, kind)
            for number, (column, kind) in enumerate(layout.columns)
            if column in self.columns and plain_text(kind, layout.dialect) is not None
        }
        if not doubtful:
            return []
        expected, changed = self._counted(path, layout, doubtful)
        if expected > MOST:
            raise ReadError(_many(where, expected, changed))
        some = {n: doubtful[n] for n, (column, _) in doubtful.items() if column in changed}
        found = list(self._found(path, layout, some)) if expected else []
        if len(found) < expected:
            raise ReadError(
                f"{where}: {expected:,} rows have values that would be rounded or cut, and only "
                f"{len(found):,} can be found: read {_listed(changed)} as VARCHAR, by schema="
            )
        return found

    def _counted(
        self, path: str, layout: Layout, doubtful: Mapping[int, tuple[str, str]]
    ) -> tuple[int, dict[str, str]]:
        """Give how many rows are to be found, and the columns to blame with their types."""
        texts = replace(layout, columns=tuple((column, "VARCHAR") for column, _ in layout.columns))
        slow = {"parallel": False} if loses_its_end(path, texts, self.reading) else {}
        rows = read_csv([path], texts, self.reading, TOLERANT | slow)
        tests = [self._test(name(column), kind, layout) for column, kind in doubtful.values()]
        each = ", ".join(f"count(*) FILTER ({test})" for test in tests)
        with describing() as connection:
            query = f"SELECT count(*) FILTER ({' OR '.join(tests)}), {each} FROM {rows}"
            ((count, *counts),) = connection.sql(query).fetchall()
        blamed = zip(doubtful.values(), counts, strict=True)
        return int(count), {column: kind for (column, kind), times in blamed if times}

    def _found(
        self, path: str, layout: Layout, doubtful: Mapping[int, tuple[str, str]]
    ) -> Iterator[Fault]:
        signs, width = layout.dialect.signs, len(layout.columns)
        for rows in rows_of(path, signs, width=width):
            blamed: dict[int, Fault] = {}
            for position, (column, kind) in doubtful.items():
                for row, text in self._changed(rows, position, kind, layout):
                    reason = f"{describe(text, limit=_SHOWN)} would be rounded or cut as {kind}"
                    fault = Fault(*rows.span(row), "cast", f"column {column!r}: {reason}", column)
                    blamed.setdefault(row, fault)
            yield from (blamed[row] for row in sorted(blamed))

    def _changed(
        self, rows: Rows, position: int, kind: str, layout: Layout
    ) -> Iterator[tuple[int, str]]:
        """Give the rows whose value in a column would be changed, and the value."""
        import numpy as np
        import pyarrow.compute as pc

        quote = layout.dialect.quote
        may_quote = f"(?:{re.escape(quote)})?"
        cells = rows.cells(position)
        shape = f"^{may_quote}(?:{plain_text(kind, layout.dialect)}){may_quote}$"
        odd = np.flatnonzero(pc.invert(pc.match_substring_regex(cells, shape)).to_numpy(False))
        if not odd.size:
            return
        few = cells.take(odd).to_pylist()  # small: of a column of numbers or times, what looks odd
        texts = [as_text(cell).strip(quote or None) for cell in few]
        with describing() as connection:
            given = pa.table({"row": odd, "text": pa.array(texts, pa.string())})
            connection.register("cells", given)
            nulls = ", ".join(map(literal, self.reading.null_values))
            test = f"text NOT IN ({nulls}) AND {self._test('text', kind, layout)}"
            yield from connection.sql(f"SELECT row, text FROM cells WHERE {test}").fetchall()

    def _test(self, text: str, kind: str, layout: Layout) -> str:
        return inexact(text, kind, layout.dialect, self.reading.decimal)


def _many(where: str, count: int, changed: Mapping[str, str]) -> str:
    kinds = ", ".join(f"{column!r} as {kind}" for column, kind in changed.items())
    return (
        f"{where}: {count:,} rows have values that would be rounded or cut, by reading {kinds}; "
        "say what fits, by schema= (DOUBLE, or VARCHAR), or find it out by sample_size=None"
    )


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(map(repr, columns))
