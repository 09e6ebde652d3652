"""Values for a query's parameters: checked before anything runs, and bound, never spliced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from arrowetl.errors import ConfigError

Params: TypeAlias = tuple[Any, ...]
"""Values of `?`, or pairs of names and values."""

_TOKENS = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)"
    r"|(\?\d*|[:@$][^\W\d]\w*)",
    re.DOTALL,
)


def places(query: str) -> list[str]:
    """Give the places for values in a query, as they are written.

    >>> places("SELECT '?', [a?b], ?, :name -- ?")
    ['?', ':name']
    """
    return [token[1] for token in _TOKENS.finditer(query) if token[1]]


def without_places(query: str) -> str:
    """Give the query with NULL in each place for a value.

    >>> without_places("SELECT '?', ? + :a")
    "SELECT '?', NULL + NULL"
    """
    return _TOKENS.sub(lambda token: "NULL" if token[1] else token[0], query)


def checked_params(given: object, query: str | None, *, where: str) -> Params:
    """Give values as they are kept: a tuple of them, or of pairs of names and values.

    Raises:
        ConfigError: they don't fit the places in the query, or can't be bound.

    >>> checked_params({"day": "2026-01-31"}, "SELECT :day", where="SQLiteSource")
    (('day', '2026-01-31'),)
    >>> checked_params([1], "SELECT ?, ?", where="SQLiteSource")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: SQLiteSource: the query has places for 2 values, params has 1
    """
    there = places(query or "")
    names = {place[1:] for place in there if not place.startswith("?")}
    if names:
        return _named(given, sorted(names), where)
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise ConfigError(f"{where}: params is a list of values for '?', not {given!r}")
    wanted = _count(there)
    if wanted != len(given):
        raise ConfigError(
            f"{where}: the query has places for {wanted} values, params has {len(given)}"
        )
    return tuple(_checked(at, value, where) for at, value in enumerate(given, 1))


def _named(given: object, names: Sequence[str], where: str) -> Params:
    pairs = given if isinstance(given, Mapping) else _as_pairs(given)
    if set(names) != set(pairs):
        raise ConfigError(
            f"{where}: the query's parameters are {', '.join(names)}, params names "
            f"{', '.join(map(str, pairs)) or 'none'}"
        )
    return tuple((key, _checked(key, pairs[key], where)) for key in names)


def _as_pairs(given: Any) -> Mapping[str, object]:
    try:
        return dict(given)
    except (TypeError, ValueError):
        return {}


def _count(there: Sequence[str]) -> int:
    """Count values as SQLite does: `?` is one more than the largest so far, `?3` is the third."""
    largest = 0
    for place in there:
        largest = max(largest, int(place[1:])) if place[1:] else largest + 1
    return largest


def _checked(at: object, value: object, where: str) -> object:
    known = isinstance(value, float | str | bytes | date) or value is None
    if known or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    raise ConfigError(
        f"{where}: parameter {at!r} is {value!r}; it may be text, bytes, a date, a number of 64 "
        "bits, or None; give a decimal as text"
    )
