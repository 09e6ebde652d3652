"""The columns that JSON records come to: inferred, declared, flattened; and what rejects one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ReadError, SchemaError, closest, did_you_mean
from arrowetl.sources._columns import Fields
from arrowetl.sources._files import FileStamp
from arrowetl.sources._json_checks import Check, kind_checks, record_checks, value_checks
from arrowetl.sources._json_path import written_path
from arrowetl.sources._json_read import Column
from arrowetl.sources._json_shape import Node, Path
from arrowetl.sources._json_survey import Reading, Survey, are_alike, survey
from arrowetl.sources._json_types import RAW, TEXT, number_texts, spec_of, type_name
from arrowetl.sources._json_values import digits_of, is_list, spec_for, uuid_cast
from arrowetl.typemap import arrow_schema

VALUE = "value"
"""The column of records that aren't objects."""


@dataclass(frozen=True)
class Wish:
    """What is asked of the columns; see `JSONSource` for what each means."""

    flatten: bool = False
    types: Fields = ()
    exact: pa.Schema | None = None
    sample_size: int | None = None
    alike: bool = False


@dataclass(frozen=True)
class Plan:
    """How records become rows.

    Attributes:
        columns: one by one.
        schema: of the rows.
        surveys: what is known of the files; none if nobody looked.
        where: the source, for messages.
    """

    columns: tuple[Column, ...]
    schema: pa.Schema
    surveys: tuple[Survey, ...]
    where: str

    def only(self, names: Sequence[str]) -> Plan:
        """Give the plan for some of the columns, in their order.

        Raises:
            SchemaError: one isn't there.
        """
        known = {each.name: each for each in self.columns}
        for column in names:
            if column not in known:
                raise SchemaError.missing(column, known, where=self.where)
        schema = pa.schema([self.schema.field(each) for each in names], self.schema.metadata)
        return replace(self, columns=tuple(known[each] for each in names), schema=schema)

    def checks(self, start: Path, way: Path = ()) -> tuple[Check, ...]:
        """Give what rejects a record, where the records are at `start`; taken apart `way` down."""
        known = next((each for each in self.surveys if each.start == start), None)
        if known is not None:
            found = record_checks(
                known.root, start, way=len(way), sure=known.whole, closed=not known.whole
            )
        else:
            root = Node()
            root.at(start)
            for column in self.columns:
                _outline(root.at((*start, *column.path)), column.wanted)
            found = record_checks(root, start, way=len(way), sure=False)
        checks = [each for each in found if not self._is_value or each.code != "not_an_object"]
        return (*checks, *self._of_values(start))

    @property
    def sampled(self) -> bool:
        """Whether types come from some of the records."""
        return any(not each.whole for each in self.surveys)

    @property
    def _is_value(self) -> bool:
        return any(not column.path for column in self.columns)

    def _of_values(self, start: Path) -> Iterator[Check]:
        for column in (spelt for each in self.columns for spelt in each.spelt):
            at = (*start, *column.path)
            if column.wanted is not None:
                inside = [((*at, *path), kind) for path, kind in _inside(column.wanted)]
                yield from kind_checks(inside, column.name)
            elif self.sampled:
                yield from value_checks(column.spec, at, column.name)


def _outline(node: Node, kind: Any) -> None:
    for path, container in _inside(kind):
        node.at(path).kinds.add(container)
    for path, _ in _inside(kind):
        here = _type_at(kind, path)
        if kinds.is_struct(here):
            for field in here:
                node.at(path).below(field.name)


def _type_at(kind: Any, path: Path) -> pa.DataType:
    for step in path:
        kind = kind.value_type if step is None else kind.field(step).type
    return kind


def _inside(kind: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Give the containers that a type has in it, each with its place."""
    if kind is None:
        return
    if kinds.is_struct(kind):
        yield path, "OBJECT"
        for field in kind:
            yield from _inside(field.type, (*path, field.name))
    elif is_list(kind):
        yield path, "ARRAY"
        yield from _inside(kind.value_type, (*path, None))
    elif kinds.is_map(kind):
        yield path, "OBJECT"


def planned(files: tuple[FileStamp, ...], reading: Reading, wish: Wish) -> Plan:
    """Say how the records in files become rows; without columns, if there are no records.

    Raises:
        ReadError: a file can't be read; or its records are lists, where `record_path` has no `[*]`.
        SchemaError: records have no keys, two columns would have one name, or a declared one isn't
            there.
    """
    where = reading.where
    if wish.exact is not None:
        columns = tuple(_declared(each.name, (each.name,), each.type, where) for each in wish.exact)
        return Plan(columns, wish.exact, (), where)
    if wish.alike and not are_alike(files, reading, wish.sample_size):
        _require_alike(files, reading, wish)
    surveys = survey(files, reading, wish.sample_size)
    record = Node()
    for each in surveys:
        _merge(record, each.root.at(each.start))
    if not record.kinds and reading.path and not wish.types:
        _explain_path(files, reading)
    if reading.path and reading.path[-1] is not None and record.real == {"ARRAY"}:
        raise ReadError(
            f"{where}: record_path leads to a list, not to a record: write "
            f"record_path={written_path((*reading.path, None))!r} for its elements"
        )
    sure = all(each.whole for each in surveys)
    columns = tuple(_columns(record, wish, where, sure=sure))
    if not columns:
        return Plan((), pa.schema([]), surveys, where)
    schema = arrow_schema((each.name, _arrives(each)) for each in columns)
    return _with_types(Plan(columns, schema, surveys, where), wish.types)


def _explain_path(files: tuple[FileStamp, ...], reading: Reading) -> None:
    """Say which step of a `record_path` leads nowhere, by what the first records have."""
    for each in survey(files[:1], replace(reading, path=None), 100):
        here = each.root
        for depth, step in enumerate((reading.path or ())[len(each.start) :]):
            if step is not None and here.keys and step not in here.keys:
                hint = did_you_mean(closest(step, here.keys))
                above = ".".join(key or "[*]" for key in (reading.path or ())[:depth])
                keys = ", ".join(list(here.keys)[:20])
                raise ReadError(
                    f"{reading.where}: record_path: no key {step!r} in "
                    f"{repr(above) if above else 'the records'}{hint} Keys: {keys}"
                )
            here = here.at((step,))


def _columns(record: Node, wish: Wish, where: str, *, sure: bool) -> Iterator[Column]:
    known = record.keys or record.opaque if "OBJECT" in record.kinds else record.kinds
    if not known and wish.types:
        yield from (Column(name, (name,), TEXT) for name, _ in wish.types)
    elif not known and record.kinds:
        raise SchemaError("the records have no keys; give columns with schema=", where=where)
    elif not known:
        return
    elif "OBJECT" in record.kinds:
        yield from _of_object(record, wish, where, sure=sure)
    else:
        yield _column(VALUE, (), record, sure=sure)


def _of_object(record: Node, wish: Wish, where: str, *, sure: bool) -> Iterator[Column]:
    if record.opaque:
        raise SchemaError(
            "records have over 1,000 keys, too many for columns: are they data? Give the columns "
            "that are wanted as a pa.Schema",
            where=where,
        )
    taken: dict[str, Column] = {}
    for column in _joined(record, wish.flatten, sure=sure):
        if "" in column.path or "\x00" in column.name:
            raise SchemaError(
                f"the key {'.'.join(column.path)!r} can't be a column's name; give the columns "
                "that are wanted as a pa.Schema",
                where=where,
            )
        twin = taken.get(column.name.lower())
        if twin is not None and wish.flatten:
            raise SchemaError(
                f"{'.'.join(twin.path)!r} and {'.'.join(column.path)!r} would both be the column "
                f"{column.name!r}; flatten=False keeps them apart",
                where=where,
                column=column.name,
            )
        named = replace(column, name=_free(column.name, taken))
        taken[named.name.lower()] = named
        yield named


def _joined(record: Node, flatten: bool, *, sure: bool) -> Iterator[Column]:
    """Give the columns; a key is one, however it is spelt, if no record has it in two ways."""
    if record.twins or not sure:
        yield from _flat(record, flatten, (), sure=sure)
        return
    joined = Node(record.path)
    spellings: dict[str, list[str]] = {}
    for key, child in record.keys.items():
        same = spellings.setdefault(key.lower(), [])
        same.append(key)
        _merge(joined.below(same[0]), child)
    for column in _flat(joined, flatten, (), sure=sure):
        yield replace(column, spellings=tuple(spellings[column.path[0].lower()][1:]))


def _free(name: str, taken: dict[str, Column]) -> str:
    found, number = name, 0
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _flat(node: Node, flatten: bool, path: tuple[str, ...], *, sure: bool) -> Iterator[Column]:
    for key, child in node.keys.items():
        here = (*path, key)
        if flatten and isinstance(spec_of(child), dict):
            yield from _flat(child, flatten, here, sure=sure)
        else:
            yield _column("_".join(here), here, child, sure=sure)


def _column(name: str, path: tuple[str, ...], node: Node, *, sure: bool) -> Column:
    texts = frozenset(number_texts(node, sure=sure))
    return Column(name, path, spec_of(node), texts=texts)


def _arrives(column: Column) -> str:
    return TEXT if column.spec == RAW else type_name(column.spec)


def _declared(name: str, path: tuple[str, ...], kind: pa.DataType, where: str) -> Column:
    digits = list(digits_of(kind))
    return Column(
        name,
        path,
        spec_for(kind, where=where),
        wanted=kind,
        texts=frozenset(place for place, asked in digits if asked is None),
        numbers=frozenset(asked for _, asked in digits if asked is not None),
    )


def _with_types(plan: Plan, types: Fields) -> Plan:
    declared = dict(types)
    known = [each.name for each in plan.columns]
    for column in declared:
        if column not in known:
            raise SchemaError.missing(column, known, where=plan.where)
    arrow = arrow_schema(types) if types else pa.schema([])
    fields = [arrow.field(each.name) if each.name in declared else each for each in plan.schema]
    columns = tuple(
        replace(
            _declared(each.name, each.path, arrow.field(each.name).type, plan.where),
            cast=uuid_cast(duckdb.sqltype(declared[each.name])),
            spellings=each.spellings,
        )
        if each.name in declared
        else each
        for each in plan.columns
    )
    return replace(plan, columns=columns, schema=pa.schema(fields))


def _require_alike(files: tuple[FileStamp, ...], reading: Reading, wish: Wish) -> None:
    first: list[str] | None = None
    for file in files:
        found = survey((file,), reading, wish.sample_size)
        keys = sorted({key for each in found for key in each.root.at(each.start).keys})
        if first is not None and keys != first:
            raise SchemaError(
                f"{file.path!r} has the columns {', '.join(keys)}, and the first file has "
                f"{', '.join(first)}; union_by_name=True joins them",
                where=reading.where,
            )
        first = keys if first is None else first


def _merge(into: Node, other: Node) -> None:
    into.kinds |= other.kinds
    into.opaque |= other.opaque
    into.twins |= other.twins
    into.long |= other.long
    for key, child in other.keys.items():
        _merge(into.below(key), child)
    if other.item is not None:
        _merge(into.below(None), other.item)
