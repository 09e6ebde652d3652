"""The traps that DuckDB's users met between it and Python: none may hang, abort or leak here."""

import faulthandler
import random
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from engine.harness import Batches, Each, Query, Relation, execute, keep, planned

from arrowetl.engines.local import LocalRun, Settings
from arrowetl.errors import StageError
from arrowetl.reliability.deadletters import Rejects, RunFacts
from arrowetl.stage import Rows, Source, Stage

HANG_SECONDS = 120
NUMBERS = Relation("SELECT range AS x FROM range(200_000)")


@pytest.fixture(autouse=True)
def no_hang():
    """A hang ends the whole run, with every thread's stack."""
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


class BoomError(Exception):
    pass


class Fails(Stage):
    """Pass batches on; raise before the one with number `at`."""

    rows = Rows.SAME

    def __init__(self, at):
        self.at = at

    def bind(self, schema):
        return schema

    def process(self, batches):
        for number, batch in enumerate(batches):
            if number == self.at:
                raise BoomError(f"at {number}")
            yield batch


@pytest.mark.parametrize("at", [0, 1, 7])
def test_an_exception_in_a_python_stage_arrives_as_itself(at):
    with pytest.raises(BoomError, match=f"at {at}") as raised:
        execute(NUMBERS, keep("x >= 0"), Fails(at), keep("x >= 0"), batch_size=1000)
    assert raised.value.__notes__ == ["raised in Fails (transform 2)"]


def test_an_exception_in_a_source_arrives_as_itself():
    class Broken(Source):
        def schema(self):
            return pa.schema({"x": pa.int64()})

        def scan(self, *, columns=None, batch_size=1):
            yield pa.record_batch({"x": [1]})
            raise BoomError("gone")

    with pytest.raises(BoomError, match="gone"):
        execute(Broken(), keep("x > 0"))


def test_an_error_of_duckdb_names_the_stage():
    with pytest.raises(StageError, match=r"Query\[2\].*Could not convert string 'n1'"):
        execute(
            Relation("SELECT 'n' || range AS name FROM range(10)"),
            keep("name <> 'n0'"),
            Query("SELECT name::INT AS n FROM input", Rows.SAME),
        )


def test_many_failing_chains_under_thread_churn():
    wrong = []

    def churn(seed):
        numbers = random.Random(seed)
        for _ in range(40):
            at = numbers.randrange(12)
            try:
                execute(NUMBERS, keep("x % 3 > 0"), Fails(at), keep("x > 5"), batch_size=20_000)
                ended = None
            except BoomError as error:
                ended = str(error)
            if ended != (f"at {at}" if at < 7 else None):
                wrong.append((at, ended))

    threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def test_an_abandoned_stream_closes_what_feeds_it(tmp_path):
    closed, there = [], set(threading.enumerate())

    class Endless(Source):
        def schema(self):
            return pa.schema({"x": pa.int64()})

        def scan(self, *, columns=None, batch_size=1):
            try:
                while True:
                    yield pa.record_batch({"x": list(range(1000))})
            finally:
                closed.append("source")

    class Passes(Stage):
        def process(self, batches):
            try:
                yield from batches
            finally:
                closed.append("stage")

    plan = planned(Endless(), keep("x > 1"), Passes(), keep("x > 2"))
    closed.clear()
    rejects = Rejects(RunFacts("r", "p", None), tmp_path, keep=False)
    with LocalRun(plan, Settings(1000), tmp_path, rejects) as run:
        assert next(iter(run.reader())).num_rows > 0
    assert sorted(closed) == ["source", "stage"]
    # Python makes a dummy of each of DuckDB's threads that has ever called it, and keeps it.
    more = set(threading.enumerate()) - there
    assert [each.name for each in more if not each.name.startswith("Dummy-")] == []


def test_a_slow_reader_holds_the_source_back():
    pulled = []

    class Counting(Source):
        def schema(self):
            return pa.schema({"x": pa.int64()})

        def scan(self, *, columns=None, batch_size=1):
            for number in range(10_000):
                pulled.append(number)
                yield pa.record_batch({"x": list(range(1000))})

    plan = planned(Counting(), Each(lambda batch: batch))
    pulled.clear()
    with LocalRun(
        plan, Settings(1000), Path(), Rejects(RunFacts("r", "p", None), Path(), False)
    ) as run:
        reader = iter(run.reader())
        for _ in range(3):
            next(reader)
    assert len(pulled) <= 4


def test_two_chains_at_once_do_not_meet():
    results = {}

    def run(number):
        table = pa.table({"x": [number] * 50_000})
        results[number] = set(execute(Batches(table), keep("x >= 0")).table["x"].to_pylist())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert results == {number: {number} for number in range(6)}


SCRIPT = """
import pyarrow as pa, sys
import arrowetl as ae
endless = (pa.record_batch({"x": list(range(1000))}) for _ in iter(int, 1))
source = ae.ArrowSource(pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), endless))
pipeline = ae.Pipeline().extract(source).transform("SELECT x + 1 AS x FROM input")
"""


def run_script(body, **options):
    code = SCRIPT + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        **options,
    )


def test_the_interpreter_exits_in_the_middle_of_a_stream(tmp_path):
    ended = run_script(
        "reader = pipeline.reader(); next(iter(reader)); print('leaving')",
        env={"TMPDIR": str(tmp_path), "PATH": ""},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "leaving\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_interpreter_exits_on_an_exception_in_the_middle_of_a_stream(tmp_path):
    ended = run_script(
        "reader = pipeline.reader(); next(iter(reader)); raise SystemExit(7)",
        env={"TMPDIR": str(tmp_path), "PATH": ""},
    )
    assert (ended.returncode, ended.stderr) == (7, "")
    assert list(tmp_path.iterdir()) == []


ENDLESS = """
import arrowetl as ae, pyarrow as pa, sys, time
def batches():
    while True:
        time.sleep(0.01)
        yield pa.record_batch({"id": [1]})
source = ae.ArrowSource((pa.schema({"id": pa.int64()}), batches()))
(ae.Pipeline().extract(source).transform(lambda batch: batch)
 .load(ae.CSVLoader(sys.argv[1], mode="replace")).run())
"""


def test_a_run_ended_while_it_is_planned_leaves_nothing(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path / "out.csv.gz")], env={"TMPDIR": str(scratch)}
    )
    while not any(scratch.glob("arrowetl-*")):  # what Python tries the folder with comes first
        time.sleep(0.001)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert [*scratch.iterdir(), *tmp_path.iterdir()] == [scratch]


BLOCKED = """
import arrowetl as ae, pyarrow as pa, sys
ae.Pipeline().extract(ae.ArrowSource(pa.table({"x": range(100_000)}))).transform(
    "SELECT count(*) AS n FROM input a, input b WHERE a.x * b.x = -1"
).load(ae.ParquetLoader(sys.argv[1])).run()
"""


ENCODING = """
import arrowetl as ae, numpy as np, pyarrow as pa, sys, time
from arrowetl.ml.encoders import Encoder
from arrowetl.stopping import check

class Slow(Encoder):
    name, dimension = "slow", 2

    def encode(self, texts):
        for _ in range(600):
            check()
            time.sleep(0.1)
        return np.eye(2, dtype=np.float32)[np.zeros(len(texts), int)]

same = ae.Deduplicator(on="x", method="fuzzy", similarity="embedding", model=Slow())
ae.Pipeline().extract(ae.ArrowSource(pa.table({"x": ["a", "b"]}))).transform(same).load(
    ae.ParquetLoader(sys.argv[1])
).run()
"""
FITTING = """
import arrowetl as ae, numpy as np, pyarrow as pa, sklearn.ensemble, sys
rows = pa.table({"x": np.arange(20_000.0), "y": np.arange(20_000.0) % 7})
odd = ae.AnomalyDetector(method="isolation_forest", trees=20_000, max_samples=20_000)
ae.Pipeline().extract(ae.ArrowSource(rows)).transform(odd).load(ae.ParquetLoader(sys.argv[1])).run()
"""


@pytest.mark.parametrize(
    ("program", "sent", "code"),
    [
        (BLOCKED, "SIGINT", 130),
        (BLOCKED, "SIGTERM", 143),
        (ENCODING, "SIGINT", 130),
        (FITTING, "SIGTERM", 143),
    ],
    ids=["query-int", "query-term", "encoding", "fitting"],
)
def test_what_takes_long_is_stopped_at_once_and_leaves_nothing(tmp_path, program, sent, code):
    import signal

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out.parquet")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(scratch)},
    )
    while not any(scratch.iterdir()):
        time.sleep(0.01)
    time.sleep(1.5)
    process.send_signal(getattr(signal, sent))
    started = time.perf_counter()
    process.communicate(timeout=30)
    assert time.perf_counter() - started < 5
    # A KeyboardInterrupt that nobody catches ends Python by the signal itself.
    assert process.returncode in {code, -2}
    assert list(tmp_path.iterdir()) == [scratch]
    assert list(scratch.iterdir()) == []
