"""Arrow columns as COPY sends them: which PostgreSQL type, which Arrow type, what is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import decoded, reader_of, unsliced
from arrowetl.duck import describing
from arrowetl.errors import SchemaError
from arrowetl.postgres.types import decimal_type, is_verbatim
from arrowetl.sinks.table import Column
from arrowetl.sql import INPUT
from arrowetl.typemap import Fate, Stored, duckable_schema, refuse_twins
from arrowetl.typemap.stored import DIGITS, any_of, as_what, cut, rarely_cut

JSONB_VERSION = "\x01"
"""What begins every jsonb in a binary COPY; the text follows."""

MAX_NAME = 63
"""Bytes of a name; PostgreSQL cuts what is longer, and may meet another one."""


@dataclass(frozen=True)
class Sent:
    """How a column is sent.

    Attributes:
        stored: the column, the type its table declares, what becomes of its values.
        wire: the Arrow type that COPY is given.
        json: whether the values become JSON text on their way.
        as_text: whether they become text that is cast there: COPY doesn't cast in arrays.
    """

    stored: Stored
    wire: pa.DataType
    json: bool = False
    as_text: bool = False

    @property
    def column(self) -> str:
        """The column's name."""
        return self.stored.column

    @property
    def declared(self) -> str:
        """The PostgreSQL type that holds the values."""
        return self.stored.declared

    @property
    def staged(self) -> str:
        """The PostgreSQL type that COPY fills."""
        return "text[]" if self.as_text else self.declared

    @property
    def incoming(self) -> Column:
        """The column as a table is asked whether it fits: one of nulls fits any."""
        nothing = kinds.is_null(self.stored.arrow)
        return Column(self.column, '"NULL"' if nothing else self.declared)


def sent_columns(schema: pa.Schema, *, where: str) -> tuple[Sent, ...]:
    """Give how each column is sent, and the type that a new table declares for it.

    Raises:
        SchemaError: there is no way to send a column, or a name doesn't fit.

    >>> fields = {"id": pa.uint64(), "at": pa.timestamp("ns"), "who": pa.struct({"a": pa.int8()})}
    >>> for sent in sent_columns(pa.schema(fields), where="PostgreSQLLoader"):
    ...     print(sent.stored.note)
    id: uint64 becomes numeric(20,0), widened (as decimal128(20, 0))
    at: timestamp[ns] becomes timestamp without time zone, lossy (nanoseconds are cut)
    who: struct<a: int8> becomes jsonb, widened (JSON, as jsonb writes it)
    """
    refuse_twins(schema, where=where)
    for column in schema.names:
        if len(column.encode()) > MAX_NAME or "\0" in column or not column:
            raise SchemaError(
                f"PostgreSQL can't call a column {column!r}: names have 1 to {MAX_NAME} bytes, "
                f"and no NUL; rename it",
                where=where,
                column=column,
            )
    return tuple(_sent(field, where) for field in schema)


def _sent(field: pa.Field, where: str) -> Sent:
    kind: Any = field.type
    while kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        kind = kind.value_type
    found = ("json", pa.string()) if is_verbatim(field) else _scalar(kind) or _array(kind)
    json = found is None and (kinds.is_nested(kind) and not kinds.is_union(kind))
    if json:
        found = ("jsonb", pa.string())
    if found is None:
        raise SchemaError(
            f"column {field.name!r} is {field.type}, which PostgreSQL has no place for; cast or "
            f"drop it",
            where=where,
            column=field.name,
        )
    declared, wire = found
    by_text = declared in _BY_TEXT
    back = _back(wire, declared)
    keep = partial(Stored, field.name, field.type, declared, back=back)
    if any_of(kind, _is_cut if not json else cut):
        lost = keep(fate=Fate.LOSSY, why="nanoseconds are cut", rare=rarely_cut(kind))
        return Sent(lost, wire, json)
    as_jsonb = declared.startswith("jsonb")
    if back == field.type and not as_jsonb:
        return Sent(keep(), wire, json, by_text)
    why = "JSON, as jsonb writes it" if as_jsonb else as_what(field.type, back)
    return Sent(keep(fate=Fate.WIDENED, why=why), wire, json, by_text)


def _is_cut(kind: Any) -> bool:
    """Say whether a type counts nanoseconds: PostgreSQL counts microseconds."""
    fine = kinds.is_timestamp(kind) or kinds.is_time(kind) or kinds.is_duration(kind)
    return bool(kinds.is_interval(kind) or (fine and kind.unit == "ns"))


_Found = tuple[str, pa.DataType]

_PLAIN: tuple[tuple[Callable[[Any], bool], str, pa.DataType], ...] = (
    (kinds.is_boolean, "boolean", pa.bool_()),
    (kinds.is_int8, "smallint", pa.int16()),
    (kinds.is_uint8, "smallint", pa.int16()),
    (kinds.is_int16, "smallint", pa.int16()),
    (kinds.is_uint16, "integer", pa.int32()),
    (kinds.is_int32, "integer", pa.int32()),
    (kinds.is_uint32, "bigint", pa.int64()),
    (kinds.is_int64, "bigint", pa.int64()),
    (kinds.is_uint64, "numeric(20,0)", pa.decimal128(20, 0)),
    (kinds.is_float16, "real", pa.float32()),
    (kinds.is_float32, "real", pa.float32()),
    (kinds.is_float64, "double precision", pa.float64()),
    (kinds.is_string, "text", pa.string()),
    (kinds.is_large_string, "text", pa.large_string()),
    (kinds.is_string_view, "text", pa.string_view()),
    (kinds.is_binary, "bytea", pa.binary()),
    (kinds.is_large_binary, "bytea", pa.large_binary()),
    (kinds.is_binary_view, "bytea", pa.binary_view()),
    (kinds.is_fixed_size_binary, "bytea", pa.binary()),
    (kinds.is_date, "date", pa.date32()),
    (kinds.is_null, "text", pa.string()),
)
"""Which PostgreSQL type a type becomes, and as which Arrow type it is sent."""


def _scalar(kind: Any) -> _Found | None:
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(kind)
    if kinds.is_decimal(kind):
        digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
        make = pa.decimal128 if digits <= DIGITS else pa.decimal256
        return f"numeric({digits},{scale})", make(digits, scale)
    if kinds.is_temporal(kind) and not kinds.is_date(kind):
        return _temporal(kind)
    return next(((name, wire) for is_kind, name, wire in _PLAIN if is_kind(kind)), None)


def _extension(kind: Any) -> _Found | None:
    known = {
        "arrow.uuid": ("uuid", pa.binary(16)),
        "arrow.bool8": ("boolean", pa.bool_()),
        "arrow.json": ("jsonb", pa.string()),
    }
    return known.get(kind.extension_name) or _scalar(kind.storage_type)


def _temporal(kind: Any) -> _Found:
    """Give the type of a time; seconds and milliseconds are made microseconds by the driver."""
    if kinds.is_interval(kind):
        return "interval", kind
    unit = "us" if kind.unit == "ns" else kind.unit
    if kinds.is_duration(kind):
        return "interval", pa.duration(unit)
    if kinds.is_time(kind):
        return "time without time zone", kind if unit == kind.unit else pa.time64("us")
    if kind.tz is None:
        return "timestamp without time zone", pa.timestamp(unit)
    return "timestamp with time zone", pa.timestamp(unit, "UTC")


_ARRAYS = (
    kinds.is_list,
    kinds.is_large_list,
    kinds.is_fixed_size_list,
    kinds.is_list_view,
    kinds.is_large_list_view,
)


_BY_TEXT_ITEMS = {"arrow.uuid": "uuid[]", "arrow.json": "jsonb[]"}
_BY_TEXT = set(_BY_TEXT_ITEMS.values())


def _array(kind: Any) -> _Found | None:
    """Give an array for a list of plain values; None for anything else."""
    if not any(is_list(kind) for is_list in _ARRAYS):
        return None
    inside = kind.value_type
    if isinstance(inside, pa.BaseExtensionType):
        as_text = _BY_TEXT_ITEMS.get(inside.extension_name)
        return None if as_text is None else (as_text, pa.list_(pa.string()))
    item = None if kinds.is_null(inside) else _scalar(inside)
    return item and (f"{item[0]}[]", pa.list_(item[1]))


def _back(wire: Any, declared: str) -> pa.DataType:
    """Give the Arrow type in which our source reads a type."""
    if kinds.is_list(wire):
        item = _back(wire.value_type, declared.removesuffix("[]"))
        return pa.list_(pa.string() if kinds.is_decimal(item) else item)
    if kinds.is_decimal(wire):
        return decimal_type(wire.precision, wire.scale)
    if kinds.is_timestamp(wire):
        return pa.timestamp("us", wire.tz)
    fixed = {
        "uuid": pa.uuid(),
        "json": pa.json_(),
        "jsonb": pa.json_(),
        "text": pa.string(),
        "bytea": pa.binary(),
        "time without time zone": pa.time64("us"),
        "interval": pa.month_day_nano_interval(),
    }
    return fixed.get(declared, wire)


def as_sent(column: pa.Array, sent: Sent, wire: pa.DataType) -> pa.Array:
    """Give a column's values as COPY takes them; whole buffers are cast, no value is touched.

    Args:
        column: as it came.
        sent: how it is sent.
        wire: the type that is wanted; `sent.wire`, or a wider one.
    """
    column = decoded(column)
    if sent.json:
        return _by_duckdb(column, "chr(1) || to_json(x)", pa.string())
    if sent.as_text:
        return _by_duckdb(column, "x::VARCHAR[]", pa.list_(pa.string()))
    if sent.declared == "jsonb":
        text = column.storage if isinstance(column, pa.ExtensionArray) else column
        return pc.binary_join_element_wise(JSONB_VERSION, text, "")
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if kinds.is_null(column.type):
        return pa.nulls(len(column), wire)
    if column.type == wire:
        return column
    return _floored(column).cast(wire, safe=False)


def _floored(column: pa.Array) -> pa.Array:
    """Cut nanoseconds off moments; a cast cuts towards 1970, and rounds up what was before it."""
    if kinds.is_timestamp(column.type) and column.type.unit == "ns":
        return pc.floor_temporal(column, unit="microsecond")
    views = kinds.is_list_view(column.type) or kinds.is_large_list_view(column.type)
    return _as_list(column) if views or _holds_moments(column.type) else column


def _holds_moments(kind: Any) -> bool:
    return any(is_list(kind) for is_list in _ARRAYS) and any_of(kind, kinds.is_timestamp)


def _as_list(column: pa.Array) -> pa.Array:
    """Give a list of any kind as a plain one; pyarrow 26 casts views with an offset too few."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    values = _floored(column.flatten())
    return pa.LargeListArray.from_arrays(pa.array(ends), values, mask=column.is_null())


def _by_duckdb(column: pa.Array, expression: str, kind: pa.DataType) -> pa.Array:
    """Give what DuckDB makes of a column, which it calls `x`."""
    schema = duckable_schema(pa.schema([pa.field("x", column.type)]))
    batch = pa.RecordBatch.from_arrays([column.cast(schema.field(0).type)], schema=schema)
    with closing(describing()) as connection:
        connection.register(INPUT, reader_of(schema, [unsliced(batch)]))
        query = f"SELECT {expression} AS x FROM {INPUT}"
        with connection.sql(query).to_arrow_reader() as reader:
            return reader.read_all()["x"].combine_chunks().cast(kind)


# --- what holds what ---------------------------------------------------------------------------

_TEXTS = {"text", "character varying", "character", "citext", "name"}
_INTEGERS = {"smallint": 5, "integer": 10, "bigint": 19}
_CASTS = {("json", "jsonb"), ("jsonb", "json"), ("oid", "bigint")}
FLOATS = {"real": pa.float32(), "double precision": pa.float64()}


def base_type(kind: str) -> str:
    """Give a type without its length or precision.

    >>> base_type("numeric(10,2)"), base_type("character varying(20)[]")
    ('numeric', 'character varying[]')
    """
    head, _, rest = kind.partition("(")
    return head + rest.partition(")")[2]


def wider(have: str, want: str) -> str | None:
    """Give the type that holds what a column has and what comes; None if none does.

    Text fits wherever PostgreSQL can read it: a column with a type keeps it, and a row whose text
    can't be read as one is refused when it comes.

    >>> wider("smallint", "bigint"), wider("numeric(5,2)", "bigint"), wider("date", "text")
    ('bigint', 'numeric(21,2)', 'date')
    >>> wider("bytea", "text"), wider("integer", "boolean")
    (None, None)

    A double keeps every integer, and not every bigint: one that it would round is refused when it
    comes, and a column of them is not made one of doubles.

    >>> wider("integer", "double precision"), wider("double precision", "bigint")
    ('double precision', 'double precision')
    >>> wider("bigint", "double precision"), wider("double precision", "numeric(9,2)")
    (None, None)
    """
    if want in {have, '"NULL"'} or base_type(have) == want or _reads(have, want):
        return have
    if want.endswith("[]") and have.endswith("[]"):
        inner = wider(have[:-2], want[:-2])
        return inner and f"{inner}[]"
    if _is_number(have) and _is_number(want):
        return _wider_number(have, want)
    if {have, want} == {"date", "timestamp without time zone"}:
        return "timestamp without time zone"
    return None


def _reads(have: str, want: str) -> bool:
    """Say whether a column takes another type, by a cast that refuses what it can't hold."""
    if have == "money":
        return want == "text" or takes_or_refuses("numeric(19,2)", want)
    texts = base_type(have) in _TEXTS or want == "text"
    return (texts and "bytea" not in {have, want}) or (have, want) in _CASTS


def takes_or_refuses(have: str, want: str) -> bool:
    """Say whether a column takes other numbers as they are, and refuses those it can't hold.

    A cast that rounds does neither.

    >>> takes_or_refuses("integer", "bigint"), takes_or_refuses("numeric(9,2)[]", "bigint[]")
    (True, True)
    >>> takes_or_refuses("integer", "numeric(9,2)"), takes_or_refuses("real", "bigint")
    (False, False)
    """
    if want.endswith("[]") and have.endswith("[]"):
        return takes_or_refuses(have[:-2], want[:-2])
    exact = _INTEGERS.keys() | {"numeric"}
    if not {base_type(have), base_type(want)} <= exact or want == "numeric":
        return False
    return have == "numeric" or _digits(want)[1] <= _digits(have)[1]


def takes_floats(have: str, want: str) -> bool:
    """Say whether a column of exact numbers takes the floating ones that it has, row by row.

    >>> takes_floats("numeric(9,2)", "double precision"), takes_floats("real", "double precision")
    (True, False)
    """
    return want in FLOATS and base_type(have) in _INTEGERS.keys() | {"numeric"}


def exactly_sent(sent: Sent, kind: str) -> Sent:
    """Give how values are sent to a column that keeps more of them than PostgreSQL's cast does.

    Floating numbers go to a column of exact ones as such, or digit by digit: a cast would round to
    the nearest integer, or to 15 digits. JSON goes to json as it is: jsonb has no order of keys.
    """
    if {kind, sent.declared} == {"json", "jsonb"} and not sent.json:
        return replace(sent, stored=replace(sent.stored, declared=kind))
    if not takes_floats(kind, sent.declared):
        return sent
    wire = _WIRES.get(kind)
    declared = "text" if wire is None else kind
    return replace(sent, stored=replace(sent.stored, declared=declared), wire=wire or pa.string())


def kept_digits(kind: str) -> tuple[int | None, int | None]:
    """Give the digits after the point of a type of exact numbers, and the bits of an integer.

    >>> kept_digits("numeric(9,2)"), kept_digits("numeric"), kept_digits("integer")
    ((2, None), (None, None), (0, 32))
    """
    if kind in _INTEGERS:
        return 0, _WIRES[kind].bit_width
    return (None if kind == "numeric" else _digits(kind)[1]), None


def _is_number(kind: str) -> bool:
    return base_type(kind) in _INTEGERS.keys() | FLOATS.keys() | {"numeric"}


def _wider_number(have: str, want: str) -> str | None:
    if have in FLOATS or want in FLOATS:
        return _wider_float(have, want)
    if {have, want} <= _INTEGERS.keys():
        return max(have, want, key=lambda kind: _INTEGERS[kind])
    if have == "numeric":
        return have
    (left, scale), (more_left, more_scale) = map(_digits, (have, want))
    scale, whole = max(scale, more_scale), max(left, more_left)
    return (
        have if have == f"numeric({whole + scale},{scale})" else f"numeric({whole + scale},{scale})"
    )


def _wider_float(have: str, want: str) -> str | None:
    """Give the floating type that keeps what the column has; rows it would round are refused.

    Of fractions in decimal hardly any is a floating number.
    """
    if have == "bigint" or base_type(have) == "numeric":
        return None
    if want == "numeric" or (base_type(want) == "numeric" and _digits(want)[1]):
        return None
    return "real" if {have, want} <= {"real", "smallint"} else "double precision"


def _digits(kind: str) -> tuple[int, int]:
    """Give the digits before and after the point."""
    if kind in _INTEGERS:
        return _INTEGERS[kind], 0
    precision, _, scale = kind.partition("(")[2].rstrip(")").partition(",")
    return int(precision) - int(scale or 0), int(scale or 0)


_WIRES: dict[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
}
_SENT_AS: dict[str, Callable[[Any], bool]] = {
    "smallint": kinds.is_signed_integer,
    "integer": kinds.is_signed_integer,
    "bigint": kinds.is_signed_integer,
    "double precision": lambda kind: (
        kinds.is_float32(kind) or kinds.is_int16(kind) or kinds.is_int32(kind)
    ),
}


def direct_wire(sent: Sent, kind: str, *, enum: bool) -> pa.DataType | None:
    """Give the Arrow type that COPY takes straight into a column; None if it has to be cast there.

    An integer's may be narrower than what is sent: those that it can't hold aren't to be sent.

    Args:
        sent: how the rows' column is sent.
        kind: the type of the table's.
        enum: whether that is an enumeration, which takes text.
    """
    base = base_type(kind)
    if kinds.is_null(sent.stored.arrow) or base == base_type(sent.staged):
        return sent.wire
    if sent.declared == "text" and (base in _TEXTS - {"name"} or enum):
        return sent.wire
    if base in _WIRES and _SENT_AS[base](sent.wire):
        return _WIRES[base]
    return None


def is_text(kind: str) -> bool:
    """Say whether a type is one of PostgreSQL's for text.

    >>> is_text("character varying(20)"), is_text("text[]")
    (True, False)
    """
    return base_type(kind) in _TEXTS
