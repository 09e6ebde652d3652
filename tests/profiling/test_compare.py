"""Two profiles compared: what changed is told, what chance does isn't."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiling.profiles import HOSTILE, hostile, profile
from rich.cells import cell_len

from arrowetl.errors import ConfigError
from arrowetl.profiling._distances import Cumulative, by_chance
from arrowetl.profiling.compare import Thresholds, compare
from arrowetl.profiling.profile import Histogram
from arrowetl.profiling.terminal import printed

ROWS = 2000


def table(seed=0, rows=ROWS, **changed):
    """Give a table of every kind of column; some may be others."""
    draw = random.Random(seed)
    columns = {
        "id": pa.array(range(rows), pa.int64()),
        "amount": [draw.lognormvariate(3, 1) for _ in range(rows)],
        "kind": [draw.choice(["a", "b", "b", "c", "c", "c"]) for _ in range(rows)],
        "city": [f"city {draw.randrange(300)}" for _ in range(rows)],
        "email": [f"u{draw.randrange(10**6)}@example.org" for _ in range(rows)],
        "gap": pa.array([draw.choice([1, 2, None]) for _ in range(rows)], pa.int64()),
        "text_number": [str(draw.randrange(1000)) for _ in range(rows)],
        "zeros": [draw.choice([0.0, 0.0, 0.0, draw.random()]) for _ in range(rows)],
    }
    return pa.table({k: v for k, v in (columns | changed).items() if v is not None})


def drift(new, old=None, **options):
    old = table() if old is None else old
    return compare(profile(old, patterns=SOME), profile(new, patterns=SOME), **options)


def some_patterns():
    from arrowetl.patterns import PATTERNS

    return {name: PATTERNS[name] for name in ("email", "uuid")}


SOME = some_patterns()


def told(found, severity="warning"):
    return {(each.kind, each.column) for each in found.at_least(severity)}


def test_the_same_rows_have_not_changed():
    assert drift(table()).changes == ()
    assert drift(table()).worst is None


@pytest.mark.parametrize("seed", range(4))
def test_other_rows_of_the_same_kind_have_not_changed(seed):
    new = table(seed + 1, rows=700 * (seed + 1))
    found = drift(new.drop_columns(["id"]), table(100 + seed, rows=1500).drop_columns(["id"]))
    assert told(found) == set()


CHANGES = {
    "removed": ({"kind": None}, "removed", "kind", "error"),
    "added": ({"new": [1] * ROWS}, "added", "new", "info"),
    "type": ({"amount": ["x"] * ROWS}, "type", "amount", "error"),
    "wider": ({"id": pa.array(range(ROWS), pa.int64())}, None, None, None),
    "unreadable": ({"text_number": ["x", "1"] * (ROWS // 2)}, "type", "text_number", "error"),
    "nulls": ({"gap": pa.array([None, None, 1, None] * (ROWS // 4), pa.int64())},
              "nulls", "gap", "warning"),
    "first nulls": ({"kind": ["a", "b", "c", None] * (ROWS // 4)}, "nulls", "kind", "warning"),
    "words for null": ({"kind": ["a", "b", "c", "n/a"] * (ROWS // 4)}, "nulls", "kind", "warning"),
    "key": ({"id": pa.array([each // 2 for each in range(ROWS)])}, "key", "id", "error"),
    "new value": ({"kind": ["a", "b", "c", "d"] * (ROWS // 4)}, "new values", "kind", "warning"),
    "no value": ({"kind": ["b", "c"] * (ROWS // 2)}, "missing values", "kind", "warning"),
    "shares": ({"kind": ["a"] * 1500 + ["b", "c"] * 250}, "distribution", "kind", "warning"),
    "spread": ({"amount": [random.Random(1).lognormvariate(4, 1) for _ in range(ROWS)]},
               "distribution", "amount", "warning"),
    "mean": ({"zeros": [0.0, 0.0, 0.0, 9.0, 0.5] * (ROWS // 5)}, None, "zeros", "warning"),
    "not finite": ({"amount": [float("nan"), 20.0] * (ROWS // 2)},
                   "not finite", "amount", "warning"),
    "pattern": ({"email": ["u@example.org", "nobody"] * (ROWS // 2)},
                "pattern", "email", "warning"),
    "personal": ({"city": [f"u{each}@example.org" for each in range(ROWS)]},
                 "personal data", "city", "error"),
    "fewer": ({"city": [f"city {each % 5}" for each in range(ROWS)]},
              "distinct", "city", "warning"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_told(name):
    changed, kind, column, severity = CHANGES[name]
    found = drift(table(**changed))
    if severity is None:
        assert found.changes == ()
        return
    mine = [e for e in found.changes if e.column == column and kind in {None, e.kind}]
    assert mine, found.changes
    assert mine[0].severity == severity
    assert {each.column for each in found.changes} == {column}
    assert mine[0].text


def test_a_key_that_goes_on_is_information():
    first, next_, fewer = (pa.table({"order_id": range(n, n + ROWS)}) for n in (0, ROWS, -ROWS))
    [change] = drift(next_, first).changes
    assert (change.severity, change.kind) == ("info", "distribution")
    assert change.text.endswith("a key that goes on")
    assert told(drift(fewer, first)) == {("distribution", "order_id")}
    amounts = [pa.table({"x": [float(n) + 0.5 for n in range(at, at + ROWS)]}) for at in (0, ROWS)]
    assert told(drift(*amounts[::-1])) == {("distribution", "x")}


@pytest.mark.parametrize("rows", [6_000, 8_193])
def test_one_repeat_in_a_large_key_is_a_warning(rows):
    first, again = (pa.table({"id": [*range(rows), last]}) for last in (rows, 5))
    assert told(drift(again, first)) == {("key", "id")}


def test_a_coincidental_key_of_few_rows_is_information():
    first = pa.table({"x": pa.array(random.Random(1).sample(range(400), 20))})
    again = pa.table({"x": pa.array([1, 1, *range(20, 400, 21)])})
    assert told(drift(again, first)) == set()


def test_no_rows_any_more_is_an_error():
    assert ("rows", None) in told(drift(table().slice(0, 0)), "error")


def test_columns_in_another_order_are_information():
    new = table().select(table().column_names[::-1])
    assert [(each.kind, each.severity) for each in drift(new).changes] == [("order", "info")]


def test_thresholds_are_the_users():
    new = table(kind=["a"] * 700 + ["b", "c"] * 650)
    assert ("distribution", "kind") in told(drift(new, thresholds=Thresholds(stability=0.05)))
    assert told(drift(new, thresholds=Thresholds(stability=9.0))) == set()


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"alpha": 1.5}, {"nulls": -1}, {"mean": "much"}, {"distance": True}]
)
def test_thresholds_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"Thresholds: {next(iter(wrong))}"):
        Thresholds(**wrong)


def test_a_severity_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'warning'"):
        drift(table()).at_least("warnings")


VALUES = st.one_of(
    st.integers(1, 10**6).map(lambda top: lambda draw: draw.randrange(top)),
    st.floats(0.1, 3).map(lambda s: lambda draw: draw.lognormvariate(0, s)),
    st.floats(0, 1).map(lambda p: lambda draw: 0.0 if draw.random() < p else draw.gauss(0, 1)),
    st.just(lambda draw: draw.gauss(0, 1) / (draw.gauss(0, 1) or 1)),
    st.integers(1, 40).map(lambda n: lambda draw: draw.choice([f"w{i}" for i in range(n)])),
    st.floats(0, 1).map(lambda p: lambda draw: None if draw.random() < p else draw.choice("ab")),
    st.floats(0, 1).map(lambda p: lambda draw: "7" if draw.random() < p else "x"),
    st.integers(2, 10**5).map(lambda top: lambda draw: f"t{int(draw.paretovariate(1)) % top}"),
    st.just(lambda draw: draw.choice([0.0, 5.0])),
)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(0, 2**32), st.integers(2, 1500), st.floats(0.05, 0.95))
def test_random_halves_of_the_same_rows_raise_no_alarm(values, seed, rows, part):
    draw = random.Random(seed)
    column = [values(draw) for _ in range(rows)]
    sides = ([], [])
    for each in column:
        sides[draw.random() < part].append(each)
    kind = pa.array(column).type
    old, new = (profile(pa.table({"x": pa.array(s, kind)}), patterns={}) for s in sides)
    found = compare(old, new).at_least("warning")
    assert [each for each in found if each.kind != "rows"] == []


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
)
def test_the_distance_is_that_of_the_values_where_bars_are_values(first, second):
    def curve(values):
        counts = [values.count(each) for each in range(21)]
        return Cumulative.of(Histogram(tuple(map(float, range(22))), tuple(counts)))

    slow = max(
        abs(sum(v <= x for v in first) / len(first) - sum(v <= x for v in second) / len(second))
        for x in range(21)
    )
    assert curve(first).distance(curve(second)) == pytest.approx(slow)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_probabilities_are_probabilities(of, other_of, data):
    count = data.draw(st.integers(0, of))
    other = data.draw(st.integers(0, other_of))
    found = by_chance(count, of, other, other_of)
    assert 0 <= found <= 1
    assert found == pytest.approx(by_chance(other, other_of, count, of))


def test_json_has_what_was_found():
    found = json.loads(drift(table(kind=None)).to_json())
    assert found["worst"] == "error"
    assert found["changes"][0] == {
        "severity": "error", "kind": "removed", "column": "kind",
        "before": "string", "after": "", "text": "the column is gone",
    }  # fmt: skip
    assert found["old"]["sample"]["rows"] == ROWS


@pytest.mark.parametrize("width", [80, 100])
def test_it_prints_in_a_terminal(width):
    old = profile(pa.table({name: ["a", "b"] * 50 for name in HOSTILE}))
    found = compare(old, profile(hostile()))
    shown = printed(found, width)
    assert found.changes
    assert max(map(cell_len, shown.splitlines())) <= width
    assert not any(each in shown for each in "\x1b\x00\x07\u202e")
    assert "nothing has changed" in str(compare(old, old))


@pytest.mark.parametrize("width", [80, 100])
def test_a_profile_prints_in_a_terminal(width):
    shown = printed(profile(table(kind=["n/a"] * ROWS)), width)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert shown.startswith("rows: 2,000 rows, 8 columns")
    assert all(name in shown for name in table().column_names)
    assert "To look at" in shown
    hurt = printed(profile(hostile()), width)
    assert not any(each in hurt for each in "\x1b\x00\x07\u202e")
