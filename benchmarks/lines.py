"""Draws lines as one SVG: a quality against a threshold, a line a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 210, 64, 52
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#57606a", "#cf222e")

STYLE = """
  text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 12px; fill: #6e7781 }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .usual { stroke: #6e7781; stroke-dasharray: 4 3 }
"""

Line = Sequence[tuple[float, float]]


def svg(
    title: str,
    lines: Mapping[str, Line],
    *,
    x: str,
    y: str,
    usual: float | None = None,
    level: float | None = None,
    dots: Mapping[str, Line] | None = None,
    span: tuple[float, float] | None = None,
    top: float = 1.0,
) -> str:
    """Give the drawing's text; values of y are from 0 to `top`, those above it are drawn there.

    Args:
        title: what is shown.
        lines: points by name, in the order of x.
        x: what is to the right.
        y: what is upward.
        usual: where a dashed line upward marks the default.
        level: how high a dashed line across is.
        dots: points that are drawn by themselves, by the name of a line, in its colour.
        span: from where to where x goes; as far as the lines by default.
        top: the largest y.
    """
    places = [point[0] for line in lines.values() for point in line]
    low, high = span or (min(places), max(places))
    scale = (WIDTH - LEFT - RIGHT) / (high - low)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across, up = point
        height = TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(up / top, 1))
        return round(LEFT + (across - low) * scale, 1), round(height, 1)

    body = [
        f'<text class="title" x="24" y="32">{escape(title)}</text>',
        f'<text class="small" x="24" y="51">{escape(y)}, higher is better</text>',
    ]
    for step in range(6):
        left, height = at((low, top * step / 5))
        right = at((high, 0))[0]
        body.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{height}" y2="{height}"/>')
        mark = f"{top * step / 5:.3g}"
        body.append(f'<text class="small end" x="{left - 8}" y="{height + 4}">{mark}</text>')
    for step in range(6):
        place = low + (high - low) * step / 5
        left, bottom = at((place, 0))
        body.append(f'<text class="small middle" x="{left}" y="{bottom + 18}">{place:.2g}</text>')
    dashes = [((usual, 0), (usual, top))] if usual is not None else []
    dashes += [((low, level), (high, level))] if level is not None else []
    for begin, end in dashes:
        (x1, y1), (x2, y2) = at(begin), at(end)
        body.append(f'<line class="usual" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    body.append(f'<text class="middle" x="{middle}" y="{HEIGHT - 12}">{escape(x)}</text>')
    body += _drawn([(name, [at(point) for point in line]) for name, line in lines.items()])
    for number, name in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        for left, up in map(at, (dots or {}).get(name, ())):
            body.append(f'<circle cx="{left}" cy="{up}" r="2.5" fill="{colour}" opacity="0.6"/>')
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
                f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
            ),
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _drawn(lines: Sequence[tuple[str, Line]]) -> Iterator[str]:
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        left, top = WIDTH - RIGHT + 20, TOP + 22 * number + 8
        yield f'<rect x="{left}" y="{top - 9}" width="14" height="4" fill="{colour}"/>'
        yield f'<text x="{left + 22}" y="{top - 2}">{escape(name)}</text>'
