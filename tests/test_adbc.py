"""Connections by ADBC: what is open is closed, whatever happens; parameters are what they were."""

import adbc_driver_sqlite
import pytest
from adbc_driver_manager import Error

from arrowetl.adbc import Connection


def connected(**options):
    return Connection(adbc_driver_sqlite.connect(), **options)


def test_closed_is_closed_and_twice_is_no_error():
    connection = connected()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    connection.close()
    connection.close()
    assert cursor.closed


def test_all_is_closed_though_a_part_complains(monkeypatch):
    connection = connected()
    first, second = connection.cursor(), connection.cursor()
    closing = second.close

    def complaining():
        closing()
        raise RuntimeError("it went away")

    monkeypatch.setattr(second, "close", complaining)
    with pytest.raises(RuntimeError, match="it went away"):
        connection.close()
    assert first.closed
    with pytest.raises((Error, RuntimeError)):
        connection.cursor()


@pytest.mark.parametrize(
    "value", ["", "x", "né ☃\0", 0, -(2**63), 2**63 - 1, 1.5, None, b"\x00", True]
)
def test_a_parameter_comes_back(value):
    with connected() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ?1 AS x", [value])
        assert cursor.fetchone() == (value,)


def test_parameters_by_name_and_rows_that_are_none():
    with connected() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT :b - :a", {":a": 1, ":b": 3})
        assert cursor.fetchall() == [(2,)]
    with connected() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 WHERE 0")
        assert cursor.fetchone() is None


def test_what_is_not_committed_is_undone():
    with connected(autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
        connection.commit()
        cursor.execute("INSERT INTO t VALUES (1)")
        connection.rollback()
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(0,)]
