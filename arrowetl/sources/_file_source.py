"""What all sources of files have in common: paths, the files there are, what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from arrowetl.errors import ReadError
from arrowetl.findings import Finding, tried
from arrowetl.sources._files import FileStamp, PathLike, as_paths, find_files, shown
from arrowetl.stage import Source
from arrowetl.stores.s3 import Store


class FileSource(Source):
    """A source of one path, or several: files, folders, globs, URLs."""

    endings: ClassVar[tuple[str, ...]] = ()
    """How the names of files in a folder end that count; all do if there are none."""

    path: PathLike | Iterable[PathLike]
    store: Store | None

    @property
    def label(self) -> str:
        """The class and the path."""
        return f"{type(self).__name__}({shown(self._paths)})"

    @property
    def size(self) -> int | None:
        """Bytes of the files as they lie there, compressed or not; None if they can't be found."""
        try:
            return sum(file.size for file in self._files())
        except ReadError:
            return None

    def diagnose(self) -> Iterator[Finding]:
        """Try to find the files, then to read the schema."""

        def told() -> str:
            files, size = self._files(), self.size or 0
            return f"{len(files):,} {'file' if len(files) == 1 else 'files'}, {size:,} bytes"

        schema = "read the schema", lambda: f"{len(self.schema())} columns"
        yield from tried([("find the files", told), schema])

    @property
    def _paths(self) -> tuple[str, ...]:
        return as_paths(self.path, where=type(self).__name__)

    def _files(self) -> tuple[FileStamp, ...]:
        return find_files(self._paths, where=self.label, below=self.endings, store=self.store)
