"""Isolation forests by themselves: scikit-learn's scores, whatever the slices and threads."""

import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression

import arrowetl as ae
from arrowetl.arrow import side_by_side
from arrowetl.ml import kept_forest
from arrowetl.ml.features import Feature, learned, prepared
from arrowetl.ml.forest import fit_forest
from arrowetl.ml.kept_forest import FittedForest, keep, kept

RANDOM = np.random.default_rng(8)
ROWS = np.asarray(RANDOM.standard_t(3, size=(30_000, 4)), np.float32)
FOREST = fit_forest(ROWS[:5000], trees=20, seed=3)


# --- scores -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("drawn", [2, 3, 256, 9000])
def test_scores_are_scikit_learns(seed, drawn):
    rows = ROWS[:6000]
    forest = fit_forest(rows, trees=25, max_samples=drawn, seed=seed)
    by_hand = IsolationForest(n_estimators=25, max_samples=min(drawn, 6000), random_state=seed)
    expected = -by_hand.fit(rows).score_samples(ROWS)
    assert np.abs(forest.scores(ROWS) - expected).max() < 1e-12


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(ROWS)), max_size=5),
    threads=st.sampled_from([1, 2, 5]),
    order=st.sampled_from("CF"),
)
def test_a_rows_score_is_the_same_wherever_it_stands(cuts, threads, order):
    whole = FOREST.scores(ROWS)
    rows = np.array(ROWS, order=order)
    parts = [
        FOREST.scores(rows[low:high], threads=threads)
        for low, high in zip([0, *sorted(cuts)], [*sorted(cuts), len(ROWS)], strict=True)
    ]
    assert (np.concatenate(parts) == whole).all()


def test_one_row_and_none_and_equal_ones():
    one = fit_forest(np.zeros((1, 2), np.float32))
    assert one.scores(ROWS[:3, :2]).tolist() == [0.5] * 3
    assert FOREST.scores(ROWS[:0]).tolist() == []
    equal = fit_forest(np.full((500, 2), 4, np.float32), trees=3)
    assert equal.scores(np.array([[4, 4], [9, 9]], np.float32)) == pytest.approx([0.5, 0.5])


def test_falls_are_those_of_the_score_without_the_column():
    rows, centre = ROWS[:50], np.median(ROWS, axis=0)
    falls = FOREST.falls(rows, centre)
    for at in range(4):
        without = rows.copy()
        without[:, at] = centre[at]
        assert (falls[:, at] == FOREST.scores(rows) - FOREST.scores(without)).all()
    far = np.zeros((1, 4), np.float32)
    far[0, 2] = 500
    assert FOREST.falls(far, centre).argmax() == 2


# --- columns as numbers -----------------------------------------------------------------------


def numbers_of(column, **options):
    feature = learned("x", column, **options)
    return feature, prepared(pa.record_batch({"x": column}), [feature])


def test_plain_floats_side_by_side_are_not_copied():
    batch = side_by_side(np.asfortranarray(ROWS), list("abcd"))
    features = [learned(each, batch[each]) for each in "abcd"]
    before = pa.total_allocated_bytes()
    seen = prepared(batch, features)
    assert pa.total_allocated_bytes() == before
    assert seen.rows.ctypes.data == batch["a"].buffers()[1].address
    assert (FOREST.scores(seen.rows) == FOREST.scores(ROWS)).all()


@given(
    values=st.lists(st.none() | st.floats() | st.sampled_from([1e300, -1e300, 0.0]), max_size=30),
    cut=st.integers(0, 30),
    log=st.booleans(),
)
def test_numbers_do_not_depend_on_their_neighbours(values, cut, log):
    column = pa.array(values, pa.float64())
    feature = Feature("x", centre=1.5, low=0.0, high=2.0, rows=9, log=log)
    whole = prepared(pa.record_batch({"x": column}), [feature])
    assert np.isfinite(whole.rows).all()
    parts = (column.slice(0, cut), column.slice(cut))
    each = [prepared(pa.record_batch({"x": part}), [feature]).rows for part in parts]
    assert np.concatenate(each).tolist() == whole.rows.tolist()
    for value, number in zip(values, whole.rows[:, 0].tolist(), strict=True):
        if value is None or math.isnan(value):
            assert number == 1.5
    infinite = [value is not None and math.isinf(value) for value in values]
    assert (whole.infinite is not None) == any(infinite)
    assert whole.infinite is None or whole.infinite[:, 0].tolist() == infinite


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_whole_numbers_are_rounded_once_with_and_without_nulls(values):
    feature = Feature("x", centre=0.0, low=0.0, high=0.0, rows=1)
    without = prepared(pa.record_batch({"x": pa.array(values, pa.int64())}), [feature]).rows
    having = prepared(pa.record_batch({"x": pa.array([*values, None], pa.int64())}), [feature]).rows
    assert having[:-1].tolist() == without.tolist()


def test_times_in_seconds_keep_their_differences():
    seconds = pa.array(1_700_000_000 + np.arange(1000))
    feature, seen = numbers_of(seconds)
    assert feature.offset == pytest.approx(1_700_000_499.5)
    assert len(np.unique(seen.rows)) == 1000
    assert (feature.low, feature.high) == pytest.approx((1_700_000_049.95, 1_700_000_949.05))
    assert seen.infinite is None
    assert numbers_of(pa.array([5.0] * 9 + [6.0]))[0].offset == 0


def test_the_largest_numbers_there_are():
    feature, seen = numbers_of(pa.array([1.7e308, -1.7e308] * 20))
    assert (feature.low, feature.high, feature.offset) == (-1.7e308, 1.7e308, 0)
    assert (np.abs(seen.rows) == np.float32(1e37)).all()


def test_a_logarithm_is_judged_and_the_range_stays_plain():
    feature, seen = numbers_of(pa.array([0.0, 9.0, -99.0, math.inf]), log=True)
    assert seen.rows[:3, 0] == pytest.approx([0, math.log(10), -math.log(100)])
    assert seen.infinite.tolist() == [[False], [False], [False], [True]]
    assert feature.high == pytest.approx(8.1)


@pytest.mark.parametrize("dictionary", [False, True])
def test_texts_are_as_rare_as_they_are_in_the_sample(dictionary):
    column = pa.array(["a"] * 6 + ["b"] * 2 + ["c", None])
    column = column.dictionary_encode() if dictionary else column
    feature, seen = numbers_of(column)
    assert (feature.rows, feature.words.to_pylist()) == (9, ["a", "b"])
    shares = np.exp(-seen.rows[:, 0])
    assert shares[[0, 6, 8]] == pytest.approx([6 / 9, 2 / 9, 1 / 9])
    assert shares[9] == pytest.approx(6 / 9)  # the sample's middle
    never = prepared(pa.record_batch({"x": ["new", "é☃" * 9]}), [feature]).rows
    assert never.tolist() == [[seen.rows[8, 0]]] * 2


def test_booleans_decimals_and_columns_of_nulls():
    assert (
        numbers_of(pa.array([True, True, False]))[1].rows[0]
        < numbers_of(pa.array([True, True, False]))[1].rows[2]
    )
    money = pa.array([Decimal("1.25"), None, Decimal("3.75")])
    assert numbers_of(money)[1].rows.tolist() == [[1.25], [2.5], [3.75]]
    assert learned("x", pa.nulls(4)) is None
    assert learned("x", pa.array([None, None], pa.string())) is None
    assert learned("x", pa.array([math.nan, math.inf])) is None
    assert learned("x", pa.array([1.0, 2.0, None]), least=3) is None


def test_codes_and_ids_are_left_out_where_it_is_asked_for():
    few, all_different = pa.array([1, 2, 3] * 40), pa.array(range(120))
    for column in (few, all_different):
        assert learned("x", column, codes=20, different=0.95) is None
        assert learned("x", column) is not None


# --- kept -------------------------------------------------------------------------------------


def fitted(**changes):
    words = learned("w", pa.array(["a", "a", "b", "b", "é☃"]))
    features = (*(Feature(c, 0.0, -1.0, 1.0, 5000) for c in "abc"), words)
    options = {"seed": 3, "columns": [*"abc", "w"], "contamination": None}
    return FittedForest(**{"features": features, "forest": FOREST, "threshold": 0.6,
                           "options": options, "rows": 5000, **changes})  # fmt: skip


def test_what_is_read_is_what_was_written(tmp_path):
    path = tmp_path / "forest.skops"
    keep(fitted(), path)
    assert [each.name for each in tmp_path.iterdir()] == ["forest.skops"]
    again = kept(path)
    assert (again.forest.scores(ROWS) == FOREST.scores(ROWS)).all()
    assert again.features[:3] == fitted().features[:3]
    batch = pa.record_batch({"w": ["a", "é☃", None]})
    words = [prepared(batch, [known.features[3]]).rows.tolist() for known in (again, fitted())]
    assert words[0] == words[1]
    assert (again.options, again.threshold, again.rows) == (fitted().options, 0.6, 5000)
    assert kept(path) is again  # remembered
    keep(fitted(threshold=0.7), path)
    assert kept(path).threshold == 0.7  # until it changes


def test_a_forest_of_nothing_can_be_kept(tmp_path):
    keep(fitted(features=(), forest=None), tmp_path / "f")
    assert kept(tmp_path / "f").forest is None


@pytest.mark.parametrize("part", [0, 10, 1000, -30])
def test_a_damaged_file_is_refused(tmp_path, part):
    keep(fitted(), tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    (tmp_path / "f").write_bytes(whole[:part])
    with pytest.raises(ae.ConfigError, match=r"is damaged, or no forest.*remove it"):
        kept(tmp_path / "f")


def test_flipped_bytes_never_give_another_forest(tmp_path):
    keep(fitted(), tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    random, expected = np.random.default_rng(2), FOREST.scores(ROWS[:500])
    refused = 0
    for place in random.integers(0, len(whole), 30):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        (tmp_path / f"f{place}").write_bytes(broken)
        try:
            again = kept(tmp_path / f"f{place}")
        except ae.ConfigError:
            refused += 1
        else:
            assert (again.forest.scores(ROWS[:500]) == expected).all()
    assert refused > 15


def test_something_else_in_a_file_is_refused_before_it_is_made(tmp_path):
    skops.io.dump({"about": "{}", "forest": Decimal(1)}, tmp_path / "f")
    with pytest.raises(ae.ConfigError, match=r"isn't read: it has decimal.Decimal in it"):
        kept(tmp_path / "f")
    skops.io.dump({"about": "{}", "forest": LinearRegression()}, tmp_path / "g")
    with pytest.raises(ae.ConfigError, match="no forest"):
        kept(tmp_path / "g")


def test_another_version_is_refused(tmp_path, monkeypatch):
    keep(fitted(), tmp_path / "f")
    monkeypatch.setattr(kept_forest, "version", lambda: "1.4")
    kept_forest._read.cache_clear()
    with pytest.raises(ae.ConfigError, match=r"scikit-learn \d.* and here is 1\.4.*remove it"):
        kept(tmp_path / "f")


@pytest.mark.parametrize(
    ("place", "to"),
    [("left_child", 10_000), ("left_child", -5), ("feature", 77), ("right_child", 0)],
)
def test_trees_that_lead_nowhere_are_refused(tmp_path, place, to):
    forest = fit_forest(ROWS[:500], trees=2)
    tree = forest.model.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][place][0] = to
    tree.__setstate__(state)
    keep(fitted(forest=forest), tmp_path / "f")
    with pytest.raises(ae.ConfigError, match="branches that lead nowhere"):
        kept(tmp_path / "f")


def test_nowhere_to_write(tmp_path):
    with pytest.raises(ae.WriteError, match="isn't there"):
        keep(fitted(), tmp_path / "no" / "f")
