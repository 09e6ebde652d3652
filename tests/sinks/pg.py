"""How the tests of PostgreSQLLoader load and look: a database, emptied for each."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from arrowetl import PostgreSQLLoader


@dataclass
class Database:
    uri: str
    refused: list[tuple] = field(default_factory=list)

    @cached_property
    def _connection(self) -> Any:
        from adbc_driver_postgresql import dbapi

        return dbapi.connect(self.uri, autocommit=True)

    def run(self, *statements: str) -> None:
        with closing(self._connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str) -> list[tuple]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def close(self) -> None:
        self._connection.close()

    def loader(self, table: str = "t", **options: Any) -> PostgreSQLLoader:
        return PostgreSQLLoader(uri=self.uri, table=table, **options)

    def load(self, rows: pa.Table, table: str = "t", *, batch: int = 2, **options: Any) -> int:
        """Load as the engine does; what is refused is `refused`: code, column, row."""
        loader = self.loader(table, **options)
        self.refused = []

        def refuse(why: pa.RecordBatch, bad: pa.RecordBatch) -> None:
            assert bad.schema == rows.schema
            # Python has no dates and times like those that PostgreSQL refuses.
            plain = [each.name for each in bad.schema if not pa.types.is_temporal(each.type)]
            self.refused += [
                (one["reason_code"], one["column"], two)
                for one, two in zip(why.to_pylist(), bad.select(plain).to_pylist(), strict=True)
            ]

        loader.check(rows.schema)
        loader.begin(rows.schema)
        try:
            written = loader.write_rows(rows.to_reader(max_chunksize=batch), refuse)
            loader.commit()
        except BaseException:
            loader.abort()
            raise
        return written

    def types(self, table: str = "t") -> dict[str, str]:
        return dict(
            self.rows(
                "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
                f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped "
                "ORDER BY attnum"
            )
        )

    def empty(self) -> None:
        self.run("SET client_min_messages = error")
        self.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
