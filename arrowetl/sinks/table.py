"""What a table has to become so that rows of another schema fit, decided before any of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.sinks.feed import choice, column_names
from arrowetl.sql import name, table_parts
from arrowetl.stage import Mode, SchemaChange

NOTHING = {"", '"NULL"'}
"""What SQLite and DuckDB call the type of a column that has only nulls: it fits any."""


@dataclass(frozen=True)
class Column:
    """A column as a table declares it."""

    name: str
    kind: str


@dataclass(frozen=True)
class Fit:
    """How rows fit a table.

    Attributes:
        columns: of the table where each of the rows' columns goes, in the rows' order; None for
            one that is dropped.
        added: columns the table has to get.
        widened: columns of the table, with the wider type each has to get.
        missing: columns of the table that the rows lack.
    """

    columns: tuple[Column | None, ...]
    added: tuple[Column, ...] = ()
    widened: tuple[Column, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the table is what it would be if the rows had made it, but for the order."""
        return not (self.added or self.widened or self.missing) and None not in self.columns

    @property
    def notes(self) -> tuple[str, ...]:
        """What `explain` says about it."""
        return (
            *(f"column {each.name!r} is added, as {each.kind}" for each in self.added),
            *(f"column {each.name!r} is widened to {each.kind}" for each in self.widened),
            *(
                f"column {each!r} is not in the rows, and is filled with nulls"
                for each in self.missing
            ),
        )


def check_table_options(sink: Any) -> None:
    """Settle `mode`, `key` and `on_schema_change` of a destination that is a table.

    Raises:
        ConfigError: one makes no sense, or an upsert has no key.
    """
    where = type(sink).__name__
    change = choice(SchemaChange, sink.on_schema_change, what="on_schema_change", where=where)
    checked = {
        "mode": choice(Mode, sink.mode, what="mode", where=where),
        "key": column_names(sink.key, what="key", where=where),
        "on_schema_change": change,
    }
    for option, value in checked.items():
        object.__setattr__(sink, option, value)
    if sink.mode == Mode.UPSERT and not sink.key:
        raise ConfigError(f"{where}: mode='upsert' needs key=, the columns that identify a row")
    if sink.key and sink.mode != Mode.UPSERT:
        raise ConfigError(
            f"{where}: key= is for mode='upsert', and mode={sink.mode!r} adds rows whatever their "
            f"key; say mode='upsert', or leave key= out"
        )


def table_place(table: object, schema: object, default: str, *, where: str) -> tuple[str, str]:
    """Give the schema and the name of a table, which may be said as `schema.name`, as sources do.

    A name without a dot is any name; one with a dot in it stands in double quotes.

    Raises:
        ConfigError: it's no name, or says another schema than `schema`.

    >>> table_place("sales.orders", None, "public", where="x")
    ('sales', 'orders')
    >>> table_place('"a.b"', "sales", "public", where="x")
    ('sales', 'a.b')
    """
    for option, value in (("table", table), ("schema", default if schema is None else schema)):
        if not isinstance(value, str) or not value or "\0" in value:
            raise ConfigError(f"{where}: {option} is a name, not {value!r}")
    table, said = str(table), None if schema is None else str(schema)
    quoted = len(table) > 1 and table[0] == table[-1] == '"'
    parts = table_parts(table, where=where) if "." in table or quoted else (table,)
    *above, found = parts
    if above and said not in {None, *above}:
        raise ConfigError(
            f"{where}: table {table!r} names the schema {above[0]!r}, and schema={said!r}; say "
            f"one, or put a name with a dot in it into double quotes: table={name(table)!r}"
        )
    return (above[0] if above else said or default), found


def fit(
    table: Sequence[Column],
    rows: Sequence[Column],
    *,
    policy: str,
    wider: Callable[[str, str], str | None],
    where: str,
) -> Fit:
    """Find how rows fit a table; names are compared as SQL does, whatever their case.

    Args:
        table: its columns.
        rows: theirs.
        policy: a `SchemaChange`.
        wider: gives the type that holds both the table's (first) and the rows' (second), or
            None if there is none.
        where: the sink, for errors.

    Raises:
        SchemaError: they don't fit under the policy.

    >>> same = lambda have, want: have if have == want else None
    >>> id_only = [Column("id", "BIGINT")]
    >>> both = [Column("ID", "BIGINT"), Column("at", "DATE")]
    >>> fit(id_only, both, policy="evolve", wider=same, where="x").added
    (Column(name='at', kind='DATE'),)
    >>> fit(id_only, both, policy="discard", wider=same, where="x").columns
    (Column(name='id', kind='BIGINT'), None)
    """
    known = {column.name.lower(): column for column in table}
    found = [known.get(column.name.lower()) for column in rows]
    new = tuple(want for want, have in zip(rows, found, strict=True) if have is None)
    widened = tuple(
        wide
        for want, have in zip(rows, found, strict=True)
        if have is not None
        for wide in _widened(have, want, policy=policy, wider=wider, where=where)
    )
    given = {column.name.lower() for column in rows}
    missing = tuple(column.name for column in table if column.name.lower() not in given)
    if policy == SchemaChange.FREEZE and (new or missing):
        raise _frozen([column.name for column in new], missing, where)
    if policy == SchemaChange.DISCARD:
        return Fit(tuple(found), missing=missing)
    by_name = {column.name: column for column in widened}
    places = (
        want if have is None else by_name.get(have.name, have)
        for want, have in zip(rows, found, strict=True)
    )
    return Fit(tuple(places), new, widened, missing)


def require_key(
    key: Sequence[str], rows: Sequence[Column], found: Fit, table: Sequence[Column], *, where: str
) -> None:
    """Raise SchemaError if a column of the key has no place in the table."""
    dropped = {want.name for want, place in zip(rows, found.columns, strict=True) if place is None}
    for column in key:
        if column in dropped:
            raise SchemaError.missing(column, [have.name for have in table], where=where)


def _widened(
    have: Column, want: Column, *, policy: str, wider: Callable[[str, str], str | None], where: str
) -> list[Column]:
    kind = wider(have.kind, want.kind)
    if kind is None:
        raise SchemaError(
            f"column {have.name!r} is {have.kind} in the table and {want.kind} in the rows, and "
            f"no type holds both exactly; cast the rows to what the table has, or give the table's "
            f"column another type",
            where=where,
            column=want.name,
        )
    if kind == have.kind:
        return []
    if policy == SchemaChange.FREEZE:
        raise SchemaError(
            f"column {have.name!r} is {have.kind} in the table and {want.kind} in the rows, and "
            f"on_schema_change='freeze' forbids to widen it; cast it",
            where=where,
            column=want.name,
        )
    if policy == SchemaChange.DISCARD:
        raise SchemaError(
            f"column {have.name!r} is {have.kind} in the table, too narrow for {want.kind} in the "
            f"rows, and on_schema_change='discard' leaves it so; cast it, or use 'evolve'",
            where=where,
            column=want.name,
        )
    return [Column(have.name, kind)]


def _frozen(new: Sequence[str], missing: Sequence[str], where: str) -> SchemaError:
    parts = [
        f"the table has no column {', '.join(map(repr, new))}" if new else "",
        f"the rows have no column {', '.join(map(repr, missing))}" if missing else "",
    ]
    return SchemaError(
        f"{' and '.join(filter(None, parts))}, and on_schema_change='freeze' forbids any change",
        where=where,
        column=[*new, *missing][0],
    )


def dropped_notes(rows: Sequence[Column], found: Fit) -> tuple[str, ...]:
    """Say which of the rows' columns are dropped."""
    return tuple(
        f"column {want.name!r} is dropped: the table has none, and on_schema_change='discard'"
        for want, place in zip(rows, found.columns, strict=True)
        if place is None
    )
