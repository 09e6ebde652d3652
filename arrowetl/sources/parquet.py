"""Parquet files: `ParquetSource`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa

from arrowetl.arguments import flag, text
from arrowetl.duck import describing, schema_error, unwrapped
from arrowetl.errors import ConfigError, ReadError, SchemaError, first_line
from arrowetl.sources._columns import Fields, as_names, require_all
from arrowetl.sources._file_source import FileSource
from arrowetl.sources._files import (
    FileStamp,
    PathLike,
    as_paths,
    fetched,
    file_literal,
    read_path,
    side_by_side,
)
from arrowetl.sources._parquet_types import loss
from arrowetl.sources._partitions import partitions
from arrowetl.sources._text import is_text_for
from arrowetl.sql import name, names, options
from arrowetl.stores.mounted import keep_tails, with_urls
from arrowetl.stores.s3 import Store
from arrowetl.typemap.parquet import PARQUET_TYPES

LARGE = 256 << 20
"""Bytes of a row group in a store, over which its file is fetched: DuckDB asks for what it needs of
a row group all at once, and holds it."""
ENDINGS = (".parquet", ".parq", ".pq")
DIGITS = 38
"""Of a decimal, at most: DuckDB would read a longer one as a double."""


@dataclass(frozen=True, repr=False)
class ParquetSource(FileSource):
    """Read Parquet files, and only the columns and row groups of them that are needed.

    Columns and filters of the pipeline reach the scan too, not only those given here. Types come
    as DuckDB gives them: dictionaries as their values, decimals with precision and scale, times
    with their unit and zone. Files on this machine are read page by page: memory doesn't follow
    the size of row groups. Of those in a store, a thread holds the row group that it reads.

    Args:
        path: a path, a glob, a `file://` or `s3://` URL, a list of them, or a folder: all
            `.parquet` files below it, but for names that begin with `_` or a dot. Of files in a
            store only the parts are fetched that are needed.
        columns: the ones to give, in this order; all if None.
        filter: a SQL predicate over any of the files' columns; rows for which it isn't true
            are left out, and row groups in which it can't be are not read.
        hive_partitioning: whether `year=2026/` in a path is a column. All files have the same
            ones. They are whole numbers, dates or times where all values are written as those
            (`7`, not `007`), and else text. If None, it is a SchemaError where a file has a column
            of that name itself: False takes the file's, and True the folder's.
        union_by_name: let files have columns in another order, lack some (they are null), or have
            narrower types, in structs and lists too. Integers and doubles are doubles together;
            where values would lose digits otherwise, it is a SchemaError. If False, all must have
            the first one's columns and types.
        store: the server and the credentials for `s3://` URLs; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense; `filter` isn't one expression.

    >>> import pyarrow as pa, pyarrow.parquet as pq, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "orders.parquet"
    >>> pq.write_table(pa.table({"id": [1, 2, 3], "paid": [True, False, True]}), path)
    >>> ParquetSource(path, columns=["id"], filter="paid").reader().read_all()["id"].to_pylist()
    [1, 3]
    """

    endings = ENDINGS

    path: PathLike | Sequence[PathLike]
    _: KW_ONLY
    columns: Sequence[str] | None = None
    filter: str | None = None
    hive_partitioning: bool | None = None
    union_by_name: bool = True
    store: Store | None = None

    def __post_init__(self) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        object.__setattr__(self, "path", as_paths(self.path, where=where))
        object.__setattr__(self, "columns", as_names(self.columns, where=where))
        flag(self.hive_partitioning, "hive_partitioning", where=where, or_none=True)
        flag(self.union_by_name, "union_by_name", where=where)
        text(self.filter, "filter", where=where, or_none=True)
        if self.filter is not None:
            _check_predicate(self.filter, where)

    def schema(self) -> pa.Schema:
        """Give the schema from the files' footers, as the rows arrive.

        Raises:
            ReadError: a file isn't there, or isn't a whole Parquet file.
            SchemaError: files don't fit together, or have other partitions; a column isn't there;
                a decimal is too long.
        """
        files = self._opened()
        keys = self._keys(files)
        merged = self._describe(files, keys)
        require_all(self.columns or (), merged, where=self.label)
        for example in _kinds(files, self.label):
            self._check(example, keys, merged)
        try:
            with unwrapped(), describing() as connection:
                # Without the limit, the first pages would be read.
                nothing = f"SELECT * FROM ({self._select(files, keys)}) LIMIT 0"
                return connection.sql(nothing).to_arrow_reader().schema
        except duckdb.Error as error:
            raise schema_error(error, self._all(merged), where=self.label) from error

    def relation(self, scratch: Path) -> str:
        """Give the SELECT that reads the files.

        Those in a store whose row groups are large are fetched to `scratch` first.
        """
        files = self._opened()
        keys = self._keys(files)
        if any(file.remote for file in files) and _largest_group(files, self.label) > LARGE:
            files = tuple(side_by_side(partial(self._near, folder=scratch), files))
        return self._select(files, keys)

    def _near(self, file: FileStamp, folder: Path) -> FileStamp:
        if file.remote is None:
            return file
        # `year=2026/` in its path is a column.
        inside = folder / file.remote.at.bucket / Path(file.remote.at.key).parent
        return replace(file, path=fetched(file, inside, where=self.label), remote=None)

    def row_count(self) -> int | None:
        """Give the rows that the footers state; None with a filter, or where they disagree."""
        if self.filter is not None:
            return None
        stated, in_groups, _ = _footers(self._opened(), self.label)
        return stated if stated == in_groups else None

    def largest_part(self) -> int | None:
        """Give the bytes, decompressed, of the largest row group; None if they can't be known."""
        return _footers(self._opened(), self.label)[2]

    @classmethod
    def arrivals(cls) -> Mapping[str, pa.DataType]:
        """Give the Arrow type of each of Parquet's types."""
        return PARQUET_TYPES

    def _opened(self) -> tuple[FileStamp, ...]:
        files = self._files()
        keep_tails([file.remote for file in files if file.remote is not None], where=self.label)
        return files

    def _keys(self, files: Sequence[FileStamp]) -> Fields:
        """Give the columns that folders say: of all files, whichever are then scanned."""
        if self.hive_partitioning is False:
            return ()
        return partitions(tuple(file.path for file in files), where=self.label)

    def _scan(self, files: Sequence[FileStamp], keys: Fields) -> str:
        settings: dict[str, object] = {
            "union_by_name": self.union_by_name,
            "hive_partitioning": bool(keys),
        }
        if keys:
            settings["hive_types"] = dict(keys)
        scan = f"read_parquet({_listed(files, self.label)}{options(settings)})"
        renamed = _decoded(keys, scan)
        return f"(SELECT * RENAME ({renamed}) FROM {scan})" if renamed else scan

    def _select(self, files: Sequence[FileStamp], keys: Fields) -> str:
        wanted = "*" if self.columns is None else names(self.columns)
        kept = "" if self.filter is None else f" WHERE ({self.filter}\n)"
        return f"SELECT {wanted} FROM {self._scan(files, keys)}{kept}"

    def _describe(self, files: Sequence[FileStamp], keys: Fields) -> Fields:
        try:
            return _columns_of(f"SELECT * FROM {self._scan(files, keys)}")
        except duckdb.Error as error:
            raise self._unreadable(files, error) from error

    def _unreadable(self, files: Sequence[FileStamp], error: duckdb.Error) -> ReadError:
        """Find the file that is to blame; DuckDB doesn't always name it."""
        for file in files:
            try:
                _columns_of(f"SELECT * FROM {self._scan([file], ())}")
            except duckdb.Error as own:
                bare = f"{self.label}: {file.path!r} isn't a whole Parquet file"
                instead = None if file.remote else is_text_for(file.path)
                if instead is not None:
                    return ReadError(f"{bare}: {instead}", bare=f"{bare}: {instead}")
                return ReadError(f"{bare} ({_said(own)})", bare=bare)
        bare = f"{self.label}: the files can't be read together"
        return ReadError(f"{bare} ({_said(error)})", bare=bare)

    def _check(self, file: FileStamp, keys: Fields, merged: Fields) -> None:
        """Check that a file fits the columns that all have together."""
        own = self._describe([file], keys)
        if not self.union_by_name and own != merged:
            raise SchemaError(
                f"{file.path!r} has the columns {_told(own)}, and the first file has "
                f"{_told(merged)}; union_by_name=True joins them",
                where=self.label,
            )
        types = dict(merged)
        for column, kind in own:
            why = loss(kind, types.get(column, kind))
            if why is not None:
                raise SchemaError(
                    f"column {column!r} is {kind} in {file.path!r}, and {types[column]} together "
                    f"with others: {why}; read them apart",
                    where=self.label,
                    column=column,
                )
        _check_decimals(file, self.label)
        if keys and self.hive_partitioning is None:
            self._check_keys(file, keys)

    def _check_keys(self, file: FileStamp, keys: Fields) -> None:
        said = {unquote(key).casefold() for key, _ in keys}
        for column, _ in self._describe([file], ()):
            if column.casefold() in said:
                raise SchemaError(
                    f"{file.path!r} has a column {column!r}, and its folders say one, too: "
                    "hive_partitioning=False takes the file's, and True the folder's",
                    where=self.label,
                    column=column,
                )

    def _all(self, columns: Fields) -> pa.Schema:
        return pa.schema([(column, pa.null()) for column, _ in columns])


def _check_predicate(text: str, where: str) -> None:
    try:
        duckdb.SQLExpression(text)
    except duckdb.Error as error:
        raise ConfigError(f"{where}: filter={text!r} isn't one SQL predicate: {error}") from error


def _listed(files: Sequence[FileStamp], where: str) -> str:
    return "[" + ", ".join(file_literal(read_path(file, where=where)) for file in files) + "]"


def _decoded(keys: Fields, scan: str) -> str:
    """Give the renaming of partition columns whose folders have percent signs for letters.

    DuckDB decodes their values and not their names.
    """
    encoded = {key: unquote(key) for key, _ in keys if "%" in key}
    if not encoded:
        return ""
    columns = [column for column, _ in _columns_of(f"SELECT * FROM {scan}")]
    pairs = [(each, encoded.get(each, each)) for each in columns]
    return ", ".join(
        f"{name(have)} AS {name(want)}" for have, want in pairs if want not in {have, *columns}
    )


def _said(error: duckdb.Error) -> str:
    return with_urls(first_line(error))


def _columns_of(select: str) -> Fields:
    with unwrapped(), describing() as connection:
        try:
            relation = connection.sql(select)
        except (RuntimeError, UnicodeDecodeError) as error:
            # Names go to Python as they are; which of the two comes is up to DuckDB's version.
            raise duckdb.InvalidInputException("a column's name isn't UTF-8") from error
        return tuple(zip(relation.columns, map(str, relation.types), strict=True))


@lru_cache(maxsize=64)
def _footers(files: tuple[FileStamp, ...], where: str) -> tuple[int | None, int | None, int | None]:
    """Give what the footers state: rows in all, rows in row groups, bytes in the largest group."""
    listed = _listed(files, where)
    query = f"""
        WITH parts AS (
            SELECT file_name, row_group_id, any_value(row_group_num_rows) AS num_rows,
                sum(total_uncompressed_size) AS size
            FROM parquet_metadata({listed}) GROUP BY file_name, row_group_id
        )
        SELECT (SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({listed})),
            coalesce(sum(num_rows), 0)::BIGINT, coalesce(max(size), 0)::BIGINT
        FROM parts"""
    try:
        with unwrapped(), describing() as connection:
            ((stated, in_groups, largest),) = connection.sql(query).fetchall()
    except duckdb.Error:
        return None, None, None
    return stated, in_groups, largest


@lru_cache(maxsize=64)
def _largest_group(files: tuple[FileStamp, ...], where: str) -> int:
    """Give the bytes, compressed, of the largest row group."""
    query = f"""
        SELECT coalesce(max(size), 0)::BIGINT FROM (
            SELECT sum(total_compressed_size) AS size FROM parquet_metadata({_listed(files, where)})
            GROUP BY file_name, row_group_id)"""
    try:
        with unwrapped(), describing() as connection:
            ((largest,),) = connection.sql(query).fetchall()
    except duckdb.Error:
        return 0
    return int(largest)


@lru_cache(maxsize=64)
def _kinds(files: tuple[FileStamp, ...], where: str) -> tuple[FileStamp, ...]:
    """Give a file of each kind: those of a kind have the same columns in their footers."""
    query = f"""
        SELECT min(file_name) FROM (
            SELECT file_name, list((name, type, num_children, converted_type,
                logical_type, precision, scale)) AS kind
            FROM parquet_schema({_listed(files, where)}) GROUP BY file_name
        ) GROUP BY kind ORDER BY 1"""
    try:
        with unwrapped(), describing() as connection:
            examples = {path for (path,) in connection.sql(query).fetchall()}
    except duckdb.Error as error:
        bare = f"{where}: the files' footers can't be read"
        raise ReadError(f"{bare}: {_said(error)}", bare=bare) from error
    return tuple(file for file in files if read_path(file, where=where) in examples)


def _check_decimals(file: FileStamp, where: str) -> None:
    query = f"""
        SELECT name, precision, scale FROM parquet_schema({_listed([file], where)})
        WHERE precision > {DIGITS}"""
    with unwrapped(), describing() as connection:
        long = connection.sql(query).fetchall()
    for column, precision, scale in long:
        raise SchemaError(
            f"column {column!r} of {file.path!r} is decimal({precision}, {scale}): more than "
            f"{DIGITS} digits would arrive as a double; read the others with columns=",
            where=where,
            column=column,
        )


def _told(columns: Fields) -> str:
    return ", ".join(f"{name(column)} {kind}" for column, kind in columns)
