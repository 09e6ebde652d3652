"""WindowAggregator: batches, odd times, late rows, empty windows, options."""

# ruff: noqa: DTZ001 - times without a zone are meant

from __future__ import annotations

import json
import math
import pickle
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from transforms.tables import canonical

from arrowetl import (
    ArrowLoader,
    ArrowSource,
    ConfigError,
    Pipeline,
    Rows,
    SchemaError,
    Scope,
    WindowAggregator,
)
from arrowetl.testing import run_stage

UTC = timezone.utc


def pipeline(table, stage, **settings):
    made = Pipeline(**settings).extract(ArrowSource(table)).transform(stage).load(ArrowLoader())
    return made.run().result


AT = datetime(2024, 5, 1, 9)


def moments(*minutes, kind=None):
    values = [None if m is None else AT + timedelta(minutes=m) for m in minutes]
    return pa.array(values, kind or pa.timestamp("us"))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 1000, 100_000])
def test_neither_batches_nor_threads_matter(batch_size, threads):
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            "at": moments(*rng.integers(0, 5000, 3000).tolist()),
            "k": rng.integers(0, 3, 3000),
            "x": rng.normal(size=3000),
        }
    )
    stages = [
        WindowAggregator(
            "at", "1 hour", slide="20 min", group_by="k", aggregations={"s": ("x", "sum")}
        ),
        WindowAggregator("at", gap="2 min", group_by="k", aggregations={"s": ("x", "avg")}),
        WindowAggregator("at", "3 hours", aggregations={"f": ("x", "first"), "l": ("k", "last")}),
    ]
    for stage in stages:
        made = pipeline(table, stage, batch_size=batch_size, threads=threads).table
        assert made.equals(run_stage(stage, table))


def test_rows_without_a_time_go_to_the_dead_letters():
    table = pa.table({"when it was": moments(0, None, 70, None), "x": [1, 2, 3, 4]})
    rejected = ArrowLoader()
    stage = WindowAggregator("when it was", "1 hour", aggregations={"n": "count(*)"})
    result = pipeline(table, stage, dead_letters=rejected)
    letters = rejected.table.to_pylist()
    assert [json.loads(letter["row"])["x"] for letter in letters] == [2, 4]
    assert {letter["reason"] for letter in letters} == {
        "when it was is null, so the row is in no window"
    }
    assert (result.records_rejected, result.records_loaded) == (2, 2)


def test_times_that_cannot_be_computed_with_are_rejected():
    with duckdb.connect() as connection:
        table = connection.sql(
            "SELECT unnest(['infinity', '-infinity', '294246-12-31', '290309-12-22 (BC)', "
            "'2024-05-01']::TIMESTAMP[]) AS at"
        ).to_arrow_table()
    rejected = ArrowLoader()
    for options in ({"size": "1 month", "slide": "1 day"}, {"gap": "1 day"}):
        stage = WindowAggregator("at", **options)
        result = pipeline(table, stage, dead_letters=rejected)
        assert result.records_rejected == 4
        assert all("too far off" in each for each in rejected.table["reason"].to_pylist())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Berlin"])
def test_every_kind_of_timestamp(unit, tz):
    kind = pa.timestamp(unit, tz=tz)
    table = pa.table({"at": moments(0, 59, 60, kind=kind)})
    found = run_stage(WindowAggregator("at", "1 hour", aggregations={"n": "count(*)"}), table)
    assert found["n"].to_pylist() == [2, 1]
    start = found["window_start"].to_pylist()[0].replace(tzinfo=None)
    assert start == AT
    gone = run_stage(WindowAggregator("at", gap="10 min", aggregations={"n": "count(*)"}), table)
    assert gone["n"].to_pylist() == [1, 2]


def test_times_before_1970_and_parts_of_microseconds():
    nanoseconds = pa.array([-1, 0, -3_600_000_000_000, -3_600_000_000_001], pa.int64())
    table = pa.table({"at": nanoseconds.cast(pa.timestamp("ns"))})
    found = run_stage(WindowAggregator("at", "1 hour", aggregations={"n": "count(*)"}), table)
    assert found["n"].to_pylist() == [1, 2, 1]
    short = run_stage(WindowAggregator("at", gap="1 us", aggregations={"n": "count(*)"}), table)
    assert short["n"].to_pylist() == [2, 2]
    assert short["window_start"].cast(pa.int64()).to_pylist() == [-3_600_000_000_001, -1]


def test_dates_have_windows_of_days():
    table = pa.table({"day": pa.array([date(2024, 5, 1), date(2024, 5, 2), date(2024, 6, 1)])})
    found = run_stage(WindowAggregator("day", "1 month", aggregations={"n": "count(*)"}), table)
    assert found.to_pylist() == [
        {"window_start": date(2024, 5, 1), "window_end": date(2024, 6, 1), "n": 2},
        {"window_start": date(2024, 6, 1), "window_end": date(2024, 7, 1), "n": 1},
    ]
    with pytest.raises(SchemaError, match="windows of dates take whole days"):
        WindowAggregator("day", "6 hours").bind(table.schema)


def test_the_day_that_samoa_skipped_is_no_window():
    days = [datetime(2011, 12, day, 23, tzinfo=UTC) for day in (28, 29, 30, 31)]
    table = pa.table({"at": pa.array(days, pa.timestamp("us", tz="UTC"))})
    stage = WindowAggregator(
        "at", "1 day", time_zone="Pacific/Apia", aggregations={"n": "count(*)"}, empty=True
    )
    found = run_stage(stage, table)
    shown = [
        start.astimezone(ZoneInfo("Pacific/Apia")).day
        for start in found["window_start"].to_pylist()
    ]
    assert shown == [28, 29, 31, 1]
    assert found["n"].to_pylist() == [1, 1, 1, 1]


def test_hours_of_a_clock_that_is_set_by_half_an_hour_dont_overlap():
    first = datetime(2024, 4, 6, 13, tzinfo=UTC)
    quarters = [first + timedelta(minutes=15 * each) for each in range(16)]
    table = pa.table({"at": pa.array(quarters, pa.timestamp("us", tz="UTC"))})
    counted = {"time_zone": "Australia/Lord_Howe", "aggregations": {"n": "count(*)"}}
    found = run_stage(WindowAggregator("at", "1 hour", **counted), table).to_pylist()
    lengths = [(each["window_end"] - each["window_start"]).seconds // 60 for each in found]
    assert lengths == [60, 90, 60, 60]
    assert [each["n"] for each in found] == [4, 6, 4, 2]


def test_an_origin_moves_the_windows():
    table = pa.table({"at": moments(0, 30, 60)})
    stage = WindowAggregator(
        "at", "1 hour", origin="2024-01-01 00:30", aggregations={"n": "count(*)"}
    )
    assert run_stage(stage, table)["n"].to_pylist() == [1, 2]
    same = WindowAggregator(
        "at", "1 hour", origin=datetime(2024, 1, 1, 0, 30), aggregations={"n": "count(*)"}
    )
    assert stage == same


def test_rows_that_come_too_late():
    table = pa.table({"at": moments(0, 100, 41, 40, 39, None, 100, 200, 139), "x": range(9)})
    rejected = ArrowLoader()
    for batch_size in (1, 4, 1000):
        stage = WindowAggregator(
            "at", "1 hour", lateness="1 hour", aggregations={"xs": ("x", "list")}
        )
        result = pipeline(table, stage, dead_letters=rejected, batch_size=batch_size)
        letters = [
            (json.loads(letter["row"])["x"], letter["reason_code"])
            for letter in rejected.table.to_pylist()
        ]
        assert sorted(letters) == [(4, "late"), (5, "time"), (8, "late")]
        assert result.table["xs"].to_pylist() == [[0, 2, 3], [1, 6], [7]]
        assert result.records_rejected == 3
    assert any(
        "is more than 1 hour behind 2024-05-01 10:40:00, which came before" in reason
        for reason in rejected.table["reason"].to_pylist()
    )


def test_empty_windows_have_what_aggregates_give_for_no_rows():
    table = pa.table({"at": moments(0, 180), "x": [1.5, 2.5], "k": ["a", "a"]})
    wanted = {
        "n": "count(*)",
        "total": ("x", "sum"),
        "safe": "coalesce(sum(x), 0)",
        "span": ("x", np.ptp),
    }
    stage = WindowAggregator("at", "1 hour", group_by="k", aggregations=wanted, empty=True)
    rows = run_stage(stage, table).drop_columns(["window_start", "window_end"]).to_pylist()
    nothing = {"k": "a", "n": 0, "total": None, "safe": 0.0, "span": None}
    assert rows[1:3] == [nothing, nothing]
    assert rows[0] == {"k": "a", "n": 1, "total": 1.5, "safe": 1.5, "span": 0.0}


def test_too_many_empty_windows_are_refused():
    table = pa.table({"at": pa.array([datetime(1900, 1, 1), datetime(2024, 1, 1)])})
    with pytest.raises(Exception, match="more than 1,000,000 windows of 1 minute"):
        run_stage(WindowAggregator("at", "1 minute", empty=True), table)
    assert run_stage(WindowAggregator("at", "1 minute"), table).num_rows == 2


def test_functions_get_the_values_of_each_window():
    table = pa.table({"at": moments(0, 10, 70, 65), "x": [1, 5, 9, 2]})
    for options in ({"size": "1 hour"}, {"gap": "30 min"}):
        stage = WindowAggregator("at", **options, aggregations={"last": ("x", lambda v: v[-1])})
        assert run_stage(stage, table)["last"].to_pylist() == [5, 2]


def test_keys_of_floats():
    table = pa.table({"at": moments(0, 1, 2, 3), "k": [0.0, -0.0, math.nan, math.nan]})
    found = run_stage(
        WindowAggregator("at", "1 hour", group_by="k", aggregations={"n": "count(*)"}), table
    )
    assert [canonical(k) for k in found["k"].to_pylist()] == [canonical(0.0), canonical(math.nan)]
    assert found["n"].to_pylist() == [2, 2]


def test_hostile_names():
    strange = 'a "b"; DROP TABLE input; --'
    table = pa.table({strange: moments(0, 1), "input": ["é", "é"], "group": [1, 2]})
    stage = WindowAggregator(
        strange, "1 hour", group_by=["input"], aggregations={"select": ("group", "sum")}, empty=True
    )
    assert run_stage(stage, table)["select"].to_pylist() == [3]


def test_no_rows():
    table = pa.table({"at": moments(), "x": pa.array([], pa.int32())})
    for options in ({"size": "1 hour", "empty": True}, {"gap": "1 hour"}):
        stage = WindowAggregator("at", **options, aggregations={"n": "count(*)"})
        found = run_stage(stage, table)
        assert found.num_rows == 0
        assert found.schema == stage.bind(table.schema)


def test_what_it_says_of_itself():
    hourly = WindowAggregator("at", timedelta(hours=1), aggregations={"n": "count(*)"})
    assert hourly == WindowAggregator("at", "60 min", aggregations={"n": "count(*)"})
    assert hash(hourly) == hash(pickle.loads(pickle.dumps(hourly)))
    twice = {"n": "count(*)", "m": "max(x)"}
    turned = dict(reversed(twice.items()))
    one, other = (WindowAggregator("at", "1 h", aggregations=each) for each in (twice, turned))
    assert one != other
    assert (hourly.scope, hourly.rows) == (Scope.STREAM, Rows.MERGES)
    assert WindowAggregator("at", "1 h", group_by="k").scope is Scope.KEY
    assert WindowAggregator("at", "1 h", slide="5 min").rows is Rows.ANY
    assert len(WindowAggregator("at", "1 h", lateness="5 min").stages) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either size"),
        ({"size": "1 hour", "gap": "1 hour"}, "either size"),
        ({"size": "1 hour", "empty": "yes"}, "empty is 'yes': it has to be True or False"),
        ({"size": "an hour"}, "size is 'an hour', which is no length of time"),
        ({"size": "1 huor"}, "no unit of time"),
        ({"size": 60}, "no unit of time|which has no unit"),
        ({"gap": "1 month"}, "months differ"),
        ({"gap": "1 hour", "slide": "1 hour"}, "sessions .* have no slide"),
        ({"gap": "1 hour", "empty": True}, "sessions .* have no empty"),
        ({"size": "1 hour", "slide": "2 hours"}, "slide .2 hours. is longer"),
        ({"size": "1 year", "slide": "1 second"}, "would lie in"),
        ({"size": "1 hour", "time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"size": "1 hour", "origin": "soon"}, "origin is 'soon'"),
        ({"size": "1 hour", "origin": datetime(2024, 1, 1, tzinfo=UTC)}, "no zone of its own"),
        ({"size": "1 hour", "group_by": ["Window_Start"]}, "two columns would be called"),
        ({"size": "1 hour", "aggregations": {"n": ("x", "sun")}}, "did you mean 'sum'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        WindowAggregator("at", **options)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (WindowAggregator("att", "1 hour"), "'at'"),
        (WindowAggregator("s", "1 hour"), "times are text here, so cast it before"),
        (WindowAggregator("x", "1 hour"), "it has to be a timestamp or a date"),
        (WindowAggregator("at", "1 hour", group_by=["y"]), "no column 'y'"),
        (WindowAggregator("at", "1 day", time_zone="UTC"), 'AS "at"\\) FROM'),
    ],
)
def test_schemas_that_do_not_fit(stage, message):
    schema = pa.schema({"at": pa.timestamp("us"), "s": pa.string(), "x": pa.int32()})
    with pytest.raises(SchemaError, match=message):
        stage.bind(schema)
