"""The benchmarks of near duplicates: scores are right, sets are read, pages say who is better."""

from __future__ import annotations

import io
import random
import tarfile
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import labelled, neighbours, quality
from benchmarks.labelled import ENTITY, SETS, Labelled, address, file_of, grouped, mistyped
from benchmarks.matchers import NAMES, arrowetl_hashed, arrowetl_text
from benchmarks.matchers.found import paired, trigrams
from benchmarks.matching import excuse, matcher, of_clusters, of_pairs, score
from benchmarks.quality_page import page, where_we_lose

ENTITIES = np.array([1, 1, 1, 2, 2, 3])


def test_scores_of_pairs_count_each_pair_once():
    left, right = np.array([0, 0, 3, 3, 0]), np.array([1, 1, 4, 5, 1])
    found = of_pairs(ENTITIES, left, right)
    assert found == {"precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7}


def test_scores_of_clusters_are_those_of_all_their_pairs():
    assert of_clusters(ENTITIES, ENTITIES) == {"precision": 1, "recall": 1, "f1": 1}
    assert of_clusters(ENTITIES, np.arange(6)) == {"precision": 1, "recall": 0, "f1": 0}
    assert of_clusters(ENTITIES, np.zeros(6)) == {"precision": 4 / 15, "recall": 1, "f1": 8 / 19}


def test_two_tables_are_one_with_the_links_between():
    tables = ([{"id": "a", "x": "1"}, {"id": "b", "x": "2"}], [{"id": "a", "x": "3"}])
    rows, entities = labelled._two_tables(tables, ("id", "id"), [("b", "a"), ("z", "a")], ("x",))
    assert rows == [{"x": "1"}, {"x": "2"}, {"x": "3"}]
    assert entities[1] == entities[2] != entities[0]
    assert grouped(3, []) == [0, 1, 2]


def test_files_are_read_out_of_both_kinds_of_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled, "FOLDER", tmp_path)
    for folder in ("one==1", "two==2"):
        (tmp_path / "packages" / folder).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "packages" / "one==1" / "one-1.whl", "w") as archive:
        archive.writestr("one/data/a.csv", "\ufeffx,y\n1,é\n")
    with tarfile.open(tmp_path / "packages" / "two==2" / "two-2.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("two-2/data/b.csv")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"x\n2\n"))
    assert file_of("one==1", "data/a.csv", source=False) == "x,y\n1,é\n"
    assert file_of("two==2", "data/b.csv") == "x\n2\n"


def test_typing_errors_are_as_many_as_asked_for():
    chance = random.Random(1)
    text = address(chance)
    assert mistyped(text, 0, chance) == text
    assert all(abs(len(mistyped(text, 2, chance)) - len(text)) <= 2 for _ in range(50))
    assert all(mistyped(text, 3, chance) != text for _ in range(50))


def test_every_matcher_and_set_says_what_it_is():
    for name in NAMES:
        found = matcher(name)
        assert found.LABEL
        assert found.__doc__
        assert callable(found.match)
        assert found.THRESHOLD is None or 0 < found.THRESHOLD < 1
    assert excuse(matcher("splink"), "affiliations") == "no settings for such columns"
    assert all(each.rows.__doc__ or each.rows.__name__ == "<lambda>" for each in SETS.values())
    assert trigrams("Ab") == [" ab", "ab "]


def small():
    rows, entities = labelled.addresses(200)
    return rows, entities


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A set that is quick to match."""
    monkeypatch.setattr(labelled, "FOLDER", tmp_path)
    each = Labelled("tiny", "tiny addresses", "", small)
    monkeypatch.setitem(SETS, "tiny", each)
    return pq.read_table(each.made())


@pytest.mark.parametrize("module", [arrowetl_text, arrowetl_hashed])
def test_ours_gives_the_pairs_and_the_clusters_of_each_threshold(module, tiny, tmp_path):
    table = tiny.drop_columns([ENTITY])
    low, high = module.match(table, [0.9, 0.4])
    assert (low.threshold, high.threshold) == (0.4, 0.9)
    assert len(low.left) > len(high.left)
    entities = tiny[ENTITY].to_numpy()
    assert of_pairs(entities, low.left, low.right)["recall"] > 0.9
    assert of_clusters(entities, low.clusters)["recall"] > 0.9
    arrays = {"seconds": np.array(1.0), "0.4/left": low.left, "0.4/right": low.right}
    np.savez(tmp_path / "o.npz", **arrays)
    scored = score("tiny", tmp_path / "o.npz")
    assert scored["thresholds"]["0.4"]["pairs"] == of_pairs(entities, low.left, low.right)


def test_rows_that_are_equal_are_pairs_too():
    table = pa.table({"x": ["ann lee", "Ann Lee", "bo ray", "ann leo"]})
    (found,) = arrowetl_text.match(table, [0.4])
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == {(0, 1), (0, 3), (1, 3)}
    assert found.clusters.tolist()[:2] == [0, 0]


def entry(label, f1, seconds):
    scored = {"precision": f1, "recall": f1, "f1": f1}
    curve = {"0.3": {"pairs": scored, "clusters": scored | {"f1": f1 / 2}}}
    curve["0.5"] = {"pairs": scored, "clusters": scored}
    cost = {"wall": seconds, "cpu": seconds, "peak": 1e8, "seconds": seconds}
    return {
        "label": label,
        "threshold": 0.5,
        "reason": "",
        "runs": [cost],
        "median": cost,
        "score": curve["0.5"],
        "curve": curve,
    }


@pytest.fixture
def results():
    """What two matchers at one set gave; a third isn't there."""
    away = {"label": "Splink", "threshold": 0.95, "reason": "not installed: splink", "runs": []}
    entries = {
        "arrowetl_text": entry("arrowetl, text", 0.9, 2.0),
        "jaccard": entry("all pairs", 0.95, 9.0),
        "splink": away,
    }
    return {"sets": {"febrl1": {"title": "FEBRL 1", "rows": 1000, "entries": entries}}}


def test_where_we_lose_names_what_another_does_better(results):
    lines = list(where_we_lose(results))
    assert "| FEBRL 1 | F1 | 0.900 | 0.950 | all pairs |" in lines
    assert not any("seconds" in line for line in lines)
    assert "not installed: splink" in page(results)


def test_the_page_the_curves_and_the_json_lie_side_by_side(results, tmp_path):
    quality.write(results, tmp_path)
    assert quality.read(tmp_path) == results
    drawing = ET.fromstring((tmp_path / "quality-febrl1.svg").read_text())
    texts = [each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "arrowetl, text" in texts
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}circle"))) == 2


def test_near_vectors_are_found_as_by_every_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "FOLDER", tmp_path)
    for way in ("brute", "arrowetl"):
        neighbours.find(way, 500, tmp_path / f"{way}.npz")
    found = neighbours.share(tmp_path / "arrowetl.npz", tmp_path / "brute.npz")
    assert found["recall"] == 1
    assert found["pairs"] > 20
    assert paired(0.5, {(3, 1)}).left.tolist() == [1]
