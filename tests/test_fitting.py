"""Stages that fit on a sample: which rows it has, and that batches don't matter."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.testing import run_stage


class Centred(ae.FittedStage):
    """Takes the sample's mean off, and says how many rows were in the sample."""

    def __init__(self, sample_size=100_000, seed=0, mean=None):
        self.sample_size, self.seed, self.mean = sample_size, seed, mean

    def bind(self, schema):
        return schema.append(pa.field("off", pa.float64())).append(pa.field("n", pa.int64()))

    def fitted(self):
        return None if self.mean is None else self.answer(self.mean, 0)

    def fit(self, sample):
        return self.answer(pc.mean(sample["x"]).as_py() or 0.0, sample.num_rows)

    @staticmethod
    def answer(mean, rows):
        def give(batch):
            off = pc.subtract(batch["x"].cast(pa.float64()), mean)
            return batch.append_column("off", off).append_column(
                "n", pa.array([rows] * len(off), pa.int64())
            )

        return give


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(0, 1000), max_size=200),
    size=st.sampled_from([1, 7, 1000]),
    kept=st.sampled_from([1, 10, 500]),
)
def test_the_sample_does_not_depend_on_batches(values, size, kept):
    table = pa.table({"x": pa.array(values, pa.int64())})
    whole = run_stage(Centred(kept), table)
    assert run_stage(Centred(kept), table, batch_rows=size).equals(whole)
    assert set(whole["n"].to_pylist()) <= {min(kept, len(values))}
    assert whole["x"].to_pylist() == values


def test_another_seed_is_another_sample():
    table = pa.table({"x": np.arange(1000)})
    offs = {run_stage(Centred(50, seed), table)["off"][0].as_py() for seed in range(5)}
    assert len(offs) == 5
    assert all(-600 < off < -400 for off in offs)


def test_no_other_columns_are_held_for_the_fit():
    class Narrow(Centred):
        fits_on = ("x",)

        def fit(self, sample):
            assert sample.column_names == ["x"]
            return super().fit(sample)

    table = pa.table({"text": ["a", "b"], "x": [1, 3]})
    assert run_stage(Narrow(), table)["off"].to_pylist() == [-1, 1]
    assert run_stage(Narrow(), table)["text"].to_pylist() == ["a", "b"]


def test_what_was_fitted_before_streams():
    assert Centred(mean=3.0).scope is ae.Scope.ROW
    assert Centred().scope is ae.Scope.STREAM
    assert run_stage(Centred(mean=3.0), pa.table({"x": [1]}))["off"].to_pylist() == [-2.0]
    asked = []

    def batches():
        for at in range(3):
            asked.append(at)
            yield pa.record_batch({"x": [at]})

    next(Centred(mean=1.0).process(batches()))
    assert asked == [0]


def test_in_a_pipeline_it_says_what_it_fits_on(capsys):
    pipeline = (
        ae.Pipeline("p").extract(pa.table({"x": [1, 2, 3]})).transform(Centred(10, seed=7))
    ).load(ae.ArrowLoader())
    pipeline.explain()
    assert "Centred(fits on up to 10 rows, seed 7)" in capsys.readouterr().out
    assert pipeline.run().result.table["off"].to_pylist() == [-1, 0, 1]


def test_an_error_in_fitting_names_the_stage():
    class Broken(Centred):
        def fit(self, sample):
            raise ArithmeticError("no fit")

    pipeline = ae.Pipeline("p").extract(pa.table({"x": [1]})).transform(Broken())
    with pytest.raises(ArithmeticError) as caught:
        pipeline.load(ae.ArrowLoader()).run()
    assert any("Broken" in note for note in caught.value.__notes__)
