"""The columns of CSV files: how each is read, and what becomes of what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from arrowetl.sources._copies import Readable
from arrowetl.sources._dialect import Layout
from arrowetl.sources._exact import Guard, formatted, guard
from arrowetl.sql import name

DATE_TIMES = ("TIMESTAMP", "TIMESTAMP_NS")


def typed(layout: Layout, types: Mapping[str, str], long: frozenset[str]) -> Layout:
    """Give a layout with other types, and the columns with long numbers."""
    columns = tuple((column, types.get(column, kind)) for column, kind in layout.columns)
    return replace(layout, columns=columns, long=long)


def joined(layout: Layout, types: Mapping[str, str], long: frozenset[str]) -> Layout:
    """Give a file's layout with the types that all files have together."""
    # Days in a format of theirs aren't read as date-times, which have another.
    days = {
        column: kind
        for column, kind in layout.columns
        if kind == "DATE" and types[column] in DATE_TIMES and layout.dialect.date_format
    }
    return typed(layout, {**types, **days}, long)


def guarded(
    layout: Layout, files: Sequence[Readable], looked_at: frozenset[str]
) -> dict[str, Guard]:
    """Give how columns are read of which DuckDB might change values, or nobody has looked at."""
    clocks = any(each.clocks for each in files)
    underscores = any(each.joined for each in files)

    def of(column: str, kind: str) -> Guard | None:
        if column in looked_at:
            return formatted(column, kind, layout.dialect)
        long = underscores or column in layout.long
        return guard(column, kind, layout.dialect, long=long, clocks=clocks)

    guards = {column: of(column, kind) for column, kind in layout.columns}
    return {column: each for column, each in guards.items() if each is not None}


def values_of(
    layout: Layout, guards: Mapping[str, Guard], types: Mapping[str, str]
) -> dict[str, str]:
    """Give SQL for each column as it is wanted."""

    def of(column: str, kind: str) -> str:
        value = guards[column].value if column in guards else name(column)
        wanted = types.get(column, kind)
        # A day; of a mere cast DuckDB's reader would make one of texts, by no format.
        cast = value if wanted == kind else f"CAST({value} + INTERVAL 0 DAY AS {wanted})"
        return cast if cast == name(column) else f"{cast} AS {name(column)}"

    return {column: of(column, kind) for column, kind in layout.columns}
