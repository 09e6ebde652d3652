"""Runs a command and says what it cost: the kernel's own account of the process.

This process stays small (it imports nothing heavy): between fork and exec a child is charged with
its parent's memory, so no peak below this process's own can be seen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
ROOT = Path(__file__).resolve().parent.parent


class StepError(Exception):
    """A process of the harness's own failed (data, content): nothing to do with a contender."""


@dataclass(frozen=True)
class Usage:
    """What one process cost, the processes that it started and awaited included."""

    wall: float
    """Seconds from its start to its end, the interpreter's start included."""
    cpu: float
    """Seconds of all cores, user and system."""
    peak: int
    """The most bytes resident at once."""
    code: int
    timed_out: bool
    errors: str
    """What it wrote to stderr."""


def measured(command: Sequence[str], *, timeout: float) -> Usage:
    """Run a command to its end; kill it with all it started after `timeout` seconds."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env=environment(),
        )
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, expire)
        timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C: the child has a session of its own and wouldn't notice
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return Usage(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            peak=usage.ru_maxrss * 1024,
            code=child.returncode,
            timed_out=expired.is_set(),
            errors=errors.read().decode(errors="replace"),
        )


def environment() -> dict[str, str]:
    """Give the environment of a user's: one in which Python keeps the bytecode that it compiles."""
    return {name: value for name, value in os.environ.items() if name != NO_BYTECODE}


def module(name: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of this package."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def asked(name: str, *arguments: str) -> Any:
    """Run a module in a process of its own and give the JSON that it prints.

    Raises:
        StepError: it failed.
    """
    done = subprocess.run(
        module(name, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StepError(f"benchmarks.{name} {' '.join(arguments)}: {last_line(done.stderr)}")
    return json.loads(done.stdout)


def last_line(text: str) -> str:
    """Give the last line that isn't empty: a traceback's message."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
