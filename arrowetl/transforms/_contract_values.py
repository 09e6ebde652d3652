"""SQL of the values in nested columns: which there are, and the column made anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.contracts.contract import Node
from arrowetl.contracts.paths import Part
from arrowetl.contracts.types import LIST, STRUCT, cast, is_list, sql_type, struct_of, type_of
from arrowetl.contracts.types import plain as plain_type
from arrowetl.rules import Rule
from arrowetl.sql import literal, name

EACH = "arrowetl:each"
"""What a lambda calls the value that it looks at."""


def values_at(value: str, parts: Sequence[Part]) -> str:
    """Give the SQL list of what is at some way below a value, where what it is in is there.

    >>> values_at("x", ["a"])[:70]
    'list_transform(list_filter([x], lambda "arrowetl:each": "arrowetl:each'
    """
    each, found = name(EACH), f"[{value}]"
    for part in parts:
        there = f"list_filter({found}, lambda {each}: {each} IS NOT NULL)"
        inside = f"list_transform({there}, lambda {each}: struct_extract({each}, {literal(part)}))"
        found = f"flatten({there})" if part is None else inside
    return found


def declared(node: Node) -> str:
    """Give DuckDB's type of a field."""
    match node.field.type:
        case "struct":
            inside = [f"{name(str(part))} {declared(each)}" for part, each in node.members.items()]
            return f"STRUCT({', '.join(inside)})"
        case "list":
            return f"{declared(node.members[None])}[]"
        case word:
            return sql_type(type_of(word) or pa.null())


def same_shape(kind: Any, word: str) -> bool:
    """Say whether values have the parts that a field's word says: members, elements or none."""
    return (kinds.is_struct(kind) and bool(kind.num_fields), is_list(kind)) == (
        word == STRUCT,
        word == LIST,
    )


def is_any(word: str) -> bool:
    """Say whether a field takes any type."""
    return word == str(pa.null())


@dataclass(frozen=True)
class Shape:
    """How a column is made anew.

    Attributes:
        typed: whether values get the contract's types; null for those that have another value
            there. They stay as they are if not.
        closed: whether members of structs that the contract doesn't know are left out.
        nulled: rules by the way to a part; values that break one become null.
    """

    typed: bool
    closed: bool
    nulled: Mapping[tuple[Part, ...], Sequence[Rule]] = field(default_factory=dict)

    def made(self, value: str, kind: Any, node: Node, depth: int = 0) -> str | None:
        """Give the SQL of a column or a part made anew; None if it stays as it is."""
        word = node.field.type
        if is_any(word):
            return None
        if kinds.is_null(kind) or not same_shape(kind, word):
            made = self._other(value, kind, node)
        elif word == STRUCT:
            made = self._struct(value, kind, node, depth)
        elif word == LIST:
            made = self._list(value, kind, node, depth)
        else:
            made = self._leaf(value, kind, node)
        return self._nulled(value, kind, node, made)

    def _other(self, value: str, kind: pa.DataType, node: Node) -> str | None:
        if not self.typed:
            return None
        given = value if kinds.is_null(kind) else "NULL"
        return f"CAST({given} AS {declared(node)})"

    def _leaf(self, value: str, kind: pa.DataType, node: Node) -> str | None:
        wanted, old = type_of(node.field.type), plain_type(kind)
        if not self.typed or wanted is None or old == wanted:
            return None
        return cast(value, old, wanted)

    def _struct(self, value: str, kind: Any, node: Node, depth: int) -> str | None:
        members, changed = [], False
        for part in kind:
            old = f"struct_extract({value}, {literal(part.name)})"
            if part.name not in node.members:
                changed |= self.closed
                if not self.closed:
                    members.append((part.name, old))
                continue
            new = self.made(old, part.type, node.members[part.name], depth)
            changed |= new is not None
            members.append((part.name, new or old))
        there = {part.name for part in kind}
        for part, inside in node.members.items():
            if part not in there:
                changed = True
                members.append((str(part), f"CAST(NULL AS {declared(inside)})"))
        if not changed:
            return None
        return f"CASE WHEN {value} IS NOT NULL THEN {struct_of(members)} END"

    def _list(self, value: str, kind: Any, node: Node, depth: int) -> str | None:
        each = name(f"{EACH}{depth}")
        made = self.made(each, kind.value_type, node.members[None], depth + 1)
        return made and f"list_transform({value}, lambda {each}: {made})"

    def _nulled(self, value: str, kind: Any, node: Node, made: str | None) -> str | None:
        rules = self.nulled.get(node.field.parts, ())
        if not rules:
            return made
        judged = replace(self, typed=True, nulled={}).made(value, kind, node) or value
        return f"CASE WHEN {kept(judged, rules)} THEN {made or value} END"


def kept(value: str, rules: Sequence[Rule]) -> str:
    """Give the SQL predicate that a value keeps rules; the value is computed once."""
    tests = " AND ".join(replace(rule, column=EACH).passes() for rule in rules)
    return f"list_transform([{value}], lambda {name(EACH)}: {tests})[1]"


def breaking(values: str, broken: str) -> str:
    """Give the SQL list of those values of a list that break a predicate over `EACH`."""
    return f"list_filter({values}, lambda {name(EACH)}: {broken})"
