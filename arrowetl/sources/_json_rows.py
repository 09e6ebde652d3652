"""Records of JSON files to rows, and to what is rejected, in one pass."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import duckdb
import pyarrow as pa

from arrowetl.duck import stream_select
from arrowetl.errors import ArrowETLError, ReadError, first_line
from arrowetl.rejected import REJECTED_SCHEMA, places
from arrowetl.sources._json_apart import apart, until_a_list, unwrapped, wrapped
from arrowetl.sources._json_checks import DIGITS
from arrowetl.sources._json_columns import Plan
from arrowetl.sources._json_read import MARKS, REASONS, select_rows
from arrowetl.sources._json_shape import Path as Place
from arrowetl.sources._json_shape import longest_integer
from arrowetl.sources._json_split import FAULTS
from arrowetl.sources._json_survey import Reading
from arrowetl.sources._json_values import cast_and_made
from arrowetl.sources._text import Text, unmarked

EXPLAINED = 1000
"""Of so many rejected records in a batch the JSON is parsed again, to say where it breaks."""

Found = tuple[pa.RecordBatch, pa.RecordBatch | None]


@dataclass
class Feed:
    """The documents of all files, each with the number of its file.

    Attributes:
        reading: how they are read.
        texts: of the files.
        names: what the files are called, by number; an archive's members are files here.
        shifts: how many bytes come before the text; None where it isn't as it lies there.
        error: what went wrong while they were read.
    """

    reading: Reading
    texts: Iterator[Text]
    names: list[str] = field(default_factory=list)
    shifts: list[int | None] = field(default_factory=list)
    error: ArrowETLError | None = None

    def parts(self) -> Iterator[tuple[Place, Iterator[pa.RecordBatch]]]:
        """Give where records are in documents, and these; files alike in that are one part."""
        for start, files in groupby(self._all(), itemgetter(0)):
            yield start, self._kept(batch for _, batches in files for batch in batches)

    def _all(self) -> Iterator[tuple[Place, Iterator[pa.RecordBatch]]]:
        for text in self.texts:
            start, records = self.reading.records(text)
            self.names.append(text.file.name)
            exact = text.form.encoding == "utf-8"
            self.shifts.append(text.form.mark if exact else None)
            kept = records if exact else map(_unmarked, records)
            yield start, _numbered(kept, len(self.names) - 1)

    def _kept(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except ArrowETLError as error:
            self.error = error
            raise


def _numbered(records: Iterator[pa.RecordBatch], number: int) -> Iterator[pa.RecordBatch]:
    for batch in records:
        numbers = pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows)
        yield batch.append_column("file", numbers)


def _unmarked(records: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow.compute as pc

    if records["fault"].null_count == records.num_rows:
        return records
    texts = pc.if_else(records["fault"].is_valid(), unmarked(records["text"]), records["text"])
    return records.set_column(records.schema.get_field_index("text"), "text", texts)


def _watched(documents: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in documents:
        digits = pa.scalar(longest_integer([batch["text"]]), pa.int32())
        yield batch.append_column(DIGITS, pa.repeat(digits, batch.num_rows))


def rows_of(
    plan: Plan, start: Place, documents: Iterator[pa.RecordBatch], feed: Feed, *, batch_size: int
) -> Generator[Found, None, None]:
    """Give the rows of documents, batch by batch, and what is rejected, if anything is.

    Raises:
        ReadError: a file can't be read on.
    """
    try:
        for batch in _read(plan, start, documents, batch_size=batch_size):
            yield _split(batch, plan, feed)
    except duckdb.Error as error:
        if feed.error is not None:
            raise feed.error from None
        raise ReadError(f"{plan.where}: {first_line(error)}") from error


def _read(
    plan: Plan,
    start: Place,
    documents: Iterator[pa.RecordBatch],
    *,
    batch_size: int,
    way: Place = (),
) -> Iterator[pa.RecordBatch]:
    """Give what DuckDB reads, and `MARKS`; documents that were taken apart `way` down."""
    select = select_rows(plan.columns, plan.checks(start, way), start)
    if way:
        documents = (_with_text(each, wrapped(each["text"], way)) for each in documents)
    if plan.sampled:
        documents = _watched(documents)
    for batch in stream_select(lambda _: select, documents, batch_size=batch_size):
        found = _with_text(batch, unwrapped(batch["text"], way)) if way else batch
        if None in start[len(way) :]:
            found = _parted(found, plan, start, way)
        yield found


def _with_text(batch: pa.RecordBatch, text: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.names.index("text"), "text", text)


def _parted(batch: pa.RecordBatch, plan: Plan, start: Place, way: Place) -> pa.RecordBatch:
    """Put in the place of each document that is bad the records in it, if one of them is."""
    import pyarrow.compute as pc

    code = batch["code"]
    bad = pc.indices_nonzero(pc.and_not(code.is_valid(), pc.is_in(code, pa.array(list(FAULTS)))))
    parts = apart(batch.take(bad), start[len(way) :])
    if not parts.num_rows:
        return batch
    step, _ = until_a_list(start[len(way) :])
    read = _read(plan, start, iter([parts]), batch_size=parts.num_rows, way=(*way, *step))
    records = pa.Table.from_batches(read).combine_chunks()
    # What is wrong with the others is around their lists, so nothing is known of it there.
    to_blame = pc.unique(records["file"].filter(records["code"].is_valid()))
    records = records.filter(pc.is_in(records["file"], to_blame)).combine_chunks()
    if not records.num_rows:
        return batch
    rows = bad.take(records["file"].combine_chunks())
    kept = _without(batch.num_rows, rows)
    file = batch["file"].take(rows)
    records = records.set_column(records.schema.names.index("file"), "file", file)
    whole = pa.concat_batches([batch.take(kept), *records.to_batches()])
    # The sort is stable: records of a document stay in their order.
    return whole.take(pc.sort_indices(pa.concat_arrays([kept, rows])))


def _without(count: int, rows: pa.Array) -> pa.Array:
    """Give the numbers below `count` that aren't among `rows`."""
    import numpy as np

    mask = np.ones(count, bool)
    mask[rows.to_numpy()] = False
    return pa.array(np.flatnonzero(mask), rows.type)


def _split(batch: pa.RecordBatch, plan: Plan, feed: Feed) -> Found:
    import pyarrow.compute as pc

    code = batch.column(MARKS.index("code"))
    values = []
    for column, given, wanted in zip(
        plan.columns, batch.columns[len(MARKS) :], plan.schema, strict=True
    ):
        value, bad = given, None
        if column.wanted is not None:
            found = cast_and_made(given, column.wanted, column.cast)
            value, bad = found.values, found.bad
            if not wanted.nullable and value.null_count:
                bad = value.is_null()
        values.append(value)
        if bad is not None:
            cast = pc.if_else(bad, f"cast:{column.name}", pa.scalar(None, pa.string()))
            code = pc.coalesce(code, cast)
    if code.null_count == len(code):
        return pa.RecordBatch.from_arrays(values, schema=plan.schema), None
    good, bad_rows = code.is_null(), code.is_valid()
    kept = [value.filter(good) for value in values]
    marks = pa.RecordBatch.from_arrays(
        [*batch.columns[: MARKS.index("code")], code, batch.column(MARKS.index("text"))], MARKS
    ).filter(bad_rows)
    return pa.RecordBatch.from_arrays(kept, schema=plan.schema), _rejected(marks, feed)


def _rejected(marks: pa.RecordBatch, feed: Feed) -> pa.RecordBatch:
    """Give the rejected records as dead letters have them."""
    import pyarrow.compute as pc

    text = marks["text"]
    bare = pc.ascii_ltrim(text, characters=" \t\r\n")
    blank = pc.subtract(pc.binary_length(text), pc.binary_length(bare))
    feeds = pc.subtract(pc.count_substring(text, "\n"), pc.count_substring(bare, "\n"))
    shifts = pa.array(feed.shifts, pa.int64()).take(marks["file"])
    place = places(
        marks.num_rows,
        file=pa.array(feed.names, pa.string()).take(marks["file"]),
        line=pc.add(marks["line"], feeds.cast(pa.int64())),
        byte=pc.add(pc.add(marks["byte"], blank.cast(pa.int64())), shifts),
    )
    parts = pc.split_pattern(marks["code"], ":", max_splits=1)
    code = pc.list_element(parts, 0)
    named = pc.equal(pc.list_value_length(parts), 2)
    column = pc.if_else(
        named,
        pc.replace_substring_regex(marks["code"], "(?s)^[^:]*:", ""),
        pa.scalar(None, pa.string()),
    )
    shown = pc.ascii_rtrim(bare, characters=" \t\r\n")
    columns = [code, _reasons(code, shown), column, place, shown]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTED_SCHEMA)


def _reasons(code: pa.Array, text: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    known = pa.array(REASONS.values(), pa.string())
    reasons = known.take(pc.index_in(code, pa.array(REASONS.keys(), pa.string())))
    malformed = pc.equal(code, "malformed")
    broken = text.filter(malformed).slice(0, EXPLAINED)
    if not len(broken):
        return reasons
    said = [_why(each) for each in broken.to_pylist()]  # small: some of the rejected
    said += [REASONS["malformed"]] * (pc.sum(malformed).as_py() - len(said))  # small: a number
    return pc.replace_with_mask(reasons, malformed, pa.array(said, pa.string()))


def _why(text: str) -> str:
    import orjson

    if not text:
        return "there is no value between two commas, or after the last one"
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"{REASONS['malformed']}: {error}"
    return REASONS["malformed"]
