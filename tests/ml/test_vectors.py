"""Near vectors: hardly a pair is lost, none is invented, whatever the type and the batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.ml.hyperplanes import hyperplanes
from arrowetl.ml.vector_pairs import EVERY, Vectors, near_pairs
from arrowetl.testing import run_stage

LEAST = 0.9


def vectors(rows, width=96, seed=1, *, way=0.5):
    """Give unit vectors, most of them one way, a tenth near others."""
    chance = np.random.default_rng(seed)
    new = rows - rows // 10
    values = chance.standard_normal((rows, width), np.float32)
    values[:new] += way * chance.standard_normal(width, np.float32)
    values /= np.linalg.norm(values, axis=1)[:, None]
    share = chance.uniform(0.05, 0.5, rows - new).astype(np.float32)[:, None]
    values[new:] = values[chance.integers(0, new, rows - new)] + share * values[new:]
    values /= np.linalg.norm(values, axis=1)[:, None]
    return values[chance.permutation(rows)]


def every_pair(values):
    found = set()
    for low in range(0, len(values), 1000):
        near = np.triu(values[low : low + 1000] @ values[low:].T >= LEAST + 1e-6, k=1)
        found |= {(a + low, b + low) for a, b in np.argwhere(near).tolist()}
    return found


@pytest.mark.parametrize("rows", [EVERY, 20_000])
def test_nearly_all_that_brute_force_finds(rows):
    values = vectors(rows)
    found = near_pairs(Vectors(values, np.arange(rows)), LEAST, threads=2)
    cosines = (values[found.left].astype(float) * values[found.right]).sum(axis=1)
    assert (cosines >= LEAST - 1e-6).all()
    assert np.abs(cosines - found.similarity).max() < 1e-5
    due = every_pair(values)
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert len(due) > rows / 20
    assert len(due & pairs) >= (0.98 if rows > EVERY else 1) * len(due)


def test_threads_and_what_lies_between_make_no_difference():
    values = vectors(9000, 32)
    order = np.arange(9000)
    alone = near_pairs(Vectors(values, order), LEAST)
    wide = np.empty((18_000, 32), np.float32)
    wide[1::2], wide[::2] = values, np.nan
    among = near_pairs(Vectors(wide, order * 2 + 1), LEAST, threads=3)
    assert alone.left.tolist() == among.left.tolist()
    assert alone.right.tolist() == among.right.tolist()
    assert alone.similarity.tolist() == among.similarity.tolist()


def test_bits_hide_next_to_none_of_the_pairs():
    values = vectors(12_000, 384)
    drawn = hyperplanes(values, np.arange(12_000))
    left, right = np.array(sorted(every_pair(values))).T
    assert drawn.similar(left, right, LEAST).mean() > 0.995
    chance = np.random.default_rng(2).integers(0, 12_000, (2, 50_000))
    apart = chance[:, chance[0] != chance[1]]
    assert drawn.similar(apart[0], apart[1], LEAST).mean() < 0.01


def kept(column, **options):
    table = pa.table({"v": column, "n": range(len(column))})
    stage = ae.Deduplicator(on="v", method="fuzzy", similarity="embedding", **options)
    return run_stage(stage, table)


def test_types_of_vectors():
    rows = [[3.0, 4.0], [0.6, 0.8], [4.0, -3.0], None, [6.0, 8.1], [0.0, 0.0]]
    kinds = [pa.list_(pa.float64()), pa.list_(pa.float32(), 2), pa.large_list(pa.float32())]
    for kind in kinds:
        found = kept(pa.array(rows, kind))
        assert found["n"].to_pylist() == [0, 2, 3, 5]
        assert found["v"].to_pylist() == pa.array(rows, kind).take(found["n"]).to_pylist()


def test_what_is_no_vector_is_like_none():
    nan, inf = float("nan"), float("inf")
    rows = [[1.0, 0.0], [nan, 0.0], [nan, 0.0], [inf, 0.0], [inf, 0.0], [1.0, 0.0], [None, 1.0]]
    for kind in (pa.list_(pa.float64()), pa.list_(pa.float32(), 2)):
        found = kept(pa.array(rows, kind), report_column="r", similarity_column="s")
        assert found["r"].to_pylist() == [None, None, None, None, None, 0, None]
        assert found["s"].to_pylist() == [None, None, None, None, None, 1.0, None]
    for rows in ([], [None, None], [[1.0, 2.0]]):
        assert kept(pa.array(rows, pa.list_(pa.float32(), 2))).num_rows == len(rows)
        texts = pa.table({"x": pa.array([None] * len(rows), pa.string())})
        stage = ae.Deduplicator(method="fuzzy", similarity="embedding", model="hashed")
        assert run_stage(stage, texts).num_rows == len(rows)
    with pytest.raises(ae.ConfigError, match="vectors of 1 numbers and of 2"):
        kept(pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32())))


def test_one_vector_many_times():
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.tile([1.0, 2.0], 100_000), "f4"), 2)
    assert kept(column).num_rows == 1


def test_rows_keep_the_source_s_order_whatever_the_batches():
    values = vectors(20_000, 16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 16)
    table = pa.table({"v": column, "n": range(20_000)})
    stage = ae.Deduplicator(on="v", method="fuzzy", similarity="embedding", report_column="r")
    made = []
    for batch in (999, 20_000):
        pipeline = ae.Pipeline(batch_size=batch, threads=2).extract(ae.ArrowSource(table))
        made.append(pipeline.transform(stage).load(ae.ArrowLoader()).run().result.table)
    assert made[0]["n"].to_pylist() == list(range(20_000))
    assert made[0].equals(made[1])
    assert 0 < 20_000 - made[0]["r"].null_count < 4000
