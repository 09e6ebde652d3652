"""How work that takes long learns that the run it belongs to is to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - it is not an error: somebody asked for it
    """The run is being stopped; raised in the streams to unwind them."""


class Stop:
    """Whether a run is to stop.

    >>> stop = Stop()
    >>> stop.during(check)
    >>> stop.set()
    >>> stop.during(check)
    Traceback (most recent call last):
    arrowetl.stopping.Stopped
    """

    def __init__(self) -> None:
        """Nobody has asked for it."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Say whether somebody has asked for it."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for it, from any thread; what is `interruptible` is interrupted, each time again."""
        self._event.set()
        # What is being closed can't be interrupted any more.
        with self._lock:
            for interrupt in self._interrupts:
                interrupt()

    def check(self) -> None:
        """Raise Stopped if somebody asked for it."""
        if self.is_set():
            raise Stopped

    def during(self, work: Callable[[], T]) -> T:
        """Do work that belongs to the run, in this thread: `check` is about this run there."""
        token = _run.set(self)
        try:
            return work()
        finally:
            _run.reset(token)

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Have something interrupted if the run is to stop meanwhile."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)


_run: ContextVar[Stop | None] = ContextVar("arrowetl_run", default=None)


def check() -> None:
    """Raise Stopped if the run that this thread works for is to stop; nothing outside of runs.

    For loops that take more than a second before a stage gives its next batch.
    """
    stop = _run.get()
    if stop is not None:
        stop.check()


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Have something interrupted if the run that this thread works for is to stop meanwhile."""
    stop = _run.get()
    if stop is None:
        yield
        return
    with stop.interrupting(interrupt):
        yield
