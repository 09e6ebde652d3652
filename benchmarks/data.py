"""Makes the tasks' input files, once: `benchmarks/data/` keeps them.

`python -m benchmarks.data TASK ROWS` prints the path as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from benchmarks.task import Dataset
from benchmarks.tasks import TASKS

FOLDER = Path(__file__).parent / "data"

FORMATS = {
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "jsonl": "FORMAT json",
}


def path_of(dataset: Dataset, rows: int) -> Path:
    """Give the file's path; another SELECT is another file, so that none is ever stale."""
    digest = hashlib.sha256(dataset.select(rows).encode()).hexdigest()[:8]
    return FOLDER / f"{dataset.name}-{rows}-{digest}.{dataset.suffix}"


def make(dataset: Dataset, rows: int) -> Path:
    """Give the path of the dataset's file, made if it isn't there."""
    path = path_of(dataset, rows)
    if not path.exists():
        import duckdb

        FOLDER.mkdir(exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            duckdb.execute(
                f"COPY ({dataset.select(rows)}) TO '{unfinished}' ({FORMATS[dataset.suffix]})"
            )
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def main() -> None:
    """Make one task's file."""
    task, rows = TASKS[sys.argv[1]], int(sys.argv[2])
    if task.dataset is None:
        sys.exit(f"{task.name} reads no file")
    print(json.dumps(str(make(task.dataset, rows))))


if __name__ == "__main__":
    main()
