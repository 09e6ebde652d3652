"""Arrays in a folder: what was written is read, or damaged; nothing half done is live."""

from __future__ import annotations

import resource
from contextlib import closing, contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from arrowetl.errors import StateError
from arrowetl.ml.arrays import Arrays, read_manifest
from arrowetl.ml.kept_parts import KeptPart, one_of, opened, write_keys


@contextmanager
def files_of_at_most(size):
    """Let no file grow beyond so many bytes, as where a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["<f4", "<u8", "<i8", "<f8", "<u4"]),
    arrays_of.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5),
    st.integers(1, 3),
)
def test_what_was_written_is_read(tmp_path_factory, kind, shape, times):
    folder = tmp_path_factory.mktemp("kept") / "a"
    array = np.arange(np.prod(shape)).astype(kind).reshape(shape)
    with closing(Arrays(folder)) as kept:
        kept.publish({"x": kept.write("x", *[array] * times)})
    with closing(Arrays(folder)) as kept:
        found = kept.read(kept.manifest["x"], whole=True)
    assert found.dtype == array.dtype
    assert (found == np.concatenate([array] * times)).all()
    assert found.shape == (shape[0] * times, *shape[1:])


def test_what_was_not_published_is_gone(tmp_path):
    with closing(Arrays(tmp_path / "a")) as kept:
        kept.publish({"x": kept.write("x", np.arange(3))})
        kept.write("y", np.arange(3))
        assert len(list(kept.path.glob("*.npy"))) == 2
    assert len(list((tmp_path / "a").glob("*.npy"))) == 1
    # As a killed run leaves it.
    (tmp_path / "a" / "000009-y.npy").write_bytes(b"half")
    (tmp_path / "a" / "manifest.json.new").write_bytes(b"half")
    with closing(Arrays(tmp_path / "a")) as kept:
        assert kept.read(kept.manifest["x"]).tolist() == [0, 1, 2]
        assert len(list(kept.path.iterdir())) == 2


def test_one_run_at_a_time(tmp_path):
    with closing(Arrays(tmp_path / "a")) as kept:
        with pytest.raises(StateError, match="another run uses the index"):
            Arrays(tmp_path / "a")
        kept.publish({"x": kept.write("x", np.arange(3))})
    Arrays(tmp_path / "a").close()


def test_a_disk_that_is_full(tmp_path):
    with closing(Arrays(tmp_path / "a")) as kept:
        kept.publish({"x": kept.write("x", np.arange(3))})
        with files_of_at_most(4096), pytest.raises(StateError, match="can't be written"):
            kept.write("y", np.zeros(10_000))
        many = {f"x{number}": kept.manifest["x"] for number in range(100)}
        with files_of_at_most(4096), pytest.raises(StateError, match="can't be written"):
            kept.publish(many)
    assert list(read_manifest(tmp_path / "a")) == ["format", "x"]


def test_a_flaw_inside_is_found_when_parts_become_one(tmp_path):
    with closing(Arrays(tmp_path / "a")) as kept:
        values = np.arange(100_000.0)
        keys = np.stack([np.arange(100_000, dtype=np.uint64)] * 2, axis=1)
        part = {"values": kept.write("values", values)} | write_keys(kept, keys)
        kept.publish({"parts": [{"rows": 100_000, "arrays": part}] * 2})
    with closing(Arrays(tmp_path / "a")) as kept:
        parts = opened(kept, kept.manifest["parts"])
        both = one_of(kept, parts)
        assert isinstance(both, KeptPart)
        assert both.known(keys[[5, 7]]).tolist() == [5, 7]
        assert both.known(keys[[5]] + np.uint64(1 << 40)).tolist() == [-1]
        with (kept.path / part["values"]["file"]).open("r+b") as file:
            file.seek(400_000)
            file.write(b"?")
        with pytest.raises(StateError, match=r"values\.npy isn't as it was written"):
            one_of(kept, parts)
