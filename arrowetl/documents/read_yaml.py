"""YAML text to nodes: nothing but plain values, every key once, and the line of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings

TAG = "tag:yaml.org,2002:"
MOST_NODES = 100_000
"""More are no configuration, but aliases of aliases of aliases."""
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_SCALARS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": _INTEGER,
    "float": _FLOAT,
}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `no`, `on` and `1:30` are text, `007` keeps its zeros."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


RESOLVERS = tuple(
    (TAG + tag, re.compile(f"(?:{pattern.pattern})$")) for tag, pattern in _SCALARS.items()
)
"""What a text without quotes is taken for: a tag, and the expression that all of it has to fit."""

for _tag, _whole in RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _whole, None)


def read_yaml(text: str, findings: Findings) -> Node | None:
    """Give the document, or None if what is wrong with it was told to `findings`.

    >>> read_yaml("on: [1, no]", Findings("x.yaml")).plain()
    {'on': [1, 'no']}
    """
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        # The commonest cause, and what the parser says of it helps nobody.
        if re.search(r"[{,].*\$\{", text.splitlines()[line - 1 : line][0] if text else ""):
            said += '; inside { } a variable stands in quotes: "${NAME}"'
        findings.add(Node(None, line), f"isn't YAML: {said}")
        return None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        findings.add(Node(None, line), f"isn't YAML: {error.reason} (#x{error.character:04x})")
        return None
    except RecursionError:
        findings.add(Node(None, 1), "isn't a configuration: nested too deeply")
        return None
    return _Reading(findings).whole(root)


@dataclass
class _Reading:
    """Turns PyYAML's nodes into ours, and counts them."""

    findings: Findings
    seen: int = 0

    def whole(self, root: yaml.Node | None) -> Node | None:
        if root is None:
            return Node(None, 1)
        try:
            return self.node(root, 1, "")
        except RecursionError:
            self.findings.add(Node(None, 1), "isn't a configuration: it contains itself")
        except OverflowError:
            self.findings.add(Node(None, 1), f"isn't a configuration: over {MOST_NODES:,} values")
        return None

    def node(self, raw: yaml.Node, line: int, key: str) -> Node:
        self.seen += 1
        if self.seen > MOST_NODES:
            raise OverflowError
        node = Node(None, line, key)
        match raw:
            case yaml.MappingNode():
                return Node(self._mapping(raw, node), line, key)
            case yaml.SequenceNode():
                return Node(self._list(raw, node), line, key)
            case _:
                return Node(self._scalar(raw, node), line, key)

    def _mapping(self, raw: yaml.MappingNode, node: Node) -> dict[str, Node]:
        items: dict[str, Node] = {}
        for name, value in raw.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                self.findings.add(Node(None, line, node.key), "a key has to be text")
            elif name.value in items:
                first = items[name.value].line
                key = node.child(name.value)
                self.findings.add(Node(None, line, key), f"stands twice; first in line {first}")
            else:
                items[name.value] = self.node(value, line, node.child(name.value))
        return items

    def _list(self, raw: yaml.SequenceNode, node: Node) -> list[Node]:
        return [
            self.node(item, item.start_mark.line + 1, node.child(number))
            for number, item in enumerate(raw.value)
        ]

    def _scalar(self, raw: yaml.Node, node: Node) -> Any:
        text = raw.value
        match raw.tag.removeprefix(TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.casefold() == "true"
            case "int" if _INTEGER.fullmatch(text):
                return int(text, 0) if text.startswith("0") else int(text)
            case "float" if _FLOAT.fullmatch(text):
                return float(text.casefold().replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                self.findings.add(node, f"tag {raw.tag!r} isn't allowed; only plain values are")
                return None
