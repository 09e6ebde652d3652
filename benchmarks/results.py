"""What was measured, as values: the runs of an entry, the entries of a task, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tasks import TASKS

OK = "ok"
DIFFERS = "differs"
FAILED = "failed"
TIMED_OUT = "timed out"
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Run:
    """One repetition in one process."""

    wall: float
    """Seconds of the whole process."""
    cpu: float
    peak: int
    seconds: float = 0
    """Seconds of the contender's function alone."""
    read: int = 0
    """Bytes through read calls."""
    written: int = 0
    """Bytes through write calls, spilled ones too."""
    output: int = 0
    """Bytes of the finished output."""


@dataclass
class Entry:
    """A contender at a task."""

    contender: str
    label: str
    status: str = OK
    reason: str = ""
    runs: list[Run] = field(default_factory=list)

    def values(self, metric: str) -> list[float]:
        """Give one figure of each run."""
        return [float(getattr(run, metric)) for run in self.runs]

    def median(self, metric: str) -> float:
        """Give the median of one figure."""
        return median(self.values(metric))

    def rate(self, rows: int) -> float:
        """Give the rows of input a CPU second, by the median."""
        return rows / self.median("cpu")


@dataclass
class TaskResult:
    """All entries of a task, with what they were measured on."""

    task: str
    title: str
    rows: int
    input_bytes: int
    measured_at: str
    machine: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)

    def ok(self) -> Iterator[Entry]:
        """Give the entries whose figures count."""
        return (entry for entry in self.entries if entry.status == OK and entry.runs)

    def entry(self, contender: str) -> Entry | None:
        """Give a contender's entry, None if it has no figures."""
        return next((entry for entry in self.ok() if entry.contender == contender), None)

    @property
    def wrong(self) -> bool:
        """Whether an entry failed or its output differs."""
        return any(entry.status in (FAILED, DIFFERS) for entry in self.entries)


def save(result: TaskResult, folder: Path) -> Path:
    """Write a task's result as `<task>.json`, medians and spread beside the runs."""
    folder.mkdir(parents=True, exist_ok=True)
    values = asdict(result)
    for entry, entry_values in zip(result.entries, values["entries"], strict=True):
        if entry.runs:
            entry_values["summary"] = {
                metric: {
                    "median": entry.median(metric),
                    "min": min(entry.values(metric)),
                    "max": max(entry.values(metric)),
                }
                for metric in entry_values["runs"][0]
            } | {"rows_per_cpu_second": entry.rate(result.rows)}
    path = folder / f"{result.task}.json"
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(folder: Path) -> dict[str, TaskResult]:
    """Read the results that lie in a folder, in the order of the tasks."""
    results = {}
    for name in TASKS:
        path = folder / f"{name}.json"
        if path.exists():
            values = json.loads(path.read_text(encoding="utf-8"))
            values["entries"] = [_entry(entry) for entry in values["entries"]]
            results[name] = TaskResult(**values)
    return results


def _entry(values: dict[str, Any]) -> Entry:
    values.pop("summary", None)
    return Entry(**values | {"runs": [Run(**run) for run in values["runs"]]})
