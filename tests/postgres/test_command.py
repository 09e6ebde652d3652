"""What a user of `arrowetl run` and `doctor` sees of a server that isn't as the file says."""

import json
import threading
import time

import pytest
from click.testing import CliRunner

from arrowetl.cli import main
from tests.postgres_server import PASSWORD, execute, postgres

ANN = {"user": "ann_of_commands", "password": "pw 1"}


@pytest.fixture(scope="module")
def uri():
    server = postgres()
    role = ANN["user"]
    execute(server.uri, f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD 'pw 1'")
    try:
        with server.database() as uri:
            many = "SELECT i AS id, repeat('x', 500) AS s FROM generate_series(1, 200000) i"
            execute(
                uri,
                f"CREATE TABLE orders AS {many}",
                "CREATE TABLE held (id int)",
                f"GRANT SELECT ON orders TO {role}",
            )
            yield uri
    finally:
        execute(server.uri, f"DROP ROLE {role}")


@pytest.fixture
def file(uri, tmp_path):
    """Give what writes a configuration: how its source and destination differ from good ones."""

    def write(source, load):
        place = {"type": "postgresql", "host": postgres().host, "port": postgres().port}
        place |= {"database": uri.rpartition("/")[2], "user": "postgres", "password": PASSWORD}
        into = place | {"table": "copied", "mode": "replace"} | load
        told = {"source": place | {"table": "orders"} | source, "load": into}
        (tmp_path / "p.yaml").write_text(json.dumps(told))  # JSON is YAML
        return str(tmp_path / "p.yaml")

    return write


def said(*words):
    """Run a command that fails; give what it says, which is no stack trace and no password."""
    ran = CliRunner().invoke(main, list(words))
    assert ran.exit_code == 1
    assert isinstance(ran.exception, SystemExit)
    assert "Traceback" not in ran.output
    assert PASSWORD not in ran.output
    return " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("source", "load", "advice"),
    [
        ({"port": 1}, {}, "is the server running, and are host and port right?"),
        ({"password": "nope"}, {}, "check user= and password="),
        ({"database": "postgrse"}, {}, "did you mean 'postgres'?"),
        ({"table": "ordres"}, {}, "no table or view 'ordres'; did you mean 'orders'?"),
        ({"libpq": {"sslmode": "require"}}, {}, "the server speaks no TLS"),
        (ANN | {"table": "held"}, {}, "ask the owner for the right: GRANT"),
        ({}, {"port": 1}, "is the server running, and are host and port right?"),
        ({}, {"password": "nope"}, "check user= and password="),
        ({}, {"database": "postgrse"}, "did you mean 'postgres'?"),
        ({}, ANN, "ask the owner"),
        ({}, ANN | {"table": "held"}, "ask the owner"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_what_to_do(file, source, load, advice):
    path = file(source, load)
    assert advice in said("doctor", path)
    assert advice in said("run", path)


@pytest.mark.parametrize("ended", ['COPY (SELECT "id"%', 'COPY "public"%'], ids=["read", "load"])
def test_a_server_that_goes_away_in_the_middle(uri, file, ended):
    path, over = file({}, {}), threading.Event()

    def end():
        while not over.is_set():
            execute(
                uri,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                f"pg_backend_pid() AND datname = current_database() AND query LIKE '{ended}'",
            )
            time.sleep(0.01)

    ending = threading.Thread(target=end)
    ending.start()
    try:
        assert "(the server went away; try again)" in said("run", path)
    finally:
        over.set()
        ending.join()
    assert execute(uri, "SELECT to_regclass('copied')::text") == [(None,)]
