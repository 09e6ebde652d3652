"""A look at each value of a CSV file for those that DuckDB would round or cut as it reads them.

It takes as long as reading the file does, once more, and then as long as finding the lines: only a
run that has come upon such a value does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from arrowetl.duck import asking
from arrowetl.errors import ReadError, describe
from arrowetl.rejected import as_text
from arrowetl.sources._cells import Rows, first_row, rows_of
from arrowetl.sources._cuts import loses_its_end
from arrowetl.sources._dialect import TOLERANT, Layout, Reading, read_csv
from arrowetl.sources._exact import inexact, plain_text
from arrowetl.sources._mend import Fault
from arrowetl.sql import name

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
        # Lines that aren't text DuckDB may have left out.
        if not len(found) - _not_text(path, found) <= expected <= len(found):
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
        with asking() as connection:
            query = f"SELECT count(*) FILTER ({' OR '.join(tests)}), {each} FROM {rows}"
            ((count, *counts),) = connection.sql(query).fetchall()
        blamed = zip(doubtful.values(), counts, strict=True)
        return int(count), {column: kind for (column, kind), times in blamed if times}

    def _found(
        self, path: str, layout: Layout, doubtful: Mapping[int, tuple[str, str]]
    ) -> Iterator[Fault]:
        dialect, width = layout.dialect, len(layout.columns)
        begin = first_row(path, dialect.signs, skip=dialect.skip, header=dialect.header)
        for rows in rows_of(path, dialect.signs, width=width, begin=begin):
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
        values = [_unquoted(as_text(cell), quote) for cell in few]
        nulls = {*self.reading.null_values}
        kept = [
            (int(row), text)
            for row, (text, quoted) in zip(odd, values, strict=True)
            if text not in nulls or (quoted and not self.reading.quoted_nulls)
        ]
        given = pa.table(dict(zip(("row", "text"), zip(*kept, strict=True), strict=False)))
        if not kept:
            return
        with asking() as connection:
            connection.register("cells", given)
            test = self._test("text", kind, layout)
            yield from connection.sql(f"SELECT row, text FROM cells WHERE {test}").fetchall()

    def _test(self, text: str, kind: str, layout: Layout) -> str:
        return inexact(text, kind, layout.dialect, self.reading.decimal)


def _unquoted(cell: str, quote: str) -> tuple[str, bool]:
    """Give a value, and whether it is in quotes: spaces may stand around them.

    >>> _unquoted(' "1.5" ', '"'), _unquoted("1.5 ", '"')
    (('1.5', True), ('1.5 ', False))
    """
    bare = cell.strip(" ")
    if not quote or not bare.startswith(quote):
        return cell, False
    return bare[1:].rpartition(quote)[0], True


def _not_text(path: str, faults: Sequence[Fault]) -> int:
    """Give how many of the rows aren't UTF-8."""
    count = 0
    with Path(path).open("rb") as file:
        for fault in faults:
            file.seek(fault.start)
            try:
                file.read(fault.end - fault.start).decode()
            except UnicodeDecodeError:
                count += 1
    return count


def _many(where: str, count: int, changed: Mapping[str, str]) -> str:
    kinds = ", ".join(f"{column!r} as {kind}" for column, kind in changed.items())
    return (
        f"{where}: {count:,} rows have values that would be rounded or cut, by reading {kinds}; "
        "say what fits, by schema= (DOUBLE, or VARCHAR), or find it out by sample_size=None"
    )


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(map(repr, columns))
