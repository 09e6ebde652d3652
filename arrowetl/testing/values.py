"""What it means to be a value, and for tables to be the same."""

from __future__ import annotations

import datetime as dt
import pickle
import sys
from decimal import Decimal
from pathlib import PosixPath
from typing import Any, TypeVar

import pyarrow as pa

T = TypeVar("T")


def check_value(thing: T) -> T:
    """Check that a thing is what it was made of: `==`, `hash`, pickle, and `repr` rebuild it.

    Returns:
        The one that `repr` rebuilt.

    >>> from arrowetl.transforms.query import Filter
    >>> check_value(Filter("x > 1"))
    Filter(predicate='x > 1')
    """
    text = repr(thing)
    assert text.startswith(f"{type(thing).__name__}("), f"{text} isn't the call that makes it"
    copies: list[T] = [pickle.loads(pickle.dumps(thing))]  # noqa: S301 - dumped on this line
    if _is_python(text):
        copies.append(eval(text, _names(thing)))  # noqa: S307 - the text is its own repr
    for other in copies:
        assert type(other) is type(thing), f"{text} came back as {other!r}"
        assert other == thing, f"{text} isn't equal to {other!r}, made of the same"
        assert hash(other) == hash(thing), f"{text} has another hash than its equal"
    assert thing != object(), f"{text} is equal to anything"
    return copies[-1]


def _is_python(text: str) -> bool:
    try:
        compile(text, "repr", "eval")
    except SyntaxError:
        return False
    return True


def _names(thing: object) -> dict[str, Any]:
    """Give what a `repr` may use: the names of the class's module, and the usual ones."""
    usual = {"datetime": dt, "Decimal": Decimal, "PosixPath": PosixPath}
    return {**usual, **vars(sys.modules[type(thing).__module__])}


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables have the same columns, and the same rows in the same order.

    NaN is NaN here, and how a table is cut into chunks doesn't matter.

    >>> same(pa.table({"x": [float("nan")]}), pa.table({"x": [float("nan")]}))
    True
    """
    if one.schema.names != other.schema.names or one.schema.types != other.schema.types:
        return False
    return one.num_rows == other.num_rows and _plain(one) == _plain(other)


def _plain(table: pa.Table) -> str:
    return repr(table.to_pylist())
