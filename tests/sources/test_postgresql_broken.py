"""A server that goes away while it is read: an error that may be tried again, never fewer rows."""

import signal
import socket
import threading
from itertools import repeat

import pytest

import arrowetl as ae
from arrowetl.postgres.connection import Server
from tests.cutting_proxy import Passing
from tests.postgres_server import PASSWORD, execute, postgres, start

LONG = "SELECT x, repeat('y', 2000) AS y FROM generate_series(1, 20000) x"
LONGER = LONG.replace("20000", "100000")
OPTIONS = [{}, {"partition_column": "x", "partitions": 3}]


@pytest.fixture(scope="module")
def uri():
    with postgres().database() as uri:
        yield uri


def through(uri, passing):
    return uri.replace(f":{postgres().port}/", f":{passing.port}/")


@pytest.mark.parametrize("options", OPTIONS, ids=["one", "ranges"])
def test_a_session_that_is_ended_is_an_error_to_try_again(uri, options):
    batches = ae.PostgreSQLSource(uri=uri, query=LONGER, **options).scan(batch_size=100)
    next(batches)
    execute(
        uri,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(ae.ReadError) as raised:
        for _ in batches:
            pass
    assert isinstance(raised.value, ae.Transient)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("after", [60_000, 1_000_000, 20_000_000])
def test_a_cut_connection_is_never_a_shorter_table(uri, after):
    passing = Passing(postgres().uri.replace("postgresql", "http"), [None, after])
    try:
        source = ae.PostgreSQLSource(uri=through(uri, passing), query=LONG)
        with pytest.raises(ae.ReadError) as raised:
            sum(batch.num_rows for batch in source.scan())
        assert isinstance(raised.value, ae.Transient)
        assert "server closed the connection unexpectedly" in str(raised.value)
        assert sum(batch.num_rows for batch in source.scan()) == 20_000
    finally:
        passing.stop()


@pytest.mark.parametrize("kind", [signal.SIGQUIT, signal.SIGINT])
def test_a_server_that_crashes_or_stops(kind):
    server = start()
    try:
        execute(server.uri, f"CREATE TABLE t AS {LONG}")
        source = ae.PostgreSQLSource(uri=server.uri, table="t", query=None)
        batches = source.scan(batch_size=100)
        next(batches)
        server.process.send_signal(kind)
        with pytest.raises(ae.ReadError) as raised:
            for _ in batches:
                pass
        assert isinstance(raised.value, ae.Transient)
        server.process.wait(20)
        with pytest.raises(ae.ReadError, match="are host and port right") as raised:
            source.schema()
        assert isinstance(raised.value, ae.Transient)
    finally:
        server.stop()


def test_a_run_that_loses_its_server_puts_nothing(uri, tmp_path):
    # Connections that only ask for the schema get less than that.
    passing = Passing(postgres().uri.replace("postgresql", "http"), repeat(2_000_000))
    try:
        pipeline = ae.Pipeline(progress=False)
        pipeline.extract(ae.PostgreSQLSource(uri=through(uri, passing), query=LONG))
        with pytest.raises(ae.ReadError) as raised:
            pipeline.load(ae.ParquetLoader(tmp_path / "out.parquet")).run()
        assert isinstance(raised.value, ae.Transient)
        assert list(tmp_path.iterdir()) == []
    finally:
        passing.stop()


def test_a_timeout_of_the_server_is_not_tried_again(uri):
    options = {"options": "-c statement_timeout=200"}
    source = ae.PostgreSQLSource(uri=uri, query="SELECT pg_sleep(5)::text AS x", libpq=options)
    with pytest.raises(ae.ReadError, match="statement timeout") as raised:
        source.reader().read_all()
    assert not isinstance(raised.value, ae.Transient)


def test_a_server_that_says_nothing_is_given_up():
    """A port that takes connections and never answers, as a dead proxy's does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(
            host="127.0.0.1", port=listener.getsockname()[1], user="x", libpq={"connect_timeout": 2}
        )
        with (
            pytest.raises(ae.ReadError, match="timeout expired") as raised,
            server.connect(where="x"),
        ):
            pass
        assert isinstance(raised.value, ae.Transient)


def test_a_lost_range_ends_the_others(uri):
    threads = threading.active_count()
    query = LONG.replace(
        "repeat",
        "CASE WHEN x = 15000 THEN pg_terminate_backend(pg_backend_pid())::text END || repeat",
    )
    source = ae.PostgreSQLSource(uri=uri, query=query, partition_column="x", partitions=4)
    with pytest.raises(ae.ReadError) as raised:
        for _ in source.scan():
            pass
    assert isinstance(raised.value, ae.Transient)
    assert threading.active_count() == threads
