"""DuckDB tables and queries: `DuckDBSource`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from arrowetl.arguments import flag
from arrowetl.arrow import rebatched
from arrowetl.errors import ConfigError, SchemaError
from arrowetl.sources._columns import as_names
from arrowetl.sources._duckdb_file import File, opened, reading, where_it_is
from arrowetl.sources._files import PathLike
from arrowetl.sources._tables import as_path, check_what, database_file, labelled, writes_to
from arrowetl.sql import name, names
from arrowetl.stage import BATCH_ROWS, Finding, Sink, Source, found, require
from arrowetl.typemap.duckdb import COMPOSED, SCALARS, arriving


@dataclass(frozen=True, repr=False)
class DuckDBSource(Source):
    """Read a table, a view or a query of a DuckDB file.

    The file is opened read-only, by as many processes as want to. A table or view is read by the
    pipeline's own DuckDB: columns and filters of its stages reach the scan. A query runs as it
    is, and its rows come from there. Rows come in the table's order, or in the query's.

    Only one process can have a DuckDB file open for writing, and no other can then read it. If
    it is this process, or if the pipeline writes to the same file, the rows are read through the
    instance that is open already, as one snapshot.

    Types arrive as DuckDB gives them to Arrow: DECIMAL with precision and scale, times with their
    unit, LIST, ARRAY, STRUCT, MAP and UNION as such, ENUM as a dictionary, UUID and JSON as text,
    GEOMETRY as WKB. What Arrow has no type for: HUGEINT and UHUGEINT are decimal128(38, 0), and a
    longer number is a ReadError; BIT, BIGNUM, VARIANT and TIME WITH TIME ZONE are text.

    Args:
        path: the database file.
        table: a table or view: `orders`, or `sales.orders` with its schema. Any name; one
            with a dot in it goes into double quotes.
        query: a SELECT in DuckDB's SQL, in place of `table`.
        params: values for the query's parameters: a list for `?` and `$1`, a mapping for `$name`.
            They are bound, never part of the text.
        columns: the ones to give, in this order; all if None.
        memory_limit: what a query may hold, for instance ``"1GB"``; more is spilled to disk.
        shared: read through the instance of this process; found out where it is necessary.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with duckdb.connect(f"{folder}/w.db") as connection:
    ...         _ = connection.execute("CREATE TABLE cities AS SELECT 1 AS id, 'Rome' AS name")
    ...     source = DuckDBSource(f"{folder}/w.db", table="cities", columns=["name"])
    ...     source.reader().read_all().to_pydict()
    {'name': ['Rome']}
    """

    path: PathLike
    _: KW_ONLY
    table: str | None = None
    query: str | None = None
    params: Sequence[Any] | Mapping[str, Any] = ()
    columns: Sequence[str] | None = None
    memory_limit: str | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        check_what(self.table, self.query, where=where)
        flag(self.shared, "shared", where=where)
        query = None if self.query is None else _checked_query(self.query, where)
        settled = {
            "path": as_path(self.path, where=where),
            "query": query,
            "params": _checked_params(self.params, query, where),
            "columns": as_names(self.columns, where=where),
        }
        for key, value in settled.items():
            object.__setattr__(self, key, value)

    def schema(self) -> pa.Schema:
        """Give the schema, as the rows arrive; none of them is read.

        Raises:
            ReadError: the file can't be read, or there is no such table.
            ConfigError: the query isn't one that DuckDB can run.
            SchemaError: a column isn't there.
        """
        with self._opened() as file:
            return self._described(file)

    def _described(self, file: File) -> pa.Schema:
        nothing = f"SELECT * FROM ({self._select(file)}) LIMIT 0"
        schema = file.relation(nothing, tuple(self.params)).to_arrow_reader().schema
        require(schema, (), where=self.label)
        return schema

    def _select(self, file: File) -> str:
        rows = f"({self.query}\n)" if self.table is None else file.table(self.table)
        types = file.types(rows, tuple(self.params))
        wanted = list(types) if self.columns is None else self.columns
        for column in wanted:
            if column not in types:
                raise SchemaError.missing(column, types, where=self.label)
        return f"SELECT {', '.join(_given(each, types[each]) for each in wanted)} FROM {rows}"

    def relation(self, scratch: Path) -> str | None:  # noqa: ARG002 - DuckDB reads its own files
        """Give the SELECT over the attached file; None for a query, or a file that is in use."""
        if self.table is None or self.shared:
            return None
        with self._opened() as file:
            return None if file.shared else self._select(file)

    @property
    def attached(self) -> Mapping[str, str]:
        """The file, where it is the run's DuckDB that reads it."""
        if self.table is None or self.shared:
            return {}
        file = database_file(str(self.path), where=self.label)
        return {where_it_is(file): str(file)}

    def beside(self, sink: Sink) -> Source:
        """Give the source so that it reads through the sink's own instance, if it writes there."""
        return replace(self, shared=True) if writes_to(sink, str(self.path)) else self

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows of a query, as they come.

        Raises:
            ReadError: the file can't be read, or the query fails.
            SchemaError: a column isn't there.
        """
        if columns is not None:
            require(self.schema(), columns, where=self.label)
        return self._scanned(columns, batch_size)

    def _scanned(self, columns: Sequence[str] | None, batch_size: int) -> Iterator[pa.RecordBatch]:
        with self._opened() as file, reading(self.label):
            select = self._select(file)
            if columns is not None:
                select = f"SELECT {names(columns)} FROM ({select})"
            with file.relation(select, tuple(self.params)).to_arrow_reader(batch_size) as reader:
                yield from rebatched(reader, batch_size)

    def row_count(self) -> int | None:
        """Give the rows of a table, which DuckDB knows; None for a view or a query."""
        if self.table is None:
            return None
        with self._opened() as file:
            return file.row_count(self.table)

    def diagnose(self) -> Iterator[Finding]:
        """Try to find the file, to open it, and to find the table or bind the query."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("find the file", lambda: str(database_file(str(self.path), where=self.label))),
            ("open it to be read", self._told),
            ("read the schema", lambda: f"{len(self.schema())} columns"),
        ]
        for step, attempt in steps:
            finding = found(step, attempt)
            yield finding
            if not finding.works:
                return

    def _told(self) -> str:
        with self._opened() as file:
            how = "through the instance that is open for writing" if file.shared else "read-only"
            return f"{len(file.tables())} tables and views, {how}"

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each of DuckDB's types."""
        # What Arrow has no type for.
        as_text = dict.fromkeys(("BIT", "TIME WITH TIME ZONE"), pa.string())
        return {**arriving((*SCALARS, *COMPOSED)), **as_text}

    @property
    def label(self) -> str:
        """The class, the file, and the table or the query's beginning."""
        return labelled(self, str(self.path), self.table, self.query)

    @contextmanager
    def _opened(self) -> Iterator[File]:
        path = database_file(str(self.path), where=self.label)
        with (
            tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
            closing(
                opened(
                    path,
                    shared=self.shared,
                    memory_limit=self.memory_limit,
                    scratch=Path(folder),
                    where=self.label,
                )
            ) as file,
        ):
            yield file


_AS_TEXT = {
    "BIT": "CAST({0} AS VARCHAR)",
    "BIGNUM": "CAST({0} AS VARCHAR)",
    "VARIANT": "CAST(CAST({0} AS JSON) AS VARCHAR)",
    "TIME WITH TIME ZONE": "CAST({0} AS VARCHAR)",
    # Arrow's decimal would hold a number of 39 digits, and say that it has 38.
    "HUGEINT": "CAST({0} AS DECIMAL(38, 0))",
    "UHUGEINT": "CAST({0} AS DECIMAL(38, 0))",
}


def _given(column: str, kind: str) -> str:
    """Write a column so that its values are ones that Arrow has."""
    quoted = name(column)
    return f"{_AS_TEXT[kind].format(quoted)} AS {quoted}" if kind in _AS_TEXT else quoted


def _checked_query(query: str, where: str) -> str:
    """Give the one SELECT that a text is, without its semicolon."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise ConfigError(f"{where}: query: {error}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise ConfigError(f"{where}: query is one SELECT, this is {kinds}: {query!r}")
    return query.strip().rstrip(";")


Params = tuple[Any, ...]


def _checked_params(given: object, query: str | None, where: str) -> Params:
    """Give values of parameters as a tuple of them, or of pairs of names and values."""
    wanted = duckdb.extract_statements(query)[0].named_parameters if query else set()
    numbered = {each for each in wanted if each.isdigit()}
    if wanted and not numbered:
        pairs = given if isinstance(given, Mapping) else _pairs(given)
        if set(pairs) != wanted:
            raise ConfigError(
                f"{where}: the query's parameters are {', '.join(sorted(wanted))}, params names "
                f"{', '.join(map(str, pairs)) or 'none'}"
            )
        return tuple((key, _hashable(pairs[key])) for key in sorted(pairs))
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise ConfigError(f"{where}: params is a list of values, not {given!r}")
    if len(given) != max(map(int, numbered), default=0):
        raise ConfigError(
            f"{where}: the query has places for {max(map(int, numbered), default=0)} values, "
            f"params has {len(given)}"
        )
    return tuple(map(_hashable, given))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _pairs(given: Any) -> Mapping[str, Any]:
    try:
        return dict(given)
    except (TypeError, ValueError):
        return {}
