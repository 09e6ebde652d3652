"""Draws how right matchers are at each threshold: F1 of clusters, a line each, ours in colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.lines import BOTTOM, HEIGHT, RIGHT, WIDTH, Frame

LABEL = 17
"""The least distance between two labels."""

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
    frame = Frame(
        f"{found['title']}: F1 of clusters by threshold",
        f"{found['rows']:,} rows; a dot is the threshold where nothing is said; each scale is its "
        "own",
        "threshold: similarity, cosine or probability",
    )
    return frame.around(_lines(frame, found["entries"]))


def _lines(frame: Frame, entries: Mapping[str, Any]) -> Iterator[str]:
    shown = {name: entry for name, entry in entries.items() if entry.get("curve")}
    ends = {name: frame.at(_points(entry)[-1])[1] for name, entry in shown.items()}
    floor: float = HEIGHT - BOTTOM + LABEL
    labels: dict[str, float] = {}
    # From the bottom up, each label at its line's end or above the one before.
    for name, end in sorted(ends.items(), key=lambda each: -each[1]):
        labels[name] = floor = min(end + 4, floor - LABEL)
    for name, entry in shown.items():
        colour = COLOURS.get(name, "#24292f")
        points = [frame.at(point) for point in _points(entry)]
        path = " ".join(f"{left:.1f},{up:.1f}" for left, up in points)
        dashed = "" if name.startswith("arrowetl") else ' stroke-dasharray="5 3"'
        drawn = f'fill="none" stroke="{colour}" stroke-width="2"{dashed}'
        yield f'<polyline points="{path}" {drawn}/>'
        usual = entry["curve"][str(entry["threshold"])]["clusters"]["f1"]
        left, up = frame.at((entry["threshold"], usual))
        yield f'<circle cx="{left:.1f}" cy="{up:.1f}" r="5" fill="{colour}"/>'
        x, y = WIDTH - RIGHT + 14, labels[name]
        end = f'x1="{points[-1][0]:.1f}" y1="{points[-1][1]:.1f}" x2="{x - 4}" y2="{y - 4:.1f}"'
        yield f'<line {end} stroke="{colour}" stroke-width="0.5"/>'
        yield f'<text x="{x}" y="{y:.1f}" style="fill: {colour}">{escape(entry["label"])}</text>'


def _points(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    curve = entry["curve"].items()
    return sorted((float(threshold), each["clusters"]["f1"]) for threshold, each in curve)
