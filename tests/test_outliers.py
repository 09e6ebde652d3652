"""The benchmark of unusual rows: its sets, and its drawing."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks import outliers
from benchmarks.lines import svg


@pytest.mark.parametrize(
    ("name", "rows", "odd"),
    [("breast cancer", 377, 20), ("digits", 1639, 20), ("wine", 129, 10), ("blobs", 5100, 100)],
)
def test_sets_are_the_same_each_time(name, rows, odd):
    matrix, outlier = outliers.SETS[name]()
    again, _ = outliers.SETS[name]()
    assert (matrix == again).all()
    assert (len(matrix), int(outlier.sum())) == (rows, odd)


def test_our_scores_are_those_of_scikit_learn_by_hand():
    matrix, _ = outliers.wine()
    ours, theirs = outliers.arrowetl_forest(matrix), outliers.scikit_learn(matrix)
    assert np.abs(ours - theirs).max() < 1e-6


def test_a_drawing_has_a_line_a_set():
    lines = {"a & b": [(0.4, 0.0), (0.6, 1.0)], "c": [(0.4, 0.5), (0.6, 0.25)]}
    root = ET.fromstring(svg("title", lines, x="threshold", y="F1", usual=0.5))
    drawn = [each.get("points") for each in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(drawn) == 2
    assert drawn[0].split()[1].endswith(",64.0")  # one is at the top
