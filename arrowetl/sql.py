"""SQL text: names, literals, and statements inside statements.

Every identifier and every value that reaches DuckDB goes through `name` and `literal`, so a
table called ``x"; DROP TABLE y; --`` is only a strange name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from pathlib import PurePath

from arrowetl.errors import ConfigError

INPUT = "input"
"""What a stage's statement calls the rows that come to it."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')

STREAM = "arrowetl:stream"
"""The table that gives batches to a statement. It can be read once, so no stage names it: `input`
is a CTE over it, which DuckDB computes once however often a stage reads it."""


def name(identifier: str) -> str:
    """Quote an identifier.

    >>> print(name('a "b" c'))
    "a ""b"" c"
    """
    return '"' + identifier.replace('"', '""') + '"'


def names(identifiers: Iterable[str]) -> str:
    """Quote identifiers, with commas between them.

    >>> names(["a", "b c"])
    '"a", "b c"'
    """
    return ", ".join(map(name, identifiers))


def table_parts(table: str, *, where: str) -> tuple[str, ...]:
    """Give the parts of a table's name: schema and table, or the table alone.

    Names are what they are: case isn't changed. One with a dot in it stands in double quotes.

    Raises:
        ConfigError: it isn't a table's name.

    >>> table_parts("sales.Orders", where="x"), table_parts('"odd.name"', where="x")
    (('sales', 'Orders'), ('odd.name',))
    """
    parts, at = [], 0
    while found := _PART.match(table, at):
        parts.append((found[1] or found[2]).replace('""', '"') if found[1] else found[2])
        at = found.end()
        if table[at : at + 1] != ".":
            break
        at += 1
    if at != len(table) or not 1 <= len(parts) <= 2 or "\0" in table:  # noqa: PLR2004
        raise ConfigError(
            f"{where}: table is a name, or schema.name; one with a dot or quotes in it goes into "
            f"double quotes, and quotes are doubled: not {table!r}"
        )
    return tuple(parts)


def literal(value: object) -> str:
    """Write a Python value as a DuckDB literal.

    Args:
        value: None, a bool, number, string, bytes, path, date, time, timedelta, or a list,
            tuple or dict of them.

    Raises:
        TypeError: there is no literal for the value's type.

    >>> literal("it's"), literal(None), literal([1, "a"]), literal({"a": True})
    ("'it''s'", 'NULL', "[1, 'a']", "{'a': true}")
    """
    match value:
        case None | bool():
            return {None: "NULL", True: "true", False: "false"}[value]
        case int() | Decimal():
            return str(value)
        case float():
            return f"'{value!r}'::DOUBLE"
        case str() | PurePath():
            return "'" + str(value).replace("'", "''") + "'"
        case list() | tuple():
            return "[" + ", ".join(map(literal, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
        case _:
            return _typed_literal(value)


def _typed_literal(value: object) -> str:
    match value:
        case bytes():
            return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
        case datetime(tzinfo=None):
            return f"'{value.isoformat(sep=' ')}'::TIMESTAMP"
        case datetime():
            return f"'{value.astimezone(timezone.utc).isoformat(sep=' ')}'::TIMESTAMPTZ"
        case date():
            return f"'{value.isoformat()}'::DATE"
        case time():
            return f"'{value.isoformat()}'::TIME"
        case timedelta():
            return f"to_microseconds({value // timedelta(microseconds=1)})"
        case _:
            raise TypeError(f"no SQL literal for {type(value).__name__}: {value!r}")


def same_digits(text: str, number: str) -> str:
    """Give the test that a text of a number and the number read from it have the same digits.

    DuckDB writes a float with as few digits as tell it from all others, so that digits which were
    rounded away are missed; and it writes zero and ``inf`` for what is beyond a float.

    >>> import duckdb
    >>> texts = "(VALUES ('0.10'), ('1e3'), ('9007199254740993'), ('1e400')) AS texts(x)"
    >>> duckdb.sql(f"SELECT {same_digits('x', 'x::DOUBLE')} FROM {texts}").fetchall()
    [(True,), (True,), (False,), (False,)]
    """
    mine, theirs = (
        f"trim(replace(regexp_extract({each}, '^[+-]?([0-9.]*)', 1), '.', ''), '0')"
        for each in (text, f"({number})::VARCHAR")
    )
    return f"({mine} = {theirs})"


def options(settings: Mapping[str, object]) -> str:
    """Write named arguments of a table function, each with a comma before it.

    >>> options({"header": True, "delim": ";"})
    ", header = true, delim = ';'"
    """
    return "".join(f", {key} = {literal(value)}" for key, value in settings.items())


def nest(statements: Sequence[str]) -> str:
    """Give one SELECT in which every `input` is the statement before it.

    `WITH input AS` is lexical scope: a statement with a `WITH`, braces or an `input` of its own
    is safe inside, and nothing is parsed or replaced.

    >>> print(nest(["SELECT 1 AS a", "SELECT a + 1 AS b FROM input"]))
    WITH input AS (SELECT 1 AS a
    ) SELECT * FROM (SELECT a + 1 AS b FROM input
    )
    """
    return reduce(
        lambda inner, outer: f"WITH {INPUT} AS ({inner}\n) SELECT * FROM ({outer}\n)",
        statements,
    )
