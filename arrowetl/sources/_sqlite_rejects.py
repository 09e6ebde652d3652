"""SQLite's rows that don't fit their columns' types, as dead letters: where, what and why."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describing
from arrowetl.rejected import REJECTED_SCHEMA, places
from arrowetl.sources._parsed import parsed
from arrowetl.sources._sqlite_scan import Refused
from arrowetl.sources._sqlite_types import Column
from arrowetl.sql import literal


def rejected_rows(
    refused: Refused, columns: Sequence[Column], *, file: str, table: str | None
) -> pa.RecordBatch:
    """Give refused rows as `REJECTED_SCHEMA` has them; the text is the row as JSON."""
    rows = [_printable(column) for column in refused.rows.columns]
    given = pa.RecordBatch.from_arrays(
        [*rows, refused.blamed, refused.misfits, refused.keys],
        names=[*(f"c{at}" for at in range(len(columns))), "blamed", "misfits", "key"],
    )
    with describing() as connection:
        connection.register("refused", given)
        told = connection.sql(_told_sql(columns, table)).to_arrow_table().combine_chunks()
    parts = {each: told[each].combine_chunks() for each in told.column_names}
    parts["source"] = places(told.num_rows, file=file, table=table, key=parts["key"])
    return pa.RecordBatch.from_arrays(
        [parts[field.name] for field in REJECTED_SCHEMA], schema=REJECTED_SCHEMA
    )


def _printable(column: pa.Array) -> pa.Array:
    """Give text that isn't UTF-8 as bytes."""
    if not kinds.is_string(column.type):
        return column
    return column if parsed(column, column.type).bad is None else column.cast(pa.binary())


def _told_sql(columns: Sequence[Column], table: str | None) -> str:
    pairs = ", ".join(f"{literal(column.name)}, c{at}" for at, column in enumerate(columns))
    types = {column.name: str(column.arrow) for column in columns}
    plain = [column.name for column in columns if kinds.is_string(column.arrow)]
    of_table = literal(f"{table}, " if table else "")
    return f"""
        WITH whole AS (
            SELECT blamed, key, misfits, json_object({pairs}) AS row,
                '{{' || rtrim(misfits, ',') || '}}' AS patch FROM refused
        ), named AS (
            SELECT key, blamed IS NULL AS by_class,
                coalesce(blamed, json_keys(patch)[1]) AS "column",
                CASE WHEN patch IS NULL THEN row ELSE json_merge_patch(row, patch) END AS text
            FROM whole
        ), valued AS (
            SELECT *, "column" IN ({", ".join(map(literal, plain)) or "NULL"}) AS as_text,
                left(text ->> ('/' || replace(replace("column", '~', '~0'), '/', '~1')), 80) AS val
            FROM named
        )
        SELECT key, "column", text::VARCHAR AS text,
            CASE WHEN as_text THEN 'encoding' ELSE 'cast' END AS reason_code,
            coalesce({of_table} || 'row ' || key || ': ', '') || 'column ''' || "column"
                || ''' holds ' || CASE WHEN by_class THEN val ELSE '''' || val || '''' END
                || CASE WHEN as_text THEN ', which isn''t UTF-8' ELSE ', which doesn''t fit '
                || element_at({_map(types)}, "column")[1] END AS reason
        FROM valued"""


def _map(types: dict[str, str]) -> str:
    return f"map({literal(list(types))}, {literal(list(types.values()))})"
