"""`record_path`: where in a document its records are."""

from __future__ import annotations

import json
import re

from arrowetl.errors import ConfigError
from arrowetl.sources._json_shape import Path, can_ask

_STEP = re.compile(
    r"""\.?(?P<key>[^.\[\]"]+) | \.?(?P<quoted>"(?:[^"\\]|\\.)*") | (?P<each>\[\*\])""", re.VERBOSE
)


def parsed_path(path: str, *, where: str) -> Path:
    r"""Give the steps of a path: keys, and None for each element of a list.

    Keys have dots between them, and are quoted as in JSON if they have dots, brackets or quotes in
    them; `[*]` is each element of a list. A `$` before all is the document itself.

    Raises:
        ConfigError: it isn't such a path; says where it goes wrong.

    >>> parsed_path("data.items[*]", where="JSONSource")
    ('data', 'items', None)
    >>> parsed_path('$[*]."a.b"', where="JSONSource")
    (None, 'a.b')
    """
    rest = path.removeprefix("$")
    at, steps = len(path) - len(rest), list[str | None]()
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or (path[at] == "." and not steps and at == 0):
            raise ConfigError(
                f"{where}: record_path={path!r} can't be read from character {at + 1} on: give "
                "keys with dots between them and [*] for each element, as in 'data.items[*]'"
            )
        if step["each"] is None and steps and path[at] != ".":
            raise ConfigError(f"{where}: record_path={path!r}: no dot before character {at + 1}")
        steps.append(_key(step["key"], step["quoted"]))
        at = step.end()
    if not steps:
        raise ConfigError(f"{where}: record_path is empty; leave it out, or say 'data.items[*]'")
    if not can_ask(tuple(steps)):
        raise ConfigError(f"{where}: record_path={path!r}: no list is found by keys with quotes")
    return tuple(steps)


def _key(key: str | None, quoted: str | None) -> str | None:
    return str(json.loads(quoted)) if quoted is not None else key


def written_path(path: Path) -> str:
    """Write steps as `parsed_path` reads them.

    >>> print(written_path((None, "data", "a.b", None)))
    [*].data."a.b"[*]
    """
    steps = ("[*]" if key is None else f".{_quoted(key)}" for key in path)
    return "".join(steps).removeprefix(".")


def _quoted(key: str) -> str:
    return key if re.fullmatch(r'[^.\[\]"$]+', key) else json.dumps(key)
