"""Select, Rename and Cast: which columns there are, what they are called, what type they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import duckdb
import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.duck import describing, first_line
from arrowetl.errors import ConfigError, SchemaError
from arrowetl.sql import INPUT, literal, name, names
from arrowetl.stage import Rejection, Rows, SQLStage, require


@dataclass(frozen=True)
class Select(SQLStage):
    """Keep some columns, in the order they are named, or all but some.

    Args:
        columns: those to keep; all if empty.
        exclude: those to drop.

    Raises:
        ConfigError: both are given, or neither.

    >>> import pyarrow as pa
    >>> schema = pa.schema({"a": pa.int64(), "b": pa.string(), "c": pa.bool_()})
    >>> Select(["c", "a"]).bind(schema).names, Select(exclude=["b"]).bind(schema).names
    (['c', 'a'], ['a', 'c'])
    """

    columns: Sequence[str] = ()
    _: KW_ONLY
    exclude: Sequence[str] = ()

    rows: ClassVar[Rows] = Rows.SAME

    def __post_init__(self) -> None:
        """Keep lists as tuples."""
        object.__setattr__(self, "columns", _words(self.columns))
        object.__setattr__(self, "exclude", _words(self.exclude))
        if bool(self.columns) == bool(self.exclude):
            raise ConfigError("Select: name the columns to keep, or in exclude those to drop")
        twice = [c for c in self.columns if list(self.columns).count(c) > 1]
        if twice:
            raise ConfigError(f"Select: column {twice[0]!r} is named twice")

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT of the columns."""
        require(schema, (*self.columns, *self.exclude), where=self.label)
        kept = self.columns or [c for c in schema.names if c not in self.exclude]
        if not kept:
            raise SchemaError("exclude leaves no column", where=self.label)
        return f"SELECT {names(kept)} FROM {INPUT}"


@dataclass(frozen=True)
class Rename(SQLStage):
    """Give columns other names, and leave them where they are.

    Args:
        columns: new names by old names.

    >>> import pyarrow as pa
    >>> Rename({"Full Name": "name"}).bind(pa.schema({"Full Name": pa.string()})).names
    ['name']
    """

    columns: Mapping[str, str]

    rows: ClassVar[Rows] = Rows.SAME

    def __post_init__(self) -> None:
        """Keep the names as they are now."""
        object.__setattr__(self, "columns", dict(self.columns))

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash(tuple(self.columns.items()))

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the new names."""
        require(schema, self.columns, where=self.label)
        renamed = [self.columns.get(c, c) for c in schema.names]
        # DuckDB tells names apart by their letters, not by their case.
        folded = [each.casefold() for each in renamed]
        clash = next((c for c, f in zip(renamed, folded, strict=True) if folded.count(f) > 1), None)
        if clash is not None:
            raise SchemaError(
                f"two columns would be called {clash!r}", where=self.label, column=clash
            )
        pairs = zip(schema.names, renamed, strict=True)
        return f"SELECT {', '.join(f'{name(o)} AS {name(n)}' for o, n in pairs)} FROM {INPUT}"


@dataclass(frozen=True)
class Cast(SQLStage):
    """Change the types of columns.

    Args:
        columns: new types by column: DuckDB's words (`"DECIMAL(12, 2)"`) or Arrow types.
        on_error: `raise` ends the run at a value that doesn't fit; `dead_letter` sends its row to
            the dead letters, as it was, with the value and the type in the reason.

    Raises:
        ConfigError: a type isn't one, or `on_error` isn't one of the two.

    >>> import pyarrow as pa
    >>> Cast({"price": "DECIMAL(12, 2)"}).bind(pa.schema({"price": pa.string()}))
    price: decimal128(12, 2)
    """

    columns: Mapping[str, str | pa.DataType]
    _: KW_ONLY
    on_error: str = "raise"

    rows: ClassVar[Rows] = Rows.SAME

    def __post_init__(self) -> None:
        """Check the types."""
        if self.on_error not in {"raise", "dead_letter"}:
            raise ConfigError(
                f"Cast: on_error is {self.on_error!r}: it has to be 'raise' or 'dead_letter'"
            )
        types = {column: sql_type(kind, where="Cast") for column, kind in self.columns.items()}
        object.__setattr__(self, "columns", types)

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((tuple(self.columns.items()), self.on_error))

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the casts."""
        require(schema, self.columns, where=self.label)
        casts = ", ".join(f"{name(c)}::{kind} AS {name(c)}" for c, kind in self.columns.items())
        return f"SELECT * REPLACE ({casts}) FROM {INPUT}" if casts else f"SELECT * FROM {INPUT}"

    def rejections(self, schema: pa.Schema) -> Sequence[Rejection]:
        """Give a rejection a column, if bad values go to the dead letters."""
        if self.on_error == "raise":
            return ()
        require(schema, self.columns, where=self.label)
        return [
            Rejection(
                code="cast",
                where=f"{name(c)} IS NOT NULL AND TRY_CAST({name(c)} AS {kind}) IS NULL",
                reason=f"printf({literal(f'%s is no {kind}')}, {name(c)}::VARCHAR)",
                column=c,
            )
            for c, kind in self.columns.items()
        ]


def sql_type(kind: str | pa.DataType, *, where: str) -> str:
    """Give DuckDB's word for a type.

    Raises:
        ConfigError: there is no such type.

    >>> import pyarrow as pa
    >>> sql_type(pa.decimal128(5, 1), where="Cast"), sql_type("int", where="Cast")
    ('DECIMAL(5,1)', 'INTEGER')
    """
    connection = describing()
    try:
        if isinstance(kind, pa.DataType):
            relation = connection.from_arrow(empty_batch(pa.schema([("c", kind)])))
            return str(relation.types[0])
        return str(duckdb.DuckDBPyConnection.type(connection, kind))
    except duckdb.Error as error:
        raise ConfigError(
            f"{where}: {kind!r} is no type of DuckDB's: {first_line(error)}"
        ) from error
    finally:
        connection.close()


def _words(value: Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
