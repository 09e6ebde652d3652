"""The SQL of ECOD: what share of a column is as far out as a value, added up over the columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowetl.sql import literal, name
from arrowetl.transforms._anomaly_bounds import CENTRES, ROWS, WHOLE, Bounds
from arrowetl.transforms._anomaly_sql import FACTOR, Said, share_factor, shown

_RANKS, _TAILS = name("arrowetl:ranks"), name("arrowetl:tails")
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
        """Give the CTEs, up to one with each row's tails."""
        return ", ".join([*self.counted(), f"{_TAILS} AS MATERIALIZED ({self._tails()})"])

    def _centres(self) -> Iterator[str]:
        for column in self.columns:
            value = self.finite(column)
            yield f"count({value}) AS {self.at('n', column)}"
            yield f"(max({value}) > min({value})) AS {self.at('spread', column)}"

    def _tails(self) -> str:
        """Give minus the logarithm of the smaller tail by row and column; null if not judged."""
        keys = [f"r.{name(group)}" for group in self.groups]
        kept = [f"{key} AS {name(group)}" for key, group in zip(keys, self.groups, strict=True)]
        within = f"PARTITION BY {', '.join(keys)} " if keys else ""
        ranks, windows, tails = [], [], []
        for number, column in enumerate(self.columns):
            value, window = self.finite(column), f"w{number}"
            # Nulls come last, and so count for none.
            windows.append(f"{window} AS ({within}ORDER BY {value} NULLS LAST)")
            ranks += [
                f"{value} IS NOT NULL AS {self.at('known', column)}",
                f"isinf({self.double(column)}) AS {self.at('infinite', column)}",
                f"rank() OVER {window} AS {self.at('rank', column)}",
                f"count({value}) OVER {window} AS {self.at('upto', column)}",
            ]
            tails.append(self._tail(column))
        ranked = (
            f"SELECT {', '.join([f'r.{self.row}', *kept, *ranks])} FROM {ROWS} AS r "
            f"WINDOW {', '.join(windows)}"
        )
        return (
            f"WITH {_RANKS} AS ({ranked}) SELECT {', '.join([f'r.{self.row}', *tails])} "
            f"FROM {_RANKS} AS r {self.join('c', CENTRES)} CROSS JOIN {WHOLE} AS w"
        )

    def _tail(self, column: str) -> str:
        judged = (
            f"w.{self.at('used', column)} AND c.{self.at('n', column)} >= {self.least} "
            f"AND c.{self.at('spread', column)}"
        )
        count, rank = f"c.{self.at('n', column)}", f"r.{self.at('rank', column)}"
        smaller = f"least(r.{self.at('upto', column)}, {count} - {rank} + 1) / {count}"
        return (
            f"CASE WHEN NOT ({judged}) THEN NULL WHEN r.{self.at('infinite', column)} "
            f"THEN 'inf'::DOUBLE WHEN r.{self.at('known', column)} THEN -ln({smaller}) END "
            f"AS {self.at('tail', column)}"
        )

    # --- what is asked of a row, joined with its tails -----------------------------------------

    def joined(self) -> str:
        """Give the rows, as `r`, with their tails, as `b`."""
        return f"{ROWS} AS r JOIN {_TAILS} AS b USING ({self.row})"

    def tail(self, column: str) -> str:
        """Give minus the logarithm of a value's tail; null where it isn't judged."""
        return f"b.{self.at('tail', column)}"

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
    return f"{literal(f'{column} ')} || {shown(column)} || ' (' || {share} || ' % are as far out)'"
