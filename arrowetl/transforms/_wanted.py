"""What is wanted of each group: aggregates by name, SQL, and Python functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from arrowetl.duck import describe_select, expression_text
from arrowetl.errors import ConfigError, SchemaError, closest, did_you_mean
from arrowetl.sql import name
from arrowetl.stage import require
from arrowetl.transforms._aggregates import (
    ROW,
    aggregate_sql,
    checked_argument,
    is_aggregate,
    known_aggregate,
)
from arrowetl.transforms._groups import refuse_objects, result_type
from arrowetl.typemap.words import Kind, arrow_type, arrow_word


@dataclass(frozen=True)
class Wanted:
    """The aggregates of a stage, checked.

    Attributes:
        aggregations: SQL text, or column, word or function, and argument; by the column's name.
        returns: Arrow's words for the types of what functions give.
        where: the stage, for errors.
    """

    aggregations: Mapping[str, Any]
    returns: Mapping[str, str]
    where: str

    @classmethod
    def of(
        cls, aggregations: Mapping[str, Any], returns: Mapping[str, Any], *, where: str
    ) -> Wanted:
        """Check aggregates as a user gives them.

        Raises:
            ConfigError: one isn't known, or a type isn't one.
        """
        if not isinstance(aggregations, Mapping):
            raise ConfigError(
                f"{where}: aggregations is {aggregations!r}: it has to say what to compute by the "
                "name of its column: {'total': ('amount', 'sum')}"
            )
        checked = {
            made: _checked(each, where=f"{where}: {made!r}") for made, each in aggregations.items()
        }
        types = {made: _type_name(made, kind, where=where) for made, kind in returns.items()}
        wanted = cls(checked, types, where)
        stray = next((made for made in types if made not in wanted.functions), None)
        if stray is not None:
            hint = did_you_mean(closest(stray, wanted.functions))
            raise ConfigError(f"{where}: returns names {stray!r}, which is no function's{hint}")
        return wanted

    @property
    def functions(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """The Python functions among the aggregates, with their columns."""
        pairs = (
            (made, each) for made, each in self.aggregations.items() if isinstance(each, tuple)
        )
        return {made: (each[0], each[1]) for made, each in pairs if callable(each[1])}

    def require(self, schema: pa.Schema, *columns: str) -> None:
        """Raise SchemaError if the schema lacks one of `columns`, or one that is aggregated.

        Or if an aggregate is but the name of another column, of which a group has many values.
        """
        for made, each in self.aggregations.items():
            if isinstance(each, str) and each in schema.names and each not in columns:
                raise SchemaError(
                    f"{made!r}: {each!r} is a column, and what to compute of it isn't said; write "
                    f"both: {(each, 'max')}",
                    where=self.where,
                    column=each,
                )
        used = [each[0] for each in self.aggregations.values() if isinstance(each, tuple)]
        require(schema, (*columns, *used), where=self.where)

    def columns(self, schema: pa.Schema) -> list[str]:
        """Give the SQL of each aggregate that isn't a function, under its name."""
        return [
            f"{self._sql(schema, made, each)} AS {name(made)}"
            for made, each in self.aggregations.items()
            if made not in self.functions
        ]

    def _sql(self, schema: pa.Schema, made: str, wanted: str | tuple[Any, ...]) -> str:
        if isinstance(wanted, str):
            self._refuse_word(schema, made, wanted)
            return expression_text(wanted, where=self.where)
        column, word, argument = wanted
        return aggregate_sql(word, argument, schema.field(column), where=self.where)

    def _refuse_word(self, schema: pa.Schema, made: str, wanted: str) -> None:
        """Refuse an aggregate's bare word, as other libraries take it: SQL's would be a column."""
        if not is_aggregate(wanted) or wanted.lower() in map(str.lower, schema.names):
            return
        of = made if made in schema.names else "amount"
        rows = "'count(*)' for all rows, or " if wanted.lower() == "count" else ""
        raise SchemaError(
            f"{made!r}: {wanted!r} is an aggregate's name, and what it is computed of isn't said; "
            f"write {rows}a column and the name: {(of, wanted)}",
            where=self.where,
        )

    def schema(self, groups: str, before: pa.Schema, *keys: str) -> pa.Schema:
        """Give what comes out: the keys as `groups` has them, then the aggregates."""
        types = {each.name: each.type for each in describe_select(groups, before, where=self.where)}
        for made, (column, function) in self.functions.items():
            source, stated = before.field(column), self.returns.get(made)
            refuse_objects(source, where=self.where)
            types[made] = (
                arrow_type(stated, where=self.where)
                if stated is not None
                else result_type(function, source, where=self.where)
            )
        return pa.schema([(each, types[each]) for each in (*keys, *self.aggregations)])


def is_numbered(columns: Iterable[str]) -> bool:
    """Whether one of some aggregates needs the rows' numbers."""
    return any(name(ROW) in each for each in columns)


def refuse_twins(columns: Sequence[str], *, where: str) -> None:
    """Raise ConfigError for names that are one to SQL, which ignores their case.

    >>> refuse_twins(["k", "K"], where="Aggregator")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Aggregator: two columns would be called 'k'
    """
    lowered = [each.lower() for each in columns]
    twice = next((each for each in columns if lowered.count(each.lower()) > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: two columns would be called {twice!r}")


def _checked(wanted: Any, *, where: str) -> str | tuple[Any, ...]:
    """Give an aggregate as SQL text, or as column, word or function, and argument."""
    if isinstance(wanted, str):
        expression_text(wanted, where=where)
        return wanted
    parts = tuple(wanted) if isinstance(wanted, Sequence) else ()
    if len(parts) not in {2, 3} or not isinstance(parts[0], str):
        raise ConfigError(
            f"{where} is {wanted!r}: it has to be SQL, or a column and what to compute of it: "
            "('amount', 'sum')"
        )
    column, how, argument = parts[0], parts[1], parts[2] if len(parts) > 2 else None  # noqa: PLR2004
    if callable(how) and argument is None:
        return (column, how, None)
    if not isinstance(how, str):
        raise ConfigError(f"{where}: {how!r} is neither an aggregate's name nor a function")
    word = known_aggregate(how, where=where)
    return (column, word, checked_argument(word, argument, where=where))


def _type_name(made: str, kind: Kind, *, where: str) -> str:
    """Give a type as Arrow's word for it, which compares, prints and pickles."""
    found = str(arrow_type(kind, where=f"{where}: returns {made!r}"))
    if arrow_word(found) is None:
        raise ConfigError(
            f"{where}: returns {made!r}: {found!r} is no simple type; 'double', 'int64', 'BIGINT' "
            "and 'string' are"
        )
    return found
