"""Rows of PostgreSQL's that no Arrow type holds, as dead letters: where, what and why."""

from __future__ import annotations

import pyarrow as pa

from arrowetl.duck import describing
from arrowetl.postgres.types import Read
from arrowetl.rejected import REJECTED_SCHEMA, places
from arrowetl.sql import literal, name

MISFIT = "arrowetl:misfit"
"""The column that tells of a bad row, as a JSON list: its column, what is due there, the value that
is there, and the row. Null for good rows: they cost a predicate a column that may hold one."""

SHOWN = 80
"""Characters of a value that a reason shows."""


def misfit_item(columns: tuple[Read, ...]) -> str:
    """Give the item of a SELECT list, over `rows`, that tells of bad rows."""
    cases = " ".join(
        f"WHEN {read.misfit} THEN json_build_array({literal(read.column)}, "
        f"{literal(_due(read))}, {name(read.column)}::text, row_to_json(rows.*))::text"
        for read in columns
        if read.misfit
    )
    return f"{f'CASE {cases} END' if cases else 'NULL'}::text AS {name(MISFIT)}"


def _due(read: Read) -> str:
    as_text = f"{name(read.column)}::text"
    return f"in a {read.declared}, which {read.arrow} can't hold; a query can give {as_text}"


def rejected_rows(told: pa.Array, *, table: str | None) -> pa.RecordBatch:
    """Give what is told of bad rows as `REJECTED_SCHEMA` has it; the text is the row as JSON."""
    of_table = literal(f"{table}: " if table else "")
    with describing() as connection:
        connection.register("told", pa.RecordBatch.from_arrays([told], names=["told"]))
        said = connection.sql(f"""
            SELECT "column", text, 'cast' AS reason_code, {of_table} || 'column ''' || "column"
                || ''' holds ' || left(value, {SHOWN}) || ' ' || due AS reason
            FROM (
                SELECT told::JSON ->> 0 AS "column", told::JSON ->> 1 AS due,
                    told::JSON ->> 2 AS value, (told::JSON -> 3)::VARCHAR AS text
                FROM told
            )""").to_arrow_table()
    parts = {each: said[each].combine_chunks() for each in said.column_names}
    parts["source"] = places(said.num_rows, table=table)
    return pa.RecordBatch.from_arrays(
        [parts[field.name] for field in REJECTED_SCHEMA], schema=REJECTED_SCHEMA
    )
