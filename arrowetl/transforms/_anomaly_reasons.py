"""What a fitted forest says of a batch: scores, and which columns an anomaly owes its score to."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import Flags
from arrowetl.observing import SEEN, SET_APART, UNTOLD

if TYPE_CHECKING:
    from arrowetl.ml.features import Feature, Prepared
    from arrowetl.ml.grams import Rows
    from arrowetl.ml.kept_forest import FittedForest
    from arrowetl.ml.weights import Floats

ADDED = (
    pa.field("is_anomaly", pa.bool_()),
    pa.field("anomaly_score", pa.float64()),
    pa.field("anomaly_reason", pa.string()),
)
"""What is added to rows that are flagged."""
_NAMED = 3
"""So many columns are named, at most."""
_MUCH = 0.5
"""A column is named if the score owes it so much of what it owes the first."""
_SHOWN = 40


def answered(
    batch: pa.RecordBatch,
    known: FittedForest,
    *,
    threshold: float,
    columns: Sequence[str],
    action: str,
    covered: Collection[str] = (),
) -> pa.RecordBatch:
    """Give the batch with what is found, or without the anomalies.

    Args:
        batch: the rows.
        known: the forest.
        threshold: the score above which a row is an anomaly.
        columns: what the observer is told of.
        action: `flag`, `filter` or `reject`.
        covered: the columns of which reasons tell no value.
    """
    seen, scores = _judged(batch, known, threshold)
    found = scores > 1
    if action == "filter":
        return batch.filter(pa.array(~found))
    blame = _blame(known, seen, found)
    reasons = _reasons(batch, known.features, blame, covered)
    if action == "flag":
        for field, column in zip(ADDED, (pa.array(found), pa.array(scores), reasons), strict=True):
            batch = batch.append_column(field, column)
    else:
        first = pa.array([each.column for each in known.features], pa.string())
        fields = {
            "code": pc.if_else(pa.array(found), "anomaly", None),
            "reason": reasons,
            "column": _placed(first.take(pa.array(blame.columns[:, 0])), blame),
        }
        apart = pa.StructArray.from_arrays(
            list(fields.values()), names=list(fields), mask=pa.array(~found)
        )
        batch = batch.append_column(SET_APART, apart)
    return batch.append_column(SEEN, _told(columns, known.features, seen, blame))


def _judged(
    batch: pa.RecordBatch, known: FittedForest, threshold: float
) -> tuple[Prepared | None, Floats]:
    """Give the rows as numbers, and how many times the threshold each one's score is."""
    from arrowetl.ml._threads import cores
    from arrowetl.ml.features import prepared

    if known.forest is None:
        return None, np.zeros(batch.num_rows)
    seen = prepared(batch, known.features)
    scores = known.forest.scores(seen.rows, threads=cores()) / threshold
    if seen.infinite is not None:
        scores[seen.infinite.any(axis=1)] = math.inf
    return seen, scores


@dataclass(frozen=True)
class Blame:
    """Which columns anomalies owe their scores to."""

    batch: int
    """How many rows the batch has."""
    rows: Rows
    """The anomalies' places in it."""
    columns: Rows
    """Shape (anomalies, at least 1): features by number, the first the most; -1 for no more."""


def _blame(known: FittedForest, seen: Prepared | None, found: Flags) -> Blame:
    from arrowetl.ml._threads import cores

    rows = np.flatnonzero(found)
    if seen is None or known.forest is None or not len(rows):
        return Blame(len(found), rows, np.full((len(rows), 1), -1))
    centre = np.array([each.centre for each in known.features], np.float32)
    falls = known.forest.falls(seen.rows[rows], centre, threads=cores())
    if seen.infinite is not None:
        falls[seen.infinite[rows]] = math.inf
    order = np.argsort(-falls, axis=1, kind="stable")[:, :_NAMED]
    owed = np.take_along_axis(falls, order, axis=1)
    much = owed >= np.maximum(owed[:, :1] * _MUCH, 0)
    much[:, 0] = True
    much[:, 1:] &= owed[:, 1:] > 0
    return Blame(len(found), rows, np.where(much, order, -1))


def _reasons(
    batch: pa.RecordBatch, features: Sequence[Feature], blame: Blame, covered: Collection[str]
) -> pa.Array:
    """Give a text a row: the columns that are to blame, their values, and what is usual."""
    rows = batch.take(pa.array(blame.rows))
    count = len(blame.rows)
    places = [np.flatnonzero((blame.columns == at).any(axis=1)) for at in range(len(features))]
    texts = [
        _text(rows[feature.column].take(pa.array(some)), feature, feature.column in covered)
        for feature, some in zip(features, places, strict=True)
    ]
    every = pa.concat_arrays([pa.array([], pa.string()), *texts])
    # Where the text of a row and a column is, among all that were written.
    where = np.full((count, len(features) + 1), -1)
    start = 0
    for at, some in enumerate(places):
        where[some, at] = start + np.arange(len(some))
        start += len(some)
    parts = [
        every.take(pa.array(numbers, mask=numbers < 0))
        for numbers in (where[np.arange(count), side] for side in blame.columns.T)
    ]
    joined = pc.binary_join_element_wise(*parts, "; ", null_handling="skip")
    return _placed(joined, blame)


def _placed(values: pa.Array, blame: Blame) -> pa.Array:
    """Give the anomalies' values in the places of their rows; null elsewhere."""
    places = np.full(blame.batch, -1)
    places[blame.rows] = np.arange(len(blame.rows))
    return values.take(pa.array(places, mask=places < 0))


def _text(values: pa.Array, feature: Feature, covered: bool) -> pa.Array:
    texts = _as_text(values)
    if covered:
        texts = pc.if_else(texts.is_valid(), UNTOLD, None)
    shown = pc.utf8_slice_codeunits(texts, 0, _SHOWN).fill_null("null")
    head, usual = f"{feature.column} ", _usual(values, feature, covered)
    return pc.binary_join_element_wise(head, shown, usual, "").cast(pa.string())


def _usual(values: pa.Array, feature: Feature, covered: bool) -> pa.Array | str:
    if feature.words is None and covered:
        return ""
    if feature.words is None:
        return f" (usually {feature.low:.4g} to {feature.high:.4g})"
    codes, valid = feature.numbers(values)
    shares = pa.array((100 * np.exp(-codes)).round(3)).cast(pa.string())
    share = pc.binary_join_element_wise(" (in ", shares, " % of rows)", "")
    rare = pa.array(valid & (codes >= feature.rare))
    return pc.if_else(rare, f" (once or never in {feature.rows:,} rows)", share)


def _as_text(values: pa.Array) -> pa.Array:
    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kinds.is_float16(values.type):
        values = values.cast(pa.float32())
    return values.cast(pa.string())


def _told(
    columns: Sequence[str], features: Sequence[Feature], seen: Prepared | None, blame: Blame
) -> pa.StructArray:
    """Tell the observer, by column, whether a value was judged and is to blame."""
    judged, outside = (np.zeros((blame.batch, len(columns)), np.bool_) for _ in range(2))
    for at, feature in enumerate(features):
        place = columns.index(feature.column)
        judged[:, place] = True if seen is None or seen.known is None else seen.known[:, at]
        outside[blame.rows[(blame.columns == at).any(axis=1)], place] = True
    parts = [_lists(each) for each in (judged, outside)]
    return pa.StructArray.from_arrays(parts, names=["judged", "outside"])


def _lists(flags: Flags) -> pa.Array:
    flat = pa.array(flags.reshape(-1), pa.bool_())
    return pa.FixedSizeListArray.from_arrays(flat, flags.shape[1])
