"""Select, Rename and Cast."""

from __future__ import annotations

from datetime import date, datetime, timezone

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from arrowetl import (
    ArrowLoader,
    ArrowSource,
    Cast,
    ConfigError,
    Pipeline,
    Rename,
    Rows,
    SchemaError,
    Scope,
    Select,
    StageError,
)
from arrowetl.testing import run_stage

TABLE = pa.table({"a": ["1", "x", None], 'b "c"': [1.5, 2.5, None], "select": [True, None, False]})


def test_select_keeps_the_order_it_names():
    assert run_stage(Select(["select", "a"]), TABLE).column_names == ["select", "a"]
    assert run_stage(Select(exclude='b "c"'), TABLE).column_names == ["a", "select"]
    assert run_stage(Select("a"), TABLE).equals(TABLE.select(["a"]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Select, "name the columns to keep"),
        (lambda: Select(["a"], exclude=["b"]), "name the columns to keep"),
        (lambda: Select(["a", "a"]), "names 'a' twice"),
        (lambda: Select([1]), "names of columns, not 1"),
        (lambda: Rename({"a": ""}), "can't be called ''"),
        (lambda: Cast({"a": list}), "Cast: column 'a': <class 'list'> is no type: it has to be 'B"),
        (lambda: Cast(["a"]), "Cast: columns is a mapping"),
        (lambda: Cast({"a": "WHOLE"}), "'WHOLE' is no type of DuckDB's"),
        (lambda: Cast({"a": "INTEGER) AS b, (1"}), "is no type of DuckDB's"),
        (lambda: Cast({"a": "INTEGER"}, on_error="skip"), "one of raise, dead_letter"),
        (lambda: Cast({"a": "DATE"}, format="%Q"), "format '%Q'"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("float64", "DOUBLE"),
        ("float32", "FLOAT"),
        ("str", "VARCHAR"),
        ("date32[day]", "DATE"),
        ("timestamp[us, tz=UTC]", "TIMESTAMP WITH TIME ZONE"),
        ("decimal128(12, 2)", "DECIMAL(12,2)"),
        ("datetime64[ns]", "TIMESTAMP_NS"),
        (pd.Int64Dtype(), "BIGINT"),
        (np.dtype("int8"), "TINYINT"),
        (np.float32, "FLOAT"),
        (int, "BIGINT"),
        (float, "DOUBLE"),
        (str, "VARCHAR"),
        (bool, "BOOLEAN"),
        (date, "DATE"),
        (datetime, "TIMESTAMP"),
        # What DuckDB knows means what it means there.
        ("int", "INTEGER"),
        ("float", "FLOAT"),
        ("int8", "BIGINT"),
    ],
)
def test_types_in_the_words_of_others(said, meant):
    assert Cast({"a": said}).columns == {"a": meant}


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Select(["A"]), "no column 'A'; did you mean 'a'"),
        (Select(exclude=["aa"]), "no column 'aa'"),
        (Select(exclude=TABLE.column_names), "leaves no column"),
        (Rename({"aa": "b"}), "no column 'aa'"),
        (Rename({"a": "select"}), "two columns would be called 'select'"),
        (Rename({"a": "SELECT"}), "two columns would be called 'SELECT'"),
        (Rename({"a": "z", "select": "z"}), "two columns would be called 'z'"),
        (Cast({"aa": "INTEGER"}), "no column 'aa'"),
    ],
)
def test_schemas_that_do_not_fit(stage, message):
    with pytest.raises(SchemaError, match=message):
        stage.bind(TABLE.schema)


def test_rename_leaves_columns_where_they_are():
    out = run_stage(Rename({"a": "select", "select": "a", 'b "c"': "d; --"}), TABLE)
    assert out.column_names == ["select", "d; --", "a"]
    assert out["select"].to_pylist() == ["1", "x", None]


def test_equal_whatever_the_order_of_names():
    assert Rename({"a": "b", "c": "d"}) == Rename({"c": "d", "a": "b"})
    assert hash(Rename({"a": "b", "c": "d"})) == hash(Rename({"c": "d", "a": "b"}))
    assert hash(Cast({"a": "int", "c": "int"})) == hash(Cast({"c": "INTEGER", "a": pa.int32()}))


def test_cast_raises_at_a_value_that_does_not_fit():
    with pytest.raises(duckdb.ConversionException, match="Could not convert string 'x'"):
        run_stage(Cast({"a": "INTEGER"}), TABLE)


def test_cast_takes_arrow_types():
    out = run_stage(Cast({"a": pa.large_string(), 'b "c"': pa.decimal128(5, 1)}), TABLE)
    assert out.schema.types == [pa.string(), pa.decimal128(5, 1), pa.bool_()]


def test_rows_that_do_not_fit_go_to_the_dead_letters_as_they_were():
    table = pa.table(
        {"id": [1, 2, 3, 4], "a": ["7", "x" * 200, None, "8"], "b": ["1", "1", "?", "2"]}
    )
    stage = Cast({"a": "INTEGER", "b": pa.int8()}, on_error="dead_letter")
    letters = ArrowLoader()
    pipeline = Pipeline(dead_letters=letters).extract(ArrowSource(table)).transform(stage)
    result = pipeline.load(ArrowLoader()).run().result
    assert result.table.to_pylist() == [{"id": 1, "a": 7, "b": 1}, {"id": 4, "a": 8, "b": 2}]
    assert (result.records_extracted, result.records_loaded, result.records_rejected) == (4, 2, 2)
    rejected = letters.table.to_pylist()
    assert [(row["row"], row["column"], row["reason_code"]) for row in rejected] == [
        ('{"id":2,"a":"' + "x" * 200 + '","b":"1"}', "a", "cast"),
        ('{"id":3,"a":null,"b":"?"}', "b", "cast"),
    ]
    assert [row["reason"] for row in rejected] == [f"{'x' * 80} is no INTEGER", "? is no TINYINT"]


def test_reasons_say_value_and_type_and_are_not_too_long():
    stage = Cast({"a": "INTEGER"}, on_error="dead_letter")
    [rejection] = stage.rejections(TABLE.schema)
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"a": ["x", "%s" + "y" * 200, "1", None]}))
        found = connection.execute(
            f"SELECT {rejection.reason} FROM t WHERE {rejection.where}"
        ).fetchall()
    assert found == [("x is no INTEGER",), ("%s" + "y" * 78 + " is no INTEGER",)]


def test_formats_of_dates():
    table = pa.table({"d": ["31.12.2024", "2024/01/02", None], "n": ["1", "2", "3"]})
    stage = Cast({"d": "DATE", "n": "INTEGER"}, format=["%d.%m.%Y", "%Y/%m/%d"])
    out = run_stage(stage, table)
    assert out["d"].to_pylist() == [date(2024, 12, 31), date(2024, 1, 2), None]
    strict = Cast({"d": "TIMESTAMP WITH TIME ZONE"}, on_error="dead_letter", format="%d.%m.%Y")
    [rejection] = strict.rejections(table.schema)
    with duckdb.connect() as connection:
        connection.register("t", table)
        rows = f"SELECT d FROM t WHERE {rejection.where}"
        assert connection.execute(rows).fetchall() == [("2024/01/02",)]
    good = run_stage(strict, table.slice(0, 1))["d"].to_pylist()
    assert good == [datetime(2024, 12, 31, tzinfo=timezone.utc)]


def test_they_are_about_one_row_each():
    for stage in (Select("a"), Rename({"a": "b"}), Cast({"a": "INTEGER"})):
        assert (stage.scope, stage.rows) == (Scope.ROW, Rows.SAME)


def test_a_value_that_cannot_be_cast_is_said_without_our_statement():
    rows = Pipeline(progress=False).extract(ArrowSource(pa.table({"s": ["a"]})))
    with pytest.raises(StageError, match="Could not convert string 'a'") as caught:
        rows.transform(Cast({"s": "INT"})).load(ArrowLoader()).run()
    assert str(caught.value).endswith("on_error=dead_letter sets such rows apart")
    assert "LINE" not in str(caught.value)
