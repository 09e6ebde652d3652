"""Where a value is in a row: ``a.b`` for a member of a struct, ``a[].b`` for those in a list."""

from __future__ import annotations

import re
from typing import TypeAlias

from arrowetl.errors import ConfigError

Part: TypeAlias = str | None
"""A name, or None for the elements of a list."""

_PART = re.compile(
    r'(?P<list>\[\])|(?P<dot>\.)?(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<bare>[^."\[\]]+))'
)
_BARE = re.compile(r'[^."\[\]]+')


def parts_of(path: str) -> tuple[Part, ...]:
    """Give the names on a way, None for the elements of a list.

    Names with dots, brackets or quotes in them stand in double quotes.

    Raises:
        ConfigError: it isn't one.

    >>> parts_of('orders[].ship."zip.code"')
    ('orders', None, 'ship', 'zip.code')
    """
    found: list[Part] = []
    place = 0
    while place < len(path):
        match = _PART.match(path, place)
        if match is None or bool(match["dot"]) != bool(found and not match["list"]):
            break
        if match["list"] and not found:
            break
        quoted = match["quoted"]
        found.append(quoted.replace('""', '"') if quoted is not None else match["bare"])
        place = match.end()
    if not path or place < len(path):
        raise ConfigError(
            f"{path!r} names no column: names have dots between them, [] stands for the elements "
            'of a list, and a name with dots, brackets or quotes stands in "double quotes"'
        )
    return tuple(found)


def path_of(parts: tuple[Part, ...]) -> str:
    """Give the way as text; `parts_of` gives the parts back.

    >>> path_of(("a", None, 'b"c.d'))
    'a[]."b""c.d"'
    """
    text = ""
    for part in parts:
        if part is None:
            text += "[]"
        else:
            named = part if _BARE.fullmatch(part) else '"' + part.replace('"', '""') + '"'
            text += f".{named}" if text else named
    return text
