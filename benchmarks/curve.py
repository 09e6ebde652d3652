"""Draws how right matchers are at each threshold: F1 of clusters, a line each, ours in colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 60, 220, 56, 48
LABEL = 17
"""The least distance between two labels."""

STYLE = """
  text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 12px; fill: #6e7781 }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  path { fill: none; stroke-width: 2 }
"""

COLOURS = {
    "arrowetl_text": "#0969da",
    "arrowetl_embedding": "#8250df",
    "arrowetl_hashed": "#1b7c83",
    "splink": "#bc4c00",
    "rensa": "#9a6700",
    "datasketch": "#57606a",
    "semhash": "#bf3989",
    "jaccard": "#8c959f",
}


def svg(found: Mapping[str, Any]) -> str:
    """Give the drawing's text for one set."""
    body = [*_frame(found), *_lines(found["entries"])]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
                f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
            ),
            f"<title>F1 by threshold: {escape(found['title'])}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _x(threshold: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * threshold


def _y(f1: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * f1


def _frame(found: Mapping[str, Any]) -> Iterator[str]:
    heading = f"{escape(found['title'])}: F1 of clusters by threshold"
    yield f'<text class="title" x="{LEFT}" y="24">{heading}</text>'
    yield (
        f'<text class="small" x="{LEFT}" y="43">{found["rows"]:,} rows; a dot is the threshold '
        "where nothing is said; each scale is its own</text>"
    )
    for tenth in range(0, 11, 2):
        at = tenth / 10
        yield (
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(at):g}" y2="{_y(at):g}"/>'
        )
        yield f'<text class="small end" x="{LEFT - 8}" y="{_y(at) + 4:g}">{at:g}</text>'
        yield (
            f'<text class="small middle" x="{_x(at):g}" y="{HEIGHT - BOTTOM + 18}">{at:g}</text>'
        )
    yield (
        f'<text class="small middle" x="{_x(0.5):g}" y="{HEIGHT - 12}">'
        "threshold: similarity, cosine or probability</text>"
    )


def _lines(entries: Mapping[str, Any]) -> Iterator[str]:
    shown = {name: entry for name, entry in entries.items() if entry.get("curve")}
    ends = {name: _points(entry)[-1] for name, entry in shown.items()}
    floor = HEIGHT - BOTTOM + LABEL
    labels: dict[str, float] = {}
    # From the bottom up, each label at its line's end or above the one before.
    for name, (_, f1) in sorted(ends.items(), key=lambda each: each[1][1]):
        labels[name] = floor = min(_y(f1) + 4, floor - LABEL)
    for name, entry in shown.items():
        colour = COLOURS.get(name, "#24292f")
        points = [(_x(threshold), _y(f1)) for threshold, f1 in _points(entry)]
        way = " L ".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = "" if name.startswith("arrowetl") else ' stroke-dasharray="5 3"'
        yield f'<path d="M {way}" stroke="{colour}"{dashed}/>'
        usual = entry["curve"][str(entry["threshold"])]["clusters"]["f1"]
        yield (
            f'<circle cx="{_x(entry["threshold"]):.1f}" cy="{_y(usual):.1f}" r="5" '
            f'fill="{colour}"/>'
        )
        x, y = WIDTH - RIGHT + 14, labels[name]
        end = f'x1="{points[-1][0]:.1f}" y1="{points[-1][1]:.1f}" x2="{x - 4}" y2="{y - 4:.1f}"'
        yield f'<line {end} stroke="{colour}" stroke-width="0.5"/>'
        yield f'<text x="{x}" y="{y:.1f}" style="fill: {colour}">{escape(entry["label"])}</text>'


def _points(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    curve = entry["curve"].items()
    return sorted((float(threshold), each["clusters"]["f1"]) for threshold, each in curve)
