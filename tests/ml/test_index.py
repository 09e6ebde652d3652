"""Index: what it finds among earlier records, what it costs, whatever the runs were."""

from __future__ import annotations

from contextlib import closing

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError
from arrowetl.ml.bands import ROW_BITS, Found, find, merged
from arrowetl.ml.encoded import read_vectors
from arrowetl.ml.kept import Described, Index
from arrowetl.ml.kept_parts import to_merge
from arrowetl.ml.texts import read_texts


class Runs:
    """Adds records to an index, run by run; each stands for itself."""

    def __init__(self, path, values, threshold=0.9, **options):
        self.path, self.values, self.threshold = path, values, threshold
        self.text = isinstance(values[0], str)
        self.options = {"limit": 10**9, "threads": 2, **options}

    def index(self):
        """Open the index."""
        kind = Described("text" if self.text else "embedding", {"x": 1.0})
        return Index(self.path, kind, threshold=self.threshold, **self.options)

    def read(self, index, low, high):
        """Give the records of some of the values that the index doesn't know."""
        part = self.values[low:high]
        if not self.text:
            part = pa.FixedSizeListArray.from_arrays(part.reshape(-1), part.shape[1])
        with duckdb.connect() as connection:
            connection.register("rows", pa.table({"id": range(low, high), "x": part}))
            if not self.text:
                known = index.known
                return read_vectors(connection, "rows", "x", id_column="id", known=known)
            options = {"known": index.known, "weigh": index.weigh, "threads": 2}
            return read_texts(connection, "rows", {"x": 1.0}, id_column="id", **options)

    def add(self, low, high):
        """Add some of the values; give the records, the index's answers, and the index."""
        with closing(self.index()) as index:
            records = self.read(index, low, high)
            index.take(records)
            found = index.nearest()
            count = records.space.rows
            own = np.arange(count) + index.records
            index.add(high - low, records.ids + 1, own, np.ones(count))
            index.commit()
            return records, found, index


def vectors(rows, near, dimension=64, seed=1):
    """Random unit vectors, and behind them some that are near to one of them."""
    random = np.random.default_rng(seed)
    made = random.standard_normal((rows + near, dimension)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1)[:, None]
    # Between 0.85 and 1.
    far = np.tan(np.arccos(random.uniform(0.85, 1, near)))[:, None]
    moved = made[random.integers(0, rows, near)] + far * made[rows:]
    made[rows:] = moved / np.linalg.norm(moved, axis=1)[:, None]
    return made


@pytest.mark.parametrize("first", [9_000, 4_000])
def test_hardly_a_near_vector_of_an_earlier_run_is_missed(tmp_path, first):
    values = vectors(18_000, 2_000)
    runs = Runs(tmp_path / "i", values)
    # Plans are of 9,000 vectors, or of 18,000 after a run in which every pair is compared.
    runs.add(0, first)
    runs.add(first, 18_000)
    records, found, index = runs.add(18_000, 20_000)
    assert index._fitted["rows"] == (9_000 if first == 9_000 else 18_000)
    cosines = values[records.ids] @ values[:18_000].T
    wanted = cosines.max(axis=1) >= 0.9
    assert wanted.sum() > 1_000
    got = found.number >= 0
    assert got[wanted].mean() >= 0.98
    assert not got[~wanted & (cosines.max(axis=1) < 0.899999)].any()
    assert np.allclose(found.similarity[got], cosines.max(axis=1)[got], atol=2e-6)
    assert index.compared < 20 * 2_000


def texts(rows, near, seed=3):
    random = np.random.default_rng(seed)
    parts = ["ba", "ko", "ri", "mun", "ter", "sal", "dor", "vi", "lex", "on", "qu", "ez"]
    words = ["".join(parts[part] for part in three) for three in random.integers(0, 12, (3000, 3))]
    made = [" ".join(words[w] for w in five) for five in random.integers(0, 3000, (rows, 5))]
    for _ in range(near):
        text = list(made[random.integers(0, rows)])
        for _ in range(random.integers(1, 5)):
            text[random.integers(0, len(text))] = "x"
        made.append("".join(text))
    return made


@pytest.mark.parametrize("threshold", [0.45, 0.7])
def test_hardly_a_text_like_one_of_an_earlier_run_is_missed(tmp_path, threshold):
    runs = Runs(tmp_path / "i", texts(1_500, 300), threshold)
    runs.add(0, 900)
    runs.add(900, 1_500)
    with closing(runs.index()) as index:
        records = runs.read(index, 1_500, 1_800)
        index.take(records)
        found = index.nearest()
        every = np.arange(index.records)
        # Each new text with each earlier one, by the weights of the first run.
        best = np.zeros(records.space.rows)
        for record in range(len(best)):
            best[record] = index.compare(np.full(len(every), record), every).max()
    wanted, got = best >= threshold, found.number >= 0
    assert wanted.sum() > 60
    assert got[wanted].mean() >= 0.98
    assert not got[~wanted].any()
    assert np.isclose(found.similarity[got], best[got]).mean() >= 0.98


@pytest.mark.parametrize("kind", ["text", "vectors"])
def test_a_run_costs_as_much_as_it_has_rows(tmp_path, kind):
    costs, sizes = [], ((3_000, 9_000) if kind == "text" else (10_000, 30_000))
    for rows in sizes:
        values = texts(rows, 100) if kind == "text" else vectors(rows, 100, dimension=16)
        threshold = 0.6 if kind == "text" else 0.95
        runs = Runs(tmp_path / f"{rows}", values, threshold)
        runs.add(0, rows)
        _, found, index = runs.add(rows, rows + 100)
        assert (found.number >= 0).sum() > 20
        costs.append((index.written, index.compared))
    (written, compared), (more_written, more_compared) = costs
    assert more_written < 2 * written  # plans for more rows have more bands
    assert more_compared < 3 * max(compared, 100)
    kept = sum(file.stat().st_size for file in (tmp_path / f"{sizes[1]}").iterdir())
    assert more_written < 0.05 * kept


def test_many_small_runs_find_what_one_large_one_finds(tmp_path):
    values = texts(600, 200)
    many, one = Runs(tmp_path / "many", values, 0.7), Runs(tmp_path / "one", values, 0.7)
    # Fitted on the same rows: weights are those of the first run.
    many.add(0, 300)
    one.add(0, 300)
    for low in range(300, 600, 30):
        many.add(low, low + 30)
    one.add(300, 600)
    _, found, index = many.add(600, 800)
    _, other, _ = one.add(600, 800)
    assert (found.similarity == other.similarity).all()
    assert (found.number >= 0).sum() > 80
    assert len(index._parts) <= 5
    for path in (tmp_path / "many", tmp_path / "one"):
        live = (path / "manifest.json").read_text()
        assert all(file.name in live for file in path.glob("*.npy"))


def test_records_are_known_by_their_keys(tmp_path):
    values = vectors(9_000, 10)
    runs = Runs(tmp_path / "i", values)
    runs.add(0, 5_000)
    records, found, _ = runs.add(4_000, 9_000)
    assert sorted(records.earlier[0]) == list(range(4_000, 5_000))
    assert sorted(records.ids) == list(range(5_000, 9_000))
    # Of two records with one number the rows are the same.
    records, _, _ = runs.add(0, 9_000)
    assert records.space.rows == 0
    assert len(set(records.earlier[1])) == 9_000
    assert not len(found.number[found.number >= 9_000])


def test_a_threshold_that_is_lower_than_before_fits_anew(tmp_path):
    values = texts(1_000, 200)
    runs = Runs(tmp_path / "i", values, 0.9)
    runs.add(0, 1_000)
    runs.threshold = 0.5
    _, found, index = runs.add(1_000, 1_200)
    assert index._fitted["threshold"] == 0.5
    assert (found.number >= 0).mean() > 0.7
    assert found.similarity[found.number >= 0].min() < 0.9


def test_growth_fits_anew(tmp_path):
    values = texts(1_000, 0)
    runs = Runs(tmp_path / "i", values, 0.7)
    fitted = [runs.add(low, low + 100)[2]._fitted["rows"] for low in range(0, 1_000, 100)]
    assert fitted == [100] * 4 + [500] * 6


def test_too_many_candidates_are_refused_and_nothing_is_kept(tmp_path):
    values = vectors(10_000, 100)
    runs = Runs(tmp_path / "i", values)
    runs.add(0, 10_000)
    before = (tmp_path / "i" / "manifest.json").read_text()
    runs.options["limit"] = 50
    with pytest.raises(ConfigError, match="raise the threshold"):
        runs.add(10_000, 10_100)
    assert (tmp_path / "i" / "manifest.json").read_text() == before
    assert all(file.name in before for file in (tmp_path / "i").glob("*.npy"))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 2**40 - 1) | st.integers(0, 15), max_size=40),
    st.lists(st.integers(0, 2**40 - 1) | st.integers(0, 15), max_size=10),
    st.integers(1, 5),
)
def test_entries_are_found_as_slow_python_finds_them(keys, wanted, crowd):
    entries = np.sort(np.array([key << ROW_BITS | row for row, key in enumerate(keys)], np.uint64))
    asked = np.array([key << ROW_BITS for key in wanted], np.uint64)
    found = find(entries, asked, crowd=crowd)
    got = [(int(a), int(b)) for some in found.candidates() for a, b in zip(*some, strict=True)]
    expected = []
    for number, key in enumerate(wanted):
        for bits in (12, 8, 4, 0):
            met = sorted((k, r) for r, k in enumerate(keys) if k >> bits == key >> bits)
            if len(met) <= crowd:
                break
        expected += [(number, row) for _, row in met[:crowd]]
    assert sorted(got) == sorted(expected)
    assert found.pairs == len(got)
    assert isinstance(found, Found)


@given(st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=4))
def test_bands_of_parts_become_one(parts):
    sizes = [len(part) for part in parts]
    begins = np.cumsum([0, *sizes[:-1]]).tolist()
    made = [
        np.sort(np.array([k << ROW_BITS | r for r, k in enumerate(part)], np.uint64))
        for part in parts
    ]
    whole = [key for part in parts for key in part]
    expected = np.sort(np.array([k << ROW_BITS | r for r, k in enumerate(whole)], np.uint64))
    assert (merged(made, begins) == expected).all()


@given(st.lists(st.integers(1, 100), min_size=1, max_size=200))
def test_there_are_never_many_parts_and_little_is_written_again(runs):
    parts, written = [], 0
    for rows in runs:
        parts.append(rows)
        count = to_merge(parts)
        if count:
            parts[-count:] = [sum(parts[-count:])]
            written += parts[-1]
    total = sum(runs)
    assert sum(parts) == total
    assert len(parts) <= 2 + np.log2(total)
    assert written <= total * (2 + np.log2(total))
