"""The Arrow type of every PostgreSQL type, and how its values are asked for.

| PostgreSQL | Arrow |
| --- | --- |
| boolean, smallint, integer, bigint, real, double precision | bool, int16 to int64, float, double |
| numeric(p,s) | decimal128(p,s); decimal256 from 39 digits on, string over 76 |
| numeric without a precision | string: the exact digits, `NaN` and `Infinity` among them |
| money | decimal128(21, 2) |
| text, varchar, char(n), name, "char", enums | string |
| bytea | binary |
| date, time, timestamp | date32, time64[us], timestamp[us] |
| timestamptz | timestamp[us, UTC] |
| interval | month_day_nano_interval |
| json, jsonb | arrow.json |
| uuid | arrow.uuid |
| oid | int64 |
| domains | their base type |
| arrays of what the driver gives as it is | list |
| arrays of others: numeric, money, enums, inet, hstore | list of string |
| all others: inet, ranges, bit, xml, tsvector, points, rows, timetz | string |
| extensions': hstore, citext, ltree, cube, geometry and any other | string |

"string" for the last three is PostgreSQL's own text, which a cast turns into the type again. A list
has no bounds: an array that doesn't begin at 1 comes as its values.

What an Arrow type can't hold is rejected with its row, never another value: NaN in a numeric(p,s);
`infinity` in a date or timestamp; a timestamp after the year 294246; the time 24:00; intervals of
`infinity` or over 292 years of hours; an array of several dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowetl.sql import name

INT64_DIGITS = 18
"""Digits that always fit an int64: such decimals are sent as integers."""

DECIMAL128_DIGITS = 38
DECIMAL256_DIGITS = 76

_HEADER = 4
"""What PostgreSQL adds to a length or a precision to make a type modifier of it."""

_TYPE, _TYPMOD = b"POSTGRESQL:type", b"POSTGRESQL:typmod"

# Types that the driver gives as they should be, by PostgreSQL's name.
_DIRECT: Mapping[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "text": pa.string(),
    "varchar": pa.string(),
    "bpchar": pa.string(),
    "name": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "json": pa.json_(),
    "jsonb": pa.json_(),
    "uuid": pa.uuid(),
}

_LAST = "294247-01-10 04:00:54.775807"
_HOURS = (1 << 63) // 3_600_000_000_000

# Values of direct types that the Arrow type can't hold, as predicates over a value.
_MISFITS: Mapping[str, str] = {
    "date": "NOT isfinite({})",
    "time": "{} = '24:00'",
    "timestamp": f"(NOT isfinite({{}}) OR {{}} > '{_LAST}')",
    "timestamptz": f"(NOT isfinite({{}}) OR {{}} > '{_LAST}Z')",
    "interval": f"(NOT isfinite({{}}) OR abs(extract(hour FROM {{}})) >= {_HOURS})",
}

_MONEY = pa.decimal128(21, 2)


VERBATIM = {b"arrowetl:postgresql": b"json"}
"""Tells json from jsonb in a column's metadata: for Arrow both are JSON."""


@dataclass(frozen=True)
class Read:
    """How a column is read.

    Attributes:
        column: its name.
        declared: its PostgreSQL type, as `explain` and errors call it.
        arrow: the type of the values that arrive.
        expression: the SQL that is asked for in place of the column.
        wire: the type of what the driver gives for that.
        misfit: a predicate that is true of values that `arrow` can't hold; None if it can all.
    """

    column: str
    declared: str
    arrow: pa.DataType
    expression: str
    wire: pa.DataType
    misfit: str | None = None

    @property
    def kind(self) -> str:
        """The PostgreSQL type without its precision: what a value is cast to, to be compared."""
        return self.declared.partition("(")[0]

    @property
    def select(self) -> str:
        """The item of a SELECT list."""
        return f"{self.expression} AS {name(self.column)}"


def read_column(field: pa.Field) -> Read:
    """Give how a column is read, which the driver describes by `field`.

    >>> told = {"POSTGRESQL:type": "numeric", "POSTGRESQL:typmod": str((9 << 16 | 2) + 4)}
    >>> read = read_column(pa.field("paid", pa.string(), metadata=told))
    >>> read.declared, read.arrow
    ('numeric(9,2)', Decimal128Type(decimal128(9, 2)))
    >>> print(read.select, "unless", read.misfit)
    (nullif("paid", 'NaN') * 100)::int8 AS "paid" unless "paid" = 'NaN'
    >>> read_column(pa.field("ip", pa.binary(), metadata={"POSTGRESQL:type": "inet"})).select
    '"ip"::text AS "ip"'
    """
    told = field.metadata or {}
    kind, typmod = told.get(_TYPE, b"").decode(), int(told.get(_TYPMOD, b"-1"))
    column, quoted = field.name, name(field.name)
    if kind in _DIRECT and not _is_opaque(field.type):
        arrow = _DIRECT[kind]
        misfit = _MISFITS[kind].format(quoted, quoted) if kind in _MISFITS else None
        # The driver gives some number for an infinite date, and fails at such an interval.
        asked = f"CASE WHEN NOT {misfit} THEN {quoted} END" if kind == "interval" else quoted
        return Read(column, kind, arrow, asked, arrow, misfit)
    if kind == "numeric":
        return _numeric(column, typmod)
    if kind == "money":
        return Read(column, kind, _MONEY, f"{quoted}::numeric::text", pa.string())
    if kind == "oid":
        return Read(column, kind, pa.int64(), f"{quoted}::int8", pa.int64())
    if kind.startswith("_") and pa.types.is_list(field.type):
        return _array(column, kind[1:], field.type.value_type)
    return Read(column, kind, pa.string(), f"{quoted}::text", pa.string())


def _is_opaque(kind: Any) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.opaque"


def _numeric(column: str, typmod: int) -> Read:
    quoted = name(column)
    if typmod < _HEADER:
        return Read(column, "numeric", pa.string(), f"{quoted}::text", pa.string())
    digits, scale = numeric_of(typmod)
    declared = f"numeric({digits},{scale})"
    arrow = decimal_type(digits, scale)
    if not pa.types.is_decimal(arrow):
        return Read(column, declared, arrow, f"{quoted}::text", pa.string())
    misfit = f"{quoted} = 'NaN'"
    known = f"nullif({quoted}, 'NaN')"
    if arrow.precision <= INT64_DIGITS:
        scaled = f"({known} * {10**arrow.scale})" if arrow.scale else known
        return Read(column, declared, arrow, f"{scaled}::int8", pa.int64(), misfit)
    return Read(column, declared, arrow, f"{known}::text", pa.string(), misfit)


def numeric_of(typmod: int) -> tuple[int, int]:
    """Give digits and scale of a numeric's type modifier; the scale may be negative.

    >>> numeric_of((12 << 16 | 2) + 4), numeric_of((3 << 16 | 0x7FE) + 4)
    ((12, 2), (3, -2))
    """
    packed = typmod - _HEADER
    return packed >> 16 & 0xFFFF, (packed & 0x7FF ^ 0x400) - 0x400


def decimal_type(digits: int, scale: int) -> pa.DataType:
    """Give the Arrow type of a `numeric(digits, scale)`.

    Arrow's scale is at least nothing and at most the digits; PostgreSQL's may be less or more.

    >>> print(decimal_type(12, 2), decimal_type(3, -2), decimal_type(3, 5))
    decimal128(12, 2) decimal128(5, 0) decimal128(5, 5)
    >>> decimal_type(77, 0)
    DataType(string)
    """
    digits, scale = max(digits - min(scale, 0), scale), max(scale, 0)
    if digits <= DECIMAL128_DIGITS:
        return pa.decimal128(digits, scale)
    return pa.decimal256(digits, scale) if digits <= DECIMAL256_DIGITS else pa.string()


def _array(column: str, kind: str, item: pa.DataType) -> Read:
    direct = _DIRECT.get(kind) if not _is_opaque(item) else None
    quoted = name(column)
    misfit = f"array_ndims({quoted}) > 1"
    if direct and kind in _MISFITS:
        of_one = _MISFITS[kind].format("item", "item")
        misfit = f"({misfit} OR EXISTS (SELECT FROM unnest({quoted}) AS item WHERE {of_one}))"
    # A slice begins at 1. The driver fails at an array that begins neither there nor at 0.
    moved = f"WHEN array_lower({quoted}, 1) <> 1 THEN {quoted}[:]"
    flat = f"CASE WHEN {misfit} THEN NULL {moved} ELSE {quoted} END"
    flat = flat if direct else f"({flat})::text[]"
    arrow = pa.list_(direct or pa.string())
    return Read(column, f"{kind}[]", arrow, flat, arrow, misfit)


def described(schema: pa.Schema) -> tuple[Read, ...]:
    """Give how each column of a query is read, as the driver describes it."""
    return tuple(read_column(field) for field in schema)


def arrow_schema(columns: tuple[Read, ...]) -> pa.Schema:
    """Give the schema of the rows that arrive."""
    told = {"json": VERBATIM}
    return pa.schema(
        [pa.field(each.column, each.arrow, metadata=told.get(each.declared)) for each in columns]
    )


def is_verbatim(field: pa.Field) -> bool:
    """Say whether a column's text is PostgreSQL's json, which keeps it letter by letter.

    >>> is_verbatim(pa.field("x", pa.json_(), metadata=VERBATIM))
    True
    """
    told: dict[bytes, bytes] = field.metadata or {}
    return bool(field.type == pa.json_() and VERBATIM.items() <= told.items())


def arrivals() -> dict[str, pa.DataType]:
    """Give the Arrow type of each PostgreSQL type, by what the server calls it.

    >>> arrivals()["numeric(38,9)"], arrivals()["inet"]
    (Decimal128Type(decimal128(38, 9)), DataType(string))
    """
    numerics = [(9, 2), (18, 4), (38, 9), (38, 38), (5, -2), (50, 10), (100, 2)]
    modified = {f"numeric({p},{s})": (p << 16 | s & 0x7FF) + _HEADER for p, s in numerics}
    told = [
        *((shown, _SHORT.get(shown, shown), -1, pa.binary()) for shown in (*_PLAIN, *_AS_TEXT)),
        *((shown, "numeric", typmod, pa.string()) for shown, typmod in modified.items()),
        *((f"{shown}[]", f"_{_SHORT[shown]}", -1, pa.list_(pa.binary())) for shown in _ITEMS),
    ]
    return {
        shown: read_column(pa.field("x", wire, metadata={_TYPE: kind, _TYPMOD: str(typmod)})).arrow
        for shown, kind, typmod, wire in told
    }


_SHORT = {
    "boolean": "bool",
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "character varying": "varchar",
    "character": "bpchar",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time with time zone": "timetz",
    "bit varying": "varbit",
    "numeric": "numeric",
    "text": "text",
    "date": "date",
    **{each: each for each in ("uuid", "json", "jsonb", "money", "oid")},
}
_PLAIN = (
    *("boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "money"),
    *("text", "character varying", "character", "name", '"char"', "bytea"),
    *("date", "time without time zone", "timestamp without time zone"),
    *("timestamp with time zone", "interval", "json", "jsonb", "uuid", "oid"),
)
_AS_TEXT = (
    *("time with time zone", "inet", "cidr", "macaddr", "macaddr8", "bit", "bit varying", "xml"),
    *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange"),
    *("point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery"),
    *("jsonpath", "pg_lsn", "xid8", "regclass", "record"),
    *("hstore", "citext", "ltree"),
)
_ITEMS = (
    *("boolean", "integer", "bigint", "double precision", "text", "numeric", "date"),
    *("timestamp with time zone", "uuid", "json", "jsonb", "money", "oid"),
)
