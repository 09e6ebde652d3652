"""Recognisers of what a text is, as SQL: email addresses, card numbers, dates by format ...

Each looks beyond the shape: check digits, ranges, calendars. They are predicates for DuckDB, so a
column of any size is looked at in one pass, and no value becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arrowetl.errors import ConfigError, closest, did_you_mean
from arrowetl.patterns.contact import CONTACT
from arrowetl.patterns.finance import FINANCE
from arrowetl.patterns.network import NETWORK
from arrowetl.patterns.pattern import Pattern as Pattern
from arrowetl.patterns.words import DATE_FORMATS as DATE_FORMATS
from arrowetl.patterns.words import DATETIME_FORMATS as DATETIME_FORMATS
from arrowetl.patterns.words import WORDS

PATTERNS: Mapping[str, Pattern] = {
    each.name: each for each in (*CONTACT, *NETWORK, *FINANCE, *WORDS)
}
"""All patterns, by name."""

MOST = 64
"""How many patterns fit one mask."""


def pattern(name: str, *, where: str = "pattern") -> Pattern:
    """Give the pattern of a name.

    Raises:
        ConfigError: there is none; with the nearest names.

    >>> pattern("email").title
    'Email address'
    >>> pattern("emial")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: pattern: no pattern 'emial'; did you mean 'email'?
    """
    if name not in PATTERNS:
        hint = did_you_mean(closest(str(name), PATTERNS))
        raise ConfigError(f"{where}: no pattern {name!r}{hint}")
    return PATTERNS[name]


def matching(text: str, names: Sequence[str]) -> str:
    """Give one SQL expression, a UBIGINT: which of some patterns a text has, a bit each.

    Args:
        text: a SQL expression of type VARCHAR; the mask is null where it is.
        names: the patterns; the first is the lowest bit.

    Raises:
        ConfigError: there are more than 64, or one isn't known.

    >>> import duckdb
    >>> mask = matching("x", ["boolean", "email"])
    >>> duckdb.sql(f"SELECT {mask} FROM (SELECT 'yes' AS x)").fetchall()
    [(1,)]
    """
    if not 0 < len(names) <= MOST:
        raise ConfigError(f"pattern: a mask holds 1 to {MOST} patterns, not {len(names)}")
    bits = (
        f"(CASE WHEN {pattern(name).sql(text)} THEN {1 << at}::UBIGINT ELSE 0::UBIGINT END)"
        for at, name in enumerate(names)
    )
    return f"CASE WHEN {text} IS NOT NULL THEN {' | '.join(bits)} END"
