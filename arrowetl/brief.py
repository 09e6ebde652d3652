"""How a source or a destination shows itself: the call that makes it, without what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import signature


class Brief:
    """Gives a dataclass a `repr` that says which options aren't their defaults.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, repr=False)
    ... class Shop(Brief):
    ...     path: str
    ...     timeout: float = 10.0
    ...     strict: bool = True
    >>> Shop("a.db", strict=False)
    Shop(path='a.db', strict=False)
    """

    def __repr__(self) -> str:
        if not hasattr(self, "__dataclass_fields__"):
            return super().__repr__()
        return f"{type(self).__name__}({', '.join(_said(self))})"


def _said(thing: Brief) -> Iterator[str]:
    taken = signature(type(thing)).parameters
    for field in fields(thing):  # type: ignore[arg-type]  # its caller asked
        if not field.repr or field.name not in taken:
            continue
        made = field.default_factory
        default = taken[field.name].default if made is MISSING else made()
        # By their texts: arrays and tables don't compare to one answer.
        value = repr(getattr(thing, field.name))
        if value != repr(default):
            yield f"{field.name}={value}"
