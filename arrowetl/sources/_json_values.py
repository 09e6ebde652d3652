"""Values that DuckDB read from JSON, as the Arrow types that were declared for them.

Text is parsed by Arrow, a column at a time, inside of structs and lists, too; no value is cut or
rounded to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.duck import describing
from arrowetl.errors import ConfigError
from arrowetl.sources._json_digits import LONG_NUMBER, TINY_NUMBER
from arrowetl.sources._json_shape import Path
from arrowetl.sources._json_types import TEXT, Map, Spec
from arrowetl.sources._parsed import Parsed, parsed
from arrowetl.sql import name

_NESTED_LISTS: tuple[Callable[[Any], bool], ...] = (
    kinds.is_list,
    kinds.is_large_list,
    kinds.is_fixed_size_list,
    kinds.is_list_view,
    kinds.is_large_list_view,
)
_TEXTS = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
_BYTES = (
    kinds.is_binary,
    kinds.is_large_binary,
    kinds.is_binary_view,
    kinds.is_fixed_size_binary,
)
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def is_list(kind: pa.DataType) -> bool:
    """Say whether a type is a list of any sort."""
    return any(test(kind) for test in _NESTED_LISTS)


def spec_for(kind: Any, *, where: str) -> Spec:
    """Give what DuckDB has to read for an Arrow type: containers as they are, the rest as text.

    Raises:
        ConfigError: there is nothing in JSON that it could be made of.

    >>> spec_for(pa.struct({"at": pa.timestamp("ns"), "tags": pa.list_(pa.string())}), where="x")
    {'at': 'VARCHAR', 'tags': ['VARCHAR']}
    """
    kind = _plain(kind)
    if kinds.is_struct(kind):
        return {
            kind.field(i).name: spec_for(kind.field(i).type, where=where)
            for i in range(kind.num_fields)
        }
    if is_list(kind):
        return [spec_for(kind.value_type, where=where)]
    if kinds.is_map(kind):
        return Map(spec_for(kind.item_type, where=where))
    if kinds.is_union(kind) or kinds.is_interval(kind):
        raise ConfigError(f"{where}: schema: no {kind} can be read from JSON; declare it as text")
    return TEXT


def digits_of(kind: Any) -> Iterator[tuple[Path, str | None]]:
    """Give the places in a type where the digits of a number matter, not only which double it is.

    With each, what to ask of a record to know whether they may; None if all do, as in text. For
    decimals 1.10 is as good as 1.1.

    >>> kind = pa.struct({"a": pa.list_(pa.string()), "b": pa.decimal128(9, 2)})
    >>> [(place, asked is None) for place, asked in digits_of(kind)]
    [(('a', None), True), (('b',), False)]
    """
    kind = _plain(kind)
    if kinds.is_struct(kind):
        for field in kind:
            yield from (((field.name, *path), asked) for path, asked in digits_of(field.type))
    elif is_list(kind) or kinds.is_map(kind):
        inner = kind.item_type if kinds.is_map(kind) else kind.value_type
        yield from (((None, *path), asked) for path, asked in digits_of(inner))
    elif any(test(kind) for test in (*_TEXTS, *_BYTES)):
        yield (), None
    elif kinds.is_decimal(kind) or kinds.is_float16(kind) or kinds.is_float32(kind):
        yield (), LONG_NUMBER
    elif kinds.is_float64(kind):
        yield (), TINY_NUMBER


def _plain(kind: Any) -> Any:
    """Give the type of the values themselves, for types that only keep them in another way."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind.extension_name == "arrow.uuid" else _plain(kind.storage_type)
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    return kind


def text_type(kind: Any, uuid: str = TEXT) -> str:
    """Give a type of DuckDB's as it is read, text in containers; UUIDs are what is said.

    >>> import duckdb
    >>> text_type(duckdb.sqltype("STRUCT(id UUID, n INTEGER)[]"), "UUID")
    'STRUCT("id" UUID, "n" VARCHAR)[]'
    """
    inner = dict(kind.children) if kind.id in {"list", "array", "struct", "map"} else {}
    match kind.id:
        case "uuid":
            return uuid
        case "list" | "array":
            return f"{text_type(inner['child'], uuid)}[]"
        case "struct":
            fields = (f"{name(key)} {text_type(each, uuid)}" for key, each in inner.items())
            return f"STRUCT({', '.join(fields)})"
        case "map":
            return f"MAP({text_type(inner['key'], uuid)}, {text_type(inner['value'], uuid)})"
        case _:
            return TEXT


def uuid_cast(kind: Any) -> str | None:
    """Write what makes all UUIDs of a declared type alike, of text `v`; None if it has none.

    Arrow gets them as text, so its type doesn't say where they are.
    """
    plain, strict = text_type(kind), text_type(kind, "UUID")
    return None if plain == strict else f"v::{strict}::{plain}"


def cast_and_made(column: pa.Array, kind: Any, cast: str | None) -> Parsed:
    """Make a column as `made` does, of what a cast gives."""
    if cast is None:
        return made(column, kind)
    text = _by_duckdb(column, cast)
    found = made(text.values, kind)
    return Parsed(found.values, _either([text.bad, found.bad]))


def made(column: pa.Array, kind: Any) -> Parsed:
    """Make a column of `kind` of what DuckDB gave for its `spec_for`; null where it doesn't fit."""
    if kinds.is_dictionary(kind) or kinds.is_run_end_encoded(kind):
        inner = made(column, kind.value_type)
        return Parsed(_encoded(inner.values, kind), inner.bad)
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(column, kind)
    if kinds.is_struct(kind):
        return _struct(column, kind)
    if kinds.is_map(kind):
        return _map(column, kind)
    if is_list(kind):
        return _list(column, kind)
    return _leaf(column, kind)


def _encoded(values: pa.Array, kind: Any) -> pa.Array:
    import pyarrow.compute as pc

    if kinds.is_run_end_encoded(kind):
        return pc.run_end_encode(values, run_end_type=kind.run_end_type)
    found = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        found.indices.cast(kind.index_type), found.dictionary, ordered=kind.ordered
    )


def _extension(column: pa.Array, kind: Any) -> Parsed:
    if kind.extension_name == "arrow.uuid":
        inner = _by_duckdb(column, "unhex(replace(CAST(v AS UUID)::VARCHAR, '-', ''))")
    elif kind.extension_name == "arrow.bool8":
        inner = made(column, pa.bool_())
    else:
        inner = made(column, kind.storage_type)
    storage = inner.values.cast(kind.storage_type)
    return Parsed(pa.ExtensionArray.from_storage(kind, storage), inner.bad)


def _struct(column: pa.Array, kind: Any) -> Parsed:
    parts = [made(part, kind.field(i).type) for i, part in enumerate(column.flatten())]
    fields = [kind.field(i) for i in range(kind.num_fields)]
    mask = column.is_null() if column.null_count else None
    if not fields:
        return Parsed(column.cast(kind))
    values = pa.StructArray.from_arrays([part.values for part in parts], fields=fields, mask=mask)
    return Parsed(values, _either([part.bad for part in parts]))


def _either(masks: list[pa.Array | None]) -> pa.Array | None:
    import pyarrow.compute as pc

    found: pa.Array | None = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else pc.or_(found, mask)
    return found


def _list(column: pa.Array, kind: Any) -> Parsed:
    inner = made(column.flatten(), kind.value_type)
    values = _offset_list(column, inner.values, pa.list_(kind.value_field))
    bad = _rows(column, inner.bad)
    if kinds.is_fixed_size_list(kind):
        import pyarrow.compute as pc

        odd = pc.fill_null(pc.not_equal(pc.list_value_length(column), kind.list_size), False)
        bad = _either([bad, odd])
        empty = pa.nulls(len(values), values.type)
        values = pc.if_else(odd, empty, values)
    return Parsed(_as_list(values, kind), bad)


def _as_list(values: pa.Array, kind: Any) -> pa.Array:
    views = {pa.ListViewArray: kinds.is_list_view, pa.LargeListViewArray: kinds.is_large_list_view}
    for make, is_kind in views.items():
        if is_kind(kind):
            sizes = values.value_lengths().fill_null(0)
            wide = pa.int32() if make is pa.ListViewArray else pa.int64()
            starts = values.offsets.slice(0, len(values))
            return make.from_arrays(
                starts.cast(wide),
                sizes.cast(wide),
                values.values,
                type=kind,
                mask=values.is_null() if values.null_count else None,
            )
    return values if values.type == kind else values.cast(kind)


def _offset_list(column: pa.Array, values: pa.Array, kind: Any) -> pa.Array:
    import pyarrow.compute as pc

    sizes = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(sizes.cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, values, type=kind, mask=mask)


def _rows(column: pa.Array, bad: pa.Array | None) -> pa.Array | None:
    """Give the rows of lists that hold a bad value."""
    import numpy as np
    import pyarrow.compute as pc

    if bad is None:
        return None
    rows = np.zeros(len(column), bool)
    rows[pc.list_parent_indices(column).filter(bad).to_numpy()] = True
    return pa.array(rows)


def _map(column: pa.Array, kind: Any) -> Parsed:
    entries = pa.ListArray.from_arrays(*_entries(column))
    keys, items = entries.flatten().flatten()
    made_keys, made_items = made(keys, kind.key_type), made(items, kind.item_type)
    if made_keys.bad is not None:  # a key can't be null
        bad = _rows(entries, made_keys.bad)
        rest = _map(_emptied(column, bad), kind)
        return Parsed(rest.values, _either([bad, rest.bad]))
    filled = _offset_list(entries, entries.flatten(), pa.list_(entries.type.value_type))
    values = pa.MapArray.from_arrays(
        filled.offsets,
        made_keys.values,
        made_items.values,
        type=kind,
        mask=column.is_null() if column.null_count else None,
    )
    return Parsed(values, _rows(entries, _either([made_keys.bad, made_items.bad])))


def _emptied(column: pa.Array, rows: pa.Array) -> pa.Array:
    """Make null what is in some rows."""
    import numpy as np
    import pyarrow.compute as pc

    numbers = pa.array(np.arange(len(column)))
    return column.take(pc.if_else(rows, pa.scalar(None, numbers.type), numbers))


def _entries(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    fields = [pa.field("key", column.type.key_type), pa.field("value", column.type.item_type)]
    pairs = pa.StructArray.from_arrays([column.keys, column.items], fields=fields)
    return column.offsets, pairs


def _leaf(column: pa.Array, kind: Any) -> Parsed:
    if any(test(kind) for test in _TEXTS):
        return Parsed(column.cast(kind))
    if any(test(kind) for test in _BYTES):
        return _cast(_by_duckdb(column, "from_base64(v)"), kind)
    if kinds.is_duration(kind):
        return _duration(column, kind)
    if kinds.is_floating(kind):
        return _floating(column, kind)
    if kinds.is_timestamp(kind) and kind.tz is None:
        return _local(column, kind)
    return parsed(column, kind)


def _local(column: pa.Array, kind: Any) -> Parsed:
    """Read date-times that have no zone: of one that has, it would be lost."""
    import pyarrow.compute as pc

    zoned = pc.match_substring_regex(column, r"[ T].*(Z|[-+]\d\d(:?\d\d)?)$").fill_null(False)
    if not pc.any(zoned).as_py():  # small: one value
        return parsed(column, kind)
    found = parsed(pc.if_else(zoned, pa.scalar(None, column.type), column), kind)
    return Parsed(found.values, _either([found.bad, zoned]))


def _floating(column: pa.Array, kind: Any) -> Parsed:
    """Read numbers; none that is too large or too near to 0, nor a whole one that isn't kept."""
    import pyarrow.compute as pc

    found = parsed(column, kind)
    values = found.values.cast(pa.float64())
    large = pc.and_(pc.is_inf(values), pc.match_substring_regex(column, "[0-9]"))
    small = pc.and_(pc.equal(values, 0), pc.match_substring_regex(column, "^[-+]?[0.]*[1-9]"))
    odd = pc.or_(pc.or_(large, small), _rounded(column, values, _KEPT[str(kind)])).fill_null(False)
    if not pc.any(odd).as_py():  # small: one value
        return found
    return Parsed(pc.if_else(odd, pa.scalar(None, kind), found.values), _either([found.bad, odd]))


_KEPT = {"halffloat": 3, "float": 7, "double": 15}
"""Digits that every whole number may have."""
_WIDEST = pa.decimal256(76, 0)


def _rounded(column: pa.Array, values: pa.Array, kept: int) -> pa.Array:
    """Say of which whole numbers the values are others."""
    import pyarrow.compute as pc

    long = pc.match_substring_regex(column, f"^[-+]?[0-9]{{{kept + 1},}}$")
    fits = pc.and_(pc.less(pc.binary_length(column), _WIDEST.precision), pc.is_finite(values))
    asked = pc.and_(long, fits).fill_null(False)
    told, given = (each.filter(asked).cast(_WIDEST) for each in (column, values))
    return pc.replace_with_mask(long, asked, pc.not_equal(told, given))


def _cast(found: Parsed, kind: Any) -> Parsed:
    import pyarrow.compute as pc

    values, bad = found.values, found.bad
    if kinds.is_fixed_size_binary(kind):
        odd = pc.fill_null(pc.not_equal(pc.binary_length(values), kind.byte_width), False)
        values = pc.if_else(odd, pa.scalar(None, values.type), values)
        bad = _either([bad, odd])
    return Parsed(values.cast(kind), bad)


def _by_duckdb(column: pa.Array, expression: str) -> Parsed:
    """Give the values of an expression over `v`; bad where there is none."""
    import pyarrow.compute as pc

    with describing() as connection:
        connection.register("given", pa.RecordBatch.from_arrays([column], ["v"]))
        select = f"SELECT TRY({expression}) AS v FROM given"
        values = connection.sql(select).to_arrow_table()["v"].combine_chunks()
    bad = pc.and_(values.is_null(), column.is_valid())
    return Parsed(values, bad if pc.any(bad) == pa.scalar(value=True) else None)


def _duration(column: pa.Array, kind: Any) -> Parsed:
    """Read ISO 8601 durations of seconds, `PT1.5S` or `-PT90S`; or a number of the type's unit."""
    digits = _UNITS[kind.unit]
    found = _by_duckdb(
        column,
        f"""CASE WHEN regexp_full_match(v, '-?[0-9]+') THEN v::BIGINT
        WHEN regexp_full_match(v, '-?PT[0-9]+([.][0-9]{{0,{digits}}}0*)?S')
        THEN concat(v[:1].replace('P', ''), regexp_extract(v, 'PT([0-9]+)', 1),
            rpad(regexp_extract(v, '[.]([0-9]*)', 1), {digits}, '0'))::BIGINT END""",
    )
    # What DuckDB leaves under nulls may be too large for it as a duration, later.
    ticks = found.values.fill_null(0).cast(pa.int64()).cast(kind)
    buffers = [found.values.is_valid().buffers()[1], ticks.buffers()[1]]
    return Parsed(pa.Array.from_buffers(kind, len(ticks), buffers), found.bad)
