"""Where a query's values go: as the server itself reads the query, whatever is in it."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ConfigError
from arrowetl.postgres.parameters import as_text, bind, bound, sql_type, without_end
from tests.postgres_server import postgres


@pytest.fixture(scope="module")
def connection():
    from adbc_driver_postgresql import dbapi

    with closing(dbapi.connect(f"{postgres().uri}?client_encoding=utf8")) as connection:
        yield connection


PIECES = [
    "$1",
    "'",
    '"',
    "$$",
    "$a$",
    "--",
    "\n",
    "/*",
    "*/",
    "E",
    "\\",
    ";",
    "a",
    " ",
    "$",
    "1",
    "é",
]
SCRAPS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def answer(connection, sql, values=(), settings=()):
    """What the server says: the rows, or the SQLSTATE of its error."""
    from adbc_driver_postgresql import dbapi

    bind(connection, settings)
    with closing(connection.cursor()) as cursor:
        try:
            cursor.execute(sql, list(values) or None)
            return cursor.fetchall()
        except dbapi.Error as error:
            return error.sqlstate or "error"
        finally:
            connection.rollback()


NO_PARAMETER = "42P02"


@settings(max_examples=500, deadline=None)
@given(SCRAPS)
def test_the_server_sees_the_places_where_we_do(connection, scraps):
    query = f"SELECT 'x' AS a, {scraps}\n"
    without = answer(connection, query)
    try:
        ours = bound(query, ["it's"], where="")
    except ConfigError:
        assert without != NO_PARAMETER, query
        return
    with_driver = answer(connection, query, ["it's"])
    if without == NO_PARAMETER and not isinstance(with_driver, str):
        assert answer(connection, ours.sql, settings=ours.settings) == with_driver, query
    assert isinstance(without, str), query  # or a `$1` of ours would be text to the server


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    st.binary(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.uuids(),
    st.timedeltas(),
    st.lists(st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
)


@settings(max_examples=120, deadline=None)
@given(VALUES)
def test_a_value_is_what_the_server_reads(connection, value):
    """The server's own text of it is read back as an equal value of the same type."""
    query = bound("SELECT $1 = $1, pg_typeof($1)::text, $1::text", [value], where="")
    ((equal, kind, text),) = answer(connection, query.sql, settings=query.settings)
    assert equal
    same = f"SELECT $1::text::{kind} = $2::text::{kind}"
    assert answer(connection, same, [text, as_text(value)]) == [(True,)]
    assert sql_type(value, where="") in kind or kind in {
        "boolean",
        "bigint",
        "bigint[]",
        "double precision",
        "timestamp without time zone",
        "time without time zone",
    }


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ; -- x\n /* y */ ", "SELECT 1 "),
        ("SELECT ';'", "SELECT ';'"),
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2"),
        ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
        ("SELECT 1 -- ;", "SELECT 1 -- ;"),
        ("SELECT $a$;$a$", "SELECT $a$;$a$"),
        ("", ""),
    ],
)
def test_the_end_of_a_query(query, wanted):
    assert without_end(query) == wanted
