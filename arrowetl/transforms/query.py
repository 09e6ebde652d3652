"""SQL and Filter: whatever DuckDB can say of the rows so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from arrowetl.duck import select_text
from arrowetl.errors import ConfigError
from arrowetl.sql import INPUT
from arrowetl.stage import Rows, Scope, SQLStage


@dataclass(frozen=True)
class SQL(SQLStage):
    """Give the rows of one SELECT over `input`, the rows so far.

    It sees all rows: a GROUP BY groups them all, whatever the batches are. Any SELECT that
    DuckDB knows will do, with CTEs, window functions and `FROM input` for short.

    Args:
        query: the SELECT; it is fused with its neighbours.
        tables: other tables that it names, for joins: Arrow tables, or whatever has
            `__arrow_c_stream__`. They are held by reference, and are no part of what makes two
            stages equal.

    Raises:
        ConfigError: it isn't one valid SELECT.

    >>> import pyarrow as pa
    >>> names = pa.table({"id": [1], "name": ["Ada"]})
    >>> stage = SQL("SELECT name FROM input JOIN people USING (id)", tables={"people": names})
    >>> stage.bind(pa.schema({"id": pa.int64()}))
    name: string
    """

    query: str
    _: KW_ONLY
    tables: Mapping[str, Any] = field(default_factory=dict, compare=False)

    scope: ClassVar[Scope] = Scope.STREAM

    def __post_init__(self) -> None:
        """Check the query."""
        select_text(self.query, where="SQL")
        if INPUT in self.tables:
            raise ConfigError(f"SQL: a table can't be called {INPUT!r}: that is the rows so far")

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
    arrowetl.errors.ConfigError: Filter: not one expression: 'age >= 18; DROP TABLE x'
    """

    predicate: str

    rows: ClassVar[Rows] = Rows.REMOVES

    def __post_init__(self) -> None:
        """Check the predicate."""
        try:
            # As an argument it can't end the clause it stands in, nor begin another.
            select_text(f"SELECT coalesce(\n{self.predicate}\n)", where="Filter")
            select_text(f"SELECT (\n{self.predicate}\n)", where="Filter")
        except ConfigError as error:
            raise ConfigError(f"Filter: not one expression: {self.predicate!r}") from error

    def select(self, schema: pa.Schema) -> str:  # noqa: ARG002 - it names its own columns
        """Give `SELECT * FROM input WHERE` with the predicate."""
        return f"SELECT * FROM {INPUT} WHERE (\n{self.predicate}\n)"
