"""Stages that remember: when what they remember becomes valid, and when it doesn't."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.remembering import Memory
from arrowetl.stage import Stage

ROWS = pa.table({"x": range(10)})


@dataclass(frozen=True)
class Remembers(Stage):
    """Passes rows on, and writes down what happens."""

    told: list[str] = field(default_factory=list, compare=False)

    def bind(self, schema):
        return schema

    def process(self, batches):
        raise AssertionError("its memory runs in its place")

    def memory(self):
        return _Run(self.told)


@dataclass
class _Run(Memory):
    told: list[str]
    done: bool = False

    def process(self, batches):
        yield from batches

    def commit(self):
        self.told.append("remembered")
        self.done = True

    def abort(self):
        if not self.done:
            self.told.append("forgotten")
        self.done = True


@dataclass(frozen=True)
class _Loader(ae.ArrowLoader):
    """Writes down its commit, and may fail instead."""

    told: list[str] = field(default_factory=list)
    fails: bool = False

    def commit(self):
        if self.fails:
            raise ae.WriteError("the disk is gone")
        super().commit()
        self.told.append("arrived")


def pipeline(stage, **options):
    return ae.Pipeline(**options).extract(ae.ArrowSource(ROWS)).transform(stage)


def test_it_is_remembered_once_the_rows_have_arrived():
    told = []
    pipeline(Remembers(told)).load(_Loader(told=told)).run()
    assert told == ["arrived", "remembered"]


def test_it_is_forgotten_where_the_destination_fails():
    told = []
    with pytest.raises(ae.WriteError):
        pipeline(Remembers(told)).load(_Loader(fails=True)).run()
    assert told == ["forgotten"]


def test_rows_that_arrived_and_are_not_remembered_are_told_of():
    class Full(_Run):
        def commit(self):
            raise ae.StateError("the disk is full")

    class Forgetful(Remembers):
        def memory(self):
            return Full(self.told)

    told = []
    with pytest.raises(ae.StateError, match=r"the rows have arrived, but .*\(the disk is full\)"):
        pipeline(Forgetful(told)).load(_Loader(told=told)).run()
    assert told == ["arrived", "forgotten"]


def test_it_is_forgotten_where_a_later_stage_fails():
    told = []
    broken = pipeline(Remembers(told)).transform("SELECT error('broken') AS e FROM input")
    with pytest.raises(ae.StageError):
        broken.load(ae.ArrowLoader()).run()
    assert told == ["forgotten"]


def test_a_reader_remembers_when_the_last_row_was_given_out():
    told = []
    with pipeline(Remembers(told), batch_size=5).reader() as reader:
        reader.read_next_batch()
        assert not told
        reader.read_all()
    assert told == ["remembered"]


def test_a_reader_that_is_dropped_forgets():
    told = []
    run = pipeline(Remembers(told), batch_size=2)
    reader = run.reader()
    reader.read_next_batch()
    run.close()
    assert told == ["forgotten"]


def test_a_preview_never_remembers():
    told = []
    assert pipeline(Remembers(told)).preview(100).table.num_rows == 10
    assert told == ["forgotten"]


def test_a_pipeline_inside_another_cannot_tell_whether_its_rows_arrive():
    told = []
    outer = ae.Pipeline().extract(pipeline(Remembers(told), batch_size=5))
    with pytest.raises(ae.ConfigError, match="put it in the outer one"):
        outer.load(ae.ArrowLoader()).run()
    # Without settings of its own it is part of the outer plan.
    ae.Pipeline().extract(pipeline(Remembers(told))).load(_Loader(told=told)).run()
    assert told == ["arrived", "remembered"]
