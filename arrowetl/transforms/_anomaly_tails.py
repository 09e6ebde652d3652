"""The SQL of ECOD: what share of a column is as far out as a value, added up over the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowetl.sql import literal, name
from arrowetl.transforms._anomaly_bounds import CENTRES, ROWS, WHOLE, Bounds
from arrowetl.transforms._anomaly_sql import FACTOR, Said, share_factor, shown

_KNOWN, _INFINITE = name("arrowetl:known"), name("arrowetl:infinite")
_RANK, _UP_TO = name("arrowetl:rank"), name("arrowetl:up_to")
_ONE = name("arrowetl:one")
"""What lambdas call their value: a column's name would be taken for that column."""
_NAMED = 3
"""So many columns are named, at most."""
_MUCH = 0.5
"""A column is named if it adds so much of what the first adds."""


@dataclass(frozen=True)
class Tails(Bounds):
    """What the statement is made of; a row's tails stand in the place of a group's bounds."""

    def ctes(self) -> str:
        """Give the CTEs, up to one a column with its tails."""
        tails = (f"{self._table(c)} AS MATERIALIZED ({self._tails(c)})" for c in self.columns)
        return ", ".join([*self.counted(), *tails])

    def _table(self, column: str) -> str:
        return name(f"arrowetl:tails:{self.columns.index(column)}")

    def _centres(self) -> Iterator[str]:
        for column in self.columns:
            value = self.finite(column)
            yield f"count({value}) AS {self.at('n', column)}"
            yield f"(max({value}) > min({value})) AS {self.at('spread', column)}"

    def _tails(self, column: str) -> str:
        """Give minus the logarithm of the smaller tail by row; null if it isn't judged.

        Each column in a statement of its own: one with all windows would hold all columns in each.
        """
        keys = [f"r.{name(group)}" for group in self.groups]
        within = f"PARTITION BY {', '.join(keys)} " if keys else ""
        value = self.finite(column)
        items = [
            *(f"r.{each}" for each in (self.row, *map(name, self.groups))),
            f"{value} IS NOT NULL AS {_KNOWN}",
            f"isinf({self.double(column)}) AS {_INFINITE}",
            f"rank() OVER side AS {_RANK}",
            f"count({value}) OVER side AS {_UP_TO}",
        ]
        # Nulls come last, and so count for none.
        ranked = (
            f"SELECT {', '.join(items)} FROM {ROWS} AS r "
            f"WINDOW side AS ({within}ORDER BY {value} NULLS LAST)"
        )
        count = f"c.{self.at('n', column)}"
        judged = (
            f"w.{self.at('used', column)} AND {count} >= {self.least} "
            f"AND c.{self.at('spread', column)}"
        )
        tail = f"-ln(least(r.{_UP_TO}, {count} - r.{_RANK} + 1) / {count})"
        return (
            f"SELECT r.{self.row}, CASE WHEN NOT ({judged}) THEN NULL WHEN r.{_INFINITE} "
            f"THEN 'inf'::DOUBLE WHEN r.{_KNOWN} THEN {tail} END AS tail "
            f"FROM ({ranked}) AS r {self.join('c', CENTRES)} CROSS JOIN {WHOLE} AS w"
        )

    # --- what is asked of a row, joined with its tails -----------------------------------------

    def joined(self) -> str:
        """Give the rows, as `r`, with their tails."""
        tables = map(self._table, self.columns)
        joins = (f"JOIN {each} ON {each}.{self.row} = r.{self.row}" for each in tables)
        return f"{ROWS} AS r {' '.join(joins)}"

    def tail(self, column: str) -> str:
        """Give minus the logarithm of a value's tail; null where it isn't judged."""
        return f"{self._table(column)}.tail"

    def score(self) -> str:
        """Give the sum of a row's tails, over what it seldom exceeds."""
        total = " + ".join(f"coalesce({self.tail(column)}, 0)" for column in self.columns)
        judged = " + ".join(f"({self.tail(c)} IS NOT NULL)::DOUBLE" for c in self.columns)
        z = literal(float(self.limits["ecod"]))
        # Minus the logarithm of twice a tail is exponential: a sum of them has a gamma
        # distribution, whose cube root is nearly normal.
        root = f"greatest(1 - 1 / (9 * {_ONE}) + {z} / (3 * sqrt({_ONE})), 0)"
        seldom = f"{_ONE} * (ln(2) + {root} ** 3)"
        limit = f"list_transform([nullif({judged}, 0)], lambda {_ONE}: {seldom})[1]"
        return f"coalesce(({total}) / ({limit}), 0)"


def tailed(tails: Tails, contamination: float | None) -> Said:
    """Say which rows have tails that are too small in all."""
    score = tails.score()
    factor = share_factor(score, tails.joined(), contamination)
    score += " / f.factor" if factor else ""
    found = f"({score} > 1)"
    most = f"greatest({', '.join(map(tails.tail, tails.columns))})"
    blamed = {c: f"coalesce({tails.tail(c)} >= {_MUCH} * {most}, false)" for c in tails.columns}
    texts = ", ".join(
        f"CASE WHEN {blamed[c]} THEN {{'tail': {tails.tail(c)}, 'at': {-at}, "
        f"'text': {_reason(c, tails)}}} END"
        for at, c in enumerate(tails.columns)
    )
    ordered = (
        f"list_reverse_sort(list_filter([{texts}], lambda {_ONE}: {_ONE} IS NOT NULL))[:{_NAMED}]"
    )
    joined = f"array_to_string(list_transform({ordered}, lambda {_ONE}: {_ONE}.text), '; ')"
    firsts = " ".join(f"WHEN {tails.tail(c)} = {most} THEN {literal(c)}" for c in tails.columns)
    judged = ", ".join(f"({tails.tail(c)} IS NOT NULL)" for c in tails.columns)
    outside = ", ".join(f"({found} AND {test})" for test in blamed.values())
    return Said(
        ctes=f"{tails.ctes()}{factor}",
        source=f"{tails.joined()}{f' CROSS JOIN {FACTOR} AS f' if factor else ''}",
        row=tails.row,
        found=found,
        score=score,
        reason=f"CASE WHEN {found} THEN {joined} END",
        column=f"CASE {firsts} END",
        seen=f"{{'judged': [{judged}], 'outside': [{outside}]}}",
    )


def _reason(column: str, tails: Tails) -> str:
    share = f"format('{{:.3g}}', 100 * exp(-{tails.tail(column)}))"
    value = shown(column, tails)
    return f"{literal(f'{column} ')} || {value} || ' (' || {share} || ' % are as far out)'"
