"""What pydantic found, said as a person would: what was expected, what stands there, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from arrowetl.config.hints import NO_UNIT
from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings, hint
from arrowetl.errors import closest

_EXPECTED = {
    "string": "text",
    "bytes": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time of day",
    "timedelta": "a length of time",
}
"""What to call the types of values, by how the kinds of pydantic's errors begin."""


def report(
    error: ValidationError,
    node: Node,
    findings: Findings,
    *,
    allowed: Sequence[str],
    owner: str,
) -> None:
    """Tell `findings` what is wrong with the options in a mapping.

    Args:
        error: what pydantic said of them.
        node: the mapping.
        findings: where to tell it.
        allowed: the options there are.
        owner: whose they are.
    """
    found: dict[str, tuple[Node, list[Any]]] = {}
    for each in error.errors(include_url=False):
        place = _place(node, each["loc"])
        if each["type"] == "extra_forbidden":
            findings.unknown(place, allowed, owner=owner)
        elif each["type"] == "missing":
            name = each["loc"][-1]
            findings.add(place, f"missing; {owner} needs it", key=place.child(name))
        else:
            found.setdefault(place.key, (place, []))[1].append(each)
    for key, (place, errors) in found.items():
        # An item that is wrong says more than the list that isn't text.
        if not any(other.startswith((f"{key}.", f"{key}[")) for other in found):
            _report_value(place, errors, findings)


def _place(node: Node, loc: Sequence[int | str]) -> Node:
    """Follow pydantic's way as far as it goes: it also names the members of unions."""
    for part in loc:
        match node.value:
            case dict() if part in node.value:
                node = node.value[part]
            case list() if isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            case _:
                continue
    return node


def _report_value(node: Node, errors: Sequence[Mapping[str, Any]], findings: Findings) -> None:
    names = [name for each in errors for name in _names(each)]
    nearest = closest(node.value, names) if isinstance(node.value, str) and names else ()
    kinds = list(dict.fromkeys(filter(None, map(_expected, errors))))
    if "a number" in kinds and "a whole number" in kinds:
        kinds.remove("a whole number")
    unitless = next((each["msg"] for each in errors if each["type"] == NO_UNIT), None)
    if unitless is not None:
        message, advice = str(unitless), ""
    elif kinds:
        message = f"expected {' or '.join(kinds)}, got {node.shown()}"
        advice = hint(nearest) or _advice(node, kinds)
    else:
        message, advice = str(errors[0]["msg"]).removeprefix("Value error, "), ""
    if node.variables and not kinds:
        message = f"{node.shown()} isn't right"
    findings.add(node, message + advice, nearest=nearest, allowed=names)


def _names(error: Mapping[str, Any]) -> list[str]:
    """Give the values of an enum or a literal."""
    if error["type"] not in {"enum", "literal_error"}:
        return []
    return re.findall(r"'([^']*)'", error["ctx"]["expected"])


def _expected(error: Mapping[str, Any]) -> str | None:
    kind = error["type"]
    if kind in {"enum", "literal_error"}:
        return str(error["ctx"]["expected"])
    if kind == "none_required":
        return "nothing"
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return _EXPECTED.get(kind.partition("_")[0])
    return None


def _advice(node: Node, kinds: Sequence[str]) -> str:
    value = node.value
    if value is None and "text" in kinds:
        return "; null is nothing, and text in quotes"
    if node.variables or isinstance(value, dict | list | None):
        return ""
    if "text" in kinds:
        return f'; write it in quotes: "{str(value).lower() if value in {True, False} else value}"'
    if kinds == ["a list"]:
        return f"; write [{value}]"
    return ""
