"""The classes that a configuration can name: arrowetl's own, and a user's by their dotted path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import arrowetl
from arrowetl.config.hints import is_settable
from arrowetl.config.options import parameters
from arrowetl.stage import Sink, Source, Stage


@dataclass(frozen=True)
class Role:
    """What a place in a configuration holds."""

    name: str
    """What it is called in messages."""
    base: type
    """What its classes derive from."""
    suffix: str
    """What ends their names, and isn't part of the type's."""

    def type_name(self, class_name: str) -> str:
        """Give what a class is called in a configuration.

        >>> SOURCE.type_name("CSVSource"), SINK.type_name("DuckDBLoader")
        ('csv', 'duckdb')
        >>> STAGE.type_name("NullRemover"), STAGE.type_name("SQL")
        ('null_remover', 'sql')
        """
        if self.suffix:
            return class_name.removesuffix(self.suffix).lower()
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()

    def types(self) -> Mapping[str, type]:
        """Give arrowetl's classes for this role by the names a configuration calls them."""
        return _types(self)

    def accepts(self, value: Any) -> bool:
        """Say whether a value is a class that can be made for this role."""
        return (
            inspect.isclass(value)
            and issubclass(value, self.base)
            and not inspect.isabstract(value)
        )


SOURCE = Role("source", Source, "Source")
STAGE = Role("transform", Stage, "")
SINK = Role("destination", Sink, "Loader")


ONE_TABLE = "source"
"""The option of a stage that is another table: a source stands there, as elsewhere."""
TABLES = (ONE_TABLE, "examples")
"""The options of stages at which a source may stand."""


@cache
def _types(role: Role) -> Mapping[str, type]:
    named = ((name, getattr(arrowetl, name)) for name in arrowetl.__all__)
    return {
        role.type_name(name): value
        for name, value in named
        if role.accepts(value) and _is_describable(value)
    }


def _is_describable(cls: type) -> bool:
    """Say whether text can give all that a constructor requires."""
    required = (
        parameter
        for name, parameter in parameters(cls).items()
        if parameter.default is inspect.Parameter.empty and name != ONE_TABLE
    )
    hints = [parameter.annotation for parameter in required]
    return all(hint not in {Any, object} and is_settable(hint) for hint in hints)
