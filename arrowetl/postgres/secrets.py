"""Connection strings with passwords in them, that can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from arrowetl.secret import MASK

URI = re.compile(r"(postgres(?:ql)?://)")

_USER = re.compile(r"(postgres(?:ql)?://[^:@/?#]*):([^@]*)@", re.DOTALL)
_QUERY = re.compile(r"([?&](?:ssl)?password=)([^&]*)", re.IGNORECASE | re.DOTALL)
_WORDS = re.compile(r"((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)*)", re.DOTALL)
# What follows the user in a URI that is well formed: hosts with ports, a database, a query.
_PLACE = re.compile(
    r"postgres(?:ql)?://(?:[^@/?#]*@)?"
    r"((?:[\w.%-]*|\[[\w:.%]*\])(?::\d{1,5})?(?:,(?:[\w.%-]*|\[[\w:.%]*\])(?::\d{1,5})?)*)"
    r"(?:/([^?@]*))?(?:\?[^@]*)?"
)


class ConnectionString(str):
    r"""A URI, or words like ``host=db dbname=shop``, whose password isn't shown.

    >>> ConnectionString("postgresql://ann:hunter2@db/shop?sslmode=require")
    <postgresql://ann:***@db/shop?sslmode=require>
    >>> ConnectionString("postgresql://db/shop")
    'postgresql://db/shop'
    >>> ConnectionString(r"host=db password='hunter\'2' dbname=shop")
    <host=db password=*** dbname=shop>
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__repr__(self) if self.shown == self else f"<{self.shown}>"

    @property
    def is_uri(self) -> bool:
        """Whether it is a URI, not words."""
        return bool(URI.match(self))

    @property
    def is_clear(self) -> bool:
        """Whether it can be told which part of it is what."""
        if self.is_uri:
            return bool(_PLACE.fullmatch(self))
        return "://" not in _WORDS.sub("", self)  # a password may have it

    @property
    def shown(self) -> str:
        """The text with stars where a password is."""
        if not self.is_uri:
            return _WORDS.sub(rf"\1{MASK}", self)
        if not _PLACE.fullmatch(self):  # who knows which part of it is the password
            return f"postgresql://{MASK}"
        return _QUERY.sub(rf"\1{MASK}", _USER.sub(rf"\1:{MASK}@", self))

    @property
    def place(self) -> tuple[str, str]:
        """The hosts and the database, as far as they are said; no secrets in it.

        >>> ConnectionString("postgresql://ann:hunter2@db:5433/shop").place
        ('db:5433', 'shop')
        """
        if self.is_uri:
            found = _PLACE.fullmatch(self)
            return (unquote(found[1]), unquote(found[2] or "")) if found else ("", "")
        words = dict(re.findall(r"\b(host|port|dbname)\s*=\s*'?([^\s']*)", self))
        host = ":".join(filter(None, (words.get("host"), words.get("port"))))
        return host, words.get("dbname", "")

    def passwords(self) -> Iterator[str]:
        """Give the passwords in it, as they are written and as they are meant."""
        patterns = (_USER, _QUERY) if self.is_uri else (_WORDS,)
        for pattern in patterns:
            for found in pattern.finditer(self):
                written = found[2]
                yield written
                yield unquote(written) if self.is_uri else _unquoted(written)


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1] if word.startswith("'") else word)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Give the text with stars for each secret in it.

    >>> scrubbed("no user hunter2", ["hunter2", ""])
    'no user ***'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
