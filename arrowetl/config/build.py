"""A checked configuration's nodes to a source, stages and a destination."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from arrowetl.config.catalogue import SOURCE, STAGE, TABLES, Role
from arrowetl.config.hints import imported
from arrowetl.config.options import Options
from arrowetl.config.variables import Secrets
from arrowetl.documents.nodes import Node, merged
from arrowetl.documents.problems import Findings, hint
from arrowetl.errors import ArrowETLError, closest
from arrowetl.pipeline import Pipeline

VERSION = 1
KEYS = (
    "version",
    "name",
    "settings",
    "source",
    "transforms",
    "load",
    "dead_letters",
    "profiles",
)
"""What a configuration may have at its top, in the order people write it."""
OWN_PLACE = ("name", "dead_letters", "progress", "listeners")
"""The pipeline's parameters that aren't settings."""


@cache
def settings_options() -> Options:
    """Give the options that stand below ``settings``."""
    return Options(Pipeline, "settings", OWN_PLACE)


@cache
def options_of(cls: type, owner: str) -> Options:
    """Give the options of a class; reading a signature twice would be a waste."""
    return Options(cls, owner)


def with_profile(root: Node, profile: str | None, findings: Findings) -> Node:
    """Give the configuration with a profile laid over it, and no profiles any more."""
    profiles = root.get("profiles")
    known: dict[str, Node] = {}
    if profiles is not None and isinstance(profiles.value, dict):
        known = profiles.value
    elif profiles is not None:
        findings.add(profiles, f"expected a mapping of names to changes, got {profiles.shown()}")
    for each in known.values():
        _check_profile(each, findings)
    bare = root.without("profiles")
    if profile is None:
        return bare
    if profile not in known:
        names = ", ".join(known) or "none"
        nearest = closest(profile, known)
        message = f"no profile {profile!r}{hint(nearest) or ';'} there are: {names}"
        findings.add(profiles or root, message, key="profiles", nearest=nearest, allowed=known)
        return bare
    over = known[profile]
    return merged(bare, over) if isinstance(over.value, dict) else bare


def _check_profile(node: Node, findings: Findings) -> None:
    allowed = [key for key in KEYS if key not in {"version", "profiles"}]
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            if key not in allowed:
                findings.unknown(item, allowed, owner="a profile")
    elif node.value is not None:
        findings.add(node, f"expected a mapping, got {node.shown()}")


@dataclass
class Builder:
    """Makes the parts of a pipeline, and tells `findings` of all that is wrong with them."""

    findings: Findings
    secrets: Secrets

    def settings(self, root: Node) -> dict[str, Any]:
        """Give the pipeline's settings; the pipeline itself has to agree to them."""
        node = root.get("settings")
        if node is None or not self._is_mapping(node):
            return {}
        try:
            settings = settings_options().checked(node, self.findings)
        except ArrowETLError as error:  # what a setting says of its own options, a tuner's say
            self.findings.add(node, self.secrets.hide(str(error)))
            return {}
        if not self.findings.below(node):
            self._made(Pipeline, settings, node)
        return settings

    def name(self, root: Node, default: str) -> str:
        """Give the pipeline's name."""
        node = root.get("name")
        if node is None:
            return default
        if not isinstance(node.value, str):
            quoted = not isinstance(node.value, dict | list)
            advice = f'; write it in quotes: "{node.value}"' if quoted else ""
            self.findings.add(node, f"expected text, got {node.shown()}{advice}")
            return default
        return node.value

    def version(self, root: Node) -> None:
        """Refuse a configuration that was written for another arrowetl; none means this one."""
        node = root.get("version")
        if node is not None and (node.value != VERSION or isinstance(node.value, bool)):
            message = f"version {node.shown()} isn't known; this arrowetl reads version {VERSION}"
            self.findings.add(node, message, allowed=[str(VERSION)])

    def stages(self, root: Node) -> list[Any]:
        """Give the stages, in their order."""
        node = root.get("transforms")
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.findings.add(node, f"expected a list, got {node.shown()}; begin each with '- '")
            return []
        return [self.component(_long_form(item), STAGE) for item in node.value]

    def part(self, root: Node, key: str, role: Role, *, required: bool) -> Any:
        """Give the source or destination that stands at a key, or None."""
        node = root.get(key)
        if node is not None:
            return self.component(node, role)
        if required:
            example = "{type: csv, path: ...}"
            self.findings.add(root, f"missing; write {key}: {example}", key=key)
        return None

    def component(self, node: Node, role: Role) -> Any:
        """Make the object that a mapping describes; None if something is wrong with it."""
        if not self._is_mapping(node):
            return None
        cls = self._class(node, role)
        if cls is None:
            return None
        options = options_of(cls, node.value["type"].value)
        given = self._with_sources(node.without("type"), options)
        arguments = options.checked(given, self.findings)
        return None if self.findings.below(node) else self._made(cls, arguments, node)

    def _with_sources(self, node: Node, options: Options) -> Node:
        """Make the sources that stand among the options: tables to join with."""
        items = dict(node.value)
        for name in options.table_maps & items.keys():
            tables = items[name]
            if isinstance(tables.value, dict):
                made = {key: self._table(item) for key, item in tables.value.items()}
                items[name] = replace(tables, value=made)
        for name in items.keys() & set(TABLES):
            items[name] = self._table(items[name])
        return replace(node, value=items)

    def _table(self, node: Node) -> Node:
        if isinstance(node.value, dict) and "type" in node.value:
            return replace(node, value=self.component(node, SOURCE))
        return node

    def _made(self, cls: type, arguments: dict[str, Any], node: Node) -> Any:
        try:
            return cls(**arguments)
        except (ArrowETLError, ValueError, TypeError) as error:  # a class of the user's own, too
            place = node
            for part in getattr(error, "at", ()):
                place = place.get(part) or place
            self.findings.add(place, self.secrets.hide(str(error)))
            return None

    def _class(self, node: Node, role: Role) -> type | None:
        kind = node.get("type")
        types = role.types()
        if kind is None:
            self._no_type(node, role)
            return None
        if isinstance(kind.value, str) and ":" in kind.value:
            return self._own_class(kind, role)
        if not isinstance(kind.value, str) or kind.value not in types:
            nearest = closest(kind.value, types) if isinstance(kind.value, str) else ()
            message = f"no {role.name} {kind.shown()}{hint(nearest) or ';'}"
            message += f" there are: {', '.join(types)}, or your own as package.module:Class"
            self.findings.add(kind, message, nearest=nearest, allowed=types)
            return None
        return types[kind.value]

    def _no_type(self, node: Node, role: Role) -> None:
        types = role.types()
        # The short form names the type by a key, and that may be the misspelt one.
        nearest = next((found for key in node.value if (found := closest(key, types))), ())
        message = f"missing{hint(nearest) or ';'} a {role.name} is one of {', '.join(types)}"
        key = node.child("type")
        self.findings.add(node, message, key=key, nearest=nearest, allowed=types)

    def _own_class(self, kind: Node, role: Role) -> type | None:
        try:
            found = imported(kind.value)
        except ValueError as error:
            self.findings.add(kind, self.secrets.hide(str(error)))
            return None
        if not role.accepts(found):
            message = f"{kind.shown()} isn't a class that derives from {role.base.__name__}"
            self.findings.add(kind, message)
            return None
        cls: type = found
        return cls

    def _is_mapping(self, node: Node) -> bool:
        if isinstance(node.value, dict):
            return True
        self.findings.add(node, f"expected a mapping, got {node.shown()}")
        return False


def _long_form(node: Node) -> Node:
    """Give ``{type: filter, predicate: x > 0}`` for ``{filter: x > 0}``.

    The first key that is a transform's name stands for its type, and its value for the first
    option; or for all options, ``{filter: {predicate: x > 0}}``, if it can't be the first.
    """
    if not isinstance(node.value, dict) or "type" in node.value:
        return node
    types = STAGE.types()
    short = next((key for key in node.value if key in types), None)
    options = options_of(types[short], short) if short else None
    if short is None or options is None or options.subject is None:
        return node
    given = node.value[short]
    kind = {"type": Node(short, given.line, given.key)}
    rest = {key: item for key, item in node.value.items() if key != short}
    items = {options.subject: given, **rest}
    if not rest and _names_options(given, options) and not _fits(items, options):
        items = given.value
    return Node({**kind, **items}, node.line, node.key)


def _names_options(node: Node, options: Options) -> bool:
    keys = node.value.keys() if isinstance(node.value, dict) else ()
    return not options.parameters.keys().isdisjoint(keys)


def _fits(items: dict[str, Node], options: Options) -> bool:
    findings = Findings("")
    options.checked(Node(items, 0, ""), findings)
    return not findings.problems
