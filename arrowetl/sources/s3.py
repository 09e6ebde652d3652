"""Files in an S3 bucket: `S3Source`."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.secret import hidden
from arrowetl.sources._files import find_files
from arrowetl.stage import BATCH_ROWS, Finding, Source, found
from arrowetl.stores.formats import format_of, require_options
from arrowetl.stores.s3 import SCHEME, Address, Store

FORMATS = {
    "csv": ("arrowetl.sources.csv", "CSVSource"),
    "json": ("arrowetl.sources.json", "JSONSource"),
    "parquet": ("arrowetl.sources.parquet", "ParquetSource"),
    "text": ("arrowetl.sources.text", "TextSource"),
}


@dataclass(frozen=True, repr=False)
class S3Source(Source):
    """Read CSV, JSON, Parquet or text files from any S3-compatible server.

    It reads as the format's own source does, which takes `s3://` URLs too: of Parquet only the
    columns and row groups that are needed; other files are fetched to the run's scratch folder.
    An object that is changed while it is read, or that ends too soon, is a ReadError.

    Credentials that aren't given come from the standard chain of AWS's tools: the environment,
    `~/.aws`, single sign-on, the machine's role. So do `endpoint` and `region`.

    Args:
        bucket: where the objects are.
        prefix: an object's key; a glob; or how keys begin: all objects below it, then, but for
            those whose names begin with `_` or a dot.
        format: `csv`, `json`, `parquet` or `text`; what the prefix ends in if None.
        endpoint: the server's URL, if it isn't Amazon's.
        region: where the bucket is.
        access_key: with `secret_key`, who asks.
        secret_key: never shown.
        session_token: of temporary credentials.
        profile: one of those in `~/.aws/config`.
        anonymous: ask as nobody, for public buckets.
        options: what the format's source is told: `{"delimiter": ";"}`.

    Raises:
        ConfigError: an option makes no sense.

    >>> S3Source("sales", "2026/", format="csv", options={"delimiter": ";"}).label
    "S3Source('s3://sales/2026/')"
    """

    bucket: str
    prefix: str = ""
    _: KW_ONLY
    format: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    anonymous: bool = False
    options: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the options, those of the format's source too."""
        hidden(self, "secret_key", "session_token")
        if not isinstance(self.prefix, str):
            raise ConfigError(f"S3Source: prefix is text, not {self.prefix!r}")
        Address.of(self._url, where="S3Source")
        self._source.label  # noqa: B018 - making it is what checks the options

    def schema(self) -> pa.Schema:
        """Give the schema as the format's source does: from heads, or footers."""
        return self._source.schema()

    def relation(self, scratch: Path) -> str | None:
        """Give the SELECT that reads the objects."""
        return self._source.relation(scratch)

    def scan(
        self, *, columns: Sequence[str] | None = None, batch_size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows as the format's source does."""
        return self._source.scan(columns=columns, batch_size=batch_size)

    def with_care(self, columns: Sequence[str] | None) -> Source | None:
        """Give the source that reads as the format's does with care, if that can."""
        if self._source.with_care(columns) is None:
            return None
        return replace(self, options={**self.options, "careful": columns or True})

    def glance(self, *, rows: bool) -> S3Source:
        """Give the source that looks at objects as the format's does at a glance."""
        seen = replace(self)
        vars(seen)["_source"] = self._source.glance(rows=rows)  # as cached
        return seen

    def rejected(self, connection: duckdb.DuckDBPyConnection | None) -> Iterator[pa.RecordBatch]:
        """Give what the format's source rejects; `file` is an `s3://` URL."""
        return self._source.rejected(connection)

    @property
    def rejects(self) -> bool:
        """Whether the format's source may reject any."""
        return self._source.rejects

    def row_count(self) -> int | None:
        """Give the number of rows, where footers say it."""
        return self._source.row_count()

    def largest_part(self) -> int | None:
        """Give the bytes of the largest row group, where footers say it."""
        return self._source.largest_part()

    def diagnose(self) -> Iterator[Finding]:
        """Try to list the objects, then to read the schema."""
        listing = found(f"list {self._url!r}", self._listed)
        yield listing
        if listing.works:
            yield from super().diagnose()

    def _listed(self) -> str:
        files = find_files([self._path], where=self.label, store=self._store)
        size = sum(file.size for file in files)
        return f"{len(files):,} objects, {size:,} bytes, at {self._store.address}"

    @property
    def label(self) -> str:
        """The class and the URL."""
        return f"{type(self).__name__}({self._url!r})"

    @property
    def size(self) -> int | None:
        """Bytes of the objects, compressed or not; None if they can't be listed."""
        return self._source.size

    @property
    def _url(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}"

    @property
    def _path(self) -> str:
        if glob.has_magic(self.prefix):
            return self._url
        return f"{self._url}**"

    @property
    def _store(self) -> Store:
        return Store(
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
            session_token=self.session_token,
            profile=self.profile,
            anonymous=self.anonymous,
        )

    @cached_property
    def _source(self) -> Source:
        form = format_of(self.prefix, self.format, FORMATS, where="S3Source")
        module, name = FORMATS[form]
        make = getattr(import_module(module), name)
        require_options(make, self.options, where="S3Source")
        try:
            source: Source = make(self._path, store=self._store, **self.options)
        except TypeError as error:
            raise ConfigError(f"S3Source: options={dict(self.options)!r}: {error}") from error
        return source
