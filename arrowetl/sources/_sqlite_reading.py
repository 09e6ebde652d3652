"""What there is to read in a SQLite file: which rows, which columns, of which types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa
from pyarrow.types import is_decimal, is_large_string, is_string

from arrowetl.errors import SchemaError
from arrowetl.sources._params import Params, places
from arrowetl.sources._sqlite_file import Database, Declared, Relation, Stamp, Values, opened
from arrowetl.sources._sqlite_scan import BATCH_BYTES, MANY_ROWS, Reading
from arrowetl.sources._sqlite_types import (
    BLOB,
    TEXT,
    Column,
    declared_type,
    is_text,
    survey_sql,
    surveyed_type,
)
from arrowetl.sql import name

LARGE = 128 << 20
"""Bytes of a database in which a batch of rows could be too large for memory."""
SMALL_ROW = 2 << 10
"""Bytes of an average row that is small."""
FEW_ROWS = 1_024
"""Rows at once where they may be large, and it isn't known how large."""


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    where: str
    table: str | None
    query: str | None
    params: Params
    columns: tuple[str, ...] | None
    types: tuple[tuple[str, pa.DataType], ...]
    timeout: float


@lru_cache(maxsize=64)
def described(request: Request, at: Stamp) -> Reading:
    """Find what to read; looked up once for as long as the file doesn't change.

    Raises:
        ReadError: the file can't be read, or there is no such table.
        ConfigError: the query isn't one.
        SchemaError: a column isn't there, or two have one name.
    """
    with opened(at.path, timeout=request.timeout, where=request.where) as database:
        if request.query is None:
            reading, declared = _of_table(database, request.table or "")
        else:
            declared = database.columns_of_query(request.query)
            reading = Reading(f"({request.query}\n)", (), _bound(request))
            database.require_names(request.query, reading.values, declared)
        wanted = _wanted(request, [column for column, _ in declared])
        kinds = dict(request.types)
        for column, kind in declared:
            stated = declared_type(kind)
            # SQLite says BLOB of a view's column that nothing is declared of.
            if stated is not None and (reading.ordered or kind != "BLOB"):
                kinds.setdefault(column, stated)
        unknown = [column for column in wanted if column not in kinds]
        kinds |= _surveyed(database, reading, unknown)
        texts = {column for column, kind in declared if reading.ordered and is_text(kind)}
        columns = (
            Column(each, kinds[each], _printed(kinds[each], each in texts)) for each in wanted
        )
        return replace(reading, columns=tuple(columns))


def _printed(kind: pa.DataType, only_text: bool) -> bool:
    # A number that should be a date or a truth value doesn't fit, however it is printed.
    return not only_text and (is_decimal(kind) or is_string(kind) or is_large_string(kind))


def _of_table(database: Database, table: str) -> tuple[Reading, Declared]:
    relation = database.relation(table)
    declared = database.columns(relation.name)
    quoted = name(relation.name)
    # An index over the columns that are read would give them in its own order.
    rows = f"{quoted} NOT INDEXED" if relation.is_table else quoted
    return Reading(rows, (), key=_key_sql(relation), ordered=relation.is_table), declared


def _key_sql(relation: Relation) -> str | None:
    if not relation.key:
        return None
    return " || ', ' || ".join(f"quote({name(column)})" for column in relation.key)


def _wanted(request: Request, there: Sequence[str]) -> Sequence[str]:
    for column in (*(request.columns or ()), *(column for column, _ in request.types)):
        if column not in there:
            raise SchemaError.missing(column, there, where=request.where)
    return there if request.columns is None else request.columns


def _surveyed(
    database: Database, reading: Reading, columns: Sequence[str]
) -> dict[str, pa.DataType]:
    if not columns:
        return {}
    ((*answers,),) = database.ask(survey_sql(columns, reading.rows), reading.values)
    facts = [bool(answer) for answer in answers]
    kinds = ("integer", "real", "text", "blob", "long")
    return {
        column: surveyed_type(**dict(zip(kinds, facts[5 * at : 5 * at + 5], strict=True)))
        for at, column in enumerate(columns)
    }


def narrowed(reading: Reading, columns: Sequence[str]) -> Reading:
    """Give the reading with only some of its columns, in that order."""
    known = {column.name: column for column in reading.columns}
    return replace(reading, columns=tuple(known[column] for column in columns))


def rows_at_once(database: Database, reading: Reading) -> int:
    """Give how many rows the driver may hold, so that a batch fits into memory.

    Costs a count of the rows where the file is large, and a look at their lengths where the rows
    are, too.
    """
    long = [name(c.name) for c in reading.columns if c.carrier in {TEXT, BLOB}]
    if not long:
        return MANY_ROWS
    if not reading.ordered:
        return FEW_ROWS
    ((pages, page_size),) = database.ask(
        "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"
    )
    if pages * page_size < LARGE:
        return MANY_ROWS
    ((rows,),) = database.ask(f"SELECT count(*) FROM {reading.rows}")
    if pages * page_size <= rows * SMALL_ROW:
        return MANY_ROWS
    lengths = " + ".join(f"coalesce(octet_length({column}), 0)" for column in long)
    ((longest,),) = database.ask(f"SELECT max({lengths}) FROM {reading.rows}")
    return max(1, min(MANY_ROWS, BATCH_BYTES // max(longest or 1, 1)))


def _bound(request: Request) -> Values:
    named = {place for place in places(request.query or "") if not place.startswith("?")}
    if not named:
        return request.params
    # The driver knows parameters by their names and signs.
    return {place: dict(request.params)[place[1:]] for place in sorted(named)}
