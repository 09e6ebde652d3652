"""Draws lines as one SVG, in a frame with a grid: a quality against a threshold, say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

Point = tuple[float, float]
Line = Sequence[Point]


@dataclass(frozen=True)
class Frame:
    """What lines are drawn in: a title, axes and a grid, with room for names at the right.

    Attributes:
        title: what is shown.
        note: what else is to be known, below the title.
        x: what is to the right.
        span: from where to where x goes.
        top: the largest y; values above it are drawn there.
    """

    title: str
    note: str
    x: str
    span: Point = (0.0, 1.0)
    top: float = 1.0

    def at(self, point: Point) -> Point:
        """Give where on the page a point is."""
        across, up = point
        low, high = self.span
        left = LEFT + (across - low) * (WIDTH - LEFT - RIGHT) / (high - low)
        height = TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(up / self.top, 1))
        return round(left, 1), round(height, 1)

    def around(self, drawn: Iterable[str]) -> str:
        """Give the page's text."""
        middle = (LEFT + WIDTH - RIGHT) / 2
        return "\n".join(
            [
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
                    f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
                ),
                f"<title>{escape(self.title)}</title>",
                f"<style>{STYLE}</style>",
                f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
                f'<text class="title" x="24" y="32">{escape(self.title)}</text>',
                f'<text class="small" x="24" y="51">{escape(self.note)}</text>',
                *self._grid(),
                f'<text class="middle" x="{middle}" y="{HEIGHT - 12}">{escape(self.x)}</text>',
                *drawn,
                "</svg>\n",
            ]
        )

    def _grid(self) -> Iterator[str]:
        low, high = self.span
        for step in range(6):
            left, height = self.at((low, self.top * step / 5))
            right, _ = self.at((high, 0))
            yield f'<line class="grid" x1="{left}" x2="{right}" y1="{height}" y2="{height}"/>'
            mark = f"{self.top * step / 5:.3g}"
            yield f'<text class="small end" x="{left - 8}" y="{height + 4}">{mark}</text>'
            place = low + (high - low) * step / 5
            left, bottom = self.at((place, 0))
            yield f'<text class="small middle" x="{left}" y="{bottom + 18}">{place:.2g}</text>'


def svg(
    title: str,
    lines: Mapping[str, Line],
    *,
    x: str,
    y: str,
    usual: float | None = None,
    level: float | None = None,
    dots: Mapping[str, Line] | None = None,
    span: Point | None = None,
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
    places = [across for line in lines.values() for across, _ in line]
    frame = Frame(title, f"{y}, higher is better", x, span or (min(places), max(places)), top)
    return frame.around(
        [
            *_dashes(frame, usual, level),
            *_drawn(frame, lines),
            *_dotted(frame, list(lines), dots or {}),
        ]
    )


def _dashes(frame: Frame, usual: float | None, level: float | None) -> Iterator[str]:
    low, high = frame.span
    dashes = [((usual, 0.0), (usual, frame.top))] if usual is not None else []
    dashes += [((low, level), (high, level))] if level is not None else []
    for begin, end in dashes:
        (x1, y1), (x2, y2) = frame.at(begin), frame.at(end)
        yield f'<line class="usual" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'


def _drawn(frame: Frame, lines: Mapping[str, Line]) -> Iterator[str]:
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{left:.1f},{up:.1f}" for left, up in map(frame.at, points))
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        left, up = WIDTH - RIGHT + 20, TOP + 22 * number + 8
        yield f'<rect x="{left}" y="{up - 9}" width="14" height="4" fill="{colour}"/>'
        yield f'<text x="{left + 22}" y="{up - 2}">{escape(name)}</text>'


def _dotted(frame: Frame, names: Sequence[str], dots: Mapping[str, Line]) -> Iterator[str]:
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        for left, up in map(frame.at, dots.get(name, ())):
            yield f'<circle cx="{left}" cy="{up}" r="2.5" fill="{colour}" opacity="0.6"/>'
