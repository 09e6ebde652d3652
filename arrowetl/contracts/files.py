"""Contracts as YAML that people read and edit; errors with file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from arrowetl.contracts.contract import Contract, Field, wrong
from arrowetl.contracts.modes import ENTITIES, ContractMode
from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings, hint
from arrowetl.documents.read_yaml import read_yaml
from arrowetl.documents.text import text_of
from arrowetl.documents.write_yaml import write_yaml
from arrowetl.errors import ConfigError, closest
from arrowetl.rules import Rule

T = TypeVar("T")

VERSION = 1
"""The format; a file of another isn't read."""

KEYS = ("version", "source", "modes", "columns", "rules")
COLUMN = ("type", "nullable", "evidence", "pii", "pii_evidence", "rules")
RULE = tuple(each.name for each in fields(Rule) if each.name not in {"_", "column"})

HEADER = """\
# A data contract: what columns rows have, of which types, and which rules they keep.
# Edit it. Parts of structs stand as a.b, elements of lists as a[], members of these as a[].b.
# A rule has one of: range, regex, enum, format, unique, sql (a predicate; under the last "rules").
# pii says what personal data a column holds: of it no value is shown where rows break the contract.
# modes say what becomes of what isn't so: evolve (it passes, and is counted), freeze (the run
# ends), discard_value, discard_row, or quarantine (the row goes to the dead letters).
"""


def contract_to_text(contract: Contract) -> str:
    """Give a contract as YAML."""
    columns = {each.name: _field_items(each) for each in contract.fields}
    loose = []
    for rule in contract.checked_rules:
        if rule.column is None:
            loose.append(_rule_items(rule))
        else:
            columns[rule.column].setdefault("rules", []).append(_rule_items(rule))
    whole = {
        "version": VERSION,
        "source": contract.source,
        "modes": {entity: str(mode.value) for entity, mode in contract.known_modes.items()},
        "columns": columns,
        "rules": loose,
    }
    return HEADER + write_yaml({key: value for key, value in whole.items() if value})


def _field_items(each: Field) -> dict[str, Any]:
    items = {
        "type": each.type,
        "nullable": None if each.nullable else False,
        "evidence": each.evidence,
        "pii": each.pii,
        "pii_evidence": each.pii_evidence,
    }
    return {key: value for key, value in items.items() if value is not None}


def _rule_items(rule: Rule) -> dict[str, Any]:
    value = getattr(rule, rule.check)
    items: dict[str, Any] = {rule.check: list(value) if isinstance(value, tuple) else value}
    if rule.name != Rule(rule.column, **items).name:
        items["name"] = rule.name
    if rule.weight != 1:
        items["weight"] = rule.weight
    return items if rule.evidence is None else {**items, "evidence": rule.evidence}


def contract_from(path: Path) -> Contract:
    """Read a contract from a file.

    Raises:
        ConfigFileError: it is wrong; names everything that is, each with file, line and key.
    """
    findings = Findings(str(path))
    text = text_of(path, findings)
    root = None if text is None else read_yaml(text, findings)
    findings.check()
    contract = None if root is None else _Reading(findings).contract(root)
    findings.check()
    if contract is None:
        raise ConfigError(f"{path}: it has no contract")  # pragma: no cover - it was told above
    return contract


@dataclass(frozen=True)
class _Reading:
    """Makes a contract of what stands in a file, and tells of all that is wrong with it."""

    findings: Findings

    def contract(self, root: Node) -> Contract | None:
        """Give the whole, or None."""
        if not self._is_mapping(root, KEYS, "a contract"):
            return None
        version = root.get("version")
        if version is not None and (version.value != VERSION or version.value is True):
            known = f"this arrowetl reads version {VERSION}"
            self.findings.add(version, f"version {version.shown()} isn't known; {known}")
        columns = root.get("columns")
        if columns is None:
            self.findings.add(root, "missing; a contract names its columns", key="columns")
            return None
        found, rules = self._columns(columns), list(self._all_rules(root, columns))
        options: dict[str, Any] = {"modes": self._modes(root.get("modes"))}
        if (source := root.get("source")) is not None:
            options["source"] = str(source.value)
        if self.findings.problems:
            return None
        self._whole(found, rules, columns)
        if self.findings.problems:
            return None
        given = [rule for rule, _ in rules]
        return self._made(root, lambda: Contract(found, rules=given, **options))

    def _columns(self, node: Node) -> list[Field]:
        if not isinstance(node.value, dict) or not node.value:
            self.findings.add(node, f"expected columns by name, got {node.shown()}")
            return []
        made = [self._field(name, each) for name, each in node.value.items()]
        return [each for each in made if each is not None]

    def _field(self, name: str, node: Node) -> Field | None:
        if isinstance(node.value, str):  # the type alone
            return self._made(node, lambda: Field(name, node.value))
        if not self._is_mapping(node, COLUMN, "a column"):
            return None
        items = {key: each.value for key, each in node.value.items() if each.value is not None}
        items.pop("rules", None)
        if "type" not in items:
            self.findings.add(node, "missing; a column has a type", key=node.child("type"))
            return None
        for key in ("evidence", "pii", "pii_evidence"):
            if not isinstance(items.get(key, ""), str):
                self.findings.add(node.value[key], "expected text")
                return None
        return self._made(node, lambda: Field(name, **items))

    def _all_rules(self, root: Node, columns: Node) -> Iterator[tuple[Rule, Node]]:
        items = columns.value if isinstance(columns.value, dict) else {}
        for name, node in items.items():
            if isinstance(node.value, dict):
                yield from self._rules(node.get("rules"), name)
        yield from self._rules(root.get("rules"), None)

    def _rules(self, node: Node | None, column: str | None) -> Iterator[tuple[Rule, Node]]:
        if node is None:
            return
        if not isinstance(node.value, list):
            self.findings.add(node, f"expected a list, got {node.shown()}; begin each with '- '")
            return
        for each in node.value:
            rule = self._rule(each, column)
            if rule is not None:
                yield rule, each

    def _rule(self, node: Node, column: str | None) -> Rule | None:
        if column is None and isinstance(node.value, str):  # the predicate alone
            return self._made(node, lambda: Rule(sql=node.value))
        if not self._is_mapping(node, RULE, "a rule"):
            return None
        items = {key: each.plain() for key, each in node.value.items() if each.value is not None}
        return self._made(node, lambda: Rule(column, **items))

    def _modes(self, node: Node | None) -> dict[str, ContractMode]:
        if node is None or not self._is_mapping(node, ENTITIES, "modes"):
            return {}
        known = [mode.value for mode in ContractMode]
        for each in node.value.values():
            if each.value not in known:
                nearest = closest(str(each.value), known)
                said = f"no mode {each.shown()}{hint(nearest) or ';'} there are {', '.join(known)}"
                self.findings.add(each, said, nearest=nearest, allowed=known)
        return {} if self.findings.below(node) else node.plain()

    def _whole(self, found: list[Field], rules: list[tuple[Rule, Node]], columns: Node) -> None:
        """Tell of what is wrong between fields, and between them and rules, where it stands."""
        places = dict(zip(found, columns.value.values(), strict=True))
        for each, said in wrong(found):
            self.findings.add(places[each], said)
        if self.findings.problems:
            return
        bare = Contract(found)
        for rule, node in rules:
            self._made(node, partial(bare.check_rule, rule))

    def _made(self, node: Node, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except (ConfigError, TypeError) as error:
            self.findings.add(node, str(error))
            return None

    def _is_mapping(self, node: Node, known: tuple[str, ...], owner: str) -> bool:
        if not isinstance(node.value, dict):
            self.findings.add(node, f"expected a mapping, got {node.shown()}")
            return False
        strange = [each for key, each in node.value.items() if key not in known]
        for each in strange:
            self.findings.unknown(each, known, owner=owner)
        return not strange
