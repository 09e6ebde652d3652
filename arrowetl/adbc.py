"""Connections to databases by ADBC: Arrow in, Arrow out.

The driver manager's own `dbapi` does the same and more, but imports pandas and Polars wherever
they are installed, and Arrow's datasets: up to 0.4 s before the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from arrowetl.arrow import scalar, texts

if TYPE_CHECKING:
    from typing_extensions import Self

INGEST_TABLE, INGEST_SCHEMA = "adbc.ingest.target_table", "adbc.ingest.target_db_schema"
INGEST_MODE, APPEND = "adbc.ingest.mode", "adbc.ingest.mode.append"
BY_NAME = "adbc.statement.bind_by_name"


class Connection:
    """An open connection; it closes the database with itself.

    Args:
        database: the driver manager's `AdbcDatabase`; it is closed if no connection is had.
        autocommit: whether each statement is a transaction, but for those between a BEGIN and a
            COMMIT of one's own.

    >>> import adbc_driver_sqlite
    >>> with Connection(adbc_driver_sqlite.connect()) as connection:
    ...     with connection.cursor() as cursor:
    ...         cursor.execute("SELECT ?1 + 1, ?2", [1, "x"])
    ...         cursor.fetchall()
    [(2, 'x')]
    """

    def __init__(self, database: Any, *, autocommit: bool = True) -> None:
        """Connect.

        Raises:
            adbc_driver_manager.Error: there is no connection to be had.
        """
        from adbc_driver_manager import AdbcConnection

        self._database = database
        self._cursors: list[Cursor] = []
        try:
            self._connection = AdbcConnection(database)
        except BaseException:
            database.close()
            raise
        self._autocommit = autocommit
        if not autocommit:
            self._connection.set_autocommit(False)

    def cursor(self) -> Cursor:
        """Give a statement of its own; it is closed with the connection, if not before."""
        self._cursors = [each for each in self._cursors if not each.closed]
        cursor = Cursor(self._connection)
        self._cursors.append(cursor)
        return cursor

    def commit(self) -> None:
        """Commit, where statements don't by themselves."""
        if not self._autocommit:
            self._connection.commit()

    def rollback(self) -> None:
        """Undo what wasn't committed."""
        if not self._autocommit:
            self._connection.rollback()

    def cancel(self) -> None:
        """Ask for the end of what runs in it, from any thread."""
        self._connection.cancel()

    def close(self) -> None:
        """Let go of it; what wasn't committed is undone. Safe twice."""
        with ExitStack() as stack:  # all of it, though a part complains
            stack.callback(self._database.close)
            stack.callback(self._connection.close)
            for cursor in self._cursors:
                stack.callback(cursor.close)
            self._cursors = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cursor:
    """A statement, and what it gave. A Ctrl-C ends it."""

    def __init__(self, connection: Any) -> None:
        """Ask nothing yet."""
        from adbc_driver_manager import AdbcStatement

        self._statement = AdbcStatement(connection)
        self._result: Any = None
        self.closed = False

    def set_option(self, key: str, value: str) -> None:
        """Set an option of the driver's for the statement."""
        self._statement.set_options(**{key: value})

    def execute(
        self, sql: str, values: Sequence[object] | Mapping[str, object] | None = None
    ) -> None:
        """Run a statement, its parameters by place or by name; its rows are then to be fetched.

        Raises:
            adbc_driver_manager.Error: what the database says.
        """
        self._prepare(sql)
        if values:
            names = list(values) if isinstance(values, Mapping) else map(str, range(len(values)))
            given = values.values() if isinstance(values, Mapping) else values
            columns = [_alone(each) for each in given]
            self._statement.bind(pa.RecordBatch.from_arrays(columns, list(names)))
            if isinstance(values, Mapping):
                self.set_option(BY_NAME, "true")
        self._result, _ = self._run(self._statement.execute_query)

    def executemany(self, sql: str, rows: pa.RecordBatchReader) -> None:
        """Run a statement once a row, whose values are its parameters by place."""
        self._prepare(sql)
        self._statement.bind_stream(rows)
        self._run(self._statement.execute_update)

    def ingest(self, table: str, rows: pa.RecordBatchReader, *, schema: str) -> None:
        """Append rows to a table by whatever is quickest."""
        self._clear()
        options = {INGEST_TABLE: table, INGEST_SCHEMA: schema, INGEST_MODE: APPEND}
        self._statement.set_options(**options)
        self._statement.bind_stream(rows)
        self._run(self._statement.execute_update)

    def describe(self, sql: str) -> pa.Schema:
        """Give the schema of what a statement would give; it isn't run."""
        self._prepare(sql)
        return pa.schema(self._run(self._statement.execute_schema))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give the rows of a small result."""
        columns = self.fetch_table().columns
        values = [column.to_pylist() for column in columns]  # small: who asks for them says so
        return list(zip(*values, strict=True))

    def fetchone(self) -> tuple[Any, ...] | None:
        """Give the first row of a small result; None if there is none."""
        return next(iter(self.fetchall()), None)

    def fetch_table(self) -> pa.Table:
        """Give all rows."""
        from adbc_driver_manager._reader import AdbcRecordBatchReader

        # One of its own: Arrow's would lose the SQLSTATE of an error.
        result = self._taken()
        made = AdbcRecordBatchReader._import_from_c(result.address)  # noqa: SLF001
        with closing(made) as reader:
            return self._run(reader.read_all)

    def fetch_reader(self) -> pa.RecordBatchReader:
        """Give the rows as a stream; close it before the cursor."""
        return pa.RecordBatchReader.from_stream(self._taken())

    def close(self) -> None:
        """Let go of the statement and its result. Safe twice."""
        if not self.closed:
            self.closed = True
            self._clear()
            self._statement.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, sql: str) -> None:
        self._clear()
        self._statement.set_sql_query(sql)
        self._run(self._statement.prepare)

    def _taken(self) -> Any:
        result, self._result = self._result, None
        return result

    def _clear(self) -> None:
        result = self._taken()
        if result is not None:
            result.release()

    def _run(self, action: Callable[[], Any]) -> Any:
        from adbc_driver_manager._lib import _blocking_call

        return _blocking_call(action, (), {}, self._statement.cancel)


def _alone(value: object) -> pa.Array:
    """Give a parameter as an array; texts and whole numbers, by which we ask, are quick."""
    if isinstance(value, str):
        return texts([value])
    if type(value) is int and -(2**63) <= value < 2**63:
        return pa.repeat(scalar(value, pa.int64()), 1)
    return pa.array([value])
