"""Frozen dataclasses that write their own constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def set_fields(thing: Any, options: Mapping[str, object]) -> None:
    """Set each field of a frozen dataclass to the option of its name.

    An option and a method can't have one name where the dataclass makes the constructor: type
    checkers see one of them only. Sources have both a `schema` to be told and one to give.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, init=False)
    ... class Point:
    ...     x: int
    ...     def __init__(self, x: int = 0) -> None:
    ...         set_fields(self, locals())
    >>> Point(3), Point() == Point(0)
    (Point(x=3), True)
    """
    for each in fields(thing):
        object.__setattr__(thing, each.name, options[each.name])
