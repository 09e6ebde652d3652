"""AnomalyDetector by ECOD: tails counted by hand, what is said, and what can't be judged."""

import math
import statistics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.testing import run_stage

RANDOM = np.random.default_rng(9)


def ecod(**options):
    return ae.AnomalyDetector(method="ecod", **{"min_rows": 2, **options})


def column(table, name):
    return table[name].to_pylist()


def tail(value, values):
    """Count slowly, and obviously right."""
    least = min(sum(v <= value for v in values), sum(v >= value for v in values))
    return -math.log(least / len(values))


def limit(columns, z=3.0):
    root = max(1 - 1 / (9 * columns) + z / (3 * math.sqrt(columns)), 0)
    return columns * (math.log(2) + root**3)


NUMBERS = st.lists(
    st.tuples(
        st.sampled_from([*range(-3, 4), 0.5, None, math.nan, math.inf]),
        st.floats(-100, 100),
        st.sampled_from(["a", "b", None]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(rows=NUMBERS, size=st.sampled_from([1, 4, 1000]), grouped=st.booleans())
def test_scores_are_the_sums_of_tails(rows, size, grouped):
    x, y, g = zip(*rows, strict=True)
    table = pa.table({"x": pa.array(x, pa.float64()), "y": y, "g": pa.array(g, pa.string())})
    stage = ecod(columns=["x", "y"], group_by=["g"] if grouped else [])
    found = run_stage(stage, table, batch_rows=size)
    for row, score in enumerate(column(found, "anomaly_score")):
        total, judged = 0.0, 0
        for values in (x, y):
            value = values[row]
            group = [
                v
                for v, its in zip(values, g, strict=True)
                if (not grouped or its == g[row]) and v is not None and math.isfinite(v)
            ]
            if value is None or math.isnan(value) or len(set(group)) < 2:
                continue
            judged += 1
            total += math.inf if math.isinf(value) else tail(value, group)
        assert score == pytest.approx(total / limit(judged) if judged else 0, rel=1e-9)
    assert column(found, "is_anomaly") == [s > 1 for s in column(found, "anomaly_score")]


def test_independent_columns_exceed_the_limit_as_seldom_as_a_normal_number_does():
    for columns in (1, 6):
        table = pa.table({f"c{at}": RANDOM.normal(0, 1, 20_000) for at in range(columns)})
        for z in (2, 3):
            share = statistics.fmean(column(run_stage(ecod(threshold=z), table), "is_anomaly"))
            assert share == pytest.approx(1 - statistics.NormalDist().cdf(z), rel=0.5)


def test_one_rare_value_and_many_rather_rare_ones():
    table = pa.table({c: [*RANDOM.normal(0, 1, 5000), 0.0, 2.4] for c in "abcd"})
    table = table.set_column(0, "a", pa.array([*column(table, "a")[:5000], 99.0, 2.4]))
    found = run_stage(ecod(threshold=2.5), table)
    assert column(found, "is_anomaly")[5000:] == [False, True]
    alone = run_stage(ecod(columns=["a"], threshold=2.5), table)
    assert column(alone, "is_anomaly")[5000:] == [True, False]
    reason = column(found, "anomaly_reason")[5001]
    assert reason.count("; ") == 2  # three of four are named
    assert "% are as far out" in reason


def test_the_reason_names_the_rarest_first():
    table = pa.table({"a": [*range(3000)], "b": [*range(2900), *range(99), 5000]})
    reason = column(run_stage(ecod(columns=["a", "b"], threshold=2), table), "anomaly_reason")[-1]
    assert reason == "a 2999 (0.0333 % are as far out); b 5000 (0.0333 % are as far out)"


def test_names_of_columns_are_nobody_elses():
    names = ["x", "tail", "arrowetl:row ", "side", "r", "least", "f", "Strange \"name'; --"]
    table = pa.table({each: RANDOM.normal(0, 1, 50) for each in names})
    table = table.append_column("known", pa.array(["a", "b"] * 25))
    plain = table.rename_columns([f"c{at}" for at in range(8)] + ["g"])
    found = run_stage(ecod(columns=names, group_by=["known"], contamination=0.1), table)
    same = run_stage(ecod(columns=plain.column_names[:8], group_by=["g"], contamination=0.1), plain)
    assert column(found, "anomaly_score") == column(same, "anomaly_score")


def test_rejected_and_filtered():
    # By ranks the least of a column is as far out as its greatest: only both columns tell.
    table = pa.table({c: [*RANDOM.normal(0, 1, 3000), 50.0] for c in ("x", "y")})
    dead = ae.ArrowLoader()
    for action, letters in (("reject", dead), ("filter", None)):
        pipeline = ae.Pipeline("p", dead_letters=letters).extract(table)
        stage = ecod(contamination=1 / 3001, action=action)
        result = pipeline.transform(stage).load(ae.ArrowLoader()).run().result
        assert result.table.num_rows == 3000
        assert max(column(result.table, "x")) < 50
    assert column(dead.table, "column") == ["x"]
    assert column(dead.table, "reason") == [
        "x 50.0 (0.0333 % are as far out); y 50.0 (0.0333 % are as far out)"
    ]


def test_a_million_equal_values_and_one_other():
    table = pa.table({"x": np.append(np.full(1_000_000, 3.0), 4.0)})
    found = run_stage(ecod(), table)
    assert np.flatnonzero(found["is_anomaly"].to_numpy()).tolist() == [1_000_000]
    assert column(found, "anomaly_score")[0] == pytest.approx(1e-6 / limit(1))
