"""Rows into one open transaction: by COPY as long as it goes well, row by row where it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from arrowetl.arrow import reader_of, rebatched, scalar, texts
from arrowetl.postgres.errors import diagnostics, is_lost, sqlstate
from arrowetl.sinks.postgresql_checks import checks
from arrowetl.sinks.postgresql_sendable import beyond, unsendable
from arrowetl.sinks.postgresql_sql import (
    COUNTER_SQL,
    KEYS,
    LEFT_OUT,
    NUMBER,
    REFUSED,
    REFUSED_SQL,
    STAGED,
    Load,
    Way,
)
from arrowetl.sinks.postgresql_tables import Tables
from arrowetl.sinks.postgresql_types import as_sent
from arrowetl.stage import Refuse

CHUNK_ROWS = 65_536
"""Rows that go back to the last savepoint. Two round trips each: not to be seen in a million."""

CHUNK_BYTES = 32 << 20
"""Bytes of a chunk at which it ends sooner: it is kept in memory until it has arrived."""

SENT_ROWS = 4096
"""Rows that the driver is given at a time: while it puts the next into PostgreSQL's form, the
server takes these. A million rows of CSV arrive in 0.85 of the time that whole chunks take."""

SWIFT_ROWS, SWIFT_BYTES = 1 << 20, 64 << 20
"""A chunk of an upsert that deletes what is there: one pass over the table for each."""

PIECES = 8
"""In so many pieces a chunk that failed is tried again."""

MANY, FAILED = 8, 2
"""Refused rows, or failed pieces, of a chunk from which the rest is staged, and the next one."""

CONDITIONS = {
    "22000": "data_exception",
    "22001": "string_data_right_truncation",
    "22003": "numeric_value_out_of_range",
    "22007": "invalid_datetime_format",
    "22008": "datetime_field_overflow",
    "22021": "character_not_in_repertoire",
    "22023": "invalid_parameter_value",
    "22P02": "invalid_text_representation",
    "22P03": "invalid_binary_representation",
    "22P05": "untranslatable_character",
    LEFT_OUT: "left_out_by_trigger",
    "23502": "not_null_violation",
    "23503": "foreign_key_violation",
    "23505": "unique_violation",
    "23514": "check_violation",
    "23P01": "exclusion_violation",
    "42601": "syntax_error",
    "54000": "program_limit_exceeded",
    "P0001": "raise_exception",
    "XX000": "internal_error",
}
"""PostgreSQL's names for the SQLSTATEs of bad rows; others are said by their five characters."""

_WHY = pa.schema([("reason_code", pa.string()), ("reason", pa.string()), ("column", pa.string())])

_IS_THERE = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
    WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relname = $1)
"""

_COLUMNS_OF = """
SELECT r.conname::text, a.attname::text FROM pg_catalog.pg_constraint r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = r.conkey[1]
WHERE r.conrelid = $1::oid AND array_length(r.conkey, 1) = 1
UNION
SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indnkeyatts = 1
"""


class Chunk:
    """Some of the rows, kept as they came until they have arrived.

    Args:
        first: the first of them.
        source: where the others come from.
        owner: who puts them.
    """

    def __init__(
        self, first: pa.RecordBatch, source: Iterator[pa.RecordBatch], owner: Rows
    ) -> None:
        """Nothing is pulled but the first."""
        self._kept: list[pa.RecordBatch] = []
        self._first, self._source, self._owner = first, source, owner

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Pull the rows; the same iterator can't be had twice."""
        most, most_bytes = self._owner.limits
        rows = size = 0
        batch: pa.RecordBatch | None = self._first
        while batch is not None:
            rows, size = rows + batch.num_rows, size + batch.nbytes
            good = self._owner.without_misfits(batch)
            self._kept.append(good)
            yield good
            batch = next(self._source, None) if rows < most and size < most_bytes else None

    def table(self) -> pa.Table:
        """Give all of the rows; those that nobody has pulled are."""
        if not self._kept:
            for _ in self.batches():
                pass
        return pa.Table.from_batches(self._kept, schema=self._first.schema)


def _same_why(state: str, reason: str, column: str | None, rows: int) -> pa.RecordBatch:
    values = (CONDITIONS.get(state, state), reason, column)
    return pa.RecordBatch.from_arrays(
        [pa.repeat(scalar(value, pa.string()), rows) for value in values], schema=_WHY
    )


def is_of_rows(error: Any, faults: tuple[str, ...]) -> bool:
    """Say whether an error may be one row's fault.

    One that has no SQLSTATE is the driver's: a value that it can't send, or a lost connection.
    """
    state = sqlstate(error)
    return state.startswith(faults) if state else not is_lost(error)


class Rows:
    """Puts rows into a table, in the transaction of an open connection.

    Args:
        connection: of ADBC's, with a transaction begun.
        tables: asks about the table.
        load: where to.
        refuse: takes the rows that the table doesn't.
        chunk_rows: how many rows go back together if one is refused.
    """

    def __init__(
        self,
        connection: Any,
        tables: Tables,
        load: Load,
        refuse: Refuse,
        *,
        chunk_rows: int,
    ) -> None:
        """Nothing is sent yet."""
        self._chunk_rows = chunk_rows
        self._connection, self._tables = connection, tables
        self._load = load
        self._give = refuse
        self.error: Exception | None = None
        self._refused = 0
        self._many = False

    @property
    def limits(self) -> tuple[int, int]:
        """Rows and bytes of a chunk, about."""
        return (SWIFT_ROWS, SWIFT_BYTES) if self._load.swift else (self._chunk_rows, CHUNK_BYTES)

    def put(self, batches: pa.RecordBatchReader) -> int:
        """Put all rows that can be; give how many that were."""
        came = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal came
            for batch in batches:
                came += batch.num_rows
                yield batch

        source = self._remembering(rebatched(counted(), self._chunk_rows))
        while (first := next(source, None)) is not None:
            before = self._refused
            self._put(Chunk(first, source, self))
            self._many = self._refused - before >= MANY
        return came - self._refused

    def _remembering(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Keep the error of whoever gives the rows: the driver gives only its text."""
        try:
            yield from batches
        except Exception as error:
            self.error = error
            raise

    def without_misfits(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Refuse the rows that have a null, or a number, which the table's column can't hold."""
        for way in self._load.ways:
            column, named = batch.column(way.place), batch.schema.names[way.place]
            key = way.column in self._load.key
            if column.null_count and (way.not_null or key):
                reason = f"null in {'key' if key else 'column'} {named!r}, which may have none"
                batch = self._without(batch, column.is_null(), ("23502", reason, named))
            bad = None if way.most is None else beyond(_as_sent_one(batch, way), way.most)
            if bad is not None:
                told = ("22003", f"{way.kind} out of range", named)
                batch = self._without(batch, bad, told)
            bad = way.misfits(batch.column(way.place))
            if bad is not None:
                told = ("22003", f"a number that {way.kind} doesn't hold exactly", named)
                batch = self._without(batch, bad, told)
        return batch

    def _without(
        self, batch: pa.RecordBatch, bad: pa.Array, why: tuple[str, str, str]
    ) -> pa.RecordBatch:
        rows = batch.filter(bad)
        self._refuse(_same_why(*why, rows.num_rows), rows)
        return batch.filter(pc.invert(bad))

    def _refuse(self, why: pa.RecordBatch, rows: pa.RecordBatch) -> None:
        self._refused += rows.num_rows
        try:
            self._give(why, rows)
        except Exception as error:
            self.error = error
            raise

    def _put(self, chunk: Chunk) -> None:
        start = 0
        if self._load.direct and not self._many:
            if self._tried(lambda: self._put_direct(chunk)) is None:
                return
            start = self._put_pieces(chunk.table())
        rows = chunk.table()
        for part in range(start, rows.num_rows, self._chunk_rows):
            self._put_staged(rows.slice(part, self._chunk_rows))

    def _put_pieces(self, rows: pa.Table) -> int:
        """Try pieces of a chunk that failed; give how many rows are done when it's too often."""
        size = self._chunk_rows if self._load.swift else max(self._chunk_rows // PIECES, 1)
        before, failed = self._refused, 0
        for start in range(0, rows.num_rows, size):
            piece = rows.slice(start, size)
            if self._tried(partial(self._put_rows, piece)) is None:
                continue
            self._put_staged(piece)
            failed += 1
            if failed == FAILED or self._refused - before >= MANY:
                self._many = True
                return start + size
        return int(rows.num_rows)

    def _put_direct(self, chunk: Chunk) -> None:
        if self._load.swift:
            self._put_rows(chunk.table())
        else:
            self._copy_into(chunk.batches())

    def _put_rows(self, rows: pa.Table) -> None:
        if self._load.swift:
            rows = last_in_order(rows, [way.place for way in self._load.key_ways])
            self._delete_known(rows)
        self._copy_into(rows.to_batches())

    def _copy_into(self, batches: Iterable[pa.RecordBatch]) -> None:
        ways = self._load.ways
        wires = [way.wire or way.sent.wire for way in ways]
        schema = pa.schema([(way.column, wire) for way, wire in zip(ways, wires, strict=True)])
        sent = (_as_sent(batch, ways, schema) for batch in batches)
        self._copy(self._load.schema, self._load.table, schema, sent)

    def _delete_known(self, rows: pa.Table) -> None:
        """Delete the rows of the table whose keys come again."""
        self._prepared(KEYS, self._load.keys())
        ways = self._load.key_ways
        schema = pa.schema([(way.staged, way.sent.wire) for way in ways])
        sent = (_as_sent(batch, ways, schema) for batch in rows.to_batches())
        self._copy("pg_temp", KEYS, schema, sent)
        self._tables.run(self._load.delete())
        self._tables.run(f"TRUNCATE pg_temp.{KEYS}")

    def _prepared(self, table: str, *statements: str) -> None:
        """Make temporary tables, if they aren't there: what is undone takes them with it."""
        if not self._tables.asked(_IS_THERE, table)[0][0]:
            for statement in statements:
                self._tables.run(statement)

    def _copy(
        self, place: str, table: str, schema: pa.Schema, sent: Iterator[pa.RecordBatch]
    ) -> None:
        rows = reader_of(schema, rebatched(self._remembering(sent), SENT_ROWS))
        # A cursor each: it would keep the schema for its next ingest.
        with self._connection.cursor() as cursor:
            cursor.ingest(table, rows, schema=place)

    def _tried(self, action: Callable[[], None]) -> Any:
        """Do something that rows may be at fault for; give the error, once it is undone."""
        from adbc_driver_manager import Error

        self._tables.run("SAVEPOINT arrowetl_tried")
        failed = None
        try:
            action()
        except Error as error:
            if self.error is not None or not is_of_rows(error, self._load.faults):
                raise
            # If the connection is lost, this says so.
            self._tables.run("ROLLBACK TO SAVEPOINT arrowetl_tried")
            failed = error
        self._tables.run("RELEASE SAVEPOINT arrowetl_tried")
        return failed

    # --- through the staging table ---------------------------------------------------------

    def _put_staged(self, rows: pa.Table) -> None:
        self._prepared(STAGED, self._load.staging(), REFUSED_SQL, COUNTER_SQL)
        for way in self._load.ways:
            rows = self._without_unsendable(rows, way)
        staged = self._staged(rows, 0)
        # Rows of an upsert may share a key: one by one they are slow.
        if (self._many and not self._load.key) or not self._inserted():
            self._insert_precisely(pa.concat_tables([rows.slice(0, 0), *staged]))
        self._tables.run(f"TRUNCATE pg_temp.{STAGED}")

    def _without_unsendable(self, rows: pa.Table, way: Way) -> pa.Table:
        """Refuse what would end any COPY, while it is cheap to find."""
        found = unsendable(rows.column(way.place))
        if found is None or not pc.any(found[0]).as_py():  # small: one flag
            return rows
        mask, state, reason = found
        column = rows.column_names[way.place]
        bad = rows.filter(mask)
        self._refuse(_same_why(state, reason, column, bad.num_rows), _one_batch(bad))
        return rows.filter(pc.invert(pc.fill_null(mask, fill_value=False)))

    def _staged(self, rows: pa.Table, start: int) -> list[pa.Table]:
        """Stage rows, numbered from `start`; halve them until those that can't be are refused."""
        if not rows.num_rows:
            return []
        error = self._tried(lambda: self._stage(rows, start))
        if error is None:
            return [rows]
        if rows.num_rows == 1:
            self._refuse(self._why(error), _one_batch(rows))
            return []
        half = rows.num_rows // 2
        staged = self._staged(rows.slice(0, half), start)
        return staged + self._staged(rows.slice(half), start + sum(map(len, staged)))

    def _stage(self, rows: pa.Table, start: int) -> None:
        ways = self._load.ways
        fields = [pa.field(way.staged, way.sent.wire) for way in ways]
        schema = pa.schema([*fields, (NUMBER, pa.int64())])

        def numbered() -> Iterator[pa.RecordBatch]:
            after = start
            for batch in rows.to_batches():
                sent = _as_sent(batch, ways, pa.schema(fields))
                places = np.arange(after, after := after + batch.num_rows, dtype=np.int64)
                number = pa.Array.from_buffers(
                    pa.int64(), batch.num_rows, [None, pa.py_buffer(places)]
                )
                yield pa.RecordBatch.from_arrays([*sent.columns, number], schema=schema)

        self._copy("pg_temp", STAGED, schema, numbered())

    def _inserted(self) -> bool:
        return self._tried(lambda: self._tables.run(self._load.insert())) is None

    def _insert_precisely(self, rows: pa.Table) -> None:
        run = self._tables.run
        for check in self._checks:
            self._tried(partial(run, check))
        found = self._tables.asked(f"SELECT count(*) FROM pg_temp.{REFUSED}")[0][0]
        if not (found and self._inserted()):
            run(f"CREATE INDEX arrowetl_number ON pg_temp.{STAGED} ({NUMBER})")
            run(self._load.insert_precisely(rows.num_rows))
            run(self._load.blame())
            run("DROP INDEX pg_temp.arrowetl_number")
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM pg_temp.{REFUSED} ORDER BY n")
            refused = cursor.fetch_table()
        if refused.num_rows:
            self._refuse(self._whys(refused), _one_batch(rows.take(refused["n"])))
            run(f"TRUNCATE pg_temp.{REFUSED}")

    @cached_property
    def _checks(self) -> list[str]:
        return checks(self._tables, self._load)

    # --- why -------------------------------------------------------------------------------

    @cached_property
    def _column_of(self) -> dict[str, str]:
        """The column of each constraint and unique index that has one."""
        return dict(self._tables.asked(_COLUMNS_OF, self._tables.oid))

    def _whys(self, refused: pa.Table) -> pa.RecordBatch:
        states = refused["state"].combine_chunks()
        details = _or_null(refused["detail"])
        # The whole row, again.
        whole = pc.is_in(states, texts(["23502", "23514"]))
        nothing, colon = scalar("", pa.string()), scalar(": ", pa.string())
        told = pc.binary_join_element_wise(colon, details, nothing)
        details = pc.if_else(whole, scalar(None, pa.string()), told)
        known = _mapped(refused["con"], self._column_of)
        columns = pc.coalesce(_or_null(refused["col"]), known)
        values = [
            pc.coalesce(_mapped(states, CONDITIONS), states),
            pc.binary_join_element_wise(
                refused["message"], pc.coalesce(details, nothing), nothing, null_handling="skip"
            ),
            columns,
        ]
        return _one_batch(pa.table(values, schema=_WHY))

    def _why(self, error: Any) -> pa.RecordBatch:
        """Say why one row couldn't be staged."""
        facts = diagnostics(error)
        state = sqlstate(error) or "22000"
        reason = facts.get("message_primary", "the driver can't send a value of the row")
        _, _, staged = facts.get("context", "").partition(", column ")
        columns = {way.staged: way.column for way in self._load.ways}
        return _same_why(state, reason, columns.get(staged), 1)


def _as_sent_one(batch: pa.RecordBatch, way: Way) -> pa.Array:
    return as_sent(batch.column(way.place), way.sent, way.sent.wire)


def _as_sent(batch: pa.RecordBatch, ways: Sequence[Way], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        as_sent(batch.column(way.place), way.sent, field.type)
        for way, field in zip(ways, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


_SORTED = (
    *(kinds.is_integer, kinds.is_float32, kinds.is_float64, kinds.is_decimal128, kinds.is_date),
    *(kinds.is_timestamp, kinds.is_string, kinds.is_large_string),
)


def last_in_order(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """Give the last row of each key, sorted by the key, if Arrow can sort it.

    An index takes sorted keys two to three times as fast.

    >>> rows = pa.table({"id": [2, 1, 2], "x": ["a", "b", "c"]})
    >>> last_in_order(rows, [0]).to_pydict()
    {'id': [1, 2], 'x': ['b', 'c']}
    """
    types = [rows.schema.field(place).type for place in places]
    if not all(any(is_kind(kind) for is_kind in _SORTED) for kind in types):
        return rows
    keys = rows.select(list(places)).rename_columns([str(place) for place in places])
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    if not (np.diff(order.to_numpy().view(np.int64)) == 1).all():
        rows, keys = rows.take(order), keys.take(order)
    same = [pc.equal(key.slice(1), key.slice(0, len(key) - 1)) for key in keys.columns]
    repeated = reduce(pc.and_, same)
    if not pc.any(repeated).as_py():  # small: one flag
        return rows
    last = pa.concat_arrays([*pc.invert(repeated).chunks, pa.repeat(True, 1)])
    return rows.filter(last)


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    return next(iter(rows.combine_chunks().to_batches()))


def _or_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give texts, those that are empty as nulls."""
    empty = pc.equal(column, scalar("", column.type))
    return pc.if_else(empty, scalar(None, column.type), column)


def _mapped(column: Any, known: Mapping[str, str]) -> pa.Array:
    chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = chunk.dictionary_encode()
    words = [known.get(word) for word in encoded.dictionary.to_pylist()]  # small: one a kind
    return texts(words).take(encoded.indices)
