"""Instances of DuckDB: used again where nothing of the last user is left, and only there."""

import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import duckdb
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl import instances
from arrowetl.errors import ConfigError
from arrowetl.instances import SPARE, Instance
from arrowetl.stopping import Stop

ROWS = pa.table({"a": [1, 2, 3]})


@pytest.fixture(autouse=True)
def none_waits():
    instances._close_spare()
    yield
    instances._close_spare()


def run(*stages, **settings):
    pipeline = ae.Pipeline(**settings).extract(ae.ArrowSource(ROWS))
    for stage in stages:
        pipeline = pipeline.transform(stage)
    return pipeline.load(ae.ArrowLoader()).run().result.table


def settings_of(connection):
    rows = connection.sql("SELECT name, value FROM duckdb_settings() WHERE scope = 'GLOBAL'")
    return dict(rows.fetchall())


def test_what_waited_is_as_new():
    with Instance() as connection:
        new = settings_of(connection)
    instances._close_spare()
    # Each in an instance of its own, for nothing waits yet; then both wait.
    with Instance(threads=1, memory_limit="100MB", ordered=False) as one, Instance() as other:
        one.register("rows", ROWS)
        one.execute("CREATE TEMP TABLE kept AS FROM rows; SET VARIABLE x = 7; SET threads = 3")
        other.execute("SET enable_profiling = 'no_output'")
    assert len(instances._spare) == 2
    for _ in range(2):
        instance = Instance()
        with instance as connection:
            assert settings_of(connection) == new
            assert connection.sql("FROM duckdb_tables()").fetchall() == []
            assert connection.sql("FROM duckdb_views() WHERE NOT internal").fetchall() == []
            assert connection.sql("SELECT getvariable('x')").fetchall() == [(None,)]
        instances._spare.popleft().close()


def test_runs_that_end_use_one_again():
    run(ae.Filter("a > 1"))
    (waits,) = instances._spare
    assert run(ae.Filter("a > 2")).num_rows == 1
    assert list(instances._spare) == [waits]


def test_what_waits_has_no_threads(tmp_path):
    """A process that is forked while it waits has none of its parent's threads."""
    script = f"""
        import os, sys
        import pyarrow as pa
        import arrowetl as ae

        def run():
            source = ae.ArrowSource(pa.table({{"a": [1, 2, 3]}}))
            path = f"{tmp_path}/{{os.getpid()}}.parquet"
            loader = ae.ParquetLoader(path, mode="replace")
            ae.Pipeline().extract(source).transform(ae.Filter("a > 1")).load(loader).run()

        run()
        child = os.fork()
        run()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=60, check=False)
    assert done.returncode == 0
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def fails(batch):
    if batch.num_rows:
        raise ValueError(batch.num_rows)
    return batch


def test_a_run_that_failed_leaves_none():
    with pytest.raises(ValueError, match="3"):
        run(ae.Filter("a > 0"), fails)
    assert not instances._spare


def test_a_stream_that_is_left_leaves_none():
    many = ae.ArrowSource(pa.table({"a": range(300_000)}))
    reader = ae.Pipeline(batch_size=10).extract(many).transform("SELECT a + 1 AS b FROM input")
    stream = reader.reader()
    next(stream)
    stream.close()
    assert not instances._spare


def test_what_has_spilled_does_not_wait(tmp_path):
    with Instance(memory_limit="60MB", scratch=tmp_path, threads=1) as connection:
        connection.execute(
            "CREATE TEMP TABLE t AS SELECT i, md5(i::VARCHAR) AS m FROM range(1500000) AS r(i)"
        )
        assert list(tmp_path.iterdir())
    assert not instances._spare


def test_what_has_files_or_memory_does_not_wait(tmp_path):
    path = tmp_path / "a.db"
    ae.Pipeline().extract(ae.ArrowSource(ROWS)).load(ae.DuckDBLoader(path, table="t")).run()
    instances._close_spare()
    with Instance(attached={"a": str(path)}), Instance(kept_memory="10MB"):
        pass
    assert not instances._spare


def test_what_is_wrong_leaves_none():
    with suppress(ZeroDivisionError), Instance():
        raise ZeroDivisionError
    with pytest.raises(ConfigError, match="memory_limit='much'"):
        Instance(memory_limit="much")
    assert not instances._spare


def test_it_can_be_closed_twice():
    one = Instance()
    one.close(done=True)
    with Instance() as connection:
        one.close()
        assert connection.sql("SELECT 1").fetchall() == [(1,)]


def test_runs_side_by_side_have_their_own():
    with ThreadPoolExecutor(8) as pool:
        rows = pool.map(lambda i: run(ae.Filter(f"a > {i % 3}"), threads=1 + i % 2), range(40))
        assert [table.num_rows for table in rows] == [3 - i % 3 for i in range(40)]
    assert len(instances._spare) <= SPARE


def test_a_file_that_changed_is_read_anew(tmp_path):
    path, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for value in range(20):
        rows = ae.ArrowSource(pa.table({"a": [value]}))
        ae.Pipeline().extract(rows).load(ae.ParquetLoader(path, mode="replace")).run()
        pipeline = ae.Pipeline().extract(ae.ParquetSource(path)).transform(ae.Filter("a >= 0"))
        pipeline.load(ae.ParquetLoader(target, mode="replace")).run()
        assert ae.ParquetSource(target).reader().read_all()["a"].to_pylist() == [value]
    assert {each.name for each in tmp_path.iterdir()} == {"a.parquet", "b.parquet"}


def test_a_stages_own_query_ends_when_its_run_does():
    stop = Stop()

    def ask():
        with Instance() as connection:
            connection.execute("SELECT count(*) FROM range(1e6::BIGINT) a, range(1e6::BIGINT) b")

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(stop.during, ask)
        while not asking.done():
            stop.set()
            time.sleep(0.05)
        with pytest.raises(duckdb.InterruptException):
            asking.result()
