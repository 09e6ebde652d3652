"""A configuration as a tree of values that know their line and their key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from arrowetl.errors import describe

MOST_LEVELS = 100
"""More are no configuration; and what looks at the values calls itself for each level."""
MOST_DIGITS = 1_000
"""Python refuses to write integers of some thousands of digits out."""


@dataclass(frozen=True)
class Node:
    """A value of a configuration file, with its place in it."""

    value: Any
    """A scalar, a dict of text to Node, or a list of Node."""
    line: int
    """Where its key stands, or the value itself in a list; the first line is 1."""
    key: str = ""
    """The way to it, for instance ``transforms[1].columns``; empty for the whole file."""
    variables: tuple[str, ...] = ()
    """The environment variables that it was made of: such a value is shown to nobody."""

    def child(self, part: str | int) -> str:
        """Give the key of an item of this node.

        >>> Node({}, 1, "load").child("path"), Node([], 1, "transforms").child(0)
        ('load.path', 'transforms[0]')
        """
        if isinstance(part, int):
            return f"{self.key}[{part}]"
        return f"{self.key}.{part}" if self.key else part

    def get(self, part: str | int) -> Node | None:
        """Give an item, or None if there is none or it is null."""
        match self.value:
            case dict() if part in self.value:
                found: Node = self.value[part]
            case list() if isinstance(part, int) and part < len(self.value):
                found = self.value[part]
            case _:
                return None
        return None if found.value is None else found

    def without(self, *parts: str) -> Node:
        """Give this mapping without some of its keys."""
        return replace(self, value={k: v for k, v in self.value.items() if k not in parts})

    def plain(self) -> Any:
        """Give the value as dicts, lists and scalars."""
        match self.value:
            case dict():
                return {key: item.plain() for key, item in self.value.items()}
            case list():
                return [item.plain() for item in self.value]
            case _:
                return self.value

    def walk(self) -> Iterator[Node]:
        """Give this node and all below it."""
        yield self
        items = self.value.values() if isinstance(self.value, dict) else self.value
        if isinstance(self.value, dict | list):
            for item in items:
                yield from item.walk()

    def shown(self) -> str:
        """Give the value for a message, secrets by the name of their variable.

        >>> Node(5, 1).shown(), Node("pw", 1, variables=("KEY",)).shown(), Node([], 1).shown()
        ('5', 'the value of ${KEY}', 'a list')
        """
        if self.variables:
            return "the value of " + ", ".join(f"${{{each}}}" for each in self.variables)
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case None:
                return "nothing"
            case bool():
                return str(self.value).lower()
            case _:
                return describe(self.value)


class UnusableError(ValueError):
    """A document that no configuration can be, whatever is in it."""

    def __init__(self, node: Node, message: str) -> None:
        """Keep the place, and what is wrong there."""
        super().__init__(message)
        self.node = node


def merged(base: Node, over: Node) -> Node:
    """Lay one mapping over another: mappings merge key by key, everything else is replaced.

    A mapping with another ``type`` replaces the one below it whole: the options of a CSV file
    mean nothing to a database.

    >>> base = Node({"path": Node("a", 1), "table": Node("t", 2)}, 1)
    >>> merged(base, Node({"path": Node("b", 9)}, 9)).plain()
    {'path': 'b', 'table': 't'}
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    kinds = base.get("type"), over.get("type")
    if kinds[1] is not None and (kinds[0] is None or kinds[0].value != kinds[1].value):
        return over
    items = dict(base.value)
    for key, item in over.value.items():
        items[key] = merged(items[key], item) if key in items else item
    return replace(base, value=items)
