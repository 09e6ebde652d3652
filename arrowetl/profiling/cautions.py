"""What a person should look at: what in a profile is probably a mistake in the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from arrowetl.profiling.inferring import ambiguous
from arrowetl.profiling.profile import Caution, ColumnProfile
from arrowetl.profiling.statistics import Column
from arrowetl.profiling.texts import NUMBER

_MOST = 0.5
"""The share from which on texts are thought to have a pattern or a type."""
_FEW = 0.01
_RATHER_FEW = 0.2
_FAR = 10
"""So many times the middle half's width beyond it, a number is far away."""

Found = Iterator[tuple[str, str]]
"""Kinds and sentences."""


def cautions_of(
    columns: Sequence[ColumnProfile], statistics: Mapping[str, Column]
) -> tuple[Caution, ...]:
    """Give what should be looked at, column by column."""
    return tuple(
        Caution(kind, column.name, text)
        for column in columns
        for look in _LOOKS
        for kind, text in look(column, statistics[column.name])
    )


def unreadable_rows(count: int) -> Iterator[Caution]:
    """Say that rows of the source couldn't be read, if so."""
    if count:
        yield Caution("unreadable", None, f"{count:,} rows couldn't be read, and aren't counted")


def _share(count: int, of: int) -> str:
    return f"{count:,} of {of:,} ({count / of:.2%})"


def _nulls(column: ColumnProfile, _: Column) -> Found:
    words = sum(each.count for each in column.null_words)
    if column.rows and column.nulls + words == column.rows:
        yield "all_null", "every value is null"
    elif column.null_share > _MOST:
        yield "mostly_null", f"{_share(column.nulls, column.rows)} are null"
    if words:
        some = ", ".join(repr(each.value) for each in column.null_words[:6])
        yield "null_words", f"{_share(words, column.rows)} are words for null: {some}"


def _constant(column: ColumnProfile, _: Column) -> Found:
    alone = column.distinct and column.distinct.exact and column.distinct.count == 1
    if alone and column.rows > 1:
        yield "constant", "there is only one value"


def _type(column: ColumnProfile, _: Column) -> Found:
    best = column.types[0] if column.types else None
    if best is None or best.confidence < _MOST:
        return
    if column.inferred is None and ambiguous(column.types):
        yield "ambiguous_dates", f"dates ({best.format}): {best.notes[0]}"
    if best.count < best.of and (best.type != "bool" or column.inferred):
        how = f" ({best.format})" if best.format else ""
        yield (
            "other_types",
            f"{_share(best.of - best.count, best.of)} can't be read as {best.type}{how}",
        )


def _notes(column: ColumnProfile, _: Column) -> Found:
    best = column.types[0] if column.types else None
    if best is None or best.confidence < _MOST:
        return
    # Of the others notes are of no use: days are where months would be if it were that way round.
    for note in best.notes:
        for kind, words in _NOTES.items():
            if words in note:
                yield kind, note


_NOTES = {
    "leading_zeros": "leading zeros",
    "scientific_codes": "5.54E+15",
    "mixed_dates": "other way round",
}


def _zeros_lost(_: ColumnProfile, statistics: Column) -> Found:
    """Look for codes a digit shorter than most, in a column where others have leading zeros."""
    texts = statistics.texts
    if texts is None or not texts.traits["leading_zeros"]:
        return
    lengths = texts.digits()
    usual = max(lengths, key=lambda each: lengths[each], default=0)
    shorter = lengths.get(usual - 1, 0)
    if 0 < shorter < _RATHER_FEW * lengths.get(usual, 0):
        rest = f"{lengths[usual]:,} have {usual}, some with leading zeros"
        text = f"{shorter:,} have {usual - 1} digits where {rest}: theirs may have been lost"
        yield "zeros_lost", text


def _digits_lost(column: ColumnProfile, statistics: Column) -> Found:
    """Look for numbers that a double would round, where nothing else holds them."""
    texts = statistics.texts
    lost = texts.traits["digits_lost"] if texts else 0
    if texts is None or not lost or texts.readings[NUMBER] < _MOST * texts.meant:
        return
    if column.inferred is None or column.inferred.type == NUMBER:
        left = "can't be cast" if column.inferred else "stay text"
        said = f"{_share(lost, texts.meant)} have more digits than a double keeps, or are beyond it"
        yield "digits_lost", f"{said}: they {left}"


def _formats(column: ColumnProfile, statistics: Column) -> Found:
    timed = [each for each in column.types if each.format and each.count > _FEW * each.of]
    shapes = {str(each.format).replace("%d", "%m") for each in timed}
    if len(shapes) > 1 and timed[0].confidence >= _MOST and statistics.texts:
        some = ", ".join(f"{each.format} ({each.count:,})" for each in timed[:4])
        yield "mixed_dates", f"dates are written in several ways: {some}"


def _patterns(column: ColumnProfile, _: Column) -> Found:
    telling = [each for each in column.patterns if each.pii or each.name in _TELLING]
    for each in telling[:1]:
        if _MOST <= each.share < 1:
            rest = _share(each.of - each.count, each.of)
            yield "pattern_broken", f"{rest} don't have the pattern {each.title}"


_TELLING = {"url", "uuid", "json", "percentage"}


def _texts(column: ColumnProfile, _: Column) -> Found:
    texts = column.texts
    if texts and texts.padded:
        yield "padded", f"{_share(texts.padded, texts.count)} have space around them"


def _numbers(column: ColumnProfile, _: Column) -> Found:
    numbers = column.numbers
    if numbers is None or not numbers.count:
        return
    if 0 < numbers.negatives <= _FEW * numbers.count:
        yield "few_negatives", f"{_share(numbers.negatives, numbers.count)} are negative"
    if numbers.nans or numbers.infinities:
        yield "not_finite", f"{numbers.nans:,} are NaN, {numbers.infinities:,} are infinite"
    at = {each.at: each.value for each in numbers.quantiles}
    low, high, end = at[0.25], at[0.75], numbers.maximum
    if end is not None and high > low and end - high > _FAR * (high - low):
        yield (
            "far_away",
            f"the largest, {end:,g}, is far above the middle half, {low:,g} to {high:,g}",
        )


def _times(column: ColumnProfile, _: Column) -> Found:
    times = column.times
    if times and times.future:
        yield (
            "future",
            f"{_share(times.future, times.count)} lie in the future, up to {times.maximum}",
        )


def _nearly_key(column: ColumnProfile, statistics: Column) -> Found:
    values = statistics.values
    if values is None or column.key or column.rows < 20:  # noqa: PLR2004
        return
    total, once = int(values.sample.counts.sum()), len(values.sample)
    where = " of a sample" if values.cut else ""
    identifies = column.texts or column.type.startswith(("int", "uint"))
    if identifies and 0.9 * total <= once < total:
        yield "nearly_unique", f"{_share(total - once, total)} values{where} repeat another"


_LOOKS: tuple[Callable[[ColumnProfile, Column], Found], ...] = (
    _nulls,
    _constant,
    _type,
    _notes,
    _zeros_lost,
    _digits_lost,
    _formats,
    _patterns,
    _texts,
    _numbers,
    _times,
    _nearly_key,
)
