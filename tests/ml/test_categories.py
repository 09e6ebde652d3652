"""Confidences, calibration and training, against plain definitions and scikit-learn by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from arrowetl.ml.calibration import brier, reliability, sharpness
from arrowetl.ml.categories import DIGITS, Described, Trained, nearest, sigmoid, softmax
from arrowetl.ml.training import FOLDS, STRENGTH, Labelled, Training, folds, look_alikes, train


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clouds(rows=60, *, categories=3, seed=0, spread=0.5):
    """Give points around a direction for each category, apart enough to be no look-alikes."""
    random = np.random.default_rng(seed)
    which = np.arange(rows) % categories
    points = np.eye(16)[which] + spread * random.standard_normal((rows, 16))
    return unit(points), np.eye(categories, dtype=bool)[which]


def test_a_descriptions_confidence_is_the_stated_formula():
    random = np.random.default_rng(1)
    references, vectors = unit(random.standard_normal((4, 8))), unit(random.standard_normal((5, 8)))
    owners, u = np.array([0, 1, 1, 2]), 0.1
    one = Described(references, owners, u).confidences(vectors)
    several = Described(references, owners, u, several=True).confidences(vectors)
    for row, vector in enumerate(vectors.astype(float)):
        alike = [float(vector @ each) for each in references]
        best = [alike[0], max(alike[1:3]), alike[3]]
        powers = [math.exp(s / 0.05) for s in best]
        whole = math.exp(u / 0.05) + sum(powers)
        assert one[row] == pytest.approx([p / whole for p in powers], abs=1e-4)
        assert several[row] == pytest.approx(
            [1 / (1 + math.exp((u - s) / 0.05)) for s in best], abs=1e-4
        )


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=9))
def test_shares_are_shares(scores):
    made = softmax(np.array(scores))
    assert np.isfinite(made).all()
    assert made.sum(axis=1) == pytest.approx(np.ones(len(scores)))
    each = sigmoid(np.array(scores))
    assert ((each >= 0) & (each <= 1)).all()
    assert each + sigmoid(-np.array(scores)) == pytest.approx(np.ones_like(each))


def test_many_rows_are_scored_in_parts_alike(monkeypatch):
    vectors, _ = clouds(500)
    scorer = Described(vectors[:7], np.arange(7), 0.1)
    whole = scorer.confidences(vectors)
    monkeypatch.setattr("arrowetl.ml.categories._CELLS", 70)
    assert scorer.confidences(vectors) == pytest.approx(whole, abs=2 * 10**-DIGITS)
    assert scorer.confidences(vectors[:0]).shape == (0, 7)


@pytest.mark.parametrize("categories", [2, 3])
def test_training_is_scikit_learns_regression(categories):
    vectors, truth = clouds(categories=categories)
    made, _ = train(Labelled(vectors, truth), Training(several=False))
    by_hand = LogisticRegression(C=STRENGTH, max_iter=2000).fit(
        vectors.astype(float), truth.argmax(axis=1)
    )
    plain = Trained(made.weights, made.bias, categories).confidences(vectors)
    assert plain == pytest.approx(by_hand.predict_proba(vectors.astype(float)), abs=1e-4)


def test_several_is_a_regression_for_each():
    vectors, truth = clouds(90)
    truth[::6] |= np.roll(truth[::6], 1, axis=1)
    made, left_out = train(Labelled(vectors, truth), Training(several=True))
    for category in range(3):
        by_hand = LogisticRegression(C=STRENGTH, max_iter=2000)
        by_hand.fit(vectors.astype(float), truth[:, category])
        assert made.weights[category] == pytest.approx(by_hand.coef_[0], rel=1e-3, abs=1e-3)
    assert left_out.shape == truth.shape
    assert ((left_out > 0.5) == truth).mean() > 0.7


def test_nobody_is_judged_by_a_model_that_saw_him():
    """Labels without any sense are found out no better than by chance."""
    random = np.random.default_rng(5)
    vectors = unit(random.standard_normal((300, 16)))
    truth = np.eye(3, dtype=bool)[random.integers(0, 3, 300)]
    _, left_out = train(Labelled(vectors, truth), Training(several=False))
    assert (left_out.argmax(axis=1) == truth.argmax(axis=1)).mean() < 0.45
    # And nobody is sure of them: the calibration sees it.
    assert (
        reliability(left_out.max(axis=1), truth[np.arange(300), left_out.argmax(axis=1)]).error
        < 0.1
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_folds_are_stratified(classes, seed):
    truth = np.eye(4, dtype=bool)[classes]
    dealt = folds(truth, seed)
    for category in range(4):
        counts = np.bincount(dealt[truth[:, category]], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    assert (dealt == folds(truth, seed)).all()


def test_look_alikes_share_a_fold():
    vectors, truth = clouds(40)
    vectors, truth = np.concatenate([vectors, vectors]), np.concatenate([truth, truth])
    groups = look_alikes(vectors)
    dealt = folds(truth, 0, groups)
    for group in np.unique(groups):
        assert len(set(dealt[groups == group])) == 1
    assert (groups[:40] == groups[40:]).all()


@pytest.mark.parametrize("counts", [(2, 2), (2, 30), (3, 2, 40)])
def test_categories_with_two_examples_are_trained_all_the_same(counts):
    vectors, truth = clouds(300, categories=len(counts))
    rows = np.concatenate([np.flatnonzero(truth[:, k])[:n] for k, n in enumerate(counts)])
    for several in (False, True):
        made, left_out = train(Labelled(vectors[rows], truth[rows]), Training(several))
        assert np.isfinite(made.confidences(vectors)).all()
        assert np.isfinite(left_out).all()


def test_what_belongs_nowhere_is_learned_where_examples_say_it():
    vectors, truth = clouds(120, categories=4, spread=0.3)
    truth = truth[:, :3]
    made, _ = train(Labelled(vectors, truth), Training(several=False, least_alike=0.3))
    assert made.weights.shape == (4, 16)
    assert made.examples is None
    found = made.confidences(clouds(120, categories=4, seed=9, spread=0.3)[0])
    nowhere = found.max(axis=1) < 0.5
    assert nowhere[3::4].mean() > 0.9
    assert nowhere[np.arange(120) % 4 < 3].mean() < 0.1


def test_what_is_like_no_example_is_less_sure():
    vectors, truth = clouds(60)
    vectors[:, 12:] = 0
    vectors = unit(vectors)
    far = np.eye(16, dtype=np.float32)[12:]
    assert nearest(far, vectors).tolist() == [0, 0, 0, 0]
    with_, _ = train(Labelled(vectors, truth), Training(several=False, least_alike=0.3))
    without, _ = train(Labelled(vectors, truth), Training(several=False))
    assert with_.confidences(far).max() < 0.01
    assert without.confidences(far).max() > 0.3
    assert with_.confidences(vectors) == pytest.approx(without.confidences(vectors), abs=1e-3)


def test_the_sharpness_is_that_of_the_scores():
    """Truth drawn by softmax(3 x scores) is found to be three times as sharp."""
    random = np.random.default_rng(2)
    scores = random.standard_normal((20_000, 3))
    sure = softmax(3 * scores)
    drawn = (sure.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    truth = np.eye(3, dtype=bool)[drawn]
    assert sharpness(scores, truth, several=False) == pytest.approx(3, rel=0.03)
    each = random.random(scores.shape) < sigmoid(0.5 * scores)
    assert sharpness(scores, each, several=True) == pytest.approx(0.5, rel=0.05)
    found = reliability(sure.max(axis=1), truth[np.arange(20_000), sure.argmax(axis=1)])
    assert found.error < 0.01


def test_bins_and_brier_are_what_they_are_called():
    sure = np.array([0.0, 0.05, 0.95, 1.0, 1.0])
    right = np.array([False, False, True, True, False])
    found = reliability(sure, right)
    assert (found.bins.tolist(), found.rows.tolist()) == ([0, 9], [2, 3])
    assert found.right.tolist() == pytest.approx([0, 2 / 3])
    expected = (2 * 0.025 + 3 * abs(2.95 / 3 - 2 / 3)) / 5
    assert found.error == pytest.approx(expected)
    assert brier(np.array([[1.0, 0.0], [0.5, 0.5]]), np.eye(2, dtype=bool)) == pytest.approx(0.25)
    assert reliability(np.zeros(0), np.zeros(0, bool)).error == 0
