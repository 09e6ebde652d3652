"""HMAC-SHA256 in SQL, with a key that is in no statement.

HMAC (RFC 2104) hashes twice, each time behind a block made of the key. Both blocks are constants
that DuckDB is given beside the statement, so nothing of the key appears in SQL, plans or errors.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from arrowetl.errors import ConfigError
from arrowetl.sql import literal

KEY_VARIABLE = "ARROWETL_MASK_KEY"
"""The environment variable with the key, where none is given."""
SHORTEST = 16
"""Bytes of a key, at least: a shorter one can be found by trying."""
_BLOCK = 64


@dataclass(frozen=True, repr=False)
class Key:
    """A secret that shows itself to nobody.

    >>> Key("correct horse battery staple")
    <key>
    """

    value: bytes = field(default=b"")

    def __init__(self, value: str | bytes) -> None:
        """Take the key as text or bytes.

        Raises:
            ConfigError: it is too short, or no text.
        """
        if not isinstance(value, (str, bytes)):
            raise ConfigError(f"Mask: a key is text or bytes, not {type(value).__name__}")
        as_bytes = value.encode() if isinstance(value, str) else value
        if len(as_bytes) < SHORTEST:
            raise ConfigError(
                f"Mask: the key has {len(as_bytes)} bytes, and under {SHORTEST} it can be found by "
                "trying; make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        object.__setattr__(self, "value", as_bytes)

    def __repr__(self) -> str:
        return "<key>"

    @classmethod
    def of_environment(cls) -> Key:
        """Read the key from `KEY_VARIABLE`.

        Raises:
            ConfigError: it isn't set, or too short.
        """
        value = os.environ.get(KEY_VARIABLE)
        if not value:
            raise ConfigError(
                "Mask: hashes and tokens need a key, else whoever guesses a value can check it; "
                f"give key=..., or set {KEY_VARIABLE}"
            )
        return cls(value)

    def constants(self) -> dict[str, bytes]:
        """Give the two blocks by the names they have in SQL, which differ from key to key."""
        short = hashlib.sha256(self.value).digest() if len(self.value) > _BLOCK else self.value
        padded = short.ljust(_BLOCK, b"\0")
        masks = (0x36, 0x5C)
        return {
            name: bytes(byte ^ mask for byte in padded)
            for name, mask in zip(self._names, masks, strict=True)
        }

    @property
    def _names(self) -> tuple[str, str]:
        own = hmac.new(self.value, b"arrowetl", hashlib.sha256).hexdigest()[:8]
        return f"arrowetl:inner:{own}", f"arrowetl:outer:{own}"

    def digest(self, text: str) -> str:
        """Give the SQL for the HMAC of a text, as 64 hexadecimal digits."""
        inner, outer = (f"getvariable({literal(each)})" for each in self._names)
        return f"sha256({outer} || unhex(sha256({inner} || encode({text}))))"
