"""Values that a profile shows, looked at once more: no single one may tell who somebody is.

A column of which a few values are personal data isn't a column of personal data. But its smallest
value may be an email address, and it is the smallest value that is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from arrowetl.duck import describing
from arrowetl.profiling.profile import ColumnProfile
from arrowetl.profiling.readings import trimmed

if TYPE_CHECKING:
    from arrowetl.patterns import Pattern

_SHOWN = "arrowetl_shown"


def without_personal(
    columns: Sequence[ColumnProfile], patterns: Mapping[str, Pattern]
) -> tuple[ColumnProfile, ...]:
    """Give columns in which shown texts that are personal data by themselves are masked.

    Enumerations with one of them are left out.
    """
    shown = {value for each in columns if each.texts for value in _values(each)}
    found = _personal(shown, patterns)
    return tuple(_masked(each, found) if each.texts and found else each for each in columns)


def _values(column: ColumnProfile) -> Iterable[str]:
    ends = (each for each in (column.minimum, column.maximum) if each is not None)
    return [*ends, *(each.value for each in column.top), *(column.enum or ())]


def _personal(texts: Collection[str], patterns: Mapping[str, Pattern]) -> set[str]:
    """Give those of some texts that have a pattern of personal data."""
    tests = [each.sql("t") for each in patterns.values() if each.pii]
    if not texts or not tests:
        return set()
    table = pa.table({"v": pa.array(sorted(texts), pa.string())})
    with describing() as connection:
        connection.register(_SHOWN, table)
        found = connection.sql(
            f"SELECT v FROM (SELECT v, {trimmed('v')} AS t FROM {_SHOWN}) "
            f"WHERE {' OR '.join(tests)}"
        ).fetchall()
        connection.unregister(_SHOWN)
    return {text for (text,) in found}


def _masked(column: ColumnProfile, personal: set[str]) -> ColumnProfile:
    def shown(text: str) -> str:
        return masked(text) if text in personal else text

    return replace(
        column,
        minimum=None if column.minimum is None else shown(column.minimum),
        maximum=None if column.maximum is None else shown(column.maximum),
        top=tuple(replace(each, value=shown(each.value)) for each in column.top),
        enum=None if personal.intersection(column.enum or ()) else column.enum,
    )


def masked(text: str) -> str:
    """Give a text that shows how a value is written, and not what it is.

    Letters become x, digits 9, and what is between them stays.

    >>> masked("Ada.L@example.org"), masked("+44 20 7946")
    ('Xxx.X@xxxxxxx.xxx', '+99 99 9999')
    """
    return "".join(_letter(each) for each in text)


def _letter(letter: str) -> str:
    if letter.isdigit():
        return "9"
    if letter.isalpha():
        return "X" if letter.isupper() else "x"
    return letter
