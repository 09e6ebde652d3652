"""What is asked of DuckDB, and the streams in and out of it.

All segments of a run are cursors of one instance (`instances.py`), so that they share its threads
and its memory limit.
"""

from __future__ import annotations

import atexit
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.arrow import empty_batch, reader_from, reader_of, unsliced
from arrowetl.errors import (
    ArrowETLError,
    ConfigError,
    SchemaError,
    closest,
    did_you_mean,
    first_line,
    without_values,
)
from arrowetl.exactness import exactly
from arrowetl.instances import Instance, mount_all
from arrowetl.sql import INPUT, STREAM, literal, name, nest

BUFFER = "arrowetl_buffer"
"""A variable of a connection: bytes of a CSV file that are read at a time, if it is set."""

_NONE: Mapping[str, str] = {}

_raised: deque[ArrowETLError] = deque(maxlen=16)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember the error of ours that leaves a mounted filesystem, for `own_error`."""
    try:
        yield
    except ArrowETLError as error:
        # Without the frames that led there.
        _raised.append(type(error)(str(error), bare=str(without_values(error))))
        raise


def own_error(error: BaseException) -> ArrowETLError | None:
    """Give the error of ours that made DuckDB raise this one, which has it only as text.

    None if it isn't made of one.
    """
    text = str(error)
    return next((own for own in reversed(_raised) if str(own) in text), None)


@contextmanager
def unwrapped(source: str = "") -> Iterator[None]:
    """Raise the error of ours that DuckDB's is made of, where there is one; as `exactly` does."""
    try:
        with exactly(source):
            yield
    except duckdb.Error as error:
        own = own_error(error)
        if own is None:
            raise
        raise own from error


@cache
def _describing_root() -> duckdb.DuckDBPyConnection:
    root = Instance(threads=1)
    # A process that is forked has no threads, and would wait for them.
    root.connection.execute("SET GLOBAL async_threads = 0")
    atexit.register(root.close)
    return root.connection


def describing(attached: Mapping[str, str] = _NONE) -> duckdb.DuckDBPyConnection:
    """Open a connection for questions about statements and types; close it after use.

    All are cursors of one instance, since opening an instance takes 15 ms and planning asks a
    dozen questions. What is registered in one isn't seen by the others. One with files
    `attached` has an instance of its own, so that they are let go of when it's closed.

    >>> with describing() as connection:
    ...     connection.sql("SELECT 1 AS x").columns
    ['x']
    """
    if attached:
        return Instance(threads=1, attached=attached).connection
    mount_all(_describing_root())
    return _describing_root().cursor()


@cache
def _unsteady() -> re.Pattern[str]:
    """Give the pattern of what may be otherwise the next time: chance, the clock, a sample."""
    with describing() as connection:
        names_of = "SELECT DISTINCT function_name FROM duckdb_functions()"
        found = connection.sql(f"{names_of} WHERE stability = 'VOLATILE'").fetchall()
    calls = "|".join([re.escape(word) for (word,) in found if word.isidentifier()] + _CLOCKS)
    return re.compile(rf'(?i)\b(?:{calls})"?\s*\(|\b(?:current_\w+|localtime\w*|using\s+sample)\b')


_CLOCKS = ["now", "today", "get_current_\\w+", "transaction_timestamp"]
"""Functions that are the same in all of a statement, but not in the next."""


def is_steady(select: str) -> bool:
    """Tell whether a statement over the same rows gives the same again; in doubt it doesn't.

    >>> is_steady("SELECT * FROM input WHERE a > 1"), is_steady("SELECT random() AS r FROM input")
    (True, False)
    >>> is_steady("SELECT * FROM input WHERE year = 2026 AND month(day) < 3")
    True
    """
    return _unsteady().search(select) is None


_asking: set[duckdb.DuckDBPyConnection] = set()


@contextmanager
def asking() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection as `describing` does, for questions that take long."""
    with describing() as connection:
        _asking.add(connection)
        try:
            yield connection
        finally:
            _asking.discard(connection)


def interrupt_questions() -> None:
    """Make questions that take long end soon, from any thread."""
    for connection in list(_asking):
        connection.interrupt()


@lru_cache(maxsize=1024)
def select_text(text: str, *, where: str) -> str:
    """Give the one SELECT in `text`, as its author wrote it, without its semicolon.

    Raises:
        ConfigError: it isn't valid SQL, isn't a SELECT, or is more than one; where it is wrong.

    >>> select_text("SELECT 1; -- one", where="SQL")
    'SELECT 1'
    >>> select_text("DROP TABLE x", where="SQL")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: SQL: a stage is one SELECT, this is a DROP: 'DROP TABLE x'
    """
    with describing() as connection:
        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            raise ConfigError(f"{where}: {error}") from error
    if len(statements) != 1:
        raise ConfigError(f"{where}: a stage is one SELECT, this is {len(statements)}: {text!r}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise ConfigError(f"{where}: a stage is one SELECT, this is a {kind}: {text!r}")
    if statements[0].named_parameters:
        holes = ", ".join(sorted(statements[0].named_parameters))
        raise ConfigError(f"{where}: parameter without a value: {holes}")
    return _without_end(text)


def expression_text(text: str, *, where: str) -> str:
    r"""Give a SQL text that is known to be one expression, in parentheses.

    Raises:
        ConfigError: it isn't valid SQL, is more than one expression, or is a statement.

    >>> expression_text("a > 1", where="Filter")
    '(\na > 1\n)'
    >>> expression_text("a) OR (b", where="Filter")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Filter: not one SQL expression: 'a) OR (b' ...
    """
    # A text that ends the parentheses and opens new ones fits into them, but not alone.
    for statement in (f"SELECT (\n{text}\n)", f"SELECT {text}\n"):
        try:
            select_text(statement, where=where)
        except ConfigError as error:
            reason = first_line(error.__cause__) if error.__cause__ else "it has an end"
            raise ConfigError(f"{where}: not one SQL expression: {text!r} ({reason})") from error
    return f"(\n{text}\n)"


def _without_end(text: str) -> str:
    """Cut the semicolon that ends a statement, and the comments after it."""
    encoded = text.encode()  # the tokenizer counts bytes
    for offset, kind in reversed(duckdb.tokenize(text)):
        if encoded[offset : offset + 1] == b";":
            return encoded[:offset].decode()
        if kind != duckdb.token_type.comment:
            break
    return text


def register_tables(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Any],
    *,
    empty: bool = False,
    watched: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]] = iter,
) -> None:
    """Make side tables known by name.

    Args:
        connection: where.
        tables: Arrow tables, or whatever has `__arrow_c_stream__`, by name; or bytes, which
            `getvariable` gives.
        empty: only their schemas, for binding.
        watched: what batches go through on their way: DuckDB has what they raise only as text.
    """
    for table_name, table in tables.items():
        if isinstance(table, bytes):
            value = b"" if empty else table
            connection.execute(f"SET VARIABLE {name(table_name)} = $value", {"value": value})
        elif empty:
            schema = table.schema() if callable(table.schema) else table.schema
            connection.register(table_name, pa.Table.from_batches([empty_batch(schema)]))
        else:
            rows = table
            if not isinstance(table, pa.Table):
                reader = reader_from(table)
                rows = reader_of(reader.schema, watched(iter(reader)))
            connection.register(table_name, rows)


def describe_select(
    select: str, schema: pa.Schema, *, where: str, tables: Mapping[str, Any] | None = None
) -> pa.Schema:
    """Ask DuckDB for the schema of `select` over an `input` of `schema`; no row is read.

    Raises:
        SchemaError: the statement doesn't fit the schema, with DuckDB's reason; or it gives two
            columns of one name, or a column of a type that Arrow doesn't have.

    >>> describe_select("SELECT x + 1 AS y FROM input", pa.schema({"x": pa.int8()}), where="SQL")
    y: int8
    """
    connection = describing()
    try:
        connection.register(INPUT, pa.Table.from_batches([empty_batch(schema)]))
        register_tables(connection, tables or {}, empty=True)
        relation = connection.sql(select)
        refuse_clash(relation.columns, where=where)
        _refuse_foreign(relation, where=where)
        return relation.to_arrow_reader().schema
    except duckdb.Error as error:
        raise schema_error(error, schema, where=where, select=select, tables=tables) from error
    finally:
        connection.close()


def refuse_clash(columns: Sequence[str], *, where: str) -> None:
    """Raise SchemaError for two columns of one name, whatever its case.

    As part of a larger statement DuckDB would call the second one by another name.

    >>> refuse_clash(["v", "x", "V"], where="SQL")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: SQL: two columns are called 'v' (SQL ignores case): call one ...
    """
    seen: set[str] = set()
    for column in columns:
        if column.lower() in seen:
            raise SchemaError(
                f"two columns are called {column.lower()!r} (SQL ignores case): call one otherwise "
                "by AS, leave one out by * EXCLUDE, or put one in the other's place by * REPLACE",
                where=where,
                column=column,
            )
        seen.add(column.lower())


FOREIGN = {"bignum", "bit", "time with time zone", "uhugeint", "variant"}
"""DuckDB's types whose values come to Arrow as bytes of its own, or cut."""


def _refuse_foreign(relation: duckdb.DuckDBPyRelation, *, where: str) -> None:
    for column, kind in zip(relation.columns, relation.types, strict=True):
        foreign = foreign_part(kind)
        if foreign:
            raise SchemaError(
                f"column {column!r} is {kind}, and Arrow has no type for {foreign}: cast "
                "it in the statement, for instance to VARCHAR",
                where=where,
                column=column,
            )


def foreign_part(kind: Any) -> str:
    """Give what Arrow has no type for in one of DuckDB's types; nothing if all can come.

    >>> foreign_part(duckdb.sqltype("STRUCT(a BIT[])")), foreign_part(duckdb.sqltype("BLOB"))
    ('BIT', '')
    """
    if kind.id in FOREIGN:
        return str(kind)
    parts = kind.children if kind.id in {"array", "list", "map", "struct", "union"} else []
    # An array has its size among them.
    inside = (foreign_part(part) for _, part in parts if not isinstance(part, int))
    return next(filter(None, inside), "")


def schema_error(
    error: duckdb.Error,
    schema: pa.Schema,
    *,
    where: str,
    select: str = "",
    tables: Mapping[str, Any] | None = None,
) -> SchemaError:
    """Say DuckDB's complaint about a statement as ours, with the columns or tables there are."""
    message = str(error)
    table = re.search(r'Table with name "?(.+?)"? does not exist', message)
    if table:
        return SchemaError(_no_table(table[1], tables or {}), where=where)
    marker = 'Referenced column "'
    if marker in message:
        column = message.split(marker, 1)[1].split('"', 1)[0]
        if column not in schema.names:
            # Double quotes are for names in SQL, and for texts nearly everywhere else.
            advice = f"; text goes in single quotes: {literal(column)}"
            quoted = name(column) in select
            names = schema.names
            return SchemaError.missing(column, names, where=where, advice=advice * quoted)
    return SchemaError(_without_overloads(message), where=where)


def _no_table(table: str, tables: Mapping[str, Any]) -> str:
    # DuckDB's nearest name would be one of its own tables.
    there = [INPUT, *(each for each, given in tables.items() if not isinstance(given, bytes))]
    return (
        f"no table {table!r}{did_you_mean(closest(table, there))} `{INPUT}` is the rows so far; "
        f"other tables are given by name, SQL(query, tables={{{table!r}: ...}}). "
        f"Tables: {', '.join(there)}"
    )


_OVERLOADS = "\n\tCandidate functions:\n"
_LISTED = 5
"""So many overloads of a function help; `+` has sixty."""


def _without_overloads(message: str) -> str:
    """Cut the statement off a message, and a list of overloads that is too long to be read."""
    said = message.split("\n\nLINE", maxsplit=1)[0].rstrip()
    sentence, _, overloads = said.partition(_OVERLOADS)
    return sentence if overloads.count("\n") >= _LISTED else said


def stream_select(
    select: Callable[[pa.Schema], str],
    batches: Iterator[pa.RecordBatch],
    *,
    tables: Mapping[str, Any] | None = None,
    batch_size: int = 65_536,
) -> Iterator[pa.RecordBatch]:
    """Run one statement over batches, in a connection of its own; nothing if there are none.

    What `batches` and `tables` raise is raised, not DuckDB's account of it.
    """
    first = next(batches, None)
    if first is None:
        return
    with Instance() as connection, own_errors() as remembering:
        given = map(unsliced, chain((first,), remembering(batches)))
        connection.register(STREAM, reader_of(first.schema, given))
        register_tables(connection, tables or {}, watched=remembering)
        sql = nest([f"SELECT * FROM {name(STREAM)}", select(first.schema)])
        with connection.sql(sql).to_arrow_reader(batch_size) as reader:
            empty = True
            for batch in reader:
                empty = False
                yield batch
            if empty:
                yield empty_batch(reader.schema)


@contextmanager
def own_errors() -> Iterator[Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]]:
    """Give what batches for DuckDB go through, so that what they raise is raised as it is."""
    failed: list[Exception] = []

    def remembering(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            failed.append(error)
            raise

    try:
        yield remembering
    except (duckdb.Error, pa.ArrowException, OSError):
        if failed:
            raise failed[0]  # noqa: B904 - it has a cause of its own
        raise


__all__ = [
    "describe_select",
    "expression_text",
    "name",
    "register_tables",
    "schema_error",
    "select_text",
    "stream_select",
]
