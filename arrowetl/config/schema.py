"""The JSON Schema of a configuration, for editors: made from the constructors' signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arrowetl.config.build import KEYS, VERSION, options_of, settings_options
from arrowetl.config.catalogue import SINK, SOURCE, STAGE, Role
from arrowetl.config.options import Options

_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_]"}


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of configuration files.

    >>> schema = json_schema()
    >>> schema["required"], schema["additionalProperties"]
    (['source', 'load'], False)
    """
    shared: dict[str, Any] = {}
    definitions = {
        "source": _any_of(SOURCE, shared),
        "transform": _any_of(STAGE, shared, short_forms=True),
        "destination": _any_of(SINK, shared),
        "settings": _object(settings_options(), shared),
    }
    parts = _parts()
    profile = {"type": "object", "additionalProperties": False, "properties": _loose(parts)}
    properties = {
        "version": {"const": VERSION, "description": "the format of this file"},
        **parts,
        "profiles": {
            "type": "object",
            "additionalProperties": profile,
            "description": "changes by name, for run --profile NAME",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "arrowetl pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["source", "load"],
        "properties": {key: properties[key] for key in KEYS},
        "$defs": {**definitions, **shared},
    }


def _parts() -> dict[str, Any]:
    def ref(name: str, description: str) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{name}", "description": description}

    return {
        "name": {"type": "string", "description": "the pipeline's name; the file's if left out"},
        "settings": ref("settings", "how a run may use the machine"),
        "source": ref("source", "where rows come from"),
        "transforms": {
            "type": "array",
            "items": {"$ref": "#/$defs/transform"},
            "description": "what is done to them, in this order",
        },
        "load": ref("destination", "where they go, all or none"),
        "dead_letters": ref("destination", "where rejected rows go"),
    }


def _loose(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Give a profile's parts: pieces of a source or a destination are enough there."""
    whole = {"name", "transforms", "settings"}
    return {
        key: part if key in whole else {"type": ["object", "null"]} for key, part in parts.items()
    }


def _any_of(role: Role, shared: dict[str, Any], *, short_forms: bool = False) -> dict[str, Any]:
    options = [(name, options_of(cls, name)) for name, cls in role.types().items()]
    forms = [_object(each, shared, kind=name) for name, each in options]
    if short_forms:
        brief = [each for _, each in options if each.subject is not None]
        forms += [_short(each, shared) for each in brief]
        forms += [_named(each, shared) for each in brief]
    own = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string", "pattern": "^[^:]+:[^:]+$"}},
        "description": f"a {role.name} of your own, as package.module:Class",
    }
    return {"anyOf": [*forms, own]}


def _object(options: Options, shared: dict[str, Any], *, kind: str | None = None) -> dict[str, Any]:
    """Give the schema of one object; definitions that it refers to go to `shared`."""
    made = options.adapter.json_schema()
    shared |= made.pop("$defs", {})
    properties = {name: _or_variable(each) for name, each in made["properties"].items()}
    required = list(made.get("required", ()))
    if kind is not None:
        properties = {"type": {"const": kind}, **properties}
        required = ["type", *required]
    return {**made, "properties": properties, "required": required}


def _short(options: Options, shared: dict[str, Any]) -> dict[str, Any]:
    """Give ``{filter: ...}``: the name stands for the type, its value for the first option."""
    made = _object(options, shared)
    properties = dict(made["properties"])
    properties[options.owner] = properties.pop(options.subject)
    rest = [name for name in made["required"] if name != options.subject]
    return {**made, "properties": properties, "required": [options.owner, *rest]}


def _named(options: Options, shared: dict[str, Any]) -> dict[str, Any]:
    """Give ``{filter: {predicate: ...}}``: the name stands for the type, its value for the rest."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [options.owner],
        "properties": {options.owner: _object(options, shared)},
    }


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    """Let ``${NAME}`` stand for a value of any type."""
    if any(map(_takes_text, schema.get("anyOf", [schema]))):
        return schema
    said = {key: each for key, each in schema.items() if key in {"description", "default"}}
    bare = {key: each for key, each in schema.items() if key not in {*said, "title"}}
    return {**said, "anyOf": [bare, _VARIABLE]}


def _takes_text(schema: Mapping[str, Any]) -> bool:
    anything = not schema.keys() & {"type", "$ref", "enum", "const"}
    return anything or (schema.get("type") == "string" and "enum" not in schema)
