"""AnomalyDetector by an isolation forest: scores, reasons, what is done, and the kept model."""

import importlib.util
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.testing import check_stage, run_stage, same

FLIGHTS = Path(__file__).parents[2] / "fixtures/flights/flights.parquet"
RANDOM = np.random.default_rng(4)


def forest(**options):
    return ae.AnomalyDetector(method="isolation_forest", **{"trees": 25, **options})


def crowd(rows=2000):
    """Give points along a line, and one that is usual in x and in y, but not in both."""
    x = RANDOM.normal(0, 1, rows)
    y = x + RANDOM.normal(0, 0.05, rows)
    x[7], y[7] = 1.5, -1.5
    return pa.table({"x": x, "y": y, "z": RANDOM.normal(0, 1, rows)})


CROWD = crowd()


def run(stage, table, **options):
    pipeline = ae.Pipeline("p", **options).extract(table).transform(stage)
    return pipeline.load(ae.ArrowLoader()).run().result


def column(table, name):
    return table[name].to_pylist()


# --- scores -----------------------------------------------------------------------------------


def test_scores_are_scikit_learns_over_the_threshold():
    rows = np.column_stack([CROWD[each].to_numpy().astype(np.float32) for each in "xyz"])
    by_hand = IsolationForest(n_estimators=25, random_state=6).fit(rows)
    expected = -by_hand.score_samples(rows) / 0.5
    found = run_stage(forest(seed=6, threshold=0.5), CROWD)
    scores = np.array(column(found, "anomaly_score"))
    assert np.abs(scores - expected).max() < 1e-9
    assert column(found, "is_anomaly") == (scores > 1).tolist()
    assert [r is not None for r in column(found, "anomaly_reason")] == (scores > 1).tolist()
    assert found.select(CROWD.column_names).equals(CROWD)


VALUES = st.none() | st.floats(allow_nan=True) | st.sampled_from([1.0, 2.0, 1e300])


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUES, st.sampled_from(["a", "b", None, "☃"])), max_size=60),
    size=st.sampled_from([1, 3, 1000]),
    kept=st.sampled_from([2, 20, 1000]),
    share=st.sampled_from([None, 0.1]),
)
def test_batches_change_nothing(rows, size, kept, share):
    x, t = zip(*rows, strict=True) if rows else ((), ())
    table = pa.table({"x": pa.array(x, pa.float64()), "t": pa.array(t, pa.string())})
    stage = forest(
        columns=["x", "t"], trees=3, sample_size=kept, contamination=share, threshold=0.5
    )
    whole = run_stage(stage, table)
    assert same(run_stage(stage, table, batch_rows=size), whole)
    for value, score in zip(x, column(whole, "anomaly_score"), strict=True):
        judged = any(v is not None and math.isfinite(v) for v in x) and len(x) >= 5
        if value is not None and math.isinf(value) and score != math.inf:
            assert not judged or kept < 1000 or sum(map(bool, map(finite, x))) < 5


def finite(value):
    return value is not None and math.isfinite(value)


def test_batches_and_threads_change_nothing_in_a_pipeline(monkeypatch):
    results = []
    for cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        results += [
            run(forest(sample_size=500, contamination=0.05), CROWD, threads=2, batch_size=size)
            for size in (999, 2000)
        ]
    assert all(each.table.equals(results[0].table) for each in results)
    assert 50 < sum(column(results[0].table, "is_anomaly")) < 200


def test_what_is_usual_in_each_column_but_not_together_is_found():
    table = CROWD.select(["x", "y"])
    found = run_stage(forest(trees=200, max_samples=1000, contamination=0.01), table)
    assert column(found, "is_anomaly")[7]
    assert re.fullmatch(
        r"([xy] -?1\.5 \(usually -1\.\d+ to 1\.\d+\)(; |$)){2}", column(found, "anomaly_reason")[7]
    )
    bounds = run_stage(ae.AnomalyDetector(), table)
    assert not column(bounds, "is_anomaly")[7]


@pytest.mark.parametrize(("share", "wanted"), [(0.01, 20), (0.1, 200), (0.5, 1000)])
def test_contamination_finds_that_share(share, wanted):
    found = run_stage(forest(contamination=share), CROWD)
    assert sum(column(found, "is_anomaly")) == pytest.approx(wanted, abs=3)
    scores = np.sort(column(found, "anomaly_score"))[::-1]
    assert scores[wanted // 2] > 1 >= scores[wanted + 2]


def test_the_share_of_many_rows_is_as_near_as_their_sample():
    table = pa.table({"x": RANDOM.normal(0, 1, 60_000), "y": RANDOM.normal(0, 1, 60_000)})
    found = run_stage(forest(contamination=0.1, sample_size=5000), table)
    share = sum(column(found, "is_anomaly")) / 60_000
    assert share == pytest.approx(0.1, abs=4 * math.sqrt(0.1 * 0.9 / 5000))


def test_a_million_rows_take_no_more_memory_than_a_hundred_thousand():
    def peak(count):
        random, most, rows = np.random.default_rng(1), 0, 0

        def batches():
            for _ in range(count):
                yield pa.record_batch({f"c{at}": random.normal(size=65_536) for at in range(10)})

        for batch in forest(trees=5, sample_size=10_000).process(batches()):
            rows += batch.num_rows
            status = Path("/proc/self/status").read_text()
            most = max(most, int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) // 1024)
        return rows, most

    few, many = peak(2), peak(16)
    assert (few[0], many[0]) == (131_072, 1_048_576)
    assert many[1] < few[1] + 50  # MiB; the rows are 80


def test_seeds():
    scores = {tuple(column(run_stage(forest(seed=seed), CROWD), "anomaly_score")[:5])
              for seed in (0, 0, 1)}  # fmt: skip
    assert len(scores) == 2


# --- values -----------------------------------------------------------------------------------


def test_nulls_are_the_median_and_an_infinity_is_an_anomaly():
    x = [None, math.nan, math.inf, -math.inf, *RANDOM.normal(5, 1, 300)]
    table = pa.table({"x": x, "y": [1.0, 1, 1, 1, *RANDOM.normal(1, 1, 300)]})
    middle = float(np.median(x[4:]))
    found = run_stage(forest(), table)
    assert column(found, "anomaly_score")[2:4] == [math.inf] * 2
    reasons = column(found, "anomaly_reason")
    assert [reason.split(" (")[0] for reason in reasons[2:4]] == ["x inf", "x -inf"]
    put = table.set_column(0, "x", pa.array([middle] * 2 + x[2:]))
    assert (
        column(found, "anomaly_score")[:2] == column(run_stage(forest(), put), "anomaly_score")[:2]
    )


def test_constants_empty_columns_one_row_and_none():
    table = pa.table({"same": [7.5] * 50, "empty": pa.nulls(50, pa.float64())})
    for part in (table, table.slice(0, 1), table.slice(0, 0)):
        found = run_stage(forest(), part)
        assert column(found, "is_anomaly") == [False] * len(part)
        assert column(found, "anomaly_reason") == [None] * len(part)
    assert max(column(run_stage(forest(), table), "anomaly_score")) < 1
    nothing = run_stage(forest(), table.select(["empty"]))
    assert column(nothing, "anomaly_score") == [0] * 50


def test_one_value_a_million_times():
    table = pa.table({"x": np.append(np.full(1_000_000, 3.0), 4.0)})
    found = run_stage(forest(trees=5, sample_size=1000), table)
    assert not any(column(found, "is_anomaly"))  # a sample of one value can't say how far 4 is


def test_texts_and_booleans_are_judged_where_they_are_named():
    words = ["a"] * 600 + ["b"] * 399 + ["🙂" * 500_000]
    table = pa.table({"t": words, "b": [True] * 998 + [False, None], "x": np.arange(1000) % 7})
    found = run_stage(forest(columns=["t", "b"], contamination=0.002), table)
    assert column(found, "is_anomaly") == [False] * 998 + [True] * 2
    reasons = column(found, "anomaly_reason")
    assert reasons[998].startswith("b false (once or never in 999 rows)")
    assert reasons[999] == f"t {'🙂' * 40} (once or never in 1,000 rows)"
    often = run_stage(forest(columns=["t"], contamination=0.5), table)
    assert column(often, "anomaly_reason")[600] == "t b (in 39.9 % of rows)"
    with pytest.raises(ae.SchemaError, match="no number to judge; say columns="):
        forest().bind(table.select(["t", "b"]).schema)


def test_ids_and_codes_are_left_out_unless_they_are_named():
    rows = 1000
    table = pa.table(
        {
            "key": np.arange(rows) * 7,
            "kind": RANDOM.integers(0, 4, rows),
            "zip": RANDOM.normal(0, 1, rows),
            "amount": RANDOM.integers(0, 500, rows),
        }
    )
    summary = run(forest(), table).stages[1].summary.to_pylist()
    assert {line["column"] for line in summary if line["judged"]} == {"amount"}
    named = run(forest(columns=["kind", "amount"]), table).stages[1].summary.to_pylist()
    assert [line["judged"] for line in named] == [rows, rows]


def test_numbers_of_every_kind():
    values = [*range(1, 40), 100]
    for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(25, 2)):
        numbers = pa.array(np.array(values, np.float16)) if kind == pa.float16() else values
        table = pa.table({"x": pa.array(numbers).cast(kind, safe=False)})
        found = run_stage(forest(columns=["x"], contamination=0.03), table)
        assert column(found, "is_anomaly") == [False] * 39 + [True], kind
        assert column(found, "anomaly_reason")[39].startswith("x 100"), kind
    words = pa.table({"x": pa.array(values).dictionary_encode()})
    assert column(run_stage(forest(columns=["x"], contamination=0.03), words), "is_anomaly")[39]


def test_a_column_in_chunks():
    table = pa.concat_tables([CROWD.slice(0, 900), CROWD.slice(900)])
    assert same(run_stage(forest(), table), run_stage(forest(), CROWD))


# --- what is done -----------------------------------------------------------------------------


def test_the_summary_counts_by_column():
    result = run(forest(contamination=0.01), CROWD)
    lines = {line["column"]: line for line in result.stages[1].summary.to_pylist()}
    found = result.table.filter(result.table["is_anomaly"])
    for each in "xyz":
        named = sum(bool(re.search(rf"(^|; ){each} ", r)) for r in column(found, "anomaly_reason"))
        assert lines[each]["anomalies"] == named
        assert (lines[each]["rows"], lines[each]["judged"]) == (2000, 2000)


def test_filter_removes_them():
    marked = run_stage(forest(contamination=0.01), CROWD)
    result = run(forest(contamination=0.01, action="filter"), CROWD)
    good = [not each for each in column(marked, "is_anomaly")]
    assert same(result.table, CROWD.filter(pa.array(good)))
    assert (result.records_loaded, result.stages[1].records_gone) == (sum(good), 2000 - sum(good))


@pytest.mark.parametrize("batch_size", [300, 65_536])
def test_reject_sends_them_to_the_dead_letters_as_they_were(batch_size):
    marked = run_stage(forest(contamination=0.01), CROWD)
    bad = marked.filter(marked["is_anomaly"])
    dead = ae.ArrowLoader()
    stage = forest(contamination=0.01, action="reject")
    pipeline = ae.Pipeline("p", dead_letters=dead, batch_size=batch_size)
    pipeline.extract(CROWD).transform("SELECT *, 'more' AS more FROM input").transform(stage)
    # Behind it: a stage that rejects in SQL.
    pipeline.transform(ae.Cast({"more": "VARCHAR"})).transform(ae.Filter("x > 0"))
    result = pipeline.load(ae.ArrowLoader()).run().result
    assert result.records_rejected == len(bad) == len(dead.table)
    assert column(dead.table, "reason") == column(bad, "anomaly_reason")
    assert set(column(dead.table, "reason_code")) == {"anomaly"}
    first = [reason.split(" ")[0] for reason in column(bad, "anomaly_reason")]
    assert column(dead.table, "column") == first
    assert '"more":"more"' in dead.table["row"][0].as_py().replace(" ", "")
    line = result.stages[2]
    assert (line.records_in, line.records_out, line.records_rejected) == (2000, 2000 - len(bad),
                                                                          len(bad))  # fmt: skip
    assert result.table.num_rows == sum(x > 0 for x in column(marked.filter(
        pa.array([not each for each in column(marked, "is_anomaly")])), "x"))  # fmt: skip
    assert run_stage(stage, CROWD).column_names == CROWD.column_names


def test_bounds_and_a_forest_are_asked_one_after_the_other():
    pipeline = ae.Pipeline("both").extract(CROWD).transform(ae.AnomalyDetector(method="zscore"))
    pipeline.transform(
        ae.Rename({"is_anomaly": "far", "anomaly_score": "s", "anomaly_reason": "why"})
    )
    pipeline.transform(forest(columns=["x", "y", "z"])).transform(ae.Filter("far AND is_anomaly"))
    both = pipeline.load(ae.ArrowLoader()).run().result.table
    apart = [run_stage(stage, CROWD) for stage in (ae.AnomalyDetector(method="zscore"), forest())]
    wanted = [a and b for a, b in zip(*(column(t, "is_anomaly") for t in apart), strict=True)]
    assert same(both.select(CROWD.column_names), CROWD.filter(pa.array(wanted)))
    assert both.num_rows > 2


def test_flights():
    table = run(ae.Filter("air_time > 0"), str(FLIGHTS)).table.slice(0, 20_000)
    found = run_stage(forest(columns=["air_time", "distance"], contamination=0.01), table)
    assert sum(column(found, "is_anomaly")) == pytest.approx(200, abs=20)


# --- the kept model ---------------------------------------------------------------------------


def test_a_kept_forest_scores_without_waiting(tmp_path):
    stage = forest(model=tmp_path / "f.skops", contamination=0.01)
    assert stage.scope is ae.Scope.STREAM
    first = run_stage(stage, CROWD)
    assert stage.scope is ae.Scope.ROW
    assert "f.skops" in stage.label
    assert same(run_stage(stage, CROWD), first)
    asked = []

    def batches():
        for at, batch in enumerate(CROWD.to_batches(max_chunksize=500)):
            asked.append(at)
            yield batch

    next(stage.process(batches()))
    assert asked == [0]
    few = run_stage(stage, CROWD.slice(5, 3))
    assert same(few, first.slice(5, 3))  # whatever the other rows are
    moved = forest(model=str(tmp_path / "f.skops"), contamination=0.01)
    assert moved == stage
    assert hash(moved) == hash(stage)


def test_a_kept_forest_keeps_its_promises(tmp_path):
    stage = forest(model=tmp_path / "f.skops", columns=["x", "y"])
    run_stage(stage, CROWD)
    check_stage(stage, CROWD.slice(0, 20))
    assert pickle.loads(pickle.dumps(stage)) == stage


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trees": 26}, r"fitted with trees 25, and here it is 26; say the same, or remove"),
        ({"seed": 1}, "seed 0"),
        ({"scale": "log"}, "scale 'linear'"),
        ({"columns": ["y", "x"]}, r"columns \['x', 'y', 'z'\]"),
        ({"contamination": 0.1}, "contamination None"),
    ],
)
def test_a_kept_forest_of_something_else_is_refused(tmp_path, options, words):
    run_stage(forest(model=tmp_path / "f"), CROWD)
    with pytest.raises(ae.ConfigError, match=words):
        forest(**{"model": tmp_path / "f", **options}).bind(CROWD.schema)
    with pytest.raises(ae.ConfigError, match=r"columns \['x', 'y', 'z'\].*\['x', 'y'\]"):
        forest(model=tmp_path / "f").bind(CROWD.schema.remove(2))
    # The threshold is no part of it.
    assert forest(model=tmp_path / "f", threshold=0.7, action="reject").bind(CROWD.schema)


def test_a_file_that_is_no_forest_is_refused_before_a_row_is_read(tmp_path):
    (tmp_path / "f").write_text("a,b\n1,2\n")
    with pytest.raises(ae.ConfigError, match="is damaged, or no forest that arrowetl wrote"):
        run(forest(model=tmp_path / "f"), CROWD)


def test_next_to_nothing_is_not_kept_and_neither_is_what_has_no_folder(tmp_path):
    run_stage(forest(model=tmp_path / "f"), CROWD.slice(0, 3))
    assert not (tmp_path / "f").exists()
    with pytest.raises(ae.WriteError, match="isn't there"):
        forest(model=tmp_path / "no" / "f").bind(CROWD.schema)


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"group_by": ["g"]}, "without group_by"),
        ({"threshold": {"mad": 3}}, "no part of isolation_forest"),
        ({"threshold": 1.5}, "at most 1"),
        ({"trees": 0}, "trees is a number from 1: 0"),
        ({"trees": True}, "trees"),
        ({"max_samples": 1}, "max_samples"),
        ({"sample_size": 0}, "sample_size"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed is at most 4294967295"),
        ({"model": 5}, "path of a file"),
        ({"method": "mad", "model": "f"}, "model needs method='isolation_forest'"),
        ({"method": "mad", "trees": 5}, "trees needs method='isolation_forest'"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ae.ConfigError, match=words):
        ae.AnomalyDetector(**{"method": "isolation_forest", **options})


def test_a_column_of_something_else():
    schema = pa.schema({"at": pa.date32(), "x": pa.float64()})
    with pytest.raises(ae.SchemaError, match=r"'at' is date32.*no number or text; cast it"):
        forest(columns=["at"]).bind(schema)
    assert forest().bind(schema).names[-1] == "anomaly_reason"


@pytest.mark.parametrize("package", ["sklearn", "skops"])
def test_a_package_that_is_missing(monkeypatch, package, tmp_path):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else there(name)
    )
    with pytest.raises(ae.ConfigError, match=r"pip install 'arrowetl\[ml\]'"):
        forest(model=tmp_path / "f").bind(CROWD.schema)


def test_from_a_file(tmp_path):
    rows = "\n".join(f"{i % 17},{i % 13}" for i in range(300))
    (tmp_path / "in.csv").write_text(f"x,y\n{rows}\n900,900\n")
    (tmp_path / "p.yaml").write_text(
        f"""
source: {{type: csv, path: "{tmp_path}/in.csv"}}
transforms:
  - {{type: anomaly_detector, method: isolation_forest, columns: [x, y], action: filter,
      contamination: 0.004, model: "{tmp_path}/forest.skops"}}
load: {{type: csv, path: "{tmp_path}/out.csv", mode: replace}}
"""
    )
    for _ in range(2):
        result = load_config(tmp_path / "p.yaml").run().result
        assert (result.records_extracted, result.records_loaded) == (301, 300)
