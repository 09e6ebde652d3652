"""How counts, shares, numbers and moments are written for people."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from arrowetl.profiling.profile import ColumnProfile, Histogram

_DAY = 86_400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EXACT = 1e15


def number(found: float | None, digits: int = 4) -> str:
    """Give a number with as many digits as matter.

    >>> number(1234567.0), number(2013), number(0.00012345), number(1.5e300), number(None)
    ('1,234,567', '2013', '0.0001234', '1.5e+300', '')
    """
    if found is None:
        return ""
    if not math.isfinite(found):
        return str(found)
    if found == int(found) and abs(found) < _EXACT:
        # A year, like other short numbers, is written without a comma.
        return f"{int(found):,}" if abs(found) >= 10_000 else str(int(found))  # noqa: PLR2004
    size = abs(found)
    if 10**digits <= size < _EXACT:
        return f"{found:,.0f}"
    return f"{found:.{digits}g}"


def share(part: float) -> str:
    """Give a share in percent; what isn't none or all isn't shown as that.

    >>> share(0), share(0.00001), share(0.1234), share(0.99999), share(1)
    ('0 %', '< 0.1 %', '12.3 %', '> 99.9 %', '100 %')
    """
    if part in {0, 1}:
        return f"{part:.0%}".replace("%", " %")
    if part < 0.001:  # noqa: PLR2004 - what would be rounded to 0.0
        return "< 0.1 %"
    if part > 0.999:  # noqa: PLR2004 - what would be rounded to 100.0
        return "> 99.9 %"
    return f"{part * 100:.1f} %"


def count(found: int, of: int) -> str:
    """Give a count with its share.

    >>> count(5, 20), count(0, 0)
    ('5 (25.0 %)', '0')
    """
    return f"{found:,} ({share(found / of)})" if of else f"{found:,}"


def moment(seconds: float, span: float, *, dated: bool = True) -> str:
    """Give seconds since 1970 (or midnight) as finely as the span between neighbours asks for.

    >>> moment(86400.0, 90000.0), moment(86400.5, 60.0), moment(3600.0, 60.0, dated=False)
    ('1970-01-02', '1970-01-02 00:00', '01:00')
    >>> moment(1e18, 1.0)
    '1e+18 s'
    """
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:g} s"
    if not dated:
        return f"{at:%H:%M}" if span >= 60 else f"{at:%H:%M:%S}"  # noqa: PLR2004 - a minute
    if span >= _DAY:
        return at.date().isoformat()
    return at.replace(tzinfo=None).isoformat(" ", "minutes" if span >= 60 else "seconds")  # noqa: PLR2004


def edges(column: ColumnProfile, spread: Histogram) -> tuple[str, ...]:
    """Give the edges of a column's histogram as people write them.

    >>> from types import SimpleNamespace as Column
    >>> edges(Column(times=None), Histogram((0.0, 2.5, 5.0), (1, 1)))
    ('0', '2.5', '5')
    """
    if column.times is None:
        return tuple(number(each) for each in spread.edges)
    width = spread.edges[1] - spread.edges[0]
    kind = column.inferred.type if column.inferred else column.type
    dated = not kind.startswith(("time32", "time64", "duration"))
    return tuple(moment(each, width, dated=dated) for each in spread.edges)


def histogram_of(column: ColumnProfile) -> Histogram | None:
    """Give the histogram that says most of a column: of its numbers, times, lengths."""
    for found in (column.numbers, column.times, column.lengths):
        if found is not None and found.histogram is not None:
            return found.histogram
    return column.texts.lengths if column.texts else None


def outline(column: ColumnProfile) -> tuple[int, ...]:
    """Give heights that sketch a column: of its few values, or of its histogram."""
    if column.texts and column.numbers is None and column.times is None and all_shown(column):
        return tuple(each.count for each in column.top)
    spread = histogram_of(column)
    return spread.counts if spread else ()


def all_shown(column: ColumnProfile) -> bool:
    """Whether the most frequent values are all there are."""
    found = column.distinct
    return found is not None and found.exact and found.count == len(column.top)


def kind_of(column: ColumnProfile) -> str:
    """Give the type of a column, and what it seems to be if that is another."""
    return f"{column.type} → {column.inferred.type}" if column.inferred else column.type


def different(column: ColumnProfile) -> str:
    """Say how many different values there are."""
    found = column.distinct
    if found is None:
        return ""
    if found.exact:
        return f"{found.count:,}"
    return f"about {found.count:,}"
