"""The ledger: for every stage, rows in = rows out + removed + merged + rejected.

Counts come from taps inside statements and from meters between segments. Where a place is counted
in both ways, they have to agree; where a stage says that it keeps its rows, it has to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from arrowetl.engines.bridge import Meter, Statement
from arrowetl.errors import LedgerError
from arrowetl.planning.plan import Plan, Segment, Step
from arrowetl.planning.taps import Tapped
from arrowetl.reliability.deadletters import Rejects
from arrowetl.stage import Rows


@dataclass(frozen=True)
class Count:
    """One line of the ledger: a stage, or the source at position 0."""

    label: str
    position: int
    records_in: int
    records_out: int
    records_rejected: int
    seconds: float
    pushed_down: bool
    rows: Rows
    bytes_out: int | None = None
    memory: int | None = None
    """The most that was held, in bytes, while the segment ran of which it is the last stage."""


Counts = tuple[Count, ...]


class Ran(Protocol):
    """What the ledger asks of a segment that has run."""

    segment: Segment
    statement: Statement | None
    meter: Meter


def counted(plan: Plan, source: Meter, running: Sequence[Ran], rejects: Rejects) -> Counts:
    """Put the counts of a run together, and check them.

    Raises:
        LedgerError: a line doesn't add up.
    """
    lines = list(_lines(plan, source, running, rejects))
    for line in lines[1:]:
        _check(line)
    return tuple(lines)


def _lines(plan: Plan, source: Meter, running: Sequence[Ran], rejects: Rejects) -> Iterator[Count]:
    taps = [_taps(plan, number, ran) for number, ran in enumerate(running)]
    seen = _source_seen(plan, source, taps)
    rows = seen.rows
    memory = _source_memory(plan, source, running)
    yield _source_line(plan, seen, rejects.by_stage(plan.source.label), memory)
    upstream = seen.seconds
    for number, ran in enumerate(running):
        before = rows
        for step in ran.segment.steps:
            line = _line(step, before, ran, taps=taps[number], rejects=rejects)
            if ran.statement is None:
                line = _timed(line, ran.meter.seconds - upstream)
            yield line
            before = line.records_out
        rows = before
        upstream = ran.meter.seconds
        _meet(ran, rows, rejects)


def _source_memory(plan: Plan, source: Meter, running: Sequence[Ran]) -> int | None:
    """Give what was held for the source alone; with stages in its statement it isn't alone."""
    if plan.relation is None:
        return source.memory
    first = running[0]
    return None if first.segment.steps or first.statement is None else first.statement.memory


def _source_line(plan: Plan, seen: Tapped, unread: int, memory: int | None) -> Count:
    return Count(
        plan.source.label,
        position=0,
        records_in=seen.rows + unread,
        records_out=seen.rows,
        records_rejected=unread,
        seconds=seen.seconds,
        pushed_down=plan.relation is not None,
        rows=Rows.SAME,
        bytes_out=seen.bytes,
        memory=memory,
    )


def _taps(plan: Plan, number: int, ran: Ran) -> dict[int, Tapped]:
    wanted = plan.taps(number)
    if ran.statement is None or not wanted:
        return {}
    found = ran.statement.taps
    if len(found) != len(wanted):
        raise LedgerError(
            f"{ran.segment.label or plan.source.label}: {len(wanted)} places were to be counted "
            f"inside the statement and {len(found)} were; nothing was committed. Please report "
            "this, with the pipeline's explain()"
        )
    return dict(zip(wanted, found, strict=True))


def _source_seen(plan: Plan, source: Meter, taps: list[dict[int, Tapped]]) -> Tapped:
    if plan.relation is None:
        return Tapped(source.rows, source.seconds, source.bytes)
    if plan.rows_known is not None:
        return Tapped(plan.rows_known, 0.0)
    return taps[0].get(0, Tapped(0, 0.0))


def _line(
    step: Step,
    before: int,
    ran: Ran,
    *,
    taps: dict[int, Tapped],
    rejects: Rejects,
) -> Count:
    rejects_any = step.rejections or step.sets_apart
    rejected = rejects.by_stage(step.name) if rejects_any else 0
    last = step is ran.segment.steps[-1]
    memory = None
    if ran.statement is None:
        seen = Tapped(ran.meter.rows, 0.0, ran.meter.bytes)
        memory = ran.meter.memory
    else:
        memory = ran.statement.memory if last else None
        sent = ran.meter.bytes or None if last else None
        seen = taps.get(step.position, Tapped(before - rejected, 0.0, sent))
    # What nobody read further on isn't the stage's to answer for.
    unread = ran.statement is None and not ran.meter.ended
    rows = Rows.ANY if unread else step.stage.rows
    pushed_down = ran.statement is not None
    return Count(
        step.name,
        step.position,
        before,
        seen.rows,
        rejected,
        seen.seconds,
        pushed_down,
        rows,
        seen.bytes,
        memory,
    )


def _timed(line: Count, seconds: float) -> Count:
    return replace(line, seconds=max(seconds, 0.0))


def _meet(ran: Ran, rows: int, rejects: Rejects) -> None:
    """Compare what the statement's taps say with what came out of it."""
    if ran.statement is None or not ran.meter.ended:
        return
    ahead = ran.segment.rejects_for
    expected = rows - (rejects.by_stage(ahead.name) if ahead is not None else 0)
    if expected != ran.meter.rows:
        raise LedgerError(
            f"{ran.segment.label}: {expected:,} rows were counted in the statement and "
            f"{ran.meter.rows:,} came out of it; nothing was committed"
        )


def _check(line: Count) -> None:
    """Hold a stage to what it says of its rows."""
    gone = line.records_in - line.records_out - line.records_rejected
    if line.rows is Rows.SAME and gone:
        verb = "lost" if gone > 0 else "made up"
        raise LedgerError(
            f"{line.label} (transform {line.position}) says it keeps its rows, and {verb} "
            f"{abs(gone):,} of {line.records_in:,}; nothing was committed"
        )
    if line.rows in {Rows.REMOVES, Rows.MERGES} and gone < 0:
        raise LedgerError(
            f"{line.label} (transform {line.position}) says it only takes rows away, and added "
            f"{-gone:,} to {line.records_in:,}; nothing was committed"
        )
