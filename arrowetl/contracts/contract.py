"""Contract: the columns that rows have, their types, and the rules that they keep."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.contracts.modes import ContractMode, modes_of
from arrowetl.contracts.paths import Part, parts_of, path_of
from arrowetl.contracts.types import LIST, STRUCT, type_of
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean
from arrowetl.rules import Rule, as_rules
from arrowetl.rules.learning import LEAST_ROWS

if TYPE_CHECKING:
    from arrowetl.profiling.profile import Profile

_NESTED = (STRUCT, LIST)


@dataclass(frozen=True)
class Field:
    """A column, or a part of a nested one.

    Args:
        name: the column's; of parts the way to them: ``address.city``, ``tags[]``,
            ``orders[].price``. Names with dots, brackets or quotes stand in double quotes.
        type: Arrow's word for its type, ``int64`` for instance; ``struct`` and ``list`` for what
            has parts, which are fields of their own; ``null`` for any type.
        nullable: whether there may be no value. A part has to be there if what it is in is.
        evidence: why that is believed, where it was learned, and what is doubtful of its type.
        pii: what personal data it holds, ``email`` for instance; None if none. What is told of
            rows that break the contract shows no value of such a column.
        pii_evidence: why that is believed, where it was learned.

    Raises:
        ConfigError: the name is no way, or there is no such type.

    >>> Field("orders[].price", "decimal128(12, 2)", nullable=False).type
    'decimal128(12, 2)'
    """

    name: str
    type: str
    _: KW_ONLY
    nullable: bool = True
    evidence: str | None = None
    pii: str | None = None
    pii_evidence: str | None = None

    def __post_init__(self) -> None:
        """Check the name and the type; write both as they are always written."""
        if not isinstance(self.name, str) or not isinstance(self.type, str):
            raise ConfigError(f"Field: name and type are texts, not {self.name!r}, {self.type!r}")
        if not isinstance(self.nullable, bool):
            raise ConfigError(f"Field: nullable is true or false, not {self.nullable!r}")
        if self.pii is not None and (not isinstance(self.pii, str) or not self.pii):
            raise ConfigError(f"Field: pii says which personal data it holds, not {self.pii!r}")
        object.__setattr__(self, "name", path_of(parts_of(self.name)))
        if self.type not in _NESTED:
            try:
                object.__setattr__(self, "type", str(type_of(self.type) or self.type))
            except ConfigError as error:
                raise ConfigError(f"Field {self.name!r}: {error}") from error

    @property
    def parts(self) -> tuple[Part, ...]:
        """The names on the way to it."""
        return parts_of(self.name)


@dataclass(frozen=True)
class Node:
    """A field with those that are in it.

    Attributes:
        field: itself.
        members: what is in a struct, by name; in a list, its elements under None.
    """

    field: Field
    members: Mapping[Part, Node]

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type with all that is in it; null for one that can only be compared."""
        if self.field.type == STRUCT:
            return pa.struct([(str(part), node.arrow) for part, node in self.members.items()])
        if self.field.type == LIST:
            return pa.list_(self.members[None].arrow)
        return type_of(self.field.type) or pa.null()


@dataclass(frozen=True)
class Contract:
    """What rows have to be: their columns, the types of these, and rules.

    A contract is learned from a profile, kept as a YAML file that people edit, and enforced by
    `EnforceContract` or by `Pipeline(schema_contract=...)`.

    Args:
        fields: the columns, and the parts of nested ones after them.
        rules: what values have to be. The column of a rule is a field's name; a predicate names
            columns. A value that may not be missing is said by the field's `nullable`.
        modes: what becomes of rows that don't keep it, by `columns`, `data_type` and `rules`;
            whoever enforces it may say otherwise.
        source: what it was learned from, for people.

    Raises:
        ConfigError: a field stands twice or lacks what it is in, or a rule doesn't fit its field.

    >>> contract = Contract(
    ...     [Field("id", "int64", nullable=False), Field("mail", "string")],
    ...     rules=[Rule("mail", format="email"), Rule("id", unique=True)],
    ... )
    >>> [rule.name for rule in contract.checks]
    ['id is there', 'id is unique', 'mail is email']
    """

    fields: Sequence[Field]
    _: KW_ONLY
    rules: Sequence[Rule | Mapping[str, Any] | str] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        """Check that it is one whole."""
        if not all(isinstance(each, Field) for each in self.fields):
            raise ConfigError(f"Contract: fields are a list of Field, not {self.fields!r}")
        object.__setattr__(self, "fields", tuple(self.fields))
        object.__setattr__(self, "modes", modes_of(self.modes, where="Contract"))
        if not self.fields:
            raise ConfigError("Contract: it has no fields")
        for each, said in wrong(self.fields):
            raise ConfigError(f"Contract: field {each.name!r} {said}")
        rules = [self.placed(rule) for rule in as_rules(self.rules, where="Contract")]
        # In the order of the fields, as they stand in the file.
        order = {each.name: place for place, each in enumerate(self.fields)}
        rules.sort(key=lambda rule: order[rule.column] if rule.column else len(order))
        object.__setattr__(self, "rules", tuple(rules))
        for rule in self.checked_rules:
            self.check_rule(rule)

    def __hash__(self) -> int:
        """Equal contracts have equal hashes."""
        return hash((self.fields, self.rules, tuple(sorted(self.modes.items())), self.source))

    @property
    def checked_rules(self) -> tuple[Rule, ...]:
        """The rules, as values."""
        return as_rules(self.rules, where="Contract")

    @property
    def checks(self) -> tuple[Rule, ...]:
        """All rules: those that say that a value has to be there, then the others, by field."""
        there = [Rule(each.name, not_null=True) for each in self.fields if not each.nullable]
        order = {each.name: place for place, each in enumerate(self.fields)}
        rules = [*there, *self.checked_rules]
        rules.sort(key=lambda rule: order[rule.column] if rule.column else len(order))
        return as_rules(rules, where="Contract")

    @cached_property
    def columns(self) -> Mapping[str, Node]:
        """The columns by name, with what is in them."""
        found: dict[Part, Node] = {}
        for each in self.fields:
            *above, last = each.parts
            members: Any = found
            for part in above:
                members = members[part].members
            members[last] = Node(each, {})
        return found  # type: ignore[return-value]  # no column is the elements of a list

    @property
    def personal(self) -> Mapping[str, str]:
        """Which personal data there are, by the names of fields; `Mask` takes such columns.

        >>> Contract([Field("id", "int64"), Field("mail", "string", pii="email")]).personal
        {'mail': 'email'}
        """
        return {each.name: each.pii for each in self.fields if each.pii is not None}

    @property
    def known_modes(self) -> Mapping[str, ContractMode]:
        """The modes, as values."""
        return modes_of(self.modes, where="Contract")

    def mode(self, entity: str) -> ContractMode | None:
        """Give what it says of an entity; None if nothing."""
        return self.known_modes.get(entity)

    def field_at(self, path: str) -> Field:
        """Give a field by its name.

        Raises:
            ConfigError: there is none; names the nearest.
        """
        known = {each.name: each for each in self.fields}
        if path not in known:
            raise ConfigError(f"Contract: no field {path!r}{did_you_mean(closest(path, known))}")
        return known[path]

    def schema(self) -> pa.Schema:
        """Give the Arrow schema of rows that keep it."""
        return pa.schema(
            [
                pa.field(column, node.arrow, nullable=node.field.nullable)
                for column, node in self.columns.items()
            ]
        )

    def check_rule(self, rule: Rule) -> None:
        """See that a rule fits the types.

        Raises:
            ConfigError: it doesn't.
        """
        try:
            if rule.column is None:
                rule.require(self.schema(), where="Contract")
                return
            parts = parts_of(self.placed(rule).column or "")
            if rule.unique and len(parts) > 1:
                raise ConfigError(
                    f"Contract: rule {rule.name!r}: only a whole column can be unique"
                )
            kind = self._node(parts).arrow
            if not pa.types.is_null(kind):
                tried = replace(rule, column=str(parts[-1]))
                tried.require(pa.schema([(str(parts[-1]), kind)]), where="Contract")
        except SchemaError as error:
            raise ConfigError(str(error)) from error

    def _node(self, parts: tuple[Part, ...]) -> Node:
        node = self.columns[str(parts[0])]
        for part in parts[1:]:
            node = node.members[part]
        return node

    def placed(self, rule: Rule) -> Rule:
        """Give a rule with the name of its field as it is always written."""
        if rule.column is None:
            return rule
        column = path_of(parts_of(rule.column))
        self.field_at(column)
        # What a file has no value for stands there as text, and so it does here.
        return replace(
            rule,
            column=column,
            range=rule.range and tuple(map(_plain, rule.range)),
            enum=rule.enum and tuple(map(_plain, rule.enum)),
        )

    @classmethod
    def learn(cls, profile: Profile, *, rows: int = LEAST_ROWS, share: float = 1.0) -> Contract:
        """Give the contract that the rows of a profile keep.

        Fields have the types in which the rows came; what else is believed, and why, is told at
        `arrowetl.rules.inferred`. Which columns hold personal data is said, and why; their values
        aren't in it.

        Args:
            profile: what was found in the rows, by `SchemaInferrer.profile` for instance.
            rows: how many values have to be there for a rule to be learned.
            share: the share of texts that have to have a pattern.

        Raises:
            ConfigError: an option makes no sense.
        """
        from arrowetl.contracts.learning import learned

        return learned(profile, rows=rows, share=share)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Contract:
        """Read what `write` wrote, and people edited.

        Raises:
            ConfigFileError: it is wrong; names everything that is, each with file, line and key.
        """
        from arrowetl.contracts.files import contract_from

        return contract_from(Path(path))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as YAML."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8", newline="\n")

    def to_yaml(self) -> str:
        """Give it as YAML, with comments that say what people can do with it."""
        from arrowetl.contracts.files import contract_to_text

        return contract_to_text(self)


def _plain(value: Any) -> Any:
    if isinstance(value, (date, time, Decimal)):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigError(f"Contract: a rule's values are numbers, texts and times, not {value!r}")


def wrong(fields: Sequence[Field]) -> Iterator[tuple[Field, str]]:
    """Give what is wrong with fields as a whole: twins, and parts of nothing."""
    before: dict[str, Field] = {}
    within = {path_of(each.parts[:-1]) for each in fields}
    for each in fields:
        said = _wrong(each, before) or _without_parts(each, within)
        if said:
            yield each, said
        before[each.name.lower()] = each


def _wrong(each: Field, before: Mapping[str, Field]) -> str:
    *above, last = each.parts
    if each.name.lower() in before:
        return "is there twice; SQL ignores case"
    if not above:
        return ""
    owner = path_of(tuple(above))
    if owner.lower() not in before:
        return f"is in {owner!r}, which isn't a field before it"
    wanted, kind = LIST if last is None else STRUCT, before[owner.lower()].type
    return "" if kind == wanted else f"is in {owner!r}, which is {kind}, not {wanted}"


def _without_parts(each: Field, within: set[str]) -> str:
    if each.type not in _NESTED or each.name in within:
        return ""
    part = f"{each.name}[]" if each.type == LIST else f"{each.name}.<name>"
    return f"is {each.type}: say what is in it, as {part!r}"
