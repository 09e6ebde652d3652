"""Lookup: columns of another table, found by a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.observing import SET_APART
from arrowetl.sql import INPUT, literal, name
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._arguments import (
    choice,
    is_float,
    is_number,
    is_text,
    plain,
    refuse_taken,
    unused,
)
from arrowetl.transforms.query import readable
from arrowetl.typemap import duck_types

HOW = ("left", "inner", "reject")
MANY = ("error", "first")

_NUMBERS = count(1)
_FOUND = name("arrowetl:found")
_SHOWN = 60


@dataclass(frozen=True)
class Lookup(SQLStage):
    """Add columns of another table, found by a key; rows stay as many, and in their order.

    A null in a key finds nothing; numbers of two types find each other where they are the same
    number, whatever the type. The other table is held in memory, and spilled where that ends;
    the rows pass by it.

    Args:
        source: the other table: a source, an Arrow table, or whatever has `__arrow_c_stream__`
            (Polars, pandas). It is held by reference, and no part of what makes two stages equal.
        on: the key: a column that both have, several, or a mapping from our names to theirs.
        columns: theirs to be added; or a mapping from their names to ours. All but the key if None.
        how: what becomes of a row whose key isn't there: ``left`` gives it nulls, ``inner``
            removes it, ``reject`` sends it to the dead letters.
        many: what becomes of a row whose key is there more than once: an ``error``, or the
            ``first`` counts. Where no column is added, it doesn't matter which.

    Raises:
        ConfigError: an option makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> airlines = pa.table({"carrier": ["UA", "AA"], "name": ["United", "American"]})
    >>> flights = pa.table({"flight": [1, 2, 3], "carrier": ["AA", "ZZ", "UA"]})
    >>> run_stage(Lookup(airlines, on="carrier"), flights)["name"].to_pylist()
    ['American', None, 'United']
    """

    source: Any = field(compare=False)
    _: KW_ONLY
    on: str | Sequence[str] | Mapping[str, str]
    columns: str | Sequence[str] | Mapping[str, str] | None = None
    how: str = "left"
    many: str = "error"

    # Several of them may stand in one statement, each with a table of its own.
    _number: int = field(init=False, repr=False, compare=False, default_factory=_NUMBERS.__next__)

    scope = Scope.STREAM

    def __post_init__(self) -> None:
        """Check the options."""
        object.__setattr__(self, "source", readable("source", self.source, where="Lookup"))
        on = _pairs(self.on, option="on")
        if not on:
            raise ConfigError("Lookup: on names no column")
        object.__setattr__(self, "on", on)
        if self.columns is not None:
            object.__setattr__(self, "columns", _pairs(self.columns, option="columns"))
        choice(self.how, HOW, where="Lookup", option="how")
        choice(self.many, MANY, where="Lookup", option="many")

    @property
    def rows(self) -> Rows:
        """As many as there were, unless those without a match are removed."""
        return Rows.REMOVES if self.how == "inner" else Rows.SAME

    @property
    def sets_apart(self) -> bool:
        """Rows whose key isn't there are rejected on request."""
        return self.how == "reject"

    def side_tables(self) -> dict[str, Any]:
        """Give the other table."""
        return {self._table: self.source}

    @property
    def _table(self) -> str:
        return f"arrowetl:lookup:{self._number}"

    @property
    def _key(self) -> tuple[tuple[str, str], ...]:
        return _pairs(self.on, option="on")

    def _theirs(self) -> pa.Schema:
        schema = self.source.schema
        found: pa.Schema = schema() if callable(schema) else schema
        return found

    def _added(self, theirs: pa.Schema) -> tuple[tuple[str, str], ...]:
        """Give the columns to be added: their names and ours."""
        if self.columns is not None:
            return _pairs(self.columns, option="columns")
        known = {each for _, each in self._key}
        return tuple((each, each) for each in theirs.names if each not in known)

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema with the columns that are added.

        Raises:
            SchemaError: a column isn't there or is there already, or keys can't be compared.
        """
        theirs = self._theirs()
        require(schema, [ours for ours, _ in self._key], where=self.label)
        there = f"{self.label}: the other table"
        require(theirs, [other for _, other in self._key], where=there)
        added = self._added(theirs)
        require(theirs, [other for other, _ in added], where=there)
        for ours, other in self._key:
            self._comparable(schema.field(ours), theirs.field(other))
        refuse_taken(
            [ours for _, ours in added],
            schema,
            where=self.label,
            instead="columns={theirs: ours} renames what is added",
        )
        return super().bind(schema)

    def _comparable(self, ours: pa.Field, theirs: pa.Field) -> None:
        kinds = plain(ours.type), plain(theirs.type)
        if kinds[0] == kinds[1] or all(map(is_text, kinds)) or all(map(is_number, kinds)):
            return
        raise SchemaError(
            f"column {ours.name!r} is {ours.type}, and {theirs.name!r} of the other table "
            f"{theirs.type}: cast one of them",
            where=self.label,
            column=ours.name,
        )

    def select(self, schema: pa.Schema) -> str:
        """Give the SELECT with the join, put in order again."""
        theirs = self._theirs()
        added = self._added(theirs)
        keys = ", ".join(name(other) for _, other in self._key)
        first = ", ".join(f"first({name(each)}) AS {name(each)}" for each, _ in added)
        once = f"count(*) = 1 AS {_FOUND}{f', {first}' if first else ''}"
        table = f"SELECT {keys}, {once} FROM {name(self._table)} GROUP BY {keys}"
        on = " AND ".join(
            _same(schema.field(ours), theirs.field(other), where=self.label)
            for ours, other in self._key
        )
        columns = [f"i.{name(each)}" for each in schema.names]
        columns += [f"{self._value(each)} AS {name(ours)}" for each, ours in added]
        if self.how == "reject":
            columns.append(f"{self._missing()} AS {name(SET_APART)}")
        join = "INNER JOIN" if self.how == "inner" else "LEFT JOIN"
        row = name(unused("arrowetl:row", schema.names))
        numbered = f"SELECT *, row_number() OVER () AS {row} FROM {INPUT}"
        return (
            f"SELECT {', '.join(columns)} FROM ({numbered}) AS i {join} ({table}) AS t ON {on} "
            f"ORDER BY i.{row}"
        )

    def _value(self, column: str) -> str:
        value = f"t.{name(column)}"
        if self.many == "first":
            return value
        told = self._shown(f"{self.label}: the other table has more than one row with ")
        return f"CASE WHEN NOT t.{_FOUND} THEN error({told}) ELSE {value} END"

    def _missing(self) -> str:
        column = literal(self._key[0][0]) if len(self._key) == 1 else "NULL::VARCHAR"
        reason = f"{self._shown()} || ' isn''t in the other table'"
        fields = f"{{'code': 'no_match', 'reason': {reason}, 'column': {column}}}"
        return f"CASE WHEN t.{_FOUND} IS NULL THEN {fields} END"

    def _shown(self, before: str = "") -> str:
        """Give the SQL text of a row's key, behind some words."""
        parts = [
            f"{literal(f'{lead}{ours} ')} || "
            f"coalesce(left(i.{name(ours)}::VARCHAR, {_SHOWN}), 'null')"
            for lead, (ours, _) in zip([before, *[", "] * len(self._key)], self._key, strict=False)
        ]
        return " || ".join(parts)


def _same(ours: pa.Field, theirs: pa.Field, *, where: str) -> str:
    """Give the predicate that a row's key is the other table's."""
    one, two = f"i.{name(ours.name)}", f"t.{name(theirs.name)}"
    equal = f"{one} = {two}"
    if is_float(ours.type) == is_float(theirs.type):
        return equal
    # Compared as floats, 2**53 + 1 would be 2**53.
    inexact, exact, kind = (one, two, theirs) if is_float(ours.type) else (two, one, ours)
    [declared] = duck_types(pa.schema([(kind.name, plain(kind.type))]), where=where)
    return f"{equal} AND TRY_CAST({inexact} AS {declared}) = {exact}"


def _pairs(given: Any, *, option: str) -> tuple[tuple[str, str], ...]:
    """Give names in pairs: the one before and the one after."""
    if isinstance(given, str):
        return ((given, given),)
    items = given.items() if isinstance(given, Mapping) else given
    pairs = tuple(each if isinstance(each, tuple) else (each, each) for each in items)
    if not all(isinstance(part, str) and part for pair in pairs for part in pair):
        raise ConfigError(f"Lookup: {option} is names of columns, not {given!r}")
    return pairs
