"""Where file loaders put their files: on a disk, or in a store.

A `Place` is looked at before a run; its `stage` gives a local folder in which the rows wait, and
which publishes them: on a disk by renames, in a store by multipart uploads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePath

from arrowetl.files import Staging, destination_path, locked
from arrowetl.sinks.folders import add_to_folder, refuse_foreign, replace_folder
from arrowetl.stage import Finding, found
from arrowetl.stores.s3 import Address, Store, is_s3


class Place(ABC):
    """A file's or a folder's place: looked at, and not touched."""

    @abstractmethod
    def is_file(self) -> bool:
        """Whether a file is there."""

    @abstractmethod
    def is_folder(self) -> bool:
        """Whether a folder is there."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing is there, or a folder without files."""

    @abstractmethod
    def refuse_foreign(self) -> None:
        """Raise WriteError if replacing the folder would delete what isn't Parquet."""

    def example(self) -> PurePath | None:
        """Give the path of one of the folder's Parquet files, below it; None if none is known."""
        return None

    @abstractmethod
    def beginning(self) -> AbstractContextManager[Path]:
        """Give a local path with the beginning of the file, at least; nothing is at it if none."""

    @abstractmethod
    def stage(self) -> Stage:
        """Make a folder for the rows to wait in; remove what killed runs left."""

    @abstractmethod
    def try_out(self) -> str:
        """Try whether it may be written, and leave nothing; say what was found.

        Raises:
            WriteError: it may not.
        """

    @property
    @abstractmethod
    def preview(self) -> Path:
        """What `explain` shows as the path that is written to."""


class Stage(ABC):
    """A local folder in which rows wait, and from which they are published."""

    folder: Path

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """Keep other runs from publishing to the same place meanwhile, where that can be done."""

    @abstractmethod
    def existing(self) -> Path | None:
        """Give a local path with the file that is there now, for `publish` to replace just that."""

    @abstractmethod
    def publish(self, staged: Path, *, overwrite: bool) -> None:
        """Put a staged file or folder in its place, all at once.

        Raises:
            FileExistsError, WriteError: something is there, and `overwrite` is False; or something
                else than what `existing` gave.
        """

    @abstractmethod
    def add(self, staged: Path) -> None:
        """Add the files of a staged folder to the folder that is there."""

    @abstractmethod
    def replace(self, staged: Path) -> None:
        """Put a staged folder in the place of the one that is there."""

    @abstractmethod
    def close(self) -> None:
        """Remove what isn't published. Safe twice."""


def place_of(path: str, store: Store | None, *, folder: bool, where: str) -> Place:
    """Give the place that a path names.

    Args:
        path: a path, or an `s3://` URL.
        store: the server of `s3://` URLs; the standard chain's if None.
        folder: whether a folder is wanted there.
        where: the sink, for messages.

    Raises:
        ConfigError: the URL names no bucket.
        WriteError: the folder that it should be in isn't there, or may not be written.
    """
    if not is_s3(path):
        return LocalPlace(path, where)
    from arrowetl.sinks.s3_places import S3Place

    return S3Place(store or Store(), Address.of(path, where=where), where, folder=folder)


class LocalPlace(Place):
    """A path on this machine."""

    def __init__(self, path: str, where: str) -> None:
        """Look for the folder that it is in."""
        self.path = destination_path(path, where=where)
        self._where = where

    def is_file(self) -> bool:
        """Whether a file is there."""
        return self.path.exists() and not self.path.is_dir()

    def is_folder(self) -> bool:
        """Whether a folder is there."""
        return self.path.is_dir()

    def is_empty(self) -> bool:
        """Whether nothing is there, or an empty folder."""
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    def refuse_foreign(self) -> None:
        """Look through all that is in the folder."""
        refuse_foreign(self.path, where=self._where)

    def example(self) -> PurePath | None:
        """Give the first that the system lists."""
        found = next(self.path.rglob("*.parquet"), None)
        return found and found.relative_to(self.path)

    @contextmanager
    def beginning(self) -> Iterator[Path]:
        """Give the path itself."""
        yield self.path

    def stage(self) -> Stage:
        """Make a hidden folder beside the path."""
        return LocalStage(Staging(self.path), self._where)

    def try_out(self) -> str:
        """Say so: making the place has looked."""
        return f"{str(self.path.parent)!r} may be written"

    @property
    def preview(self) -> Path:
        """The path."""
        return self.path


class LocalStage(Stage):
    """A hidden folder beside a path: see `files.Staging`."""

    def __init__(self, staging: Staging, where: str) -> None:
        """Take the folder over."""
        self.folder = staging.folder
        self._staging = staging
        self._where = where

    def alone(self) -> AbstractContextManager[None]:
        """Lock the folder that the path is in."""
        return locked(self._staging.destination.parent)

    def existing(self) -> Path | None:
        """Give the path itself."""
        path = self._staging.destination
        return path if path.exists() else None

    def publish(self, staged: Path, *, overwrite: bool) -> None:
        """Rename it."""
        self._staging.publish(staged, overwrite=overwrite)

    def add(self, staged: Path) -> None:
        """Rename one file into the folder; swap folders for several."""
        add_to_folder(self._staging, staged)

    def replace(self, staged: Path) -> None:
        """Swap the folders."""
        replace_folder(self._staging, staged, where=self._where)

    def close(self) -> None:
        """Remove the hidden folder."""
        self._staging.close()


def diagnosed(findings: Iterable[Finding], place: Callable[[], Place]) -> Iterator[Finding]:
    """Add to a sink's findings whether its place may be written; stop at the first that fails."""
    for finding in findings:
        yield finding
        if not finding.works:
            return
    yield tried_out(place)


def tried_out(place: Callable[[], Place]) -> Finding:
    """Try whether a sink's place may be written."""
    return found("write to it", lambda: place().try_out())
