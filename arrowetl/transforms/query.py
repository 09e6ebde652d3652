"""SQL and Filter: whatever DuckDB can say of the rows so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa

from arrowetl.arrow import reader_from
from arrowetl.duck import describe_select, describing, expression_text, select_text
from arrowetl.errors import ConfigError, SchemaError, describe
from arrowetl.sql import INPUT, literal
from arrowetl.stage import Rows, Scope, Source, SQLStage


@dataclass(frozen=True)
class SQL(SQLStage):
    """Give the rows of one SELECT over `input`, the rows so far.

    It sees all rows: a GROUP BY groups them all, whatever the batches are. Any SELECT that
    DuckDB knows will do, with CTEs, window functions and `FROM input` for short. Two columns of
    one name are a SchemaError, as is a type that Arrow doesn't have, such as BIT: cast it.

    Args:
        query: the SELECT; it is fused with its neighbours.
        tables: other tables that it names, for joins: Arrow tables, sources, or whatever has
            `__arrow_c_stream__` (Polars, pandas). They are held by reference, and are no part of
            what makes two stages equal.

    Raises:
        ConfigError: it isn't one valid SELECT, or a table isn't one.

    >>> import pyarrow as pa
    >>> names = pa.table({"id": [1], "name": ["Ada"]})
    >>> stage = SQL("SELECT name FROM input JOIN people USING (id)", tables={"people": names})
    >>> stage.bind(pa.schema({"id": pa.int64()}))
    name: string
    """

    query: str
    _: KW_ONLY
    tables: Mapping[str, Any] = field(default_factory=dict, compare=False)

    scope = Scope.STREAM

    def __post_init__(self) -> None:
        """Check the query."""
        select_text(self.query, where="SQL")
        for each in self.tables:
            if each.lower() == INPUT:
                raise ConfigError(f"SQL: a table can't be called {each!r}: that is the rows so far")
        tables = {each: readable(each, table, where="SQL") for each, table in self.tables.items()}
        object.__setattr__(self, "tables", tables)

    def select(self, schema: pa.Schema) -> str:  # noqa: ARG002 - it names its own columns
        """Give the query as it was written."""
        return select_text(self.query, where="SQL")

    def side_tables(self) -> dict[str, Any]:
        """Give the other tables."""
        return dict(self.tables)


@dataclass(frozen=True)
class Filter(SQLStage):
    """Keep the rows for which a SQL predicate is true; not those for which it is null.

    Args:
        predicate: one SQL expression over the columns.

    Raises:
        ConfigError: it isn't one expression.

    >>> import pyarrow as pa
    >>> Filter("age >= 18").bind(pa.schema({"age": pa.int64()}))
    age: int64
    >>> Filter("age >= 18; DROP TABLE x")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: Filter: not one SQL expression: 'age >= 18; DROP TABLE x' ...
    """

    predicate: str

    rows = Rows.REMOVES

    def __post_init__(self) -> None:
        """Check the predicate."""
        expression_text(self.predicate, where="Filter")

    @property
    def scope(self) -> Scope:
        """A row by itself, unless a subquery looks at others."""
        return Scope.STREAM if _has_subquery(self.predicate) else Scope.ROW

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema as it comes.

        Raises:
            SchemaError: the predicate isn't one over these columns. (SQL would take text for a
                predicate, and fail at the first that isn't "true" or "false".)
        """
        after = super().bind(schema)
        answer = f"SELECT {expression_text(self.predicate, where='Filter')} AS answer FROM {INPUT}"
        [kind] = describe_select(answer, schema, where=self.label).types
        if kind != pa.bool_():
            raise SchemaError(f"the predicate gives {kind}, not true or false", where=self.label)
        return after

    def select(self, schema: pa.Schema) -> str:  # noqa: ARG002 - it names its own columns
        """Give `SELECT * FROM input WHERE` with the predicate."""
        return f"SELECT * FROM {INPUT} WHERE {expression_text(self.predicate, where='Filter')}"


@lru_cache(maxsize=256)
def _has_subquery(expression: str) -> bool:
    """Say whether an expression reads rows; if DuckDB can't take it apart, that it may."""
    with describing() as connection:
        query = f"SELECT json_serialize_sql({literal(f'SELECT {expression}')})"
        tree = connection.sql(query).fetchall()[0][0]
    return '"class":"SUBQUERY"' in tree or '"error":true' in tree


def readable(named: str, table: Any, *, where: str) -> Any:
    """Give a side table as the engine takes it: a source, a reader or an Arrow table."""
    if isinstance(table, (Source, pa.Table, pa.RecordBatchReader)):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "__arrow_c_stream__"):
        return reader_from(table).read_all()
    raise ConfigError(
        f"{where}: {named!r} is {describe(table)}: it has to be an Arrow table, a source, or "
        "something with __arrow_c_stream__"
    )
