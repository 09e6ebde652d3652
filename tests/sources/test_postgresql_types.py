"""Each PostgreSQL type arrives as the Arrow type that is stated, or is an error."""

import datetime as dt
import math
from contextlib import closing
from decimal import Context, Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.postgres.types import arrivals
from tests.postgres_server import execute, postgres

LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
UTC = dt.timezone.utc
TEXT = pa.string()
MONTHS = pa.month_day_nano_interval()


@pytest.fixture(scope="module")
def uri():
    with postgres().database() as uri:
        execute(
            uri,
            "CREATE TYPE mood AS ENUM ('sad', 'o''k')",
            "CREATE TYPE pair AS (a int, b numeric)",
            "CREATE DOMAIN price AS numeric(10,2)",
            "CREATE DOMAIN paid AS price CHECK (value > 0)",
            "CREATE DOMAIN tags AS text[]",
            "CREATE DOMAIN someday AS date",
            "CREATE DOMAIN somedays AS date[]",
        )
        yield uri


def read(uri, query, params=()):
    return ae.PostgreSQLSource(uri=uri, query=query, params=params).reader().read_all()


def value(uri, expression):
    source = ae.PostgreSQLSource(uri=uri, query=f"SELECT {expression} AS x")
    table = source.reader().read_all()
    assert table.schema == source.schema()
    table.validate(full=True)
    return table.schema.field("x").type, table["x"][0].as_py()


CASES = [
    ("true", pa.bool_(), True),
    ("(-32768)::int2", pa.int16(), -32768),
    ("2147483647", pa.int32(), 2147483647),
    ("(-9223372036854775808)::int8", pa.int64(), -(2**63)),
    ("1.5::float4", pa.float32(), 1.5),
    ("'-Infinity'::float8", pa.float64(), -math.inf),
    ("5e-324::float8", pa.float64(), 5e-324),
    ("3000000000::oid", pa.int64(), 3_000_000_000),
    ("1.5::numeric(12,2)", pa.decimal128(12, 2), Decimal("1.50")),
    ("(-0.00001)::numeric(5,5)", pa.decimal128(5, 5), Decimal("-0.00001")),
    ("999999999999999999::numeric(18)", pa.decimal128(18, 0), Decimal(10**18 - 1)),
    (
        "'-9999999999999999.99'::numeric(18,2)",
        pa.decimal128(18, 2),
        Decimal("-9999999999999999.99"),
    ),
    ("99999999999999999.99::numeric(19,2)", pa.decimal128(19, 2), Decimal("99999999999999999.99")),
    ("repeat('9', 38)::numeric(38)", pa.decimal128(38, 0), Decimal(10**38 - 1)),
    ("1e-38::numeric(38,38)", pa.decimal128(38, 38), Decimal("1e-38")),
    ("repeat('9', 39)::numeric(39)", pa.decimal256(39, 0), Decimal("9" * 39)),
    ("repeat('9', 76)::numeric(76)", pa.decimal256(76, 0), Decimal("9" * 76)),
    ("repeat('9', 77)::numeric(77)", TEXT, "9" * 77),
    ("12345::numeric(3,-2)", pa.decimal128(5, 0), Decimal(12300)),
    ("0.00123::numeric(3,5)", pa.decimal128(5, 5), Decimal("0.00123")),
    ("1.10::numeric", TEXT, "1.10"),
    ("'NaN'::numeric", TEXT, "NaN"),
    ("repeat('1', 200)::numeric + 0.5", TEXT, "1" * 200 + ".5"),
    ("1.5::price", pa.decimal128(10, 2), Decimal("1.50")),
    ("2::paid", pa.decimal128(10, 2), Decimal("2.00")),
    ("'-12.34'::money", pa.decimal128(21, 2), Decimal("-12.34")),
    ("'é ☃ 🎉'", TEXT, "é ☃ 🎉"),
    ("''::varchar(3)", TEXT, ""),
    ("'ab'::char(4)", TEXT, "ab  "),
    ("'n'::name", TEXT, "n"),
    ("'c'::\"char\"", TEXT, "c"),
    ("'o''k'::mood", TEXT, "o'k"),
    (r"'\x00ff'::bytea", pa.binary(), b"\x00\xff"),
    ("'2026-01-31'::date", pa.date32(), dt.date(2026, 1, 31)),
    ("'0001-01-01'::date", pa.date32(), dt.date(1, 1, 1)),
    ("'23:59:59.999999'::time", pa.time64("us"), dt.time(23, 59, 59, 999_999)),
    ("'12:00:00.5+02'::timetz", TEXT, "12:00:00.5+02"),
    ("'9999-12-31 23:59:59.999999'::timestamp", pa.timestamp("us"), LAST),
    (
        "'2026-01-31 12:00+02'::timestamptz",
        pa.timestamp("us", "UTC"),
        dt.datetime(2026, 1, 31, 10, tzinfo=UTC),
    ),
    ("'1 mon -2 days 3.000001 s'::interval", MONTHS, pa.MonthDayNano([1, -2, 3_000_001_000])),
    ("'{\"a\": 1e400}'::json", pa.json_(), '{"a": 1e400}'),
    ('\'{"b":1,"a":[2]}\'::jsonb', pa.json_(), '{"a": [2], "b": 1}'),
    (
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
        pa.uuid(),
        UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ),
    ("'{1,null}'::int4[]", pa.list_(pa.int32()), [1, None]),
    ("'[0:1]={1,2}'::int8[]", pa.list_(pa.int64()), [1, 2]),
    ("'[2:3]={1,NULL}'::int8[]", pa.list_(pa.int64()), [1, None]),
    ("'[-1:0]={a,b}'::text[]", pa.list_(pa.string()), ["a", "b"]),
    ("'[2:2]={1.50}'::numeric[]", pa.list_(pa.string()), ["1.50"]),
    ("'[7:7]={2026-01-31}'::date[]", pa.list_(pa.date32()), [dt.date(2026, 1, 31)]),
    ("'{}'::text[]", pa.list_(TEXT), []),
    ('\'{a,"b,c",NULL,""}\'::text[]', pa.list_(TEXT), ["a", "b,c", None, ""]),
    ("'{a}'::tags", pa.list_(TEXT), ["a"]),
    ("'{1.50,NULL}'::numeric(9,2)[]", pa.list_(TEXT), ["1.50", None]),
    ("'{sad}'::mood[]", pa.list_(TEXT), ["sad"]),
    ("array[1.5::paid]", pa.list_(TEXT), ["1.50"]),
    ("'{2026-01-31}'::date[]", pa.list_(pa.date32()), [dt.date(2026, 1, 31)]),
    ("array['[1]'::jsonb]", pa.list_(pa.json_()), ["[1]"]),
    ("array[row(1,2)::pair]", pa.list_(TEXT), ["(1,2)"]),
    ("'10.0.0.1/8'::inet", TEXT, "10.0.0.1/8"),
    ("'10.0.0.0/8'::cidr", TEXT, "10.0.0.0/8"),
    ("'08:00:2b:01:02:03'::macaddr", TEXT, "08:00:2b:01:02:03"),
    ("int4range(1,5)", TEXT, "[1,5)"),
    ("daterange('-infinity', 'infinity')", TEXT, "[-infinity,infinity)"),
    ("numrange(1, 'NaN')", TEXT, "[1,NaN)"),
    ("'Infinity'::numeric", TEXT, "Infinity"),
    ("'{NaN,-Infinity}'::numeric[]", pa.list_(TEXT), ["NaN", "-Infinity"]),
    ("row(1, 'NaN')::pair", TEXT, "(1,NaN)"),
    ("int4multirange(int4range(1,2))", TEXT, "{[1,2)}"),
    ("b'101'", TEXT, "101"),
    ("to_tsvector('simple', 'b a')", TEXT, "'a':2 'b':1"),
    ("point(1.5,2)", TEXT, "(1.5,2)"),
    ("row(1, 2.5)::pair", TEXT, "(1,2.5)"),
    ("row(1, 'a b')", TEXT, '(1,"a b")'),
    ("'pg_class'::regclass", TEXT, "pg_class"),
    ("'1 2'::int2vector", TEXT, "1 2"),
    ("'0/1'::pg_lsn", TEXT, "0/1"),
    ("null", TEXT, None),
    ("null::numeric(5,2)", pa.decimal128(5, 2), None),
    ("null::int[]", pa.list_(pa.int32()), None),
]


@pytest.mark.parametrize(("expression", "kind", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_a_value_arrives_as_stated(uri, expression, kind, wanted):
    assert value(uri, expression) == (kind, wanted)


def test_what_is_stated_is_what_the_server_gives(uri):
    """Every type of the table that this server has: its Arrow type is the one that it says."""
    stated = arrivals()
    there = {
        name
        for (name,) in execute(
            uri, "SELECT format_type(oid, NULL) FROM pg_type WHERE typtype <> 'p'"
        )
    }
    known = [name for name in stated if name.partition("(")[0].removesuffix("[]") in there]
    assert set(stated) - set(known) == {"record", "hstore", "citext", "ltree"}
    select = ", ".join(f"NULL::{name} AS c{number}" for number, name in enumerate(known))
    found = ae.PostgreSQLSource(uri=uri, query=f"SELECT {select}").schema()
    assert dict(zip(known, found.types, strict=True)) == {name: stated[name] for name in known}


def test_every_type_of_the_server_can_be_read(uri):
    """Nulls of each type that a table can have, the system's own ones too."""
    rows = execute(
        uri,
        "SELECT format_type(oid, -1) FROM pg_type WHERE typtype IN ('b','d','e','r','m') "
        "AND typname NOT LIKE '\\_%' ORDER BY 1",
    )
    select = ", ".join(f"NULL::{name} AS c{number}" for number, (name,) in enumerate(rows))
    table = read(uri, f"SELECT {select}")
    assert table.num_rows == 1
    assert all(column.null_count == 1 for column in table.columns)


MISFITS = [
    ("'NaN'::numeric(5,2)", "NaN in a numeric(5,2), which decimal128(5, 2)"),
    ("'NaN'::numeric(30,2)", "NaN in a numeric(30,2), which decimal128(30, 2)"),
    ("'infinity'::date", "infinity in a date, which date32[day]"),
    ("'-infinity'::date", "-infinity in a date, which date32[day]"),
    ("array['infinity'::date]", "{infinity} in a date[], which list<item: date32[day]>"),
    ("'infinity'::timestamp", "infinity in a timestamp, which timestamp[us]"),
    ("'-infinity'::timestamptz", "-infinity in a timestamptz, which timestamp[us, tz=UTC]"),
    ("'294276-12-31'::timestamp", "294276-12-31 00:00:00 in a timestamp, which timestamp[us]"),
    ("'24:00'::time", "24:00:00 in a time, which time64[us]"),
    ("'infinity'::interval", "infinity in a interval, which month_day_nano_interval"),
    ("'3000000 hours'::interval", "3000000:00:00 in a interval, which month_day_nano_interval"),
    ("'{{1,2},{3,4}}'::int[]", "{{1,2},{3,4}} in a int4[], which list<item: int32>"),
    ("'{{a}}'::text[]", "{{a}} in a text[], which list<item: string>"),
    ("'{{1}}'::numeric[]", "{{1}} in a numeric[], which list<item: string>"),
    ("array[interval '1h', 'infinity']", "{01:00:00,infinity} in a interval[], which list"),
    ("array['-infinity'::timestamptz, null]", "{-infinity,NULL} in a timestamptz[], which list"),
    ("'infinity'::someday", "infinity in a date, which date32[day]"),
    ("'{infinity}'::somedays", "{infinity} in a date[], which list<item: date32[day]>"),
]


@pytest.mark.parametrize(("expression", "what"), MISFITS)
def test_a_row_that_no_arrow_type_holds_is_rejected_with_column_and_value(uri, expression, what):
    kind = expression.rpartition("::")[2] if "numeric(" in expression else None
    case = f"CASE WHEN i = 70000 THEN {expression} END"
    typed = f"({case})::{kind}" if kind else case
    query = f"SELECT i AS id, {typed} AS x FROM generate_series(1, 70001) i"
    dead = ae.ArrowLoader()
    pipeline = ae.Pipeline("p", dead_letters=dead)
    pipeline.extract(ae.PostgreSQLSource(uri=uri, query=query)).load(ae.ArrowLoader()).run()
    result = pipeline.result
    assert result.table["id"].to_pylist() == [*range(1, 70_000), 70_001]
    assert result.table["x"].null_count == 70_000
    assert (result.records_extracted, result.records_rejected) == (70_001, 1)
    [letter] = dead.table.to_pylist()
    assert (letter["reason_code"], letter["column"]) == ("cast", "x")
    assert letter["reason"].startswith(f"column 'x' holds {what}")
    assert letter["reason"].endswith('can\'t hold; a query can give "x"::text')
    assert "70000" in str(letter["row"])
    with pytest.raises(ae.ReadError, match=r"column 'x' holds .* in the row .*70000"):
        ae.PostgreSQLSource(uri=uri, query=query, on_error="raise").reader().read_all()
    with pytest.raises(ae.ReadError, match="column 'x' holds"):
        read(uri, query)


def test_the_last_moments_that_fit_arrive(uri):
    last = "'294247-01-10 04:00:54.775807'"
    values = f"timestamp {last} AS a, timestamptz '{last[1:-1]}Z' AS b, date '5874897-12-31' AS c"
    table = read(uri, f"SELECT {values}, time '23:59:59.999999' AS d, '-9.99'::numeric(3,2) AS e")
    assert [column.cast(pa.int64())[0].as_py() for column in table.columns[:2]] == [2**63 - 1] * 2
    assert table["c"].cast(pa.int32())[0].as_py() == 2_145_042_905
    assert str(table["e"][0].as_py()) == "-9.99"


def test_rejected_rows_of_a_table_read_in_ranges(uri):
    execute(
        uri,
        """CREATE TABLE "od""d" AS SELECT i AS id, CASE WHEN i % 10 = 0 THEN 'infinity'
            ELSE date '2026-01-01' END AS "d'ay" FROM generate_series(1, 1000) i""",
    )
    dead = ae.ArrowLoader()
    source = ae.PostgreSQLSource(
        uri=uri, table='"od""d"', partition_column="id", partitions=3, columns=["d'ay", "id"]
    )
    pipeline = ae.Pipeline("p", dead_letters=dead).extract(source).load(ae.ArrowLoader()).run()
    assert pipeline.result.records_loaded == 900
    assert pipeline.result.records_rejected == 100
    [first, *_] = sorted(dead.table["source"].to_pylist(), key=str)
    assert first["table"] == '"od""d"'
    assert set(dead.table["column"].to_pylist()) == {"d'ay"}
    # Where nobody needs the column, nothing is wrong with its rows.
    ids = ae.Pipeline("q").extract(source).transform("SELECT id FROM input").load(ae.ArrowLoader())
    assert ids.run().result.records_loaded == 1000


@pytest.mark.parametrize(
    ("expression", "days"),
    [("'4713-01-01 BC'::date", -2_440_550), ("'5874897-12-31'::date", 2_145_042_905)],
)
def test_dates_that_python_has_not_arrive_all_the_same(uri, expression, days):
    source = ae.PostgreSQLSource(uri=uri, query=f"SELECT {expression} AS x")
    batch = next(source.scan())
    assert batch["x"].view(pa.int32()).to_pylist() == [days]


def test_names_of_columns_may_be_anything(uri):
    names = ['it\'s "x"; --', "$1", "é ☃", "select", "a.b", "%s", "?", "A", "a"]
    quoted = ", ".join(
        '{} AS "{}"'.format(number, name.replace('"', '""')) for number, name in enumerate(names)
    )
    table = read(uri, f"SELECT {quoted}")
    assert table.to_pylist() == [{name: number for number, name in enumerate(names)}]


def test_a_server_in_another_encoding_gives_unicode():
    with postgres().database(
        options="ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ) as uri:
        execute(
            uri, "SET client_encoding = 'UTF8'", "CREATE TABLE t AS SELECT 'Café'::text AS \"Öl\""
        )
        source = ae.PostgreSQLSource(uri=uri, table="t")
        assert source.reader().read_all().to_pylist() == [{"Öl": "Café"}]


def test_text_that_is_not_unicode_is_an_error():
    with postgres().database(
        options="ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ) as uri:
        query = r"SELECT convert_from('\xe9'::bytea, 'SQL_ASCII') AS x"
        with pytest.raises(ae.ReadError, match="invalid byte sequence"):
            read(uri, query)


EXACT = Context(prec=80)
SCALES = st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p)))


@settings(max_examples=25, deadline=None)
@given(SCALES, st.lists(st.none() | st.integers(-(10**38) + 1, 10**38 - 1), max_size=8))
def test_numerics_keep_every_digit(uri, shape, numbers):
    digits, scale = shape
    fitting = [n if n is None else n % 10**digits for n in numbers]
    values = [n if n is None else Decimal(n).scaleb(-scale, context=EXACT) for n in fitting]
    listed = ", ".join("(NULL)" if v is None else f"('{v:f}')" for v in [*values, None])
    query = f"SELECT x::numeric({digits},{scale}) AS x FROM (VALUES {listed}) AS v(x)"
    table = read(uri, query)
    assert table.schema.field("x").type == pa.decimal128(digits, scale)
    assert table["x"].to_pylist() == [*values, None]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_text_keeps_every_character(uri, texts):
    table = read(uri, "SELECT unnest($1::text[]) AS x", [texts])
    assert table["x"].to_pylist() == texts


def test_the_drivers_bugs_are_not_ours(uri):
    """What the driver alone makes of these: other numbers, joined arrays, cents."""
    from adbc_driver_postgresql import dbapi

    query = "SELECT 3000000000::oid AS o, '{{1,2},{3,4}}'::int[] AS a, '1.5'::money AS m"
    with closing(dbapi.connect(uri)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        (row,) = cursor.fetch_arrow_table().to_pylist()
    assert row == {"o": -1_294_967_296, "a": [1, 2, 3, 4], "m": 150}  # if not, do it more simply
