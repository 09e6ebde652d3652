"""From statistics to the profile: what the counts mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow.types as kinds

from arrowetl.profiling._shown import masked, without_personal
from arrowetl.profiling._types import schema_to_text
from arrowetl.profiling.cautions import cautions_of, unreadable_rows
from arrowetl.profiling.inferring import inferred, types_of
from arrowetl.profiling.numbers import Numbers
from arrowetl.profiling.pii import hints_at, pii_of
from arrowetl.profiling.profile import (
    ColumnProfile,
    Histogram,
    NumberStatistics,
    PatternFound,
    PiiFound,
    Profile,
    Sample,
    TextStatistics,
    TimeStatistics,
    TypeFound,
    ValueCount,
)
from arrowetl.profiling.statistics import Column, Statistics
from arrowetl.profiling.texts import NUMBER, Texts
from arrowetl.profiling.values import Values

if TYPE_CHECKING:
    from arrowetl.patterns import Pattern

_TOP = 10
_ENUM = 50
"""An enum has at most so many values."""
_REPEATS = 5
"""Each of them occurs so often in the mean, at least."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Reading:
    """How statistics are read.

    Attributes:
        patterns: those that were looked for, by name.
        confidence: the share of texts that must have a type, for it to be inferred.
        day_first: whether days come before months where nothing tells; None to infer no date.
        detect_pii: whether to look for personal data.
        show_values: whether to show values of personal data.
        now: the moment after which times lie in the future.
    """

    patterns: Mapping[str, Pattern]
    confidence: float = 0.9
    day_first: bool | None = None
    detect_pii: bool = True
    show_values: bool = False
    now: datetime | None = None


def profile_of(
    statistics: Statistics,
    reading: Reading,
    *,
    sample: Sample | None = None,
    source: str = "",
    unreadable: int = 0,
) -> Profile:
    """Give the profile of statistics.

    Args:
        statistics: of the rows.
        reading: how to read them.
        sample: which rows they are of; all there are if None.
        source: what the rows came from.
        unreadable: how many rows couldn't be read there.
    """
    sample = sample or Sample(statistics.rows, statistics.rows)
    columns = tuple(_column(each, reading, sample) for each in statistics.columns.values())
    if reading.detect_pii and not reading.show_values:
        columns = without_personal(columns, reading.patterns)
    products = statistics.products
    return Profile(
        rows=statistics.rows,
        columns=columns,
        sample=sample,
        arrow_schema=schema_to_text(statistics.schema),
        source=source,
        correlations=products.correlations() if products else (),
        cautions=(
            *unreadable_rows(unreadable),
            *cautions_of(columns, statistics.columns),
        ),
        masked=not reading.show_values,
    )


def _column(column: Column, reading: Reading, sample: Sample) -> ColumnProfile:
    values, texts = column.values, column.texts
    types = types_of(texts) if texts else ()
    patterns = _patterns(column, reading.patterns)
    chosen = _chosen(column, types, reading)
    pii = _pii(column, chosen, patterns) if reading.detect_pii else ()
    if chosen and _is_code(chosen, pii):
        chosen = None
    hidden = bool(pii) and not reading.show_values
    words = _words(texts)
    missing = column.nulls + sum(each.count for each in words)
    low, high = _shown_ends(column, chosen, hidden=hidden)
    return ColumnProfile(
        name=column.name,
        type=str(column.kind),
        rows=column.rows,
        nulls=column.nulls,
        null_words=words,
        null_map=tuple(gone / rows if rows else 0.0 for rows, gone in column.stretches),
        distinct=values.distinct(column.rows - column.nulls) if values else None,
        top=_top(column, values, hidden=hidden) if values else (),
        minimum=low,
        maximum=high,
        inferred=chosen,
        types=types,
        patterns=patterns,
        pii=pii,
        enum=_enum(column, hidden=hidden),
        key=_key(column, missing),
        nullable=missing > 0,
        nullable_evidence=_null_evidence(column.rows, column.nulls, missing, sample),
        # Their ends and quantiles are values.
        numbers=None if hidden else _numbers(column, chosen),
        texts=_texts(texts) if texts else None,
        times=_times(column, chosen, reading.now),
        trues=column.trues if kinds.is_boolean(column.kind) else None,
        lengths=column.lengths.statistics() if column.lengths else None,
    )


def _chosen(column: Column, types: tuple[TypeFound, ...], reading: Reading) -> TypeFound | None:
    if column.texts is None:
        return None
    return inferred(
        types,
        column.texts,
        confidence=reading.confidence,
        day_first=reading.day_first,
        different=_different(column),
    )


def _different(column: Column) -> int:
    return column.values.distinct(column.rows - column.nulls).count if column.values else 0


def _words(texts: Texts | None) -> tuple[ValueCount, ...]:
    words = texts.words.items() if texts else ()
    ordered = sorted(words, key=lambda each: (-each[1], each[0]))
    return tuple(ValueCount(word, n) for word, n in ordered)


def _shown_ends(
    column: Column, chosen: TypeFound | None, *, hidden: bool
) -> tuple[str | None, str | None]:
    low, high = _ends(column, chosen)
    if not hidden:
        return low, high
    return (masked(low) if low is not None else None, masked(high) if high is not None else None)


def _present(column: Column) -> int:
    """Say how many values aren't null, nor a word for it."""
    return column.rows - column.nulls - (column.texts.words.total() if column.texts else 0)


def _lengths(column: Column) -> dict[int, int]:
    """Count whole numbers, also those that are written as texts, by how many digits they have."""
    if column.texts is None:
        return dict(column.digits.lengths) if column.digits else {}
    return column.texts.digits()


def _kind(column: Column, chosen: TypeFound | None) -> str:
    if column.per_second or (chosen and chosen.format):
        return "time"
    texts = column.texts
    if texts and not (texts.meant and texts.readings[NUMBER] == texts.meant):
        return "text"
    return "number" if texts or column.numbers else "other"


def _pii(
    column: Column, chosen: TypeFound | None, patterns: tuple[PatternFound, ...]
) -> tuple[PiiFound, ...]:
    kind = _kind(column, chosen)
    return pii_of(column.name, kind, patterns, _lengths(column), count=_present(column))


def _is_code(chosen: TypeFound, pii: tuple[PiiFound, ...]) -> bool:
    """Whether digits are a phone's or a card's, and no number."""
    numeric = chosen.type in {"int64", "double"} or chosen.type.startswith("decimal")
    return numeric and any(each.label in _CODES for each in pii)


_CODES = {"phone", "credit_card", "us_ssn", "iban", "ip", "postal_code", "tax_id", "passport"}


def _patterns(column: Column, known: Mapping[str, Pattern]) -> tuple[PatternFound, ...]:
    looked_at = column.texts or column.digits
    counts = looked_at.patterns if looked_at else {}
    if _kind(column, None) == "number" and not hints_at(column.name, "postal_code"):
        # Four or five digits are a postal code of some country or other.
        counts = {each: n for each, n in counts.items() if not each.startswith("postal_code")}
    found = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    of = _present(column)
    return tuple(
        PatternFound(each, known[each].title, n, of, known[each].pii, each in column.late)
        for each, n in found
    )


def _top(column: Column, values: Values, *, hidden: bool) -> tuple[ValueCount, ...]:
    best, missed = values.top(_TOP)
    shown = [_shown(column, each) for each in best.values.to_pylist()]  # small: ten
    return tuple(
        ValueCount(masked(text) if hidden else text, int(n), missed)
        for text, n in zip(shown, best.counts, strict=True)
    )


def _shown(column: Column, value: object) -> str:
    """Give a kept value as text: of times and booleans integers are kept."""
    if kinds.is_boolean(column.kind):
        return "true" if value else "false"
    if column.per_second and isinstance(value, int):
        return moment(value / column.per_second, column) or str(value)
    return str(value)


def moment(seconds: float, column: Column | None = None) -> str | None:
    """Give seconds since 1970 (of times: since midnight) in ISO form; None out of range.

    >>> moment(86400.0)
    '1970-01-02T00:00:00'
    """
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    kind = column.kind if column else None
    if kind is not None and kinds.is_time(kind):
        return at.time().isoformat()
    if kind is not None and kinds.is_duration(kind):
        return str(timedelta(seconds=seconds))
    if kind is not None and kinds.is_date(kind):
        return at.date().isoformat()
    return at.replace(tzinfo=None).isoformat()


def _ends(column: Column, chosen: TypeFound | None) -> tuple[str | None, str | None]:
    if column.texts:
        return _text_ends(column, column.texts, chosen)
    numbers = column.numbers
    if numbers is None or not numbers.count:
        return None, None
    if column.per_second:
        ends = (numbers.minimum, numbers.maximum)
        low, high = (moment(each / column.per_second, column) for each in ends)
        return low, high
    if column.low is not None and column.high is not None:
        return _exact(column.low), _exact(column.high)
    return _number(numbers.minimum), _number(numbers.maximum)


def _text_ends(
    column: Column, texts: Texts, chosen: TypeFound | None
) -> tuple[str | None, str | None]:
    read = _read(column, chosen)
    if chosen is None or read is None or not read.count:
        return texts.first, texts.last
    if chosen.type.startswith(("date", "timestamp", "time")):
        return _moment_as(read.minimum, chosen), _moment_as(read.maximum, chosen)
    if texts.ends and chosen.type != NUMBER:
        return _exact(texts.ends[0]), _exact(texts.ends[1])
    return _number(read.minimum), _number(read.maximum)


def _exact(value: int | Decimal) -> str:
    """Give a number with all its digits, but for zeros at the end of a fraction.

    >>> _exact(2**64 - 1), _exact(Decimal("-1.50")), _exact(Decimal(100))
    ('18446744073709551615', '-1.5', '100')
    """
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def _moment_as(seconds: float, chosen: TypeFound) -> str | None:
    text = moment(seconds)
    if text is None:
        return None
    if chosen.type.startswith("date"):
        return text[:10]
    return text[11:] if chosen.type.startswith("time64") else text


def _read(column: Column, chosen: TypeFound | None) -> Numbers | None:
    """Give the numbers that texts stand for, if they stand for any."""
    texts = column.texts
    if texts is None or chosen is None or chosen.type == "bool":
        return None
    if not chosen.type.startswith(("date", "time")):
        return texts.read.get(NUMBER)
    for name, read in texts.read.items():
        if name != NUMBER and _is_of(name, chosen):
            return read
    return None


def _is_of(name: str, chosen: TypeFound) -> bool:
    from arrowetl.profiling.readings import READINGS

    return READINGS[name].format == chosen.format and READINGS[name].type == chosen.type


def _numbers(column: Column, chosen: TypeFound | None) -> NumberStatistics | None:
    if column.texts:
        if chosen is None or chosen.type.startswith(("date", "time", "bool")):
            return None
        read = _read(column, chosen)
        return read.statistics() if read else None
    if column.numbers is None or column.per_second:
        return None
    return column.numbers.statistics()


def _times(column: Column, chosen: TypeFound | None, now: datetime | None) -> TimeStatistics | None:
    if column.texts:
        timed = chosen is not None and chosen.type.startswith(("date", "time"))
        found, per_second = (_read(column, chosen) if timed else None), 1.0
    else:
        found, per_second = column.numbers, column.per_second
    if found is None or not per_second:
        return None
    low, high = _ends(column, chosen)
    dated = not (
        kinds.is_time(column.kind)
        or kinds.is_duration(column.kind)
        or (chosen is not None and chosen.type.startswith("time64"))
    )
    return TimeStatistics(
        count=found.count,
        minimum=low,
        maximum=high,
        histogram=_seconds(found, per_second) if found.count else None,
        future=_future(found, per_second, now) if dated else 0,
    )


def _seconds(found: Numbers, per_second: float) -> Histogram:
    bars = found.histogram()
    return Histogram(tuple(each / per_second for each in bars.edges), bars.counts)


def _future(found: Numbers, per_second: float, now: datetime | None) -> int:
    if now is None:
        return 0
    later = found.spread.values() / per_second > (now - _EPOCH).total_seconds()
    return int(found.spread.counts[later].sum())


def _texts(texts: Texts) -> TextStatistics:
    lengths, some = texts.lengths, texts.count > 0
    traits = {each: texts.traits[each] for each in _TRAITS}
    return TextStatistics(
        count=texts.count,
        shortest=int(lengths.minimum) if some else None,
        longest=int(lengths.maximum) if some else None,
        mean_length=lengths.statistics().mean if some else None,
        lengths=lengths.histogram() if some else None,
        **traits,
    )


_TRAITS = (
    "empty",
    "blank",
    "padded",
    "digits",
    "letters",
    "upper",
    "lower",
    "non_ascii",
    "multiline",
)


def _enum(column: Column, *, hidden: bool) -> tuple[str, ...] | None:
    values = column.values
    if values is None or values.cut or hidden or column.per_second:
        return None
    if not (column.texts or kinds.is_integer(column.kind)):
        return None
    total = int(values.sample.counts.sum())
    if not 1 <= len(values.sample) <= min(_ENUM, total / _REPEATS):
        return None
    best, _ = values.top(_ENUM)
    return tuple(map(str, best.values.to_pylist()))  # small: fifty


def _key(column: Column, missing: int) -> str | None:
    values = column.values
    identifies = column.texts or kinds.is_integer(column.kind) or kinds.is_binary(column.kind)
    if values is None or not identifies or missing or column.rows < 2 or not values.unique:  # noqa: PLR2004
        return None
    if not values.cut:
        return f"all {column.rows:,} values are different"
    kept = len(values.sample)
    return (
        f"none of {kept:,} values, chosen by hash out of about {_different(column):,}, occurs "
        f"twice: with 95 % certainty fewer than {3 / kept:.2%} of all do"
    )


def _null_evidence(rows: int, nulls: int, missing: int, sample: Sample) -> str:
    what = f"{rows:,}" if sample.complete else f"a sample of {rows:,}"
    if not rows:
        return "no rows"
    if not missing:
        sure = "" if sample.complete else f" (with 95 % certainty fewer than {3 / rows:.2%} are)"
        return f"no null in {what}{sure}"
    if not nulls:
        return f"no null in {what}, but {missing:,} words for it"
    words = f", and {missing - nulls:,} words for it" if missing > nulls else ""
    return f"{nulls:,} nulls in {what}{words}"
