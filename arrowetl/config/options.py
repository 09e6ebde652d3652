"""A constructor's parameters as the options of a configuration, checked by pydantic.

Nothing is registered anywhere: names, types and defaults are read off the signature.
"""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, Required, TypedDict

from arrowetl.config.hints import is_settable, settable
from arrowetl.config.wording import report
from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings


@dataclass(frozen=True)
class Options:
    """The options by which a configuration describes an object of a class.

    Args:
        cls: the class.
        owner: what it is called in messages.
        leave_out: parameters that have a place of their own in a configuration.
    """

    cls: type
    owner: str
    leave_out: tuple[str, ...] = ()

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters that text can give, with their types resolved."""
        return {
            name: parameter
            for name, parameter in parameters(self.cls).items()
            if name not in self.leave_out and is_settable(parameter.annotation)
        }

    @cached_property
    def subject(self) -> str | None:
        """The first parameter: what a short form gives."""
        return next(iter(self.parameters), None)

    @cached_property
    def table_maps(self) -> frozenset[str]:
        """The parameters that map names to anything: sources may stand there."""
        hints = {name: settable(each.annotation) for name, each in self.parameters.items()}
        return frozenset(name for name, hint in hints.items() if hint == dict[str, Any])

    @cached_property
    def adapter(self) -> TypeAdapter[dict[str, Any]]:
        """What checks and converts the options of one object."""
        said = descriptions(self.cls)
        fields = {
            name: _field(parameter, said.get(name)) for name, parameter in self.parameters.items()
        }
        # Unlike a model, a TypedDict has no attributes that an option `schema` could hide.
        make: Any = TypedDict
        options = make(self.cls.__name__, fields)
        options.__pydantic_config__ = ConfigDict(extra="forbid")
        return TypeAdapter(options)

    def checked(self, node: Node, findings: Findings) -> dict[str, Any]:
        """Give the arguments that a mapping describes; what is wrong goes to `findings`."""
        try:
            return self.adapter.validate_python(node.plain())
        except ValidationError as error:
            report(error, node, findings, allowed=tuple(self.parameters), owner=self.owner)
            return {}


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Give a constructor's parameters, their annotations as types.

    A type that can't be found out is `Any`: the constructor itself will say.

    >>> class Sample:
    ...     def __init__(self, rows: "int", *, seed: "Missing" = 0): ...
    >>> [(p.name, p.annotation) for p in parameters(Sample).values()]
    [('rows', typing.Any), ('seed', typing.Any)]
    """
    hints = {**_hints(cls), **_hints(inspect.getattr_static(cls, "__init__"))}
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        and not name.startswith("_")
    }


def _hints(described: Any) -> dict[str, Any]:
    """Give the types that annotations name; names of ours that only type checkers import, too."""
    ours: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(described, localns=ours or None, include_extras=True)
        except NameError as error:
            missing, package = error.name or "", import_module("arrowetl")
            if missing in ours or missing not in package.__all__:
                return {}
            ours[missing] = getattr(package, missing)


def _field(parameter: inspect.Parameter, description: str | None) -> Any:
    required = parameter.default is inspect.Parameter.empty
    # An option that has the name of a method has that for its default.
    said = not required and not callable(parameter.default)
    extra = {"default": _json_value(parameter.default)} if said else {}
    field = Field(description=description, json_schema_extra=extra)
    hint: Any = Annotated[settable(parameter.annotation), field]
    return Required[hint] if required else NotRequired[hint]


def _json_value(value: Any) -> Any:
    """Give a default as JSON has it; as its text where JSON has nothing like it."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str.__str__(getattr(value, "value", value))
        case list() | tuple():
            return [_json_value(item) for item in value]
        case dict():
            return {str(key): _json_value(item) for key, item in value.items()}
        case _:
            return repr(value)


def descriptions(cls: type) -> dict[str, str]:
    """Give what a class's docstring says of each parameter.

    >>> class Sample:
    ...     '''Give some rows.
    ...
    ...     Args:
    ...         rows: how many,
    ...             at most.
    ...     '''
    >>> descriptions(Sample)
    {'rows': 'how many, at most.'}
    """
    section = re.search(
        r"^(?:Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", inspect.getdoc(cls) or "", re.MULTILINE
    )
    found = re.findall(
        r"^    (\w+): (.*(?:\n     .*)*)", section[1] if section else "", re.MULTILINE
    )
    return {name: " ".join(text.split()) for name, text in found}
