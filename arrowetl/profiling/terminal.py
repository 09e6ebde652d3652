"""Profiles and drifts as they print in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from arrowetl.profiling._markup import legible
from arrowetl.profiling._wording import different, kind_of, outline, share
from arrowetl.profiling.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    from rich.console import RenderableType

    from arrowetl.profiling.compare import Drift

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 10
_SHOWN = 20
_NAME = 40
_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def printed(shown: object, width: int = 100) -> str:
    """Give what rich prints, without colours."""
    from rich.console import Console

    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())


def spark(counts: Sequence[int], width: int = _SPARK) -> str:
    """Draw counts as small bars; few are still seen, none are a space.

    >>> spark([0, 1, 50, 100])
    ' ▁▄█'
    >>> len(spark(range(30)))
    10
    """
    if len(counts) > width:
        cuts = [round(i * len(counts) / width) for i in range(width + 1)]
        counts = [sum(counts[a:b]) for a, b in pairwise(cuts)]
    most = max(counts, default=0)
    return "".join(_BARS[max(0, -(-8 * n // most) - 1)] if n else " " for n in counts)


def rendered(profile: Profile) -> RenderableType:
    """Give a table of the columns, then what to look at."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_title(profile), title_justify="left", box=None, pad_edge=False)
    table.add_column("column", overflow="fold", min_width=12, ratio=3)
    table.add_column("type", overflow="fold", ratio=3)
    table.add_column("null", justify="right", no_wrap=True)
    table.add_column("different", justify="right")
    table.add_column("smallest to largest", overflow="fold", ratio=4)
    table.add_column("spread", no_wrap=True, min_width=_SPARK)
    table.add_column("signs", overflow="fold", ratio=2)
    for column in profile.columns:
        table.add_row(*map(Text, _cells(column)))
    return Group(table, *_looks(profile))


def _title(profile: Profile) -> str:
    from rich.markup import escape

    sample = profile.sample
    rows = f"{sample.of:,} rows, {len(profile.columns):,} columns"
    if not sample.complete:
        rows += f"; of a sample of {sample.rows:,} rows"
        rows += "" if sample.seed is None else f" (seed {sample.seed})"
    return escape(f"{legible(profile.source)}: {rows}" if profile.source else rows)


def _cells(column: ColumnProfile) -> Iterator[str]:
    yield legible(column.name, _NAME)
    yield kind_of(column)
    yield share(column.null_share)
    yield different(column)
    ends = [legible(each, _SHOWN) for each in (column.minimum, column.maximum) if each is not None]
    yield " to ".join(ends)
    yield spark(outline(column))
    yield ", ".join(_signs(column))


def _signs(column: ColumnProfile) -> Iterator[str]:
    if column.key:
        yield "key"
    personal = [each.label.replace("_", " ") for each in column.pii]
    yield from personal
    common = next((each for each in column.patterns if each.share >= 0.5), None)  # noqa: PLR2004
    if common and common.name not in {each.label for each in column.pii}:
        yield common.title


def _looks(profile: Profile) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    if not profile.cautions:
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold", min_width=12, max_width=24)
    table.add_column(overflow="fold")
    for each in profile.cautions:
        where = legible(each.column, _NAME) if each.column else "all rows"
        table.add_row(Text(where, style=_STYLES["warning"]), Text(each.text))
    yield Text(f"\nTo look at ({len(profile.cautions):,}):", style="bold")
    yield table


def rendered_drift(drift: Drift) -> RenderableType:
    """Give a table of what has changed, the gravest first."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    sides = [_side(each) for each in (drift.old, drift.new)]
    title = Text(f"{sides[0]} -> {sides[1]}: {summary(drift)}")
    if not drift.changes:
        return title
    table = Table(box=None, pad_edge=False)
    for name, ratio in (("", None), ("column", 2), ("what", 4), ("before", 3), ("after", 3)):
        table.add_column(name, overflow="fold", ratio=ratio)
    for each in drift.changes:
        where = legible(each.column, _NAME) if each.column else "all rows"
        cells = (where, each.text, legible(each.before), legible(each.after))
        table.add_row(Text(each.severity, style=_STYLES[each.severity]), *map(Text, cells))
    return Group(title, table)


def _side(profile: Profile) -> str:
    return f"{legible(profile.source)} ({profile.sample.of:,} rows)".strip()


def summary(drift: Drift) -> str:
    """Say how many changes there are of each severity."""
    from arrowetl.profiling.compare import SEVERITIES

    counts = {
        severity: sum(each.severity == severity for each in drift.changes)
        for severity in reversed(SEVERITIES)
    }
    told = [f"{n:,} {name}" for name, n in counts.items() if n]
    return ", ".join(told) or "nothing has changed"
