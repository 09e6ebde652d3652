"""What can change in a column: each check says so in words, with what was before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.profiling._distances import (
    Cumulative,
    by_chance,
    distance_by_chance,
    expected_counts,
    mean_shift,
    more_or_fewer,
    repeats_by_chance,
    stability,
    stability_by_chance,
)
from arrowetl.profiling._types import arrow_type
from arrowetl.profiling._wording import different, number, share
from arrowetl.profiling.compare import Change, Thresholds
from arrowetl.profiling.profile import ColumnProfile, NumberStatistics, TypeFound

Changes = Iterator[Change]
_PLENTY = 5_000
"""So many different rows make a key that is more than a coincidence."""
_DISTINCT = 1.25
"""The factor between numbers of different values that matters."""
_INFERRED = 0.9
"""The share of texts that have a type, below which it isn't inferred as a rule."""
_COMMON = 0.5
"""The share from which on a pattern is one of the column."""


def _missing(column: ColumnProfile) -> int:
    return column.nulls + sum(each.count for each in column.null_words)


def _meant(column: ColumnProfile) -> int:
    return column.rows - _missing(column)


def _severity(chance: float, limits: Thresholds) -> str:
    return "warning" if chance < limits.alpha else "info"


def types(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell another type, or texts that can't be read as they could."""
    if old.type != new.type:
        wider = _widens(arrow_type(old.type), arrow_type(new.type))
        text = "the type is wider" if wider else "the type is another"
        yield Change("warning" if wider else "error", "type", old.name, old.type, new.type, text)
        return
    before, after = old.inferred, new.inferred
    if before is None and after is not None:
        yield Change("info", "type", old.name, old.type, after.type, "the texts now read as values")
    if before is None or not _meant(new):
        return
    if after is not None and _family(before) == _family(after):
        if before.type != after.type and _family(before)[0] == "number":
            text = "the numbers have other digits"
            yield Change("info", "type", old.name, before.type, after.type, text)
        return
    readable = max((e.count for e in new.types if _family(e) == _family(before)), default=0)
    chance = by_chance(before.count, before.of, readable, _meant(new))
    was = f"{before.type} ({share(before.confidence)} of {before.of:,})"
    part = readable / _meant(new)
    now = f"{share(part)} of {_meant(new):,}"
    text = f"fewer texts can be read as {before.type}, written {before.format or 'as usual'}"
    # The column would be inferred to be text.
    lost = part < _INFERRED and (chance < limits.alpha or not readable)
    severity = "error" if lost else _severity(chance, limits)
    yield Change(severity, "type", old.name, was, now, text)


def _family(found: TypeFound) -> tuple[str, str | None]:
    kind = found.arrow
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        return "number", None
    return found.type, found.format


def _widens(old: pa.DataType, new: pa.DataType) -> bool:
    numeric = (kinds.is_signed_integer, kinds.is_unsigned_integer, kinds.is_floating)
    if any(test(old) and test(new) for test in numeric):
        return bool(old.bit_width < new.bit_width)
    text = kinds.is_string, kinds.is_large_string, kinds.is_string_view
    return any(test(old) for test in text) and any(test(new) for test in text)


def nulls(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell more or fewer nulls, and the first ones."""
    gone = (_missing(old), _missing(new))
    if not old.rows or not new.rows or gone == (0, 0):
        return
    shares = (gone[0] / old.rows, gone[1] / new.rows)
    chance = by_chance(gone[0], old.rows, gone[1], new.rows)
    told = [
        f"{share(part)} of {side.rows:,}" for part, side in zip(shares, (old, new), strict=True)
    ]
    if not gone[0]:
        text = "there are nulls, or words for them, where there were none"
        yield Change(_severity(chance, limits), "nulls", old.name, told[0], told[1], text)
    elif abs(shares[1] - shares[0]) >= limits.nulls and chance < limits.alpha:
        text = "more values are null" if shares[1] > shares[0] else "fewer values are null"
        yield Change("warning", "nulls", old.name, told[0], told[1], text)


def differents(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell more or fewer different values than the numbers of rows explain."""
    if old.distinct is None or new.distinct is None:
        return
    found = more_or_fewer(old.distinct, _meant(old), new.distinct, _meant(new), alpha=limits.alpha)
    if found is None:
        return
    word, factor = found
    told = [f"{different(side)} in {_meant(side):,}" for side in (old, new)]
    ratio = new.distinct.count / _meant(new) / (old.distinct.count / _meant(old))
    if max(factor, ratio, 1 / ratio) >= _DISTINCT:
        text = f"there are {word} different values"
        yield Change("warning", "distinct", old.name, told[0], told[1], text)


def keys(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell a key that isn't unique any more."""
    if not old.key or new.key or new.distinct is None or not _meant(new):
        return
    repeats = _meant(new) - new.distinct.count
    told = f"{repeats:,} of {_meant(new):,} repeat another"
    if not new.distinct.exact and repeats <= 5 * new.distinct.error * new.distinct.count:
        # Too few to be counted; but some were seen, or nulls are why it is no key.
        repeats = 0 if _missing(new) else 1
        told = "some repeat another"
    if repeats <= 0:
        return
    chance = repeats_by_chance(repeats, _meant(old), _meant(new))
    severity = "info" if old.rows < _PLENTY else "warning"
    severity = "error" if chance < limits.alpha else severity
    yield Change(severity, "key", old.name, old.key, told, "the values don't identify a row")


def values(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell new and missing values of an enumeration, and other shares of values."""
    if old.enum is not None and new.top:
        yield from _enumerated(old, new, limits)
    if old.numbers or old.times or new.numbers or new.times or not old.top or not new.top:
        return
    categories = dict.fromkeys(each.value for side in (old, new) for each in side.top)
    counts = _counts(old, new, tuple(categories))
    if counts is None:
        return
    found = stability(*counts)
    noise = stability_by_chance(len(counts[0]), _meant(old), _meant(new), limits.alpha)
    if found >= max(limits.stability, noise):
        told = [_frequent(side) for side in (old, new)]
        much = "much " if found >= 0.25 else ""  # noqa: PLR2004 - Siddiqi's second threshold
        text = f"the values have {much}other shares (population stability index {found:.2f})"
        yield Change("warning", "distribution", old.name, told[0], told[1], text)


def _enumerated(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    known, counts = set(old.enum or ()), {each.value: each.count for each in new.top}
    told = f"{len(known):,} values"
    seen = list(dict.fromkeys([*counts, *(new.enum or ())]))
    if fresh := [each for each in seen if each not in known]:
        rows = max(sum(counts.get(each, 0) for each in fresh), 1)
        chance = by_chance(0, _meant(old), rows, _meant(new))
        text = (
            f"{len(fresh):,} {_values_are(fresh)} new, in at least {rows:,} of {_meant(new):,} rows"
        )
        yield Change(_severity(chance, limits), "new values", old.name, told, _some(fresh), text)
    gone = [
        each.value
        for each in old.top
        if new.enum is not None and each.value in known and each.value not in new.enum
        if by_chance(each.count, _meant(old), 0, _meant(new)) < limits.alpha
    ]
    if gone:
        text = f"{len(gone):,} frequent {_values_are(gone)} gone"
        yield Change("warning", "missing values", old.name, _some(gone), "", text)


def _values_are(found: list[str]) -> str:
    return "value is" if len(found) == 1 else "values are"


def _some(found: list[str]) -> str:
    return ", ".join(repr(each) for each in found[:5]) + (", ..." if len(found) > 5 else "")  # noqa: PLR2004


def _counts(
    old: ColumnProfile, new: ColumnProfile, categories: tuple[str, ...]
) -> tuple[list[float], list[float]] | None:
    """Give how often each value occurs, and all others; None if the lists can't be compared."""
    rows = (_meant(old), _meant(new))
    # Masked values stand for several each, so that a list has them more than once.
    once = all(len({e.value for e in side.top}) == len(side.top) for side in (old, new))
    if not once or min(rows) <= 0:
        return None
    first, second = _known(old), _known(new)
    mine = {each: second.get(each, (0, 0))[0] / rows[1] for each in categories}
    theirs = {each: first.get(each, (0, 0))[0] / rows[0] for each in categories}
    counts = (
        expected_counts(first, mine, rows[0], _unseen(old)),
        expected_counts(second, theirs, rows[1], _unseen(new)),
    )
    return tuple([*each, max(0.0, n - sum(each))] for each, n in zip(counts, rows, strict=True))  # type: ignore[return-value]


def _known(column: ColumnProfile) -> dict[str, tuple[int, int]]:
    return {each.value: (each.count, each.count + each.error) for each in column.top}


def _unseen(column: ColumnProfile) -> int:
    found = column.distinct
    if found is not None and found.exact and found.count <= len(column.top):
        return 0
    return min((each.count + each.error for each in column.top), default=0)


def _frequent(column: ColumnProfile) -> str:
    some = (f"{each.value!r} {share(each.count / _meant(column))}" for each in column.top[:3])
    return ", ".join(some)


def numbers(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell numbers that are spread otherwise, or have another mean; and ones that aren't finite."""
    first, second = old.numbers or old.lengths, new.numbers or new.lengths
    if first is None or second is None:
        return
    odd = [each.nans + each.infinities for each in (first, second)]
    chance = by_chance(odd[0], first.count + odd[0], odd[1], second.count + odd[1])
    if odd[1] and not odd[0]:
        text = "there are NaN or infinite numbers where there were none"
        yield Change(_severity(chance, limits), "not finite", old.name, "0", f"{odd[1]:,}", text)
    if not first.histogram or not second.histogram:
        return
    curves = (
        Cumulative.of(first.histogram, first.quantiles),
        Cumulative.of(second.histogram, second.quantiles),
    )
    told = [_spread(each) for each in (first, second)]
    if found := _apart(curves, (first.count, second.count), limits):
        text = f"the numbers are spread otherwise (Kolmogorov-Smirnov distance {found:.2f})"
        severity = "warning"
        if _goes_on(old, new, first, second):
            text, severity = f"{text}: a key that goes on", "info"
        yield Change(severity, "distribution", old.name, told[0], told[1], text)
        return
    shift = mean_shift(first, second)
    if abs(shift.effect) >= limits.mean and shift.chance < limits.alpha:
        text = f"the mean has moved by {abs(shift.effect):.2g} standard deviations"
        means = (number(first.mean), number(second.mean))
        yield Change("warning", "mean", old.name, *means, text)


def _goes_on(
    old: ColumnProfile, new: ColumnProfile, first: NumberStatistics, second: NumberStatistics
) -> bool:
    """Say whether whole numbers that identify rows grow, as the times of the rows do."""
    if not (old.key and new.key) or None in (first.minimum, first.maximum):
        return False
    whole = first.whole == first.count and second.whole == second.count
    ends = (
        (second.minimum or 0) >= (first.minimum or 0),
        (second.maximum or 0) > (first.maximum or 0),
    )
    return whole and all(ends)


def _spread(found: NumberStatistics) -> str:
    at = {each.at: each.value for each in found.quantiles}
    return f"median {number(at[0.5])}, middle half {number(at[0.25])} to {number(at[0.75])}"


def _apart(
    curves: tuple[Cumulative, Cumulative], rows: tuple[int, int], limits: Thresholds
) -> float | None:
    """Give the distance if it matters, and isn't chance or the coarseness of what is known."""
    found = curves[0].distance(curves[1])
    coarse = max(each.coarseness for each in curves)
    noise = distance_by_chance(*rows, limits.alpha) + coarse
    return found if found >= max(limits.distance, noise) else None


def times(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell times that are spread otherwise; mostly they just go on, so it is information."""
    first, second = old.times, new.times
    if not (first and second and first.histogram and second.histogram):
        return
    curves = (Cumulative.of(first.histogram), Cumulative.of(second.histogram))
    if found := _apart(curves, (first.count, second.count), limits):
        told = [f"{each.minimum} to {each.maximum}" for each in (first, second)]
        text = f"the times are others (Kolmogorov-Smirnov distance {found:.2f})"
        yield Change("info", "distribution", old.name, told[0], told[1], text)


def patterns(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell patterns that more or fewer texts have."""
    if not old.texts or not new.texts or not _meant(old) or not _meant(new):
        return
    before = {each.name: each for each in old.patterns}
    after = {each.name: each for each in new.patterns}
    for name in dict.fromkeys([*before, *after]):
        counts = [side[name].count if name in side else 0 for side in (before, after)]
        shares = (counts[0] / _meant(old), counts[1] / _meant(new))
        chance = by_chance(counts[0], _meant(old), counts[1], _meant(new))
        if max(shares) < _COMMON or abs(shares[1] - shares[0]) < limits.patterns:
            continue
        if chance < limits.alpha:
            word = "more" if shares[1] > shares[0] else "fewer"
            title = (before.get(name) or after[name]).title
            text = f"{word} texts have the pattern {title}"
            yield Change("warning", "pattern", old.name, share(shares[0]), share(shares[1]), text)


def personal(old: ColumnProfile, new: ColumnProfile, limits: Thresholds) -> Changes:
    """Tell personal data where there were none."""
    known = {each.label for each in old.pii}
    had = {each.pii: each for each in old.patterns}
    for found in new.pii:
        if found.label in known:
            continue
        before = had[found.label].count if found.label in had else 0
        chance = by_chance(before, max(1, _meant(old)), found.count, max(1, found.of))
        severity = "error" if chance < limits.alpha else "info"
        label = found.label.replace("_", " ")
        text = f"personal data are new here: {'; '.join(found.evidence)}"
        yield Change(severity, "personal data", old.name, ", ".join(known), label, text)


CHECKS: tuple[Callable[[ColumnProfile, ColumnProfile, Thresholds], Changes], ...] = (
    types, nulls, keys, differents, values, numbers, times, patterns, personal,
)  # fmt: skip
"""Everything that is looked at, in the order in which it is told."""
