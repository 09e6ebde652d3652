"""Select, Rename and Cast: which columns there are, what they are called, what type they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import duckdb
import pyarrow as pa

from arrowetl.duck import describing
from arrowetl.errors import ConfigError, SchemaError, first_line
from arrowetl.sql import INPUT, literal, name, names
from arrowetl.stage import Rejection, Rows, SQLStage, require
from arrowetl.transforms._arguments import by_name, choice, is_text, words
from arrowetl.typemap.words import Kind, sql_type


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

    columns: str | Sequence[str] = ()
    _: KW_ONLY
    exclude: str | Sequence[str] = ()

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Keep lists as tuples."""
        object.__setattr__(self, "columns", words(self.columns, where="Select"))
        object.__setattr__(self, "exclude", words(self.exclude, where="Select", option="exclude"))
        if bool(self.columns) == bool(self.exclude):
            raise ConfigError("Select: name the columns to keep, or in exclude those to drop")

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

    Names may be swapped. SQL ignores the case of names, so two may not differ in it alone.

    Args:
        columns: new names by old names.

    Raises:
        ConfigError: a new name is empty.

    >>> import pyarrow as pa
    >>> Rename({"Full Name": "name"}).bind(pa.schema({"Full Name": pa.string()})).names
    ['name']
    """

    columns: Mapping[str, str]

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Keep the names as they are now."""
        renamed = by_name(self.columns, where="Rename", example='{"old": "new"}')
        object.__setattr__(self, "columns", renamed)
        for old, new in self.columns.items():
            if not (isinstance(new, str) and new):
                raise ConfigError(f"Rename: {old!r} can't be called {new!r}")

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash(frozenset(self.columns.items()))

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the new names."""
        require(schema, self.columns, where=self.label)
        renamed = [self.columns.get(c, c) for c in schema.names]
        folded = [each.lower() for each in renamed]
        clash = next((c for c, f in zip(renamed, folded, strict=True) if folded.count(f) > 1), None)
        if clash is not None:
            raise SchemaError(
                f"two columns would be called {clash!r}", where=self.label, column=clash
            )
        pairs = zip(schema.names, renamed, strict=True)
        return f"SELECT {', '.join(f'{name(o)} AS {name(n)}' for o, n in pairs)} FROM {INPUT}"


@dataclass(frozen=True)
class Cast(SQLStage):
    """Change the types of columns; the casts are DuckDB's.

    Args:
        columns: new types by column: DuckDB's words (`"DECIMAL(12, 2)"`), Arrow's types or words
            (`"float64"`), or Python's types (`float`, a double). A word that both know is
            DuckDB's: `"int8"` has eight bytes.
        on_error: `raise` ends the run at a value that doesn't fit; `dead_letter` sends its row to
            the dead letters, as it was, with the value and the type in the reason.
        format: how dates and times are written in text, in strptime's letters (`"%d.%m.%Y"`);
            of several, the first that fits a value. DuckDB's own reading of ISO dates if None.

    Raises:
        ConfigError: a type isn't one, or `on_error` isn't one of the two.

    >>> from arrowetl.testing import run_stage
    >>> prices = pa.table({"price": ["1.5", "2"], "at": ["31.12.2024", None]})
    >>> stage = Cast({"price": "DECIMAL(12, 2)", "at": pa.date32()}, format="%d.%m.%Y")
    >>> run_stage(stage, prices).schema.types
    [Decimal128Type(decimal128(12, 2)), DataType(date32[day])]
    """

    columns: Mapping[str, Kind]
    _: KW_ONLY
    on_error: str = "raise"
    format: str | Sequence[str] | None = None

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the types."""
        choice(self.on_error, ("raise", "dead_letter"), where="Cast", option="on_error")
        asked = by_name(self.columns, where="Cast", example='{"price": "DOUBLE"}')
        types = {
            column: sql_type(kind, where=f"Cast: column {column!r}")
            for column, kind in asked.items()
        }
        object.__setattr__(self, "columns", types)
        if self.format is not None:
            formats = words(self.format, where="Cast", option="format")
            object.__setattr__(self, "format", formats)
            for each in formats:
                _check_format(each)

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((frozenset(self.columns.items()), self.on_error, self.format))

    def select(self, schema: pa.Schema) -> str:
        """Give a SELECT with the casts."""
        require(schema, self.columns, where=self.label)
        casts = [f"{self._cast(schema.field(c))} AS {name(c)}" for c in self.columns]
        return f"SELECT * REPLACE ({', '.join(casts)}) FROM {INPUT}" if casts else _ALL

    def rejections(self, schema: pa.Schema) -> Sequence[Rejection]:
        """Give a rejection a column, if bad values go to the dead letters."""
        if self.on_error == "raise":
            return ()
        require(schema, self.columns, where=self.label)
        return [
            Rejection(
                code="cast",
                where=f"{name(c)} IS NOT NULL AND {self._cast(schema.field(c), 'TRY_')} IS NULL",
                reason=f"left({name(c)}::VARCHAR, 80) || {literal(f' is no {kind}')}",
                column=c,
            )
            for c, kind in self.columns.items()
        ]

    def _cast(self, field: pa.Field, attempt: str = "") -> str:
        """Give the cast of a column; with ``TRY_``, one that gives null for what doesn't fit."""
        kind, value = self.columns[field.name], name(field.name)
        if self.format is not None and is_text(field.type) and str(kind).startswith(_DATES):
            value = f"{attempt.lower()}strptime({value}, {literal(self.format)})"
        return f"{attempt}CAST({value} AS {kind})"


_ALL = f"SELECT * FROM {INPUT}"
_DATES = ("DATE", "TIMESTAMP")


def _check_format(text: str) -> None:
    with describing() as connection:
        try:
            connection.execute(f"SELECT try_strptime('', {literal(text)})")
        except duckdb.Error as error:
            raise ConfigError(f"Cast: format {text!r}: {first_line(error)}") from error
