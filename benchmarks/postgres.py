"""A PostgreSQL server for the tasks that need one, run from a process of its own.

`python -m benchmarks.postgres` starts a server, prints its process's number, and then answers
one request a line, as JSON. The harness talks to it through `Server`, and so stays small itself.

A task's output is a database made from a template before every run: what the run finds is the
same each time, and making it isn't measured. Contenders find the URI in the file that they are
given in the place of a path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.data import make
from benchmarks.process import ROOT, last_line, module
from benchmarks.task import Task
from benchmarks.tasks import TASKS

TABLE = "people"
USER, PASSWORD = "bench", "bench"
TEMPLATE, TARGET, SOURCE = "bench_template", "bench_target", "bench_source"


class Server:
    """A running server, asked through a pipe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take over the process that runs it."""
        self._questions = cast("IO[str]", process.stdin)
        self._answers = cast("IO[str]", process.stdout)
        self._errors = cast("IO[str]", process.stderr)
        self._answer()

    def prepare(self, task: Task, rows: int) -> None:
        """Make what each run finds, and the table that it reads."""
        self._asked("prepare", task.name, rows)

    def target(self) -> str:
        """Give the URI of the output's database, made anew."""
        return str(self._asked("target"))

    def source(self) -> str:
        """Give the URI of the database that is read."""
        return str(self._asked("source"))

    def size(self) -> int:
        """Give the bytes of the output's table, its indexes and long values."""
        return int(self._asked("size"))

    def cpu(self) -> float:
        """Give the seconds that all processes of the server have taken so far."""
        return float(self._asked("cpu"))

    def _asked(self, *request: Any) -> Any:
        print(json.dumps(request), file=self._questions, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            sys.exit(f"PostgreSQL for the benchmarks: {last_line(self._errors.read())}")
        return json.loads(line)


@contextmanager
def served(task: Task) -> Iterator[Server | None]:
    """Give a server if the task needs one; it is stopped afterwards."""
    if not task.served:
        yield None
        return
    pipe = subprocess.PIPE
    command = module("postgres")
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.communicate()  # the end of its input ends it


def uri_in(path: Path) -> str:
    """Give the URI that stands in the file of a database's."""
    return path.read_text(encoding="utf-8")


class _Requests:
    """What the server's process does when it is asked."""

    def __init__(self) -> None:
        from tests.postgres_server import start

        self.server = start(settings=("max_wal_size=8GB",))
        self.server.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")

    def prepare(self, name: str, rows: int) -> None:
        task = TASKS[name]
        self._create(TEMPLATE)
        self._execute(TEMPLATE, *task.prepared(rows))
        if task.from_postgres and task.dataset is not None:
            self._create(SOURCE)
            _fill(self._uri(SOURCE), make(task.dataset, rows))

    def target(self) -> str:
        self._create(TARGET, template=TEMPLATE)
        self._execute(TARGET, "CHECKPOINT")
        return self._uri(TARGET)

    def source(self) -> str:
        return self._uri(SOURCE)

    def size(self) -> int:
        question = f"SELECT pg_total_relation_size('{TABLE}')"
        return int(self._execute(TARGET, question)[0][0])

    def cpu(self) -> float:
        import psutil

        if self.server.process is None:
            return 0.0
        first = psutil.Process(self.server.process.pid)
        ended = first.cpu_times()
        running = [process.cpu_times() for process in first.children(recursive=True)]
        own = sum(each.user + each.system for each in (ended, *running))
        return float(own + ended.children_user + ended.children_system)

    def _create(self, database: str, template: str = "template1") -> None:
        for statement in (
            f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
            f"CREATE DATABASE {database} TEMPLATE {template}",
        ):
            self.server.execute(statement, autocommit=True)

    def _execute(self, database: str, *statements: str) -> list[Any]:
        from tests.postgres_server import execute

        return execute(self._uri(database), *statements)

    def _uri(self, database: str) -> str:
        return self.server.at(database, user=USER, password=PASSWORD)


def _fill(uri: str, path: Path) -> None:
    """Put the rows of a Parquet file into a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    with pq.ParquetFile(path) as file, dbapi.connect(uri) as connection:
        batches = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        with connection.cursor() as cursor:
            cursor.adbc_ingest(TABLE, batches)
            cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
        connection.commit()
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, FREEZE)")


def main() -> None:
    """Start a server, answer requests until there are no more, and stop it."""
    requests = _Requests()
    try:
        print(json.dumps(None), flush=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            request: Callable[..., Any] = getattr(requests, name)
            print(json.dumps(request(*arguments)), flush=True)
    finally:
        requests.server.stop()


if __name__ == "__main__":
    main()
