"""Columns by name and type: as a user declares them, and as several files have them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from arrowetl.duck import foreign_part
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean
from arrowetl.sql import name
from arrowetl.typemap.words import Kind, sql_type

Fields = tuple[tuple[str, str], ...]
"""Columns and DuckDB's names of their types."""

Declared: TypeAlias = pa.Schema | Mapping[str, Kind] | Iterable[tuple[str, Kind]]
"""Types as a user declares them."""

TEXT = "VARCHAR"
JOINED = {
    frozenset({"BIGINT", "DOUBLE"}): "DOUBLE",
    frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP",
    frozenset({"TIMESTAMP", "TIMESTAMP_NS"}): "TIMESTAMP_NS",
    frozenset({"DATE", "TIMESTAMP_NS"}): "TIMESTAMP_NS",
    frozenset({"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}): "TIMESTAMP WITH TIME ZONE",
}
"""Types that files may disagree in; any others are text together."""


def named_types(declared: Declared, *, where: str, option: str = "schema") -> Fields:
    """Give declared types as DuckDB names them; `option` is what the user said them in.

    Raises:
        ConfigError: there is no such type, or Arrow has none for it.

    >>> named_types({"id": "int", "paid": pa.date32()}, where="CSVSource")
    (('id', 'INTEGER'), ('paid', 'DATE'))
    """
    if isinstance(declared, pa.Schema):
        pairs = [(field.name, field.type) for field in declared]
    else:
        pairs = _pairs(declared, f"{where}: {option}")
    return tuple(
        (str(column), _type_name(column, kind, f"{where}: {option}")) for column, kind in pairs
    )


def _pairs(declared: Any, where: str) -> list[tuple[str, Kind]]:
    pairs = declared.items() if isinstance(declared, Mapping) else declared
    listed: list[Any] = [pairs]
    if isinstance(pairs, Iterable) and not isinstance(pairs, str):
        listed = list(pairs)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in listed):  # noqa: PLR2004 - name, type
        raise ConfigError(f"{where} takes types by column name, not {declared!r}")
    return [(column, kind) for column, kind in listed]


def _type_name(column: str, kind: Kind, where: str) -> str:
    found = sql_type(kind, where=f"{where}: column {column!r}")
    foreign = foreign_part(duckdb.sqltype(found))
    # That one is read as a decimal.
    if foreign and foreign != "UHUGEINT":
        raise ConfigError(
            f"{where}: column {column!r}: {kind!r}: Arrow has no type for {foreign}; read "
            "it as VARCHAR"
        )
    return found


def spellings(files: Sequence[Fields]) -> dict[str, str]:
    """Give each column's name as the first file spells it that has it, whatever its case.

    As to DuckDB, only the letters from A to Z have a case: columns of one file stay apart.

    >>> spellings([(("id", "BIGINT"), ("É", "DATE")), (("ID", "BIGINT"), ("é", "DATE"))])
    {'id': 'id', 'É': 'É', 'ID': 'id', 'é': 'é'}
    """
    first: dict[bytes, str] = {}
    columns = [column for file in files for column, _ in file]
    return {column: first.setdefault(column.encode().lower(), column) for column in columns}


Asked: TypeAlias = Callable[[int, str], bool]
"""Says something of a column of a file, by the file's number. Asked only where files disagree."""


def merged(files: Sequence[Fields], is_blank: Asked, is_long: Asked) -> Fields:
    """Give the columns of several files together, in the order they first appear in.

    Args:
        files: each file's columns.
        is_blank: whether a file has no value in a column, so that its type counts for nothing.
        is_long: whether it has whole numbers there that a double may not keep.
    """
    kinds: dict[str, dict[str, list[int]]] = {}
    for number, columns in enumerate(files):
        for column, kind in columns:
            kinds.setdefault(column, {}).setdefault(kind, []).append(number)
    return tuple(
        (column, _joined(column, found, is_blank, is_long)) for column, found in kinds.items()
    )


def _joined(
    column: str, found: Mapping[str, Sequence[int]], is_blank: Asked, is_long: Asked
) -> str:
    if len(found) == 1:
        return next(iter(found))
    real = {
        kind
        for kind, numbers in found.items()
        if kind != TEXT or not all(is_blank(number, column) for number in numbers)
    }
    if len(real) == 1:
        return next(iter(real))
    joined = JOINED.get(frozenset(real), TEXT)
    if joined == "DOUBLE" and any(is_long(number, column) for number in found["BIGINT"]):
        return TEXT
    return joined


def declared_over(columns: Fields, declared: Fields, *, header: bool, where: str) -> Fields:
    """Give a file's columns with the declared types; and names, if it has none of its own.

    Raises:
        SchemaError: a declared column isn't there.
    """
    types = dict(declared)
    if not header and declared:
        if len(columns) != len(declared):
            raise SchemaError(
                f"no header, {len(columns)} columns, and schema names {len(declared)}: "
                "name them all, in the file's order",
                where=where,
            )
        return declared
    return tuple((column, types.get(column, kind)) for column, kind in columns)


def projected(columns: Fields, wanted: Sequence[str] | None, *, where: str) -> Fields:
    """Give the wanted columns, in the order they are wanted in.

    Raises:
        SchemaError: one isn't there.
    """
    if wanted is None:
        return columns
    require_all(wanted, columns, where=where)
    types = dict(columns)
    return tuple((column, types[column]) for column in wanted)


def require_all(wanted: Iterable[str], columns: Fields, *, where: str) -> None:
    """Raise SchemaError for the first of the wanted columns that isn't there."""
    known = [column for column, _ in columns]
    for column in wanted:
        if column not in known:
            raise SchemaError.missing(column, known, where=where)


def as_names(
    columns: Iterable[str] | None, *, where: str, option: str = "columns"
) -> tuple[str, ...] | None:
    """Give column names as a tuple.

    Raises:
        ConfigError: there are none, one comes twice, or it is one text instead of a list.
    """
    if columns is None:
        return None
    if isinstance(columns, str):
        raise ConfigError(f"{where}: {option} takes a list of names: [{columns!r}]")
    listed = tuple(columns) if isinstance(columns, Iterable) else (columns,)
    if not all(isinstance(column, str) for column in listed):
        raise ConfigError(f"{where}: {option} takes a list of names, not {columns!r}")
    if not listed or len(set(listed)) < len(listed):
        raise ConfigError(f"{where}: {option} must name one or more, each once: {list(listed)}")
    return listed


def check_choice(option: str, value: str, known: tuple[str, ...], where: str) -> None:
    """Raise ConfigError if an option's value isn't one of those known."""
    if value not in known:
        hint = did_you_mean(closest(str(value), known))
        raise ConfigError(f"{where}: {option}={value!r}{hint} Known: {', '.join(known)}")


def select_list(columns: Fields, there: Mapping[str, str]) -> str:
    """Write a SELECT's columns, as the SQL for those that are there says; the others are nulls."""
    return ", ".join(
        there.get(column) or f"CAST(NULL AS {kind}) AS {name(column)}" for column, kind in columns
    )
