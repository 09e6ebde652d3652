"""Drawings as SVG inside a page: bars, a box plot, strips. They take numbers and texts, no data.

Drawings stretch to the width that there is, so their words stand beside them in HTML, and keep
their size on a telephone. Each part says by its `title` what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

from arrowetl.profiling._markup import Markup, tag, together
from arrowetl.profiling._wording import count, number, share
from arrowetl.profiling.profile import Histogram, NumberStatistics

WIDTH = 600
HEIGHT = 100
_LEAST = 1.5
"""A bar of anything is at least so high, since few isn't none."""
BLOCKS = 60
"""Stretches of rows in a strip."""


def bars(spread: Histogram, edges: Sequence[str], of_what: str) -> Markup:
    """Draw a histogram over its axis; `edges` are the words for its edges."""
    total, most = sum(spread.counts), max(spread.counts, default=0)
    drawn = [
        tag("rect", tag("title", f"{low} to {high}: {count(n, total)}"), **_bar(i, n, spread, most))
        for i, (n, low, high) in enumerate(zip(spread.counts, edges, edges[1:], strict=False))
        if n
    ]
    middle = edges[len(edges) // 2] if len(edges) > 2 else ""  # noqa: PLR2004 - both ends
    said = f"Histogram of {of_what} from {edges[0]} to {edges[-1]}; at most {most:,} in a bar"
    return together(
        [
            tag("p", f"at most {most:,}", class_="most"),
            _svg(*drawn, label=said, height=HEIGHT, class_="histogram"),
            tag("p", *(tag("span", each) for each in (edges[0], middle, edges[-1])), class_="axis"),
        ]
    )


def _bar(place: int, n: int, spread: Histogram, most: int) -> dict[str, str]:
    low, high = _across(spread, place), _across(spread, place + 1)
    tall = max(_LEAST, HEIGHT * n / most)
    gap = min(1.0, (high - low) / 4)
    return {
        "x": f"{low:.2f}",
        "y": f"{HEIGHT - tall:.2f}",
        "width": f"{high - low - gap:.2f}",
        "height": f"{tall:.2f}",
    }


def _across(spread: Histogram, place: int) -> float:
    """Give where an edge is drawn; edges that are one number are drawn apart."""
    if spread.edges[0] == spread.edges[-1]:
        return WIDTH * place / max(1, len(spread.counts))
    return _scaled(spread.edges[place], spread)


def _scaled(at: float, spread: Histogram) -> float:
    first, last = spread.edges[0], spread.edges[-1]
    if math.isinf(last - first):
        first, last, at = first / 2, last / 2, at / 2
    return WIDTH * ((at - first) / (last - first))


def sparkline(counts: Sequence[int]) -> Markup:
    """Draw a small histogram without words, that no screen reader reads."""
    most = max(counts, default=0)
    wide = WIDTH / max(1, len(counts))
    drawn = [
        tag("rect", x=f"{i * wide:.1f}", y=f"{24 - tall:.1f}", width=f"{wide * 0.9:.1f}",
            height=f"{tall:.1f}")
        for i, n in enumerate(counts)
        if n
        for tall in [max(_LEAST, 24 * n / most)]
    ]  # fmt: skip
    return _svg(*drawn, label=None, height=24, class_="spark")


def box(found: NumberStatistics) -> Markup | None:
    """Draw a box plot: the middle half as a box, whiskers from 5 to 95 in 100, ends as dots."""
    at = {each.at: each.value for each in found.quantiles}
    ends = (found.minimum, found.maximum)
    if ends[0] is None or ends[1] is None or not ends[0] < ends[1] or not at:
        return None
    spread = found.histogram or Histogram((ends[0], ends[1]), (1,))
    marks = [("minimum", ends[0]), *_named(at), ("maximum", ends[1])]
    said = ", ".join(f"{name} {number(each)}" for name, each in marks)
    x = {name: f"{_scaled(each, spread):.2f}" for name, each in marks}
    wide = float(x["75 %"]) - float(x["25 %"])
    parts = (
        tag("line", x1=x["5 %"], x2=x["95 %"], y1="12", y2="12", class_="whisker"),
        tag("rect", x=x["25 %"], y="4", width=f"{max(wide, 1):.2f}", height="16", class_="box"),
        tag("line", x1=x["median"], x2=x["median"], y1="2", y2="22", class_="median"),
        *(tag("line", x1=x[each], x2=x[each], y1="8", y2="16", class_="whisker")
          for each in ("minimum", "5 %", "95 %", "maximum")),
    )  # fmt: skip
    return _svg(tag("title", said), *parts, label=f"Box plot: {said}", height=24, class_="boxplot")


def _named(at: dict[float, float]) -> list[tuple[str, float]]:
    names = {0.05: "5 %", 0.25: "25 %", 0.5: "median", 0.75: "75 %", 0.95: "95 %"}
    return [(name, at[each]) for each, name in names.items()]


def strip(shares: Sequence[float], rows: int, label: str) -> Markup:
    """Draw shares over the position of rows: the darker, the more; neighbours alike are one."""
    found = blocks(shares)
    wide = WIDTH / max(1, len(found))
    drawn, at = [], 0
    for level, run in groupby(found, key=lambda each: round(each, 2) or (0.005 if each else 0.0)):
        size = len(list(run))
        first, last = round(at / len(found) * rows), round((at + size) / len(found) * rows)
        if level:
            told = f"rows {first + 1:,} to {last:,}: {share(min(level, 1.0))} null"
            drawn.append(
                tag("rect", tag("title", told), x=f"{at * wide:.2f}", y="0", height="16",
                    width=f"{size * wide:.2f}", fill_opacity=f"{0.12 + 0.88 * level:.2f}")
            )  # fmt: skip
        at += size
    return _svg(*drawn, label=label, height=16, class_="strip")


def blocks(shares: Sequence[float], size: int = BLOCKS) -> list[float]:
    """Give the means of at most so many stretches of shares.

    >>> blocks([0.0, 1.0, 1.0, 1.0], 2)
    [0.5, 1.0]
    """
    if len(shares) <= size:
        return list(shares)
    cuts = [round(i * len(shares) / size) for i in range(size + 1)]
    return [sum(shares[a:b]) / (b - a) for a, b in pairwise(cuts)]


def amount(part: float, label: str) -> Markup:
    """Draw a share as a bar."""
    drawn = tag("rect", x="0", y="0", height="12", width=f"{max(_LEAST, WIDTH * part):.2f}")
    return _svg(drawn, label=label, height=12, class_="amount")


def _svg(*parts: object, label: str | None, height: int, class_: str) -> Markup:
    said = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag(
        "svg", *parts, class_=class_, viewBox=f"0 0 {WIDTH} {height}", preserveAspectRatio="none",
        **said,
    )  # fmt: skip
