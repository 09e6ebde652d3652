"""What destinations of one file have in common: its place, and how it appears all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from arrowetl.errors import ConfigError, OccupiedError, WriteError, closest, did_you_mean
from arrowetl.sinks.csv_files import codec_of, join
from arrowetl.sinks.feed import choice, path_text, writing
from arrowetl.sinks.places import Place, Stage, diagnosed, place_of, tried_out
from arrowetl.stage import Finding, Mode, Sink
from arrowetl.stores.s3 import Store


@dataclass
class FileRun:
    """What a run has opened."""

    stage: Stage | None = None
    schema: pa.Schema | None = None


class OneFileSink(Sink):
    """A destination of one file: written under a hidden name beside it, renamed at the commit."""

    path: str | os.PathLike[str]
    mode: str
    compression: str | None
    store: Store | None
    _run: FileRun

    def _check_file(self, what: str, codecs: Sequence[str]) -> None:
        """Check the options of the file: `what` it is called, the compressions it may have."""
        where = type(self).__name__
        object.__setattr__(self, "path", path_text(self.path, where=where, is_file=True))
        object.__setattr__(self, "mode", choice(Mode, self.mode, what="mode", where=where))
        if self.mode == Mode.UPSERT:
            raise ConfigError(
                f"{where}: a {what} file has no keys, so there is no mode='upsert'; "
                f"use 'replace' or 'append', or load into a database"
            )
        self._refuse_unknown("compression", self.compression, codecs)

    def _refuse_unknown(self, option: str, word: str | None, known: Sequence[str]) -> None:
        if word is not None and word not in known:
            hint = did_you_mean(closest(str(word), known))
            raise ConfigError(
                f"{type(self).__name__}: no {option} {word!r}{hint} There are: {', '.join(known)}"
            )

    @property
    def label(self) -> str:
        """The class and the path."""
        return f"{type(self).__name__}({str(self.path)!r})"

    def diagnose(self, schema: pa.Schema) -> Iterator[Finding]:
        """Look whether the rows would fit, then whether the place may be written."""
        yield from diagnosed(super().diagnose(schema), lambda: self._place)

    def reached(self) -> Iterator[Finding]:
        """Try whether the place may be written."""
        yield tried_out(lambda: self._place)

    def begin(self, schema: pa.Schema) -> None:
        """Make the hidden folder beside the destination."""
        self.abort()
        self.check(schema)
        with writing(self.label):
            self._run.stage = self._place.stage()
        self._run.schema = schema

    def abort(self) -> None:
        """Remove what was written."""
        if self._run.stage is not None:
            self._run.stage.close()
            self._run.stage = None

    @property
    def _codec(self) -> str:
        return self.compression or codec_of(str(self.path))

    @property
    def _place(self) -> Place:
        return place_of(str(self.path), self.store, folder=False, where=self.label)

    def _check_place(self) -> Place:
        place = self._place
        if place.is_folder():
            raise WriteError(f"{self.label}: is a folder, and a file is wanted; name one in it")
        if self.mode == Mode.ERROR and place.is_file():
            raise OccupiedError(
                f"{self.label}: is there already; mode='replace' puts the new rows in its place, "
                f"mode='append' adds them to it"
            )
        return place

    @property
    def _rows(self) -> Path:
        """Where the rows are written."""
        if self._run.stage is None:
            return self._place.preview
        return self._run.stage.folder / "rows"

    @property
    def _target(self) -> Path:
        """Where the file is put together, if the rows as they are written aren't it."""
        folder = self._rows.parent / "packed"
        folder.mkdir(exist_ok=True)
        return folder / os.path.basename(self.path)  # noqa: PTH119 - the path is text

    def _pack(self, parts: list[tuple[Path, str]]) -> Path:
        target = self._target
        join(parts, target, self._codec)
        return target
