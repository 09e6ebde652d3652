"""The SELECT that turns texts of records into rows, and says of each text that is none why.

DuckDB parses a text once for its columns, and once or twice more where it has to be checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from arrowetl.sources import _json_digits as digits
from arrowetl.sources._json_checks import Asked, Check
from arrowetl.sources._json_shape import Path, place
from arrowetl.sources._json_split import FAULTS
from arrowetl.sources._json_types import Spec, written
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
    "no_record": "there is nothing at the end of record_path",
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
        wanted: the Arrow type that is made of it then, if it isn't what DuckDB gives.
        cast: what has to be done before with the text, in DuckDB's words.
        texts: the places in it where text may be a number's, and its digits count.
        numbers: what to ask of a record: whether there is a number in it that is no double, and
            that the wanted type may keep, or must not take for another.
        spellings: its key in other records, where that differs in case.
    """

    name: str
    path: tuple[str, ...]
    spec: Spec
    wanted: pa.DataType | None = None
    cast: str | None = None
    texts: frozenset[Path] = frozenset()
    numbers: frozenset[str] = frozenset()
    spellings: tuple[str, ...] = ()

    @property
    def spelt(self) -> tuple[Column, ...]:
        """The column as each of the spellings has it; a record has one of them, or none."""
        others = (replace(self, path=(key, *self.path[1:])) for key in self.spellings)
        return (self, *others)


def select_rows(columns: Sequence[Column], checks: Sequence[Check], start: Path) -> str:
    """Write the SELECT over documents; it gives `MARKS` and the columns, in the texts' order."""
    spelt = [each for column in columns for each in column.spelt]
    layers = list(_layers(spelt))
    parsed = ", ".join(
        f"TRY(from_json(text, {literal(json.dumps(written(_around(layer, start))))})) AS r{number}"
        for number, layer in enumerate(layers)
    )
    values = ", ".join(f"{_value(each, layers)} AS {name(each.name)}" for each in columns)
    asked = Asked()
    code = _code(_cases(spelt, [(asked.where(each), each.word) for each in checks], layers, start))
    read = f"SELECT *, {parsed}{asked.columns()} FROM {INPUT}"
    for number, layer in enumerate(layers):
        read = _with_digits(read, number, layer, spelt, start=start)
    coded = f"SELECT *, {code} AS code FROM ({read})"
    if start:
        records = ", ".join(
            f"unnest(CASE WHEN code IS NULL THEN {_within(f'r{number}', start)} ELSE [NULL] END) "
            f"AS r{number}"
            for number, _ in enumerate(layers)
        )
        coded = f"SELECT file, line, byte, code, text, {records} FROM ({coded})"
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
        yield taken
        todo = later


def _with_digits(
    read: str, number: int, layer: Spec, columns: Sequence[Column], *, start: Path
) -> str:
    """Write the SELECT in whose layer text of numbers has all digits, around one that may not."""
    value, given, before = (
        (_within(f"r{number}", start), [layer], (None,)) if start else (f"r{number}", layer, ())
    )
    mine = [column for column in columns if _has(layer, column.path)]
    texts = {(*before, *column.path, *place) for column in mine for place in column.texts}
    lost = [each for each in [digits.lost(value, given, texts)] if each]
    lost += sorted(frozenset().union(*(column.numbers for column in mine)))
    if not lost:
        return read
    part, kept = layer, f"v{number}"
    if isinstance(layer, dict) and not start:
        keys = {column.path[0] for column in mine if column.texts or column.numbers}
        part = {key: layer[key] for key in layer if key in keys}
        changes = ", ".join(f"{name(key)} := {kept}.{name(key)}" for key in part)
        kept = f"struct_update(r{number}, {changes})"
    again = digits.Again(_around(part, start))
    where = f"CASE WHEN r{number} IS NULL THEN false ELSE {' OR '.join(lost)} END"
    for column, expression in (
        (f"lost{number}", where),
        (f"q{number}", f"CASE WHEN lost{number} THEN {again.read()} END"),
        (f"v{number}", f"CASE WHEN lost{number} THEN {again.value(f'q{number}')} END"),
    ):
        read = f"SELECT *, {expression} AS {column} FROM ({read})"
    kept = f"CASE WHEN lost{number} THEN {kept} ELSE r{number} END"
    return f"SELECT * REPLACE ({kept} AS r{number}) FROM ({read})"


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
    found = ", ".join(_at(each, layers) for each in column.spelt)
    return f"coalesce({found})" if column.spellings else found


def _at(column: Column, layers: Sequence[Spec]) -> str:
    number = next(n for n, layer in enumerate(layers) if _has(layer, column.path))
    return ".".join([f"r{number}", *map(name, column.path)])


def _has(layer: Spec, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(layer, dict) and path[0] in layer)


def _cases(
    columns: Sequence[Column],
    checks: Sequence[tuple[str, str]],
    layers: Sequence[Spec],
    start: Path,
) -> Iterator[tuple[str, str]]:
    """Give the predicates that reject a record, the first that is true counts, and their words."""
    yield "r0 IS NULL AND NOT json_valid(text)", "malformed"
    if columns[0].path:
        yield "r0 IS NULL", "not_an_object"
    yield from checks
    if start and start[-1] is not None:
        yield _misses_one(start, objects=bool(columns[0].path)), "no_record"
    if start:
        for number, layer in enumerate(layers):
            yield _overflow(_within(f"r{number}", start), [layer]), "number"
    else:
        yield from ((_overflow(_at(each, layers), each.spec), "number") for each in columns)


def _misses_one(start: Path, *, objects: bool) -> str:
    """Say whether the last keys of the way to the records lead nowhere, in the document or a list.

    Of objects DuckDB has a null there, which costs nothing to see. Other values may be null.
    """
    if objects:
        return f"len(list_filter({_within('r0', start)}, lambda x: x IS NULL)) > 0"
    if None not in start:
        return f"NOT json_exists(text, {literal(place(start))})"
    end = len(start) - start[::-1].index(None)
    held, found = (f"len(json_type(text, {literal(place(way))}))" for way in (start[:end], start))
    return f"TRY({held} > {found})"


def _code(cases: Iterator[tuple[str, str]]) -> str:
    found = " ".join(f"WHEN {where} THEN {literal(word)}" for where, word in cases if where)
    return f"CASE WHEN fault IS NOT NULL THEN fault {found} END"


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
        if each and depth == digits.LAMBDAS:
            return f"contains(CAST({value} AS VARCHAR), 'inf')"
        return f"len(list_filter({value}, lambda x{depth}: {each})) > 0" if each else ""
    if isinstance(spec, dict):
        parts = [_infinite(f"{value}.{name(k)}", v, depth) for k, v in spec.items()]
        return " OR ".join(filter(None, parts))
    return f"isinf({value})" if spec == "DOUBLE" else ""
