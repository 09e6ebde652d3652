"""The types of JSON records: what a tree of kinds comes to, and how DuckDB is told to read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from arrowetl.sources._json_shape import INTEGERS, KEYS, LONG_INTEGERS, NUMBERS, SCALARS, Node, Path
from arrowetl.sql import name


@dataclass(frozen=True)
class Map:
    """Objects with any keys, and the type of their values."""

    item: Spec


Spec: TypeAlias = "str | list[Spec] | dict[str, Spec] | Map"
"""A type that DuckDB reads: its name, a list with one, or an object of them."""

TEXT, RAW = "VARCHAR", "JSON"


def spec_of(node: Node) -> Spec:
    """Give the type of the values at a place.

    Integers are int64, uint64 or decimal128(38, 0), whichever holds them all; with fractions they
    are doubles, or text where one has more than 15 digits, which a double may not keep. Other
    scalars that disagree are text, and so are longer integers. Objects are structs, unless keys
    differ only in case. Lists have one type. What disagrees otherwise is JSON text, and so is what
    is too large.

    >>> spec_of(Node(kinds={"UBIGINT", "DOUBLE", "NULL"})), spec_of(Node(kinds={"NULL"}))
    ('DOUBLE', 'VARCHAR')
    >>> spec_of(Node(kinds={"UBIGINT", "DOUBLE"}, long=True))
    'VARCHAR'
    """
    real = node.real
    if node.opaque:
        return RAW
    if not real:
        return TEXT
    if real == {"OBJECT"}:
        return _struct(node)
    if real == {"ARRAY"}:
        return [spec_of(node.item)] if node.item else RAW
    return _scalar(real, long=node.long or bool(real & LONG_INTEGERS))


def _struct(node: Node) -> Spec:
    folded = {key.lower() for key in node.keys}
    if not node.keys or "" in folded or len(folded) < len(node.keys) or len(node.keys) > KEYS:
        return RAW
    return {key: spec_of(child) for key, child in node.keys.items()}


def _scalar(real: set[str], *, long: bool) -> Spec:
    if real in ({"VARCHAR"}, {"BOOLEAN"}):
        return next(iter(real))
    if real <= INTEGERS:
        return "BIGINT"
    if not real <= SCALARS:
        return RAW
    if not real <= NUMBERS or "HUGE" in real or (long and "DOUBLE" in real):
        return TEXT
    if "DOUBLE" in real:
        return "DOUBLE"
    return "UBIGINT" if "INT128" not in real and "BIGINT" not in real else "HUGEINT"


def number_texts(node: Node, *, sure: bool) -> Iterator[Path]:
    """Give the places of text, below a place, where that may be a number's; from there on.

    Args:
        node: the place.
        sure: whether all records were looked at, so that nothing else stands there.

    >>> list(number_texts(Node(kinds={"UBIGINT", "VARCHAR"}), sure=True))
    [()]
    """
    spec, depth = spec_of(node), len(node.path)
    if spec == RAW or (spec == TEXT and (not sure or node.real & NUMBERS)):
        yield ()
    elif isinstance(spec, dict | list):
        for child in node.children:
            for path in number_texts(child, sure=sure):
                yield (*child.path[depth:], *path)


def written(spec: Spec) -> Any:
    """Give a type as `from_json` takes it, in JSON.

    >>> written({"a": [Map("BIGINT")]})
    {'a': ['MAP(VARCHAR, BIGINT)']}
    """
    if isinstance(spec, list):
        return [written(spec[0])]
    if isinstance(spec, dict):
        return {key: written(inner) for key, inner in spec.items()}
    return type_name(spec)


def type_name(spec: Spec) -> str:
    """Write a type as SQL does.

    >>> type_name({"a b": ["BIGINT"]})
    'STRUCT("a b" BIGINT[])'
    """
    if isinstance(spec, list):
        return f"{type_name(spec[0])}[]"
    if isinstance(spec, dict):
        return "STRUCT(" + ", ".join(f"{name(k)} {type_name(v)}" for k, v in spec.items()) + ")"
    return f"MAP({TEXT}, {type_name(spec.item)})" if isinstance(spec, Map) else spec
