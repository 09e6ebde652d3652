"""The benchmark harness: right outputs pass, an output with two values swapped doesn't."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import data, runner, units
from benchmarks.chart import svg
from benchmarks.contender import load
from benchmarks.content import content_of
from benchmarks.postgres import served
from benchmarks.process import measured
from benchmarks.report import where_we_lose
from benchmarks.results import Entry, Run, TaskResult, read
from benchmarks.tasks import TASKS

ROOT = Path(__file__).parent.parent

SWAPPED = """
from benchmarks.contenders.duckdb import group_by as right

LABEL = "two values swapped"


def group_by(source, output):
    import pyarrow as pa
    import pyarrow.parquet as pq

    right(source, output)
    table = pq.read_table(output)
    first, second, *rest = table["total"].to_pylist()
    assert first != second
    position = table.schema.get_field_index("total")
    pq.write_table(table.set_column(position, "total", pa.array([second, first, *rest])), output)
"""


def harness(*arguments, out):
    command = [sys.executable, "-m", "benchmarks", *arguments, "--runs", "1", "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_two_contenders_that_agree_give_results_a_page_and_a_chart(tmp_path):
    done = harness(
        *("--task", "group_by", "--rows", "500"),
        *("--contender", "duckdb", "--contender", "python"),
        out=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    entries = read(tmp_path)["group_by"].entries
    assert [(entry.contender, entry.status) for entry in entries] == [
        ("duckdb", "ok"),
        ("python", "ok"),
    ]
    for entry in entries:
        (run,) = entry.runs
        assert run.cpu > 0
        assert 0 < run.seconds < run.wall
        assert run.peak > 10_000_000
        assert run.output > 0
    assert "## Where we lose" in (tmp_path / "RESULTS.md").read_text()
    assert "Python loop" in (tmp_path / "chart.svg").read_text()
    summary = json.loads((tmp_path / "group_by.json").read_text())["entries"][0]["summary"]
    assert summary["wall"]["median"] == entries[0].runs[0].wall


def test_a_contender_with_two_values_swapped_fails(tmp_path):
    (tmp_path / "swapped.py").write_text(SWAPPED)

    done = harness(
        *("--task", "group_by", "--rows", "500"),
        *("--contender", "duckdb", "--contender", str(tmp_path / "swapped.py")),
        out=tmp_path,
    )

    assert done.returncode == 1
    right, swapped = read(tmp_path)["group_by"].entries
    assert right.status == "ok"
    assert swapped.status == "differs"
    assert swapped.reason == "every column holds its values, but in other rows"
    assert swapped.runs == []


@pytest.mark.parametrize("name", [n for n, t in TASKS.items() if t.dataset and not t.served])
def test_reference_and_python_loop_agree(name, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    task = TASKS[name]
    source = data.make(task.dataset, 3_000)
    contents = []
    for contender in ("duckdb", "python"):
        output = tmp_path / f"{contender}.{task.output}"
        load(contender).function(task)(source, output)
        contents.append(content_of(task, output))

    reference, loop = contents
    assert loop.differences(reference) == []
    assert 0 < reference.rows <= 3_000


LIKE_OTHERS = {"csv_to_postgres", "postgres_one_bad"}
"""Tasks whose contenders do what those of another one do, over other rows."""
SERVED = [name for name, task in TASKS.items() if task.served and name not in LIKE_OTHERS]


@pytest.fixture(scope="module")
def server():
    """A server for all tasks, where a measurement would start one for each."""
    with served(TASKS[SERVED[0]]) as running:
        yield running


@pytest.mark.parametrize("name", SERVED)
def test_arrowetl_leaves_in_postgresql_what_adbc_by_hand_does(name, server, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "served", lambda _: nullcontext(server))
    contenders = [load("arrowetl"), load("adbc")]
    entries = runner.run_task(
        TASKS[name], contenders, runner.Options(rows=2000, runs=1, scratch=tmp_path)
    ).entries
    assert [(entry.contender, entry.status) for entry in entries] == [
        ("arrowetl", "ok"),
        ("adbc", "ok"),
    ]
    assert all(run.output > 0 for entry in entries for run in entry.runs)


@pytest.fixture
def content(tmp_path, monkeypatch):
    """What the reference leaves of a small deduplication."""
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    task = TASKS["dedup"]
    output = tmp_path / "output.parquet"
    load("duckdb").function(task)(data.make(task.dataset, 100), output)
    return content_of(task, output)


def test_differences_name_the_column_the_rows_and_the_type(content):
    other = replace(content, columns=content.columns | {"name": "0"}, whole="0")
    assert other.differences(content) == ["column 'name' holds other values"]
    assert replace(content, rows=99).differences(content) == ["99 rows where 75 are due"]
    text = replace(content, types={"day": "VARCHAR"})
    assert text.differences(content) == ["column 'day' is VARCHAR"]
    fewer = replace(content, columns={"id": "0"})
    assert fewer.differences(content) == [
        "columns ['id'] where ['id', 'email', 'name', 'amount', 'day'] are due"
    ]


def test_a_run_that_takes_too_long_is_killed():
    usage = measured([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5)

    assert usage.timed_out
    assert usage.wall < 10


MEASURE = """
import sys
from benchmarks.process import measured
usage = measured([sys.executable, "-c", "x = bytearray(300_000_000)"], timeout=60)
print(usage.code, usage.peak)
"""


def test_cost_is_the_childs_own():
    # Until it is another program, a child is as large as its parent: so this one is small.
    code, peak = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert 300_000_000 < int(peak) < 400_000_000
    assert code == "0"


def test_where_we_lose_lists_each_metric_in_which_another_is_first():
    ours = Entry("arrowetl", "arrowetl", runs=[Run(wall=2.0, cpu=1.0, peak=100_000_000)])
    theirs = Entry("duckdb", "DuckDB", runs=[Run(wall=1.0, cpu=3.0, peak=100_000_000)])
    result = TaskResult("dedup", "Dedup", 10, 10, "2026-01-01", {}, [ours, theirs])

    assert list(where_we_lose({"dedup": result}))[-1] == (
        "| Dedup | wall | 2.00 s | 1.00 s | DuckDB | 2.00 \N{MULTIPLICATION SIGN} |"
    )
    assert 'class="ours"' in svg([result])


def test_examples_of_the_units_hold():
    assert doctest.testmod(units).failed == 0


def test_an_unknown_contender_is_a_usage_error(tmp_path):
    done = harness("--contender", "nobody", out=tmp_path)

    assert done.returncode == 2
    assert "no contender 'nobody': one of arrowetl, " in done.stderr
