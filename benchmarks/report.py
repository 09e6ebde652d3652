"""Turns the results in a folder into a Markdown page and a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import methodcaller
from pathlib import Path

from benchmarks import units
from benchmarks.chart import svg
from benchmarks.results import Entry, TaskResult, read
from benchmarks.targets import TARGETS

US = "arrowetl"
BASELINE = "bare"
"""Nothing can be less than Python alone: no rival."""


def write(folder: Path) -> str:
    """Write `RESULTS.md` and `chart.svg` beside the results; give the page."""
    results = read(folder)
    page = "\n".join(_page(results)) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(page, encoding="utf-8")
    (folder / "chart.svg").write_text(svg(list(results.values())), encoding="utf-8")
    return page


def _page(results: Mapping[str, TaskResult]) -> Iterator[str]:
    yield "# Benchmark results"
    yield ""
    yield "Medians, with the lowest and highest in brackets. Each entry's output was compared with"
    yield "the reference's; figures of an entry that failed, differs or timed out aren't shown."
    yield ""
    yield "![Seconds a task, by contender](chart.svg)"
    for result in results.values():
        yield from _task(result)
    yield from _targets(results)
    yield from where_we_lose(results)
    yield from _machines(results)


def _task(result: TaskResult) -> Iterator[str]:
    yield ""
    yield f"## {result.title}"
    yield ""
    if result.rows:
        yield f"{result.rows:,} rows, {units.size(result.input_bytes)} of input."
        yield ""
    yield "| contender | wall | CPU | peak memory | rows a CPU second | output |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for entry in sorted(result.entries, key=_speed):
        yield f"| {entry.label} | {_figures(entry, result.rows)} |"


def _speed(entry: Entry) -> float:
    return entry.median("wall") if entry.status == "ok" and entry.runs else float("inf")


def _figures(entry: Entry, rows: int) -> str:
    if entry.status != "ok" or not entry.runs:
        return f"{entry.status}: {entry.reason.replace('|', ' ')} | | | |"
    spread = " to ".join(units.seconds(end(entry.values("wall"))) for end in (min, max))
    return " | ".join(
        [
            f"{units.seconds(entry.median('wall'))} ({spread})",
            units.seconds(entry.median("cpu")),
            units.size(entry.median("peak")),
            units.rate(entry.rate(rows)) if rows else "",
            units.size(entry.median("output")) if rows else "",
        ]
    )


def _targets(results: Mapping[str, TaskResult]) -> Iterator[str]:
    rows = [row for target in TARGETS if (row := target.row(results))]
    if rows:
        yield from ("", "## Targets", "", "| target | at most | measured | met |")
        yield "| --- | --- | --- | --- |"
        yield from rows


def where_we_lose(results: Mapping[str, TaskResult]) -> Iterator[str]:
    """List each task and metric in which arrowetl isn't first, however little it lacks."""
    rows = [row for result in results.values() for row in _losses(result)]
    yield from ("", "## Where we lose", "")
    if not rows:
        yield "Nowhere in what was measured."
        return
    yield "| task | metric | arrowetl | first | by | times |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield from rows


def _losses(result: TaskResult) -> Iterator[str]:
    ours = result.entry(US)
    if ours is None:
        if any(entry.contender == US for entry in result.entries):
            yield f"| {result.title} | all: no valid run | | | | |"
        return
    rivals = [entry for entry in result.ok() if entry.contender != BASELINE]
    for metric, (heading, written) in units.METRICS.items():
        best = min(rivals, key=methodcaller("median", metric))
        if best.median(metric) < ours.median(metric):
            times = units.ratio(ours.median(metric) / best.median(metric))
            figures = (written(value.median(metric)) for value in (ours, best))
            yield f"| {result.title} | {heading} | {' | '.join(figures)} | {best.label} | {times} |"


def _machines(results: Mapping[str, TaskResult]) -> Iterator[str]:
    """Say on what and with which versions; once, if all tasks ran on the same."""
    yield from ("", "## Measured on", "")
    lines: dict[str, list[str]] = {}
    for result in results.values():
        machine = result.machine
        versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        line = (
            f"{machine['cores']} cores ({machine['processor']}), "
            f"{units.size(machine['memory_bytes'])}, {machine['system']}, "
            f"Python {machine['python']}; {versions}"
        )
        lines.setdefault(line, []).append(f"{result.task} ({result.measured_at[:10]})")
    for line, tasks in lines.items():
        yield f"- {', '.join(tasks)}: {line}"
