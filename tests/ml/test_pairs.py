"""Pairs of texts and their clusters, against all pairs and slow Python."""

from itertools import combinations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError
from arrowetl.ml.clusters import clusters
from arrowetl.ml.pairs import Pairs, components
from arrowetl.ml.texts import read_texts
from arrowetl.ml.trigram_pairs import similar_pairs
from arrowetl.ml.weights import similarities


def read(texts, columns=None, **options):
    with duckdb.connect() as connection:
        table = pa.table({"id": range(len(texts)), "x": pa.array(texts, pa.string())})
        connection.register("rows", table)
        return read_texts(connection, "rows", columns or {"x": 1.0}, id_column="id", **options)


def grams(text):
    return {f" {w} "[i : i + 3] for w in text.split() for i in range(len(w))}


@settings(deadline=None, max_examples=35)
@given(st.lists(st.text("abc ", min_size=1, max_size=12), max_size=10))
def test_up_to_ten_rows_are_compared_by_plain_jaccard(texts):
    found = read(texts)
    words = [" ".join(texts[each].split()) for each in found.ids]
    pairs = list(combinations(range(len(words)), 2))
    left, right = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    for (a, b), alike in zip(pairs, similarities(found.space.sets, left, right), strict=True):
        one, two = grams(words[a]), grams(words[b])
        assert alike == pytest.approx(len(one & two) / len(one | two))


def test_no_pair_is_lost_and_none_is_invented():
    random = np.random.default_rng(3)
    base = ["".join(random.choice(list("abcdefghij "), 25)) for _ in range(150)]
    texts = base + [text[:8] + "x" + text[9:] for text in base]
    found = read(texts)
    left, right = np.triu_indices(found.space.sets.rows, 1)
    alike = similarities(found.space.sets, left, right)
    pairs = similar_pairs(found.space.sets, 0.5, threads=2)
    wanted = set(zip(left[alike >= 0.5], right[alike >= 0.5], strict=True))
    got = set(zip(pairs.left, pairs.right, strict=True))
    assert got <= wanted
    assert len(got) >= 0.98 * len(wanted)
    assert (similarities(found.space.sets, pairs.left, pairs.right) == pairs.similarity).all()
    again = similar_pairs(found.space.sets, 0.5, threads=1)
    assert (again.left == pairs.left).all()
    assert (again.similarity == pairs.similarity).all()


def test_a_million_rows_of_one_value_are_one_text():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id, 'one' AS x FROM range(1000000)")
        found = read_texts(connection, "t", {"x": 1.0}, id_column="id")
    assert len(similar_pairs(found.space.sets, 0.45)) == 0
    assert len(found.repeats[0]) == 999_999


@pytest.mark.parametrize("texts", [[], [None, None], ["", "?!"], ["one"], ["👍🏽", "👍", "ё ж"]])
def test_little_to_compare(texts):
    assert len(similar_pairs(read(texts).space.sets, 0.9)) == 0


def test_texts_of_a_megabyte():
    long = " ".join(f"word{n}" for n in range(100_000))
    pairs = similar_pairs(read([long, long + " end", "short"]).space.sets, 0.45)
    assert len(pairs) == 1


def test_too_many_candidates_are_refused_with_what_to_change():
    with pytest.raises(ConfigError, match="raise the threshold"):
        similar_pairs(read(["one two", "one twos"]).space.sets, 0.45, limit=0)


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_components_are_those_of_slow_python(pairs):
    group = list(range(20))
    for a, b in pairs:
        low, high = sorted((group[a], group[b]))
        group = [low if each == high else each for each in group]
    left, right = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    assert components(20, left, right).tolist() == group


def test_a_chain_is_split_whatever_the_order():
    left = np.arange(99)
    near = Pairs(left, left + 1, np.full(99, 0.6))
    back = Pairs(left[::-1], left[::-1] + 1, np.full(99, 0.6))
    compare = lambda a, b: np.where(abs(a - b) <= 1, 0.6, 0.0)  # noqa: E731
    found = clusters(100, near, compare, least=0.3)
    assert np.bincount(found).max() <= 3
    assert (found == clusters(100, back, compare, least=0.3)).all()


@pytest.mark.parametrize("words", [3, 10, 30, 100])
def test_hardly_a_pair_is_missed_whatever_the_length(words):
    random = np.random.default_rng(words)
    pool = ["".join(random.choice(list("abcdefghijklm"), 6)) for _ in range(400)]
    texts = []
    for _ in range(100 if words < 100 else 50):
        chosen = list(random.choice(pool, words))
        texts += [" ".join(chosen), " ".join(reversed(chosen))]
        for changed in (0.02, 0.1, 0.3):
            others = random.choice(pool, words)
            turned = random.random(words) < changed
            texts.append(" ".join(np.where(turned, others, chosen)))
    found = read(texts)
    left, right = np.triu_indices(found.space.sets.rows, 1)
    alike = similarities(found.space.sets, left, right)
    for threshold in (0.3, 0.45, 0.7, 0.9, 1):
        pairs = similar_pairs(found.space.sets, threshold)
        assert len(pairs) >= 0.98 * (alike >= threshold).sum()
        assert ((pairs.similarity >= threshold) & (pairs.similarity <= 1)).all()
