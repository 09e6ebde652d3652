"""A server that goes away, an answer that is lost, a process that is killed: all or nothing."""

import json
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import product
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pytest

import arrowetl as ae
from tests.postgres_server import postgres
from tests.sinks.pg import Database

OLD = pa.table({"id": [1, 2, 3], "city": ["Rome", "Oslo", "Rome"]})
NEW = pa.table({"id": [3, 4, 5], "city": ["Bonn", "Rome", "Oslo"]})
LIST = "SELECT * FROM t ORDER BY 1, 2"


@pytest.fixture(scope="module")
def database():
    with postgres().database() as uri:
        database = Database(uri)
        yield database
        database.close()


@pytest.fixture
def pg(database):
    database.empty()
    return database


def rows_of(table):
    return sorted(zip(*table.to_pydict().values(), strict=True))


def end_others(pg):
    pg.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("moment", ["in the middle", "before the commit"])
def test_a_server_that_ends_the_session_leaves_the_old_rows(pg, mode, moment):
    pg.load(OLD)
    loader = pg.loader(mode=mode, key=["id"] if mode == "upsert" else ())

    def batches():
        yield from NEW.slice(0, 1).to_batches()
        if moment == "in the middle":
            end_others(pg)
        yield from NEW.slice(1).to_batches()

    loader.begin(NEW.schema)
    with pytest.raises(ae.WriteError) as error:  # noqa: PT012 - either may be where it is noticed
        loader.write(pa.RecordBatchReader.from_batches(NEW.schema, batches()))
        end_others(pg)
        loader.commit()
    assert isinstance(error.value, ae.Transient)
    loader.abort()
    assert pg.rows(LIST) == rows_of(OLD)
    pg.load(NEW, mode="replace")
    assert pg.rows(LIST) == rows_of(NEW)


# --- the answer to a COMMIT ---------------------------------------------------------------------


class Proxy:
    """Passes bytes on until a COMMIT, or the answer to one, comes: that is lost with the rest.

    Args:
        port: the server's.
        passes: whether the server gets the COMMIT.
        again: whether whoever connects again gets through.
    """

    def __init__(self, port, *, passes, again):
        self.port, self.passes, self.again = port, passes, again
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.cut = False
        self.threads = []
        self.start(self.accept)

    def start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # closed only, it would go on waiting
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.cut and not self.again:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.port))
            for source, target in ((client, server), (server, client)):
                loses = (source is server) == self.passes
                self.start(self.carry, source, target, loses)

    def carry(self, source, target, loses):
        with suppress(OSError), source, target:
            while data := source.recv(1 << 16):
                if loses and not self.cut and b"COMMIT\0" in data:
                    self.cut = True
                    break
                target.sendall(data)
            for each in (source, target):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(pg, **options):
    place = urlsplit(pg.uri)
    proxy = Proxy(place.port, **options)
    try:
        netloc = place.netloc.replace(f":{place.port}", f":{proxy.listener.getsockname()[1]}")
        yield replace(pg.loader(), uri=urlunsplit(place._replace(netloc=netloc)))
    finally:
        proxy.stop()


def load(loader):
    loader.begin(NEW.schema)
    loader.write(NEW.to_reader())
    loader.commit()


def test_a_commit_whose_answer_is_lost_is_asked_for(pg):
    with proxied(pg, passes=True, again=True) as loader:
        load(loader)
    assert pg.rows(LIST) == rows_of(NEW)


def test_a_commit_that_never_came_may_be_tried_again(pg):
    with proxied(pg, passes=False, again=True) as loader:
        with pytest.raises(ae.WriteError, match="nothing has arrived") as error:
            load(loader)
        loader.abort()
        assert isinstance(error.value, ae.Transient)
        load(loader)
    assert pg.rows(LIST) == rows_of(NEW)


def test_a_commit_that_nobody_can_ask_for_is_said_to_be_unknown(pg):
    with proxied(pg, passes=True, again=False) as loader:
        with pytest.raises(
            ae.WriteError, match="whether the rows have arrived is unknown"
        ) as error:
            load(loader)
        loader.abort()
    assert not isinstance(error.value, ae.Transient)
    assert pg.rows(LIST) == rows_of(NEW)


# --- kill -9 ------------------------------------------------------------------------------------

CHILD = textwrap.dedent(
    """
    import json, os, signal, sys
    import pyarrow as pa
    import arrowetl as ae

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    options, point, rows = json.loads(sys.argv[1])
    table = pa.table(rows)
    loader = ae.PostgreSQLLoader(**options)
    loader.begin(table.schema)

    def batches():
        yield from table.slice(0, 2).to_batches()
        if point == "half written":
            die()
        yield from table.slice(2).to_batches()

    loader.write(pa.RecordBatchReader.from_batches(table.schema, batches()))
    if point == "written":
        die()
    loader.commit()
    die()
    """
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "point"),
    list(product(["append", "replace", "upsert", "error"], ["half written", "written", "done"])),
)
def test_killed_and_run_again(pg, mode, point):
    options = {"mode": mode, **({"key": ["id"]} if mode == "upsert" else {})}
    if mode != "error":
        pg.load(OLD)
    pg.load(NEW, **options)
    after = pg.rows(LIST)
    pg.empty()
    if mode != "error":
        pg.load(OLD)

    job = [{"uri": pg.uri, "table": "t", **options}, point, NEW.to_pydict()]
    died = subprocess.run([sys.executable, "-c", CHILD, json.dumps(job)], check=False)
    assert died.returncode == -9
    there = pg.rows("SELECT to_regclass('t') IS NOT NULL")[0][0]
    seen = pg.rows(LIST) if there else None
    assert seen == (after if point == "done" else rows_of(OLD) if mode != "error" else None)
    if mode in {"replace", "upsert"} or seen != after:
        pg.load(NEW, **options)
    assert pg.rows(LIST) == after
    assert pg.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'arrowetl%'") == [(0,)]
