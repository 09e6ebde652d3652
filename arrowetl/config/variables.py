"""Environment variables in a configuration's values: ``${NAME}`` and ``${NAME:-default}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings, hint
from arrowetl.errors import closest

_VARIABLE = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>:-(?P<default>[^${}]*))?\}"
    r"|(?P<broken>\$\{[^}]*\}?)"
)
SHORT = 4
"""Values of fewer characters aren't looked for in texts: they would be found in every one."""
CUT = "…"
"""What stands where a text was too long to be shown."""


@dataclass
class Secrets:
    """The values that came from variables, so that no text shows them."""

    names: dict[str, str] = field(default_factory=dict)
    """By value, the variable's name."""

    def hide(self, text: str) -> str:
        """Put the variable's name wherever its value stands in a text.

        >>> Secrets({"hunter2": "PASSWORD"}).hide("can't log in with 'hunter2'")
        "can't log in with '${PASSWORD}'"
        >>> Secrets({"hunter2": "PASSWORD"}).hide("SELECT 'hunte…")
        "SELECT '${PASSWORD}…"
        """
        for value in sorted(self.names, key=len, reverse=True):
            if len(value) >= SHORT:
                name = f"${{{self.names[value]}}}"
                for spelling in (value, value.replace("'", "''"), repr(value)[1:-1]):
                    text = _hidden_end(text.replace(spelling, name), spelling, name)
        return text

    def hide_in(self, value: Any) -> Any:
        """Do the same in every text of a JSON value.

        >>> Secrets({"5432": "PORT"}).hide_in({"rows": 5432, "url": ["db:5432"]})
        {'rows': 5432, 'url': ['db:${PORT}']}
        """
        match value:
            case str():
                return self.hide(value)
            case list():
                return [self.hide_in(item) for item in value]
            case dict():
                return {key: self.hide_in(item) for key, item in value.items()}
            case _:
                return value


def _hidden_end(text: str, value: str, name: str) -> str:
    """Hide what is left of a value where a text was cut."""
    *parts, end = text.split(CUT)
    for at, part in enumerate(parts):
        lengths = range(min(len(part), len(value) - 1), SHORT - 1, -1)
        left = next((length for length in lengths if part.endswith(value[:length])), None)
        if left is not None:
            parts[at] = part[:-left] + name
    return CUT.join([*parts, end])


@dataclass
class Resolver:
    """Puts variables in their places.

    Args:
        environ: the variables there are.
        findings: what is told of a variable that is missing.
        secrets: what is told of every value that was used.
    """

    environ: Mapping[str, str]
    findings: Findings
    secrets: Secrets = field(default_factory=Secrets)

    def resolved(self, node: Node) -> Node:
        """Give the tree with all variables in their places.

        ``$${`` stands for ``${``; a dollar before anything else is a dollar, as regular
        expressions and SQL want it.
        """
        match node.value:
            case dict():
                items = {key: self.resolved(item) for key, item in node.value.items()}
                return replace(node, value=items)
            case list():
                return replace(node, value=[self.resolved(item) for item in node.value])
            case str() if "${" in node.value:
                return self._text(node)
            case _:
                return node

    def _text(self, node: Node) -> Node:
        used: list[str] = []

        def value(found: re.Match[str]) -> str:
            if found["escaped"]:
                return "${"
            if found["broken"]:
                self._complain(node, found["broken"])
                return ""
            if not self.environ.get(found["name"]) and found["default"] is not None:
                return found["default"]
            if found["name"] not in self.environ:
                self._missing(node, found["name"])
                return ""
            used.append(found["name"])
            self.secrets.names[self.environ[found["name"]]] = found["name"]
            return self.environ[found["name"]]

        text = _VARIABLE.sub(value, node.value)
        return replace(node, value=text, variables=tuple(dict.fromkeys(used)))

    def _missing(self, node: Node, name: str) -> None:
        nearest = closest(name, self.environ)
        self.findings.add(
            node,
            f"variable {name!r} isn't set{hint(nearest) or ';'}"
            f" set it, or give a default: ${{{name}:-...}}",
            nearest=nearest,
        )

    def _complain(self, node: Node, text: str) -> None:
        self.findings.add(
            node,
            f"{text!r} isn't a variable; write ${{NAME}} or ${{NAME:-default}},"
            " and $${ for the characters themselves",
        )
