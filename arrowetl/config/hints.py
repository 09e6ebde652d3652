"""Python's types as a text file can give them."""

from __future__ import annotations

import os
import types
import typing
from collections import abc
from collections.abc import Callable
from dataclasses import InitVar, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import reduce
from importlib import import_module
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union

import pyarrow as pa
from pydantic import BeforeValidator, WithJsonSchema, WrapValidator
from pydantic_core import PydanticCustomError

from arrowetl.errors import ArrowETLError

_SCALARS = (str, int, float, bool, bytes, date, datetime, time, timedelta, Decimal, type(None))
_LISTS = (list, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.Set)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
NO_UNIT = "no_unit"
"""The kind of error of a number that should be a length of time."""
_UNIONS = (Union, types.UnionType)


def is_settable(hint: Any) -> bool:
    """Say whether text can give a value of a type."""
    return settable(hint) is not None


def settable(hint: Any) -> Any:
    """Give the type for pydantic that stands for a parameter's, or None if text can't give it.

    A list stands for any collection, text for a path, ``package.module:name`` for a function, and
    a mapping of names to types for an Arrow schema. Of a union, what can't be given is left out.

    >>> settable(abc.Sequence[str | os.PathLike[str]])
    list[str]
    >>> settable(pa.Table) is None
    True
    """
    if isinstance(hint, InitVar):
        hint = hint.type
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return settable(arguments[0])
    if origin in _UNIONS:
        return _union(arguments)
    if origin is Literal:
        return hint
    if origin is tuple and arguments[-1:] != (...,):
        items = [settable(item) for item in arguments]
        return None if None in items else tuple[tuple(items)]  # type: ignore[misc]
    if origin in _LISTS or origin is tuple:
        item = settable(arguments[0])
        return None if item is None else list[item]  # type: ignore[valid-type]
    if origin in _MAPPINGS:
        key, value = map(settable, arguments)
        return None if value is None else dict[key, value]  # type: ignore[valid-type]
    return _plain(origin or hint)


def _union(members: tuple[Any, ...]) -> Any:
    # `Mode | str` means the mode or its name: the names are known.
    if any(isinstance(member, type) and issubclass(member, Enum) for member in members):
        members = tuple(member for member in members if member is not str)
    kept = [settable(member) for member in members]
    kept = [member for member in kept if member is not None]
    if all(member is type(None) for member in kept):
        return None
    # A mapping of columns to types is taken as it is where the constructor takes one.
    if any(typing.get_origin(member) is dict for member in kept):
        kept = [member for member in kept if member is not SCHEMA]
    return reduce(lambda left, right: Union[left, right], kept)  # noqa: UP007 - built at run time


def _plain(hint: Any) -> Any:
    if hint in _STANDINS:
        return _STANDINS[hint]
    if not isinstance(hint, type):
        return None
    if issubclass(hint, PurePath):
        return str
    if is_dataclass(hint):
        return Annotated[hint, WrapValidator(_made)]
    return hint if hint in _SCALARS or issubclass(hint, Enum) else None


def _made(options: Any, make: Callable[[Any], Any]) -> Any:
    try:
        return make(options)
    except ArrowETLError as error:  # pydantic would let it through, without its place
        raise ValueError(str(error)) from error


def imported(path: Any) -> Any:
    """Give what ``package.module:name`` names.

    Raises:
        ValueError: it isn't there; says what isn't.

    >>> imported("math:pi")
    3.141592653589793
    """
    module_name, colon, name = str(path).partition(":")
    if not (module_name and colon and name):
        raise ValueError(f"{path!r} isn't of the form package.module:name")
    try:
        found: Any = import_module(module_name)
    except ImportError as error:
        raise ValueError(f"can't import {module_name!r}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"module {module_name!r} has no {name!r}")
        found = getattr(found, part)
    return found


def _function(path: Any) -> Any:
    found = imported(path)
    if not callable(found):
        raise ValueError(f"{path!r} isn't a function")  # noqa: TRY004 - pydantic takes ValueError
    return found


def _duration(length: Any) -> Any:
    # pydantic would take seconds.
    if isinstance(length, int | float):
        raise PydanticCustomError(
            NO_UNIT,
            "{length} has no unit of time: write '15 minutes', '1 day' or 'PT15M'",
            {"length": str(length).lower()},
        )
    return length


def arrow_schema(columns: Any) -> pa.Schema:
    """Give the Arrow schema that a mapping of names to types describes.

    Raises:
        ValueError: it isn't such a mapping, or a type isn't one of Arrow's.

    >>> arrow_schema({"id": "int64", "name": "string"})
    id: int64
    name: string
    """
    if not isinstance(columns, dict):
        raise ValueError("expected a mapping of columns to Arrow types")  # noqa: TRY004 - as above
    try:
        return pa.schema([(name, pa.type_for_alias(str(kind))) for name, kind in columns.items()])
    except ValueError as error:
        raise ValueError(f"{error}; Arrow's types are int64, string, date32 and so on") from error


def _flag(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError("bool_type", "a number is neither true nor false")
    return value


FLAG: Any = Annotated[bool, BeforeValidator(_flag)]
"""True or false, also as the text of a variable; `header: 0` means the first line elsewhere."""
FUNCTION: Any = Annotated[
    Any,
    BeforeValidator(_function),
    WithJsonSchema({"type": "string", "pattern": "^[^:]+:[^:]+$"}),
]
SCHEMA: Any = Annotated[
    Any,
    BeforeValidator(arrow_schema),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
DURATION: Any = Annotated[timedelta, BeforeValidator(_duration)]
_STANDINS: dict[Any, Any] = {
    timedelta: DURATION,
    Any: Any,
    object: Any,
    bool: FLAG,
    None: type(None),
    abc.Callable: FUNCTION,
    pa.Schema: SCHEMA,
    os.PathLike: str,
    tuple: list[Any],
    **dict.fromkeys(_LISTS, list[Any]),
    **dict.fromkeys(_MAPPINGS, dict[str, Any]),
}
