"""The tasks, a module each. To add one: write its module and list it here."""

from __future__ import annotations

from benchmarks.task import Task
from benchmarks.tasks import (
    csv_to_parquet,
    dedup,
    group_by,
    memory_growth,
    parquet_to_sqlite,
    startup,
)

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (
        csv_to_parquet,
        memory_growth,
        parquet_to_sqlite,
        dedup,
        group_by,
        startup,
    )
}
