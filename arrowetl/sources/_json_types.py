"""The types of JSON records: what a tree of kinds comes to, and how DuckDB is told to read it."""

from __future__ import annotations

from typing import TypeAlias

from arrowetl.sources._json_shape import INTEGERS, KEYS, NUMBERS, SCALARS, Node
from arrowetl.sql import name

Spec: TypeAlias = "str | list[Spec] | dict[str, Spec]"
"""A type as `from_json` takes it: DuckDB's name, a list with one, or an object of them."""

TEXT, RAW = "VARCHAR", "JSON"


def spec_of(node: Node) -> Spec:
    """Give the type of the values at a place.

    Integers are int64, uint64 or decimal128(38, 0), whichever holds them all; with fractions they
    are doubles. Other scalars that disagree are text, and so are longer integers. Objects are
    structs, unless keys differ only in case. Lists have one type. What disagrees otherwise is JSON
    text, and so is what is too large.

    >>> spec_of(Node(kinds={"UBIGINT", "DOUBLE", "NULL"})), spec_of(Node(kinds={"NULL"}))
    ('DOUBLE', 'VARCHAR')
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
    return _scalar(real)


def _struct(node: Node) -> Spec:
    folded = {key.lower() for key in node.keys}
    if not node.keys or "" in folded or len(folded) < len(node.keys) or len(node.keys) > KEYS:
        return RAW
    return {key: spec_of(child) for key, child in node.keys.items()}


def _scalar(real: set[str]) -> Spec:
    if real in ({"VARCHAR"}, {"BOOLEAN"}):
        return next(iter(real))
    if real <= INTEGERS:
        return "BIGINT"
    if not real <= SCALARS:
        return RAW
    if not real <= NUMBERS or ("HUGE" in real and "DOUBLE" not in real):
        return TEXT
    if "DOUBLE" in real:
        return "DOUBLE"
    return "UBIGINT" if "INT128" not in real and "BIGINT" not in real else "HUGEINT"


def type_name(spec: Spec) -> str:
    """Write a type as SQL does.

    >>> type_name({"a b": ["BIGINT"]})
    'STRUCT("a b" BIGINT[])'
    """
    if isinstance(spec, list):
        return f"{type_name(spec[0])}[]"
    if isinstance(spec, dict):
        return "STRUCT(" + ", ".join(f"{name(k)} {type_name(v)}" for k, v in spec.items()) + ")"
    return spec
