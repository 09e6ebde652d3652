"""Deduplicator against a dictionary of first rows."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transforms.tables import canonical, rows_of, run, tables

from arrowetl import ConfigError, Deduplicator, Rows, SchemaError, Scope
from arrowetl.testing import run_stage

ON = st.sampled_from([None, ("k",), ("n", "x"), ("l",), ("b",), ("k", "n")])
KEEP = st.sampled_from(["first", "last", "best_quality"])


def kept_positions(table, on, keep, score=None):
    """Find for each row, slowly, the position of the row that stands for it."""
    rows = table.to_pylist()
    groups = {}
    for position, row in enumerate(rows):
        key = tuple(canonical(row[c]) for c in on or table.column_names)
        groups.setdefault(key, []).append(position)
    winners = {}
    for members in groups.values():
        if keep == "best_quality":
            winner = max(members, key=lambda at: (quality(rows[at], score), -at))
        else:
            winner = members[0] if keep == "first" else members[-1]
        winners |= dict.fromkeys(members, winner)
    return [winners[at] for at in range(len(rows))]


def quality(row, score):
    if score is None:
        return sum(value is not None for value in row.values())
    value = row[score]
    return -math.inf if value is None or math.isnan(value) else value


@settings(deadline=None, max_examples=35)
@given(tables(), ON, KEEP, st.sampled_from([1, 2]))
def test_it_keeps_what_a_dictionary_would(table, on, keep, threads):
    winners = kept_positions(table, on, keep)
    expected = table.take(pa.array(sorted(set(winners)), pa.int64()))
    out = run(Deduplicator(on=on, keep=keep), table, threads=threads)
    assert rows_of(out) == rows_of(expected)


@settings(deadline=None, max_examples=25)
@given(tables(), ON, KEEP)
def test_reports_name_the_position_of_the_row_that_is_kept(table, on, keep):
    winners = kept_positions(table, on, keep)
    out = run(Deduplicator(on=on, keep=keep, report_column="of"), table)
    expected = [None if winner == at else winner for at, winner in enumerate(winners)]
    assert out["of"].to_pylist() == expected
    assert rows_of(out.drop_columns("of")) == rows_of(table)


@settings(deadline=None, max_examples=25)
@given(tables("k", "n"), st.sampled_from([None, "n"]))
def test_the_best_by_a_score(table, score):
    table = table.rename_columns(["k", score or "quality_score"])
    winners = kept_positions(table, ("k",), "best_quality", score or "quality_score")
    out = run(Deduplicator(on="k", keep="best_quality", score_column=score), table)
    assert rows_of(out) == rows_of(table.take(pa.array(sorted(set(winners)), pa.int64())))


def test_the_row_that_stays_is_itself_not_its_equal():
    table = pa.table({"x": [-0.0, 0.0], "s": ["negative", "positive"]})
    assert repr(run_stage(Deduplicator(on="x"), table).to_pylist()) == (
        "[{'x': -0.0, 's': 'negative'}]"
    )
    assert repr(run_stage(Deduplicator(on="x", keep="last"), table).to_pylist()) == (
        "[{'x': 0.0, 's': 'positive'}]"
    )


def test_nan_scores_are_the_lowest_and_ties_go_to_the_first():
    table = pa.table({"k": [1] * 4, "s": [math.nan, None, 2.0, 2.0], "id": [0, 1, 2, 3]})
    out = run_stage(Deduplicator(on="k", keep="best_quality", score_column="s"), table)
    assert out["id"].to_pylist() == [2]
    worst = run_stage(
        Deduplicator(on="k", keep="best_quality", score_column="s"), table.slice(0, 2)
    )
    assert worst["id"].to_pylist() == [0]


def test_many_rows_keep_the_sources_order_with_many_threads():
    rows = 400_000
    ids = pa.array(range(rows), pa.int64())
    table = pa.table({"k": pa.array([n * 7919 % 90_001 for n in range(rows)]), "id": ids})
    for threads in (1, 2, 4):
        out = run(Deduplicator(on="k"), table, threads=threads)
        assert out["id"].to_pylist() == list(range(90_001))


def test_names_that_look_like_its_own():
    table = pa.table({"arrowetl:row": [1, 1], "Arrowetl:Row_": [2, 2], "rn": [3, 3]})
    assert run_stage(Deduplicator(), table).to_pylist() == table.slice(0, 1).to_pylist()


def test_scope_rows_and_keys_follow_the_options():
    plain = Deduplicator(on="k", keep="keep_last")
    assert (plain.scope, plain.rows, plain.keys, plain.keep) == (
        Scope.KEY,
        Rows.MERGES,
        ("k",),
        "last",
    )
    reported = Deduplicator(on=["k"], report_column="of")
    assert (reported.scope, reported.rows) == (Scope.STREAM, Rows.SAME)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "exakt"}, "did you mean 'exact'"),
        ({"keep": "frist"}, "did you mean 'first'"),
        ({"keep": "keep_best"}, "one of first, last, best_quality"),
        ({"on": []}, "on is empty"),
        ({"on": ["a", "a"]}, "names 'a' twice"),
        ({"on": [3]}, "names of columns, not 3"),
        ({"score_column": "s"}, "needs keep='best_quality'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        Deduplicator(**options)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Deduplicator(on="emial"), "no column 'emial'; did you mean 'email'"),
        (Deduplicator(on="EMAIL"), "did you mean 'email'"),
        (Deduplicator(keep="best_quality", score_column="scor"), "no column 'scor'"),
        (Deduplicator(keep="best_quality", score_column="tags"), "has no highest value"),
        (Deduplicator(report_column="Email"), "there is a column 'Email' already"),
    ],
)
def test_schemas_that_do_not_fit(stage, message):
    schema = pa.schema({"email": pa.string(), "tags": pa.list_(pa.int8())})
    with pytest.raises(SchemaError, match=message):
        stage.bind(schema)
