"""The SQL of bounds around a column's centre, by group, and of how far a value is from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from arrowetl.sql import INPUT, literal, name
from arrowetl.transforms._exact import exact_mean

THRESHOLDS: Mapping[str, float] = {"zscore": 3.0, "iqr": 1.5, "mad": 3.5}
METHODS = (*THRESHOLDS, "combined")

ROWS, WHOLE = name("arrowetl:rows"), name("arrowetl:whole")
CENTRES, _SPREADS = name("arrowetl:centres"), name("arrowetl:spreads")
_BOUNDS = name("arrowetl:bounds")

_MAD, _MEAN_AD = 0.6745, 1.253314
_DIFFERENT = 0.95
"""From this share of different values on, integers are ids."""


@dataclass(frozen=True)
class Bounds:
    """What the statement of a detector is made of.

    Attributes:
        columns: what is judged.
        groups: whose equal values are judged by themselves.
        method: how the bounds are drawn.
        limits: each method's threshold.
        least: how many values a group needs.
        codes: the integers that may be ids or codes, with the most values that codes have.
        scale: `linear`, or `log` to judge orders of magnitude.
        covered: the columns of which reasons tell no value.
    """

    columns: tuple[str, ...]
    groups: tuple[str, ...]
    method: str
    limits: Mapping[str, float]
    least: int
    codes: Mapping[str, int]
    scale: str = "linear"
    covered: frozenset[str] = frozenset()

    row = name("arrowetl:row")

    @property
    def parts(self) -> tuple[str, ...]:
        """The methods whose bounds are drawn."""
        return tuple(THRESHOLDS) if self.method == "combined" else (self.method,)

    def double(self, column: str) -> str:
        """Give a row's value as a double, on the scale by which it is judged."""
        value = f"r.{name(column)}::DOUBLE"
        return value if self.scale == "linear" else f"(sign({value}) * ln(1 + abs({value})))"

    def plain(self, value: str) -> str:
        """Give a value on the scale as the number that it stands for."""
        if self.scale == "linear":
            return value
        return f"(sign({value}) * (exp(abs({value})) - 1))"

    def finite(self, column: str) -> str:
        """Give a row's value as `double` does; null for infinities and NaN."""
        value = self.double(column)
        return f"CASE WHEN isfinite({value}) THEN {value} END"

    def at(self, what: str, column: str) -> str:
        """Give the name of what is known of a column."""
        return name(f"arrowetl:{what}:{self.columns.index(column)}")

    def counted(self) -> list[str]:
        """Give CTEs of the rows by number, of each column as a whole, and by group."""
        numbered = f"SELECT *, row_number() OVER () AS {self.row} FROM {INPUT}"
        # Without an aggregate in it, a FROM would give a line a row.
        rows = f" FROM {ROWS} AS r" if self.codes else ""
        return [
            f"{ROWS} AS MATERIALIZED ({numbered})",
            f"{WHOLE} AS MATERIALIZED (SELECT {', '.join(self._whole())}{rows})",
            f"{CENTRES} AS MATERIALIZED (SELECT {self._grouped(self._centres())})",
        ]

    def ctes(self) -> str:
        """Give the CTEs, up to one with the bounds of each group."""
        more = [
            f"{_SPREADS} AS MATERIALIZED ({self._spread_select()})",
            f"{_BOUNDS} AS MATERIALIZED ({self._bounds_select()})",
        ]
        return ", ".join([*self.counted(), *more])

    def _whole(self) -> Iterator[str]:
        """Say of each column over all groups whether it measures something."""
        for column in self.columns:
            used = "true"
            if column in self.codes:
                different = f"approx_count_distinct(r.{name(column)})"
                count = f"count(r.{name(column)})"
                used = (
                    f"{different} > {self.codes[column]} AND "
                    f"{different} < {literal(_DIFFERENT)} * {count}"
                )
            yield f"{used} AS {self.at('used', column)}"

    def _grouped(self, items: Iterator[str]) -> str:
        keys = [f"r.{name(group)} AS {self._key(at)}" for at, group in enumerate(self.groups)]
        by = f" GROUP BY {', '.join(f'r.{name(group)}' for group in self.groups)}"
        return f"{', '.join([*keys, *items])} FROM {ROWS} AS r{by if self.groups else ''}"

    @staticmethod
    def _key(at: int) -> str:
        return name(f"arrowetl:group:{at}")

    def _centres(self) -> Iterator[str]:
        for column in self.columns:
            value = self.finite(column)
            yield f"count({value}) AS {self.at('n', column)}"
            if "zscore" in self.parts:
                # A sum's last digit may put the mean of equal values beside them.
                mean = f"greatest(min({value}), least(max({value}), {exact_mean(f'({value})')}))"
                yield f"{mean} AS {self.at('mean', column)}"
            if {"iqr", "mad"} & set(self.parts):
                yield (
                    f"quantile_cont({value}, [0.25, 0.5, 0.75]) AS {self.at('quarters', column)}"
                )

    def _spread_select(self) -> str:
        """Give a SELECT of what needs the centres first."""
        items: list[str] = []
        for column in self.columns:
            value = self.finite(column)
            if "zscore" in self.parts:
                off = f"({value} - c.{self.at('mean', column)})"
                items.append(f"{exact_mean(f'({off} * {off})')} AS {self.at('variance', column)}")
            if "mad" in self.parts:
                off = f"abs({value} - c.{self.at('quarters', column)}[2])"
                items.append(f"median({off}) AS {self.at('mad', column)}")
                items.append(f"{exact_mean(f'({off})')} AS {self.at('aside', column)}")
        if not items:
            return f"SELECT * FROM {CENTRES}"
        keys = [f"c.{self._key(at)}" for at in range(len(self.groups))]
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        joined = f"{ROWS} AS r {self.join('c', CENTRES)}"
        return f"SELECT {', '.join([*keys, *items])} FROM {joined}{by}"

    def join(self, alias: str, table: str) -> str:
        """Join the rows, `r`, with what a table knows of their groups."""
        if not self.groups:
            return f"CROSS JOIN {table} AS {alias}"
        on = " AND ".join(
            f"r.{name(group)} IS NOT DISTINCT FROM {alias}.{self._key(at)}"
            for at, group in enumerate(self.groups)
        )
        return f"JOIN {table} AS {alias} ON {on}"

    def _bounds_select(self) -> str:
        items = [f"c.{self._key(at)}" for at in range(len(self.groups))]
        for column in self.columns:
            judged = f"w.{self.at('used', column)} AND c.{self.at('n', column)} >= {self.least}"
            low, middle, high = self._ends(column)
            # Of bounds further apart than any double says, no distance can be told.
            spread = f"{judged} AND {high} > {low} AND isfinite({high} - {low})"
            for what, sql in (("low", low), ("middle", middle), ("high", high)):
                items.append(f"CASE WHEN {spread} THEN {sql} END AS {self.at(what, column)}")
        on = " AND ".join(
            f"c.{self._key(at)} IS NOT DISTINCT FROM s.{self._key(at)}"
            for at in range(len(self.groups))
        )
        spreads = f"LEFT JOIN {_SPREADS} AS s ON {on or 'true'}"
        return f"SELECT {', '.join(items)} FROM {CENTRES} AS c {spreads} CROSS JOIN {WHOLE} AS w"

    def _ends(self, column: str) -> tuple[str, str, str]:
        """Give the lower bound, the centre and the upper bound."""
        ends = {part: getattr(self, f"_{part}")(column) for part in self.parts}
        if self.method != "combined":
            low, middle, high = ends[self.method]
            return low, middle, high
        lows, _, highs = zip(*ends.values(), strict=True)
        return self._second(lows, "DESC"), ends["mad"][1], self._second(highs, "ASC")

    @staticmethod
    def _second(bounds: tuple[str, ...], order: str) -> str:
        """Give the bound beyond which a value is outside for two; null where there aren't two."""
        return f"list_sort([{', '.join(bounds)}], '{order}', 'NULLS LAST')[2]"

    def _zscore(self, column: str) -> tuple[str, str, str]:
        mean = f"c.{self.at('mean', column)}"
        n, variance = f"c.{self.at('n', column)}", f"s.{self.at('variance', column)}"
        reach = f"{literal(self.limits['zscore'])} * sqrt({variance} * {n} / ({n} - 1))"
        return self._around(mean, f"CASE WHEN {n} > 1 AND {variance} > 0 THEN {reach} END")

    def _iqr(self, column: str) -> tuple[str, str, str]:
        quarters = f"c.{self.at('quarters', column)}"
        reach = f"{literal(self.limits['iqr'])} * nullif({quarters}[3] - {quarters}[1], 0)"
        return f"({quarters}[1] - {reach})", f"{quarters}[2]", f"({quarters}[3] + {reach})"

    def _mad(self, column: str) -> tuple[str, str, str]:
        middle = f"c.{self.at('quarters', column)}[2]"
        mad, aside = f"s.{self.at('mad', column)}", f"s.{self.at('aside', column)}"
        spread = (
            f"CASE WHEN {mad} > 0 THEN {mad} / {literal(_MAD)} "
            f"WHEN {aside} > 0 THEN {aside} * {literal(_MEAN_AD)} END"
        )
        return self._around(middle, f"{literal(self.limits['mad'])} * ({spread})")

    @staticmethod
    def _around(middle: str, reach: str) -> tuple[str, str, str]:
        return f"({middle} - ({reach}))", middle, f"({middle} + ({reach}))"

    # --- what is asked of a row, joined with the bounds of its group -------------------------

    def joined(self) -> str:
        """Give the rows, as `r`, with the bounds of their groups, as `b`."""
        return f"{ROWS} AS r {self.join('b', _BOUNDS)}"

    def middle(self, column: str) -> str:
        """Give a column's centre; null where it isn't judged."""
        return f"b.{self.at('middle', column)}"

    def is_judged(self, column: str) -> str:
        """Give the predicate that a value is judged."""
        known = f"coalesce({self.double(column)}, 'nan')"
        return f"{self.middle(column)} IS NOT NULL AND NOT isnan({known})"

    def bound(self, column: str, end: str, factor: str = "1") -> str:
        """Give a bound, so many times as far from the centre as it is drawn."""
        middle, at = self.middle(column), f"b.{self.at(end, column)}"
        return at if factor == "1" else f"({middle} + ({at} - {middle}) * {factor})"

    def outside(self, column: str, factor: str = "1") -> str:
        """Give the predicate that a row's value is outside; null where it isn't judged."""
        value = self.double(column)
        low, high = (self.bound(column, end, factor) for end in ("low", "high"))
        return f"(NOT isnan({value}) AND ({value} < {low} OR {value} > {high}))"

    def score(self) -> str:
        """Give the distance of the worst value from its centre, over that of the bound."""
        scores = []
        for column in self.columns:
            value, middle = self.double(column), self.middle(column)
            low, high = (self.bound(column, end) for end in ("low", "high"))
            # Halves: the distance of two doubles may be none.
            above = f"({value} / 2 - {middle} / 2) / ({high} - {middle}) * 2"
            below = f"({middle} / 2 - {value} / 2) / ({middle} - {low}) * 2"
            scores.append(
                f"CASE WHEN isnan({value}) THEN NULL "
                f"WHEN {value} > {middle} THEN {above} ELSE {below} END"
            )
        return f"coalesce(greatest({', '.join(scores)}), 0)"
