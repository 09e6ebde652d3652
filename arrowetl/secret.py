"""A text that no `repr` shows."""

from __future__ import annotations

MASK = "***"


class Secret(str):
    """A text that is used as it is, and shown as three stars: no Python, since it can't rebuild it.

    >>> Secret("hunter2"), Secret("hunter2") == "hunter2"
    (***, True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def hidden(thing: object, *names: str) -> None:
    """Make secrets of those attributes of a frozen dataclass that are text.

    >>> from dataclasses import asdict, dataclass
    >>> @dataclass(frozen=True)
    ... class Login:
    ...     key: str | None
    ...     token: str | None = None
    ...     def __post_init__(self):
    ...         hidden(self, "key", "token")
    >>> asdict(Login("hunter2"))
    {'key': ***, 'token': None}
    """
    for name in names:
        value = getattr(thing, name)
        if isinstance(value, str):
            object.__setattr__(thing, name, Secret(value))
