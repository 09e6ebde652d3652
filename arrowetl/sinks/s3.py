"""S3Loader: files in an S3 bucket, that appear when they are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from importlib import import_module

import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.secret import hidden
from arrowetl.sinks.feed import choice
from arrowetl.stage import Finding, Mode, Sink
from arrowetl.stores.formats import format_of, require_options
from arrowetl.stores.s3 import SCHEME, Address, Store
from arrowetl.typemap import Stored

FORMATS = {
    "csv": ("arrowetl.sinks.csv", "CSVLoader"),
    "json": ("arrowetl.sinks.json", "JSONLoader"),
    "parquet": ("arrowetl.sinks.parquet", "ParquetLoader"),
}


@dataclass(frozen=True, repr=False)
class S3Loader(Sink):
    """Write CSV, JSON or Parquet files to any S3-compatible server, by multipart uploads.

    It writes as the format's own loader does, which takes `s3://` URLs too. Rows wait in the
    system's temporary folder (`TMPDIR`), so that takes disk as large as the files, and are uploaded
    at the commit. Nothing is seen before: an upload that fails is ended, and one whose run was
    killed is ended by the next run on that machine, or by any after a day.

    One object appears all at once. Of several (Parquet with partitions) each does, one after the
    other, within the moments that completing them takes; in mode ``replace`` old ones stay beside
    them until those are removed. An object `_arrowetl-….json` says meanwhile what is changing: if
    the run is killed then, the next one undoes or finishes it. Two runs that write one object
    don't mix: an ``append`` or ``error`` that comes second is a WriteError.

    Credentials that aren't given come from the standard chain of AWS's tools: the environment,
    `~/.aws`, single sign-on, the machine's role. So do `endpoint` and `region`.

    Args:
        bucket: where to; it has to be there.
        key: the object's, or, ending in `/`, that of a folder of Parquet files.
        prefix: in place of `key`, a folder as `S3Source` calls it, with or without the `/`.
        mode: ``error`` if nothing may be there; ``replace`` it; ``append`` rows to a file, which
            costs its size, or files to a folder.
        format: `csv`, `json` or `parquet`; what the key ends in if None.
        endpoint: the server's URL, if it isn't Amazon's.
        region: where the bucket is.
        access_key: with `secret_key`, who asks.
        secret_key: never shown.
        session_token: of temporary credentials.
        profile: one of those in `~/.aws/config`.
        options: what the format's loader is told: `{"partition_by": ["year"]}`.

    Raises:
        ConfigError: an option makes no sense.

    >>> S3Loader("sales", "2026/", format="parquet", mode="append").label
    "S3Loader('s3://sales/2026/')"
    """

    bucket: str
    key: str | None = None
    _: KW_ONLY
    prefix: str | None = None
    mode: str = "error"
    format: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    options: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the options, those of the format's loader too."""
        hidden(self, "secret_key", "session_token")
        mode = choice(Mode, self.mode, what="mode", where=type(self).__name__)
        object.__setattr__(self, "mode", mode)
        if (self.key is None) == (self.prefix is None):
            raise ConfigError("S3Loader: say key= or prefix=, one of them")
        option = "key" if self.prefix is None else "prefix"
        value = getattr(self, option)
        if not isinstance(value, str) or (option == "prefix" and not value.strip("/")):
            raise ConfigError(f"S3Loader: {option} is text, not {value!r}")
        Address.of(self._url, where=type(self).__name__)
        self._sink.label  # noqa: B018 - making it is what checks the options

    @property
    def label(self) -> str:
        """The class and the URL."""
        return f"{type(self).__name__}({self._url!r})"

    def check(self, schema: pa.Schema) -> tuple[str, ...]:
        """Look whether the rows could be written; nothing is changed."""
        return self._sink.check(schema)

    def stored(self, schema: pa.Schema) -> tuple[Stored, ...]:
        """Give what the format makes of each column's type."""
        return self._sink.stored(schema)

    def diagnose(self, schema: pa.Schema) -> Iterator[Finding]:
        """Look whether the rows would fit; begin an upload, and end it."""
        return self._sink.diagnose(schema)

    def reached(self) -> Iterator[Finding]:
        """Begin an upload, and end it."""
        return self._sink.reached()

    def begin(self, schema: pa.Schema) -> None:
        """Try whether objects may be put; undo or finish what killed runs left."""
        self._sink.begin(schema)

    def statement(self, select: str, schema: pa.Schema) -> str | None:
        """Give the COPY to the temporary folder, where the format has one."""
        return self._sink.statement(select, schema)

    def write(self, batches: pa.RecordBatchReader) -> int:
        """Write the rows to the temporary folder."""
        return self._sink.write(batches)

    def commit(self) -> None:
        """Upload the files, then let them appear."""
        self._sink.commit()

    def abort(self) -> None:
        """End the uploads, and remove what was written."""
        self._sink.abort()

    def __getstate__(self) -> dict[str, object]:
        """Leave the loader behind: it is made again, and may be in a run."""
        return {key: value for key, value in self.__dict__.items() if key != "_sink"}

    @property
    def _url(self) -> str:
        return f"{SCHEME}{self.bucket}/{self._key}"

    @property
    def _key(self) -> str:
        return self.key if self.key is not None else f"{str(self.prefix).rstrip('/')}/"

    @cached_property
    def _sink(self) -> Sink:
        form = format_of(self._key, self.format, FORMATS, where="S3Loader")
        module, name = FORMATS[form]
        make = getattr(import_module(module), name)
        require_options(make, self.options, where="S3Loader")
        store = Store(
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
            session_token=self.session_token,
            profile=self.profile,
        )
        try:
            sink: Sink = make(self._url, mode=self.mode, store=store, **self.options)
        except TypeError as error:
            raise ConfigError(f"S3Loader: options={dict(self.options)!r}: {error}") from error
        return sink
