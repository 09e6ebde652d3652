"""TOML text to nodes. Where the parser keeps no lines, the line of a key is looked up."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from arrowetl.documents.nodes import MOST_DIGITS, MOST_LEVELS, Node, UnusableError
from arrowetl.documents.problems import Findings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Way = tuple[str | int, ...]


def read_toml(text: str, findings: Findings) -> Node | None:
    r"""Give the document, or None if what is wrong with it was told to `findings`.

    >>> root = read_toml('name = "x"\n[load]\npath = "y"', Findings("x.toml"))
    >>> root.plain(), root.get("load").get("path").line
    ({'name': 'x', 'load': {'path': 'y'}}, 3)
    """
    try:
        return _node(tomllib.loads(text), Node(None, 1), (), dict(_lines(text)))
    except UnusableError as error:
        findings.add(error.node, str(error))
    except ValueError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        findings.add(Node(None, line), f"isn't TOML: {error}")
    except RecursionError:
        findings.add(Node(None, 1), "isn't a configuration: nested too deeply")
    return None


def _node(value: Any, parent: Node, way: Way, lines: dict[Way, int]) -> Node:
    line = lines.get(way, parent.line)
    key = parent.child(way[-1]) if way else ""
    node = Node(value, line, key)
    if len(way) > MOST_LEVELS:
        raise UnusableError(Node(None, line), "isn't a configuration: nested too deeply")
    match value:
        case int() if abs(value) >= 10**MOST_DIGITS:
            raise UnusableError(node, f"a number of more than {MOST_DIGITS:,} digits")
        case dict():
            items = {name: _node(item, node, (*way, name), lines) for name, item in value.items()}
            return Node(items, line, key)
        case list():
            members = [_node(item, node, (*way, at), lines) for at, item in enumerate(value)]
            return Node(members, line, key)
        case _:
            return node


def _lines(text: str) -> Iterator[tuple[Way, int]]:
    """Give the line of each table and each key that begins a line."""
    table: Way = ()
    counts: dict[Way, int] = {}
    quotes = None
    for number, line in enumerate(text.splitlines(), 1):
        if quotes is None:
            bare = line.strip()
            if bare.startswith("["):
                table = _header(bare, counts)
                yield table, number
            elif way := _way(bare.partition("=")[0] + "= 0"):
                yield from ((table + way[:end], number) for end in range(1, len(way) + 1))
        quotes = _open_quotes(line, quotes)


def _header(line: str, counts: dict[Way, int]) -> Way:
    """Give the way to the table that a header opens; of an array of tables, to its next item."""
    names = _way(line)
    way: Way = ()
    for name in names:
        way = (*way, name)
        if way in counts and way != names:
            way = (*way, counts[way])
    if line.startswith("[["):
        counts[way] = counts.get(way, -1) + 1
        way = (*way, counts[way])
    return way


def _way(line: str) -> Way:
    """Read one line's key by the parser itself; empty if it has none."""
    way: Way = ()
    try:
        value: Any = tomllib.loads(line)
    except (ValueError, RecursionError):
        return way
    while isinstance(value, dict | list) and value:
        if isinstance(value, dict):
            way = (*way, next(iter(value)))
            value = value[way[-1]]
        else:
            value = value[0]
    return way


def _open_quotes(line: str, quotes: str | None) -> str | None:
    """Give the triple quotes that a line leaves open, after what was open before it."""
    for found in re.finditer(r'"""|\'\'\'', line):
        if quotes is None:
            quotes = found[0]
        elif quotes == found[0]:
            quotes = None
    return quotes
