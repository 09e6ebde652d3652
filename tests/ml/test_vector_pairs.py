"""Pairs of vectors: every one is as near as it says, and hardly one is missed."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError
from arrowetl.ml.encoded import read_vectors
from arrowetl.ml.pairs import components, enough
from arrowetl.ml.vector_pairs import EVERY, Vectors, near_pairs


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def space(values):
    return Vectors(values, np.arange(len(values)))


def near(rng, vectors, cosines):
    """Give for each vector one with this cosine to it."""
    noise = rng.standard_normal(vectors.shape)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    cosines = np.asarray(cosines).reshape(-1, 1)
    return unit(cosines * vectors + np.sqrt(1 - cosines**2) * unit(noise))


def by_brute_force(values, threshold):
    found = set()
    for low in range(0, len(values), 1000):
        left, right = np.nonzero(values[low : low + 1000] @ values.T >= threshold)
        later = left + low < right
        found |= set(zip((left[later] + low).tolist(), right[later].tolist(), strict=True))
    return found


def as_set(pairs):
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def test_vectors_that_point_one_way_are_no_crowd():
    """Those of a model do: without a centre they would all be on one side."""
    rng = np.random.default_rng(4)
    base = unit(rng.standard_normal((6000, 96)) * 0.3 + np.eye(96)[0] * 4)
    values = np.concatenate([base, near(rng, base, np.full(6000, 0.995))])
    threshold = 0.99
    pairs = near_pairs(space(values), threshold, threads=2)
    wanted = by_brute_force(values, threshold)
    assert len(as_set(pairs) & wanted) >= 0.98 * len(wanted)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(0, 60), st.floats(0.05, 1))
def test_few_are_compared_each_with_each(seed, rows, threshold):
    rng = np.random.default_rng(seed)
    values = unit(rng.standard_normal((rows, 4)) + 1e-9)
    pairs = near_pairs(space(values), threshold)
    exact = (values.astype(np.float64) @ values.T.astype(np.float64)).round(6)
    wanted = {(a, b) for a, b in np.argwhere(exact >= threshold).tolist() if a < b}
    assert as_set(pairs) == wanted
    order = np.lexsort((pairs.right, pairs.left))
    assert (order == np.arange(len(pairs))).all()


def test_nearly_equal_crowds_are_joined_and_never_squared():
    rng = np.random.default_rng(6)
    crowds = unit(rng.standard_normal((3, 64)))
    values = near(rng, np.repeat(crowds, 4000, axis=0), np.full(12_000, 0.9999))
    pairs = near_pairs(space(values), 0.9, threads=2)
    assert len(pairs) < 12_000 * 2 * enough(12_000)
    joined = components(12_000, pairs.left, pairs.right)
    assert (joined == np.repeat([0, 4000, 8000], 4000)).all()


def test_where_all_are_one_crowd_they_are_joined():
    rng = np.random.default_rng(6)
    one = unit(rng.standard_normal((1, 64)))
    values = near(rng, np.repeat(one, 9000, axis=0), np.full(9000, 0.9999))
    pairs = near_pairs(space(values), 0.99, threads=2)
    assert not components(9000, pairs.left, pairs.right).any()


def test_too_many_candidates_are_refused():
    values = unit(np.random.default_rng(7).standard_normal((EVERY + 1, 8)))
    with pytest.raises(ConfigError, match="over the limit of 10: raise the threshold"):
        near_pairs(space(values), 0.3, limit=10)


def read(values):
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"id": range(len(values)), "v": values}))
        connection.execute("CREATE TABLE t AS SELECT * FROM given")
        return read_vectors(connection, "t", "v", id_column="id")


def test_vectors_without_a_direction_are_left_out():
    nan, inf = float("nan"), float("inf")
    kind = pa.list_(pa.float64())
    values = [
        [3, 4],
        None,
        [0, 0],
        [nan, 1],
        [inf, 1],
        [None, 1],
        [0.6, 0.8],
        [1e300, 0],
        [-0.0, 1],
    ]
    found = read(pa.array(values, kind))
    assert sorted(found.ids.tolist()) == [0, 7, 8]
    assert found.repeats[0].tolist() == [6]
    assert sorted(near_pairs(found.space, 0.1).similarity.tolist()) == [0.6, 0.8]


def test_very_large_and_very_small_vectors_have_a_direction():
    values = pa.array([[1e30, 1e30], [1e-30, 1e-30], [1, 0]], pa.list_(pa.float32(), 2))
    found = read(values)
    assert sorted(found.ids.tolist()) == [0, 2]
    assert found.repeats[0].tolist() == [1]


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ConfigError, match="vectors of 1 numbers and of 2"):
        read(pa.array([[1], [1, 2]], pa.list_(pa.float32())))


@pytest.mark.parametrize("values", [[], [None], [[]], [[0.0]]])
def test_no_vectors(values):
    found = read(pa.array(values, pa.list_(pa.float32())))
    assert found.space.rows == 0
    assert len(near_pairs(found.space, 0.9)) == 0


def test_one_vector_a_million_times():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT range AS id, [1, 2, 3] AS v FROM range(1000000)"
        )
        found = read_vectors(connection, "t", "v", id_column="id")
    assert (found.space.rows, len(found.repeats[0])) == (1, 999_999)
