"""Drawings that are complete in themselves: words, lines and a frame, as SVG.

They load nothing and have no style of their own, so they may stand in a page that forbids both.
"""

from __future__ import annotations

from arrowetl.profiling._markup import Markup, tag

INK, SOFT, LINE, OURS = "#24292f", "#6e7781", "#d0d7de", "#0969da"
_FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"

Place = tuple[float, float]


def drawing(said: str, wide: float, high: float, *parts: Markup) -> Markup:
    """Give parts in a frame; `said` is what it shows, in words.

    >>> drawing("a line", 20, 10, line((0, 5), (20, 5), stroke="#000"))[-53:]
    '5.0L20.0 5.0" fill="none" stroke="#000"></path></svg>'
    """
    return tag(
        "svg",
        tag("title", said),
        tag("path", d=f"M0 0H{wide:g}V{high:g}H0Z", fill="#ffffff"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {wide:g} {high:g}",
        width=f"{wide:g}",
        height=f"{high:g}",
        role="img",
        aria_label=said,
    )


def words(
    text: str,
    x: float,
    y: float,
    *,
    size: str = "12",
    weight: str = "400",
    soft: bool = False,
    **more: str,
) -> Markup:
    """Give a line of words that begins at a place."""
    return tag(
        "text", text, x=f"{x:g}", y=f"{y:g}", fill=SOFT if soft else INK, font_family=_FONT,
        font_size=size, font_weight=weight, **more,
    )  # fmt: skip


def line(start: Place, end: Place, **drawn: str) -> Markup:
    """Give a line from one place to another."""
    path = f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"
    return tag("path", d=path, fill="none", **drawn)
