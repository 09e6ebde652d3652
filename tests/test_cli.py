"""The command line: what it prints where, and with which code it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from arrowetl.cli import main

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
GOOD = """\
source: {type: csv, path: in.csv}
transforms: [filter: x > 1]
load: {type: parquet, path: out.parquet, mode: replace}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder with a configuration that runs, and its input."""
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("x,y\n1,a\n2,b\n3,c\n")
    Path("good.yaml").write_text(GOOD)
    return tmp_path


def arrowetl(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def command(*arguments):
    return [sys.executable, "-m", "arrowetl", *map(str, arguments)]


def process(*arguments, **environ):
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environ,
    )


def test_run_loads_the_rows_and_prints_the_result():
    done = process("run", "good.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 rows in" in done.stdout
    assert "2 loaded" in done.stdout
    assert Path("out.parquet").exists()


def test_run_as_json_prints_nothing_else():
    done = process("run", "good.yaml", "--output", "json")
    result = json.loads(done.stdout)
    assert (result["records_extracted"], result["records_loaded"]) == (3, 2)
    assert result["pipeline"] == "good"
    assert done.stderr == ""


def test_run_quietly_prints_nothing():
    done = process("run", "good.yaml", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_run_with_a_profile():
    Path("good.yaml").write_text(GOOD + "profiles: {prod: {load: {path: prod.parquet}}}")
    assert arrowetl("run", "good.yaml", "--profile", "prod").exit_code == 0
    assert Path("prod.parquet").exists()
    assert not Path("out.parquet").exists()


def test_explain_reads_no_row_and_writes_nothing():
    done = arrowetl("explain", "good.yaml")
    assert done.exit_code == 0
    assert "CSVSource('in.csv')" in done.stdout
    assert "WHERE" in done.stdout
    assert not Path("out.parquet").exists()


def test_explain_as_json():
    plan = json.loads(arrowetl("explain", "good.yaml", "--output", "json").stdout)["plan"]
    assert isinstance(plan, dict)


def test_explain_analyze_runs_and_counts():
    text = arrowetl("explain", "good.yaml", "--analyze").stdout
    assert "CSVSource('in.csv')" in text
    assert Path("out.parquet").exists()
    both = json.loads(arrowetl("explain", "good.yaml", "--analyze", "--output", "json").stdout)
    assert both["result"]["records_loaded"] == 2


def test_preview_shows_rows_and_writes_nothing():
    done = arrowetl("preview", "good.yaml", "--limit", "1", "--output", "json")
    assert json.loads(done.stdout) == [{"x": 2, "y": "b"}]
    text = arrowetl("preview", "good.yaml").stdout
    assert "int64" in text
    assert "│ 3" in text
    assert not Path("out.parquet").exists()


def test_preview_in_a_pipe_cuts_no_value(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("in.csv").write_text("x," + ",".join(f"long_name_{n}" for n in range(30)) + "\n")
    with Path("in.csv").open("a") as file:
        file.write("5," + ",".join("long value" for _ in range(30)) + "\n")
    text = arrowetl("preview", "good.yaml").stdout
    assert text.count("long value") == 30
    assert "long_name_29" in text


def test_validate_says_all_that_is_wrong():
    Path("bad.yaml").write_text(GOOD.replace("path: in.csv", "pth: in.csv") + "lod: 1\n")
    done = arrowetl("validate", "good.yaml", "bad.yaml", "gone.yaml")
    assert done.exit_code == 2
    assert done.stderr == "good.yaml: all right\n"
    lines = done.stdout.splitlines()
    assert lines[0] == "bad.yaml:1: source.path: missing; csv needs it"
    assert lines[1].startswith("bad.yaml:1: source.pth: unknown option; did you mean 'path'?")
    assert lines[2].startswith("bad.yaml:4: lod: unknown option; did you mean 'load'?")
    assert lines[3] == "gone.yaml: can't be read: No such file or directory"


def test_validate_as_json_gives_a_list():
    assert json.loads(arrowetl("validate", "good.yaml", "--output", "json").stdout) == []
    Path("bad.yaml").write_text(GOOD + "lod: 1\n")
    done = arrowetl("validate", "bad.yaml", "--output", "json")
    (problem,) = json.loads(done.stdout)
    assert done.exit_code == 2
    assert (problem["file"], problem["line"], problem["key"]) == ("bad.yaml", 4, "lod")
    assert problem["nearest"] == ["load"]


def test_validate_touches_nothing_that_the_file_names():
    Path("in.csv").unlink()
    assert arrowetl("validate", "good.yaml").exit_code == 0


def test_schema_is_json():
    assert json.loads(arrowetl("schema").stdout)["title"] == "arrowetl pipeline"


def test_a_wrong_configuration_ends_with_2():
    Path("bad.yaml").write_text(GOOD + "lod: 1\nnaem: 2\n")
    done = process("run", "bad.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: 2 problems\nbad.yaml:4: lod: unknown option")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Error: Missing argument 'FILE'."),
        (["ran", "x"], "Error: No such command 'ran'."),
        (["preview", "good.yaml", "--limit", "0"], "Error: Invalid value for '--limit'"),
        (["run", "gone.yaml"], "Error: gone.yaml: can't be read: No such file or directory"),
        (["run", "good.yaml", "--profile", "p"], "Error: good.yaml:1: profiles: no profile 'p'"),
    ],
)
def test_wrong_usage_ends_with_2(arguments, said):
    done = arrowetl(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_failed_run_ends_with_1_and_no_trace():
    Path("in.csv").unlink()
    done = process("run", "good.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "in.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in process("run", "good.yaml", "--debug").stderr


def test_a_misspelt_column_ends_with_1_and_the_nearest():
    Path("good.yaml").write_text(GOOD.replace("x > 1", "yy > 'a'"))
    done = arrowetl("run", "good.yaml")
    assert done.exit_code == 1
    assert "Filter: no column 'yy'; did you mean 'y'?" in done.stderr


def test_too_many_rejections_end_with_3():
    Path("in.csv").write_text("x,y\n1,a\n2,b\n3,c,d,e\n4,d\n")
    Path("good.yaml").write_text(GOOD + "settings: {max_rejects: 0}\n")
    done = process("run", "good.yaml")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: ")
    assert not Path("out.parquet").exists()


def test_rejected_rows_without_a_place_are_pointed_out():
    Path("in.csv").write_text("x,y\n1,a\n2,b\n3,c,d,e\n4,d\n")
    done = process("run", "good.yaml")
    assert done.returncode == 0
    assert done.stderr == "To keep rejected rows, give the file a dead_letters: entry.\n"


def test_values_of_variables_are_not_shown():
    Path("hunter2").mkdir()
    Path("hunter2/in.csv").write_text("x\n5\n")
    Path("good.yaml").write_text(GOOD.replace("in.csv", '"${WHERE}/in.csv"'))
    for arguments in (
        ["explain", "good.yaml"],
        ["explain", "good.yaml", "--output", "json"],
        ["run", "good.yaml"],
        ["run", "good.yaml", "--output", "json"],
    ):
        done = process(*arguments, WHERE="hunter2")
        assert done.returncode == 0
        assert "hunter2" not in done.stdout + done.stderr
    Path("hunter2/in.csv").unlink()
    failed = process("run", "good.yaml", "--debug", WHERE="hunter2")
    assert failed.returncode == 1
    assert "hunter2" not in failed.stderr
    assert "${WHERE}" in failed.stderr


def test_values_of_variables_are_hidden_before_a_table_is_laid_out(monkeypatch):
    """In a cell that is too narrow they would stand in pieces, and what is hidden has a width."""
    secret = Path("/".join(f"acme-{number:04}" for number in range(30)))
    secret.mkdir(parents=True)
    (secret / "in.csv").write_text("x\n5\n")
    Path("good.yaml").write_text(GOOD.replace("in.csv", '"${WHERE}/in.csv"'))
    monkeypatch.setenv("WHERE", str(secret))
    for arguments in (
        ["run", "good.yaml"],
        ["explain", "good.yaml", "--analyze"],
        ["doctor", "good.yaml"],
    ):
        for columns in ("50", "80"):
            monkeypatch.setenv("COLUMNS", columns)
            text = arrowetl(*arguments).stdout
            assert "acme" not in text
            assert {len(line) for line in text.splitlines() if line[:1] in "┏│└"} <= {int(columns)}
    monkeypatch.delenv("COLUMNS")
    assert "acme" not in arrowetl("explain", "good.yaml", "--analyze").stdout


SLOW = """\
import time
import pyarrow as pa
from arrowetl import Source

class Slow(Source):
    def schema(self):
        return pa.schema({"x": pa.int64()})

    def scan(self, *, columns=None, batch_size=0):
        for number in range(1000):
            if number == 3:
                open("started", "w").close()
            time.sleep(0.05)
            yield pa.record_batch({"x": [number]})
"""

# Where tests run in the background SIGINT is ignored, and so it would be in what they start.
UNIGNORED = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from arrowetl.cli import main
main()
"""


@pytest.fixture
def slow():
    """Start a run that takes a minute, with a user's own source from the current folder."""
    Path("slowly.py").write_text(SLOW)
    Path("slow.yaml").write_text(GOOD.replace("{type: csv, path: in.csv}", "{type: slowly:Slow}"))
    with subprocess.Popen(
        [sys.executable, "-c", UNIGNORED, "run", "slow.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        deadline = time.monotonic() + 30
        while not Path("started").exists() and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield running
        running.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_stops_the_run_and_leaves_nothing(slow, number, code, times):
    for _ in range(times):
        slow.send_signal(number)
    stdout, stderr = slow.communicate(timeout=20)
    assert (slow.returncode, stdout) == (code, "")
    assert "Traceback" not in stderr
    assert not list(Path.cwd().glob("*out.parquet*"))


@pytest.mark.parametrize("arguments", [["preview", "good.yaml"], ["schema"]], ids=" ".join)
def test_a_closed_pipe_is_no_error(arguments):
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(timeout=30) == 0


def test_version():
    assert process("--version").stdout.startswith("arrowetl 0.")


def test_help_teaches():
    text = arrowetl("--help").stdout
    for name in main.commands:
        assert f"arrowetl {name}" in text or name == "schema"
    assert "Exit codes" in text


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_an_example(name):
    text = arrowetl(name, "--help").stdout
    assert f"\n  arrowetl {name}" in text  # on a line of its own
    assert "\\b" not in text


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "arrowetl", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    heavy = {"duckdb", "numpy", "orjson", "pandas", "pyarrow", "pydantic", "rich", "yaml"}
    assert not loaded & heavy


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_run(path, here, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OUT", str(here))
    done = process("run", path, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records_loaded"] > 0
