"""AutoTuner in pipelines: results stay, runs never fail, what was set stays set."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.tuning.history import History, Ran

ROWS = pa.table(
    {
        "x": np.arange(30_000) % 977,
        "s": [f"name {n % 313}" for n in range(30_000)],
        "f": np.sin(np.arange(30_000)),
    }
)


@pytest.fixture
def source(tmp_path):
    pq.write_table(ROWS, tmp_path / "in.parquet")
    return ae.ParquetSource(tmp_path / "in.parquet")


def pipeline(source, sink, **options):
    return (
        ae.Pipeline("tuned", **options)
        .extract(source)
        .transform(ae.Filter("x % 3 = 0"))
        .transform(lambda batch: batch)
        .transform(ae.Deduplicator(on=["x", "s"], keep="last"))
        .load(sink)
    )


def test_runs_are_remembered_and_settings_chosen(tmp_path, source):
    tuner = ae.AutoTuner(tmp_path / "t.db", start={"batch_rows": 1024, "threads": 1})
    for run in range(5):
        made = pipeline(source, ae.ArrowLoader(), tuner=tuner).run()
        chosen = made.result.tuning
        assert chosen.runs == run
        assert 0 <= chosen.confidence <= 1
        assert not chosen.notes
    table = tuner.history_table()
    assert table["way"].to_pylist()[:2] == ["start", "usual"]
    assert table["rows"].to_pylist() == [30_000] * 5
    assert len(set(table["task"].to_pylist())) == 1
    assert min(table["cpu_seconds"].to_pylist()) > 0
    assert "tuned (" in str(made.result)
    assert '"tuning"' in made.result.to_json()


@settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.fixed_dictionaries(
        {
            "batch_rows": st.sampled_from([1024, 4096, 16_384, 65_536, 262_144]),
            "threads": st.sampled_from([1, 2]),
            "memory_mb": st.sampled_from([200, 400, 1600]),
            "row_group_rows": st.sampled_from([15_360, 122_880]),
        }
    )
)
def test_whatever_is_chosen_the_same_rows_come_out(tmp_path, source, start):
    history = tmp_path / "fresh.db"
    history.unlink(missing_ok=True)
    tuner = ae.AutoTuner(history, start=start)
    sink = ae.ParquetLoader(tmp_path / "out.parquet", mode="replace")
    made = pipeline(source, sink, tuner=tuner).run()
    assert made.result.tuning.settings == start
    plain = pipeline(source, ae.ArrowLoader()).run().result.table
    assert pq.read_table(tmp_path / "out.parquet").equals(plain)
    assert sink.row_group_size == 122_880


def test_what_somebody_set_is_not_chosen(tmp_path, source):
    options = {"batch_size": 5000, "threads": 1, "memory_limit": "300MB"}
    sink = ae.ParquetLoader(tmp_path / "o.parquet", row_group_size=1000)
    made = pipeline(source, sink, tuner=tmp_path / "t.db", **options).run()
    assert made.result.tuning.settings == {}
    assert pq.ParquetFile(tmp_path / "o.parquet").metadata.num_row_groups > 1


def test_row_groups_are_those_that_were_chosen(tmp_path, source):
    tuner = {"history": tmp_path / "t.db", "start": {"row_group_rows": 15_360}}
    sink = ae.ParquetLoader(tmp_path / "o.parquet")
    made = ae.Pipeline(tuner=tuner, threads=1).extract(source).load(sink).run()
    assert made.result.tuning.settings["row_group_rows"] == 15_360
    assert pq.ParquetFile(tmp_path / "o.parquet").metadata.num_row_groups == 2


def test_explain_says_what_the_next_run_will_have(tmp_path, source, capsys):
    made = pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db")
    made.explain()
    assert "Tuner    batch_rows 65,536" in capsys.readouterr().out
    assert not (tmp_path / "t.db").exists()
    made.run()
    made.explain()
    assert "after 1 run" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"no database at all", b""])
def test_a_history_that_is_none_makes_no_run_fail(tmp_path, source, content):
    (tmp_path / "t.db").write_bytes(content)
    made = pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db").run()
    assert made.result.records_loaded > 0
    notes = made.result.tuning.notes
    assert (len(notes) == 2) if content else not notes
    if content:
        assert "the tuner was of no use" in notes[0]
        assert "wasn't kept" in notes[1]
        assert notes[0] in str(made.result)
        with pytest.raises(ae.StateError, match="is no tuner's history"):
            ae.AutoTuner(tmp_path / "t.db").history_table()


def test_a_history_that_cannot_be_written_makes_no_run_fail(tmp_path, source):
    made = pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "nowhere" / "t.db").run()
    assert made.result.records_loaded > 0
    assert "wasn't kept" in made.result.tuning.notes[0]


def test_a_history_that_another_process_holds_makes_no_run_fail(tmp_path, source):
    pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db").run()
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        made = pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db").run()
    finally:
        other.close()
    assert made.result.records_loaded > 0
    assert made.result.tuning.notes


def test_a_model_that_fails_makes_no_run_fail(tmp_path, source, monkeypatch):
    def broken(*_args, **_kwargs):
        raise np.linalg.LinAlgError("not positive definite")

    pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db").run()
    monkeypatch.setattr("arrowetl.ml.tune.ask", broken)
    made = pipeline(source, ae.ArrowLoader(), tuner=tmp_path / "t.db").run()
    assert "not positive definite" in made.result.tuning.notes[0]
    assert made.result.tuning.settings["threads"] == os.cpu_count()


def test_too_little_memory_that_was_chosen_makes_no_run_fail(tmp_path):
    wide = pa.table({"s": ["x" * 3_000_000] * 64, "n": range(64)})
    pq.write_table(wide, tmp_path / "wide.parquet", row_group_size=64)

    def made(**options):
        return (
            ae.Pipeline("wide", **options)
            .extract(tmp_path / "wide.parquet")
            .transform("SELECT list(s) AS all_of_them FROM input")
            .load(ae.ParquetLoader(tmp_path / "out.parquet", mode="replace"))
            .run()
        )

    with pytest.raises(ae.StageError, match="memory"):
        made(memory_limit="200MB", threads=2)
    tuner = ae.AutoTuner(tmp_path / "t.db", start={"memory_mb": 200, "threads": 2})
    assert made(tuner=tuner).result.tuning.settings["memory_mb"] == 200
    assert len(pq.read_table(tmp_path / "out.parquet")["all_of_them"][0]) == 64


def test_a_run_that_failed_teaches_nothing(tmp_path, source):
    def broken(batch):
        if batch.num_rows:
            raise ValueError("no")
        return batch

    broken_one = ae.Pipeline("tuned", tuner=tmp_path / "t.db").extract(source).transform(broken)
    with pytest.raises(ValueError, match="no"):
        broken_one.load(ae.ArrowLoader()).run()
    (ran,) = History(tmp_path / "t.db").runs()
    assert ran.error == "ValueError"
    table = ae.AutoTuner(tmp_path / "t.db").history_table()
    assert table["cost"].to_pylist() == [None]


def test_memory_that_is_given_bounds_what_is_chosen(tmp_path, source):
    tuner = ae.AutoTuner(tmp_path / "t.db", memory="1.2GB")
    for _ in range(4):
        made = pipeline(source, ae.ArrowLoader(), tuner=tuner).run()
        assert made.result.tuning.settings["memory_mb"] <= 1000


def ran(pipeline="p", task="a", **values):
    usual = {
        "at": "2026-01-01T00:00:00+00:00",
        "kinds": ("ParquetSource", "ArrowLoader"),
        "shape": {"bytes": 6.0},
        "settings": {"threads": 2},
        "way": "usual",
        "rows": 1000,
        "seconds": 2.0,
        "cpu_seconds": 3.0,
        "peak": 10**9,
    }
    return Ran(pipeline=pipeline, task=task, **{**usual, **values})


def test_what_is_to_be_low(tmp_path):
    path = tmp_path / "t.db"
    assert ae.AutoTuner(path).cost_of(ran()) == 0.002
    assert ae.AutoTuner(path, measure="cpu").cost_of(ran()) == 0.003
    assert ae.AutoTuner(path, target="memory").cost_of(ran()) == 1e9
    priced = ae.AutoTuner(path, target="cost", cpu_second_price=1.0, gb_second_price=0.5)
    assert priced.cost_of(ran()) == pytest.approx((3 + 0.5 * 2) / 1000)
    assert ae.AutoTuner(path).cost_of(ran(rows=0)) is None
    assert ae.AutoTuner(path).cost_of(ran(error="ValueError")) is None


def test_several_processes_write_one_history(tmp_path):
    code = (
        "import sys; from test_tuning import ran; from arrowetl.tuning.history import History\n"
        "for n in range(20): History(sys.argv[1]).add(ran(task=sys.argv[2]))"
    )
    path = tmp_path / "t.db"
    folder = Path(__file__).parent
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=folder)
        for name in "abc"
    ]
    assert [each.wait() for each in started] == [0, 0, 0]
    runs = History(path).runs()
    assert sorted(each.task for each in runs) == sorted("abc" * 20)
    assert runs[0] == ran(task=runs[0].task)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "speed"}, "no target 'speed'"),
        ({"measure": "walls"}, "did you mean 'wall'"),
        ({"memory": "much"}, "memory is a size such as '2GB', not 'much'"),
        ({"memory": "0MB"}, "memory is a size"),
        ({"start": {"threads": 0}}, "start of 'threads' is a number from 1"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, message):
    with pytest.raises(ae.ConfigError, match=message):
        ae.AutoTuner(tmp_path / "t.db", **options)


@pytest.mark.parametrize(
    ("tuner", "message"),
    [({"histori": "t.db"}, "did you mean 'history'"), ({"target": "memory"}, "no history")],
)
def test_a_mapping_that_makes_no_sense(tuner, message):
    with pytest.raises(ae.ConfigError, match=message):
        ae.Pipeline(tuner=tuner)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ae.ConfigError, match=r"pip install 'arrowetl\[ml\]'"):
        ae.AutoTuner("t.db")
