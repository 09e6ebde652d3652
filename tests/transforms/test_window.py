"""WindowAggregator against loops in plain Python, and against DuckDB's own buckets."""

# ruff: noqa: DTZ001 - times without a zone are meant

from __future__ import annotations

import calendar
import json
import math
import pickle
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
COUNTED = {"n": "count(*)", "total": ("x", "sum"), "ids": ("id", "list")}


# The slow way: every start there may be, one after the other.


def months_after(moment, months):
    years, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return moment.replace(year=years, month=month + 1, day=min(moment.day, last))


def after(moment, span, times=1):
    number, unit = span
    if unit == "month":
        return months_after(moment, number * times)
    return moment + timedelta(**{f"{unit}s": number * times})


def text(span):
    return f"{span[0]} {span[1]}s"


def starts(first, last, step, origin):
    """Give every start from some time before the first moment to one after the last."""
    margin = timedelta(days=130 if step[1] == "month" else 45)
    low, high = first - margin, last + margin
    if step[1] == "month":
        number = ((low.year - origin.year) * 12 + low.month - origin.month) // step[0]
    else:
        number = (low - origin) // after(timedelta(0), step)
    moment = after(origin, step, number)
    while moment < high:
        yield moment
        moment = after(moment, step)


def windows(moments, spans, zone, origin):
    """Give the windows as pairs of moments, by the documented rule."""
    size, step = spans
    known = [moment for moment in moments if moment is not None]
    if not known:
        return []
    if zone is None:
        return [(s, after(s, size)) for s in starts(min(known), max(known), step, origin)]

    def instant(shown):
        return shown.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)

    local = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in known]
    found = [
        (instant(shown), instant(after(shown, size)))
        for shown in starts(min(local), max(local), step, origin)
    ]
    return [(start, end) for start, end in found if start < end]


def expected(rows, spans, zone, *, empty=False):
    """Give the rows that ought to come out."""
    all_windows = windows([row["at"] for row in rows], spans, zone, origin_of(spans[1]))
    made = []
    for key in sorted({row["k"] for row in rows}, key=lambda k: (k is None, k)):
        own = [row for row in rows if row["k"] == key and row["at"] is not None]
        filled = []
        for start, end in all_windows:
            inside = [row for row in own if start <= row["at"] < end]
            filled.append((key, start, end, inside))
        places = [place for place, each in enumerate(filled) if each[3]]
        chosen = filled[places[0] : places[-1] + 1] if places else []
        made += [each for each in chosen if each[3] or empty]
    return [(key, start, end, *aggregated(inside)) for key, start, end, inside in made]


def aggregated(inside):
    present = [row["x"] for row in inside if row["x"] is not None]
    ids = [row["id"] for row in inside]
    return len(inside), sum(present) if present else None, ids or None


def given_rows(result):
    return [
        (row["k"], row["window_start"], row["window_end"], row["n"], row["total"], row["ids"])
        for row in result.to_pylist()
    ]


def table_of(rows, *, zoned):
    kind = pa.timestamp("us", tz="UTC" if zoned else None)
    return pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int32()),
            "k": pa.array([row["k"] for row in rows], pa.string()),
            "at": pa.array([row["at"] for row in rows], kind),
            "x": pa.array([row["x"] for row in rows], pa.int32()),
        }
    )


# Around the days on which clocks are set, and a usual one.
NEAR = [
    datetime(2000, 1, 1),
    datetime(2024, 3, 10),
    datetime(2024, 3, 31),
    datetime(2024, 4, 7),
    datetime(2024, 10, 6),
    datetime(2024, 10, 27),
    datetime(2024, 11, 3),
]
MINUTES = st.one_of(st.none(), st.integers(-3000, 3000))


SIZES = st.sampled_from(
    [
        (15, "minute"),
        (1, "hour"),
        (6, "hour"),
        (7, "hour"),
        (90, "minute"),
        (1, "day"),
        (3, "day"),
        (1, "week"),
        (1, "month"),
        (3, "month"),
    ]
)


@st.composite
def events(draw, *, zoned):
    day, other = draw(st.sampled_from(NEAR)), draw(st.sampled_from([0, 0, 40]))
    drawn = draw(
        st.lists(
            st.tuples(
                MINUTES,
                st.sampled_from([0, other]),
                st.sampled_from(["a", "b", None]),
                st.one_of(st.none(), st.just(2)),
            ),
            max_size=12,
        )
    )
    zone = UTC if zoned else None

    def moment(minutes, days):
        if minutes is None:
            return None
        return (day + timedelta(days=days, minutes=minutes)).replace(tzinfo=zone)

    return [
        {"at": moment(minutes, days), "k": k, "x": x, "id": place}
        for place, (minutes, days, k, x) in enumerate(drawn)
    ]


def even_in(zone, size, step):
    """Whether the documented rule for parts of an hour holds instead of the clock's."""
    minutes = {"minute": 1, "hour": 60}.get(step[1])
    short = size[1] in {"minute", "hour"}
    return zone is not None and short and minutes is not None and 60 % (step[0] * minutes) == 0


def origin_of(step):
    return datetime(2000, 1, 1) if step[1] == "month" else datetime(2000, 1, 3)


@settings(deadline=None, max_examples=120)
@given(events(zoned=False), SIZES, st.booleans())
def test_tumbling_windows_are_those_of_a_loop(rows, size, empty):
    stage = WindowAggregator("at", text(size), group_by=["k"], aggregations=COUNTED, empty=empty)
    found = run_stage(stage, table_of(rows, zoned=False), batch_rows=3)
    assert given_rows(found) == expected(rows, (size, size), None, empty=empty)


@settings(deadline=None, max_examples=150)
@given(events(zoned=True), SIZES, st.sampled_from(ZONES), st.booleans())
def test_windows_by_the_clock_of_a_zone(rows, size, zone, empty):
    if even_in(zone, size, size):
        return
    stage = WindowAggregator(
        "at", text(size), group_by=["k"], aggregations=COUNTED, time_zone=zone, empty=empty
    )
    found = run_stage(stage, table_of(rows, zoned=True))
    assert given_rows(found) == expected(rows, (size, size), zone, empty=empty)


@settings(deadline=None, max_examples=100)
@given(
    events(zoned=True),
    st.sampled_from(
        [
            ((1, "day"), (6, "hour")),
            ((1, "day"), (1, "hour")),
            ((1, "week"), (1, "day")),
            ((2, "month"), (1, "month")),
            ((1, "month"), (1, "week")),
            ((10, "hour"), (4, "hour")),
            ((5, "day"), (2, "day")),
        ]
    ),
    st.sampled_from([*ZONES, None]),
)
def test_sliding_windows_are_those_of_a_loop(rows, spans, zone):
    size, step = spans
    if even_in(zone, size, step):
        return
    if zone is None:
        rows = [{**row, "at": row["at"] and row["at"].replace(tzinfo=None)} for row in rows]
    stage = WindowAggregator(
        "at",
        text(size),
        slide=text(step),
        group_by=["k"],
        aggregations=COUNTED,
        time_zone=zone,
    )
    found = run_stage(stage, table_of(rows, zoned=zone is not None))
    assert given_rows(found) == expected(rows, spans, zone)


@settings(deadline=None, max_examples=80)
@given(events(zoned=True), st.sampled_from([15, 20, 60]), st.integers(1, 3))
def test_parts_of_an_hour_are_as_long_on_every_day(rows, minutes, times):
    stage = WindowAggregator(
        "at",
        f"{minutes * times} minutes",
        slide=f"{minutes} minutes",
        group_by=["k"],
        aggregations=COUNTED,
        time_zone="Europe/Berlin",
    )
    found = run_stage(stage, table_of(rows, zoned=True))
    # Berlin's clock is set by whole hours, so windows are those of UTC.
    size, step = (minutes * times, "minute"), (minutes, "minute")
    plain = [{**row, "at": row["at"] and row["at"].replace(tzinfo=None)} for row in rows]
    wanted = expected(plain, (size, step), None)
    zoned = [(k, s.replace(tzinfo=UTC), e.replace(tzinfo=UTC), *rest) for k, s, e, *rest in wanted]
    assert given_rows(found) == zoned


def sessions(rows, gap):
    made = []
    for key in sorted({row["k"] for row in rows}, key=lambda k: (k is None, k)):
        own = sorted(
            (row for row in rows if row["k"] == key and row["at"] is not None),
            key=lambda row: row["at"],
        )
        groups = []
        for row in own:
            if groups and row["at"] - groups[-1][-1]["at"] < gap:
                groups[-1].append(row)
            else:
                groups.append([row])
        for group in groups:
            inside = sorted(group, key=lambda row: row["id"])
            ends = group[0]["at"], group[-1]["at"] + gap
            made.append((key, *ends, *aggregated(inside)))
    return made


@settings(deadline=None, max_examples=100)
@given(events(zoned=False), st.sampled_from([1, 30, 24 * 60]))
def test_sessions_are_those_of_a_loop(rows, minutes):
    stage = WindowAggregator("at", gap=f"{minutes} minutes", group_by=["k"], aggregations=COUNTED)
    found = run_stage(stage, table_of(rows, zoned=False), batch_rows=2)
    assert given_rows(found) == sessions(rows, timedelta(minutes=minutes))


@settings(deadline=None, max_examples=60)
@given(events(zoned=False), SIZES)
def test_the_answer_is_duckdbs_own(rows, size):
    table = table_of(rows, zoned=False)
    stage = WindowAggregator("at", text(size), aggregations={"n": "count(*)", "x": ("x", "sum")})
    with duckdb.connect() as connection:
        connection.register("t", table)
        wanted = connection.sql(
            f"SELECT time_bucket(INTERVAL '{text(size)}', t.at) AS s, count(*), sum(x)::BIGINT "
            "FROM t WHERE t.at IS NOT NULL GROUP BY s ORDER BY s"
        ).fetchall()
    found = run_stage(stage, table)
    assert (
        list(zip(*found.select(["window_start", "n", "x"]).to_pydict().values(), strict=True))
        == wanted
    )


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
    assert (hourly.scope, hourly.rows) == (Scope.STREAM, Rows.MERGES)
    assert WindowAggregator("at", "1 h", group_by="k").scope is Scope.KEY
    assert WindowAggregator("at", "1 h", slide="5 min").rows is Rows.ANY
    assert len(WindowAggregator("at", "1 h", lateness="5 min").stages) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either size"),
        ({"size": "1 hour", "gap": "1 hour"}, "either size"),
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
        (WindowAggregator("at", "1 day", time_zone="UTC"), "no clock's zone"),
    ],
)
def test_schemas_that_do_not_fit(stage, message):
    schema = pa.schema({"at": pa.timestamp("us"), "s": pa.string(), "x": pa.int32()})
    with pytest.raises(SchemaError, match=message):
        stage.bind(schema)
