"""kill -9 at chosen points, then the run again: what is there is what one clean run leaves."""

import itertools
import json
import lzma
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import arrowetl as ae
from tests.sinks.loading import load, names_in, sqlite_rows

OLD = pa.table({"id": [1, 2, 3], "city": ["Rome", "Oslo", "Rome"]})
NEW = pa.table({"id": [3, 4, 5], "city": ["Bonn", "Rome", "Oslo"]})

pytestmark = pytest.mark.slow

FILES = {
    "file": ("ParquetLoader", {}),
    "wide types": ("ParquetLoader", {"compression": "gzip", "compression_level": 1}),
    "partitions": ("ParquetLoader", {"partition_by": ["city"]}),
    "csv": ("CSVLoader", {}),
    "csv.xz": ("CSVLoader", {"compression": "xz"}),
    "json": ("JSONLoader", {}),
}
TABLES = {"sqlite": ("SQLiteLoader", {"table": "t"}), "duckdb": ("DuckDBLoader", {"table": "t"})}
SINKS = {**FILES, **TABLES}

STAGES = {"begun": None, "half written": None, "written": None, "committed": None}
SYNCS = {
    "before the 1st fsync": ("os.fsync", 1, "before"),
    "before the 2nd fsync": ("os.fsync", 2, "before"),
    "cleaning up": ("shutil.rmtree", 1, "before"),
}
RENAMES = {
    "before the rename": ("pathlib.Path.replace", 1, "before"),
    "after the rename": ("pathlib.Path.replace", 1, "after"),
}
NEW_FOLDER = {
    "before the folder's rename": ("pathlib.Path.rename", 1, "before"),
    "after the folder's rename": ("pathlib.Path.rename", 1, "after"),
}
SWAPS = {
    "before the swap": ("arrowetl.files.exchange", 1, "before"),
    "after the swap": ("arrowetl.files.exchange", 1, "after"),
}
NO_SWAPS = {
    f"no swap, {point}": ("pathlib.Path.rename", nth, when)
    for point, nth, when in [
        ("before the 1st rename", 1, "before"),
        ("between the renames", 1, "after"),
        ("after the 2nd rename", 2, "after"),
    ]
}
LINKS = {
    "before the link": ("os.link", 1, "before"),
    "after the link": ("os.link", 1, "after"),
    "before the 2nd link": ("os.link", 2, "before"),
}


def points(sink, mode):
    """Give the points that a sink passes in a mode."""
    if sink in TABLES:
        return STAGES
    if sink == "partitions":
        if mode == "error":
            return {**STAGES, **SYNCS, **NEW_FOLDER}
        return {**STAGES, **SYNCS, **SWAPS, **NO_SWAPS, **(LINKS if mode == "append" else {})}
    return {**STAGES, **SYNCS, **(LINKS if mode == "error" else RENAMES)}


CHILD = textwrap.dedent(
    """
    import itertools, json, lzma, os, pydoc, signal, sys
    import pyarrow as pa
    import pyarrow.compute, pyarrow.parquet
    import arrowetl as ae
    import arrowetl.files, arrowetl.pipeline

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def work(kind, options, path, point, rows, hook):
        table = pa.table(rows)
        sink = getattr(ae, kind)(path, **options)
        sink.begin(table.schema)
        if point == "begun":
            die()

        def batches():
            yield from table.slice(0, 2).to_batches()
            if point == "half written":
                die()
            yield from table.slice(2).to_batches()

        sink.write(pa.RecordBatchReader.from_batches(table.schema, batches()))
        if point == "written":
            die()
        if point.startswith("no swap"):
            arrowetl.files.exchange = lambda one, two: False
        if hook:
            where, nth, when = hook
            home, _, name = where.rpartition(".")
            owner, calls = pydoc.locate(home), itertools.count(1)
            original = getattr(owner, name)

            def dying(*args, **kwargs):
                last = next(calls) == nth
                if last and when == "before":
                    die()
                done = original(*args, **kwargs)
                if last:
                    die()
                return done

            setattr(owner, name, dying)
        sink.commit()
        die()

    pa.table({"x": [1]})  # imports pandas, if it is there
    [getattr(ae, name) for name in sys.argv[1:]]
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                work(*json.loads(line))
            finally:
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    """
)
"""Imports once, and forks a process for each job, before anything has started a thread."""


@pytest.fixture(scope="module")
def killer():
    """Give what runs a job in a process that kills itself, and says how it ended."""
    command = [sys.executable, "-c", CHILD, *{kind for kind, _ in SINKS.values()}]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:

        def run(job):
            process.stdin.write(f"{json.dumps(job)}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


@dataclass(frozen=True)
class Case:
    sink: str
    mode: str
    point: str
    hook: tuple | None

    def __str__(self):
        return f"{self.sink}-{self.mode}-{self.point}"

    def options(self):
        key = {"key": ["id"]} if self.mode == "upsert" else {}
        return {**SINKS[self.sink][1], "mode": self.mode, **key}

    def run(self, path, table):
        load(getattr(ae, SINKS[self.sink][0])(path, **self.options()), table)

    def run_killed(self, killer, path, table):
        job = [SINKS[self.sink][0], self.options(), str(path)]
        job += [self.point, table.to_pydict(), self.hook]
        assert killer(job) == -9


def cases():
    for sink, mode in itertools.product(SINKS, ["append", "replace", "upsert", "error"]):
        if mode == "upsert" and sink in FILES:
            continue
        if sink == "json" and mode != "append":
            continue  # it stages as CSV does; what it looks at before it appends is its own
        if sink in {"wide types", "csv.xz"} and mode == "error":
            continue  # the link is what it is for the other files
        for point, hook in points(sink, mode).items():
            yield Case(sink, mode, point, hook)


def rows_in(name, path):
    if name == "sqlite":
        return sorted(sqlite_rows(path, "SELECT id, city FROM t"))
    if name == "duckdb":
        with closing(duckdb.connect(str(path))) as connection:
            return sorted(connection.sql("SELECT id, city FROM t").fetchall())
    if name == "csv.xz":
        return sorted(lzma.decompress(path.read_bytes()).decode().splitlines())
    if name in {"csv", "json"}:
        return sorted(path.read_text().splitlines())
    table = ds.dataset(path, partitioning="hive").to_table(columns=["id", "city"])
    return sorted(map(tuple, (row.values() for row in table.to_pylist())))


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_killed_and_run_again(tmp_path, killer, case):
    clean, killed = tmp_path / "clean" / "x", tmp_path / "killed" / "x"
    for path in (clean, killed):
        path.parent.mkdir()
        if case.mode != "error":
            replace(case, mode="append").run(path, OLD)
    before = rows_in(case.sink, clean) if case.mode != "error" else None
    case.run(clean, NEW)
    after = rows_in(case.sink, clean)

    case.run_killed(killer, killed, NEW)
    # A database that has no table yet is a file, too.
    made = (
        case.point == "committed" if (case.sink in TABLES and before is None) else killed.exists()
    )
    seen = rows_in(case.sink, killed) if made else before
    assert seen in [before, after]
    # A run that adds, and had reached its commit, isn't one to repeat.
    if case.mode in {"replace", "upsert"} or seen != after:
        case.run(killed, NEW)
        assert names_in(killed.parent) == ["x"]
    assert rows_in(case.sink, killed) == after


def test_the_staging_of_a_living_run_is_left_alone(tmp_path):
    living = ae.ParquetLoader(tmp_path / "x", mode="replace")
    living.begin(OLD.schema)
    living.write(OLD.to_reader())
    load(ae.ParquetLoader(tmp_path / "x", mode="replace"), NEW)
    living.commit()
    assert rows_in("file", tmp_path / "x") == sorted(zip(*OLD.to_pydict().values(), strict=True))
    assert names_in(tmp_path) == ["x"]
