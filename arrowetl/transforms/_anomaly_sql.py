"""The SELECT of an AnomalyDetector: what a method says of a row, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arrowetl.observing import SEEN, SET_APART, UNTOLD
from arrowetl.sql import literal, name
from arrowetl.transforms._anomaly_bounds import Bounds

FACTOR = name("arrowetl:factor")
_SHOWN = 40
_UNTOLD = literal(UNTOLD)


@dataclass(frozen=True)
class Said:
    """What a method says of a row, in SQL over `source`, where its columns are those of `r`.

    Attributes:
        ctes: what `source` needs, in order.
        source: the rows as `r`, with what is known of them.
        row: the column with a row's number.
        found: whether it is an anomaly; null counts as not.
        score: how near it is to being one, above 1 if it is.
        reason: why, a text; null where it isn't one.
        column: the one to blame first.
        seen: what `Summary` takes.
    """

    ctes: str
    source: str
    row: str
    found: str
    score: str
    reason: str
    column: str
    seen: str

    def statement(self, columns: Sequence[str], action: str) -> str:
        """Give the SELECT that flags, filters or rejects, in the rows' order."""
        listed = [f"r.{name(column)}" for column in columns]
        order = f"ORDER BY r.{self.row}"
        if action == "filter":
            return (
                f"WITH {self.ctes} SELECT {', '.join(listed)} FROM {self.source} "
                f"WHERE NOT coalesce({self.found}, false) {order}"
            )
        if action == "flag":
            listed += [
                f"coalesce({self.found}, false) AS is_anomaly",
                f"{self.score} AS anomaly_score",
                f"{self.reason} AS anomaly_reason",
            ]
        else:
            fields = f"{{'code': 'anomaly', 'reason': {self.reason}, 'column': {self.column}}}"
            listed.append(f"CASE WHEN {self.found} THEN {fields} END AS {name(SET_APART)}")
        listed.append(f"{self.seen} AS {name(SEEN)}")
        return f"WITH {self.ctes} SELECT {', '.join(listed)} FROM {self.source} {order}"


def share_factor(score: str, source: str, contamination: float | None) -> str:
    """Give a CTE with the score beyond which the wanted share of rows is, if one is wanted."""
    if contamination is None:
        return ""
    scores = f"SELECT {score} AS score FROM {source}"
    # Of more infinities than the share all are found, and nothing else.
    largest = "coalesce(max(score) FILTER (isfinite(score)), 1)"
    wanted = f"least(quantile_disc(score, {literal(1 - contamination)}), {largest})"
    return f", {FACTOR} AS (SELECT coalesce(nullif({wanted}, 0), 1) AS factor FROM ({scores}))"


def bounded(bounds: Bounds, contamination: float | None) -> Said:
    """Say which values are outside of their bounds."""
    factor = share_factor(bounds.score(), bounds.joined(), contamination)
    outside = {c: bounds.outside(c, "f.factor" if factor else "1") for c in bounds.columns}
    reasons = ", ".join(
        f"CASE WHEN {test} THEN {_reason(c, bounds, bool(factor))} END"
        for c, test in outside.items()
    )
    return Said(
        ctes=f"{bounds.ctes()}{factor}",
        source=f"{bounds.joined()}{f' CROSS JOIN {FACTOR} AS f' if factor else ''}",
        row=bounds.row,
        found=" OR ".join(outside.values()),
        score=bounds.score() + (" / f.factor" if factor else ""),
        reason=f"nullif(concat_ws('; ', {reasons}), '')",
        column=_first(outside),
        seen=_seen(outside, bounds),
    )


def shown(column: str, bounds: Bounds) -> str:
    """Give a row's value as a text, its first letters."""
    return _UNTOLD if column in bounds.covered else f"left(r.{name(column)}::VARCHAR, {_SHOWN})"


def _reason(column: str, bounds: Bounds, scaled: bool) -> str:
    factor = "f.factor" if scaled else "1"
    ends = (bounds.plain(bounds.bound(column, end, factor)) for end in ("low", "high"))
    # A bound may be a value, and that of few values tells them.
    low, high = (_UNTOLD,) * 2 if column in bounds.covered else map(_rounded, ends)
    above = f"' is above ' || {high}"
    below = f"' is below ' || {low}"
    side = f"CASE WHEN {bounds.double(column)} > {bounds.middle(column)} THEN {above} ELSE {below}"
    return f"{literal(f'{column} ')} || {shown(column, bounds)} || {side} END"


def _rounded(number: str) -> str:
    """Give a number to four digits, as a text."""
    return f"format('{{:.4g}}', {number})"


def _first(outside: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {test} THEN {literal(column)}" for column, test in outside.items())
    return f"CASE {cases} END"


def _seen(outside: Mapping[str, str], bounds: Bounds) -> str:
    """Give a struct of two lists of flags, a column each: whether it was judged, and is outside."""
    judged = ", ".join(f"({bounds.is_judged(column)})" for column in outside)
    tests = ", ".join(f"coalesce({test}, false)" for test in outside.values())
    return f"{{'judged': [{judged}], 'outside': [{tests}]}}"
