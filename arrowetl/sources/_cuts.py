"""Where DuckDB's threads begin in a CSV file, and whether the last of them finds its way.

DuckDB 2.0 cuts a file every eight million bytes. The thread that begins at the last cut looks for
the start of a row; if one of the first three after it has to be rejected, and rejects are kept,
it finds none, and leaves out all rows to the file's end without a word.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb

from arrowetl.duck import describing
from arrowetl.sources._dialect import MAX_LINE, Layout, Reading, read_csv

CUT = 8_000_000
ROWS = 10
"""Rows after a cut that are looked at: three would do."""
NEAR = 1 << 16
"""Bytes in which so many rows are expected; more are read where they are longer."""


def loses_its_end(path: str, layout: Layout, reading: Reading) -> bool:
    """Tell whether the file has to be read by one thread, so that all of its rows arrive.

    Costs some milliseconds for a file with a cut in it, nothing for a smaller one. In doubt the
    answer is yes.
    """
    size = Path(path).stat().st_size
    cut = (size - 1) // CUT * CUT
    return cut > 0 and _has_bad_row(_rows_after(path, cut), layout, reading)


def _rows_after(path: str, cut: int) -> list[bytes]:
    with Path(path).open("rb") as file:
        for length in (NEAR, MAX_LINE * ROWS):
            file.seek(cut)
            rows = file.read(length).splitlines(keepends=True)[1:]
            if len(rows) > ROWS:
                break
    return rows[:ROWS]


def _has_bad_row(rows: list[bytes], layout: Layout, reading: Reading) -> bool:
    plain = replace(layout, dialect=replace(layout.dialect, header=False, skip=0))
    with tempfile.NamedTemporaryFile(prefix="arrowetl-", suffix=".csv") as sample:
        sample.write(b"".join(rows))
        sample.flush()
        select = f"FROM {read_csv([sample.name], plain, reading, {'ignore_errors': True})}"
        try:
            with describing() as connection:
                good = len(connection.sql(select).fetchall())  # small: ten rows
        except duckdb.Error:
            return True
    return good != sum(bool(row.strip()) for row in rows)
