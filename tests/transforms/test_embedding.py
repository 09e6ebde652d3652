"""Deduplicator by embeddings, and what `find` says of duplicates."""

import numpy as np
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.ml.encoders import Encoder
from arrowetl.testing import run_stage

TICKETS = pa.table(
    {
        "text": [
            "My parcel never arrived",
            "How do I change my password?",
            "The package was never delivered to me",
            None,
            "How can I reset the password of my account?",
            "",
            "Do you sell gift cards?",
            "My parcel never arrived",
        ],
        "n": range(8),
    }
)


class Letters(Encoder):
    """Counts letters: small, exact, and counts what it encodes."""

    name, dimension = "letters", 128

    def __init__(self):
        self.encoded = 0

    def encode(self, texts):
        self.encoded += len(texts)
        found = np.zeros((len(texts), 128), np.float32)
        for row, text in enumerate(texts.to_pylist()):
            np.add.at(found[row], np.frombuffer(text.lower().encode(), np.uint8) % 128, 1)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def embedded(table=TICKETS, *, on="text", **options):
    return run_stage(
        ae.Deduplicator(on=on, method="fuzzy", similarity="embedding", **options), table
    )


def test_what_means_the_same_is_one_row():
    found = embedded(threshold=0.6, report_column="repeats", similarity_column="alike")
    assert found["repeats"].to_pylist() == [None, None, 0, None, 1, None, None, 0]
    alike = found["alike"].to_pylist()
    assert alike[7] == 1
    assert all(0.6 <= alike[row] < 1 for row in (2, 4))
    assert embedded(threshold=0.6)["n"].to_pylist() == [0, 1, 3, 5, 6]
    assert embedded(threshold=0.6, keep="last")["n"].to_pylist() == [3, 4, 5, 6, 7]


def test_a_default_threshold_takes_only_what_is_nearly_equal():
    assert embedded()["n"].to_pylist() == [0, 1, 2, 3, 4, 5, 6]


def test_an_encoder_without_a_model():
    table = pa.table({"x": ["Anna Lee Smith, Ulm", "ánna lee SMITH ulm", "Bob Ray, York"]})
    found = embedded(table, on="x", model="hashed", report_column="r")
    assert found["r"].to_pylist() == [None, 0, None]


def test_an_encoder_of_your_own_sees_each_text_once():
    encoder = Letters()
    table = pa.table({"x": ["abc", "cab", "xyz"] * 1000})
    stage = ae.Deduplicator(on="x", method="fuzzy", similarity="embedding", model=encoder)
    assert run_stage(stage, table)["x"].to_pylist() == ["abc", "xyz"]
    assert encoder.encoded == 3


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 3), pa.list_(pa.float64())])
def test_a_column_of_vectors_needs_no_model(kind):
    vectors = [[1, 0, 0], [0, 1, 0], [0.99, 0.1, 0], None, [0, 0, 0], [0, 2, 0]]
    table = pa.table({"v": pa.array(vectors, kind), "n": range(6)})
    found = embedded(table, on="v", report_column="r", similarity_column="s")
    assert found["r"].to_pylist() == [None, None, 0, None, None, 1]
    assert found["s"].to_pylist()[5] == 1
    assert found.schema.field("v").type == kind


def test_columns_count_as_much_as_they_are_said_to():
    table = pa.table({"a": ["aaa", "aaa", "bbb"], "b": ["xxx", "yyy", "yyy"]})
    by_a = embedded(table, on={"a": 9, "b": 1}, model=Letters(), threshold=0.8, report_column="r")
    by_b = embedded(table, on={"a": 1, "b": 9}, model=Letters(), threshold=0.8, report_column="r")
    assert by_a["r"].to_pylist() == [None, 0, None]
    assert by_b["r"].to_pylist() == [None, None, 1]


def words(rows, seed=2):
    rng = np.random.default_rng(seed)
    parts = np.array(["ba", "ko", "ri", "mun", "ter", "sal", "dor", "vi", "lex", "on"])
    texts = [" ".join("".join(rng.choice(parts, 3)) for _ in range(5)) for _ in range(rows)]
    for row in rng.choice(rows, rows // 4, replace=False):
        texts[row] = texts[rng.integers(rows)] + rng.choice(["s", "", " on"])
    return pa.table({"text": texts, "n": range(rows)})


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_and_threads_make_no_difference(batch_size):
    table = words(300)
    stage = ae.Deduplicator(
        on="text",
        method="fuzzy",
        similarity="embedding",
        model="hashed",
        report_column="r",
        similarity_column="s",
    )
    pipeline = ae.Pipeline(batch_size=batch_size, threads=2).extract(ae.ArrowSource(table))
    made = pipeline.transform(stage).load(ae.ArrowLoader()).run().result.table
    assert made.equals(run_stage(stage, table))
    assert 200 < made["r"].null_count < 300


def test_the_order_of_rows_decides_only_which_is_first():
    table = words(9000)
    order = np.random.default_rng(1).permutation(9000)

    def kept(rows):
        marked = embedded(rows, model="hashed", report_column="r")
        numbers = marked["n"].to_numpy()
        repeats = marked["r"].fill_null(-1).to_numpy()
        repeats = np.where(repeats < 0, np.arange(len(repeats)), repeats)
        lowest = np.full(len(numbers), len(numbers))
        np.minimum.at(lowest, repeats, numbers)
        found = np.empty(len(numbers), np.int64)
        found[numbers] = lowest[repeats]
        return found

    assert (kept(table) == kept(table.take(order))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": "meaning"}, "similarity"),
        ({"similarity": "text", "model": "hashed"}, "a model needs 'fuzzy' and similarity="),
        ({"method": "exact", "model": "hashed"}, "a model needs 'fuzzy' and similarity="),
        ({"threshold": "high"}, "threshold is a number"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ae.ConfigError, match=message):
        ae.Deduplicator(**{"on": "text", "method": "fuzzy", "similarity": "embedding", **options})


def test_a_model_that_is_not_there_is_told_before_a_row_is_read():
    stage = ae.Deduplicator(on="text", method="fuzzy", similarity="embedding", model="./nowhere")
    with pytest.raises(ae.ConfigError, match=r"'\./nowhere' is no folder of a sentence"):
        ae.Pipeline().extract(ae.ArrowSource(TICKETS)).transform(stage).explain()


def test_nothing_to_compare():
    for texts in ([], [None, None], ["", None], ["one"]):
        table = pa.table({"x": pa.array(texts, pa.string()), "y": range(len(texts))})
        assert embedded(table, on="x").equals(table)


def stage(**options):
    return ae.Deduplicator(
        on="text", method="fuzzy", similarity="embedding", threshold=0.6, **options
    )


def test_the_threshold_moves_without_encoding_again():
    encoder = Letters()
    table = pa.table({"text": ["abcd", "abce", "abxy", "qrst", None, "abcd"]})
    with stage(model=encoder).find(table) as found:
        assert encoder.encoded == 4
        assert found.report()["row"].to_pylist() == [1, 5]
        assert found.rethreshold(0.9).report()["row"].to_pylist() == [5]
        assert found.rethreshold(0.4).report()["row"].to_pylist() == [1, 2, 5]
        assert found.report().schema.names == ["row", "kept", "similarity", "method"]
        assert set(found.report()["method"].to_pylist()) == {"embedding"}
        assert len(found) == 3
    assert encoder.encoded == 4


def test_what_find_reports_is_what_the_stage_does():
    table = words(300)
    for similarity in ("text", "embedding"):
        options = {"on": "text", "method": "fuzzy", "similarity": similarity}
        if similarity == "embedding":
            options["model"] = "hashed"
        marked = run_stage(
            ae.Deduplicator(**options, report_column="r", similarity_column="s"), table
        )
        with ae.Deduplicator(**options).find(table) as found:
            report = found.report()
        removed = np.flatnonzero(marked["r"].is_valid())
        assert report["row"].to_pylist() == removed.tolist()
        assert report["kept"].to_pylist() == marked["r"].take(removed).to_pylist()
        assert report["similarity"].to_pylist() == marked["s"].take(removed).to_pylist()


def test_why():
    table = pa.table({"text": ["abcd", "abce", None, "abcf", "qrst"], "n": range(5)})
    with stage(model=Letters(), keep="last").find(table) as found:
        why = found.why(0, 1)
        assert (why.together, why.kept, why.threshold) == (True, (3, 3), 0.6)
        assert why.similarity == pytest.approx(0.75)
        assert why.values.to_pylist() == [{"text": "abcd"}, {"text": "abce"}]
        assert str(why) == "duplicates (0.750 alike >= 0.6); row 3 is kept"
        assert str(found.why(0, 4)) == "no duplicates (0.000 alike < 0.6)"
        assert str(found.why(0, 2)).startswith("not compared: one of them has nothing")
        for wrong in (5, -1):
            with pytest.raises(ae.ConfigError, match=f"there is no row {wrong}"):
                found.why(0, wrong)
        with pytest.raises(ae.ConfigError, match=r"not 1\.5"):
            found.rethreshold(1.5)


def test_find_takes_pipelines_and_refuses_what_is_no_stream():
    with stage(model=Letters()).find(ae.Pipeline().extract(ae.ArrowSource(TICKETS))) as found:
        assert 7 in found.report()["row"].to_pylist()
    with pytest.raises(ae.ConfigError, match="find takes a source, CSVSource"):
        stage().find([1])
    with pytest.raises(ae.ConfigError, match="find\\(\\) needs method='fuzzy'"):
        ae.Deduplicator(on="text").find(TICKETS)


def test_closing_twice_and_leaving_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = stage(model=Letters()).find(TICKETS)
    assert any(tmp_path.iterdir())
    found.close()
    found.close()
    assert not any(tmp_path.iterdir())
