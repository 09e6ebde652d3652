"""What constructors of transforms check alike: names, choices, kinds of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean


def words(value: Sequence[str], *, where: str, option: str = "columns") -> tuple[str, ...]:
    """Give column names as a tuple; one name may stand without its list.

    Raises:
        ConfigError: it isn't names, or one stands there twice.

    >>> words("email", where="Select"), words(["a", "b"], where="Select")
    (('email',), ('a', 'b'))
    """
    if not isinstance(value, Iterable):
        raise ConfigError(f"{where}: {option} takes names of columns, not {value!r}")
    found = (value,) if isinstance(value, str) else tuple(value)
    for word in found:
        if not isinstance(word, str):
            raise ConfigError(f"{where}: {option} takes names of columns, not {word!r}")
        if found.count(word) > 1:
            raise ConfigError(f"{where}: {option} names {word!r} twice")
    return found


def by_name(value: Any, *, where: str, example: str, option: str = "columns") -> dict[str, Any]:
    """Give what is said by column names.

    Raises:
        ConfigError: it isn't.

    >>> by_name("price", where="Cast", example='{"price": "DOUBLE"}')
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Cast: columns is a mapping, {"price": "DOUBLE"} say, not 'price'
    """
    if not isinstance(value, Mapping) or not all(isinstance(column, str) for column in value):
        raise ConfigError(f"{where}: {option} is a mapping, {example} say, not {value!r}")
    return dict(value)


def choice(value: str, choices: Iterable[str], *, where: str, option: str) -> str:
    """Give the value, which has to be one of some words.

    Raises:
        ConfigError: it isn't; with the nearest ones.

    >>> choice("frist", ["first", "last"], where="Deduplicator", option="keep")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Deduplicator: keep is 'frist'; did you mean 'first'? It has to be \
one of first, last
    """
    known = tuple(choices)
    if value not in known:
        hint = did_you_mean(closest(str(value), known))
        raise ConfigError(
            f"{where}: {option} is {value!r}{hint} It has to be one of {', '.join(known)}"
        )
    return value


def unused(word: str, taken: Iterable[str]) -> str:
    """Give a column name that nobody has, whatever its case.

    >>> unused("row", ["ROW", "a"])
    'row_'
    """
    lowered = {each.lower() for each in taken}
    while word.lower() in lowered:
        word += "_"
    return word


def refuse_taken(
    added: Iterable[str | None], schema: pa.Schema, *, where: str, instead: str
) -> None:
    """Raise SchemaError for a new column that is called as another is, in whatever case.

    DuckDB would give it another name. `instead` says how the user does; None is no column.

    >>> there = pa.schema({"Score": pa.int8()})
    >>> refuse_taken(["score"], there, where="QualityScorer", instead="say score_column=")
    Traceback (most recent call last):
    arrowetl.errors.SchemaError: QualityScorer: there is a column 'score' already (called \
'Score'); say score_column=
    """
    taken = {each.lower(): each for each in schema.names}
    for column in added:
        if column is None:
            continue
        there = taken.get(column.lower())
        if there is not None:
            called = f" (called {there!r})" if there != column else ""
            raise SchemaError(
                f"there is a column {column!r} already{called}; {instead}",
                where=where,
                column=column,
            )
        taken[column.lower()] = column


def plain(kind: pa.DataType) -> Any:
    """Give the type of a column's values: a dictionary's is that of its words.

    >>> plain(pa.dictionary(pa.int8(), pa.string()))
    DataType(string)
    """
    return kind.value_type if kinds.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text.

    >>> is_text(pa.large_string()), is_text(pa.binary())
    (True, False)
    """
    values = plain(kind)
    return bool(
        kinds.is_string(values) or kinds.is_large_string(values) or kinds.is_string_view(values)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether a column holds whole, floating or decimal numbers.

    >>> is_number(pa.decimal128(5, 2)), is_number(pa.bool_())
    (True, False)
    """
    values = plain(kind)
    return bool(kinds.is_integer(values) or is_float(values) or kinds.is_decimal(values))


def is_float(kind: pa.DataType) -> bool:
    """Whether a column holds floating numbers.

    >>> is_float(pa.float32()), is_float(pa.int8())
    (True, False)
    """
    return bool(kinds.is_floating(plain(kind)))
