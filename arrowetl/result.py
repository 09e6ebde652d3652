"""What a run did: folded from its events, and how that prints."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from arrowetl.events import (
    Committed,
    Event,
    RowsRejected,
    RunEnded,
    RunStarted,
    StageCounted,
    StageObserved,
    Tuned,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table


@dataclass(frozen=True)
class StageResult:
    """What one stage did; the first is the source."""

    name: str
    records_in: int
    records_out: int
    records_rejected: int
    seconds: float
    """Time in its operators, summed over threads. Stages that DuckDB made one share theirs: it
    stands at the last of them."""
    pushed_down: bool
    """Whether it ran inside a DuckDB statement."""
    kind: str = "same"
    """What became of the missing rows: removed, merged, or same if none can be missing."""
    bytes_out: int | None = None
    """Size of the rows that left it, in memory; None inside a statement where none are counted."""
    peak_memory_bytes: int | None = None
    """The most that was held while it ran: by DuckDB, or by Arrow for a stage in Python. Segments
    run at the same time, and these are what all of them held then. Stages that DuckDB made one
    share theirs: it stands at the last of them."""
    summary: pa.Table | None = field(default=None, compare=False)
    """What it says of its rows besides them, if it says anything."""

    @property
    def records_gone(self) -> int:
        """Rows that were removed or merged; below zero where a stage added rows."""
        return self.records_in - self.records_out - self.records_rejected


@dataclass(frozen=True)
class Rejected:
    """The rows that one stage rejected for one reason."""

    stage: str
    reason_code: str
    records: int
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class PipelineResult:
    """What a run did. Counts are exact; `str` is a table, a notebook shows one too.

    In every run, `records_extracted` = `records_loaded` + what stages removed or merged +
    `records_rejected`.
    """

    run_id: str
    pipeline: str
    started_at: datetime
    records_extracted: int = 0
    """Rows that the source had, the rejected ones among them."""
    records_loaded: int = 0
    """Rows that are durable in the destination. An upsert counts all that it was given, also where
    several have one key, of which the table keeps the last."""
    records_rejected: int = 0
    duration_seconds: float = 0.0
    bytes_read: int | None = None
    """Size of the input in bytes; None if it isn't known."""
    peak_memory_bytes: int = 0
    """The most resident memory of this process during the run."""
    stages: tuple[StageResult, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    schema: pa.Schema | None = None
    """What arrived."""
    tuning: Tuned | None = None
    """What a tuner chose, if there was one."""
    table: pa.Table | None = field(default=None, repr=False, compare=False)
    """The rows themselves, after an ArrowLoader."""

    def to_dict(self) -> dict[str, Any]:
        """Give all of it but the rows, as plain values."""
        plain = asdict(_bare(self))
        plain.pop("table")
        for stage, each in zip(plain["stages"], self.stages, strict=True):
            stage["summary"] = None if each.summary is None else each.summary.to_pylist()
        plain["started_at"] = self.started_at.isoformat()
        plain["schema"] = {f.name: str(f.type) for f in self.schema} if self.schema else None
        return plain

    def to_json(self) -> str:
        """Give all of it but the rows, as a JSON object."""
        import orjson

        return orjson.dumps(self.to_dict(), default=str, option=orjson.OPT_INDENT_2).decode()

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=100, no_color=True)
        with console.capture() as captured:
            console.print(self, crop=False)
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        titles, *lines = _lines(self)
        head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in lines
        )
        summary = html.escape(" · ".join(_summary(self)))
        tables = "".join(_summary_html(stage) for stage in self.stages)
        return f"<table><caption>{summary}</caption><tr>{head}</tr>{rows}</table>{tables}"

    def __repr__(self) -> str:
        return f"<PipelineResult of {self.pipeline!r}: {' · '.join(_summary(self))}>"

    def __rich__(self) -> RenderableType:
        return self.drawn()

    def drawn(self, hide: Callable[[str], str] = str) -> RenderableType:
        """Give what rich draws, in the width that there is: sizes are left out before a cut.

        Args:
            hide: what each text goes through before it is laid out.
        """
        return _Drawn(self, hide)


@dataclass(frozen=True)
class _Drawn:
    result: PipelineResult
    hide: Callable[[str], str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        table, width = self._table(options.max_width)
        # Wider than the console, if it has to be: a number that is cut would be another number.
        yield from console.render(table, options.update(width=max(width, 1)))
        parts = [" · ".join(_summary(self.result)), *self._rejected()]
        if self.result.tuning is not None:
            parts.append(_tuning(self.result.tuning))
        yield from (Text(self.hide(part)) for part in parts)
        for stage in self.result.stages:
            if stage.summary is not None:
                yield _summary_table(stage, self.hide)

    def _table(self, room: int) -> tuple[Table, int]:
        """Give the table of stages, and how wide it is."""
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        lines = [(self.hide(line[0]), *line[1:]) for line in _lines(self.result)]
        widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
        kept = _fitting(lines[0], widths, room)
        numbers = sum(widths[at] + _FRAME for at in kept[1:])
        widths[0] = min(widths[0], max(room - numbers - _FRAME - 1, _NARROW))
        name = Text(self.hide(self.result.pipeline), style="table.title")
        table = Table(title=name, title_justify="left")
        for at in kept:
            left = lines[0][at] in {"stage", "ran in"}
            justify: Literal["left", "right"] = "left" if left else "right"
            table.add_column(lines[0][at], justify=justify, width=widths[at], overflow="fold")
        for line in lines[1:]:
            table.add_row(*(Text(line[at]) for at in kept))
        return table, numbers + widths[0] + _FRAME + 1

    def _rejected(self) -> Iterator[str]:
        if self.result.rejected:
            yield "rejected:"
        for each in self.result.rejected:
            sample = f": {each.samples[0]}" if each.samples else ""
            yield f"  {each.records:,} {each.reason_code} in {each.stage}{sample}"


_FRAME = 3
"""What a column takes besides its text: a space at each side, and a line."""
_NARROW, _READABLE = 8, 20
"""How narrow the stages' names may become, and how narrow before columns are left out."""
_LEAST = ("size out", "peak memory", "ran in")
"""What is left out where there is no room for it, the first of them first."""


def _fitting(titles: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """Give the columns for which there is room.

    >>> _fitting(["stage", "in", "size out", "seconds"], [40, 9, 9, 7], room=45)
    [0, 1, 3]
    """
    kept = list(range(len(titles)))
    for title in _LEAST:
        wanted = min(widths[0], _READABLE) + sum(widths[at] for at in kept[1:])
        if wanted + _FRAME * len(kept) + 1 > room and title in titles:
            kept.remove(titles.index(title))
    return kept


_TITLES = (
    *("stage", "in", "out", "removed", "merged", "rejected", "size out", "peak memory"),
    *("ran in", "seconds"),
)


def _lines(result: PipelineResult) -> list[tuple[str, ...]]:
    """Give the titles and the rows of the table, without columns that say nothing of this run."""
    rows = list(_rows(result))
    said = [at for at in range(len(_TITLES)) if at == 0 or any(row[at] for row in rows)]
    return [tuple(line[at] for at in said) for line in (_TITLES, *rows)]


def _rows(result: PipelineResult) -> Iterator[tuple[str, ...]]:
    for stage in result.stages:
        gone = stage.records_gone
        merged = stage.kind == "merged"
        yield (
            stage.name,
            f"{stage.records_in:,}",
            f"{stage.records_out:,}",
            "" if merged or not gone else f"{gone:,}",
            f"{gone:,}" if merged and gone else "",
            f"{stage.records_rejected:,}" if stage.records_rejected else "",
            "" if stage.bytes_out is None else size_text(stage.bytes_out),
            "" if stage.peak_memory_bytes is None else size_text(stage.peak_memory_bytes),
            "DuckDB" if stage.pushed_down else "Python",
            f"{stage.seconds:.2f}",
        )


def _summary_table(stage: StageResult, hide: Callable[[str], str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(hide(stage.name), style="table.title"), title_justify="left")
    for column in stage.summary.schema if stage.summary is not None else ():
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(Text(hide(column.name)), justify=justify, no_wrap=numeric)
    for row in _shown(stage):
        table.add_row(*(Text(hide(cell)) for cell in row))
    return table


def _summary_html(stage: StageResult) -> str:
    if stage.summary is None:
        return ""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in stage.summary.column_names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _shown(stage)
    )
    return f"<table><caption>{html.escape(stage.name)}</caption><tr>{head}</tr>{rows}</table>"


SHOWN_ROWS = 50
"""How many rows of a stage's summary are shown."""
LIST_WIDTH = 60
"""Characters of a list in a table."""


def _shown(stage: StageResult) -> Iterator[tuple[str, ...]]:
    if stage.summary is None:
        return
    rows = stage.summary.slice(0, SHOWN_ROWS).to_pylist()
    yield from (tuple(map(_cell, row.values())) for row in rows)
    if stage.summary.num_rows > SHOWN_ROWS:
        yield (f"and {stage.summary.num_rows - SHOWN_ROWS:,} more",)


def _cell(value: object) -> str:
    """Give a value of a summary as people read it.

    >>> _cell(1234567), _cell(0.123456), _cell(None), _cell(["a", 2])
    ('1,234,567', '0.1235', '', 'a, 2')
    """
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list():
            cells = ", ".join(map(_cell, value))
            return cells if len(cells) <= LIST_WIDTH else f"{cells[: LIST_WIDTH - 1]}…"
        case _:
            return str(value)


def _summary(result: PipelineResult) -> Iterator[str]:
    yield f"{result.records_extracted:,} rows in"
    yield f"{result.records_loaded:,} loaded"
    yield f"{result.records_rejected:,} rejected"
    if result.duration_seconds:
        speed = result.records_extracted / result.duration_seconds
        yield f"{result.duration_seconds:.2f} s ({speed:,.0f} rows/s)"
    if result.bytes_read is not None:
        yield f"{size_text(result.bytes_read)} read"
    yield f"peak memory {size_text(result.peak_memory_bytes)}"


def _tuning(tuned: Tuned) -> str:
    """Say in a line or more what was chosen, why, and what went wrong."""
    chosen = ", ".join(f"{name} {value:,}" for name, value in tuned.settings.items())
    lines = [f"tuned ({tuned.way}, run {tuned.runs + 1}): {chosen or 'nothing to choose'}"]
    return "\n  ".join([*lines, *tuned.reasons, *tuned.notes])


def size_text(size: float) -> str:
    """Give a number of bytes with its unit.

    >>> size_text(1536), size_text(3)
    ('1.5 KiB', '3 B')
    """
    units = ("B", "KiB", "MiB", "GiB")
    for unit in units:
        if abs(size) < 1024 or unit == units[-1]:  # noqa: PLR2004 - what a KiB is
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError(size)


def _bare(result: PipelineResult) -> PipelineResult:
    from dataclasses import replace

    stages = tuple(replace(stage, summary=None) for stage in result.stages)
    return replace(result, table=None, stages=stages)


@dataclass
class ResultFolder:
    """A listener that folds a run's events into its result."""

    values: dict[str, Any] = field(default_factory=dict)
    stages: list[StageCounted] = field(default_factory=list)
    summaries: dict[int, pa.Table] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self.values |= {
                    "run_id": event.run_id,
                    "pipeline": event.pipeline,
                    "started_at": event.at,
                }
            case StageCounted():
                self.stages.append(event)
            case StageObserved():
                self.summaries[event.position] = event.summary
            case RowsRejected():
                self.rejected.append(
                    Rejected(event.stage, event.reason_code, event.rows, event.samples)
                )
            case Committed():
                self.values |= {"records_loaded": event.rows, "schema": event.schema}
            case Tuned():
                self.values |= {"tuning": event}
            case RunEnded():
                self.values |= {
                    "duration_seconds": event.seconds,
                    "bytes_read": event.bytes_read,
                    "peak_memory_bytes": event.peak_memory_bytes,
                }
            case _:
                pass

    def result(self, table: pa.Table | None = None) -> PipelineResult:
        """Give the result of what was heard so far."""
        counted = sorted(self.stages, key=lambda each: each.position)
        return PipelineResult(
            **self.values,
            records_extracted=counted[0].records_in if counted else 0,
            records_rejected=sum(each.records for each in self.rejected),
            stages=tuple(
                StageResult(
                    each.stage,
                    each.records_in,
                    each.records_out,
                    each.records_rejected,
                    each.seconds,
                    each.pushed_down,
                    each.kind,
                    each.bytes_out,
                    each.peak_memory_bytes,
                    self.summaries.get(each.position),
                )
                for each in counted
            ),
            rejected=tuple(self.rejected),
            table=table,
        )
