r"""Values in a query that COPY sends: bound to settings of the transaction, read by the query.

COPY takes no parameters. So each value is bound to a setting (`set_config($1, $2, true)`), and the
query reads it in the place of `$1`: no value is ever part of a statement's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from arrowetl.errors import ConfigError

PREFIX = "arrowetl.p"
"""What the settings are called, before their number."""

_TOKENS = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*                   # a string with backslashes, on one line or more
      (?:'\s*[\n\r]\s*'(?:[^'\\]|\\.|'')*)*(?:'|\Z)
    | '(?:[^']|'')*(?:'|\Z)                     # a string
    | "(?:[^"]|"")*(?:"|\Z)                     # a name
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)  # a string between dollars
    | --[^\n\r]*                                # a comment
    | (?P<open>/\*)                             # a comment that may have comments in it
    | [^\W\d][\w$]*                             # a word, which may have dollars in it
    | \$(?P<number>\d+)
    | (?P<end>;)
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Bound:
    """A query that reads its values from settings.

    Attributes:
        sql: the query, without `$1` in it and without a semicolon at its end.
        settings: the values, by the setting's name.
    """

    sql: str
    settings: tuple[tuple[str, str], ...] = ()


def bound(query: str, values: Sequence[Any], *, where: str) -> Bound:
    r"""Give the query with its values in settings.

    Raises:
        ConfigError: there is no value for a `$n`, or no `$n` for a value; or one can't be bound.

    >>> query = bound("SELECT '$1' FROM t WHERE id > $1 AND day = $2", [7, None], where="x")
    >>> query.sql
    "SELECT '$1' FROM t WHERE id > (current_setting('arrowetl.p1')::int8) AND day = NULL"
    >>> query.settings
    (('arrowetl.p1', '7'),)
    """
    parts, at, used = [], 0, set()
    for start, stop, number in _places(query):
        if not 0 < number <= len(values):
            raise ConfigError(f"{where}: the query has ${number}, params has {len(values)} values")
        used.add(number)
        parts += [query[at:start], place(number, values[number - 1], where=where)]
        at = stop
    unused = [number for number in range(1, len(values) + 1) if number not in used]
    if unused:
        raise ConfigError(f"{where}: params has a value for ${unused[0]}, the query has no such")
    sql = without_end("".join([*parts, query[at:]]))
    settings = [(f"{PREFIX}{i}", as_text(value)) for i, value in enumerate(values, 1)]
    return Bound(sql, tuple((key, text) for key, text in settings if text is not None))


def place(number: int, value: object, *, where: str, kind: str | None = None) -> str:
    """Give the SQL by which a query reads a value; `kind` is its type, or the value's own."""
    if value is None:
        return "NULL"
    return f"(current_setting('{PREFIX}{number}')::{kind or sql_type(value, where=where)})"


def bind(connection: Any, settings: Sequence[tuple[str, str]]) -> None:
    """Bind values to their settings, until the transaction ends."""
    if not settings:
        return
    calls = [f"set_config(${2 * i + 1}, ${2 * i + 2}, true)" for i in range(len(settings))]
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT {', '.join(calls)}", [text for pair in settings for text in pair])
        cursor.fetchall()


def without_end(query: str) -> str:
    r"""Cut the semicolon that ends a query, and what comments follow it.

    >>> without_end("SELECT ';' -- one; two\n; -- end")
    "SELECT ';' -- one; two\n"
    """
    last = next((start for start, _, number in reversed([*_marks(query)]) if number is None), None)
    if last is None or _COMMENTS.sub("", query[last + 1 :]).strip():
        return query
    return query[:last]


_COMMENTS = re.compile(r"--[^\n\r]*|/\*.*?\*/", re.DOTALL)


def _places(query: str) -> Iterator[tuple[int, int, int]]:
    for start, stop, number in _marks(query):
        if number is not None:
            yield start, stop, number


def _marks(query: str) -> Iterator[tuple[int, int, int | None]]:
    """Give where the `$n` of a query are, and its semicolons (which have no number)."""
    at = 0
    while found := _TOKENS.search(query, at):
        at = found.end()
        if found["open"]:
            at = _end_of_comment(query, at)
        elif found["number"]:
            yield found.start(), at, int(found["number"])
        elif found["end"]:
            yield found.start(), at, None


def _end_of_comment(query: str, at: int) -> int:
    depth = 1
    while depth:
        found = _COMMENT.search(query, at)
        if found is None:
            return len(query)
        at = found.end()
        depth += 1 if found[0] == "/*" else -1
    return at


_TYPES: Mapping[type, str] = {
    bool: "bool",
    float: "float8",
    str: "text",
    bytes: "bytea",
    Decimal: "numeric",
    UUID: "uuid",
    date: "date",
    time: "time",
    timedelta: "interval",
}


def sql_type(value: object, *, where: str) -> str:
    """Give the PostgreSQL type of a Python value.

    Raises:
        ConfigError: it has none.

    >>> sql_type(3, where=""), sql_type(["a"], where=""), sql_type(10**30, where="")
    ('int8', 'text[]', 'numeric')
    """
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{where}: PostgreSQL's text can't hold a NUL: {value!r}")
    if isinstance(value, datetime):
        return "timestamp" if value.tzinfo is None else "timestamptz"
    if isinstance(value, int) and not isinstance(value, bool):
        return "int8" if -(2**63) <= value < 2**63 else "numeric"
    if isinstance(value, list | tuple):
        kinds = {sql_type(item, where=where) for item in value if item is not None}
        if len(kinds) <= 1 and not any(isinstance(item, list | tuple) for item in value):
            return f"{''.join(kinds) or 'text'}[]"
        raise ConfigError(f"{where}: a list in params has values of one type: {value!r}")
    for known, kind in _TYPES.items():
        if isinstance(value, known):
            return kind
    raise ConfigError(
        f"{where}: params can't have {value!r}: give text, bytes, a number, a date, a time, a "
        "UUID, None, or a list of one of them"
    )


def as_text(value: Any) -> str | None:
    r"""Give a value as the text from which PostgreSQL reads its type; None stays None.

    >>> as_text(True), as_text(b"a"), as_text(["a", None, 'b"c'])
    ('true', '\\x61', '{"a",NULL,"b\\"c"}')
    """
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case bytes():
            return "\\x" + value.hex()
        case timedelta():
            return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return "{" + ",".join(map(_item, value)) + "}"
        case _:
            return str(value)


def _item(value: object) -> str:
    text = as_text(value)
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
