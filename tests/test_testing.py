"""The checks find what they are for: each broken part fails the one it breaks."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest

from arrowetl import Filter, Rows, Sink, Source, SQLStage, Stage
from arrowetl.testing import (
    Crash,
    CrashingSource,
    Destination,
    check_sink,
    check_source,
    check_stage,
    check_value,
    rebatch,
    run_stage,
    same,
)

TABLE = pa.table({"x": [1, 2, 3, 4], "s": ["a", "b", None, "a"]})


def kind_of(each):
    return "" if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)


@dataclass(frozen=True)
class Pass(Stage):
    """Give what comes: the stage that the broken ones are made of."""

    rows = Rows.SAME

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches


class FirstOfBatch(Pass):
    rows = Rows.ANY

    def process(self, batches):
        for batch in batches:
            yield batch.slice(0, 1)


class Remembers(Pass):
    seen = 0

    def process(self, batches):
        for batch in batches:
            type(self).seen += batch.num_rows
            yield batch.set_column(0, "x", pa.array([self.seen] * len(batch), pa.int64()))


class LiesAboutTypes(Pass):
    def bind(self, schema):
        return schema.set(0, pa.field("x", pa.int32()))


class DropsRows(Pass):
    def process(self, batches):
        for batch in batches:
            yield batch.filter(pa.compute.is_valid(batch["s"]))


class Writes(Pass):
    def process(self, batches):
        for batch in batches:
            if batch.num_rows:
                address = batch["x"].buffers()[1].address
                (np.ctypeslib.as_array(_pointer(address), (1,)))[0] = 99
            yield batch


def _pointer(address):
    import ctypes

    return ctypes.cast(address, ctypes.POINTER(ctypes.c_int64))


class NotEqual(Pass):
    def __eq__(self, other):
        return self is other

    __hash__ = Stage.__hash__


class PoorRepr(Pass):
    def __repr__(self):
        return "a stage"


class LeavesAFolder(Pass):
    def process(self, batches):
        tempfile.mkdtemp(prefix="arrowetl-test-")
        yield from batches


class LeavesAThread(Pass):
    def process(self, batches):
        threading.Thread(target=threading.Event().wait, args=(30,), daemon=True).start()
        yield from batches


class HidesErrors(Pass):
    def process(self, batches):
        try:
            yield from batches
        except Exception:  # noqa: BLE001
            return


class GrowsASingleRow(Pass):
    rows = Rows.REMOVES

    def process(self, batches):
        for batch in batches:
            yield batch.take(np.arange(2 * len(batch)) // 2)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (FirstOfBatch(), "batches of 1 give"),
        (Remembers(), "the second run gives|batches of 1 give"),
        (LiesAboutTypes(), "Schema at index 0 was different|bind said"),
        (DropsRows(), "gave 3 rows for 4"),
        (Writes(), "wrote to its input"),
        (NotEqual(), "isn't equal to"),
        (PoorRepr(), "isn't the call that makes it"),
        (LeavesAFolder(), "left .*arrowetl-test-"),
        (LeavesAThread(), "left .*Thread"),
        (HidesErrors(), "the input failed, and the stage didn't"),
        (GrowsASingleRow(), "gave 8 rows for 4"),
    ],
    ids=kind_of,
)
def test_broken_stages(stage, message):
    table = pa.table({"x": np.array([1, 2, 3, 4]), "s": ["a", "b", None, "a"]})
    with pytest.raises((AssertionError, pa.ArrowInvalid), match=message):
        check_stage(stage, table)


def test_sound_stages():
    check_stage(Pass(), TABLE)
    check_stage(Filter("x > 1"), TABLE)


@dataclass(frozen=True)
class Numbers(Source):
    """Give the numbers below `stop`."""

    stop: int = 7

    def schema(self):
        return pa.schema({"x": pa.int64(), "y": pa.int64()})

    def scan(self, *, columns=None, batch_size=65_536):
        for start in range(0, self.stop, batch_size):
            part = pa.array(range(start, min(start + batch_size, self.stop)), pa.int64())
            batch = pa.record_batch({"x": part, "y": part})
            yield batch if columns is None else batch.select(list(columns))


class OtherSchema(Numbers):
    def schema(self):
        return pa.schema({"x": pa.int64(), "y": pa.int32()})


class LargeBatches(Numbers):
    def scan(self, *, columns=None, batch_size=65_536):
        return super().scan(columns=columns, batch_size=batch_size * 2)


class IgnoresColumns(Numbers):
    def scan(self, *, columns=None, batch_size=65_536):
        return super().scan(batch_size=batch_size)


class MiscountsRows(Numbers):
    def row_count(self):
        return 8


class OnlyOnce(Numbers):
    read: list = []  # noqa: RUF012

    def scan(self, *, columns=None, batch_size=65_536):
        self.read.append(1)
        if len(self.read) < 3:
            yield from super().scan(columns=columns, batch_size=batch_size)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (OtherSchema(), "gave|Schema"),
        (LargeBatches(), r"gave batches of \[6, 1\]"),
        (IgnoresColumns(), "Schema|gave"),
        (MiscountsRows(), "said 8 rows and gave 7"),
        (OnlyOnce(), "(?s)gave .*, and .* before"),
    ],
    ids=kind_of,
)
def test_broken_sources(source, message):
    with pytest.raises((AssertionError, pa.ArrowInvalid, KeyError), match=message):
        check_source(source)


def test_a_sound_source():
    check_source(Numbers())


@dataclass(frozen=True)
class Shelf(Sink):
    """Keep tables in a list, if it is asked properly."""

    place: list = field(default_factory=list, repr=False, compare=False)
    staged: list = field(default_factory=list, repr=False, compare=False)

    def begin(self, schema):
        self.staged[:] = [schema.empty_table()]

    def write(self, batches):
        self.staged.append(batches.read_all())
        return self.staged[-1].num_rows

    def commit(self):
        self.place.extend(self.staged)
        self.staged.clear()

    def abort(self):
        self.staged.clear()


class ShowsEarly(Shelf):
    def write(self, batches):
        written = super().write(batches)
        self.place.extend(self.staged)
        self.staged.clear()
        return written


class CommitsTwice(Shelf):
    def commit(self):
        self.place.extend(self.staged)


class KeepsOnAbort(Shelf):
    def abort(self):
        self.commit()


class Miscounts(Shelf):
    def write(self, batches):
        return super().write(batches) + 1


class LosesNoRows(Shelf):
    def begin(self, schema):
        self.staged[:] = []

    def commit(self):
        self.staged[:] = [table for table in self.staged if table.num_rows]
        super().commit()


class TouchesOnCheck(Shelf):
    def check(self, schema):
        self.place.append(schema.empty_table())
        return ()


class LosesRows(Shelf):
    def write(self, batches):
        table = batches.read_all()
        self.staged.append(table.slice(0, max(0, table.num_rows - 1)))
        return table.num_rows


class SwallowsErrors(Shelf):
    def write(self, batches):
        try:
            return super().write(batches)
        except OSError:
            return 0


@dataclass
class OnShelf(Destination):
    kind: type[Shelf]

    def __post_init__(self):
        self.made = self.kind()

    def sink(self):
        return self.made

    def rows(self):
        return pa.concat_tables(self.made.place) if self.made.place else None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ShowsEarly, "write shows"),
        (CommitsTwice, "has"),
        (KeepsOnAbort, "abort left|has"),
        (Miscounts, "said 5 rows, was given 4"),
        (LosesNoRows, "nothing is there after the commit"),
        (TouchesOnCheck, "looking left"),
        (LosesRows, "has"),
        (SwallowsErrors, "the input failed, and write didn't"),
    ],
    ids=kind_of,
)
def test_broken_sinks(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_sink(lambda: OnShelf(kind), TABLE)


def test_a_sound_sink():
    check_sink(lambda: OnShelf(Shelf), TABLE)


def test_a_crashing_source_dies_once():
    batches = [pa.record_batch({"x": [n, n]}) for n in range(3)]
    source = CrashingSource(batches, at=1)
    seen = []
    with pytest.raises(Crash, match="before batch 1"):
        seen.extend(source.scan())
    assert [batch.num_rows for batch in seen] == [2]
    assert pa.Table.from_batches(source.scan())["x"].to_pylist() == [0, 0, 1, 1, 2, 2]
    assert [b.num_rows for b in source.scan(columns=["x"], batch_size=1)] == [1] * 6


def test_rebatch_cuts_with_empty_batches_between():
    sizes = [batch.num_rows for batch in rebatch(TABLE, 3)]
    assert sizes == [0, 3, 0, 1, 0]
    assert [batch.num_rows for batch in rebatch(TABLE.slice(0, 0))] == [0]


def test_same_knows_nan_and_minds_order_and_types():
    one = pa.table({"x": [1.0, float("nan")]})
    assert same(one, pa.concat_tables([one.slice(0, 1), one.slice(1)]))
    assert not same(one, one.take([1, 0]))
    assert not same(one, one.cast(pa.schema({"x": pa.float32()})))
    assert not same(one, one.rename_columns(["y"]))


def test_a_value_is_given_back():
    assert check_value(Filter("x > 1")) == Filter("x > 1")


def test_stages_of_ones_own_run_alone():
    class Head(SQLStage):
        def select(self, schema):
            return "SELECT * FROM input LIMIT 1"

    assert run_stage(Head(), TABLE).num_rows == 1
