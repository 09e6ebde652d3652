"""How the columns that arrive differ from a contract's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.contracts import Contract, ContractMode
from arrowetl.contracts.contract import Node
from arrowetl.contracts.paths import Part, path_of
from arrowetl.contracts.types import LIST, STRUCT, plain, type_of, widens, word_of
from arrowetl.errors import SchemaError, closest
from arrowetl.profiling.columns import is_text
from arrowetl.transforms._contract_values import is_any, same_shape

CLOSED = (ContractMode.DISCARD_VALUE, ContractMode.DISCARD_ROW, ContractMode.QUARANTINE)
"""The modes under which only the contract's columns leave."""


TOLD = 20
"""How many differences an error names."""


@dataclass(frozen=True)
class Difference:
    """A place where what arrives isn't what the contract says.

    Attributes:
        what: `unknown`, `missing` or `type`.
        parts: the way to it.
        kind: the Arrow type that arrives; null of what is missing.
        node: the contract's field; None if it has none.
    """

    what: str
    parts: tuple[Part, ...]
    kind: pa.DataType
    node: Node | None = None

    @property
    def path(self) -> str:
        """The way as text."""
        return path_of(self.parts)

    @property
    def wanted(self) -> str:
        """The contract's word for the type."""
        return self.node.field.type if self.node else ""

    @property
    def widens(self) -> bool:
        """Whether every value of the arriving type is one of the contract's."""
        if kinds.is_null(self.kind):
            return True
        if self.wanted in {STRUCT, LIST} or not same_shape(self.kind, self.wanted):
            return False
        new = type_of(self.wanted)
        return new is not None and widens(plain(self.kind), new)

    @property
    def is_text(self) -> bool:
        """Whether a text arrives where the contract has a type that texts can be cast to."""
        return self.what == "type" and len(self.parts) == 1 and is_text(self.kind) and self.castable

    @property
    def castable(self) -> bool:
        """Whether there can be such values: some types (maps of structs) are only compared."""
        return self.node is None or _castable(self.node)


def _castable(node: Node) -> bool:
    if node.field.type in {STRUCT, LIST}:
        return all(map(_castable, node.members.values()))
    return type_of(node.field.type) is not None


def differences(contract: Contract, schema: pa.Schema, *, where: str) -> tuple[Difference, ...]:
    """Give all differences, in the order of the columns.

    Raises:
        SchemaError: a name differs in case alone.
    """
    fields = {field.name: field.type for field in schema}
    return tuple(_between((), fields, contract.columns, where))


def _between(
    above: tuple[Part, ...], fields: Mapping[str, Any], nodes: Mapping[Any, Node], where: str
) -> Iterator[Difference]:
    folded = {str(part).lower(): part for part in nodes}
    for part, kind in fields.items():
        if part in nodes:
            yield from _within((*above, part), kind, nodes[part], where)
            continue
        twin = folded.get(part.lower())
        if twin is not None and twin not in fields:
            raise SchemaError(
                f"column {path_of((*above, part))!r} is {path_of((*above, twin))!r} in the "
                "contract: SQL ignores case, a contract doesn't; rename one",
                where=where,
                column=part,
            )
        yield Difference("unknown", (*above, part), kind)
    for part, node in nodes.items():
        if part not in fields:
            yield Difference("missing", (*above, part), pa.null(), node)


def _within(parts: tuple[Part, ...], kind: Any, node: Node, where: str) -> Iterator[Difference]:
    word = node.field.type
    if is_any(word):
        return
    if kinds.is_null(kind) or not same_shape(kind, word):
        yield Difference("type", parts, kind, node)
    elif word == STRUCT:
        yield from _between(parts, {each.name: each.type for each in kind}, node.members, where)
    elif word == LIST:
        yield from _within((*parts, None), kind.value_type, node.members[None], where)
    elif word_of(kind) != word:
        yield Difference("type", parts, kind, node)


def refuse(
    found: tuple[Difference, ...],
    modes: Mapping[str, ContractMode],
    contract: Contract,
    *,
    where: str,
) -> None:
    """Raise SchemaError for what the modes freeze; names the first twenty.

    Raises:
        SchemaError: something is frozen, or there is no cast for it.
    """
    told = [each for each in found if _is_frozen(each, modes)]
    if not told:
        return
    known = [each.name for each in contract.fields]
    first = told[0]
    nearest = closest(first.path, known) if first.what == "unknown" else ()
    more = f"; and {len(told) - TOLD:,} more" if len(told) > TOLD else ""
    raise SchemaError(
        "; ".join(_said(each, known) for each in told[:TOLD]) + more,
        where=where,
        column=first.path,
        nearest=nearest,
    )


def _is_frozen(each: Difference, modes: Mapping[str, ContractMode]) -> bool:
    if each.what != "type":
        return modes["columns"] is ContractMode.FREEZE or not each.castable
    mode = modes["data_type"]
    if mode is ContractMode.FREEZE:
        return not each.widens
    return mode is not ContractMode.EVOLVE and not each.castable


def _said(each: Difference, known: list[str]) -> str:
    why = "" if each.castable else ", which nothing is cast to"
    if each.what == "missing":
        return f"column {each.path!r} of the contract is missing{why and f': {each.wanted}{why}'}"
    if each.what == "unknown":
        nearest = closest(each.path, known)
        hint = f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
        return f"column {each.path!r} isn't in the contract{hint}"
    why = "" if each.castable else ", which nothing is cast to"
    return f"column {each.path!r} is {word_of(each.kind)}, and {each.wanted} in the contract{why}"


def note(each: Difference, modes: Mapping[str, ContractMode]) -> str:
    """Say what becomes of a difference, for the summary."""
    if each.what == "missing":
        return "is missing: filled with nulls"
    if each.what == "unknown":
        closed = modes["columns"] in CLOSED
        return f"isn't in the contract: {'dropped' if closed else 'let through'}"
    if modes["data_type"] is ContractMode.EVOLVE:
        return f"is {word_of(each.kind)}, not {each.wanted}: kept"
    return f"is {word_of(each.kind)}: cast to {each.wanted}"
