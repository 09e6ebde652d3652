"""Aggregator against loops in plain Python."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.tables import canonical, rows_of, run, tables

from arrowetl import Aggregator, ConfigError, Rows, SchemaError, Scope
from arrowetl.testing import run_stage


def present(values):
    return [value for value in values if value is not None]


def exact(values):
    """Sum floats without an error, as fractions; what isn't finite decides by itself."""
    if not values:
        return None
    odd = [value for value in values if not math.isfinite(value)]
    return sum(odd) if odd else sum(map(Fraction, values), Fraction(0))


def largest(values):
    return max(values, key=lambda v: (math.isnan(v) if isinstance(v, float) else False, v))


ORACLES = {
    ("n", "sum"): lambda v: sum(present(v)) if present(v) else None,
    ("b", "sum"): lambda v: sum(present(v)) if present(v) else None,
    ("n", "min"): lambda v: min(present(v), default=None),
    ("n", "max"): lambda v: max(present(v), default=None),
    ("n", "avg"): lambda v: sum(present(v)) / len(present(v)) if present(v) else None,
    ("x", "max"): lambda v: canonical(largest(present(v))) if present(v) else None,
    ("x", "count"): lambda v: len(present(v)),
    ("x", "count_distinct"): lambda v: len({canonical(each) for each in present(v)}),
    ("k", "first"): lambda v: v[0],
    ("k", "last"): lambda v: v[-1],
    ("l", "first"): lambda v: canonical(v[0]),
    ("k", "any_value"): lambda v: next(iter(present(v)), None),
    ("k", "list"): tuple,
    ("k", "concat"): lambda v: ",".join(present(v)) if present(v) else None,
    ("n", "median"): lambda v: statistics.median(present(v)) if present(v) else None,
    ("n", "mode"): lambda v: statistics.mode(sorted(present(v))) if present(v) else None,
}


def groups_of(table, keys):
    found = {}
    for row in table.to_pylist():
        found.setdefault(tuple(canonical(row[key]) for key in keys), []).append(row)
    return found


def sorted_keys(groups):
    """Sort as documented: each key ascending, NaN above all numbers, null last."""

    def place(value):
        if value == "NaN":
            return (1, 0)
        return (2, 0) if value is None else (0, value)

    return sorted(groups, key=lambda key: tuple(map(place, key)))


@settings(deadline=None, max_examples=50)
@given(
    tables(),
    st.sampled_from([("k",), ("n",), ("b", "n"), ()]),
    st.lists(st.sampled_from(sorted(ORACLES)), min_size=1, max_size=5, unique=True),
    st.sampled_from([1, 2]),
)
def test_it_computes_what_loops_would(table, keys, wanted, threads):
    stage = Aggregator(keys, {f"{c} {word}": (c, word) for c, word in wanted})
    out = run(stage, table, threads=threads)
    groups = groups_of(table, keys)
    if not keys and not groups:
        assert out.num_rows == 1
        return
    assert rows_of(out) == [
        (*key, *(ORACLES[c, word]([row[c] for row in groups[key]]) for c, word in wanted))
        for key in sorted_keys(groups)
    ]


@settings(deadline=None, max_examples=35)
@given(tables("x", "n"))
def test_floats_are_keys(table):
    out = run(Aggregator("x", {"n": ("n", "list")}), table)
    groups = groups_of(table, ("x",))
    assert rows_of(out) == [
        (*key, tuple(row["n"] for row in groups[key])) for key in sorted_keys(groups)
    ]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(), max_size=20), st.randoms())
def test_sums_of_floats_do_not_depend_on_order_and_are_near(values, random):
    stage = Aggregator((), {"sum": ("x", "sum"), "avg": ("x", "avg")})
    first = run_stage(stage, pa.table({"x": pa.array(values, pa.float64())}))
    random.shuffle(values)
    second = run_stage(stage, pa.table({"x": pa.array(values, pa.float64())}))
    assert repr(first.to_pylist()) == repr(second.to_pylist())


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1e20, 1e20), min_size=1, max_size=20))
def test_sums_of_usual_floats_are_right_to_the_last_digits(values):
    [found] = run_stage(
        Aggregator((), {"sum": ("x", "sum")}), pa.table({"x": pa.array(values, pa.float64())})
    )["sum"].to_pylist()
    truth = exact(values)
    # Rounding once, and numbers below 1e-12 with each other.
    assert abs(Fraction(found) - truth) <= abs(truth) * Fraction(2) ** -51 + Fraction(1, 10**24)


def test_sums_do_not_depend_on_threads():
    rng = np.random.default_rng(7)
    table = pa.table({"k": rng.integers(0, 50_000, 600_000), "x": rng.normal(size=600_000) * 1e6})
    wanted = {"s": ("x", "sum"), "m": ("x", "mean"), "d": ("x", "std"), "l": ("x", "last")}
    one, two, four = (run(Aggregator("k", wanted), table, threads=n) for n in (1, 2, 4))
    assert one.equals(two)
    assert one.equals(four)


def test_types_of_sums():
    schema = pa.schema(
        {
            "i": pa.int32(),
            "u": pa.uint64(),
            "f": pa.float32(),
            "d": pa.decimal128(9, 2),
            "b": pa.bool_(),
        }
    )
    bound = Aggregator((), {name: (name, "sum") for name in schema.names}).bind(schema)
    assert bound.types == [
        pa.int64(),
        pa.int64(),
        pa.float64(),
        pa.decimal128(38, 2),
        pa.int64(),
    ]


def test_a_sum_past_int64_ends_the_run():
    table = pa.table({"x": [2**62, 2**62]})
    with pytest.raises(duckdb.ConversionException, match="out of range"):
        run_stage(Aggregator((), {"s": ("x", "sum")}), table)


def test_every_aggregate_by_name():
    table = pa.table({"k": ["a", "a", "b", "a"], "x": [1.0, 4.0, 2.0, None]})
    wanted = {
        "q": ("x", "quantile", 0.5),
        "var": ("x", "variance"),
        "std": ("x", "stddev"),
        "about": ("x", "approx_count_distinct"),
        "words": ("x", "concat", "|"),
        "skew": ("x", "skewness"),
        "sql": "max(x) - min(x)",
        "some": "sum(x) FILTER (WHERE x > 1)",
    }
    out = run_stage(Aggregator("k", wanted), table).to_pylist()
    assert out[0] == {
        "k": "a",
        "q": 2.5,
        "var": 4.5,
        "std": pytest.approx(2.1213203),
        "about": 2,
        "words": "1.0|4.0",
        "skew": None,
        "sql": 3.0,
        "some": 4.0,
    }
    assert out[1]["var"] is None


def test_no_rows_make_one_row_without_keys_and_none_with_them():
    table = pa.table({"k": pa.array([], pa.string()), "x": pa.array([], pa.float64())})
    wanted = {"s": ("x", "sum"), "n": "count(*)", "l": ("k", "list")}
    assert run_stage(Aggregator((), wanted), table).to_pylist() == [{"s": None, "n": 0, "l": None}]
    assert run_stage(Aggregator("k", wanted), table).num_rows == 0


def test_functions_see_arrays_of_the_columns_own_type_without_nulls():
    seen = []

    def note(values):
        seen.append((values.dtype.name, values.tolist(), values.flags.writeable))
        return len(values)

    table = pa.table(
        {"k": [2, 1, 2, None, 2, 3], "x": pa.array([5, 6, None, 8, 4, None], pa.int16())}
    )
    stage = Aggregator("k", {"n": ("x", note), "first": ("x", "first")}, returns={"n": "int64"})
    out = run_stage(stage, table, batch_rows=1)
    assert seen == [("int16", [6], False), ("int16", [5, 4], False), ("int16", [8], False)]
    assert out.to_pydict() == {
        "k": [1, 2, 3, None],
        "n": [1, 2, None, 1],
        "first": [6, 5, None, 8],
    }


def test_functions_over_groups_larger_than_a_batch():
    rows = 200_001
    table = pa.table({"k": [n % 2 for n in range(rows)], "x": np.arange(rows, dtype="float64")})
    out = run_stage(Aggregator("k", {"span": ("x", np.ptp), "mid": ("x", np.median)}), table)
    assert out.to_pylist() == [
        {"k": 0, "span": 200_000.0, "mid": 100_000.0},
        {"k": 1, "span": 199_998.0, "mid": 100_000.0},
    ]


def test_functions_see_the_sources_order():
    table = pa.table({"k": [1, 2] * 5000, "x": list(range(10_000))})
    out = run_stage(
        Aggregator("k", {"last": ("x", lambda values: values[-1])}), table, batch_rows=7
    )
    assert out["last"].to_pylist() == [9998, 9999]


def test_the_output_schema_is_known_before_a_row_is_read():
    schema = pa.schema({"k": pa.string(), "x": pa.timestamp("us")})
    stage = Aggregator("k", {"span": ("x", np.ptp), "n": "count(*)"})
    assert stage.bind(schema) == pa.schema(
        {"k": pa.string(), "span": pa.duration("us"), "n": pa.int64()}
    )
    assert stage.select(schema) is None


def test_decimals_stay_exact():
    table = pa.table({"d": [Decimal("0.1"), Decimal("0.2")]})
    [total] = run_stage(Aggregator((), {"s": ("d", "sum")}), table)["s"].to_pylist()
    assert total == Decimal("0.3")


def test_scope_follows_the_keys():
    one = Aggregator((), {"n": "count(*)"})
    assert (one.scope, one.rows, one.keys) == (Scope.STREAM, Rows.ANY, ())
    many = Aggregator(["a", "b"], {"n": "count(*)"})
    assert (many.scope, many.rows, many.keys) == (Scope.KEY, Rows.MERGES, ("a", "b"))


def test_the_order_of_aggregates_is_part_of_the_value():
    one = Aggregator("k", {"a": "count(*)", "b": "sum(x)"})
    assert one != Aggregator("k", {"b": "sum(x)", "a": "count(*)"})
    assert one == Aggregator(["k"], {"a": "count(*)", "b": "sum(x)"})


@pytest.mark.parametrize(
    ("group_by", "wanted", "message"),
    [
        ([], {}, "nothing to group by"),
        ("k", {"K": "count(*)"}, "would be called"),
        ("k", {"n": ("x", "summ")}, "did you mean 'sum'"),
        ("k", {"n": ("x", "pg_sleep")}, "no aggregate is called 'pg_sleep'"),
        ("k", {"n": "count(*) FROM other --"}, "not one SQL expression"),
        ("k", {"n": "sum(x)) + (1"}, "not one SQL expression"),
        ("k", {"n": ("x",)}, "it has to be SQL, or a column and what to compute"),
        ("k", {"n": 5}, "it has to be SQL, or a column and what to compute"),
        ("k", {"n": ("x", 5)}, "neither an aggregate's name nor a function"),
        ("k", {"n": ("x", "quantile")}, "from 0 to 1, not None"),
        ("k", {"n": ("x", "quantile", 90)}, "from 0 to 1, not 90"),
        ("k", {"n": ("x", "sum", 3)}, "sum takes no argument"),
    ],
)
def test_bad_descriptions(group_by, wanted, message):
    with pytest.raises(ConfigError, match=message):
        Aggregator(group_by, wanted)


def test_what_a_function_returns_is_told_in_arrows_words_or_in_duckdbs():
    for words in (("int64", "string"), ("BIGINT", "varchar")):
        returns = dict(zip(("n", "s"), words, strict=True))
        stage = Aggregator("k", {"n": ("x", np.size), "s": ("x", np.size)}, returns=returns)
        assert stage.returns == {"n": "int64", "s": "string"}


def test_bad_returns():
    with pytest.raises(ConfigError, match="'whole' is no type of DuckDB's or Arrow's"):
        Aggregator("k", {"n": ("x", np.size)}, returns={"n": "whole"})
    with pytest.raises(ConfigError, match="'m', which is no function's"):
        Aggregator("k", {"n": ("x", np.size)}, returns={"m": "int64"})


def refuse(_):
    raise ValueError("not today")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"n": ("amuont", "sum")}, "no column 'amuont'; did you mean 'amount'"),
        ({"n": ("text", "sum")}, "column 'text' is string: sum needs numbers"),
        ({"n": "sum(amuont)"}, "no column 'amuont'; did you mean 'amount'"),
        ({"n": "amount"}, "'amount' is a column, and what to compute of it isn't said"),
        ({"n": "amount + 1"}, "must appear in the GROUP BY"),
        ({"amount": "mean"}, r"write a column and the name: \('amount', 'mean'\)"),
        ({"n": "count"}, r"write 'count\(\*\)' for all rows, or a column and"),
        ({"n": ("text", np.size)}, "which no NumPy array holds"),
        ({"n": ("amount", refuse)}, "refuse failed on one value of column 'amount'.*not today"),
    ],
)
@pytest.mark.parametrize("keys", ["k", []])
def test_schemas_that_do_not_fit(keys, wanted, message):
    schema = pa.schema({"k": pa.string(), "amount": pa.float64(), "text": pa.string()})
    with pytest.raises(SchemaError, match=message):
        Aggregator(keys, wanted).bind(schema)
