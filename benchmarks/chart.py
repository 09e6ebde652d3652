"""Draws the results as one SVG: a panel a task, a bar a contender, ours in colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from benchmarks import units
from benchmarks.results import Entry, TaskResult

WIDTH = 760
LEFT = 210
"""Where bars start; labels end just before."""
RIGHT = 90
"""Room for the figure behind the longest bar."""
ROW = 26
BAR = 16
HEAD = 54
MARGIN = 24

STYLE = """
  text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 12px; fill: #6e7781 }
  .label { text-anchor: end }
  .ours { fill: #0969da }
  .other { fill: #c3cad2 }
  .spread { stroke: #24292f; stroke-width: 1.2 }
  .bold { font-weight: 600 }
"""


def svg(results: Sequence[TaskResult]) -> str:
    """Give the drawing's text: wall time, the shorter the better."""
    body: list[str] = []
    top = MARGIN
    for result in results:
        entries = _shown(result)
        body += _panel(result, entries, top)
        top += HEAD + ROW * len(entries) + MARGIN
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
                f'viewBox="0 0 {WIDTH} {top}" role="img">'
            ),
            "<title>Seconds a task, by contender</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{top}" rx="8" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _shown(result: TaskResult) -> list[Entry]:
    """Give the entries worth a line, the quickest first, those without figures last."""
    measured = sorted(result.ok(), key=lambda entry: entry.median("wall"))
    failed = [e for e in result.entries if e not in measured and e.status != "not applicable"]
    return measured + failed


def _panel(result: TaskResult, entries: Sequence[Entry], top: int) -> Iterator[str]:
    heading = f"{result.rows:,} rows, wall time" if result.rows else "Wall time"
    yield f'<text class="title" x="{MARGIN}" y="{top + 14}">{escape(result.title)}</text>'
    yield (
        f'<text class="small" x="{MARGIN}" y="{top + 33}">{heading}, shorter is better; '
        "the line is from the lowest to the highest run</text>"
    )
    longest = max((max(entry.values("wall")) for entry in result.ok()), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / longest
    for number, entry in enumerate(entries):
        yield from _bar(entry, top + HEAD + ROW * number, scale)


def _bar(entry: Entry, top: int, scale: float) -> Iterator[str]:
    ours = entry.contender.startswith("arrowetl")
    middle, baseline = top + BAR / 2, top + BAR - 3
    weight = " bold" if ours else ""
    yield (
        f'<text class="label{weight}" x="{LEFT - 10}" y="{baseline}">{escape(entry.label)}</text>'
    )
    if entry.status != "ok" or not entry.runs:
        yield f'<text class="small" x="{LEFT}" y="{baseline}">{escape(entry.status)}</text>'
        return
    wall, runs = entry.median("wall"), entry.values("wall")
    low, high = (LEFT + scale * value for value in (min(runs), max(runs)))
    kind = "ours" if ours else "other"
    yield (
        f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{max(scale * wall, 1):.1f}" '
        f'height="{BAR}" rx="2"/>'
    )
    yield (f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:g}" y2="{middle:g}"/>')
    yield (
        f'<text class="{weight.strip()}" x="{max(high, LEFT + scale * wall) + 8:.1f}" '
        f'y="{baseline}">{units.seconds(wall)}</text>'
    )
