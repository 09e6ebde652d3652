"""Texts as sets of trigrams, and how alike they are, against slow Python."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.ml.grams import gram_sets
from arrowetl.ml.trigram_pairs import similar_pairs
from arrowetl.ml.weights import similarities, weigh

MARK = "\x01"


def sets_of(texts, *, threads=1, chunk=1000):
    marked = [MARK + text for text in texts]
    parts = [pa.array(marked[n : n + chunk]) for n in range(0, len(marked), chunk)]
    characters = sum(map(len, texts))
    return gram_sets(parts or [pa.array([], pa.string())], characters=characters, threads=threads)


def trigrams(text):
    return {f" {word} "[at : at + 3] for word in text.split(" ") for at in range(len(word)) if word}


def jaccard(texts):
    """Give a function of two texts' numbers, by the formula in `WeighedSets`."""
    grams = [trigrams(text) for text in texts]
    seen = Counter(gram for each in grams for gram in each)
    told = {g: math.log(max(len(texts), 10) / max(n, 10)) + 0.5 for g, n in seen.items()}

    def similarity(one, other):
        either = math.fsum(told[g] for g in grams[one] | grams[other])
        return math.fsum(told[g] for g in grams[one] & grams[other]) / either if either else 0.0

    return similarity


TEXTS = st.lists(st.text(alphabet="abc éß1", max_size=12), max_size=12)


@settings(deadline=None, max_examples=35)
@given(TEXTS, st.sampled_from([1, 2, 1000]))
def test_trigrams_are_those_of_a_loop(texts, chunk):
    found = sets_of(texts, chunk=chunk, threads=2)
    assert np.diff(found.starts).tolist() == [len(trigrams(text)) for text in texts]
    for row in range(found.rows):
        own = found.grams[found.starts[row] : found.starts[row + 1]]
        assert (np.diff(own.astype(np.int64)) > 0).all()


@settings(deadline=None, max_examples=25)
@given(TEXTS)
def test_similarities_are_those_of_the_formula(texts):
    weighed = weigh(sets_of(texts))
    pairs = list(itertools.combinations(range(len(texts)), 2))
    left, right = (np.array([pair[end] for pair in pairs], np.int64) for end in (0, 1))
    wanted = jaccard(texts)
    assert similarities(weighed, left, right).tolist() == pytest.approx(
        [wanted(*pair) for pair in pairs]
    )


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(alphabet="ab ", min_size=3, max_size=10), min_size=2, max_size=25))
def test_every_pair_is_as_alike_as_it_says(texts):
    texts = list(dict.fromkeys(texts))
    wanted = jaccard(texts)
    found = similar_pairs(weigh(sets_of(texts)), 0.5)
    assert (found.left < found.right).all()
    given_pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert len(set(given_pairs)) == len(given_pairs)
    for pair, similarity in zip(given_pairs, found.similarity.tolist(), strict=True):
        assert similarity == pytest.approx(wanted(*pair))
        assert similarity >= 0.5


def test_columns_weigh_what_they_are_told_to():
    # Level 2 weighs twice: what is shared there counts more.
    texts = pa.array(["\x02ann\x01rome", "\x02ann\x01oslo", "\x02bob\x01rome"])
    weighed = weigh(gram_sets([texts], characters=24), (1.0, 2.0))
    by_name, by_city = similarities(weighed, np.array([0, 0]), np.array([1, 2])).tolist()
    assert by_name == pytest.approx(3 * 2 / (3 * 2 + 8))
    assert by_city == pytest.approx(4 / (4 + 12))
