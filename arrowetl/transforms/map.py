"""Map: a Python function over every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import pyarrow as pa

from arrowetl.arrow import empty_batch, reader_from, refuse_addresses
from arrowetl.errors import ConfigError, ReadError, SchemaError, StageError
from arrowetl.stage import Rows, Stage
from arrowetl.transforms._arguments import by_name
from arrowetl.typemap.words import Kind, arrow_type

Function = Callable[[pa.RecordBatch], Any]


@dataclass(frozen=True)
class Map(Stage):
    """Give `fn(batch)` for every batch.

    The function sees an Arrow batch, not rows: `pyarrow.compute` and NumPy views keep it fast. It
    has to answer for each row by itself, since where a batch ends isn't said, and must not write
    to what it is given.

    Args:
        fn: takes a batch; gives one, or a table, a data frame of Polars or pandas, whatever has
            `__arrow_c_stream__`, or a mapping of column names to Arrow arrays. An index of pandas
            that has no name is no column.
        schema: what comes out, as an Arrow schema or as types by column name (Arrow's, also by
            their words; DuckDB's words; Python's). Without it, the function is tried on an empty
            batch; with it, it never sees one.
        rows: how it may change the number of rows; by default it may not.

    Raises:
        ConfigError: `fn` can't be called, or is the class of a stage.

    >>> import pyarrow as pa, pyarrow.compute as pc
    >>> double = Map(lambda batch: {"x": pc.multiply(batch["x"], 2)})
    >>> double.bind(pa.schema({"x": pa.int64()}))
    x: int64
    """

    fn: Function
    schema: pa.Schema | Mapping[str, Kind] | None = None
    _: KW_ONLY
    rows: Rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the function, and keep types as an Arrow schema."""
        if not callable(self.fn):
            raise ConfigError(f"Map: takes a function over a batch, not {self.fn!r}")
        if isinstance(self.fn, type) and issubclass(self.fn, Stage):
            named = self.fn.__name__
            raise ConfigError(f"{named} is a class, and what is wanted a stage: write {named}(...)")
        if self.schema is not None and not isinstance(self.schema, pa.Schema):
            asked = by_name(self.schema, where="Map", option="schema", example='{"id": "int64"}')
            types = {
                each: arrow_type(asked[each], where=f"Map: schema: {each!r}") for each in asked
            }
            object.__setattr__(self, "schema", pa.schema(types))

    @property
    def label(self) -> str:
        """The function's name, if it has one."""
        named = getattr(self.fn, "__name__", "<lambda>")
        return "Map" if named == "<lambda>" else f"Map({named})"

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema that was stated, or that of what becomes of an empty batch.

        Raises:
            SchemaError: the function gives something else, or fails on no rows.
        """
        if isinstance(self.schema, pa.Schema):
            return self.schema
        try:
            return self._made(empty_batch(schema)).schema
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            raise SchemaError(
                f"the function failed on an empty batch ({type(error).__name__}: {error}), so "
                "what it gives isn't known; state it in schema",
                where=self.label,
            ) from error

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Apply the function to every batch."""
        for batch in batches:
            if isinstance(self.schema, pa.Schema) and batch.num_rows == 0:
                yield empty_batch(self.schema)
                continue
            made = self._made(batch)
            # An empty table may have no batches, and its schema would be lost.
            yield from made.to_batches() or [empty_batch(made.schema)]

    def _made(self, batch: pa.RecordBatch) -> pa.Table:
        made = self._table(self.fn(batch), batch)
        if self.rows is Rows.SAME and made.num_rows != batch.num_rows:
            raise StageError(
                f"{self.label}: the function gave {made.num_rows} rows for {batch.num_rows}; "
                "if it may, say so: rows=Rows.REMOVES, or Rows.ANY"
            )
        return made

    def _table(self, made: object, batch: pa.RecordBatch) -> pa.Table:
        match made:
            case pa.Table():
                return made
            case pa.RecordBatch():
                return pa.Table.from_batches([made])
            case Mapping():
                return pa.Table.from_pydict(dict(made), schema=self.schema)
            case _ if hasattr(made, "__arrow_c_stream__"):
                return self._framed(made, batch)
            case _:
                raise SchemaError(
                    f"the function gave {type(made).__name__}: it has to give a RecordBatch, a "
                    "Table, a data frame, or a mapping of column names to arrays",
                    where=self.label,
                )

    def _framed(self, made: Any, batch: pa.RecordBatch) -> pa.Table:
        try:
            refuse_addresses(made, getattr(made, "schema", {}))
            table = reader_from(made).read_all()
            # Where rows were left out of a frame, it has numbers of the others for an index.
            index = [each for each in table.column_names if each.startswith("__index_level_")]
            table = table.drop_columns([each for each in index if each not in batch.schema.names])
            table = table.replace_schema_metadata(None)
            stated = self.schema if isinstance(self.schema, pa.Schema) else table.schema
            return table.cast(stated) if stated.names == table.column_names else table
        except (ReadError, TypeError, ValueError, pa.ArrowException) as error:
            raise SchemaError(
                f"the function gave {type(made).__name__} that can't be taken: {error}",
                where=self.label,
                bare=f"the function gave {type(made).__name__} that can't be taken",
            ) from error
