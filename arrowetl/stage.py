"""The contracts: what a source, a stage and a sink promise; `arrowetl.testing` has their checks.

Everything between them is planned and run by others.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from arrowetl.arrow import empty_batch, reader_of
from arrowetl.arrow import require as require  # noqa: PLC0414 - who checks a schema has it from here
from arrowetl.brief import Brief
from arrowetl.duck import describe_select, stream_select, unwrapped
from arrowetl.errors import ReadError, SchemaError, WriteError, translated
from arrowetl.exactness import resumed
from arrowetl.findings import Finding as Finding  # noqa: PLC0414 - who diagnoses has it from here
from arrowetl.findings import found as found  # noqa: PLC0414
from arrowetl.instances import Instance
from arrowetl.observing import Observer, passed, without_hidden
from arrowetl.rejected import REJECTED_SCHEMA as REJECTED_SCHEMA  # noqa: PLC0414
from arrowetl.rejected import Rejection as Rejection  # noqa: PLC0414
from arrowetl.rejected import refusal
from arrowetl.remembering import Memory
from arrowetl.tunable import Tunable
from arrowetl.typemap import Stored

STREAM_ERRORS = (duckdb.Error, pa.ArrowException, OSError)
"""What DuckDB's streams raise: its errors, as Arrow's or the system's once rows have come."""

BATCH_ROWS = 65_536
"""Rows in a batch where nobody asked for another number."""


class Scope(Enum):
    """What a stage has to see to answer for a row. The planner and each engine read it."""

    ROW = "row"
    """Any batch by itself: a filter, a derived column, a fitted model's scores."""
    KEY = "key"
    """All rows of a key together: exact deduplication, a grouped sum."""
    STREAM = "stream"
    """Every row before the first answer: a global sort, a median."""


class Rows(Enum):
    """How a stage may change the number of rows; the ledger holds it to that."""

    SAME = "same"
    """As many out as in, but for the rejected."""
    REMOVES = "removed"
    """Never more out than in: the missing ones were removed on purpose."""
    MERGES = "merged"
    """Never more out than in: several rows became one."""
    ANY = "any"
    """Whatever its statement says: a join, an unnest."""


class Source(Brief, ABC):
    """Where rows come from. Reading twice gives the same rows, unless a subclass says no.

    A source describes itself in the constructor, and touches the outside only in its methods. It
    has `schema`, and at least one of `relation` and `scan`.
    """

    @abstractmethod
    def schema(self) -> pa.Schema:
        """Give the schema of the rows, without reading them all.

        Raises:
            ReadError: the source isn't there or isn't what it should be.
        """

    def relation(self, scratch: Path) -> str | None:  # noqa: ARG002 - the base has none
        """Give a SELECT by which DuckDB reads the rows itself, or None if it can't.

        The statement has to give `schema()`. Columns and filters then reach the scan without
        this source's help, so prefer it. `scratch` is an empty folder that lives as long as the
        run, for files that DuckDB can't read as they are (a compression it doesn't know, say).
        """
        return None

    @property
    def attached(self) -> Mapping[str, str]:
        """DuckDB files that `relation` names, by catalog; whatever runs it attaches them."""
        return {}

    def beside(self, sink: Sink) -> Source:  # noqa: ARG002 - most don't care
        """Give the source as it has to be read in a run that writes to `sink`: itself, mostly."""
        return self

    def with_care(self, columns: Sequence[str] | None) -> Source | None:  # noqa: ARG002
        """Give what rejects rows with values that `relation` fails at (InexactError), or None."""
        return None

    def glance(self, *, rows: bool) -> Source:  # noqa: ARG002 - most look at nothing beforehand
        """Give what nothing is loaded from: it is planned, and where `rows`, some are shown."""
        return self

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows as batches of at most `batch_size` rows, in the source's order.

        Called only where `relation` is None. Only `columns` are needed, in this order; all if None.
        """
        raise NotImplementedError(f"{self.label}: no relation and no scan")  # pragma: no cover

    def rejected(
        self,
        connection: duckdb.DuckDBPyConnection | None,  # noqa: ARG002 - the base rejects none
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows that couldn't be read, after all others were; a row each.

        Batches have the columns of `REJECTED_SCHEMA`.

        Args:
            connection: the one that ran the statement with `relation` in it; None where the rows
                came from `scan`.
        """
        return iter(())

    @property
    def rejects(self) -> bool:
        """Whether there may be such rows; `explain` says so."""
        return getattr(self, "on_error", "") != "raise" and type(self).rejected != Source.rejected

    def diagnose(self) -> Iterator[Finding]:
        """Try what a run will need, step by step, reading no rows; `arrowetl doctor` shows it.

        Stops at the first step that fails. Raises nothing.
        """
        yield found("read the schema", lambda: f"{len(self.schema())} columns")

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type in which each type arrives, by the name the source has for it.

        `arrowetl types --from` shows it. The base says: any Arrow type, as it is.
        """
        return {}

    @property
    def label(self) -> str:
        """What this source is called in plans, results and errors; no secrets in it."""
        return type(self).__name__

    def row_count(self) -> int | None:
        """Give the exact number of rows of `relation`, if metadata says it; None if not.

        Where it does, the rows need not be counted as they come, and filters reach the scan.
        """
        return None

    def largest_part(self) -> int | None:
        """Give the bytes of `relation`'s largest part, which a COPY holds whole; None if small."""
        return None

    @property
    def size(self) -> int | None:
        """Bytes to read, where that can be had for next to nothing."""
        return None

    def reader(self, *, batch_size: int = BATCH_ROWS) -> pa.RecordBatchReader:
        """Give the rows as an Arrow stream, that any Arrow library reads.

        Raises:
            ReadError: while it is read, for the first row that can't be; a pipeline would send
                it to its dead letters.
        """

        def again(known: int) -> Iterator[pa.RecordBatch] | None:  # noqa: ARG001 - of any number
            careful = self.with_care(None)
            return careful._stream(batch_size) if careful else None  # noqa: SLF001 - its like

        return reader_of(self.schema(), resumed(self._stream(batch_size), again))

    def _stream(self, batch_size: int) -> Iterator[pa.RecordBatch]:
        with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
            relation = self.relation(Path(folder))
            if relation is None:
                yield from self.scan(batch_size=batch_size)
                for batch in self.rejected(None):
                    raise refusal(batch, where=self.label)
                return
            own = Instance(scratch=Path(folder), attached=self.attached, reads=relation)
            with own as connection:
                with (
                    translated(self.label, dict.fromkeys(STREAM_ERRORS, ReadError)),
                    unwrapped(self.label),
                    connection.sql(relation).to_arrow_reader(batch_size) as reader,
                ):
                    yield from reader
                for batch in self.rejected(connection):
                    raise refusal(batch, where=self.label)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)


class Stage(Tunable, ABC):
    """A step between source and sink: batches in, batches out.

    Your own needs one method, `process`. `bind` is found out by giving it an empty batch; write
    it yourself where that isn't possible, or where you can say what is wrong with a schema.

    A stage keeps no state between two calls of `process`, and never writes to its input.

    >>> import pyarrow.compute as pc
    >>> class Double(Stage):
    ...     def process(self, batches):
    ...         for batch in batches:
    ...             yield batch.set_column(0, "x", pc.multiply(batch["x"], 2))
    >>> Double().bind(pa.schema({"x": pa.int64()}))
    x: int64
    """

    @property
    def scope(self) -> Scope:
        """What it has to see; a stage that looks further than one batch must say so."""
        return Scope.ROW

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns whose equal values it has to see together, if `scope` is KEY; none is all."""
        return ()

    @property
    def rows(self) -> Rows:
        """How it may change the number of rows; the ledger checks it."""
        return Rows.ANY

    @property
    def dynamic(self) -> bool:
        """Whether rows decide which of bound columns there are; what follows is bound again."""
        return False

    @property
    def label(self) -> str:
        """What this stage is called in plans, results and errors."""
        return type(self).__name__

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What runs in its place, one after the other: itself, mostly."""
        return (self,)

    @property
    def sets_apart(self) -> bool:
        """Whether `select` or `marked` has a column `SET_APART`, by which rows are rejected.

        That is for reasons which the stage finds while it works; it has to keep the rows' number.
        """
        return False

    @property
    def masks(self) -> tuple[str, ...]:
        """The columns whose values nobody may see before this stage has run, dead letters too."""
        return ()

    def covering(self, columns: Sequence[str]) -> Stage:  # noqa: ARG002 - most add none
        """Give the stage that puts no value of these columns, masked further on, into others."""
        return self

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema that comes out for the one that goes in.

        Raises:
            SchemaError: the stage can't work on it; names the column, the type, the nearest.
        """
        for batch in self.process(iter([empty_batch(schema)])):
            return batch.schema
        raise SchemaError(
            "gave no batch for an empty one, so its schema can't be known; write its bind(schema)",
            where=self.label,
        )

    def observer(self, schema: pa.Schema) -> Observer | None:  # noqa: ARG002
        """Give what looks at the rows of one run as they leave, or None; `schema` comes in.

        What it says is the stage's `summary` in the result.
        """
        return None

    def memory(self) -> Memory | None:
        """Give what runs in place of `process` and remembers from run to run, or None.

        Made anew for each run. The engine calls its `commit` right after the destination's, and
        its `abort` if the run fails.
        """
        return None

    @abstractmethod
    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give the rows that become of `batches`; called once a run.

        Batches are of any size, empty ones among them: the rows that come out must not depend
        on where a batch ends. Pull a batch, yield what it gives, pull the next.
        """

    def marked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do as `process` does, with the columns `SEEN` and `SET_APART` for the engine, if any."""
        return self.process(batches)


class SQLStage(Stage):
    """A stage that is one SELECT over `input`. Adjacent ones become one statement.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Head(SQLStage):
    ...     limit: int
    ...     def select(self, schema):
    ...         return f"SELECT * FROM input LIMIT {self.limit}"
    >>> Head(3).bind(pa.schema({"x": pa.int64()}))
    x: int64
    """

    @abstractmethod
    def select(self, schema: pa.Schema) -> str | None:
        """Give the SELECT over `input`, which has `schema`. A pure function; nothing runs.

        It may have a column `SEEN` for the stage's observer alone. None, for options that SQL
        can't say, makes the stage run by its own `process`.

        Raises:
            SchemaError: the stage can't work on the schema.
        """

    def rejections(self, schema: pa.Schema) -> Sequence[Rejection]:  # noqa: ARG002
        """Give the reasons for which rows of `schema` are rejected before `select` sees them.

        A stage that gives any starts a new segment; its rejected rows leave there as they were.
        """
        return ()

    def side_tables(self) -> dict[str, Any]:
        """Give what else `select` names: Arrow tables, readers or sources, by name.

        Bytes are what ``getvariable('name')`` gives, a constant that no statement shows.
        """
        return {}

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema that DuckDB says the statement has over an empty `input`."""
        select = self.select(schema)
        if select is None:
            return super().bind(schema)
        tables = self.side_tables()
        return without_hidden(describe_select(select, schema, where=self.label, tables=tables))

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement by itself; the engine fuses it with its neighbours instead."""
        yield from map(passed, stream_select(self._statement, batches, tables=self.side_tables()))

    def _statement(self, schema: pa.Schema) -> str:
        select = self.select(schema)
        if select is None:
            raise NotImplementedError(f"{self.label} has neither a select nor a process")
        return select


class Mode(str, Enum):
    """What becomes of rows that are in the destination already."""

    APPEND = "append"
    """They stay."""
    REPLACE = "replace"
    """They go, at the commit: readers see the old ones until then."""
    UPSERT = "upsert"
    """Those with the key of a new row are replaced by it."""
    ERROR = "error"
    """There may be none: the destination must not exist."""


class SchemaChange(str, Enum):
    """What becomes of a destination whose columns differ from the rows'."""

    EVOLVE = "evolve"
    """New columns are added, wider types widen; a missing one is filled with nulls."""
    FREEZE = "freeze"
    """Any difference is a SchemaError, before a row is written."""
    DISCARD = "discard"
    """New columns are dropped, and said to be."""


class Sink(Brief, Tunable, ABC):
    """Where a run's rows become visible: all at once, or not at all.

    `begin`, `write` and `commit` are called in this order, once a run; `abort` at any point
    after `begin` instead. A sink can be used again after `commit` or `abort`.
    """

    mixed_schemas: ClassVar[bool] = False
    """Whether several runs may add rows of different schemas (a folder of files can)."""

    @property
    def label(self) -> str:
        """What this sink is called in plans, results and errors; no secrets in it."""
        return type(self).__name__

    def check(self, schema: pa.Schema) -> tuple[str, ...]:  # noqa: ARG002
        """Look whether rows of `schema` could be written, changing nothing.

        Returns:
            Notes for `explain`: conversions, columns that will be added or dropped.

        Raises:
            SchemaError: they can't.
            WriteError: it can't be reached; an OccupiedError, if its mode forbids what is there.
        """
        return ()

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give what becomes of each column's type: `explain` and `arrowetl types` show it.

        Touches nothing outside. A pipeline refuses what is lossy, unless it allows it.

        Raises:
            SchemaError: a type can't be kept.
        """
        return tuple(Stored(field.name, field.type, str(field.type)) for field in schema)

    def diagnose(self, schema: pa.Schema) -> Iterator[Finding]:
        """Try what a run with rows of `schema` will need, step by step, changing nothing.

        `arrowetl doctor` shows it. Stops at the first step that fails. Raises nothing.
        """
        yield found("take the rows", lambda: "; ".join(self.check(schema)) or "they fit")

    def reached(self) -> Iterator[Finding]:
        """Try what needs no schema: to connect, to be allowed. Raises nothing.

        `arrowetl doctor` asks for it where what will arrive isn't known.
        """
        return iter(())

    @abstractmethod
    def begin(self, schema: pa.Schema) -> None:
        """Open what is needed, so that nobody sees it. Called once, before the first batch."""

    def statement(self, select: str, schema: pa.Schema) -> str | None:  # noqa: ARG002
        """Give the COPY by which DuckDB puts the rows of `select` in place of `write`, or None.

        Called after `begin`, and by `explain`. It has to put what `write` would.
        """
        return None

    @abstractmethod
    def write(self, batches: pa.RecordBatchReader) -> int:
        """Put the rows where no reader sees them yet; return how many were put."""

    @abstractmethod
    def commit(self) -> None:
        """Make them durable and visible. Called again after a crash, it changes nothing more."""

    @abstractmethod
    def abort(self) -> None:
        """Leave the destination as `begin` found it. Safe at any point, and twice."""


Refuse = Callable[[pa.RecordBatch, pa.RecordBatch], None]
"""Takes rows that a destination refuses: why (`reason_code`, `reason`, `column`; a row each), and
the rows as they came."""


class RowSink(Sink):
    """A sink that can tell which rows its destination refuses, and put the others."""

    @abstractmethod
    def write_rows(self, batches: pa.RecordBatchReader, refuse: Refuse) -> int:
        """Do as `write` does; hand the rows that can't be put to `refuse`, and put the others.

        Returns:
            How many were put: those that came, less those that were refused.
        """

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Put the rows where no reader sees them yet; the first that can't be is a WriteError."""

        def refuse(why: pa.RecordBatch, rows: pa.RecordBatch) -> None:  # noqa: ARG001
            raise WriteError(f"{self.label}: {why['reason'][0]}")

        return self.write_rows(batches, refuse)
