"""JSON files: `JSONSource`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from arrowetl.arguments import flag, text, whole
from arrowetl.errors import ConfigError, ReadError
from arrowetl.rejected import refusal
from arrowetl.sources._aside import Aside, Spool
from arrowetl.sources._columns import Declared, Fields, as_names, check_choice, named_types
from arrowetl.sources._fields import set_fields
from arrowetl.sources._file_source import FileSource
from arrowetl.sources._files import (
    PathLike,
    as_paths,
)
from arrowetl.sources._json_columns import VALUE, Plan, Wish, planned
from arrowetl.sources._json_path import parsed_path
from arrowetl.sources._json_read import Column
from arrowetl.sources._json_rows import Feed, Found, rows_of
from arrowetl.sources._json_survey import Reading
from arrowetl.sources._json_types import RAW
from arrowetl.sources._rejects import first_rejected
from arrowetl.sources._text import COMPRESSIONS, codec_name
from arrowetl.stage import BATCH_ROWS
from arrowetl.stores.s3 import Store
from arrowetl.typemap.json import read_schema, schema_from_text, schema_text

FORMATS = ("auto", "lines", "array", "object")
ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
SHOWN = 200
"""Characters of a text that an error shows."""


@dataclass(frozen=True, init=False, repr=False)
class JSONSource(FileSource):
    r"""Read JSON files of any size, and set apart the records that can't be read.

    A record is an object, and its keys are columns. Types come from all values of all files:
    integers are int64, uint64 or decimal128(38, 0), whichever holds them; with fractions among
    them, doubles, or text if one has over 15 digits, which a double may not keep; objects are
    structs, and lists have one type. Where values of a place disagree otherwise, they are text: of
    scalars the text itself, with objects or lists among them JSON. Text stays text, also where it
    looks like a date: declare it, or cast it later. What nobody has a value for is text, too.

    Rejected, with file, line, byte, text and reason, are: what isn't JSON, or isn't in the file's
    encoding; lone surrogates; what isn't an object, where other records are (if none is, the one
    column is `value`); objects with a key twice; numbers beyond a double; records over 16 MB.
    `NaN` and `Infinity` are taken, as many programs write them. Keys that differ only in case are
    one column, called as the first, if no record has both, and all were looked at; else two, `a`
    and `A_1`. Below the top they make an object JSON text, as do over 1,000 keys. Below 32 levels
    everything is JSON text.

    Of an array that is cut off or has text behind it, that is rejected; what came before arrives.
    A comma behind the last element or value is passed over.
    Memory is bounded however large the files are, and no copies of them are written.

    Args:
        path: a path, a glob (`events/*.json`), a `file://` or `s3://` URL, a folder, or a list of
            them. A folder stands for the JSON files in it and below.
        format: `lines`, a record each; `array`, its elements; `object`, one, or several that
            follow one another. `auto` looks at each file's beginning.
        record_path: where in a document the records are: keys with dots between them, quoted as in
            JSON where they have to be, and `[*]` for each element of a list: `data.items[*]`. A
            document is a line, a file's object or array. Up to the first `[*]`, it may be of any
            size. A line without the list has no records; where keys at the path's end lead to
            nothing, that is rejected; where they lead to lists only, `[*]` is missing, and that is
            a ReadError. A record that is bad is rejected by itself, wherever its
            document can still be cut; if not, the document is, and so it is if a key on the way
            stands twice (in a document that is cut while it is read, the later lists are).
        flatten: whether objects become columns: `address_city` in place of `address`.
        columns: the ones to give, in this order; all if None.
        schema: types by column name (as `Cast` takes them), the other columns are
            inferred; or a `pa.Schema`, or the path of one that `JSONLoader(schema_path=...)`
            wrote: then these are all columns, nothing is inferred, and other keys are passed
            over. A value that doesn't fit, or would lose a digit, rejects its record; fractions
            may be the nearest double or float. A date-time with a zone needs a type with one;
            without, UTC is meant there. Bytes are base64.
        types: what a mapping in `schema` is kept as; `exact`, what a `pa.Schema` is.
        exact: the Arrow schema, serialised, in base64.
        schema_path: where the file with the schema is.
        sample_size: records of each file from which types are inferred. None is all of them: that
            costs a pass before the run, of two to three times the time of the run's own. With a
            number, a record with a key that the sample didn't show, or a value of another type,
            is rejected; a column of text takes any value, as text.
        union_by_name: let files have other columns than the first one. If False, that is a
            SchemaError.
        on_error: `dead_letter` sets bad records apart; `raise` raises a ReadError for the first.
        encoding: any that Python knows; `auto` is UTF-8, or what a byte-order mark says. Bytes
            that aren't in it are `\xe9` in a rejected record's text, and then `\` is `\\`. A
            record's byte in the file is known where the text is UTF-8.
        compression: `gzip`, `bz2`, `xz`, `zstd`, `lz4`, `zip`, `none`; `auto` looks at the first
            bytes, not at the name.
        store: the server and the credentials for `s3://` URLs; the standard chain's if None.

    Raises:
        ConfigError: an option makes no sense.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "orders.json"
    >>> _ = path.write_text('{"orders": [{"id": 1, "to": {"city": "Rome"}}, {"id": 2}]}')
    >>> source = JSONSource(path, record_path="orders[*]", flatten=True)
    >>> source.reader().read_all().to_pylist()
    [{'id': 1, 'to_city': 'Rome'}, {'id': 2, 'to_city': None}]
    """

    endings = ENDINGS

    path: PathLike | Sequence[PathLike]
    format: str
    record_path: str | None
    flatten: bool
    columns: Sequence[str] | None
    types: Fields
    exact: str | None
    schema_path: str | None
    sample_size: int | None
    union_by_name: bool
    on_error: str
    encoding: str
    compression: str
    store: Store | None
    _aside: Aside = field(init=False, repr=False, compare=False)

    def __init__(  # noqa: PLR0913 - its options
        self,
        path: PathLike | Sequence[PathLike],
        *,
        format: str = "auto",  # noqa: A002 - as everybody calls it
        record_path: str | None = None,
        flatten: bool = False,
        columns: Sequence[str] | None = None,
        schema: Declared | PathLike | None = None,
        types: Fields = (),
        exact: str | None = None,
        schema_path: str | None = None,
        sample_size: int | None = None,
        union_by_name: bool = True,
        on_error: str = "dead_letter",
        encoding: str = "auto",
        compression: str = "auto",
        store: Store | None = None,
    ) -> None:
        """Check the options, and keep lists as tuples."""
        where = type(self).__name__
        settled = {
            "_aside": Aside(),
            "path": as_paths(path, where=where),
            "encoding": codec_name(encoding, where=where),
            "columns": as_names(columns, where=where),
            **_declared(types if schema is None else schema, where),
        }
        set_fields(self, locals() | settled)
        self._check(where)

    def _check(self, where: str) -> None:
        check_choice("format", self.format, FORMATS, where)
        check_choice("on_error", self.on_error, ("dead_letter", "raise"), where)
        check_choice("compression", self.compression, COMPRESSIONS, where)
        text(self.record_path, "record_path", where=where, or_none=True)
        if self.record_path is not None:
            parsed_path(self.record_path, where=where)
        whole(self.sample_size, "sample_size", where=where, or_none=True)
        flag(self.flatten, "flatten", where=where)
        flag(self.union_by_name, "union_by_name", where=where)
        if self.flatten and (self.exact or self.schema_path):
            raise ConfigError(f"{where}: a schema of all columns says what is flat; flatten=False")

    def schema(self) -> pa.Schema:
        """Give the schema, declared or inferred; to infer it, the files are read.

        Raises:
            ReadError: a file isn't there, isn't text, is cut off or corrupt; or there is no record
                to infer columns from.
            SchemaError: columns are asked for that no file has, two would have one name, or the
                records have no keys.
        """
        return self._planned().schema

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows, in the order of files and records.

        Values of columns that aren't asked for aren't converted, and so reject nothing.

        Raises:
            ReadError: a file is cut off or corrupt; with `on_error="raise"`, a record is bad.
        """
        plan = self._planned()
        wanted = plan if columns is None else plan.only(columns)
        with (
            tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
            self._aside.scanning() as spool,
            closing(self._rows(wanted, Path(folder), batch_size)) as found,
        ):
            for rows, rejected in found:
                if rejected is not None:
                    self._set_apart(rejected, spool)
                if rows.num_rows:
                    yield rows

    def _rows(self, plan: Plan, folder: Path, batch_size: int) -> Generator[Found, None, None]:
        reading = self._reading()
        with reading.texts(self._files(), folder) as texts:
            feed = Feed(reading, texts)
            for start, records in feed.parts():
                yield from rows_of(plan, start, records, feed, batch_size=batch_size)

    def _set_apart(self, rejected: pa.RecordBatch, spool: Spool) -> None:
        if self.on_error == "raise":
            raise refusal(rejected, first_rejected(rejected), where=self.label)
        spool.add(rejected)

    def rejected(
        self,
        connection: duckdb.DuckDBPyConnection | None,  # noqa: ARG002 - rows come from `scan`
    ) -> Iterator[pa.RecordBatch]:
        """Give the records that the last scan rejected.

        `line` and `byte` are where a record begins, from 1, in the decompressed text; `byte` is
        null where that isn't UTF-8.
        """
        yield from self._aside.taken()

    def _reading(self) -> Reading:
        path = None
        if self.record_path is not None:
            path = parsed_path(self.record_path, where=self.label)
        return Reading(self.format, path, self.encoding, self.compression, self.label)

    def _planned(self) -> Plan:
        exact = None
        if self.schema_path is not None:
            exact = read_schema(self.schema_path, where=self.label)
        elif self.exact is not None:
            exact = schema_from_text(self.exact)
        wish = Wish(
            flatten=self.flatten,
            types=self.types,
            exact=exact,
            sample_size=self.sample_size,
            alike=not self.union_by_name,
        )
        plan = planned(self._files(), self._reading(), wish)
        if not plan.columns:
            raise self._without_records()
        return plan if self.columns is None else plan.only(self.columns)

    def _without_records(self) -> ReadError:
        """Say that there are none; of what may have been meant for one, why it isn't."""
        plan = Plan((Column(VALUE, (), RAW),), pa.schema({VALUE: pa.string()}), (), self.label)
        with (
            tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
            closing(self._rows(plan, Path(folder), BATCH_ROWS)) as found,
        ):
            bad = next((rejected for _, rejected in found if rejected is not None), None)
        if bad is None:
            return ReadError(f"{self.label}: there are no records; give their columns with schema=")
        said = f"no record can be read; the first: {_shown(bad)}"
        return refusal(bad, said, where=self.label)


def _shown(rejected: pa.RecordBatch) -> str:
    import pyarrow.compute as pc

    text = pc.utf8_slice_codeunits(rejected["text"], 0, SHOWN)
    where = rejected.schema.names.index("text")
    nul = pc.any(pc.match_substring(text.slice(0, 1), "\x00")).as_py()  # small: one value
    told = first_rejected(rejected.set_column(where, "text", text))
    return f"{told}; it holds NUL bytes: is it the right file?" if nul else told


def _declared(schema: Declared | PathLike, where: str) -> Mapping[str, object]:
    match schema:
        case str() | os.PathLike():
            return {"schema_path": os.fspath(schema)}
        case pa.Schema():
            return {"exact": schema_text(schema)}
        case _:
            return {"types": named_types(schema, where=where)}
