"""What `extract` takes: paths, Python's rows, others' data, and other pipelines."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, RejectError, StageError

TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]})


def extracted(source):
    return ae.Pipeline().extract(source).load(ae.ArrowLoader()).run().result.table.to_pydict()


@pytest.mark.parametrize(
    "source",
    [
        TABLE,
        TABLE.to_batches()[0],
        TABLE.to_batches(max_chunksize=2),
        TABLE.to_reader(),
        (TABLE.schema, iter(TABLE.to_batches())),
        TABLE.to_pylist(),
        iter(TABLE.to_pylist()),
        TABLE.to_pylist,
        TABLE.to_pydict(),
        {"id": np.array([1, 2, 3]), "name": np.array(["a", None, "c"], object)},
        TABLE.to_pandas(),
        pl.DataFrame(TABLE),
        pl.LazyFrame(TABLE),
        ae.ArrowSource(TABLE),
    ],
    ids=lambda source: type(source).__name__,
)
def test_data_in_memory(source):
    assert extracted(source) == TABLE.to_pydict()


def test_a_duckdb_relation():
    with duckdb.connect() as connection:
        assert extracted(connection.sql("SELECT 1 AS x")) == {"x": [1]}


def test_a_series_is_no_table():
    with pytest.raises(ae.ReadError):
        extracted(pd.Series([1, 2]))


@pytest.mark.parametrize("name", ["x.csv", "X.CSV.gz", "x.json", "x.jsonl", "x.parquet"])
def test_a_path_by_its_ending(tmp_path, name):
    path = tmp_path / name
    loaders = {"csv": ae.CSVLoader, "json": ae.JSONLoader, "parquet": ae.ParquetLoader}
    kind = next(word for word in loaders if word in name.lower())
    ae.Pipeline().extract(TABLE).load(loaders[kind](path)).run()
    assert extracted(path) == extracted(str(path)) == TABLE.to_pydict()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("shop.db", r"is a database: say SQLiteSource or DuckDBSource\('shop.db', table=...\)"),
        ("shop.duckdb", "say DuckDBSource"),
        ("x.cvs", "did you mean '.csv'"),
        ("folder/", "doesn't say by its ending"),
        ("x.gz", "doesn't say by its ending"),
        ("", "doesn't say by its ending"),
        (Path("x.xlsx"), "Say which source reads it"),
        (5, "5 is no Arrow data"),
        (None, "None is no Arrow data"),
        (dict, "is a class"),
    ],
)
def test_what_nothing_reads(path, said):
    with pytest.raises(ConfigError, match=said):
        ae.Pipeline().extract(path)


# --- pipelines -----------------------------------------------------------------------------


def adults(**options):
    people = pa.table({"name": ["Ada", "Bob", "Cy"], "age": ["36", "17", "x"]})
    pipeline = ae.Pipeline("adults", **options).extract(people)
    return pipeline.transform(ae.Cast({"age": "INTEGER"}, on_error="dead_letter")).transform(
        ae.Filter("age >= 18")
    )


def test_a_pipeline_is_part_of_the_plan():
    first = adults().load(ae.ArrowLoader())
    second = ae.Pipeline().extract(first).transform("SELECT age + 1 AS age FROM input")
    result = second.load(ae.ArrowLoader()).run().result
    assert result.table.to_pydict() == {"age": [37]}
    assert [(line.name, line.records_in, line.records_out) for line in result.stages] == [
        ("ArrowSource(pyarrow.Table)", 3, 3),
        ("Cast", 3, 2),
        ("Filter", 2, 1),
        ("SQL", 1, 1),
    ]
    assert result.records_rejected == 1
    # What is added to one of them later is no part of the other.
    second.transform("SELECT 1 AS x FROM input")
    assert first.run().result.table.to_pydict() == {"name": ["Ada"], "age": [36]}


def test_a_pipeline_with_dead_letters_keeps_them_and_its_counts(tmp_path):
    first = adults(dead_letters=ae.ParquetLoader(tmp_path / "rejects"))
    second = ae.Pipeline("second").extract(first).transform("SELECT age + 1 AS age FROM input")
    result = second.load(ae.ArrowLoader()).run().result
    assert result.table.to_pydict() == {"age": [37]}
    assert [line.name for line in result.stages] == ["Pipeline('adults')", "SQL"]
    assert (result.records_extracted, result.records_loaded) == (1, 1)
    assert (first.result.records_extracted, first.result.records_rejected) == (3, 1)
    letters = pq.read_table(tmp_path / "rejects").to_pylist()
    assert [(letter["pipeline"], letter["row"]["name"]) for letter in letters] == [("adults", "Cy")]


def test_nothing_runs_before_run():
    def rows():
        yield {"x": 1}
        raise AssertionError("read before it was run")

    first = ae.Pipeline(batch_size=1).extract(ae.PythonSource(rows(), sample_size=1))
    second = ae.Pipeline().extract(first.transform("SELECT x FROM input")).load(ae.ArrowLoader())
    assert "Pipeline('pipeline'): batches come from Python" in str(second.plan())


def test_a_pipeline_whose_rows_decide_its_columns():
    rows = {"a": [1, 2], "b": [None, None]}
    first = ae.Pipeline(batch_size=1).extract(rows).transform(ae.NullRemover("remove_fields"))
    second = ae.Pipeline().extract(first).transform("SELECT * FROM input WHERE a > 1")
    assert second.load(ae.ArrowLoader()).run().result.table.to_pydict() == {"a": [2]}


def test_a_pipeline_that_fails_stops_the_other(tmp_path):
    first = adults(max_rejects=0)
    second = ae.Pipeline().extract(first).load(ae.CSVLoader(tmp_path / "x.csv"))
    with pytest.raises((RejectError, StageError), match="1 of 3 rows were rejected"):
        second.run()
    assert not (tmp_path / "x.csv").exists()


def test_pipelines_behind_pipelines():
    numbers = ae.Pipeline().extract([{"x": 1}, {"x": 2}])
    doubled = ae.Pipeline().extract(numbers).transform("SELECT x * 2 AS x FROM input")
    limited = ae.Pipeline(batch_size=1).extract(doubled).transform("SELECT * FROM input LIMIT 1")
    last = ae.Pipeline().extract(limited).transform("SELECT x + 1 AS x FROM input")
    assert last.load(ae.ArrowLoader()).run().result.table.to_pydict() == {"x": [3]}
    assert limited.result.records_loaded == 1


def test_stages_that_were_added_before_come_after():
    second = ae.Pipeline().transform("SELECT x + 1 AS x FROM input")
    second.extract(ae.Pipeline().extract({"x": [1]}).transform("SELECT x * 10 AS x FROM input"))
    assert second.load(ae.ArrowLoader()).run().result.table.to_pydict() == {"x": [11]}


def test_a_pipeline_without_a_source():
    with pytest.raises(ConfigError, match="nothing to read from"):
        ae.Pipeline().extract(ae.Pipeline()).load(ae.ArrowLoader()).run()


def test_only_one_source():
    with pytest.raises(ConfigError, match="reads from PythonSource\\(list\\) already"):
        ae.Pipeline().extract([{"x": 1}]).extract([{"x": 1}])
