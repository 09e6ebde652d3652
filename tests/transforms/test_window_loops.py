"""WindowAggregator against loops in plain Python, and against DuckDB's own buckets."""

# ruff: noqa: DTZ001 - times without a zone are meant

from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl import (
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
    short = size[1] in {"minute", "hour"} and not (zone == "Australia/Lord_Howe" and minutes == 60)
    return zone is not None and short and minutes is not None and 60 % (step[0] * minutes) == 0


def origin_of(step):
    return datetime(2000, 1, 1) if step[1] == "month" else datetime(2000, 1, 3)


@settings(deadline=None, max_examples=70)
@given(events(zoned=False), SIZES, st.booleans())
def test_tumbling_windows_are_those_of_a_loop(rows, size, empty):
    stage = WindowAggregator("at", text(size), group_by=["k"], aggregations=COUNTED, empty=empty)
    found = run_stage(stage, table_of(rows, zoned=False), batch_rows=3)
    assert given_rows(found) == expected(rows, (size, size), None, empty=empty)


@settings(deadline=None, max_examples=90)
@given(events(zoned=True), SIZES, st.sampled_from(ZONES), st.booleans())
def test_windows_by_the_clock_of_a_zone(rows, size, zone, empty):
    if even_in(zone, size, size):
        return
    stage = WindowAggregator(
        "at", text(size), group_by=["k"], aggregations=COUNTED, time_zone=zone, empty=empty
    )
    found = run_stage(stage, table_of(rows, zoned=True))
    assert given_rows(found) == expected(rows, (size, size), zone, empty=empty)


@settings(deadline=None, max_examples=60)
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


@settings(deadline=None, max_examples=50)
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


@settings(deadline=None, max_examples=60)
@given(events(zoned=False), st.sampled_from([1, 30, 24 * 60]))
def test_sessions_are_those_of_a_loop(rows, minutes):
    stage = WindowAggregator("at", gap=f"{minutes} minutes", group_by=["k"], aggregations=COUNTED)
    found = run_stage(stage, table_of(rows, zoned=False), batch_rows=2)
    assert given_rows(found) == sessions(rows, timedelta(minutes=minutes))


@settings(deadline=None, max_examples=35)
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
