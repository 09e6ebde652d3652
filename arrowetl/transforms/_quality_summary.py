"""What QualityScorer saw: missing values by column, broken rules with samples, scores."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from arrowetl.observing import LOOKED_AT, SEEN, Observer, different, told
from arrowetl.rules import Rule, words

SHOWN = 60
"""Characters of a sample."""

SCHEMA = pa.schema(
    [
        ("about", pa.string()),
        ("criterion", pa.string()),
        ("rows", pa.int64()),
        ("broken", pa.int64()),
        ("share", pa.float64()),
        ("samples", pa.list_(pa.string())),
    ]
)
"""A row a column, a rule, and one for the scores: `broken` counts missing values, broken rules,
and rows below the least score; `share` is of the rows, for the scores their mean."""


class Summary(Observer):
    """Counts what a scorer says of the rows."""

    def __init__(
        self, columns: Sequence[str], rules: Sequence[Rule], least: float | None, samples: int
    ) -> None:
        """Nothing is seen yet."""
        self._columns, self._rules, self._least = tuple(columns), tuple(rules), least
        self._samples = samples
        self._rows = self._low = 0
        self._missing = np.zeros(len(self._columns), np.int64)
        self._broken = np.zeros(len(self._rules), np.int64)
        self._found: list[list[str]] = [[] for _ in rules]
        # Scores have twelve places: so added up, the order of rows doesn't matter.
        self._total = 0

    def see(self, batch: pa.RecordBatch) -> None:
        """Count one batch."""
        score, *masks = batch[SEEN].flatten()
        scores = score.to_numpy()
        self._rows += batch.num_rows
        self._total += int(np.rint(scores * 1e12).astype(np.int64).sum())
        if self._least is not None:
            self._low += int((scores < self._least).sum())
        self._missing += [batch[column].null_count for column in self._columns]
        for at, (word, mask) in enumerate(zip(words(self._rules), masks, strict=True)):
            self._see_word(batch, at * len(words(self._rules)[0]), word, mask.to_numpy())

    def _see_word(
        self, batch: pa.RecordBatch, first: int, word: Sequence[Rule], mask: np.ndarray[Any, Any]
    ) -> None:
        # Most rows break nothing; the others are few to look at for each rule.
        broken = np.flatnonzero(mask)
        if not broken.size:
            return
        mask = mask[broken]
        for bit, rule in enumerate(word):
            rows = broken[(mask & np.uint64(1 << bit)) != 0]
            self._broken[first + bit] += rows.size
            known = self._found[first + bit]
            if rows.size and len(known) < self._samples:
                shown = _shown(batch, rule, rows[:LOOKED_AT])
                self._found[first + bit] = different(known, shown, self._samples)

    def summary(self) -> pa.Table:
        """Give a line a column, a rule, and one for the score."""
        mean = self._total / 1e12 / self._rows if self._rows else math.nan
        low = None if self._least is None else self._low
        lines: list[tuple[Any, ...]] = [("score", "", self._rows, low, mean, [])]
        lines += [
            (column, "completeness", self._rows, int(missing), self._share(missing), [])
            for column, missing in zip(self._columns, self._missing, strict=True)
        ]
        lines += [
            (rule.name, rule.criterion, self._rows, int(broken), self._share(broken), found)
            for rule, broken, found in zip(self._rules, self._broken, self._found, strict=True)
        ]
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(zip(*lines, strict=True), SCHEMA, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)

    def _share(self, count: Any) -> float:
        return float(count) / self._rows if self._rows else 0.0


def _shown(batch: pa.RecordBatch, rule: Rule, rows: np.ndarray[Any, Any]) -> list[str]:
    """Give the values of some rows that broke a rule; of a predicate, those that it mentions."""
    if rule.column is not None:
        return [value[:SHOWN] for value in told(batch, rule.column, rows.tolist())]
    columns = [each for each in batch.schema.names if not each.startswith("arrowetl:")]
    mentioned = [each for each in columns if _mentions(rule.sql or "", each)]
    pairs = [
        [f"{column}={value}" for value in told(batch, column, rows.tolist())]
        for column in mentioned or columns
    ]
    return [", ".join(row)[: 2 * SHOWN] for row in zip(*pairs, strict=True)]


def _mentions(sql: str, column: str) -> bool:
    """Say whether a predicate has a column's name in it, as a whole word in any case."""
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", sql, re.IGNORECASE) is not None
