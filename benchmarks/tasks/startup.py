"""A Python program starts and has its library: the cost of `import`, or of `--help`."""

from __future__ import annotations

from benchmarks.task import Task

TASK = Task(name="startup", title="Start-up", rows=0, timeout=60, rounds=4)
