"""Map: a function over batches."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from arrowetl import (
    ArrowETLError,
    ArrowLoader,
    ArrowSource,
    ConfigError,
    Map,
    Pipeline,
    Rows,
    SchemaError,
)
from arrowetl.testing import check_stage, run_stage

TABLE = pa.table({"x": [1, 2, 3]})


@pytest.mark.parametrize(
    "function",
    [
        lambda batch: batch.set_column(0, "x", pc.add(batch["x"], 1)),
        lambda batch: pa.Table.from_batches([batch]).set_column(0, "x", pc.add(batch["x"], 1)),
        lambda batch: {"x": pc.add(batch["x"], 1)},
        lambda batch: {"x": pa.chunked_array([pc.add(batch["x"], 1)])},
        lambda batch: {"x": batch["x"].to_numpy() + 1},
    ],
)
def test_what_a_function_may_give(function):
    assert run_stage(Map(function), TABLE, batch_rows=2).to_pydict() == {"x": [2, 3, 4]}


def test_a_table_in_pieces_stays_in_order():
    stage = Map(
        lambda batch: (
            pa.concat_tables(pa.table({"x": batch["x"].slice(n, 1)}) for n in range(len(batch)))
            if len(batch)
            else batch
        )
    )
    assert run_stage(stage, TABLE)["x"].to_pylist() == [1, 2, 3]


def test_numpy_sees_the_batch_without_a_copy():
    seen = []

    def look(batch):
        seen.append(batch["x"].to_numpy(zero_copy_only=True).ctypes.data)
        return batch

    table = pa.table({"x": np.arange(10)})
    list(Map(look).process(iter(table.to_batches())))
    assert seen == [table["x"].chunk(0).buffers()[1].address]


def test_a_number_of_rows_that_changes_is_an_error_unless_it_is_said():
    def half(batch):
        return batch.slice(0, len(batch) // 2)

    with pytest.raises(ArrowETLError, match=r"Map\(half\): the function gave 1 rows for 3"):
        run_stage(Map(half), TABLE)
    assert run_stage(Map(half, rows=Rows.REMOVES), TABLE).num_rows == 1


def test_a_function_that_fails_without_rows_needs_a_schema():
    def mean_free(batch):
        values = batch["x"].to_numpy()
        return {"x": values - values.max()}

    with pytest.raises(
        SchemaError, match=r"failed on an empty batch \(ValueError.*state it in schema"
    ):
        Map(mean_free).bind(TABLE.schema)
    stage = Map(mean_free, schema=pa.schema({"x": pa.int64()}))
    assert run_stage(stage, TABLE)["x"].to_pylist() == [-2, -1, 0]


def test_types_by_name_are_a_schema():
    stated = {"n": "int8", "t": "VARCHAR", "f": float, "d": pa.date32()}
    assert Map(len, schema=stated).bind(TABLE.schema) == pa.schema(
        {"n": pa.int8(), "t": pa.string(), "f": pa.float64(), "d": pa.date32()}
    )
    with pytest.raises(ConfigError, match="Map: schema: 'n': 'whole' is no type"):
        Map(len, schema={"n": "whole"})
    with pytest.raises(ConfigError, match="Map: schema is a mapping"):
        Map(len, schema="int64")


@pytest.mark.parametrize("made", [None, [1, 2], 3, "text"])
def test_what_a_function_may_not_give(made):
    with pytest.raises(SchemaError, match="it has to give a RecordBatch, a Table, a data"):
        Map(lambda _: made).bind(TABLE.schema)


def _wide(frame):
    return frame.assign(y=frame["x"] * 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda batch: pl.from_arrow(batch).with_columns(y=pl.col("x") * 2),
        lambda batch: _wide(batch.to_pandas()),
        lambda batch: _wide(batch.to_pandas().sort_values("x", ascending=False)).sort_values("x"),
    ],
    ids=["polars", "pandas", "index"],
)
@pytest.mark.parametrize("stated", [True, False])
def test_it_may_give_a_data_frame(function, stated):
    schema = pa.schema({**{f.name: f.type for f in TABLE.schema}, "y": pa.int64()})
    stage = Map(function, schema=schema if stated else None)
    loaded = Pipeline().extract(ArrowSource(TABLE)).transform(stage).load(ArrowLoader()).run()
    table = loaded.result.table
    assert table.select(["x", "y"]).to_pydict() == {"x": [1, 2, 3], "y": [2, 4, 6]}
    assert table.schema.metadata is None
    assert (table.schema == schema) or not stated


def test_what_it_gives_as_a_data_frame_may_be_no_addresses():
    def objects(batch):
        return pl.DataFrame({"x": [object()] * len(batch)}, schema={"x": pl.Object})

    with pytest.raises(SchemaError, match="'x' has Python objects"):
        Map(objects).bind(TABLE.schema)
    with pytest.raises(SchemaError, match="gave Series that can't be taken"):
        Map(lambda batch: pl.from_arrow(batch)["x"]).bind(TABLE.schema)


def test_it_takes_a_function():
    with pytest.raises(ConfigError, match="takes a function over a batch, not 'upper'"):
        Map("upper")


def test_another_type_than_was_promised_stops_the_run():
    def drift(batch):
        return {"x": batch["x"].cast(pa.string()) if len(batch) else batch["x"]}

    pipeline = Pipeline().extract(ArrowSource(TABLE)).transform(drift).load(ArrowLoader())
    with pytest.raises(SchemaError, match=r"Map\(drift\).*'x' is string where int64 was promised"):
        pipeline.run()


def test_a_function_that_writes_to_its_input_is_found():
    def write(batch):
        values = np.frombuffer(batch["x"].buffers()[1], dtype="int64")
        values.flags.writeable = True
        values += 1
        return batch

    with pytest.raises((AssertionError, ValueError)):
        check_stage(Map(write), TABLE)


def test_types_that_only_rows_show_are_said_to_be_stated():
    ones = Map(lambda batch: batch.append_column("n", pa.array([1] * batch.num_rows)))
    with pytest.raises(SchemaError, match=r"int64 where null was promised; .* Map\(fn, schema="):
        Pipeline(progress=False).extract(ArrowSource(TABLE)).transform(ones).preview()
