"""What happens in a run, as frozen facts.

The engine says them in order, in one thread; progress, result, metrics and logs listen. A
listener is any callable that takes an event; it must be quick and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Event:
    """Something that happened in the run `run_id`."""

    run_id: str


@dataclass(frozen=True)
class RunStarted(Event):
    """The plan is made and the first row is about to be read."""

    pipeline: str
    at: datetime
    bytes_total: int | None
    """Size of the input in bytes, where it is known."""


@dataclass(frozen=True)
class Progressed(Event):
    """The run went on; said a few times a second at most."""

    rows: int | None
    """Rows that reached the destination so far; None while one statement does it all."""
    share: float | None
    """Share of the input that is done, in [0, 1]; None if not known."""


@dataclass(frozen=True)
class RowsRejected(Event):
    """A source or a stage rejected rows; they are on their way to the dead letters."""

    stage: str
    reason_code: str
    rows: int
    samples: tuple[str, ...] = ()
    """A few of the reasons, as texts."""


@dataclass(frozen=True)
class StageCounted(Event):
    """The exact counts of one stage, once its rows have all passed."""

    stage: str
    position: int
    """Place in the pipeline: 0 is the source."""
    records_in: int
    records_out: int
    records_rejected: int
    seconds: float
    pushed_down: bool
    kind: str
    """How its missing rows are called: removed, merged, or none of them (same)."""
    bytes_out: int | None = None
    """Size of the rows that left it, in memory, where it was seen."""
    peak_memory_bytes: int | None = None
    """The most that DuckDB, or Arrow for a Python stage, held while its segment ran; of stages in
    one statement, it stands at the last."""


@dataclass(frozen=True)
class StageObserved(Event):
    """What a stage says of its rows besides them, once they have all passed."""

    stage: str
    position: int
    """Place in the pipeline."""
    summary: pa.Table


@dataclass(frozen=True)
class Tuned(Event):
    """The settings that a tuner chose for the run, told at its end."""

    settings: Mapping[str, int]
    """By knob."""
    way: str
    """Why: `start`, `usual`, `transfer`, `explore`, `exploit` or `smallest`."""
    confidence: float
    """How likely the best so far costs at most a tenth more than the best there is; 0 to 1."""
    runs: int
    """How many runs there were before."""
    reasons: tuple[str, ...] = ()
    """What runs so far say of each setting."""
    notes: tuple[str, ...] = ()
    """What went wrong with the tuner."""


@dataclass(frozen=True)
class Committed(Event):
    """The destination's rows are durable and visible."""

    rows: int
    schema: pa.Schema


@dataclass(frozen=True)
class RunEnded(Event):
    """The run is over, well or not; `error` is None if it arrived."""

    seconds: float
    bytes_read: int | None
    peak_memory_bytes: int
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]
