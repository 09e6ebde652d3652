"""The lines of CSV files that DuckDB rejected, a row each, with the place in the user's file.

DuckDB keeps an error a row, several for a bad line; its line numbers count records, so a value
with a line break in it shifts them; and blank lines before a bad one are part of its text. The
byte offset is right, and the rest is found from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from arrowetl.rejected import ESCAPED, REJECTED_SCHEMA, as_text, places
from arrowetl.sources._copies import Origin, origin_of, swallowed
from arrowetl.sources._dialect import EMPTY, MAX_LINE
from arrowetl.sources._lines import LineNumbers
from arrowetl.sources._mend import Signs, long_quote
from arrowetl.sources._text import unmarked
from arrowetl.sources._text_lines import ENCODING, FAULTS
from arrowetl.sql import literal, name
from arrowetl.stage import BATCH_ROWS

BLOCK = 1 << 20
SPAN = 1_000_000
"""Bytes that a line with a broken quote may take in; more, and rows are lost or doubled."""

CODES = {
    "INVALID ENCODING": "encoding",
    "UNQUOTED VALUE": "unquoted_value",
    "INVALID STATE": "unquoted_value",
    "LINE SIZE OVER MAXIMUM": "line_size",
    "TOO MANY COLUMNS": "too_many_columns",
    "MISSING COLUMNS": "missing_columns",
    "CAST": "cast",
}
"""DuckDB's kinds of error to ours; the most telling first, where a line has several."""

SPOILT = "arrowetl:spoilt"
"""The table of the rows that were overwritten in a file's copy."""
TOLD = ("code", "reason", "text", "column")
OVERWRITTEN = pa.schema(
    [("first", pa.int64()), ("past", pa.int64()), *((each, pa.string()) for each in TOLD)]
)


@dataclass(frozen=True)
class RejectTables:
    """Where DuckDB keeps what a source's scans reject: tables of its own."""

    errors: str
    scans: str

    @classmethod
    def of(cls, key: str) -> RejectTables:
        """Give the names for a source; another source's rejects are kept apart."""
        return cls(f"rejects_{key}", f"reject_scans_{key}")

    def options(self) -> dict[str, object]:
        """Give what `read_csv` is told, so that every bad line is kept whole."""
        return {
            "store_rejects": True,
            "rejects_table": self.errors,
            "rejects_scan": self.scans,
            "rejects_limit": 0,
            "rejects_line_size_limit": MAX_LINE,
        }


def rejected_rows(
    connection: duckdb.DuckDBPyConnection,
    tables: RejectTables,
    types: Callable[[], Mapping[str, str]],
    *,
    where: str,
) -> Iterator[pa.RecordBatch]:
    """Give the rejected lines, file by file, in the order they stand in.

    Costs a look through each file with bad lines, up to the last of them, to number them.

    Args:
        connection: the one that scanned.
        tables: of its scans.
        types: gives the columns' types, as they are called to people.
        where: the source.

    Raises:
        ReadError: a quote has swallowed so many lines that they can't be told apart any more.
    """
    known = f"SELECT 1 FROM duckdb_tables() WHERE table_name = {literal(tables.errors)}"
    if not connection.sql(known).fetchall():
        return
    files = connection.sql(
        "SELECT DISTINCT file_path, file_id, delimiter, quote, escape "
        f"FROM {name(tables.scans)} JOIN {name(tables.errors)} USING (scan_id, file_id) "
        "ORDER BY file_id, file_path"
    ).fetchall()
    kinds = types() if files else {}
    for path, file_id, *marks in files:
        signs = Signs(*(_sign(mark) for mark in marks))
        origin = origin_of(path)
        connection.register(SPOILT, _spoilt(origin))
        select = _select(tables, path, file_id, kinds)
        lines = LineNumbers(path)
        with connection.sql(select).to_arrow_reader(BATCH_ROWS) as reader:
            for batch in reader:
                yield _numbered(batch, lines, origin, signs, where=where)


def _sign(mark: str) -> bytes:
    return b"" if mark == EMPTY else mark.encode()


def _select(tables: RejectTables, path: str, file_id: int, types: Mapping[str, str]) -> str:
    called = f"map({literal(list(types))}, {literal(list(types.values()))})[column_name]"
    # What a column is read as isn't always what it becomes.
    read_as = literal(r" to '[^']+'\s*$")
    told = f"regexp_replace(error_message, {read_as}, ' to ''' || {called} || '''')"
    message = f"coalesce({told}, error_message)"
    order = ", ".join(map(literal, CODES))
    codes = " ".join(f"WHEN {literal(kind)} THEN {literal(code)}" for kind, code in CODES.items())
    # The lines above a bad one, if blank, are in its text. Of a CRLF only the LF is.
    text = "ltrim(csv_line, chr(10) || chr(13))"
    return f"""
        WITH errors AS (
            SELECT DISTINCT line_byte_position, byte_position, column_idx, column_name, csv_line,
                error_message, error_type::VARCHAR AS kind,
                {text} AS text, line_byte_position - 1 + strlen(csv_line) - strlen({text}) AS start
            FROM {name(tables.errors)} JOIN {name(tables.scans)} USING (scan_id, file_id)
            WHERE file_path = {literal(path)} AND file_id = {file_id}
        ), ranked AS (
            SELECT *,
                row_number() OVER line AS nth, count(*) OVER (PARTITION BY line_byte_position) AS n
            FROM errors
            WINDOW line AS (PARTITION BY line_byte_position
                ORDER BY list_position([{order}], kind), column_idx)
        ), judged AS (
            SELECT *, {_swallowed()} AS swallowed FROM ranked WHERE nth = 1
        ), spoilt AS (
            FROM {name(SPOILT)}
        )
        SELECT coalesce(s.code, CASE kind {codes} END) AS reason_code,
            coalesce(s.reason, rtrim({message}, chr(10)) || CASE WHEN n > 1
                THEN ' (one of ' || n || ' errors in this line)' ELSE '' END) AS reason,
            CASE WHEN s.code IS NOT NULL THEN s."column" WHEN kind = 'CAST' THEN column_name END
                AS "column",
            CASE WHEN swallowed THEN byte_position - 1 ELSE j.start END::BIGINT AS start,
            coalesce(s.text, j.text) AS text,
            s.text IS NOT NULL AS known,
            swallowed
        FROM judged j LEFT JOIN spoilt s ON j.start = s.first
            ASOF LEFT JOIN spoilt above ON j.start > above.first
        WHERE above.past IS NULL OR j.start >= above.past
        ORDER BY start"""


def _spoilt(origin: Origin) -> pa.Table:
    """Give the rows that were overwritten in a copy, and what is true of them."""
    rows = [(row.start, row.end, *(getattr(row, each) for each in TOLD)) for row in origin.spoilt]
    columns = zip(*rows, strict=True) if rows else [()] * len(OVERWRITTEN)
    arrays = map(pa.array, columns, OVERWRITTEN.types)
    return pa.Table.from_arrays(list(arrays), schema=OVERWRITTEN)


def _swallowed() -> str:
    """Say in SQL whether a line's quotes took in so much that threads no longer agree on it.

    Then the error stands beyond the text that DuckDB gives for it, or the text is as long as it
    can be, or so long that another thread may have begun in it.
    """
    return f"""(
        kind = 'LINE SIZE OVER MAXIMUM' OR (kind = 'UNQUOTED VALUE' AND strlen(text) > {SPAN})
    ) AND contains(rtrim(text, chr(10)), chr(10))
    OR kind = 'UNQUOTED VALUE' AND byte_position > line_byte_position + strlen(csv_line)"""


def _numbered(
    batch: pa.RecordBatch, lines: LineNumbers, origin: Origin, signs: Signs, *, where: str
) -> pa.RecordBatch:
    import numpy as np
    import pyarrow.compute as pc

    starts = batch["start"].to_numpy()
    numbers = lines.at(starts)
    for row in filter(lambda row: row.added, origin.spoilt):
        numbers -= row.added * (starts >= row.end)
    swallowing = np.flatnonzero(batch["swallowed"].to_numpy(zero_copy_only=False))
    if swallowing.size:
        opened = long_quote(lines.path, signs, span=SPAN)
        line = numbers[swallowing[0]] if opened is None else LineNumbers(lines.path).of(opened)
        raise swallowed(f"{where}: {origin.path!r}, line {line}", span=SPAN)
    count = batch.num_rows
    place = places(
        count,
        file=origin.path,
        line=pa.array(numbers),
        byte=pc.add(batch["start"], 1) if origin.exact else None,
    )
    reason, text = _with_bytes(batch, lines.path)
    if not origin.utf8:
        text = pc.if_else(pc.match_substring(reason, ESCAPED), unmarked(text), text)
    columns = [batch["reason_code"], reason, batch["column"], place, text]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTED_SCHEMA)


def _with_bytes(batch: pa.RecordBatch, path: str) -> tuple[pa.Array, pa.Array]:
    """Give reasons and texts; in these, DuckDB has put a '?' for what isn't UTF-8."""
    import numpy as np
    import pyarrow.compute as pc

    doubtful = pc.and_not(pc.match_substring(batch["text"], "?"), batch["known"])
    found: dict[int, str] = {}
    with Path(path).open("rb") as file:
        for row in map(int, np.flatnonzero(doubtful)):
            said = str(batch["text"][row]).encode()
            file.seek(batch["start"][row].as_py())  # small: of a rejected line
            there = file.read(len(said))
            text = as_text(there)
            if text.encode() != there and _is_of(said, there):
                found[row] = text
    is_found = np.zeros(batch.num_rows, bool)
    is_found[list(found)] = True
    mask = pa.array(is_found)
    shown = pc.replace_with_mask(batch["text"], mask, pa.array(found.values(), pa.string()))
    told = pc.binary_join_element_wise(batch["reason"], ESCAPED, "; ")
    told = pc.if_else(pc.equal(batch["reason_code"], ENCODING), FAULTS[ENCODING], told)
    return pc.if_else(mask, told, batch["reason"]), shown


def _is_of(said: bytes, there: bytes) -> bool:
    """Whether a text is what DuckDB makes of these bytes."""
    import numpy as np

    if len(said) != len(there):
        return False
    one, other = (np.frombuffer(each, np.uint8) for each in (said, there))
    return bool(np.all((one == other) | (one == ord("?"))))


def first_rejected(batch: pa.RecordBatch) -> str:
    """Say where and what the first of the rejected lines is, in a sentence."""
    first = batch.slice(0, 1).to_pylist()[0]  # small: one row
    column = f", column {first['column']!r}" if first["column"] else ""
    place = first["source"]
    return f"{place['file']!r}, line {place['line']}{column}: {first['reason']}: {first['text']!r}"
