"""YAML text to nodes: nothing but plain values, every key once, and the line of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from arrowetl.documents.nodes import MOST_DIGITS, MOST_LEVELS, Node, UnusableError
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
        return _Reading(findings).whole(_composed(text))
    except UnusableError as error:
        findings.add(error.node, str(error))
        return None


def _composed(text: str) -> yaml.Node | None:
    """Give PyYAML's nodes.

    Raises:
        UnusableError: there are none.
    """
    line = 1
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            line = loader.line + 1
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        # The commonest cause, and what the parser says of it helps nobody. What isn't ended ends
        # behind the last line.
        if any(re.search(r"[{,].*\$\{", each) for each in text.splitlines()[line - 1 : line]):
            said += '; inside { } a variable stands in quotes: "${NAME}"'
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"{error.reason} (#x{error.character:04x})"
    except RecursionError:
        raise UnusableError(Node(None, 1), "isn't a configuration: nested too deeply") from None
    except (ValueError, OverflowError) as error:  # a character or a version that is none
        said = str(error)
    raise UnusableError(Node(None, line), f"isn't YAML: {said}")


@dataclass
class _Reading:
    """Turns PyYAML's nodes into ours, and counts them."""

    findings: Findings
    seen: int = 0
    above: list[yaml.Node] = field(default_factory=list)
    """Those that the one being read is in."""

    def whole(self, root: yaml.Node | None) -> Node | None:
        return Node(None, 1) if root is None else self.node(root, 1, "")

    def node(self, raw: yaml.Node, line: int, key: str) -> Node:
        self.seen += 1
        if self.seen > MOST_NODES:
            raise _no_configuration(1, f"over {MOST_NODES:,} values")
        if raw in self.above:
            raise _no_configuration(line, "it contains itself")
        if len(self.above) >= MOST_LEVELS:
            raise _no_configuration(line, "nested too deeply")
        self.above.append(raw)
        node = self._read(raw, line, key)
        self.above.pop()
        return node

    def _read(self, raw: yaml.Node, line: int, key: str) -> Node:
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
                continue
            part = self._text(name.value, Node(None, line, node.key))
            key = node.child(part)
            if part in items:
                first = items[part].line
                self.findings.add(Node(None, line, key), f"stands twice; first in line {first}")
            else:
                items[part] = self.node(value, line, key)
        return items

    def _list(self, raw: yaml.SequenceNode, node: Node) -> list[Node]:
        return [
            self.node(item, item.start_mark.line + 1, node.child(number))
            for number, item in enumerate(raw.value)
        ]

    def _text(self, text: str, node: Node) -> str:
        """Join the halves of characters, which JSON escapes one by one."""
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError as error:
            half = error.object[error.start : error.start + 2].decode("utf-16-le", "surrogatepass")
            self.findings.add(node, f"\\u{ord(half):04x} is half a character")
            return ""

    def _scalar(self, raw: yaml.Node, node: Node) -> Any:
        text = self._text(raw.value, node)
        match raw.tag.removeprefix(TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.casefold() == "true"
            case "int" if len(text) > MOST_DIGITS:
                self.findings.add(node, f"a number of more than {MOST_DIGITS:,} digits")
                return None
            case "int" if _INTEGER.fullmatch(text):
                return int(text, 0) if text.startswith("0") else int(text)
            case "float" if _FLOAT.fullmatch(text):
                return float(text.casefold().replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                self.findings.add(node, f"tag {raw.tag!r} isn't allowed; only plain values are")
                return None


def _no_configuration(line: int, why: str) -> UnusableError:
    return UnusableError(Node(None, line), f"isn't a configuration: {why}")
