"""AnomalyDetector: the bounds of each method, groups, what is judged, and what is done with it."""

import math
import pickle
import re
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.testing import run_stage

FLIGHTS = Path(__file__).parents[2] / "fixtures/flights/flights.parquet"
AMOUNTS = pa.table({"amount": [10.0, 11.0, 12.0, 10.5, 9.5, 11.5, 10.0, 500.0]})
METHODS = ["zscore", "iqr", "mad", "combined", "ecod"]


def flags(stage, rows):
    return run_stage(stage, rows)["is_anomaly"].to_pylist()


# --- slow and obviously right ----------------------------------------------------------------


def zscore(values):
    mean = statistics.fmean(values)
    return mean - 3 * statistics.stdev(values), mean, mean + 3 * statistics.stdev(values)


def iqr(values):
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return low - 1.5 * (high - low), middle, high + 1.5 * (high - low)


def mad(values):
    middle = statistics.median(values)
    off = [abs(value - middle) for value in values]
    spread = statistics.median(off) / 0.6745 or statistics.fmean(off) * 1.253314
    return middle - 3.5 * spread, middle, middle + 3.5 * spread


def combined(values):
    each = [
        bounds for bounds in (zscore(values), iqr(values), mad(values)) if bounds[0] < bounds[2]
    ]
    lows, _, highs = zip(*each, strict=True)
    return sorted(lows)[-2], mad(values)[1], sorted(highs)[1]


def expected(rows, method, least):
    """Score each row, None where nothing was judged; and say how near a bound the rows come."""
    groups = defaultdict(list)
    for row in rows:
        if row["x"] is not None and math.isfinite(row["x"]):
            groups[row["g"]].append(row["x"])
    scores, nearest = [], math.inf
    for row in rows:
        values, x = groups[row["g"]], row["x"]
        judged = len(values) >= least and len(set(values)) > 1
        if not judged or x is None or math.isnan(x):
            scores.append(0.0)
            continue
        low, middle, high = globals()[method](values)
        if not low < high:
            scores.append(0.0)
            continue
        reach = high - middle if x > middle else middle - low
        scores.append(abs(x - middle) / reach if reach else math.inf)
        nearest = min(nearest, abs(scores[-1] - 1))
    return scores, nearest


numbers = st.one_of(
    st.none(),
    st.integers(-50, 50).map(float),
    st.floats(-100, 100).map(lambda value: round(value, 2)),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e6, -1e6, 0.0]),
)
tables = st.lists(
    st.fixed_dictionaries({"g": st.sampled_from(["a", "b", None]), "x": numbers}), max_size=60
)


@pytest.mark.parametrize("method", [each for each in METHODS if each != "ecod"])
@settings(max_examples=25, deadline=None)
@given(rows=tables, size=st.sampled_from([1, 7, 1000]), grouped=st.booleans())
def test_scores_are_those_of_a_slow_program(method, rows, size, grouped):
    schema = pa.schema({"g": pa.string(), "x": pa.float64()})
    table = pa.Table.from_pylist(rows, schema)
    stage = ae.AnomalyDetector(
        method=method, columns=["x"], group_by=["g"] if grouped else (), min_rows=3
    )
    found = run_stage(stage, table, batch_rows=size)
    plain = [{**row, "g": row["g"] if grouped else 0} for row in rows]
    scores, nearest = expected(plain, method, 3)
    assert found["g"].to_pylist() == table["g"].to_pylist()
    assert found["x"].to_pylist() == pytest.approx(table["x"].to_pylist(), nan_ok=True)
    assert found["anomaly_score"].to_pylist() == pytest.approx(scores, rel=1e-6, abs=1e-9)
    if nearest > 1e-6:
        assert found["is_anomaly"].to_pylist() == [score > 1 for score in scores]
    reasons = found["anomaly_reason"].to_pylist()
    assert [reason is not None for reason in reasons] == found["is_anomaly"].to_pylist()


@pytest.mark.parametrize("method", METHODS)
def test_batches_and_threads_change_nothing(method):
    random = np.random.default_rng(5)
    table = pa.table(
        {
            "g": random.choice(["a", "b", "c"], 20_000),
            "x": random.standard_t(2, 20_000),
            "y": random.lognormal(0, 1, 20_000),
        }
    )
    stage = ae.AnomalyDetector(method=method, group_by=["g"])
    results = [
        ae.Pipeline("p", threads=threads, batch_size=size)
        .extract(table)
        .transform(stage)
        .load(ae.ArrowLoader())
        .run()
        .result.table
        for threads in (1, 2)
        for size in (999, 20_000)
    ]
    assert all(result.equals(results[0]) for result in results)
    assert 10 < sum(results[0]["is_anomaly"].to_pylist()) < 5000
    assert results[0].select(["g", "x", "y"]).equals(table)


# --- what is said -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("iqr", "amount 500.0 is above 14.06"),
        ("mad", "amount 500.0 is above 14.64"),
        ("combined", "amount 500.0 is above 14.64"),
    ],
)
def test_the_reason_names_column_value_and_bound(method, reason):
    found = run_stage(ae.AnomalyDetector(method=method), AMOUNTS)
    assert found["is_anomaly"].to_pylist() == [False] * 7 + [True]
    assert found["anomaly_reason"].to_pylist() == [None] * 7 + [reason]


def test_below_infinite_and_two_columns_at_once():
    values = [1.0, 2.0, 3.0, 2.0, 1.5, 2.5]
    table = pa.table({"a": [*values, -90.0, math.inf], "b": [*values, -80.0, -math.inf]})
    found = run_stage(ae.AnomalyDetector(method="mad", columns=["a", "b"]), table)
    reasons = found["anomaly_reason"].to_pylist()
    assert reasons[:6] == [None] * 6
    assert reasons[6].startswith("a -90.0 is below -")
    assert "; b -80.0 is below -" in reasons[6]
    assert reasons[7].startswith("a inf is above ")
    assert "; b -inf is below -" in reasons[7]
    assert found["anomaly_score"].to_pylist()[7] == math.inf


def test_nulls_nan_constants_and_tiny_groups_are_not_judged():
    table = pa.table(
        {
            "g": ["many"] * 8 + ["few"] * 3,
            "x": [1.0, 2.0, None, 3.0, math.nan, 2.0, 1.0, 900.0, 1.0, 2.0, 900.0],
            "same": [7.5] * 11,
            "empty": pa.nulls(11, pa.float64()),
        }
    )
    found = run_stage(ae.AnomalyDetector(method="mad", group_by=["g"]), table)
    assert found["is_anomaly"].to_pylist() == [False] * 7 + [True] + [False] * 3
    assert found["anomaly_reason"].to_pylist()[7].startswith("x 900.0")


def test_groups_with_a_null_key_are_groups():
    table = pa.table({"g": [None] * 6 + ["b"] * 6, "x": [1, 2, 3, 2, 1, 90, 90, 91, 92, 91, 90, 1]})
    stage = ae.AnomalyDetector(method="mad", columns=["x"], group_by="g")
    assert flags(stage, table) == ([False] * 5 + [True]) * 2


def test_more_than_half_the_same():
    table = pa.table({"x": [5.0] * 9 + [6.0, 4.0, 50.0]})
    assert flags(ae.AnomalyDetector(method="mad"), table) == [False] * 11 + [True]
    assert flags(ae.AnomalyDetector(), table) == [False] * 11 + [True]


def test_numbers_of_every_kind():
    values = [1, 2, 3, 2, 1, 2, 3, 100]
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.decimal128(25, 2)):
        table = pa.table({"x": pa.array(values, pa.int64()).cast(kind, safe=False)})
        assert flags(ae.AnomalyDetector(columns=["x"]), table) == [False] * 7 + [True], kind


def test_an_empty_input_has_no_anomalies():
    found = run_stage(ae.AnomalyDetector(group_by=["g"]), pa.table({"g": [], "x": []}).cast(
        pa.schema({"g": pa.string(), "x": pa.float64()})))  # fmt: skip
    assert found.num_rows == 0
    assert found.column_names == ["g", "x", "is_anomaly", "anomaly_score", "anomaly_reason"]


# --- which columns ----------------------------------------------------------------------------


def test_ids_codes_and_constants_are_left_out():
    random = np.random.default_rng(1)
    rows = 2000
    table = pa.table(
        {
            "key number": np.arange(rows) * 7,  # nearly all different
            "kind": random.integers(0, 4, rows),  # a code
            "CustomerID": random.normal(0, 1, rows),  # by its name
            "zip": random.normal(0, 1, rows),
            "sold_year": random.integers(1900, 2000, rows),
            "constant": np.ones(rows),
            "text": ["a"] * rows,
            "amount": random.integers(0, 500, rows),
            "ratio": random.normal(0, 1, rows),
        }
    )
    result = (
        ae.Pipeline("p").extract(table).transform(ae.AnomalyDetector()).load(ae.ArrowLoader()).run()
    ).result
    summary = result.stages[1].summary.to_pylist()
    judged = {line["column"] for line in summary if line["judged"]}
    assert judged == {"amount", "ratio"}
    assert {line["rows"] for line in summary} == {rows}


@pytest.mark.parametrize(
    "column", ["id", "order_id", "OrderId", "zip code", "Postal-Code", "birth_year", "lat", "no"]
)
def test_names_that_measure_nothing(column):
    with pytest.raises(ae.SchemaError, match="no number to judge; say columns="):
        ae.AnomalyDetector().bind(pa.schema({column: pa.int64()}))
    assert ae.AnomalyDetector(columns=[column]).bind(pa.schema({column: pa.int64()}))


@pytest.mark.parametrize("column", ["width", "latency", "paid", "valid", "yearly", "amount"])
def test_names_that_measure_something(column):
    assert len(ae.AnomalyDetector().bind(pa.schema({column: pa.float64()}))) == 4


# --- what is done -----------------------------------------------------------------------------


def run(stage, table, **options):
    pipeline = ae.Pipeline("p", **options).extract(table).transform(stage)
    return pipeline.load(ae.ArrowLoader()).run().result


def test_filter_removes_them():
    result = run(ae.AnomalyDetector(action="filter"), AMOUNTS)
    assert result.table.equals(AMOUNTS.slice(0, 7))
    assert (result.records_loaded, result.stages[1].records_gone) == (7, 1)


def test_reject_sends_them_to_the_dead_letters_with_the_reason():
    dead = ae.ArrowLoader()
    result = run(ae.AnomalyDetector(action="reject"), AMOUNTS, dead_letters=dead)
    assert result.table.equals(AMOUNTS.slice(0, 7))
    assert result.records_rejected == 1
    letter = dead.table.to_pylist()[0]
    assert letter["reason"] == "amount 500.0 is above 14.64"
    assert letter["column"] == "amount"
    assert letter["reason_code"] == "anomaly"


@pytest.mark.parametrize(("share", "found"), [(0.01, 10), (0.1, 100), (0.5, 500)])
def test_contamination_finds_that_share(share, found):
    random = np.random.default_rng(3)
    table = pa.table({"x": random.normal(0, 1, 1000), "y": random.normal(5, 2, 1000)})
    for method in METHODS:
        stage = ae.AnomalyDetector(method=method, contamination=share)
        result = run_stage(stage, table)
        assert abs(sum(result["is_anomaly"].to_pylist()) - found) <= 1
        worst = sorted(result["anomaly_score"].to_pylist(), reverse=True)[: found - 1]
        kept = [
            s
            for s, is_one in zip(
                result["anomaly_score"].to_pylist(), result["is_anomaly"].to_pylist(), strict=True
            )
            if is_one
        ]
        assert sorted(kept, reverse=True)[: found - 1] == worst


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("infinities", [[math.inf] * 2, [-math.inf, math.inf, -math.inf]])
def test_more_infinities_than_the_share_are_found_all(method, infinities):
    numbers = [*map(float, range(1, 10)), *infinities]
    stage = ae.AnomalyDetector(method=method, columns=["x"], contamination=0.1)
    found = run_stage(stage, pa.table({"x": numbers}))
    assert found["is_anomaly"].to_pylist() == [math.isinf(each) for each in numbers]
    scores = found["anomaly_score"].to_pylist()
    assert all(map(math.isinf, scores[9:]))
    assert all(0 <= each <= 1 for each in scores[:9])


def test_where_every_row_has_an_infinity():
    near, far = [*map(float, range(1, 10))], [math.inf] * 9
    rows = pa.table({"x": near + far, "y": far + near})
    assert all(flags(ae.AnomalyDetector(method="iqr", contamination=0.1), rows))


def test_what_one_of_two_methods_says_is_not_combined():
    rows = pa.table({"x": [1.0] * 30 + [1.1, 0.9, 1.2, 1.25, 1.15]})
    each = [flags(ae.AnomalyDetector(method=one), rows) for one in ("zscore", "mad")]
    both = [one and other for one, other in zip(*each, strict=True)]
    assert flags(ae.AnomalyDetector(), rows) == both
    assert both != each[0] or both != each[1]


def test_thresholds():
    assert flags(ae.AnomalyDetector(method="mad", threshold=500), AMOUNTS) == [False] * 8
    assert sum(flags(ae.AnomalyDetector(method="mad", threshold=0.5), AMOUNTS)) > 1
    wide = {"zscore": 90, "iqr": 900, "mad": 900}
    assert flags(ae.AnomalyDetector(threshold=wide), AMOUNTS) == [False] * 8


def test_on_a_logarithmic_scale_only_other_orders_of_magnitude_are_far():
    sound = np.random.default_rng(2).lognormal(5, 1.2, 3000).tolist()
    table = pa.table({"x": [*sound, 2e7, -2e7, math.inf, math.nan, None]})
    linear = flags(ae.AnomalyDetector(), table)
    assert sum(linear[:3000]) > 100
    found = run_stage(ae.AnomalyDetector(scale="log"), table)
    log = found["is_anomaly"].to_pylist()
    assert log[3000:] == [True, True, True, False, False]
    assert sum(log[:3000]) < 15
    assert re.fullmatch(
        r"x 20000000.0 is above \d\.\d*e\+04|x 20000000.0 is above [0-9]{4}",
        found["anomaly_reason"][3000].as_py(),
    )


def test_flights_that_took_far_longer_than_others_on_their_way():
    table = ae.Pipeline("p").extract(str(FLIGHTS)).load(ae.ArrowLoader()).run().result.table
    stage = ae.AnomalyDetector(columns=["air_time"], group_by=["origin", "dest"], min_rows=20)
    found = run_stage(stage, table)
    share = sum(found["is_anomaly"].to_pylist()) / found.num_rows
    assert 0 < share < 0.03
    assert found.select(table.column_names).equals(table.combine_chunks()) or (
        found.select(table.column_names).to_pylist() == table.to_pylist()
    )


# --- bad options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "zscor"}, "zscore"),
        ({"action": "drop"}, "flag"),
        ({"contamination": "a"}, "a share above 0"),
        ({"scale": "logarithm"}, "log"),
        ({"columns": []}, "columns is empty"),
        ({"contamination": 0}, "contamination"),
        ({"contamination": 0.6}, "contamination"),
        ({"threshold": 3}, "a threshold for each method"),
        ({"threshold": {"zscroe": 3}}, "zscroe"),
        ({"method": "mad", "threshold": {"iqr": 3}}, "no part of mad"),
        ({"method": "mad", "threshold": -1}, "above 0"),
        ({"method": "mad", "threshold": math.nan}, "above 0"),
        ({"threshold": "mad"}, "a number, or numbers by method, not 'mad'"),
        ({"min_rows": 1}, "min_rows"),
        ({"codes": -1}, "codes"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ae.ConfigError, match=words):
        ae.AnomalyDetector(**options)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (ae.AnomalyDetector(columns=["amuont"]), "amount"),
        (ae.AnomalyDetector(columns=["t"]), "no number; cast it"),
        (ae.AnomalyDetector(group_by=["nope"]), "nope"),
    ],
)
def test_columns_that_cannot_be_judged(stage, words):
    with pytest.raises(ae.SchemaError, match=words):
        stage.bind(pa.schema({"amount": pa.float64(), "t": pa.string()}))


@pytest.mark.parametrize("method", ["zscore", "iqr", "mad", "combined"])
@pytest.mark.parametrize("contamination", [None, 0.05])
@pytest.mark.parametrize(
    "numbers",
    [
        [1e308, -1e308] * 10,
        [1e308] * 9 + [1.7e308, -1.7e308],
        [1e308, 1.1e308, 1.2e308] * 5 + [-1e308],
        [1.0, 2.0, 3.0] * 10 + [-1.7e308],
    ],
)
def test_scores_of_the_largest_numbers_are_numbers(method, contamination, numbers):
    stage = ae.AnomalyDetector(columns=["x"], method=method, contamination=contamination)
    found = run_stage(stage, pa.table({"x": numbers}))
    assert all(map(math.isfinite, found["anomaly_score"].to_pylist()))
    over = [score > 1 for score in found["anomaly_score"].to_pylist()]
    assert found["is_anomaly"].to_pylist() == over


@pytest.mark.parametrize("taken", ["anomaly_score", "Is_Anomaly"])
def test_a_name_that_is_taken(taken):
    taken = pa.schema({"x": pa.float64(), taken: pa.float64()})
    with pytest.raises(ae.SchemaError, match=r"(?i)anomaly"):
        ae.AnomalyDetector(columns=["x"]).bind(taken)
    assert ae.AnomalyDetector(columns=["x"], action="reject").bind(taken) == taken


def test_a_value_among_values():
    stage = ae.AnomalyDetector(columns=["x"], threshold={"mad": 2})
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert len({stage, ae.AnomalyDetector(columns=["x"], threshold={"mad": 2})}) == 1


def test_from_a_file(tmp_path):
    (tmp_path / "in.csv").write_text("id,amount\n" + "\n".join(f"{i},{a}" for i, a in enumerate(
        [10, 11, 12, 10.5, 9.5, 11.5, 10, 500])))  # fmt: skip
    (tmp_path / "p.yaml").write_text(
        f"""
source: {{type: csv, path: "{tmp_path}/in.csv"}}
transforms:
  - {{type: anomaly_detector, method: combined, threshold: {{mad: 2.5}}, action: filter}}
load: {{type: csv, path: "{tmp_path}/out.csv"}}
"""
    )
    result = load_config(tmp_path / "p.yaml").run().result
    assert (result.records_extracted, result.records_loaded) == (8, 7)
