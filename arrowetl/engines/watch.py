"""Running work so that it can be watched, and stopped at any time.

A long DuckDB query holds the thread that started it, and Ctrl-C waits for its end. So the work is
done in a thread of its own; the caller's thread watches memory and progress, and interrupts.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

TICK_SECONDS = 0.05
TERMINATED = 143
"""Exit code of a process that SIGTERM ended: 128 + 15."""


@dataclass
class MemoryPeak:
    """The most resident memory seen, in bytes. Looked at on every tick, it misses shorter peaks."""

    peak: int = 0

    def look(self) -> None:
        """Note how much is resident now."""
        self.peak = max(self.peak, resident_bytes())


def resident_bytes() -> int:
    """Give the resident memory of this process, in bytes.

    >>> resident_bytes() > 1_000_000
    True
    """
    statm = Path("/proc/self/statm")
    if statm.exists():
        import os

        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def watched(work: Callable[[], T], *, tick: Callable[[], None], interrupt: Callable[[], None]) -> T:
    """Do `work` in a thread and wait for it; give its result, or raise its exception.

    Args:
        work: what to do.
        tick: called in this thread every 50 ms.
        interrupt: makes `work` end soon; called when this thread is interrupted, by Ctrl-C say.

    >>> watched(lambda: 42, tick=lambda: None, interrupt=lambda: None)
    42
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    done = threading.Event()

    def worker() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            failure.append(error)
        finally:
            done.set()

    threading.Thread(target=worker, name="arrowetl-run").start()
    try:
        # Not `join`: a signal that interrupts it makes a living thread look dead, until 3.13.
        while not done.wait(TICK_SECONDS):
            tick()
    except BaseException:
        _stop(done, interrupt)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


def _stop(done: threading.Event, interrupt: Callable[[], None]) -> None:
    """Interrupt until it is done; signals often come twice, and the second changes nothing."""
    while not done.is_set():
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            # Once is not enough: a query that is about to start would miss it.
            interrupt()
            done.wait(TICK_SECONDS)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into SystemExit(143), so that a run is rolled back before the process ends.

    Only in the main thread, and only if nobody else handles the signal.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a handler takes
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder for what is spilled; it is gone afterwards, after a SIGTERM too.

    >>> with scratch_folder() as scratch:
    ...     _ = scratch.joinpath("spilled").write_text("x")
    >>> scratch.exists()
    False
    """
    with terminable():
        # Named before it is made: a signal in between finds nothing that nobody knows of.
        folder = Path(tempfile.gettempdir(), f"arrowetl-{uuid.uuid4().hex}")
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
