"""A second look at columns that may be keys: their different values counted, not estimated."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowetl.arrow import reader_from, reader_of
from arrowetl.duck import unwrapped
from arrowetl.errors import ConfigError, ReadError, translated
from arrowetl.instances import Instance
from arrowetl.profiling.profile import ColumnProfile, Distinct, Profile
from arrowetl.sql import name
from arrowetl.stage import BATCH_ROWS, STREAM_ERRORS, Source

_MEMORY = "256MB"
_ROWS = "arrowetl_rows"


def with_exact_keys(found: Profile, data: Any) -> Profile:
    """Give a profile in which columns that may be keys are, or aren't: their values are counted.

    Each such column is read once more and grouped by DuckDB, which spills what is beyond 256 MB.
    Where there are now other rows than were profiled, what was found stays as it is.

    Raises:
        ConfigError: the rows can be read only once.
        ReadError: the source can't be read again.
    """
    if isinstance(data, pa.RecordBatchReader):
        raise ConfigError(
            "SchemaInferrer: exact_keys reads rows twice, and a RecordBatchReader has them once: "
            "give a source or a table"
        )
    doubted = [each for each in found.columns if _may_be(each)]
    if not doubted or not found.sample.complete:
        return found
    known = _schema_of(data).names  # parts of nested columns are nobody's key
    doubted = [each for each in doubted if each.name in known]
    counts = {each.name: _counts(data, each.name) for each in doubted}
    columns = tuple(
        _told(each, *counts[each.name]) if each.name in counts else each for each in found.columns
    )
    return replace(found, columns=columns)


def _may_be(column: ColumnProfile) -> bool:
    return column.key is not None and column.distinct is not None and not column.distinct.exact


def _told(column: ColumnProfile, rows: int, different: int) -> ColumnProfile:
    if rows != column.rows:
        return column
    unique = f"all {rows:,} values are different, counted in a second look"
    return replace(
        column,
        distinct=Distinct(different, exact=True, looks=2),
        key=unique if different == rows else None,
    )


def _schema_of(data: Any) -> pa.Schema:
    return data.schema() if isinstance(data, Source) else reader_from(data).schema


def _counts(data: Any, column: str) -> tuple[int, int]:
    """Give how many rows there are, and how many different values of a column."""
    source = data if isinstance(data, Source) else None
    with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
        relation = source.relation(Path(folder)) if source else None
        attached = source.attached if source else {}
        scratch = Path(folder)
        own = Instance(scratch=scratch, attached=attached, reads=relation, memory_limit=_MEMORY)
        with own as connection:
            if relation is None:
                connection.register(_ROWS, _reader(source, data, column))
            query = (
                "SELECT coalesce(sum(n), 0)::BIGINT, count(*) FROM (SELECT count(*) AS n "
                f"FROM ({relation or f'FROM {_ROWS}'}\n) GROUP BY {name(column)})"
            )
            label = source.label if source else "SchemaInferrer"
            errors = dict.fromkeys(STREAM_ERRORS, ReadError)
            with translated(label, errors), unwrapped(label):
                [(rows, different)] = connection.sql(query).fetchall()
    return int(rows), int(different)


def _reader(source: Source | None, data: Any, column: str) -> pa.RecordBatchReader:
    if source is None:
        return reader_from(data)
    schema = pa.schema([source.schema().field(column)])
    return reader_of(schema, source.scan(columns=[column], batch_size=BATCH_ROWS))
