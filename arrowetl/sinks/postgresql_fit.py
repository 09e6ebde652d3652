"""How rows fit a table of PostgreSQL's: what is altered, what stays, and what is made anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from arrowetl.errors import SchemaError
from arrowetl.sinks.postgresql_sql import Way
from arrowetl.sinks.postgresql_tables import Have, declared, unwidened
from arrowetl.sinks.postgresql_types import (
    Sent,
    direct_wire,
    exactly_sent,
    takes_floats,
    takes_or_refuses,
    wider,
)
from arrowetl.sinks.table import Column, Fit, dropped_notes, fit
from arrowetl.stage import Mode, SchemaChange


@dataclass(frozen=True)
class Change:
    """What becomes of a table that rows go to.

    Attributes:
        fit: how the rows fit it; None where a new table takes its place.
        anew: why one does.
        notes: what `explain` says about it.
    """

    fit: Fit | None
    anew: str = ""
    notes: tuple[str, ...] = ()


def change(
    have: Sequence[Have], sent: Sequence[Sent], *, policy: str, mode: str, where: str
) -> Change:
    """Find what a table has to become; nothing is asked or done.

    A column of numbers that may not be widened takes what it holds, and refuses other rows; so
    does one of exact numbers with floating ones, which never becomes one of those.

    Raises:
        SchemaError: the rows don't fit under the policy.
    """
    rows = [each.incoming for each in sent]
    columns = _comparable(have, rows, where)
    by_name = {each.column.name: each for each in have}
    known = {column.name.lower(): by_name[column.name] for column in columns}
    met = {row.name: known.get(row.name.lower()) for row in rows}
    anew = mode == Mode.REPLACE and policy == SchemaChange.EVOLVE
    stays = {
        row.name: to
        for row in rows
        if (to := met[row.name]) and _stays(to, row, policy, renewable=anew)
    }
    taken = [
        Column(row.name, stays[row.name].column.kind) if row.name in stays else row for row in rows
    ]
    try:
        found = fit(columns, taken, policy=policy, wider=wider, where=where)
        _refuse_pinned(by_name, found, where)
    except SchemaError as error:
        if not anew:
            raise
        return _made_anew(f"its column {error.column!r} can't hold the rows'")
    if anew and found.missing:
        return _made_anew(f"the rows have no column {', '.join(map(repr, found.missing))}")
    _refuse_unfilled(have, found, where)
    narrow = tuple(
        f"column {to.column.name!r} stays {to.column.kind} ({_why(to, row, policy)}): rows "
        f"with a value that it can't hold are rejected"
        for row in rows
        if (to := stays.get(row.name)) and wider(to.column.kind, row.kind) != to.column.kind
    )
    return Change(found, notes=(*found.notes, *narrow, *dropped_notes(rows, found)))


def _made_anew(why: str) -> Change:
    note = f"a new table takes the place of the old one, because {why}: grants stay, and "
    return Change(None, why, (f"{note}constraints, indexes, defaults, triggers, partitions go",))


def _stays(to: Have, row: Column, policy: str, *, renewable: bool) -> bool:
    """Say whether a column keeps its type, whatever the rows' is."""
    if takes_floats(to.column.kind, row.kind) and not renewable:
        return True
    kept = bool(policy != SchemaChange.EVOLVE or to.pinned)
    return kept and takes_or_refuses(to.column.kind, row.kind)


def _why(to: Have, row: Column, policy: str) -> str:
    if takes_floats(to.column.kind, row.kind):
        return "the rows' numbers are floating, it takes those that it has exactly"
    return to.pinned if policy == SchemaChange.EVOLVE else f"on_schema_change='{policy}'"


def _refuse_pinned(have: dict[str, Have], found: Fit, where: str) -> None:
    for column in found.widened:
        if have[column.name].pinned:
            raise unwidened(column, have[column.name].pinned, where)


def _comparable(have: Sequence[Have], rows: Sequence[Column], where: str) -> list[Column]:
    """Give the table's columns that the rows have or that nobody else would fill.

    Raises:
        SchemaError: the rows have one that the table computes.
    """
    given = {row.name for row in rows}
    exact = {each.column.name.lower() for each in have if each.column.name in given}
    kept = []
    for each in have:
        column = each.column
        if column.name not in given and column.name.lower() in exact:
            continue
        among = column.name.lower() in {row.lower() for row in given}
        if among and each.generated:
            raise SchemaError(
                f"column {column.name!r} is computed by the table; drop it from the rows",
                where=where,
                column=column.name,
            )
        if among or not (each.filled or each.generated):
            kept.append(column)
    return kept


def _refuse_unfilled(have: Sequence[Have], fitting: Fit, where: str) -> None:
    must = {each.column.name for each in have if each.not_null}
    empty = [column for column in fitting.missing if column in must]
    if empty:
        raise SchemaError(
            f"the table's column {', '.join(map(repr, empty))} may have no null and has no "
            f"default, and the rows lack it; add it to the rows",
            where=where,
            column=empty[0],
        )


def ways(sent: Sequence[Sent], fitting: Fit, have: Sequence[Have]) -> Iterator[Way]:
    """Give how each column of the rows gets into the table."""
    by_name = {each.column.name: each for each in have}
    for place, (each, to) in enumerate(zip(sent, fitting.columns, strict=True)):
        if to is None:
            continue
        kind, known = declared(to), by_name.get(to.name)
        put = exactly_sent(each, kind)
        wire = direct_wire(put, kind, enum=known is not None and known.enum)
        not_null = known is not None and known.not_null
        yield Way(place, put, to.name, kind, wire, not_null, each.declared)
