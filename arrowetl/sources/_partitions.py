"""Columns that folders say, as Hive writes them: `year=2026/month=01/`.

DuckDB would find them itself, but leaves all out where a single file lacks one, and takes `0x10`
and ` 1` for numbers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import unquote

from arrowetl.errors import SchemaError
from arrowetl.sources._columns import Fields

NULL = "__HIVE_DEFAULT_PARTITION__"
"""What a folder has for a value that is null."""

_SAID = re.compile(r"([^=?\n]+)=([^=?\n]*)")
"""A folder that DuckDB takes for a value: with other signs in it, it is a folder like any other."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(_DATE.pattern + r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")


@lru_cache(maxsize=64)
def partitions(paths: tuple[str, ...], *, where: str) -> Fields:
    """Give the columns that the files' folders say, as they are written there, with their types.

    They are whole numbers, dates or times where all values are written as those, and else text.

    Raises:
        SchemaError: files have other columns than others; two columns have one name.

    >>> partitions(("a/year=2025/k=x/1.parquet", "a/year=2026/k=1/2.parquet"), where="x")
    (('year', 'BIGINT'), ('k', 'VARCHAR'))
    """
    examples = {path.rpartition("/")[0]: path for path in reversed(paths)}
    said = {path: _said(path, where) for path in reversed(examples.values())}
    first = said[paths[0]]
    for path, values in said.items():
        if values.keys() != first.keys():
            raise _disagreement((paths[0], first), (path, values), where)
    return tuple((key, _type({values[key] for values in said.values()})) for key in first)


def _said(path: str, where: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for folder in path.split("/")[:-1] if "=" in path else ():
        found = _SAID.fullmatch(folder)
        if found is None:
            continue
        key, value = found.groups()
        if "\\" in folder or key.lower() in map(str.lower, values):
            twice = "a backslash in it" if "\\" in folder else f"a second column {key!r}"
            raise SchemaError(
                f"the folder {folder!r} of {path!r} has {twice}; call it otherwise, or make no "
                "columns of folders: hive_partitioning=False",
                where=where,
                column=unquote(key),
            )
        values[key] = value
    return values


def _disagreement(
    one: tuple[str, Collection[str]], other: tuple[str, Collection[str]], where: str
) -> SchemaError:
    (path, keys), (another, others) = one, other
    return SchemaError(
        f"the folders of {path!r} say {_told(keys)}, and those of {another!r} {_told(others)}: "
        "read them apart, or make no columns of folders: hive_partitioning=False. In a value, `=` "
        "is written %3D, and `?` %3F",
        where=where,
    )


def _told(keys: Collection[str]) -> str:
    return " and ".join(f"{unquote(key)}=" for key in keys) or "nothing"


def _type(values: Iterable[str]) -> str:
    there = [unquote(value) for value in values if value != NULL]
    for kind, is_kind in (("BIGINT", _is_whole), ("DATE", _is_date), ("TIMESTAMP", _is_moment)):
        if there and all(map(is_kind, there)):
            return kind
    return "VARCHAR"


def _is_whole(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        # Python 3.10 reads three and six digits of a second only.
        whole = text.partition(".")[0]
        return _MOMENT.fullmatch(text) is not None and bool(datetime.fromisoformat(whole))
    except ValueError:
        return False
