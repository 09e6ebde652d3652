"""Frozen dataclasses out of the dicts and lists that `dataclasses.asdict` made of them."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def rebuilt(cls: type[T], values: dict[str, Any]) -> T:
    """Give an instance of a dataclass whose fields are plain values, tuples and dataclasses.

    Raises:
        KeyError: a field without default is missing.
        TypeError: there is a value for no field, or one of another shape.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: "tuple[int, ...]"
    >>> rebuilt(Point, {"x": [1, 2]})
    Point(x=(1, 2))
    """
    hints = get_type_hints(cls)
    known = {each.name for each in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise TypeError(f"{cls.__name__} has no {unknown[0]!r}")
    return cls(**{key: _value(hints[key], value) for key, value in values.items()})


def _value(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        inner = next(each for each in arguments if each is not type(None))
        return None if value is None else _value(inner, value)
    if origin is tuple:
        return tuple(_value(arguments[0], each) for each in value)
    if isinstance(hint, type) and is_dataclass(hint):
        return rebuilt(hint, value)
    if hint is float and isinstance(value, int):
        return float(value)
    if hint in {int, float, str, bool} and not isinstance(value, hint):
        raise TypeError(f"{value!r} where {hint.__name__} is expected")
    return value
