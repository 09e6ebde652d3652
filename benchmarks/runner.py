"""Runs a task: every contender in turn, each repetition in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import machine
from benchmarks.contender import Contender, load
from benchmarks.content import Content
from benchmarks.postgres import Server, served
from benchmarks.process import Usage, asked, last_line, measured, module
from benchmarks.results import (
    DIFFERS,
    FAILED,
    NOT_APPLICABLE,
    TIMED_OUT,
    Entry,
    Run,
    TaskResult,
)
from benchmarks.task import Task

REFERENCE_TIMES = 4
"""How much longer it may take than a contender, once, to say what is due."""


@dataclass(frozen=True)
class Options:
    """How the measuring is done."""

    rows: int | None = None
    """Rows of input, the task's own number if None."""
    runs: int = 5
    scratch: Path = Path(__file__).parent / "results" / "scratch"
    """Where outputs are written and removed: a real disk, since not all of /tmp is."""
    timeout: float | None = None
    """Seconds a run may take, the task's own number if None."""
    say: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Course:
    """A task made ready: its input and the content that is due."""

    task: Task
    rows: int
    source: Path | None
    due: Content | None
    options: Options
    server: Server | None = None
    """What holds the source or the output, where that is a database."""

    @property
    def timeout(self) -> float:
        """The seconds that a run may take."""
        return self.options.timeout or self.task.timeout

    @property
    def input_bytes(self) -> int:
        """The size of the input."""
        return self.source.stat().st_size if self.source else 0


def run_task(task: Task, contenders: Sequence[Contender], options: Options) -> TaskResult:
    """Measure the contenders at a task: a warm-up each, then round after round.

    The order turns by one each round, so that nobody always runs after the same neighbour.
    A contender that fails, differs or times out is out of the rounds that follow.
    """
    with served(task) as server:
        return _run_course(_ready(task, options, server), contenders)


def _run_course(course: Course, contenders: Sequence[Contender]) -> TaskResult:
    task, options = course.task, course.options
    result = TaskResult(
        task=task.name,
        title=task.title,
        rows=course.rows,
        input_bytes=course.input_bytes,
        measured_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=machine.describe(),
    )
    racing = []
    for contender in contenders:
        entry = Entry(contender.name, contender.label)
        if reason := contender.excuse(task):
            entry.status, entry.reason = NOT_APPLICABLE, reason
            result.entries.append(entry)
        elif contender.does(task):
            racing.append((contender, entry))
            result.entries.append(entry)
    for number in range(1 + options.runs * task.rounds):
        for turn in range(len(racing)):
            contender, entry = racing[(turn + number) % len(racing)]
            if not entry.reason:
                _repeat(course, contender, entry, number)
    return result


def _ready(task: Task, options: Options, server: Server | None) -> Course:
    """Make the input, and the reference's output to compare with."""
    if task.dataset is None:
        options.say(f"{task.name}: the start of a program")
        return Course(task, 0, None, None, options)
    rows = _rows(task, options)
    options.say(f"{task.name}: {rows:,} rows of {task.dataset.name}, and what is due")
    source = Path(asked("data", task.name, str(rows)))
    course = Course(task, rows, source, None, options, server)
    if server is not None:
        server.prepare(task, rows)
    with _ends(course) as (given, output):
        usage = measured(
            _command(task, load(task.reference), given, output),
            timeout=task.timeout * REFERENCE_TIMES,
        )
        if usage.code != 0:
            sys.exit(f"the reference failed at {task.name}:\n{usage.errors}")
        return replace(course, due=_content(task, output))


def _rows(task: Task, options: Options) -> int:
    if options.rows is None:
        return task.rows
    return max(1, options.rows // 10) if task.tenth_of else options.rows


def _repeat(course: Course, contender: Contender, entry: Entry, number: int) -> None:
    """Run once and note it; the first is the warm-up, whose figures don't count."""
    with _ends(course) as (source, output):
        command = _command(course.task, contender, source, output)
        os.sync()  # what the last one wrote isn't this one's to wait for
        before = course.server.cpu() if course.server else 0.0
        usage = measured(command, timeout=course.timeout)
        if course.server:
            usage = replace(usage, cpu=usage.cpu + course.server.cpu() - before)
        entry.status, entry.reason = _judged(course, usage, output)
        if number > 0 and not entry.reason:
            entry.runs.append(_run(course, usage, output))
    round_name = f"run {number}" if number else "warm-up"
    course.options.say(
        f"  {round_name:8} {entry.label:24} {usage.wall:8.2f} s wall {usage.cpu:8.2f} s CPU"
        f" {usage.peak / 1e6:8.0f} MB  {entry.status} {entry.reason}"
    )


def _judged(course: Course, usage: Usage, output: Path) -> tuple[str, str]:
    """Give the entry's status and its reason."""
    if usage.timed_out:
        return TIMED_OUT, f"stopped after {course.timeout:.0f} s"
    if usage.code != 0:
        return FAILED, last_line(usage.errors)
    if course.due is None:
        return Entry.status, ""
    if not output.exists():
        return FAILED, "wrote no output"
    differences = _content(course.task, output).differences(course.due)
    return (DIFFERS, "; ".join(differences)) if differences else (Entry.status, "")


def _content(task: Task, output: Path) -> Content:
    return Content(**asked("content", task.name, str(output)))


def _command(task: Task, contender: Contender, source: Path | None, output: Path) -> list[str]:
    if source is None:
        return [sys.executable, "-c", contender.startup]
    report = output.with_name("report.json")
    return module("worker", contender.spec, task.name, str(source), str(output), str(report))


@contextmanager
def _ends(course: Course) -> Iterator[tuple[Path | None, Path]]:
    """Give what is read, and where nothing is yet; a database's end is a file with its URI."""
    source, server = course.source, course.server
    with scratch(course.options) as folder:
        output = folder / f"output.{course.task.output}"
        if server is not None and course.task.from_postgres:
            source = folder / "source.postgres"
            source.write_text(server.source(), encoding="utf-8")
        if server is not None and course.task.output == "postgres":
            output.write_text(server.target(), encoding="utf-8")
        yield source, output


def _run(course: Course, usage: Usage, output: Path) -> Run:
    report = output.with_name("report.json")
    own = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    if course.server is not None and course.task.output == "postgres":
        size = course.server.size()
    else:
        size = output.stat().st_size if output.exists() else 0
    return Run(usage.wall, usage.cpu, usage.peak, **own, output=size)


@contextmanager
def scratch(options: Options) -> Iterator[Path]:
    """Give an empty folder that is gone afterwards."""
    options.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.scratch))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
