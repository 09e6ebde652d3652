"""PostgreSQLSource: tables, queries, parameters, cursors, ranges; against a real server."""

import datetime as dt
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import closing
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.config import load_config
from arrowetl.testing import SOURCE_CHECKS
from tests.postgres_server import PASSWORD, execute, postgres

ROWS = 20_000


@pytest.fixture(scope="module")
def uri():
    with postgres().database() as uri:
        execute(
            uri,
            "CREATE SCHEMA sales",
            'CREATE TABLE sales."Odd.Name" (a int)',
            'INSERT INTO sales."Odd.Name" VALUES (1), (2)',
            "CREATE TABLE few (id int, city text, paid numeric(9,2), day date)",
            "INSERT INTO few VALUES (1, 'Rome', 1.50, '2026-01-01'), (2, 'Oslo', NULL, NULL), "
            "(3, NULL, 3, '2026-01-03'), (4, 'O''Bonn', 4, '2026-01-04')",
            "CREATE VIEW seen AS SELECT city, id FROM few",
            "CREATE TABLE none (id int, city text)",
            f"""CREATE TABLE many AS SELECT i AS id, CASE WHEN i % 7 <> 0 THEN i % 100 END AS part,
            CASE WHEN i % 5 = 0 THEN 'infinity' ELSE timestamptz '2026-01-01' + i * interval '1h'
            END AS at, date '2026-01-01' + i % 365 AS day, (i / 3.0)::numeric(20,2) AS paid,
            'row ' || i AS name FROM generate_series(1, {ROWS}) i""",
        )
        yield uri


def source(uri, table=None, **options):
    return ae.PostgreSQLSource(uri=uri, table=table, **options)


def rows(source):
    return [tuple(row.values()) for row in source.reader().read_all().to_pylist()]


def test_a_table(uri):
    few = source(uri, "few")
    assert few.schema() == pa.schema(
        {"id": pa.int32(), "city": pa.string(), "paid": pa.decimal128(9, 2), "day": pa.date32()}
    )
    assert rows(few) == [
        (1, "Rome", Decimal("1.50"), dt.date(2026, 1, 1)),
        (2, "Oslo", None, None),
        (3, None, Decimal("3.00"), dt.date(2026, 1, 3)),
        (4, "O'Bonn", Decimal("4.00"), dt.date(2026, 1, 4)),
    ]


def test_a_table_of_another_schema_with_an_odd_name(uri):
    assert rows(source(uri, 'sales."Odd.Name"')) == [(1,), (2,)]


def test_a_view_and_some_columns(uri):
    assert rows(source(uri, "seen", columns=["id"])) == [(1,), (2,), (3,), (4,)]


def test_no_rows(uri):
    assert source(uri, "none").reader().read_all().num_rows == 0


def test_only_the_columns_that_are_used_leave_the_server(uri):
    pipeline = (
        ae.Pipeline(progress=False).extract(source(uri, "few")).transform("SELECT city FROM input")
    )
    assert "city" in str(pipeline.plan())
    (batch,) = source(uri, "few").scan(columns=["city"])
    assert batch.schema.names == ["city"]
    assert pipeline.reader().read_all()["city"].to_pylist() == ["Rome", "Oslo", None, "O'Bonn"]


def test_a_query_keeps_its_order_and_may_end_in_a_semicolon_and_a_comment(uri):
    query = "WITH x AS (SELECT * FROM few) SELECT id FROM x ORDER BY id DESC; -- the end"
    assert rows(source(uri, query=query)) == [(4,), (3,), (2,), (1,)]


PARAMS = [
    (True, "boolean"),
    (-5, "bigint"),
    (2**70, "numeric"),
    (1.5, "double precision"),
    (float("inf"), "double precision"),
    (Decimal("1.50"), "numeric"),
    ("'; DROP TABLE few; --\\ $1 é", "text"),
    ("", "text"),
    (b"\x00'\\", "bytea"),
    (dt.date(2026, 1, 31), "date"),
    (dt.time(12, 0, 0, 5), "time without time zone"),
    (dt.datetime(2026, 1, 31, 1, 2, 3, 4), "timestamp without time zone"),  # noqa: DTZ001
    (dt.datetime(2026, 1, 31, 1, 2, 3, 4, dt.timezone.utc), "timestamp with time zone"),
    (UUID(int=5), "uuid"),
    (dt.timedelta(days=-1, microseconds=5), "interval"),
    (["a,'\"\\{}", None, "NULL", ""], "text[]"),
    ([1, 2, 3], "bigint[]"),
]


@pytest.mark.parametrize(("value", "kind"), PARAMS, ids=[repr(value) for value, _ in PARAMS])
def test_a_parameter_is_bound_with_its_own_type(uri, value, kind):
    query = "SELECT pg_typeof($1)::text AS kind, $1 AS value, '$1' AS text"
    found, back, text = rows(source(uri, query=query, params=[value]))[0]
    assert (found, text) == (kind, "$1")
    if isinstance(value, dt.timedelta):
        assert back == pa.MonthDayNano([0, -1, 5_000])
    elif kind == "numeric":
        assert Decimal(back) == value
    else:
        assert back == value


def test_parameters_where_sql_hides_dollars(uri):
    query = """
    SELECT $1 AS a, E'\\'$1'
    '\\'$1' AS b, $$ $1 $$ AS c, $x$ $$ $1 $x$ AS d, /* $1 /* $2 */ $3 */
    "$1" AS e, a$1 AS f, U&'$1\\0041' AS g -- $4
    FROM (SELECT $2::int AS "$1", 7 AS a$1) t WHERE $2 = 5 AND $3 IS NULL; /* ; */
    """.replace("$3 IS", "($3)::int IS")
    found = rows(source(uri, query=query, params=["x", 5, None]))
    assert found == [("x", "'$1'$1", " $1 ", " $$ $1 ", 5, 7, "$1A")]


@pytest.mark.parametrize(
    ("query", "params", "what"),
    [
        ("SELECT $2", [1], "the query has $2, params has 1 values"),
        ("SELECT $1", [1, 2], "params has a value for $2, the query has no such"),
        ("SELECT '$1'", [1], "params has a value for $1, the query has no such"),
        ("SELECT $1", ["a\0b"], "can't hold a NUL"),
        ("SELECT $1", [{}], "params can't have {}"),
        ("SELECT $1", [[1, "a"]], "a list in params has values of one type"),
        ("SELECT $1", "x", "params is a list of values, not 'x'"),
    ],
)
def test_parameters_that_make_no_sense(query, params, what):
    with pytest.raises(ae.ConfigError) as raised:
        ae.PostgreSQLSource(query=query, params=params)
    assert what in str(raised.value)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "say table= or query="),
        ({"table": "a", "query": "b"}, "say table= or query="),
        ({"table": "a.b.c"}, "table is a name, or schema.name"),
        ({"table": 'a"b'}, "table is a name, or schema.name"),
        ({"table": "a", "port": 70_000}, "port is a number from 1 to 65535"),
        ({"table": "a", "partitions": 0}, "partitions is a number from 1 to 64"),
        ({"table": "a", "initial_value": 3}, "initial_value and end_value need cursor_column="),
        ({"table": "a", "range_end": "close"}, "not 'close'; did you mean 'closed'?"),
        ({"table": "a", "libpq": {"client_encoding": "x"}}, "libpq can't set 'client_encoding'"),
        ({"table": "a", "uri": "http://db/x"}, "uri isn't postgresql://"),
    ],
)
def test_options_that_make_no_sense(options, what):
    with pytest.raises(ae.ConfigError) as raised:
        ae.PostgreSQLSource(**options)
    assert what in str(raised.value)


@pytest.mark.parametrize(
    ("options", "kind", "what"),
    [
        ({"table": "fwe"}, ae.ReadError, "no table or view 'fwe'; did you mean 'few'?"),
        ({"table": "sale.few"}, ae.ReadError, "no table or view 'sale.few'"),
        ({"table": "Odd.Name"}, ae.ReadError, "no table or view 'Odd.Name'"),
        ({"table": "FEW"}, ae.ReadError, "no table or view 'FEW'; did you mean 'few'?"),
        ({"query": "SELECT * FROM feww"}, ae.ReadError, "did you mean 'few'?"),
        (
            {"query": "SELECT 'a\"b' AS x FROM sales.fwe"},
            ae.ReadError,
            "no table, view or sequence 'sales.fwe'",
        ),
        ({"query": "SELECT nextval('feww')"}, ae.ReadError, "sequence 'feww'; did you mean 'few'?"),
        ({"query": "SELECT nme FROM many"}, ae.ReadError, 'column "nme" does not exist'),
        ({"query": "SELEC 1"}, ae.ReadError, 'syntax error at or near "SELEC"'),
        ({"query": "SELECT 1; SELECT 2"}, ae.ReadError, "multiple commands"),
        ({"query": "SELECT 1) q; DROP TABLE few; SELECT (1"}, ae.ReadError, "syntax error"),
        ({"query": "DELETE FROM few RETURNING id"}, ae.ReadError, "a query is a SELECT"),
        ({"query": "SHOW ALL"}, ae.ReadError, "a query is a SELECT"),
        ({"query": "SELECT 1, 2"}, ae.SchemaError, "two columns are called '?column?'"),
        ({"query": "SELECT"}, ae.SchemaError, "there are no columns"),
        ({"table": "few", "columns": ["cty"]}, ae.SchemaError, "did you mean 'city'?"),
        ({"query": "SELECT 1 / (id - 3) AS x FROM few"}, ae.ReadError, "division by zero"),
        (
            {"query": "SELECT id FROM few WHERE day = $1", "params": ["2026-01-01"]},
            ae.ReadError,
            "$1::date makes a date",
        ),
        ({"table": "few", "cursor_column": "cty", "end_value": 1}, ae.SchemaError, "'city'?"),
        ({"table": "few", "partition_column": "ID"}, ae.SchemaError, "did you mean 'id'"),
        ({"table": "few", "partition_column": "city"}, ae.SchemaError, "'city' is text; ranges"),
        (
            {"table": "few", "cursor_column": "id", "initial_value": "one"},
            ae.ReadError,
            'invalid input syntax for type integer: "one"',
        ),
    ],
)
def test_what_is_wrong_is_said(uri, options, kind, what):
    with pytest.raises(kind) as raised:
        source(uri, **options).reader().read_all()
    assert what in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert not isinstance(raised.value, ae.Transient)
    assert execute(uri, "SELECT count(*) FROM few") == [(4,)]


def test_a_reading_can_write_nothing(uri):
    with pytest.raises(ae.ReadError, match="read-only transaction"):
        rows(source(uri, query="SELECT lo_create(0) AS x"))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"initial_value": dt.date(2026, 1, 3)}, [3, 4]),
        ({"initial_value": "2026-01-03", "range_start": "open"}, [4]),
        ({"end_value": dt.date(2026, 1, 3)}, [1]),
        ({"end_value": "2026-01-03", "range_end": "closed"}, [1, 3]),
        ({"initial_value": "2026-01-01", "end_value": "2026-01-04"}, [1, 3]),
        ({"initial_value": dt.datetime(2026, 1, 3, 12)}, [4]),  # noqa: DTZ001
        ({"initial_value": "2026-01-03 00:00:01"}, [4]),
        ({"end_value": dt.datetime(2026, 1, 3, 1, tzinfo=dt.timezone.utc)}, [1, 3]),
        ({"end_value": "2026-01-03 01:00+02"}, [1]),
        ({}, [1, 2, 3, 4]),
    ],
)
def test_a_cursor_column_reads_its_range_alone(uri, options, wanted):
    found = source(uri, "few", cursor_column="day", columns=["id"], **options)
    assert [each for (each,) in rows(found)] == wanted


@pytest.mark.parametrize("end", ["2026-01-03 14:00+02", dt.datetime(2026, 1, 3, 12)])  # noqa: DTZ001
def test_a_moment_and_a_column_without_a_zone(uri, end):
    hours = "generate_series(0, 2) n"
    query = f"SELECT timestamp '2026-01-03 11:00' + n * interval '1 h' AS at FROM {hours}"
    found = source(uri, query=query, cursor_column="at", end_value=end, range_end="closed")
    assert [at.hour for (at,) in rows(found)] == [11, 12]


def test_a_cursor_keeps_its_full_precision(uri):
    query = "SELECT x::numeric(20,6) AS x, $1 AS n FROM generate_series(1, 2, 0.000001) AS g(x)"
    query += " WHERE x < 1.00001"
    options = {"cursor_column": "x", "initial_value": Decimal("1.0000075"), "params": [3]}
    found = rows(source(uri, query=query, **options))
    assert found == [(Decimal("1.000008"), 3), (Decimal("1.000009"), 3)]


def test_a_parameter_and_a_cursor_and_ranges_together(uri):
    found = source(
        uri,
        query="SELECT id, day FROM many WHERE id % $1 = 0",
        params=[2],
        cursor_column="id",
        initial_value=5,
        end_value=15,
        partition_column="day",
        partitions=3,
    )
    assert sorted(each for each, _ in rows(found)) == [6, 8, 10, 12, 14]


@pytest.mark.parametrize(
    ("column", "partitions", "ordered"),
    [
        ("id", 1, False),
        ("id", 3, True),
        ("part", 2, False),
        ("at", 3, False),
        ("day", 5, True),
        ("paid", 4, False),
    ],
)
def test_ranges_have_every_row_once(uri, column, partitions, ordered):
    whole = source(uri, "many", columns=["id"]).reader().read_all()
    found = source(
        uri, "many", partition_column=column, partitions=partitions, ordered=ordered, columns=["id"]
    )
    assert sorted(found.reader().read_all()["id"].to_pylist()) == whole["id"].to_pylist()
    assert rows(found) == rows(found)


def test_ranges_one_after_the_other(uri):
    found = source(uri, "many", partition_column="id", partitions=3, ordered=True, columns=["id"])
    assert [each for (each,) in rows(found)] == list(range(1, ROWS + 1))


@pytest.mark.parametrize("query", ["SELECT 1 AS x WHERE false", "SELECT NULL::int AS x"])
def test_ranges_of_nothing(uri, query):
    found = source(uri, query=query, partition_column="x", partitions=3)
    assert rows(found) == rows(source(uri, query=query))


def test_ranges_of_the_ends_of_a_type(uri):
    query = "SELECT x FROM (VALUES (-9223372036854775808), (9223372036854775807), (0)) v(x)"
    typed = query.replace("SELECT x", "SELECT x::int8 AS x")
    found = source(uri, query=typed, partition_column="x", partitions=4, ordered=True)
    assert rows(found) == [(-(2**63),), (0,), (2**63 - 1,)]


@pytest.mark.parametrize("options", [{}, {"partition_column": "id", "partitions": 3}])
def test_a_reading_sees_one_moment(uri, options):
    execute(uri, "DROP TABLE IF EXISTS moving", "CREATE TABLE moving (id int, pad text)")
    execute(uri, "INSERT INTO moving SELECT i, repeat('x', 2000) FROM generate_series(1, 30000) i")
    batches = source(uri, "moving", **options).scan(columns=["id"], batch_size=100)
    seen = next(batches).num_rows
    execute(uri, "UPDATE moving SET id = id + 1000000", "INSERT INTO moving VALUES (-1, '')")
    with closing(batches):
        rest = [value for batch in batches for value in batch["id"].to_pylist()]
    assert seen + len(rest) == 30_000
    assert all(0 < value <= 30_000 for value in rest)


def sessions(uri):
    found = execute(
        uri,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND application_name = 'arrowetl'",
    )
    return found[0][0]


@pytest.mark.parametrize("options", [{}, {"partition_column": "id", "partitions": 3}])
def test_a_reading_that_is_left_leaves_no_session_and_no_thread(uri, options):
    threads = threading.active_count()
    batches = source(uri, "many", **options).scan(columns=["name"], batch_size=10)
    next(batches)
    assert sessions(uri) >= 1
    batches.close()
    del batches
    gc.collect()
    assert threading.active_count() == threads
    for _ in range(100):
        if not sessions(uri):
            break
        time.sleep(0.05)
    assert not sessions(uri)


@pytest.mark.parametrize("options", [{}, {"partition_column": "x", "partitions": 3}])
def test_an_error_in_the_middle_ends_all_of_it(uri, options):
    query = (
        "SELECT x, 1 / (x - 15000) AS y, repeat('x', 2000) AS z FROM generate_series(1, 20000) x"
    )
    threads = threading.active_count()
    with pytest.raises(ae.ReadError, match="division by zero"):
        for _ in source(uri, query=query, **options).scan():
            pass
    assert threading.active_count() == threads


def test_memory_is_that_of_a_few_batches(uri):
    """200 MB come, in Arrow's memory; the peak is that of batches of 4 MB."""
    query = "SELECT x, repeat('y', 2000) AS y FROM generate_series(1, 100000) x"
    before, peak, total = pa.total_allocated_bytes(), 0, 0
    tracemalloc.start()
    for batch in source(uri, query=query).scan():
        total += batch.nbytes
        peak = max(peak, batch.nbytes, pa.total_allocated_bytes() - before)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20  # no row became a Python object
    tracemalloc.stop()
    assert total > 200_000_000
    assert peak < 32_000_000


def test_a_value_with_its_password_hidden(uri):
    few = source(uri, "few", params=(), columns=["id"])
    assert PASSWORD not in repr(few) + few.label + str(pickle.loads(pickle.dumps(few)))
    assert "s3cr3t" not in repr(few) + few.label
    again = pickle.loads(pickle.dumps(few))
    assert (again, hash(again)) == (few, hash(few))
    assert rows(again) == [(1,), (2,), (3,), (4,)]
    listed = ae.PostgreSQLSource(query="SELECT $1", params=[[1, 2]])
    assert hash(listed) == hash(ae.PostgreSQLSource(query="SELECT $1", params=((1, 2),)))


def test_what_is_explained_and_told_has_no_secret(uri):
    pipeline = ae.Pipeline(progress=False).extract(source(uri, "few")).load(ae.ArrowLoader())
    said = str(pipeline.plan()) + pipeline.run().result.to_json()
    assert "few" in said
    assert "s3cr3t" not in said


def test_doctor_tries_each_step(uri):
    found = list(source(uri, "few").diagnose())
    assert [(each.step, each.works) for each in found] == [
        ("connect", True),
        ("find table 'few'", True),
        ("read it", True),
    ]
    assert found[0].detail.startswith("PostgreSQL ")
    assert [each.works for each in source(uri, "fwe").diagnose()] == [True, False]
    (finding,) = ae.PostgreSQLSource(uri=uri, port=1, table="few").diagnose()
    assert "are host and port right?" in finding.detail


def test_from_a_configuration(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE", uri)
    path = tmp_path / "p.yaml"
    path.write_text(
        """
        source:
          type: postgresql
          uri: ${DATABASE}
          query: SELECT id, city FROM few WHERE id > $1 AND day > $2::date
          params: [1, 2026-01-02]
          libpq: {application_name: tests}
        load: {type: arrow}
        """
    )
    assert load_config(path).run().result.records_loaded == 2


def test_from_one_table_to_another(uri):
    many = source(uri, query="SELECT id, paid, day, name FROM many")
    pipeline = ae.Pipeline(progress=False).extract(many)
    pipeline.load(ae.PostgreSQLLoader(uri=uri, table="many_again")).run()
    assert pipeline.result.records_loaded == ROWS
    types = "SELECT column_name, data_type, numeric_precision FROM information_schema.columns"
    assert execute(uri, f"{types} WHERE table_name = 'many_again' AND column_name = 'paid'") == [
        ("paid", "numeric", 20)
    ]


PROMISING = {
    "a table": {"table": "few"},
    "no rows": {"table": "none"},
    "a query": {"query": "SELECT * FROM few WHERE id > $1 ORDER BY 2", "params": [1]},
    "ranges": {"table": "few", "partition_column": "id", "partitions": 2, "columns": ["id", "day"]},
    "ranges in order": {"table": "few", "partition_column": "day", "ordered": True},
    "a cursor": {"table": "few", "cursor_column": "paid", "initial_value": Decimal("1.6")},
}


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("options", PROMISING.values(), ids=PROMISING)
def test_it_keeps_what_sources_promise(uri, options, check):
    check(source(uri, **options))


def test_the_example_runs(uri):
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "examples/postgresql_to_files.py"],
        cwd=root,
        env={**os.environ, "ARROWETL_EXAMPLE_POSTGRES": uri},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "100,000" in ran.stdout
