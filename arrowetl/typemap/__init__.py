"""Arrow types in other places: what DuckDB reads, what Parquet and SQLite keep, what is lost.

Conversions are casts of whole columns, in Arrow or in SQL; no value becomes a Python object.
"""

from arrowetl.typemap.digits import unfit, unfit_text
from arrowetl.typemap.duckdb import (
    arrow_schema,
    duck_types,
    duckable,
    duckable_schema,
    duckdb_columns,
    refuse_twins,
    refuse_unkept,
)
from arrowetl.typemap.parquet import copies, copy_safe, parquet_columns, writable
from arrowetl.typemap.rounding import keeps, may_keep, rounded
from arrowetl.typemap.sqlite import sqlite_columns
from arrowetl.typemap.stored import NAN, NANOSECONDS, NOT_FINITE, Fate, Stored

__all__ = [
    "NAN",
    "NANOSECONDS",
    "NOT_FINITE",
    "Fate",
    "Stored",
    "arrow_schema",
    "copies",
    "copy_safe",
    "duck_types",
    "duckable",
    "duckable_schema",
    "duckdb_columns",
    "keeps",
    "may_keep",
    "parquet_columns",
    "refuse_twins",
    "refuse_unkept",
    "rounded",
    "sqlite_columns",
    "unfit",
    "unfit_text",
    "writable",
]
