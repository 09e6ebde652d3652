"""NullRemover against loops in plain Python."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections import Counter
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.tables import canonical, rows_of, run, tables

from arrowetl import ConfigError, NullRemover, Rows, SchemaError, Scope
from arrowetl.testing import run_stage

COLUMNS = st.sampled_from([None, ("k",), ("n", "x"), ("l",), ("k", "b")])
LIKE = ("", "N/A", math.nan, 3)


def is_null(value, null_like):
    if value is None:
        return True
    if isinstance(value, str):
        texts = [each.strip().lower() for each in null_like if isinstance(each, str)]
        return value.strip().lower() in texts
    if isinstance(value, float) and math.isnan(value):
        return any(isinstance(each, float) and math.isnan(each) for each in null_like)
    return type(value) in {int, float} and value in null_like


def cleaned(table, columns, null_like):
    return [
        {
            c: None if c in (columns or row) and is_null(value, null_like) else value
            for c, value in row.items()
        }
        for row in table.to_pylist()
    ]


def plain(rows):
    return [tuple(map(canonical, row.values())) for row in rows]


@settings(deadline=None, max_examples=35)
@given(tables(), COLUMNS, st.sampled_from([(), LIKE]), st.booleans())
def test_drop(table, columns, null_like, every):
    stage = NullRemover("drop_all" if every else "drop", columns=columns, null_like=null_like)
    bad = all if every else any
    rows = cleaned(table, columns, null_like)
    kept = [row for row in rows if not bad(row[c] is None for c in columns or row)]
    assert rows_of(run(stage, table)) == plain(kept)


@settings(deadline=None, max_examples=35)
@given(tables(), COLUMNS, st.sampled_from([(), LIKE]), st.sampled_from([0, 0.2, 0.5]))
def test_remove_fields(table, columns, null_like, threshold):
    stage = NullRemover("remove_fields", columns=columns, null_like=null_like, threshold=threshold)
    rows = cleaned(table, columns, null_like)
    nulls = Counter(c for row in rows for c in row if row[c] is None)
    gone = {c for c in columns or table.column_names if nulls[c] > threshold * len(rows)}
    if len(gone) == table.num_columns:
        with pytest.raises(SchemaError, match="none would be left"):
            run(stage, table)
        return
    out = run(stage, table)
    assert out.column_names == [c for c in table.column_names if c not in gone]
    assert rows_of(out) == plain([{c: row[c] for c in out.column_names} for row in rows])


@settings(deadline=None, max_examples=35)
@given(tables(), st.sampled_from(["ffill", "bfill", "mode"]), COLUMNS, st.sampled_from([1, 2]))
def test_fill_from_other_rows(table, word, columns, threads):
    out = run(NullRemover("fill", fill=word, columns=columns), table, threads=threads)
    expected = table.to_pydict()
    for column in columns or table.column_names:
        expected[column] = FILLS[word](expected[column])
    assert rows_of(out) == [
        tuple(map(canonical, row)) for row in zip(*expected.values(), strict=True)
    ]


def ffill(values):
    last, filled = None, []
    for value in values:
        last = last if value is None else value
        filled.append(last)
    return filled


def mode(values):
    counts = Counter(canonical(value) for value in values if value is not None)
    if not counts:
        return values
    most = max(counts.values())
    often = [value for value, n in counts.items() if n == most]
    chosen = min(often, key=lambda value: (value == "NaN", value if value != "NaN" else 0))
    return [chosen if value is None else value for value in values]


FILLS = {"ffill": ffill, "bfill": lambda values: ffill(values[::-1])[::-1], "mode": mode}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), max_size=15))
def test_mean_and_median_are_rounded_to_the_columns_type(values):
    table = pa.table({"a": pa.array(values, pa.int8()), "b": pa.array(values, pa.float32())})
    known = [value for value in values if value is not None]
    mean = run_stage(NullRemover("fill", fill="mean"), table)
    median = run_stage(NullRemover("fill", fill="median"), table)
    assert mean.schema == table.schema == median.schema
    for value, a, b, m in zip(
        values, *mean.to_pydict().values(), median["b"].to_pylist(), strict=True
    ):
        if not known:
            assert a is b is m is None
        elif value is None:
            assert abs(a - statistics.fmean(known)) <= 0.5
            assert b == pytest.approx(statistics.fmean(known), rel=1e-6)
            assert m == statistics.median(known)
        else:
            assert a == b == m == value


def test_constants_by_column():
    table = pa.table(
        {
            "d": pa.array([None, date(2024, 1, 2)]),
            "p": pa.array([None, Decimal("1.50")], pa.decimal128(5, 2)),
            "t": pa.array([None, "x"], pa.large_string()),
            "y": pa.array([None, b"\x00"]),
            "i": pa.array([None, 1], pa.uint8()),
            "mode": pa.array([None, 2.5]),
        }
    )
    fill = {
        "d": date(1999, 12, 31),
        "p": Decimal("0.05"),
        "t": 'it\'s {0} "ok"',
        "y": b"'\xff",
        "i": 255,
        "mode": 7,
    }
    out = run_stage(NullRemover("fill", fill=fill), table)
    assert out.slice(0, 1).to_pylist() == [fill]
    assert out.schema.field("i").type == pa.uint8()
    assert out.schema.field("p").type == pa.decimal128(5, 2)


def test_one_value_fills_the_columns_of_its_kind():
    table = pa.table(
        {
            "i": [None, 1],
            "f": [None, 1.5],
            "s": [None, "a"],
            "b": [None, True],
            "big": [None, 2**40],
        }
    )
    assert run_stage(NullRemover("fill", fill=0), table).to_pylist()[0] == {
        "i": 0,
        "f": 0.0,
        "s": None,
        "b": None,
        "big": 0,
    }
    assert run_stage(NullRemover("fill", fill="?"), table)["s"].to_pylist() == ["?", "a"]
    assert run_stage(NullRemover("fill", fill=False), table)["b"].to_pylist() == [False, True]


def test_null_like_is_about_the_named_columns_only():
    table = pa.table({"a": ["-", " \tN/a\u00a0", "x"], "b": ["-", "n/a", "y"]})
    out = run_stage(NullRemover("fill", columns=["a"], fill="?", null_like=["-", "n/A"]), table)
    assert out.to_pydict() == {"a": ["?", "?", "x"], "b": ["-", "n/a", "y"]}


def test_numbers_that_mean_null():
    table = pa.table({"a": [-999, 1], "b": [-999.0, math.nan], "c": ["-999", "nan"]})
    out = run_stage(NullRemover("fill", fill=0, null_like=[-999]), table)
    assert repr(out.to_pylist()) == (
        "[{'a': 0, 'b': 0.0, 'c': '-999'}, {'a': 1, 'b': nan, 'c': 'nan'}]"
    )


def test_nan_is_null_only_when_asked():
    table = pa.table({"x": [math.nan, 1.0]})
    assert run_stage(NullRemover(), table).num_rows == 2
    assert run_stage(NullRemover(null_like=["NaN"]), table).num_rows == 1
    assert NullRemover(null_like=[math.nan]) == NullRemover(null_like=("nan",))


def test_many_rows_keep_their_order_while_filled():
    rows = 500_000
    table = pa.table(
        {"id": list(range(rows)), "x": [None if n % 3 else n * 1.0 for n in range(rows)]}
    )
    for fill in ("mean", "mode", "ffill", 0.0):
        out = run(NullRemover("fill", fill=fill, columns="x"), table, threads=4)
        assert out["id"].to_pylist() == list(range(rows))


def test_columns_that_leave_are_spooled_and_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = pa.table({"a": [1, None, None], "b": ["x", "y", "z"]})
    stage = NullRemover("remove_fields")
    assert stage.dynamic
    assert stage.select(table.schema) is None
    assert stage.bind(table.schema) == table.schema
    out = run_stage(stage, table, batch_rows=1)
    assert out.to_pydict() == {"b": ["x", "y", "z"]}
    assert list(tmp_path.iterdir()) == []


def test_scope_and_rows_follow_the_options():
    said = [
        (NullRemover(), Scope.ROW, Rows.REMOVES),
        (NullRemover("drop_all"), Scope.ROW, Rows.REMOVES),
        (NullRemover("fill", fill=0), Scope.ROW, Rows.SAME),
        (NullRemover("fill", fill={"a": "text"}), Scope.ROW, Rows.SAME),
        (NullRemover("fill", fill={"a": 0, "b": "ffill"}), Scope.STREAM, Rows.SAME),
        (NullRemover("fill", fill="mean"), Scope.STREAM, Rows.SAME),
        (NullRemover("remove_fields"), Scope.STREAM, Rows.SAME),
    ]
    assert all(stage.scope is scope and stage.rows is rows for stage, scope, rows in said)


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        ("dorp", {}, "did you mean 'drop'"),
        ("drop", {"fill": 0}, "no other has it"),
        ("fill", {}, "needs fill"),
        ("fill", {"fill": {"a": 0}, "columns": ["a"]}, "columns has no place"),
        ("drop", {"columns": []}, "columns is empty"),
        ("drop", {"columns": ["a", "a"]}, "names 'a' twice"),
        ("remove_fields", {"threshold": 1}, "from 0 up to but not 1"),
        ("remove_fields", {"threshold": -0.1}, "from 0 up to but not 1"),
        ("drop", {"null_like": [None]}, "texts and numbers, not None"),
        ("drop", {"null_like": [True]}, "texts and numbers, not True"),
    ],
)
def test_bad_options(strategy, options, message):
    with pytest.raises(ConfigError, match=message):
        NullRemover(strategy, **options)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (NullRemover(columns="nam"), "no column 'nam'; did you mean 'name'"),
        (NullRemover("remove_fields", columns="nam"), "no column 'nam'"),
        (NullRemover("fill", fill={"nam": 0}), "no column 'nam'"),
        (NullRemover("fill", fill={"small": 300}), "'small' is int8, which 300 can't fill"),
        (NullRemover("fill", fill={"small": 0.5}), "'small' is int8, which 0.5 can't fill"),
        (NullRemover("fill", fill={"small": True}), "'small' is int8, which True can't fill"),
        (NullRemover("fill", fill={"name": 0}), "'name' is string, which 0 can't fill"),
        (NullRemover("fill", fill={"name": None}), "'name' is string, which None can't fill"),
        (NullRemover("fill", fill={"name": "mean"}), "'name' is string, which 'mean' can't fill"),
        (NullRemover("fill", fill=b"x"), "no column can hold b'x'"),
        (NullRemover("fill", fill="median", columns=["name"]), "which 'median' can't fill"),
    ],
)
def test_schemas_that_do_not_fit(stage, message):
    with pytest.raises(SchemaError, match=message):
        stage.bind(pa.schema({"name": pa.string(), "small": pa.int8()}))
