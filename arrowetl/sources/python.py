"""Rows that are Python objects: `PythonSource`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from arrowetl.arguments import whole
from arrowetl.errors import ConfigError, ReadError, SchemaError, describe
from arrowetl.rejected import refusal
from arrowetl.sources._aside import Aside, Spool
from arrowetl.sources._columns import named_types
from arrowetl.sources._fields import set_fields
from arrowetl.sources._python_values import Misfit, array, infer, misfits
from arrowetl.stage import BATCH_ROWS, REJECTED_SCHEMA, Source, require
from arrowetl.typemap import arrow_schema
from arrowetl.typemap.words import Kind

Row = dict[str, Any]
Whys: TypeAlias = dict[int, tuple[str, str | None, str]]
"""Of rows that don't fit, by place: reason code, column, reason."""
Declared: TypeAlias = pa.Schema | Mapping[str, Kind]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class PythonSource(Source):
    """Read rows that are Python objects.

    This is the one place where a row is an object, and it costs accordingly: a million rows of
    eight values take about two seconds. Where there is a table, a data frame or a stream of
    batches, `ArrowSource` takes it as it is.

    A row is a dict, or another mapping; an object of a dataclass, a named tuple or a pydantic
    model; with `schema`, also a tuple or list of its values. A key that a row lacks is null.

    Without a `schema` the types are found out: of a list from all of its rows, of what can be
    read once from the first `sample_size`, which are kept meanwhile. Rows that have two types in
    one column are a SchemaError, save integers and floats, which are doubles together. A later
    row that doesn't fit, or has a key that the sample hadn't, is rejected, with its number, the
    value, and its text as JSON. Nothing is cut or rounded to fit, save fractions in a column that
    `schema` makes a FLOAT.

    With a `schema` it names the columns, and other keys are left out.

    Args:
        rows: a list of rows; an iterator of them, which is read once; or a function that gives
            either, and is called for each reading.
        schema: an Arrow schema, or types (as `Cast` takes them) by column name.
        types: what `schema` is kept as; give one of the two.
        sample_size: rows of an iterator from which types are found out.
        on_error: `dead_letter` sets rows apart that don't fit; `raise` raises a ReadError.

    Raises:
        ConfigError: it is none of those.

    >>> source = PythonSource([{"id": 1, "name": "Ada"}, {"id": 2}])
    >>> source.schema()
    id: int64
    name: string
    >>> source.reader().read_all()["name"].to_pylist()
    ['Ada', None]
    """

    rows: Any
    types: pa.Schema | None
    sample_size: int
    on_error: str
    _aside: Aside = field(init=False)

    def __init__(
        self,
        rows: Any,
        *,
        schema: Declared | None = None,
        types: pa.Schema | None = None,
        sample_size: int = 10_000,
        on_error: str = "dead_letter",
    ) -> None:
        """Say at once what can't be read; read nothing."""
        where = type(self).__name__
        given = types if schema is None else schema
        settled = {"types": None if given is None else _as_schema(given, where), "_aside": Aside()}
        set_fields(self, locals() | settled)
        whole(self.sample_size, "sample_size", where=where)
        if self.on_error not in ("dead_letter", "raise"):
            raise ConfigError(f"{where}: on_error is dead_letter or raise, not {self.on_error!r}")
        object.__setattr__(self, "_held", _Held(_opener(self.rows, where), self.sample_size))

    def schema(self) -> pa.Schema:
        """Give the schema: as stated, or as the rows, or the first of them, have it.

        Raises:
            ReadError: an iterator was read already, or raises.
            SchemaError: the rows don't fit together, or there are none.
        """
        if self.types is not None:
            return self.types
        return self._source.schema(self.label)

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows; of columns that aren't asked for, values aren't looked at.

        Raises:
            ReadError: an iterator was read already.
            SchemaError: a column isn't there.
        """
        schema = self.schema()
        require(schema, columns or (), where=self.label)
        wanted = schema if columns is None else pa.schema([schema.field(c) for c in columns])
        rows = _Rows(schema, wanted, self.label, stated=self.types is not None)
        return self._scanned(rows, self._source.take(self.label), batch_size)

    def _scanned(
        self, rows: _Rows, taken: Iterator[Any], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        with self._aside.scanning() as spool:
            done = 0
            while chunk := list(islice(taken, batch_size)):
                yield rows.batch(chunk, done, spool)
                done += len(chunk)

    def rejected(
        self,
        connection: duckdb.DuckDBPyConnection | None,  # noqa: ARG002 - it isn't DuckDB that reads
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows that didn't fit: their numbers, from 1, are the lines.

        Raises:
            ReadError: `on_error="raise"`, and there is one.
        """
        for batch in self._aside.taken():
            if self.on_error == "raise":
                raise refusal(batch, str(batch["reason"][0]), where=self.label)
            yield batch

    @property
    def label(self) -> str:
        """The class and what it reads."""
        kind = type(self.rows)
        return f"{type(self).__name__}({kind.__name__})"

    @property
    def _source(self) -> _Held:
        return self.__dict__["_held"]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return self.label

    def __reduce__(self) -> tuple[Callable[..., PythonSource], tuple[Any, ...]]:
        options: dict[str, Any] = {"types": self.types, "sample_size": self.sample_size}
        return partial(type(self), **options, on_error=self.on_error), (self.rows,)


def _as_schema(given: Declared, where: str) -> pa.Schema:
    if isinstance(given, pa.Schema):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: schema takes types by column name, not {given!r}")
    named = {column: kind for column, kind in given.items() if not isinstance(kind, pa.DataType)}
    stated = arrow_schema(named_types(named, where=where)) if named else pa.schema([])
    arrow = {each.name: each.type for each in stated} | {
        column: kind for column, kind in given.items() if column not in named
    }
    return pa.schema([(column, arrow[column]) for column in given])


@dataclass(frozen=True)
class _Rows:
    """Makes batches of rows, and sets those apart that don't fit."""

    schema: pa.Schema
    wanted: pa.Schema
    where: str
    stated: bool
    """Whether the schema was given: then it says which keys there are."""

    def batch(self, rows: Sequence[Any], done: int, spool: Spool) -> pa.RecordBatch:
        """Give the rows that fit as a batch."""
        whys: Whys = {}
        dicts = _as_dicts(rows, self.schema.names, whys)
        if not self.stated:
            self._find_extra(dicts, whys)
        columns = {each.name: [row.get(each.name) for row in dicts] for each in self.wanted}
        try:
            arrays = [array(columns[each.name], each.type) for each in self.wanted]
        except Misfit:
            self._find_misfits(columns, whys)
        if whys:
            spool.add(_rejected(rows, whys, done))
            kept = [at for at in range(len(rows)) if at not in whys]
            columns = {each: [values[at] for at in kept] for each, values in columns.items()}
            arrays = [array(columns[each.name], each.type) for each in self.wanted]
        return pa.RecordBatch.from_arrays(arrays, schema=self.wanted)

    def _find_extra(self, rows: Sequence[Row], whys: Whys) -> None:
        known = set(self.schema.names)
        if not set(chain.from_iterable(rows)) - known:
            return
        for at, row in enumerate(rows):
            extra = [key for key in row if key not in known]
            if extra:
                said = f"has the key {extra[0]!r}, which no row of the sample has; give schema="
                whys.setdefault(at, ("unexpected_key", None, said))

    def _find_misfits(
        self,
        columns: Mapping[str, Sequence[Any]],
        whys: Whys,
    ) -> None:
        for each in self.wanted:
            values = columns[each.name]
            try:
                array(values, each.type)
            except Misfit:
                for at, _ in misfits(values, each.type):
                    value = values[at]
                    said = (
                        f"column {each.name!r} holds {describe(value)} ({type(value).__name__}), "
                        f"which doesn't fit {each.type}"
                    )
                    whys.setdefault(at, ("cast", each.name, said))


def _as_dicts(rows: Sequence[Any], names: Sequence[str], whys: Whys) -> Sequence[Row]:
    if set(map(type, rows)) == {dict}:
        return rows
    dicts: list[Row] = []
    for at, row in enumerate(rows):
        made = _as_dict(row, names)
        if made is None:
            whys[at] = ("no_row", None, f"is {describe(row)} ({type(row).__name__}), not a dict")
        dicts.append(made or {})
    return dicts


def _as_dict(row: Any, names: Sequence[str]) -> Row | None:
    """Give a row as a dict; None if it is none."""
    if isinstance(row, Mapping):
        return dict(row)
    if is_dataclass(row) and not isinstance(row, type):
        return asdict(row)
    for method in ("_asdict", "model_dump"):
        if hasattr(row, method):
            made: Row = getattr(row, method)()
            return made
    if isinstance(row, tuple | list) and len(row) == len(names) and names:
        return dict(zip(names, row, strict=True))
    return None


def _rejected(rows: Sequence[Any], whys: Whys, done: int) -> pa.RecordBatch:
    import orjson

    def text(row: Any) -> str:
        try:
            plain = row if isinstance(row, dict) else _as_dict(row, ()) or row
            return orjson.dumps(plain, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # an integer of more than 64 bits, half a character
            return _printable(repr(row))

    found = [
        {
            "reason_code": code,
            "reason": _printable(f"row {done + at + 1:,}: {said}"),
            "column": column,
            "source": {"line": done + at + 1},
            "text": text(rows[at]),
        }
        for at, (code, column, said) in sorted(whys.items())
    ]
    return pa.RecordBatch.from_pylist(found, REJECTED_SCHEMA)


def _printable(text: str) -> str:
    """Write what UTF-8 has no place for as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Held:
    """Opens rows, and keeps those that were looked at for the schema until they are read."""

    def __init__(self, open_rows: Callable[[], Iterable[Any]], sample_size: int) -> None:
        self._open = open_rows
        self._sample_size = sample_size
        self._schema: pa.Schema | None = None
        self._opened: Iterator[Any] | None = None

    def schema(self, label: str) -> pa.Schema:
        """Give the schema of the rows that `take` gives."""
        if self._schema is None:
            rows = self._open()
            sample: Sequence[Any]
            if isinstance(rows, Sequence):
                sample = rows
            else:
                left = _told(rows, label)
                sample = list(islice(left, self._sample_size))
                self._opened = chain(sample, left)
            self._schema = _schema_of(sample, label)
        return self._schema

    def take(self, label: str) -> Iterator[Any]:
        """Give the rows."""
        opened, self._opened = self._opened, None
        return _told(self._open(), label) if opened is None else opened


def _told(rows: Any, label: str) -> Iterator[Any]:
    try:
        return iter(rows)
    except TypeError:
        raise ReadError(
            f"{label}: the function gave {describe(rows)}, not rows",
            bare=f"{label}: the function gave a {type(rows).__name__}, not rows",
        ) from None


def _opener(rows: Any, where: str) -> Callable[[], Any]:
    """Give what opens the rows.

    Raises:
        ConfigError: nothing does.
    """
    if isinstance(rows, Iterator):
        return _once(rows)
    if callable(rows) and not isinstance(rows, type):
        return rows  # type: ignore[no-any-return]
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes | Mapping):
        return lambda: rows
    raise ConfigError(f"{where}: {describe(rows)} is no rows: give a list or an iterator of dicts")


def _once(rows: Iterator[Any]) -> Callable[[], Any]:
    left = [rows]

    def opened() -> Iterator[Any]:
        if not left:
            raise ReadError(
                "this iterator can be read once, and it was; give a list, or the function that "
                "makes it"
            )
        return left.pop()

    return opened


def _schema_of(sample: Sequence[Any], label: str) -> pa.Schema:
    whys: Whys = {}
    rows = _as_dicts(sample, (), whys)
    if whys:
        at, (_, _, said) = min(whys.items())
        raise SchemaError(
            f"row {at + 1:,} {said}; rows without names need schema=",
            where=label,
            bare=f"row {at + 1:,} is no dict; rows without names need schema=",
        )
    names = dict.fromkeys(chain.from_iterable(rows))
    if not names:
        raise SchemaError("there are no rows, so no columns; give schema=", where=label)
    for key in names:
        if not isinstance(key, str):
            raise SchemaError(f"the key {key!r} is no column's name: keys are text", where=label)
    return pa.schema(
        [(each, _type_of(each, [row.get(each) for row in rows], label)) for each in names]
    )


def _type_of(column: str, values: Sequence[Any], label: str) -> pa.DataType:
    try:
        return infer(values)
    except Misfit as error:
        row = f"row {_first_misfit(values) + 1:,}"
        value = describe(values[_first_misfit(values)])
        raise SchemaError(
            f"column {column!r} has {error}; the first that doesn't fit those before it is in "
            f"{row}: {value}. Mend it, or say schema=",
            where=label,
            column=column,
            bare=f"column {column!r} has a value in {row} that doesn't fit those before it. "
            "Mend it, or say schema=",
        ) from error


def _first_misfit(values: Sequence[Any]) -> int:
    """Find the first value that has no type together with all those before it."""
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        try:
            infer(values[: middle + 1])
        except Misfit:
            high = middle
        else:
            low = middle + 1
    return low
