"""Places for our sinks to write to, read by other means than the sinks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from arrowetl import (
    ArrowLoader,
    CSVLoader,
    DuckDBLoader,
    JSONLoader,
    ParquetLoader,
    PostgreSQLLoader,
    S3Loader,
    SQLiteLoader,
)
from arrowetl.sql import name
from arrowetl.stage import Sink
from arrowetl.testing import Destination
from tests.postgres_server import PASSWORD, postgres
from tests.s3_server import shared

TABLE = 'rows of "all"; --'


@dataclass
class InFolder(Destination):
    """A destination in a folder of its own, with nothing else in it."""

    folder: Path
    options: dict[str, Any]

    target = "rows"

    @property
    def path(self) -> Path:
        return self.folder / self.target

    def left(self) -> list[str]:
        allowed = {self.target}
        return sorted(each.name for each in self.folder.iterdir() if each.name not in allowed)


def read_csv(file: Any) -> pa.Table:
    convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(file, parse_options=parse, convert_options=convert)


class CSVFile(InFolder):
    target = "rows.csv"

    def sink(self) -> Sink:
        return CSVLoader(self.path, **self.options)

    def rows(self) -> pa.Table | None:
        if not self.path.exists():
            return None
        packed = self.options.get("compression") == "gzip"
        with gzip.open(self.path) if packed else self.path.open("rb") as file:
            return read_csv(file)


class JSONFile(InFolder):
    target = "rows.json"

    def sink(self) -> Sink:
        return JSONLoader(self.path, schema_path=self.folder / "rows.schema", **self.options)

    def rows(self) -> pa.Table | None:
        if not self.path.exists():
            return None
        packed = self.options.get("compression") == "gzip"
        with gzip.open(self.path) if packed else self.path.open("rb") as file:
            text = file.read()
        lines = self.options.get("format") != "array"
        rows = list(map(json.loads, text.splitlines())) if lines else json.loads(text)
        fields = json.loads((self.folder / "rows.schema").read_text())["fields"]
        # Without rows there are no keys.
        return pa.Table.from_pylist(rows) if rows else pa.table({f["name"]: [] for f in fields})

    def left(self) -> list[str]:
        return [each for each in super().left() if each != "rows.schema"]


class ParquetFile(InFolder):
    target = "rows.parquet"

    def sink(self) -> Sink:
        return ParquetLoader(self.path, **self.options)

    def rows(self) -> pa.Table | None:
        return pq.ParquetFile(self.path).read() if self.path.exists() else None


class ParquetFolder(InFolder):
    def sink(self) -> Sink:
        return ParquetLoader(self.path, **self.options)

    def rows(self) -> pa.Table | None:
        files = [p for p in self.path.rglob("*.parquet") if not p.name.startswith((".", "_"))]
        return pq.read_table(files) if files else None

    def left(self) -> list[str]:
        inside = [each.name for each in self.path.rglob(".*")] if self.path.exists() else []
        return super().left() + sorted(inside)


class DuckDBTable(InFolder):
    target = "rows.db"

    def sink(self) -> Sink:
        return DuckDBLoader(self.path, table=TABLE, **self.options)

    def rows(self) -> pa.Table | None:
        if not self.path.exists():
            return None
        with closing(duckdb.connect(str(self.path))) as connection:
            return connection.sql(f"FROM {name(TABLE)}").to_arrow_table() if self._there else None

    @property
    def _there(self) -> bool:
        return TABLE in self._tables()

    def _tables(self) -> list[str]:
        if not self.path.exists():
            return []
        with closing(duckdb.connect(str(self.path))) as connection:
            return [
                table
                for (table,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()
            ]

    def left(self) -> list[str]:
        return super().left() + [table for table in self._tables() if table != TABLE]


class SQLiteTable(InFolder):
    target = "rows.db"

    def sink(self) -> Sink:
        return SQLiteLoader(self.path, table=TABLE, **self.options)

    def rows(self) -> pa.Table | None:
        return self._ask(f"SELECT * FROM {name(TABLE)}") if TABLE in self._tables() else None

    def _tables(self) -> list[str]:
        if not self.path.exists():
            return []
        found = self._ask("SELECT name FROM sqlite_master WHERE type = 'table'")
        return found["name"].to_pylist()

    def _ask(self, query: str) -> pa.Table:
        # By ADBC: two SQLite libraries over one file would corrupt it.
        from adbc_driver_sqlite import dbapi

        with dbapi.connect(self.path.as_uri()) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def left(self) -> list[str]:
        beside = [each for each in super().left() if each not in {"rows.db-wal", "rows.db-shm"}]
        return beside + [table for table in self._tables() if table != TABLE]


@dataclass
class PostgreSQLTable(Destination):
    """A schema of its own in the database of the tests."""

    folder: Path
    options: dict[str, Any]

    def __post_init__(self) -> None:
        self.schema = f"s {secrets.token_hex(8)}"
        # Not in the loader: what it shows of itself has to make it again.
        self.passfile = self.folder / "pass word"
        escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        self.passfile.write_text(f"*:*:*:*:{escaped}")
        self.passfile.chmod(0o600)

    def sink(self) -> Sink:
        place = urlsplit(postgres().uri)
        return PostgreSQLLoader(
            host=place.hostname,
            port=place.port,
            user=place.username,
            database=place.path[1:],
            libpq={"passfile": str(self.passfile)},
            schema=self.schema,
            table=TABLE,
            **self.options,
        )

    def _tables(self) -> list[str]:
        known = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'v', 'S') AND "
        where = f"relnamespace = to_regnamespace('{name(self.schema)}')"
        return [table for (table,) in postgres().execute(known + where)]

    def rows(self) -> pa.Table | None:
        if TABLE not in self._tables():
            return None
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(postgres().uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {name(self.schema)}.{name(TABLE)}")
            return cursor.fetch_arrow_table()

    def left(self) -> list[str]:
        found = "SELECT usename, query FROM pg_stat_activity WHERE state LIKE 'idle in %'"
        return [t for t in self._tables() if t != TABLE] + postgres().execute(found)


class S3Object(InFolder):
    """One object in a real S3 server, by its format's suffix."""

    suffix = ".csv"

    @property
    def prefix(self) -> str:
        return hashlib.sha256(str(self.folder).encode()).hexdigest()

    def sink(self) -> Sink:
        return S3Loader(shared().name, f"{self.prefix}/rows{self.suffix}", **self.options)

    def rows(self) -> pa.Table | None:
        if not shared().listed(self.prefix):
            return None
        data = io.BytesIO(shared().get(f"{self.prefix}/rows{self.suffix}"))
        return pq.read_table(data) if self.suffix == ".parquet" else read_csv(data)

    def left(self) -> list[str]:
        beside = [key for key in shared().listed(self.prefix) if "/rows" not in key]
        return beside + [key for key in shared().uploads() if key.startswith(self.prefix)]


class S3Parquet(S3Object):
    suffix = ".parquet"


class S3Folder(S3Object):
    suffix = "/"

    def rows(self) -> pa.Table | None:
        keys = [key for key in shared().listed(self.prefix) if key.endswith(".parquet")]
        files = [pq.read_table(io.BytesIO(shared().get(key))) for key in keys]
        return pa.concat_tables(files) if files else None

    def left(self) -> list[str]:
        hidden = [key for key in shared().listed(self.prefix) if "/_" in key]
        return super().left() + hidden


@dataclass
class Memory(Destination):
    folder: Path
    options: dict[str, Any]

    def __post_init__(self) -> None:
        self.loader = ArrowLoader(**self.options)

    def sink(self) -> Sink:
        return self.loader

    def rows(self) -> pa.Table | None:
        return self.loader.table


def every_destination() -> list[tuple[type, dict[str, Any]]]:
    """Give each kind of destination with each way to write to it."""
    return [
        (Memory, {}),
        (CSVFile, {"mode": "replace"}),
        (CSVFile, {"mode": "append"}),
        (CSVFile, {"mode": "replace", "compression": "gzip"}),
        (JSONFile, {"mode": "append"}),
        (JSONFile, {"mode": "replace", "compression": "gzip"}),
        (JSONFile, {"mode": "replace", "format": "array", "indent": 2}),
        (ParquetFile, {"mode": "replace"}),
        (ParquetFile, {"mode": "replace", "sorted_by": ["id"], "row_group_size": 2}),
        (ParquetFolder, {"mode": "append"}),
        (ParquetFolder, {"mode": "replace", "max_file_bytes": 1000}),
        (S3Object, {"mode": "append"}),
        (S3Parquet, {"mode": "replace"}),
        (S3Folder, {"mode": "append", "format": "parquet"}),
        (DuckDBTable, {"mode": "append"}),
        (DuckDBTable, {"mode": "replace"}),
        (DuckDBTable, {"mode": "upsert", "key": ["id"]}),
        (SQLiteTable, {"mode": "append"}),
        (SQLiteTable, {"mode": "replace"}),
        (SQLiteTable, {"mode": "upsert", "key": ["id"]}),
        (PostgreSQLTable, {"mode": "append"}),
        (PostgreSQLTable, {"mode": "replace"}),
        (PostgreSQLTable, {"mode": "upsert", "key": ["id"]}),
        (PostgreSQLTable, {"mode": "upsert", "key": ["id"], "exclusive": False}),
    ]
