"""How a TuningSummary looks: in a terminal, and as a drawing of cost by run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import TYPE_CHECKING

from arrowetl.profiling._drawing import LINE, OURS, SOFT, Place, drawing, line, words
from arrowetl.profiling._markup import Markup, legible, tag
from arrowetl.profiling._wording import number
from arrowetl.result import size_text
from arrowetl.tuning.summary import Recommendation, RunSummary, TaskSummary, TuningSummary

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

_WIDE, _LEFT, _RIGHT, _TOP, _HIGH, _FOOT = 720, 84, 24, 92, 200, 60
_PANEL = _TOP + _HIGH + _FOOT
_NAME = 60
_TICKS = 10
_LOG_FROM = 10
"""Where the dearest run costs so many times the cheapest, the axis is logarithmic."""
_CUT = 4
"""Sparks are as high for all that cost so many times the best: the others would look alike."""
_SPARKS = "▁▂▃▄▅▆▇█"
_NARROW = 96
"""Terminals of fewer characters show fewer columns."""
_BEST_COLOUR = "#1a7f37"


def rendered(summary: TuningSummary) -> RenderableType:
    """Give a history for a terminal: its runs, what is recommended, cost by run."""
    from rich.console import Group
    from rich.text import Text

    aim = f"target {summary.target}"
    if summary.target == "throughput":
        aim += f" ({summary.measure})"
    if summary.memory is not None:
        aim += f", in at most {size_text(summary.memory)}"
    parts: list[RenderableType] = [Text(f"{summary.history} · {aim}")]
    for each in summary.tasks:
        said = [*_sparks(each, summary.unit), *_advice(each, summary.unit)]
        parts += [Text(""), _Runs(each, summary.unit), *map(Text, said)]
    return Group(*parts)


@dataclass(frozen=True)
class _Runs:
    """A task's runs as a table, as many columns as the terminal has room for."""

    task: TaskSummary
    unit: str

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.table import Table
        from rich.text import Text

        task, narrow = self.task, options.max_width < 2 * _NARROW
        name = legible(task.pipeline, _NAME)
        marks = {
            "* the best so far": any(each.best for each in task.runs),
            "! over the memory that a run may take": any(each.over for each in task.runs),
        }
        foot = "; ".join(mark for mark, there in marks.items() if there)
        made = Table(
            title=f"{name} · {task.input} · {_count(task)} · {task.task}", title_justify="left",
            caption=foot or None, caption_justify="left", box=None, pad_edge=False,
            collapse_padding=narrow,
        )  # fmt: skip
        heads = ("run", "began (UTC)", "settings", "why", "rows", "seconds", "CPU s", "peak")
        left_out = {"rows", "CPU s"} if options.max_width < _NARROW else set()
        shown = [head not in left_out for head in (*heads, self.unit)]
        for head in compress((*heads, self.unit), shown):
            of_words = head in {"settings", "why", "began (UTC)"}
            made.add_column(
                head, justify="left" if of_words else "right", no_wrap=head != "settings"
            )
        for each in task.runs:
            made.add_row(*map(Text, compress(_cells(each, narrow=narrow), shown)))
        yield made


def _count(task: TaskSummary) -> str:
    runs = "1 run" if task.total == 1 else f"{task.total:,} runs"
    return runs if task.total == len(task.runs) else f"the last {len(task.runs):,} of {runs}"


def _cells(run: RunSummary, *, narrow: bool) -> tuple[str, ...]:
    # A line ends between settings, not within one.
    parts = _settings(run.settings).split(", ")
    glued = ", ".join(each.replace(" ", "\xa0") if narrow else each for each in parts)
    return (
        f"{run.run}{'*' if run.best else ' '}",
        run.at[5:16].replace("T", " "),
        glued,
        run.way,
        f"{run.rows:,}",
        f"{run.seconds:.2f}",
        f"{run.cpu_seconds:.2f}",
        f"{size_text(run.peak)}{' !' if run.over else ''}",
        run.error or ("none" if run.cost is None else number(run.cost)),
    )


def _settings(settings: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in settings.items()) or "none to choose"


def _sparks(task: TaskSummary, unit: str) -> Iterator[str]:
    """Draw cost by run and the best so far, a letter a run; x is one that has no cost."""
    costs = [each.cost for each in task.runs if each.cost is not None]
    if len(costs) < 2:  # noqa: PLR2004 - one has nothing to be compared with
        return
    low = min(costs)
    high = min(max(costs), _CUT * low)
    more = "+" if high < max(costs) else ""
    yield f"Cost by run {''.join(_spark(each.cost, low, high) for each in task.runs)}"
    yield (
        f"best so far {''.join(_spark(each.best_so_far, low, high) for each in task.runs)}"
        f"  {_SPARKS[0]} {number(low)} to {_SPARKS[-1]} {number(high)}{more} {unit}"
    )


def _spark(cost: float | None, low: float, high: float) -> str:
    if cost is None:
        return "x"
    share = (cost - low) / (high - low) if high > low else 0.0
    return _SPARKS[round(max(0.0, min(share, 1.0)) * (len(_SPARKS) - 1))]


def _advice(task: TaskSummary, unit: str) -> Iterator[str]:
    found = task.recommendation
    if found is None:
        yield "No run arrived, so nothing is known of any setting."
        return
    if not found.settings:
        yield "There is nothing to choose: no knob makes a difference, or all were set."
        return
    yield f"Recommended: {_settings(found.settings)}"
    yield f"  {_expected(found, unit)}"
    yield from (f"  {each}" for each in found.reasons)


def _expected(found: Recommendation, unit: str) -> str:
    """Say what settings are expected to cost, and how sure that is."""
    if found.cost is None:
        return "all that was tried took more memory than it may; these take the least"
    said = f"{found.confidence:.0%} sure that nothing costs a tenth less; "
    said += f"{number(found.cost)} {unit} expected"
    if found.usual_cost is not None:
        said += f", the usual settings took {number(found.usual_cost)}"
    return said


def drawn(summary: TuningSummary) -> str:
    """Draw cost by run, a panel a task: runs as dots, the best so far as a line."""
    aim = f"{summary.target}, {summary.unit}"
    said = f"Cost by run ({aim}) of " + ", ".join(
        legible(each.pipeline, _NAME) for each in summary.tasks[:_TICKS]
    )
    panels = (
        tag("g", *_panel(each, summary.unit), transform=f"translate(0 {_PANEL * place})")
        for place, each in enumerate(summary.tasks)
    )
    return drawing(said, _WIDE, _PANEL * len(summary.tasks), *panels)


def _panel(task: TaskSummary, unit: str) -> Iterator[Markup]:
    heading = f"{legible(task.pipeline, _NAME)} · {task.input}"
    yield words(heading, 16, 24, size="15", weight="600")
    best, found = task.best, task.recommendation
    if best is not None and best.cost is not None:
        told = f"best: run {best.run}, {number(best.cost)} {unit}: {_settings(best.settings)}"
        yield words(told, 16, 44, soft=True)
    if found is not None and found.settings:
        sure = f"{found.confidence:.0%} sure"
        yield words(f"recommended, {sure}: {_settings(found.settings)}", 16, 62, soft=True)
    costs = [each.cost for each in task.runs if each.cost is not None]
    if not costs:
        yield words("No run arrived.", _LEFT, _TOP + 20, soft=True)
        return
    axes = _Axes.of(costs, task.runs[0].run, task.runs[-1].run)
    yield words(unit, 16, _TOP - 10, soft=True)
    yield from axes.drawn()
    yield from _steps(task.runs, axes)
    yield from (_dot(each, axes, unit) for each in task.runs)


@dataclass(frozen=True)
class _Axes:
    """Where a run and its cost are drawn."""

    low: float
    high: float
    first: int
    last: int
    log: bool

    @classmethod
    def of(cls, costs: Sequence[float], first: int, last: int) -> _Axes:
        low, high = min(costs), max(costs)
        log = high / low > _LOG_FROM
        room = 1.15 if log else 1 + 0.08 * (high - low) / low if high > low else 1.1
        return cls(low / room, high * room, first, last, log)

    def at(self, run: float, cost: float) -> Place:
        across = (run - self.first + 0.5) / (self.last - self.first + 1)
        low, high, cost = (
            (math.log(each) if self.log else each) for each in (self.low, self.high, cost)
        )
        return (
            _LEFT + (_WIDE - _LEFT - _RIGHT) * across,
            _TOP + _HIGH * (1 - (cost - low) / (high - low)),
        )

    def ticks(self) -> Iterator[float]:
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)))
            steps = [m * 10.0**power for power in powers for m in (1, 2, 5)]
            every = max(1, len(steps) // _TICKS)
            yield from (each for each in steps[::every] if self.low <= each <= self.high)
            return
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        for place in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            yield place * step

    def drawn(self) -> Iterator[Markup]:
        bottom = _TOP + _HIGH
        for tick in self.ticks():
            y = self.at(self.first, tick)[1]
            yield line((_LEFT, y), (_WIDE - _RIGHT, y), stroke=LINE)
            yield words(number(tick), _LEFT - 8, y + 4, soft=True, text_anchor="end")
        yield line((_LEFT, bottom), (_WIDE - _RIGHT, bottom), stroke=SOFT)
        every = math.ceil((self.last - self.first + 1) / _TICKS)
        for run in range(self.first, self.last + 1, every):
            x = self.at(run, self.low)[0]
            yield words(f"{run:,}", x, bottom + 18, soft=True, text_anchor="middle")
        middle = (_LEFT + _WIDE - _RIGHT) / 2
        told = "run; the line is the best so far, x failed, hollow took more memory than it may"
        yield words(told, middle, bottom + 38, soft=True, text_anchor="middle")


def _steps(runs: Sequence[RunSummary], axes: _Axes) -> Iterator[Markup]:
    """Draw the best so far as stairs that go down."""
    known = [(each.run, each.best_so_far) for each in runs if each.best_so_far is not None]
    style = {"stroke": _BEST_COLOUR, "stroke_width": "2"}
    for (run, cost), (after, less) in pairwise(known):
        # A line that began before the runs that are shown may lie below them all.
        here, there = axes.at(run, max(cost, axes.low)), axes.at(after, max(less, axes.low))
        yield line(here, (there[0], here[1]), **style)
        if less < cost:
            yield line((there[0], here[1]), there, **style)


def _dot(run: RunSummary, axes: _Axes, unit: str) -> Markup:
    told = tag("title", f"run {run.run} ({run.way}): {_settings(run.settings)}; {_took(run, unit)}")
    x, y = axes.at(run.run, axes.low if run.cost is None else run.cost)
    if run.cost is None:
        return tag("g", told, words("x", x, y - 4, soft=True, text_anchor="middle"))
    fill = "#ffffff" if run.over else _BEST_COLOUR if run.best else OURS
    place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4"}
    return tag("circle", told, fill=fill, stroke=_BEST_COLOUR if run.best else OURS, **place)


def _took(run: RunSummary, unit: str) -> str:
    if run.cost is None:
        return run.error or "no rows came in"
    return f"{number(run.cost)} {unit}, {run.rows:,} rows in {run.seconds:.2f} s"
