"""What a stage says of its rows arrives in the result, whatever stands around it."""

from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import arrowetl as ae
from arrowetl.observing import SEEN, Observer
from arrowetl.stage import Rows, Scope, SQLStage, Stage
from arrowetl.testing import run_stage


class SumSeen(Observer):
    def __init__(self, column):
        self.column, self.rows, self.total = column, 0, 0

    def see(self, batch):
        self.rows += batch.num_rows
        self.total += pc.sum(batch[self.column], min_count=0).as_py()

    def summary(self):
        return pa.table({"rows": [self.rows], "total": [self.total]})


@dataclass(frozen=True)
class Doubled(SQLStage):
    """Doubles x, and tells its observer the old one."""

    scope = Scope.ROW
    rows = Rows.SAME

    def select(self, schema):
        return f'SELECT * REPLACE (x * 2 AS x), x AS "{SEEN}" FROM input'

    def observer(self, schema):
        return SumSeen(SEEN)


@dataclass(frozen=True)
class InPython(Stage):
    rows = Rows.SAME

    def process(self, batches):
        yield from batches

    def observer(self, schema):
        return SumSeen("x")


ROWS = pa.table({"x": pa.array(range(1000)), "t": ["a"] * 1000})


def run(*stages, source=ROWS, sink=None, **options):
    pipeline = ae.Pipeline("p", **options).extract(source)
    for stage in stages:
        pipeline = pipeline.transform(stage)
    return pipeline.load(sink or ae.ArrowLoader()).run().result


def summary(result, number):
    return result.stages[number].summary.to_pylist()


@pytest.mark.parametrize("batch_size", [1, 7, 65_536])
def test_an_observer_sees_every_row_once_and_nobody_else_its_column(batch_size):
    result = run(Doubled(), batch_size=batch_size)
    assert result.table == ROWS.set_column(0, "x", pc.multiply(ROWS["x"], 2))
    assert summary(result, 1) == [{"rows": 1000, "total": 499_500}]


def test_between_other_stages(tmp_path):
    path = tmp_path / "in.parquet"
    ae.Pipeline("w").extract(ROWS).load(ae.ParquetLoader(path)).run()
    few, only_x = "SELECT * FROM input WHERE x < 10", "SELECT x FROM input"
    source, sink = ae.ParquetSource(path), ae.ParquetLoader(tmp_path / "out.parquet")
    result = run(few, Doubled(), Doubled(), only_x, source=source, sink=sink)
    assert summary(result, 2) == [{"rows": 10, "total": 45}]
    assert summary(result, 3) == [{"rows": 10, "total": 90}]
    assert result.stages[1].summary is None
    assert result.records_loaded == 10


def test_rows_that_the_next_stage_rejects_were_seen():
    texts = pa.table({"x": pa.array([1, 2, 3]), "t": ["4", "no", "6"]})
    result = run(Doubled(), ae.Cast({"t": "int64"}, on_error="dead_letter"), source=texts)
    assert result.records_rejected == 1
    assert summary(result, 1) == [{"rows": 3, "total": 6}]


def test_in_python_too():
    result = run(Doubled(), InPython(), "SELECT * FROM input WHERE x > 0")
    assert summary(result, 2) == [{"rows": 1000, "total": 999_000}]


def test_no_rows():
    assert summary(run(Doubled(), source=ROWS.slice(0, 0)), 1) == [{"rows": 0, "total": 0}]


def test_a_stage_by_itself_doesnt_show_the_column():
    assert run_stage(Doubled(), ROWS).column_names == ["x", "t"]
    assert Doubled().bind(ROWS.schema) == ROWS.schema


def test_the_plan_says_why_it_is_cut_there():
    plan = ae.Pipeline("p").extract(ROWS).transform(Doubled()).transform("FROM input").plan()
    assert "Doubled looks at its rows as they leave" in str(plan)


def test_it_is_shown_in_text_html_and_json():
    result = run(Doubled())
    assert "499,500" in str(result)
    assert "<td>499,500</td>" in result._repr_html_()
    told = orjson.loads(result.to_json())
    assert told["stages"][1]["summary"] == [{"rows": 1000, "total": 499_500}]


def test_an_observer_that_fails_ends_the_run_as_itself():
    class Broken(SumSeen):
        def see(self, batch):
            raise RuntimeError("can't look")

    class Watched(Doubled):
        def observer(self, schema):
            return Broken(SEEN)

    with pytest.raises(RuntimeError, match="can't look"):
        run(Watched())
