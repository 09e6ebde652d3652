"""Says what an output holds, in a process of its own, whatever the order of its rows.

For each column the sum of its values' hashes, and one sum over whole rows: a value that was moved
to another row leaves every column's sum as it was, but not the rows'. Values are compared in the
types that the task states, so that an int32 and an int64 of the same value are equal; a number
or date that was written as text isn't.

`python -m benchmarks.content TASK OUTPUT` prints it as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.postgres import uri_in
from benchmarks.task import Task
from benchmarks.tasks import TASKS
from benchmarks.tasks.parquet_to_sqlite import TABLE

if TYPE_CHECKING:
    import duckdb

SIZES = ("TINY", "SMALL", "BIG", "HUGE")
INTEGERS = ("INTEGER", "UINTEGER")
KINDS = {
    "VARCHAR": ("VARCHAR",),
    "BIGINT": tuple(f"{sign}{size}INT" for sign in ("", "U") for size in SIZES) + INTEGERS,
    "DOUBLE": ("FLOAT", "DOUBLE"),
    "DATE": ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"),
}
"""The types that an output's column may have for the one stated."""

SQLITE_KINDS = KINDS | {"DATE": ("VARCHAR",)}
"""SQLite has no dates: text it is."""


@dataclass(frozen=True)
class Content:
    """What an output holds."""

    rows: int
    columns: Mapping[str, str]
    """The sum of the hashes of each column's values."""
    whole: str
    """The sum of the hashes of whole rows."""
    types: Mapping[str, str]
    """The columns that are of a wrong type, with it."""

    def differences(self, other: Content) -> list[str]:
        """Say what is in this output and not as in the reference `other`; nothing if equal."""
        found = [f"column {name!r} is {kind}" for name, kind in self.types.items()]
        if list(self.columns) != list(other.columns):
            return [*found, f"columns {list(self.columns)} where {list(other.columns)} are due"]
        if self.rows != other.rows:
            return [*found, f"{self.rows:,} rows where {other.rows:,} are due"]
        wrong = [name for name in other.columns if self.columns[name] != other.columns[name]]
        found += [f"column {name!r} holds other values" for name in wrong]
        if not wrong and self.whole != other.whole:
            found.append("every column holds its values, but in other rows")
        return found


def content_of(task: Task, output: Path) -> Content:
    """Read an output and sum it up."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        if task.output == "parquet":
            rows = connection.sql(f"FROM read_parquet('{output}')")
            return _summed(task, rows, KINDS)
        if task.output == "postgres":
            from adbc_driver_postgresql import dbapi as postgres

            with postgres.connect(uri_in(output)) as source, source.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {TABLE}")
                rows = connection.from_arrow(cursor.fetch_record_batch())
                return _summed(task, rows, KINDS)
        from adbc_driver_sqlite import dbapi

        with dbapi.connect(str(output)) as source, source.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "65536"})
            cursor.execute(f"SELECT * FROM {TABLE}")
            rows = connection.from_arrow(cursor.fetch_record_batch())
            return _summed(task, rows, SQLITE_KINDS)


def _summed(
    task: Task, rows: duckdb.DuckDBPyRelation, kinds: Mapping[str, tuple[str, ...]]
) -> Content:
    """Sum up the columns that the task states, in its types, in one pass."""
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    if list(types) != list(task.columns):
        return Content(0, dict.fromkeys(types, ""), "", {})
    values = [f'CAST("{name}" AS {kind})' for name, kind in task.columns.items()]
    sums = [f"CAST(sum(hash({value})) AS VARCHAR)" for value in (*values, ", ".join(values))]
    found: Any = rows.aggregate(", ".join(["count(*)", *sums])).fetchall()[0]
    count, *columns, whole = found
    return Content(
        rows=count,
        columns=dict(zip(types, columns, strict=True)),
        whole=whole,
        types={name: kind for name, kind in types.items() if kind not in kinds[task.columns[name]]},
    )


def main() -> None:
    """Sum up one output."""
    print(json.dumps(asdict(content_of(TASKS[sys.argv[1]], Path(sys.argv[2])))))


if __name__ == "__main__":
    main()
