"""A progress bar: rows, rows a second, and the share that is done where it can be known."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from arrowetl.events import Event, Progressed, RunEnded, RunStarted

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressBar:
    """A listener that draws on stderr; what the program prints on stdout stays clean.

    Args:
        on: whether to draw; None draws only where stderr is a terminal.
    """

    def __init__(self, *, on: bool | None = None) -> None:
        """Draw nothing yet."""
        self._on = on
        self._bar: Progress | None = None

    def __call__(self, event: Event) -> None:
        """Draw what the event says."""
        if isinstance(event, RunStarted):
            self._start(event)
        elif self._bar is None:
            return
        elif isinstance(event, Progressed):
            self._show(self._bar, event)
        elif isinstance(event, RunEnded):
            self._bar.stop()
            self._bar = None

    def _start(self, event: RunStarted) -> None:
        if self._on is False or (self._on is None and not sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.add_task(event.pipeline, total=None, done="")
        self._bar.start()

    def _show(self, bar: Progress, event: Progressed) -> None:
        (task,) = bar.tasks
        parts = []
        if event.share is not None:
            parts.append(f"{event.share:.0%}")
        if event.rows is not None:
            speed = event.rows / task.elapsed if task.elapsed else 0
            parts.append(f"{event.rows:,} rows · {speed:,.0f} rows/s")
        total = None if event.share is None else 1.0
        bar.update(task.id, total=total, completed=event.share or 0, done=" · ".join(parts))
