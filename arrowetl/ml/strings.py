"""What of a text is compared, as SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping

from arrowetl.errors import ConfigError
from arrowetl.sql import name

LEVELS = 30
"""How many different weights columns can have: each is marked by a control character."""


def normalised(expression: str) -> str:
    r"""Give SQL for a text without what seldom tells two things apart; null if nothing stays.

    Case, accents, punctuation and spaces go; letters and digits of every script stay, and so do
    symbols such as emoji.

    >>> import duckdb
    >>> both = [normalised("' Crème-Brûlée,  Ltd. '"), normalised("'?!'")]
    >>> duckdb.sql(f"SELECT {both[0]}, {both[1]}").fetchall()
    [('creme brulee ltd', None)]
    """
    words = (
        rf"regexp_replace(strip_accents(lower({expression})), '[^\pL\pM\pN\p{{So}}]+', ' ', 'g')"
    )
    return f"nullif(trim({words}), '')"


def levels(columns: Mapping[str, float], *, where: str) -> tuple[float, ...]:
    """Give the different weights there are, the lowest first.

    Raises:
        ConfigError: there is no column, a weight isn't positive, or they differ too much.
    """
    if not columns:
        raise ConfigError(f"{where}: no column to compare")
    for column, weight in columns.items():
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(
                f"{where}: the weight of {column!r} is {weight!r}; a weight is above 0 "
                "(leave the column out to give it none)"
            )
    found = tuple(sorted(set(columns.values())))
    if len(found) > LEVELS:
        raise ConfigError(f"{where}: {len(found)} different weights; at most {LEVELS}")
    return found


def record_text(columns: Mapping[str, float]) -> str:
    r"""Give SQL for the normalised text of several columns; null if there is nothing in them.

    Before each column's text stands a control character that says which of the `levels` its weight
    is. Columns that aren't text are compared as DuckDB writes them.

    >>> import duckdb
    >>> text = record_text({"name": 2.0, "city": 1.0})
    >>> duckdb.sql(f"SELECT {text} FROM (SELECT 'Ann Lee' AS name, 'Ürdorf' AS city)").fetchall()
    [('\x02ann lee\x01urdorf',)]
    """
    ranks = {weight: rank for rank, weight in enumerate(levels(columns, where="record_text"), 1)}
    parts = ", ".join(
        f"chr({ranks[weight]}) || {normalised(f'{name(column)}::VARCHAR')}"
        for column, weight in columns.items()
    )
    return f"nullif(concat({parts}), '')"
