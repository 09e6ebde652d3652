"""Small sources and stages, and ways to run them, that the engine's tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import reduce
from pathlib import Path

import pyarrow as pa

from arrowetl.engines.ledger import Counts
from arrowetl.engines.local import LocalRun, Settings
from arrowetl.instances import Instance
from arrowetl.planning.bind import bind
from arrowetl.planning.plan import Plan
from arrowetl.planning.rules import RULES, fuse
from arrowetl.reliability.deadletters import Rejects, RunFacts
from arrowetl.stage import Rejection, Rows, Source, SQLStage, Stage

UNFUSED = tuple(rule for rule in RULES if rule is not fuse)


@dataclass(frozen=True)
class Relation(Source):
    """Whatever DuckDB makes of a SELECT."""

    sql: str
    rows: int | None = None

    def schema(self):
        with Instance(threads=1) as connection:
            return connection.sql(self.sql).to_arrow_reader().schema

    def relation(self, scratch):
        return self.sql

    def row_count(self):
        return self.rows


@dataclass(frozen=True)
class Batches(Source):
    """A table, given as batches of Python's."""

    table: pa.Table

    def schema(self):
        return self.table.schema

    def scan(self, *, columns=None, batch_size=65_536):
        table = self.table if columns is None else self.table.select(list(columns))
        yield from table.to_batches(max_chunksize=batch_size)


@dataclass(frozen=True)
class Query(SQLStage):
    """A SELECT, with whatever it says of its rows."""

    sql: str
    kind: Rows = Rows.ANY
    rejects: tuple[Rejection, ...] = ()

    @property
    def rows(self):
        return self.kind

    def select(self, schema):
        return self.sql

    def rejections(self, schema):
        return self.rejects


@dataclass(frozen=True)
class Each(Stage):
    """A function over every batch."""

    fn: Callable[[pa.RecordBatch], pa.RecordBatch]
    kind: Rows = Rows.SAME

    @property
    def rows(self):
        return self.kind

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return map(self.fn, batches)


def keep(predicate: str) -> Query:
    return Query(f"SELECT * FROM input WHERE {predicate}", Rows.REMOVES)


def planned(source: Source, *stages: Stage, rules=RULES) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        plan = bind("test", source, stages, None, scratch=Path(folder))
        return reduce(lambda plan, rule: rule(plan), rules, plan)


@dataclass
class Ran:
    table: pa.Table
    counts: Counts
    rejects: Rejects
    letters: dict[str, pa.Table]

    def count(self, label: str) -> tuple[int, int, int]:
        line = next(each for each in self.counts if each.label == label)
        return line.records_in, line.records_out, line.records_rejected


def execute(
    source: Source,
    *stages: Stage,
    rules=RULES,
    batch_size: int = 65_536,
    threads: int | None = None,
) -> Ran:
    plan = planned(source, *stages, rules=rules)
    facts = RunFacts("run", "test", datetime.now(timezone.utc))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        rejects = Rejects(facts, scratch, keep=True)
        with LocalRun(plan, Settings(batch_size, None, threads), scratch, rejects) as run:
            reader = run.reader()
            table = reader.read_all()
            run.settle()
            counts = run.counts()
            rejects.close()
            letters = {
                stage: pa.ipc.open_stream(path.read_bytes()).read_all()
                for stage, (path, _, _) in rejects._spools.items()
            }
    return Ran(table, counts, rejects, letters)
