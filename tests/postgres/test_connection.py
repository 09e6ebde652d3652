"""Connections: by URI, parameters, variables and files; what is wrong is said, without secrets."""

import pickle
import traceback
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.postgres.connection import Server
from arrowetl.postgres.secrets import ConnectionString
from tests.postgres_server import PASSWORD, execute, postgres, start


@pytest.fixture(scope="module")
def server():
    return postgres()


@pytest.fixture(scope="module")
def uri(server):
    with server.database() as uri:
        yield uri


def ask(server, query="SELECT current_user::text"):
    with (
        server.connect(where="here") as connection,
        server.translated("here", ae.ReadError),
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchone()[0]


def refused(server, kind=ae.ReadError):
    with pytest.raises(kind) as raised:
        ask(server)
    said = "".join(traceback.format_exception(raised.value))
    assert "s3cr3t" not in said
    assert "wrong one" not in said
    assert str(raised.value).startswith("here: ")
    return raised.value


def parts(server):
    return {"host": server.host, "port": server.port, "user": "postgres", "password": PASSWORD}


def test_each_way_to_say_where(server, uri, tmp_path, monkeypatch):
    database = uri.rpartition("/")[2]
    words = f"host={server.host} port={server.port} user=postgres dbname={database}"
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    ways = [
        Server(uri=uri),
        Server(uri=f"{uri}?application_name=me"),
        Server(uri=f"{words} password='{escaped}'"),
        Server(uri=words, password=PASSWORD),
        Server(**parts(server), database=database),
        Server(uri=server.uri, database=database),
    ]
    query = "SELECT current_database()::text"
    assert [ask(way, query) for way in ways] == [database] * len(ways)
    assert {way.place for way in ways} == {f"{server.host}:{server.port}/{database}"}

    for name, value in {"HOST": server.host, "PORT": server.port, "USER": "postgres"}.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGDATABASE", database)
    assert ask(Server(), query) == database
    assert Server().place == f"{server.host}/{database}"

    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.delenv("PGDATABASE")
    passes = tmp_path / "passes"
    passes.write_text("*:*:*:postgres:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:"))
    passes.chmod(0o600)
    assert ask(Server(database=database, libpq={"passfile": str(passes)}), query) == database

    services = tmp_path / "services"
    services.write_text(f"[shop]\ndbname={database}\npassfile={passes}\nhost={server.host}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert ask(Server(service="shop"), query) == database
    assert Server(service="shop", host=None).place


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"port": 1}, ae.ReadError, "are host and port right?"),
        ({"password": "wrong one"}, ae.ReadError, "check user= and password="),
        ({"password": ""}, ae.ReadError, "give password=, set PGPASSWORD"),
        ({"user": "nobody"}, ae.ReadError, "check user= and password="),
        ({"database": "postgrse"}, ae.ReadError, "did you mean 'postgres'?"),
        ({"host": "no.such.host.invalid"}, ae.ReadError, "is the host right?"),
        ({"host": "/no/such/folder"}, ae.ReadError, "nothing listens on that socket"),
        ({"libpq": {"sslmode": "require"}}, ae.ReadError, "the server speaks no TLS"),
        ({"libpq": {"sslmode": "rather"}}, ae.ConfigError, "invalid sslmode value"),
        ({"libpq": {"ssl_mode": "require"}}, ae.ConfigError, "ssl_mode"),
        ({"libpq": {"connect_timeout": "soon"}}, ae.ConfigError, "connect_timeout"),
        ({"service": "shpo"}, ae.ReadError, "~/.pg_service.conf"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(server, change, kind, said):
    assert said in str(refused(Server(**parts(server) | {"database": "postgres"} | change), kind))


def test_only_what_may_pass_is_tried_again(server):
    assert isinstance(refused(Server(**parts(server) | {"port": 1})), ae.Transient)
    for change in (
        {"password": "wrong one"},
        {"database": "none"},
        {"libpq": {"sslmode": "require"}},
    ):
        assert not isinstance(refused(Server(**parts(server) | change)), ae.Transient)


def test_a_server_that_lets_nobody_in():
    access = "host all postgres all scram-sha-256\n"
    own = start(access=access)
    try:
        execute(own.uri, "CREATE ROLE ann LOGIN PASSWORD 'x'", "CREATE ROLE crew")
        error = refused(Server(uri=own.at("postgres", user="ann", password="wrong one")))
        assert "pg_hba.conf doesn't let this user in" in str(error)
    finally:
        own.stop()


def test_a_server_with_no_place_left(tmp_path):
    own = start(
        settings=[
            "max_connections=4",
            "superuser_reserved_connections=0",
            "reserved_connections=0",
            "max_wal_senders=0",
        ]
    )
    try:
        with (
            Server(uri=own.uri).connect(where="1"),
            Server(uri=own.uri).connect(where="2"),
            Server(uri=own.uri).connect(where="3"),
            Server(uri=own.uri).connect(where="4"),
        ):
            error = refused(Server(uri=own.uri))
        assert "takes no more connections now" in str(error)
        assert isinstance(error, ae.Transient)
    finally:
        own.stop()


def test_no_permission(server):
    execute(server.uri, "DROP ROLE IF EXISTS limited", "CREATE ROLE limited LOGIN PASSWORD 'pw 1'")
    try:
        with server.database() as uri:
            execute(
                uri, "CREATE TABLE t (id int, secret text)", "GRANT SELECT (id) ON t TO limited"
            )
            place = Server(uri=uri, user="limited", password="pw 1")
            source = ae.PostgreSQLSource(uri=place.uri, user="limited", password="pw 1", table="t")
            with pytest.raises(
                ae.ReadError, match=r"permission denied for table t \(ask the owner"
            ):
                source.reader().read_all()
            findings = list(source.diagnose())
            assert [each.works for each in findings] == [True, True, False]
            assert "GRANT" in findings[-1].detail
            some = ae.PostgreSQLSource(
                uri=place.uri, user="limited", password="pw 1", table="t", columns=["id"]
            )
            assert some.reader().read_all().num_rows == 0
            assert [each.works for each in some.diagnose()] == [True, True, True]
    finally:
        execute(server.uri, "DROP ROLE limited")


def test_a_missing_driver_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    with pytest.raises(ae.ConfigError, match=r"pip install 'arrowetl\[postgres\]'"):
        ask(Server())


def test_a_session_is_the_same_everywhere(uri):
    own = Server(uri=uri, libpq={"options": "-c TimeZone=Asia/Tokyo -c DateStyle=German"})
    shown = "current_setting('TimeZone') || current_setting('DateStyle') || "
    assert ask(own, f"SELECT {shown} current_setting('client_encoding')") == "UTCISO, YMDUTF8"
    assert ask(own, "SELECT current_setting('application_name')") == "arrowetl"
    named = Server(uri=f"{uri}?application_name=mine")
    assert ask(named, "SELECT current_setting('application_name')") == "mine"


def test_a_value():
    one = Server(
        uri="postgresql://ann:hunter2@db/shop", libpq={"sslmode": "require", "passfile": "x"}
    )
    two = Server(uri=one.uri, libpq=[("sslmode", "require"), ("passfile", "x")])
    assert (one, hash(one)) == (two, hash(two))
    assert pickle.loads(pickle.dumps(one)) == one
    assert pickle.loads(pickle.dumps(one)).conninfo() == one.conninfo()
    assert "hunter2" in one.conninfo()
    assert "hunter2" not in repr(pickle.loads(pickle.dumps(one)))
    assert Server(libpq={"sslpassword": "hunter2"}).secrets == ("hunter2",)
    assert "hunter2" not in repr(Server(libpq={"sslpassword": "hunter2"}, password="hunter2"))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://a:hunter2@db:1,db2:2/x?sslmode=require", "a:***@db:1,db2:2/x"),
        ("postgresql://a@db/x?password=hunter2&user=b", "a@db/x?password=***&user=b"),
        ("postgresql:///x?host=/tmp&password=hunter2", "/x?host=/tmp&password=***"),
        ("postgres://[::1]:5/x?sslpassword=hunter2", "[::1]:5/x?sslpassword=***"),
        ("host=db password = 'hunter2' user=a", "host=db password = *** user=a"),
        ("password=hunter2\\ more host=db", "password=*** host=db"),
    ],
)
def test_strings_are_shown_without_their_passwords(given, shown):
    assert shown in repr(ConnectionString(given))
    assert "hunter2" not in repr(Server(uri=given))
    assert "hunter2" in "".join(Server(uri=given).secrets)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://a:hunter2/x@db/shop",
        "postgresql://a:hunter2?@db/shop",
        "postgresql://a:p@hunter2@db/shop",
        "postgresql://a:hunter2#x@db/shop",
        "https://a:hunter2@db/shop",
    ],
)
def test_strings_whose_password_cannot_be_told_are_refused_unseen(uri):
    with pytest.raises(ae.ConfigError, match="as %XX") as raised:
        Server(uri=uri)
    assert "hunter2" not in str(raised.value)


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=4))
@example("0://")
def test_no_password_is_ever_shown(password):
    secret = f"{password}hunter2"
    for server in (
        Server(uri=f"postgresql://ann:{quote(secret, safe='')}@db/shop"),
        Server(uri="postgresql://ann@db/shop", password=secret),
        Server(uri="host=db password='{}'".format(secret.replace("\\", r"\\").replace("'", r"\'"))),
    ):
        for text in (repr(server), server.place):
            assert "hunter2" not in text
        assert secret in server.secrets
