"""The SELECT that turns texts of records into rows, and says of each text that is none why.

DuckDB parses a text once for its columns, and once more for each kind of check that is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from arrowetl.sources._json_shape import Node, Path, place
from arrowetl.sources._json_split import FAULTS
from arrowetl.sources._json_types import RAW, Spec, spec_of
from arrowetl.sql import INPUT, literal, name

MARKS = ["file", "line", "byte", "code", "text"]
"""What stands before the columns in each row: where its text begins, why it is none, if it isn't,
and the text, if it may be needed."""

REASONS = {
    **FAULTS,
    "malformed": "it isn't valid JSON",
    "not_an_object": "it isn't an object, and the other records are",
    "duplicate_key": "an object has a key twice",
    "unknown_key": "an object has a key that the sample didn't show",
    "record_path": "there is no list where record_path has [*]",
    "number": "a number is larger than a double holds",
    "cast": "a value doesn't fit the column's type",
}


@dataclass(frozen=True)
class Column:
    """A column, and where its values are.

    Attributes:
        name: what it is called.
        path: its key in a record; more than one if objects are flattened.
        spec: the type that DuckDB reads.
        bare: whether the values are JSON text, from which the quotes of strings are taken.
        wanted: the Arrow type that is made of it then, if it isn't what DuckDB gives.
    """

    name: str
    path: tuple[str, ...]
    spec: Spec
    bare: bool = False
    wanted: pa.DataType | None = None


@dataclass(frozen=True)
class Check:
    """A reason to reject a record, in SQL over its `text`."""

    code: str
    where: str


def select_rows(columns: Sequence[Column], checks: Sequence[Check], start: Path) -> str:
    """Write the SELECT over documents; it gives `MARKS` and the columns, in the texts' order."""
    layers = list(_layers(columns))
    parsed = ", ".join(
        f"TRY(from_json(text, {literal(json.dumps(_around(layer, start)))})) AS r{number}"
        for number, layer in enumerate(layers)
    )
    values = ", ".join(f"{_value(each, layers)} AS {name(each.name)}" for each in columns)
    coded = f"""SELECT *, {_code(columns, checks, layers, start)} AS code
        FROM (SELECT *, {parsed} FROM {INPUT})"""
    if start:
        records = f"CASE WHEN code IS NULL THEN {_within('r0', start)} ELSE [NULL] END"
        coded = f"SELECT file, line, byte, code, text, unnest({records}) AS r0 FROM ({coded})"
    late = any(column.wanted is not None for column in columns)
    text = "text" if late else "CASE WHEN code IS NOT NULL THEN text END"
    return f"SELECT file, line, byte, code, {text} AS text, {values} FROM ({coded})"


def _layers(columns: Sequence[Column]) -> Iterator[Spec]:
    """Give what to read: a value, or objects, several where keys differ only in case."""
    if not columns[0].path:
        yield columns[0].spec
        return
    todo = list(columns)
    while todo:
        taken: dict[str, Spec] = {}
        later = []
        for column in todo:
            twins = {key for key in taken if key.lower() == column.path[0].lower()}
            if twins - {column.path[0]}:
                later.append(column)
            else:
                _put(taken, column.path, column.spec)
        # Asked for a decimal, DuckDB keeps the digits of all numbers that it gives as text.
        yield {**taken, _no_key(taken): "DECIMAL(1, 0)"}
        todo = later


def _no_key(taken: dict[str, Spec]) -> str:
    """Give a key that isn't taken and that nobody has."""
    key = "\x1f"
    while key in taken:
        key += "\x1f"
    return key


def _put(into: dict[str, Spec], path: Sequence[str], spec: Spec) -> None:
    for key in path[:-1]:
        inner = into.setdefault(key, {})
        if not isinstance(inner, dict):  # pragma: no cover - a column inside another
            raise TypeError(f"{key!r} is read as {inner} and as an object")
        into = inner
    into[path[-1]] = spec


def _around(spec: Spec, start: Path) -> Spec:
    for step in reversed(start):
        spec = [spec] if step is None else {step: spec}
    return spec


def _within(value: str, path: Path) -> str:
    """Write the list of all records in a document that was read."""
    many = False
    for step in path:
        if step is not None:
            field = name(step)
            value = f"list_transform({value}, lambda x: x.{field})" if many else f"{value}.{field}"
        elif many:
            value = f"flatten({value})"
        many = many or step is None
    return value if many else f"[{value}]"


def _value(column: Column, layers: Sequence[Spec]) -> str:
    number = next(n for n, layer in enumerate(layers) if _has(layer, column.path))
    value = ".".join([f"r{number}", *map(name, column.path)])
    if column.bare:
        text = f"CAST({value} AS VARCHAR)"
        return f"CASE WHEN starts_with({value}, '\"') THEN {value} ->> '$' ELSE {text} END"
    return value


def _has(layer: Spec, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(layer, dict) and path[0] in layer)


def _code(
    columns: Sequence[Column],
    checks: Sequence[Check],
    layers: Sequence[Spec],
    start: Path,
) -> str:
    cases = [
        ("fault IS NOT NULL", "fault"),
        ("r0 IS NULL AND NOT json_valid(text)", "'malformed'"),
        ("r0 IS NULL" if columns[0].path else "", "'not_an_object'"),
        *((check.where, literal(check.code)) for check in checks),
    ]
    if not start:
        cases += [(_overflow(_value(each, layers), each.spec), "'number'") for each in columns]
    return (
        "CASE " + " ".join(f"WHEN {where} THEN {code}" for where, code in cases if where) + " END"
    )


def _overflow(value: str, spec: Spec) -> str:
    """Say whether a number was too large for a double; infinity itself may stand in a file."""
    infinite = _infinite(value, spec)
    if not infinite:
        return ""
    large = "regexp_matches(text, '[0-9][eE][+]?[0-9]{3}|[0-9]{309}')"
    return f"CASE WHEN {infinite} THEN {large} AND NOT contains(text, 'Inf') ELSE false END"


def _infinite(value: str, spec: Spec, depth: int = 0) -> str:
    if isinstance(spec, list):
        each = _infinite(f"x{depth}", spec[0], depth + 1)
        return f"len(list_filter({value}, lambda x{depth}: {each})) > 0" if each else ""
    if isinstance(spec, dict):
        parts = [_infinite(f"{value}.{name(k)}", v, depth) for k, v in spec.items()]
        return " OR ".join(filter(None, parts))
    return f"isinf({value})" if spec == "DOUBLE" else ""


def checks_of(root: Node, start: Path, *, sure: bool, closed: bool = False) -> Iterator[Check]:
    """Give the checks that records need.

    Args:
        root: what is known of the documents.
        start: where the records are in them.
        sure: whether it is known of all of them: then only what was seen has to be looked for.
        closed: whether keys that aren't known are wrong.
    """
    record = root.at(start)
    for depth, step in enumerate(start):
        holder = root.at(start[:depth])
        kind = "ARRAY" if step is None else "OBJECT"
        if not sure or holder.real - {kind}:
            yield Check("record_path", _other_kind(holder.path, (kind, "NULL")))
    if not sure or record.kinds - {"OBJECT"}:
        yield Check("not_an_object", _other_kind(record.path, ("OBJECT",)))
    for node in _typed(record):
        if node.keys and (node.doubled or not sure):
            yield Check(
                "duplicate_key", _per_object(node.path, "len({0}) <> len(list_distinct({0}))")
            )
        if node.keys and closed and not node.opaque:
            known = literal(list(node.keys))
            yield Check("unknown_key", _per_object(node.path, f"NOT list_has_all({known}, {{0}})"))


def _typed(node: Node) -> Iterator[Node]:
    """Give a place and those below it, without what is only read as JSON text."""
    yield node
    for child in node.children:
        if not child.kinds or spec_of(child) != RAW:
            yield from _typed(child)


def container_check(path: Path, kind: str, column: str) -> Check:
    """Give the check that only objects, or only lists, stand at a place in a column."""
    return Check(f"cast:{column}", _other_kind(path, (kind, "NULL")))


def _other_kind(path: Path, allowed: Sequence[str]) -> str:
    at, kinds = literal(place(path)), ", ".join(map(literal, allowed))
    if None in path:
        return f"len(list_filter(json_type(text, {at}), lambda x: x NOT IN ({kinds}))) > 0"
    return f"json_type(text, {at}) NOT IN ({kinds})"


def _per_object(path: Path, wrong: str) -> str:
    keys = f"json_keys(text, {literal(place(path))})"
    if None in path:
        return f"len(list_filter({keys}, lambda k: {wrong.format('k')})) > 0"
    return wrong.format(keys)
