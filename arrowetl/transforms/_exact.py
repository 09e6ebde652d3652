"""Sums of floating numbers that don't depend on their order.

Adding doubles in another order gives another last digit, so a plain sum would tell how many
threads there were. Whole numbers don't have that flaw: each double is cut into its whole part and
2^90ths of its rest, both are summed as 128-bit integers, and only the two sums are added as
doubles. The answer is also nearer the truth than a plain sum. It costs some 20 ns a row.

Numbers that don't fit (at most 1e27, at least 1e-12, not NaN, not infinite) are summed in the
order of their size; these few are held in memory.
"""

from __future__ import annotations

_UNIT = f"{float(2**90)!r}::DOUBLE"


def exact_sum(number: str) -> str:
    """Give the SQL for the sum of doubles; null where there are none.

    Args:
        number: a SQL expression of type DOUBLE, a column's quoted name for instance.

    >>> from arrowetl.instances import Instance
    >>> with Instance() as connection:
    ...     numbers = "(VALUES (1e16::DOUBLE), (1.0::DOUBLE), (-1e16::DOUBLE)) AS t(x)"
    ...     connection.sql(f"SELECT {exact_sum('x')}, sum(x) FROM {numbers}").fetchall()
    [(1.0, 0.0)]
    """
    fits = f"(abs({number}) BETWEEN 1e-12 AND 1e27 OR {number} = 0)"
    whole = f"sum(CASE WHEN {fits} THEN trunc({number})::HUGEINT END)"
    # Only CASE keeps NaN and infinity from the cast: FILTER casts first.
    parts = f"(({number} - trunc({number})) * {_UNIT})::HUGEINT"
    rest = f"sum(CASE WHEN {fits} THEN {parts} END)"
    others = f"sum({number} ORDER BY {number}) FILTER (WHERE NOT {fits})"
    return (
        f"CASE WHEN count({number}) > 0 THEN coalesce({whole}, 0)::DOUBLE"
        f" + coalesce({rest}, 0)::DOUBLE / {_UNIT} + coalesce({others}, 0) END"
    )


def exact_mean(number: str) -> str:
    """Give the SQL for the mean of doubles; null where there are none.

    >>> from arrowetl.instances import Instance
    >>> with Instance() as connection:
    ...     numbers = "(VALUES (1.0::DOUBLE), (2.0::DOUBLE), (NULL)) AS t(x)"
    ...     connection.sql(f"SELECT {exact_mean('x')} FROM {numbers}").fetchall()
    [(1.5,)]
    """
    return f"({exact_sum(number)}) / count({number})"


def one_zero(number: str) -> str:
    """Give the SQL for a floating expression without negative zero, which equals zero."""
    return f"({number} + 0::FLOAT)"
