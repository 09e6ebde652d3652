"""`arrowetl tune`: what runs with a tuner took, what it recommends, and the plot."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import arrowetl as ae
from arrowetl.cli import main
from arrowetl.config import ConfigFileError, read_config
from arrowetl.tuning.history import History, Ran
from arrowetl.tuning.summary import knobs_tried, summary_of

CONFIG = """\
settings:
  tuner: {history: tuning.db, target: memory}
source: {type: csv, path: in.csv}
transforms: [filter: x > 1]
load: {type: parquet, path: out.parquet, mode: replace}
"""
SHAPE = {"bytes": 8.0, "columns": 0.7, "text": 0.4, "numbers": 0.6, "nested": 0.0, "cores": 2.0}
FIRST = Ran(
    at="2026-01-02T03:04:05.678+00:00",
    pipeline="orders",
    task="0123456789ab",
    kinds=("CSVSource", "ParquetLoader"),
    shape=SHAPE,
    settings={"batch_rows": 8192, "threads": 2},
    way="usual",
    rows=1_000_000,
    seconds=2.0,
    cpu_seconds=3.5,
    peak=300 << 20,
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder with a configuration that has a tuner, and its input."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("in.csv").write_text("x,y\n1,a\n2,b\n3,c\n")
    Path("small.yaml").write_text(CONFIG)
    return tmp_path


def tune(*arguments, **environ):
    return CliRunner().invoke(main, ["tune", *map(str, arguments)], env=environ)


def told(*arguments):
    done = tune(*arguments, "--output", "json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def kept(*runs, path="tuning.db"):
    for ran in runs:
        History(path).add(ran)


def runs_of(*costs, **others):
    """Give runs with settings of their own, of so many seconds."""
    return [
        replace(
            FIRST,
            seconds=seconds,
            cpu_seconds=seconds * 1.5,
            settings={"batch_rows": 1024 << place, "threads": 2},
            way="explore" if place else "usual",
            **others,
        )
        for place, seconds in enumerate(costs)
    ]


def small():
    """Run a tiny pipeline four times with a tuner."""
    for _ in range(4):
        rows = [{"x": number} for number in range(50)]
        loaded = ae.Pipeline("small", tuner="tuning.db").extract(rows).load(ae.ArrowLoader())
        loaded.run()


def test_real_runs_are_shown_and_one_of_them_is_recommended():
    small()
    (task,) = told("tuning.db")["tasks"]
    assert (task["pipeline"], task["total"], len(task["runs"])) == ("small", 4, 4)
    kept_runs = History("tuning.db").runs()
    for shown, ran in zip(task["runs"], kept_runs, strict=True):
        assert (shown["settings"], shown["way"], shown["rows"]) == (ran.settings, ran.way, 50)
        assert shown["cost"] == pytest.approx(ran.seconds / 50 * 1e6)
    assert task["recommendation"]["settings"] in [ran.settings for ran in kept_runs]
    assert 0 <= task["recommendation"]["confidence"] <= 1
    text = tune("tuning.db").stdout
    assert "Recommended: " in text
    assert "µs a row" in text
    assert text.count("explore") == 3


def test_a_configuration_names_the_history_and_the_target():
    for _ in range(2):
        ran = CliRunner().invoke(main, ["run", "small.yaml"])
        assert ran.exit_code == 0, ran.stderr
    kept(FIRST)  # of another pipeline, in the same file
    found = told("small.yaml")
    assert (found["target"], found["unit"], found["history"]) == ("memory", "MiB", "tuning.db")
    assert [task["pipeline"] for task in found["tasks"]] == ["small"]
    assert told("small.yaml", "--target", "cost")["unit"] == "$ a billion rows"
    assert told("small.yaml", "--pipeline", "orders")["tasks"][0]["pipeline"] == "orders"


def test_a_toml_configuration_with_a_profile():
    kept(FIRST)
    Path("orders.toml").write_text(
        '[settings]\ntuner = "nothing.db"\n[source]\ntype = "csv"\npath = "in.csv"\n'
        '[load]\ntype = "csv"\npath = "out.csv"\n[profiles.prod.settings]\ntuner = "tuning.db"\n'
    )
    assert told("orders.toml", "--profile", "prod")["tasks"][0]["total"] == 1
    assert "'nothing.db' isn't there" in tune("orders.toml").stderr


def test_the_best_so_far_and_what_failed_are_marked():
    runs = runs_of(2.0, 3.0, 1.0, 1.5)
    kept(*runs[:2], replace(runs[2], error="ReadError"), *runs[2:])
    (task,) = told("tuning.db")["tasks"]
    assert [run["best"] for run in task["runs"]] == [True, False, False, True, False]
    assert [run["cost"] for run in task["runs"]] == [2.0, 3.0, None, 1.0, 1.5]
    assert [run["best_so_far"] for run in task["runs"]] == [2.0, 2.0, 2.0, 1.0, 1.0]
    text = tune("tuning.db").stdout
    assert "* the best so far" in text
    assert "ReadError" in text
    assert "Cost by run ▅█x▁▃" in text
    assert "best so far ▅▅▅▁▁" in text


def test_what_is_recommended_and_why():
    kept(*(runs_of(4.0, 2.0, 1.0, 2.0, 4.0) * 3))
    (task,) = told("tuning.db")["tasks"]
    found = task["recommendation"]
    assert found["settings"] == {"batch_rows": 4096, "threads": 2}
    assert found["confidence"] > 0.9
    assert found["cost"] == pytest.approx(1.0, rel=0.1)
    assert found["usual_cost"] == pytest.approx(4.0)
    assert "times the time a row of 4,096" in found["reasons"][0]
    text = tune("tuning.db").stdout
    assert "Recommended: batch_rows 4,096, threads 2" in text
    assert found["reasons"][0] in text


def test_targets_measures_and_prices():
    kept(FIRST)

    def cost(*arguments):
        return told("tuning.db", *arguments)["tasks"][0]["runs"][0]["cost"]

    assert cost() == pytest.approx(2.0)
    assert cost("--measure", "cpu") == pytest.approx(3.5)
    assert cost("--target", "memory") == pytest.approx(300)
    dollars = 3.5 * 1.1e-5 + 300 * (1 << 20) / 1e9 * 2 * 1.2e-6
    assert cost("--target", "cost") == pytest.approx(dollars * 1e3)


def test_more_memory_than_a_run_may_take_is_never_best():
    slow, quick = runs_of(2.0, 1.0)
    kept(slow, replace(quick, peak=3 << 30))
    assert told("tuning.db")["tasks"][0]["recommendation"]["settings"] == quick.settings
    found = told("tuning.db", "--memory", "1GB")
    assert found["memory"] == 10**9
    (task,) = found["tasks"]
    assert [(run["best"], run["over"]) for run in task["runs"]] == [(True, False), (False, True)]
    assert task["recommendation"]["settings"] == slow.settings
    assert "3.0 GiB !" in tune("tuning.db", "--memory", "1GB").stdout
    assert "took more memory than it may" in tune("tuning.db", "--memory", "1MB").stdout


def test_tasks_are_told_apart_and_a_pipeline_is_chosen():
    others = runs_of(1.0, 2.0, pipeline="customers", task="ba9876543210")
    kept(*runs_of(1.0), *others, *runs_of(3.0, task="large", shape={**SHAPE, "bytes": 10.0}))
    found = told("tuning.db")
    assert [(task["pipeline"], task["total"]) for task in found["tasks"]] == [
        ("orders", 1),
        ("customers", 2),
        ("orders", 1),
    ]
    assert [task["input"] for task in found["tasks"]][1:] == [
        "about 95.4 MiB, 5 columns",
        "about 9.3 GiB, 5 columns",
    ]
    (only,) = told("tuning.db", "--pipeline", "customers")["tasks"]
    assert only == found["tasks"][1]


def test_limit_shows_the_last_runs_and_knows_them_all():
    kept(*runs_of(1.0, 2.0, 3.0))
    (task,) = told("tuning.db", "--limit", "2")["tasks"]
    assert (task["total"], [run["run"] for run in task["runs"]]) == (3, [2, 3])
    assert task["runs"][-1]["best_so_far"] == 1.0
    assert task["recommendation"] == told("tuning.db")["tasks"][0]["recommendation"]
    assert "the last 2 of 3 runs" in tune("tuning.db", "--limit", "2").stdout
    assert tune("tuning.db", "--limit", "0").exit_code == 2


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_a_narrow_terminal_keeps_lines_within_it(columns):
    kept(*runs_of(1.0, 2.0, 3.0))
    text = tune("tuning.db", COLUMNS=str(columns)).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert ("CPU s" in text) == (columns >= 96)


def test_nothing_to_choose_and_nothing_that_arrived():
    kept(replace(FIRST, settings={}), replace(FIRST, task="failed", error="ReadError", rows=0))
    first, failed = told("tuning.db")["tasks"]
    assert first["recommendation"]["settings"] == {}
    assert failed["recommendation"] is None
    text = tune("tuning.db", "--plot", "a.svg").stdout
    assert "There is nothing to choose" in text
    assert "No run arrived" in text
    assert "No run arrived" in Path("a.svg").read_text(encoding="utf-8")


def drawing(*arguments):
    done = tune("tuning.db", "--plot", "plot.svg", *arguments)
    assert (done.exit_code, done.stderr) == (0, "Wrote plot.svg\n")
    return ET.parse("plot.svg").getroot()


@pytest.mark.parametrize(
    "costs", [(1.0,), (1.0, 1.0, 1.0), (3.0, 2.0, 2.5), (50.0, 1.0, 2.0), (1e-9, 1e9), (1.0, 1.1)]
)
def test_the_plot_has_a_dot_a_run_inside_its_axes(costs):
    kept(*runs_of(*costs))
    root = drawing()
    dots = list(root.iter(f"{SVG}circle"))
    assert len(dots) == len(costs)
    heights = [float(dot.get("cy")) for dot in dots]
    assert all(92 <= height <= 292 for height in heights)
    # The dearer, the higher up.
    order = sorted(range(len(costs)), key=lambda place: costs[place])
    assert [heights[place] for place in order] == sorted(heights, reverse=True)
    said = [text.text for text in root.iter(f"{SVG}text")]
    assert "µs a row" in said
    assert any(text.startswith("run;") for text in said)
    assert any(text.startswith("best: run ") for text in said)
    scale = [float(text.replace(",", "")) for text in said if _is_number(text)]
    assert len(scale) > len(costs)  # the runs' numbers, and ticks


def _is_number(text):
    try:
        return math.isfinite(float(text.replace(",", "")))
    except ValueError:
        return False


def test_the_plot_has_a_panel_a_task_and_what_failed():
    odd = 'a <b> & "c" 🦆\x00'
    runs = runs_of(1.0, 2.0, pipeline=odd, task="odd")
    kept(*runs_of(*[2.0] * 8), *runs, replace(runs[0], error="StageError"))
    root = drawing("--limit", "1", "--memory", "1MB")
    panels = list(root.iter(f"{SVG}g"))
    assert len([panel for panel in panels if panel.get("transform")]) == 2
    assert len(list(root.iter(f"{SVG}circle"))) == 10  # all of them, whatever the limit
    assert {dot.get("fill") for dot in root.iter(f"{SVG}circle")} == {"#ffffff"}
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert any(title.endswith("; StageError") for title in titles)
    assert 'a <b> & "c" 🦆␀' in titles[0]


def test_a_plot_is_an_svg():
    kept(FIRST)
    done = tune("tuning.db", "--plot", "plot.png")
    assert done.exit_code == 2
    assert "--plot draws an .svg, not 'plot.png'" in done.stderr
    assert not Path("plot.png").exists()
    missing = tune("tuning.db", "--plot", "nowhere/plot.svg")
    assert (missing.exit_code, "Traceback" in missing.stderr) == (1, False)


def wrong_file(name):
    """Make a file that is no history, or none."""
    match name:
        case "text":
            Path("a.db").write_text("no database, and longer than a header of SQLite's is" * 50)
        case "empty":
            Path("a.db").touch()
        case "folder":
            Path("a.db").mkdir()
        case "settings":
            kept(replace(FIRST, settings=[1, 2]), path="a.db")
        case "zero":
            kept(replace(FIRST, settings={"threads": 0}), path="a.db")
        case "numbers":
            kept(replace(FIRST, seconds="long"), path="a.db")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("none", 2, "'a.db' isn't there; a pipeline writes it when it runs with a tuner"),
        ("text", 1, "'a.db' is no tuner's history (DatabaseError: file is not a database)"),
        ("empty", 1, "'a.db' holds no runs; a pipeline writes it"),
        ("folder", 1, "'a.db' is no tuner's history"),
        ("settings", 1, "'a.db' holds runs that no tuner wrote"),
        ("zero", 1, "'a.db' holds runs that no tuner wrote"),
        ("numbers", 1, "'a.db' holds runs that no tuner wrote"),
    ],
)
def test_what_is_no_history_is_said(name, code, said):
    wrong_file(name)
    done = tune("a.db")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stderr.count("\n") == 1


def test_wrong_options_are_said():
    kept(FIRST)
    done = tune("tuning.db", "--pipeline", "order")
    assert done.exit_code == 2
    assert "no run of 'order' in 'tuning.db'; did you mean 'orders'? There are: orders" in (
        done.stderr
    )
    assert "memory is a size such as '2GB', not 'much'" in tune("tuning.db", "--memory=much").stderr
    assert tune("tuning.db", "--target", "speed").exit_code == 2
    assert "'tuning.db' is none" in tune("tuning.db", "--profile", "prod").stderr
    Path("plain.yaml").write_text(CONFIG.replace("tuner: {history: tuning.db, target: memory}", ""))
    done = tune("plain.yaml")
    assert (done.exit_code, "plain.yaml: no tuner; add one with" in done.stderr) == (2, True)


def test_help_teaches():
    text = tune("--help").stdout
    for words in ("arrowetl tune tuning.db", "--plot", "settings: {tuner: {history:", "--limit"):
        assert words in text


def test_a_configuration_with_a_tuner_is_right_and_runs():
    assert CliRunner().invoke(main, ["validate", "small.yaml"]).exit_code == 0
    read_config("small.yaml").pipeline(progress=False).run()
    (ran,) = History("tuning.db").runs()
    assert (ran.pipeline, ran.way, ran.rows) == ("small", "usual", 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{history: a.db, targte: memory}", "tuner has no 'targte'; did you mean 'target'"),
        ("{history: a.db, target: memroy}", "no target 'memroy'; did you mean 'memory'?"),
        ("{target: memory}", "tuner has no history"),
        ("{history: a.db, memory: much}", "memory is a size such as '2GB', not 'much'"),
    ],
)
def test_wrong_options_of_a_tuner_are_said_with_their_line(options, said):
    Path("small.yaml").write_text(CONFIG.replace("{history: tuning.db, target: memory}", options))
    with pytest.raises(ConfigFileError) as caught:
        read_config("small.yaml")
    (problem,) = caught.value.problems
    assert problem.key == "settings"
    assert problem.line in {1, 2}
    assert said in str(problem)
    assert tune("small.yaml").exit_code == 2


def test_knobs_have_the_values_that_were_tried():
    first, second = runs_of(1.0, 2.0)
    third = replace(second, settings={"batch_rows": 2048, "threads": 1})
    batch, threads = knobs_tried([first, second, third])
    assert (batch.values, batch.usual) == ((1024, 2048), 1024)
    assert (threads.values, threads.usual) == ((1, 2), 2)
    batch, _ = knobs_tried([second, third, replace(first, way="explore")])
    assert batch.usual == 2048  # no run had the usual: the most common


def test_a_summary_is_saved_by_its_ending(tmp_path):
    kept(*runs_of(2.0, 1.0))
    found = summary_of(ae.AutoTuner("tuning.db"))
    found.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == told("tuning.db")
    found.save(tmp_path / "a.svg")
    ET.parse(tmp_path / "a.svg")
    with pytest.raises(ae.ConfigError, match=r"saved as \.svg"):
        found.save("a.png")
    assert "Recommended" in str(found)
