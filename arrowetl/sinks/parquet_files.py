"""Parquet files as pyarrow writes them: the way for types that DuckDB would change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.arrow import empty_batch, reader_of, scalar
from arrowetl.nesting import nested

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter


@dataclass(frozen=True)
class Layout:
    """How rows become files.

    Attributes:
        codec: the compression.
        level: of the compression; the codec's own default if None.
        group_rows: rows in a row group.
        max_bytes: a file that has grown to this is closed, and the next begun.
        partition_by: columns that become folders.
        stem: what the names of files begin with.
    """

    codec: str
    level: int | None
    group_rows: int
    max_bytes: int | None
    partition_by: tuple[str, ...]
    stem: str

    def write_file(self, reader: pa.RecordBatchReader, path: Path) -> None:
        """Write all rows to one file."""
        self._write(reader, lambda _: path, None)

    def write_folder(self, reader: pa.RecordBatchReader, folder: Path) -> None:
        """Write all rows to files in a folder that exists."""
        if self.partition_by:
            self._write_partitions(reader, folder)
            for path in sorted(folder.rglob("*.parquet")):
                self._split(path)
        else:
            self._write(reader, self._numbered(folder, self.stem), self.max_bytes)

    def _numbered(self, folder: Path, stem: str) -> Callable[[int], Path]:
        return lambda number: folder / f"{stem}-{number}.parquet"

    def _write(
        self, reader: pa.RecordBatchReader, path: Callable[[int], Path], max_bytes: int | None
    ) -> None:
        groups = _row_groups(reader, self.group_rows)
        group = next(groups, None) or pa.Table.from_batches([empty_batch(reader.schema)])
        number = 0
        while group is not None:
            with pa.OSFile(str(path(number)), "wb") as file, self._writer(file, reader) as writer:
                while group is not None:
                    writer.write_table(group, self.group_rows)
                    group = next(groups, None)
                    if max_bytes is not None and file.tell() >= max_bytes:
                        break
            number += 1

    def _writer(self, file: pa.NativeFile, reader: pa.RecordBatchReader) -> ParquetWriter:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(
            file, reader.schema, compression=self.codec, compression_level=self.level
        )

    def _write_partitions(self, reader: pa.RecordBatchReader, folder: Path) -> None:
        import pyarrow.dataset as ds

        # Folders are called as DuckDB calls them; as it is, a '/' in a name would be two folders.
        columns = [quote(c, safe="") if c in self.partition_by else c for c in reader.schema.names]
        renamed = pa.schema(
            [field.with_name(to) for field, to in zip(reader.schema, columns, strict=True)]
        )
        fields = pa.schema([renamed.field(quote(column, safe="")) for column in self.partition_by])
        form = ds.ParquetFileFormat()
        ds.write_dataset(
            reader_of(renamed, (batch.rename_columns(columns) for batch in reader)),
            folder,
            format=form,
            basename_template=f"{self.stem}-{{i}}.parquet",
            partitioning=ds.partitioning(fields, flavor="hive"),
            file_options=form.make_write_options(
                compression=self.codec, compression_level=self.level
            ),
            max_rows_per_group=self.group_rows,
            max_partitions=1_000_000,
            preserve_order=True,  # without it, even one thread mixes the rows
        )

    def _split(self, path: Path) -> None:
        """Cut a partition's file that is too large into several, of one more pass."""
        if self.max_bytes is None or path.stat().st_size <= self.max_bytes:
            return
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(self.group_rows)
            reader = pa.RecordBatchReader.from_batches(file.schema_arrow, batches)
            self._write(reader, self._numbered(path.parent, path.stem), self.max_bytes)
        path.unlink()


def coded(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Give the rows with no null among a dictionary's values, which pyarrow 26 can't write.

    >>> codes = pa.DictionaryArray.from_arrays(pa.array([2, 1]), pa.array(["b", None, "a"]))
    >>> coded(pa.table({"x": codes}).to_reader()).read_all()["x"].chunk(0).dictionary.to_pylist()
    ['b', 'a']
    """
    if all(_plain(kind) == kind for kind in reader.schema.types):
        return reader

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [_coded(each) if _null_code(each) else each for each in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=reader.schema)

    return reader_of(reader.schema, batches())


def _coded(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    kind = column.type
    if not kinds.is_dictionary(kind):
        return column.cast(_plain(kind)).cast(kind)
    # The other values keep their order, which may mean something.
    there = column.dictionary.is_valid()
    places = pc.subtract(pc.cumulative_sum(there.cast(pa.int64())), 1)
    places = pc.if_else(there, places, scalar(None, pa.int64()))
    codes = places.take(column.indices).cast(kind.index_type)
    values = column.dictionary.drop_null()
    return pa.DictionaryArray.from_arrays(codes, values, ordered=kind.ordered)


def _plain(kind: Any) -> pa.DataType:
    """Give a type with values where it has dictionaries, inside it too."""
    if kinds.is_dictionary(kind):
        return kind.value_type
    if kinds.is_nested(kind):
        return nested(kind, lambda field: field.with_type(_plain(field.type)))
    return kind


def _null_code(column: pa.Array) -> bool:
    kind = column.type
    if kinds.is_dictionary(kind):
        return bool(column.dictionary.null_count)
    if _plain(kind) == kind:
        return False
    if kinds.is_map(kind):
        return _null_code(column.keys) or _null_code(column.items)
    parts = column.flatten() if kinds.is_struct(kind) else [column.flatten()]
    return any(map(_null_code, parts))


def _row_groups(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in reader:
        held.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(held, reader.schema)
            yield table.slice(0, rows)
            rest = table.slice(rows)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(held, reader.schema)
