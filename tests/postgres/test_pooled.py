"""Behind pgbouncer in transaction mode: each transaction may have another session of the server.

There are more clients than sessions, and the database's own settings are odd ones: what is said
outside of its transaction would reach somebody else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.sources import _postgres_lanes, _postgres_read
from tests.postgres_server import execute, free_port, owned, start

OPEN = "host all all 127.0.0.1/32 trust\n"
SETTINGS = """[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/log
"""
ODD = ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'")
CLIENTS = 6


def program():
    # Debian has it where only root looks.
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooling(server):
    """Run a pgbouncer in front of a server; give its port."""
    folder, port = Path(tempfile.mkdtemp(prefix="arrowetl-pool-")), free_port()
    try:
        told = SETTINGS.format(server=server.port, port=port, folder=folder)
        (folder / "settings").write_text(told, encoding="utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program(), folder / "settings"], **quiet, **owned(folder))
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(folder)


def ready(uri):
    for _ in range(200):
        try:
            return execute(uri, "SELECT 1")
        except Exception:  # noqa: BLE001 - it isn't there yet
            time.sleep(0.05)
    raise RuntimeError("pgbouncer didn't start")


@pytest.fixture(scope="module")
def uri():
    if program() is None:
        pytest.skip("no pgbouncer: install your system's")
    server = start(access=OPEN)
    try:
        execute(
            server.uri,
            *(f"ALTER DATABASE postgres SET {each}" for each in ODD),
            "CREATE TABLE days AS SELECT i AS id, '1 day 2 h'::interval AS took, "
            "'2026-01-31 12:00+00'::timestamptz AS at FROM generate_series(1, 20000) i",
        )
        with pooling(server) as port:
            uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            ready(uri)
            yield uri
    finally:
        server.stop()


def texts_read(uri):
    query = "SELECT took::text AS took, at::text AS at, id FROM days"
    rows = ae.PostgreSQLSource(uri=uri, query=query).reader().read_all()
    assert rows.num_rows == 20_000
    return {(row["took"], row["at"]) for row in rows.to_pylist()}


def loaded(uri, client, mode):
    """Load rows of which one is bad, from text that means another day in the odd settings."""
    days = ["2026-02-01"] * 20_000
    days[777] = "no day"
    rows = pa.table({"id": range(20_000), "day": days})
    execute(uri, f"CREATE TABLE IF NOT EXISTS into_{client} (id int PRIMARY KEY, day date)")
    loader = ae.PostgreSQLLoader(
        uri=uri, table=f"into_{client}", mode=mode, key=["id"] if mode == "upsert" else ()
    )
    pipeline = ae.Pipeline(progress=False).extract(ae.ArrowSource(rows)).load(loader).run()
    return pipeline.result.records_loaded, pipeline.result.records_rejected


def work(uri, client):
    for mode in ("append", "replace", "upsert"):
        assert texts_read(uri) == {("1 day 02:00:00", "2026-01-31 12:00:00+00")}
        assert loaded(uri, client, mode) == (19_999, 1)
    return client


def test_more_clients_than_sessions(uri):
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(work, [uri] * CLIENTS, range(CLIENTS))) == [*range(CLIENTS)]


def ranged(uri, *, ordered=True):
    """Give a source of eight ranges, each of more batches than fit into its queue."""
    return ae.PostgreSQLSource(
        uri=uri, table="days", partition_column="id", partitions=8, ordered=ordered
    )


def small_batches(monkeypatch):
    monkeypatch.setattr(_postgres_read, "BATCH_BYTES", 1 << 12)
    monkeypatch.setattr(_postgres_lanes, "PATIENCE", 0.3)


def threads():
    return [each.name for each in threading.enumerate() if each.name == "arrowetl-range"]


@pytest.mark.parametrize("ordered", [True, False])
def test_ranges_take_turns_where_there_are_fewer_sessions(uri, monkeypatch, ordered):
    small_batches(monkeypatch)
    rows = ranged(uri, ordered=ordered).reader().read_all()
    if ordered:
        assert rows["id"].to_pylist() == [*range(1, 20_001)]
    assert sorted(rows["id"].to_pylist()) == [*range(1, 20_001)]
    assert not threads()


@pytest.mark.parametrize("ordered", [True, False])
def test_several_readers_of_ranges_share_too_few_sessions(uri, monkeypatch, ordered):
    small_batches(monkeypatch)
    with ThreadPoolExecutor(3) as pool:  # each has its first session
        jobs = [
            pool.submit(lambda: ranged(uri, ordered=ordered).reader().read_all()) for _ in range(3)
        ]
        assert [sorted(job.result()["id"].to_pylist()) for job in jobs] == [[*range(1, 20_001)]] * 3
    assert not threads()


def test_who_leaves_early_leaves_no_thread_and_no_session(uri, monkeypatch):
    small_batches(monkeypatch)
    for _ in range(5):
        batches = ranged(uri).scan()
        assert next(batches).num_rows
        batches.close()
        assert not threads()
    assert texts_read(uri)


def test_nothing_is_left_in_the_sessions_of_others(uri):
    assert texts_read(uri)
    from adbc_driver_postgresql import dbapi

    shown = "SELECT current_setting('IntervalStyle'), current_setting('synchronize_seqscans')"
    with closing(dbapi.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute(shown)
        assert cursor.fetchall() == [("sql_standard", "on")]
        cursor.execute("SELECT relname::text FROM pg_class WHERE relname LIKE 'arrowetl%'")
        assert cursor.fetchall() == []


def test_doctor(uri):
    rows = pa.schema({"id": pa.int32()})
    source, loader = (
        ae.PostgreSQLSource(uri=uri, table="days"),
        ae.PostgreSQLLoader(uri=uri, table="n"),
    )
    assert all(each.works for each in (*source.diagnose(), *loader.diagnose(rows)))
