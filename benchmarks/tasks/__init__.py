"""The tasks, a module each. To add one: write its module and list it here."""

from __future__ import annotations

from benchmarks.task import Task
from benchmarks.tasks import (
    csv_to_parquet,
    csv_to_postgres,
    dedup,
    group_by,
    json_lines_to_parquet,
    memory_growth,
    no_rules,
    parquet_to_sqlite,
    plain_rules,
    postgres_append,
    postgres_one_bad,
    postgres_percent_bad,
    postgres_to_parquet,
    postgres_to_postgres,
    postgres_upsert,
    profile,
    startup,
    ten_rules,
)

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (
        csv_to_parquet,
        memory_growth,
        json_lines_to_parquet,
        parquet_to_sqlite,
        csv_to_postgres,
        postgres_append,
        postgres_upsert,
        postgres_one_bad,
        postgres_percent_bad,
        postgres_to_parquet,
        postgres_to_postgres,
        dedup,
        group_by,
        no_rules,
        plain_rules,
        ten_rules,
        profile,
        startup,
    )
}
