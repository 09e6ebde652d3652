"""Paths as a user gives them, and the files that are there."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from arrowetl.errors import ConfigError, ReadError, closest, did_you_mean
from arrowetl.sql import literal
from arrowetl.stores.mounted import mounted
from arrowetl.stores.objects import Object, fetch, find, find_below
from arrowetl.stores.s3 import Address, Store, is_s3, missing

PathLike = str | os.PathLike[str]
T = TypeVar("T")
AT_A_TIME = 16
"""How many objects are asked for at a time."""
AHEAD = 64 << 20
"""Bytes of objects that are asked for at a time, where they are read one after the other."""
NO_USE_IN_PART = (b"PK\x03\x04", b"PK\x05\x06", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
"""How files begin whose first bytes don't do: archives, whose list is at the end; UTF-16 and -32,
of which so many bytes are less text."""


@dataclass(frozen=True)
class FileStamp:
    """A file as it was when it was looked at; equal stamps mean equal content.

    Attributes:
        path: as users know it: a local path, or an `s3://` URL.
        size: bytes.
        changed_ns: when it was changed, in nanoseconds since 1970.
        remote: the object it is, where it isn't a local file. Whoever opens it asks `fetched`
            for a local one, and goes on naming `path` in messages and dead letters.
        member: which of an archive's files it is; None for the file itself.
    """

    path: str
    size: int
    changed_ns: int
    remote: Object | None = None
    member: str | None = None

    @property
    def name(self) -> str:
        """What it is called in messages and dead letters: `a.csv`, `a.zip!b.csv`."""
        return self.path if self.member is None else f"{self.path}!{self.member}"


def as_paths(path: PathLike | Iterable[PathLike], *, where: str) -> tuple[str, ...]:
    """Give a path, `file://` or `s3://` URL, or a list of them, as a tuple; nothing is read.

    Raises:
        ConfigError: there is no path, or it is a URL of another kind.

    >>> as_paths("file:///data/my%20orders.csv", where="CSVSource")
    ('/data/my orders.csv',)
    """
    given: list[Any] = [path]
    if isinstance(path, Iterable) and not isinstance(path, str | bytes | os.PathLike):
        given = list(path)
    for each in given:
        if not isinstance(each, str | os.PathLike):
            raise ConfigError(f"{where}: path is a path, a URL or a list of them, not {each!r}")
    if not given:
        raise ConfigError(f"{where}: path is an empty list; give a path, a glob, or a list of them")
    return tuple(_as_path(os.fspath(each), where) for each in given)


def _as_path(path: str, where: str) -> str:
    if not path:
        raise ConfigError(f"{where}: path is empty")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", path)
    if scheme is None:
        return path
    if is_s3(path):
        Address.of(path, where=where)
        return path
    parts = urlsplit(path)
    if scheme[1].lower() != "file" or parts.netloc not in {"", "localhost"}:
        raise ConfigError(f"{where}: reads local paths, file:// and s3:// URLs, not {path!r}")
    # `?` and `#` are wildcards and letters of a path here, not parts of a URL.
    return unquote(path.split("://", 1)[1].removeprefix(parts.netloc))


def find_files(
    paths: Iterable[str], *, where: str, below: tuple[str, ...] = (), store: Store | None = None
) -> tuple[FileStamp, ...]:
    """Give the files that `paths` name: globs sorted by name, a folder's if `below` allows it.

    Args:
        paths: paths and globs (`**` goes down folders). A path that exists is never a glob.
        where: the source, for messages.
        below: endings of the files that a folder stands for, with all folders below it;
            a folder is refused if there are none.
        store: the server of `s3://` URLs; the standard chain's if None.

    Raises:
        ReadError: nothing is there, with the nearest names that are.
    """
    found: list[FileStamp] = []
    for path in paths:
        if is_s3(path):
            found += _objects(path, where, below, store or Store())
        else:
            found += _matching(path, where, below)
    return tuple(found)


def fetched(file: FileStamp, folder: Path, *, where: str, limit: int | None = None) -> str:
    """Give the path of a local file with a file's bytes: the file itself, or a copy in `folder`.

    Args:
        file: one that `find_files` gave.
        folder: where a copy is put, under a name that is free.
        where: the source, for messages.
        limit: the first so many bytes will do; files that are local, or zip archives, or UTF-16,
            are given whole all the same.

    Raises:
        ReadError: the object isn't the one that was found any more, or can't be read whole.
    """
    if file.remote is None:
        return file.path
    folder.mkdir(parents=True, exist_ok=True)
    ending = re.sub(r"[^A-Za-z0-9.]", "_", file.path[-40:])
    handle, copy = tempfile.mkstemp(prefix="fetched_", suffix=f"_{ending}", dir=folder)
    os.close(handle)
    fetch(file.remote, Path(copy), where=where, limit=limit)
    if limit is not None and limit < file.size:
        with Path(copy).open("rb") as start:
            part_will_do = not start.read(4).startswith(NO_USE_IN_PART)
        if not part_will_do:
            fetch(file.remote, Path(copy), where=where)
    return copy


@contextmanager
def local_file(
    file: FileStamp, folder: Path, *, where: str, limit: int | None = None
) -> Iterator[str]:
    """Give what `fetched` does; a ReadError meanwhile names the file as its users do."""
    path = fetched(file, folder, where=where, limit=limit)
    with naming(file, path, where=where):
        yield path


@contextmanager
def naming(file: FileStamp, path: str, *, where: str) -> Iterator[None]:
    """Let a ReadError about a local path name the file, and the member, as its users do."""
    try:
        yield
    except ReadError as error:
        source, said = where, str(error).removeprefix(where)
        if path == file.name or path not in said:
            raise
        kept = source if len(said) < len(str(error)) else ""
        bare = error.bare and error.bare.replace(path, file.name)
        raise type(error)(kept + said.replace(path, file.name), bare=bare) from error.__cause__


def side_by_side(work: Callable[[FileStamp], T], files: Sequence[FileStamp]) -> list[T]:
    """Give what `work` gives for each file, in order: at the same time where it waits for a store.

    Locally it is done one after the other, for then nothing waits.
    """
    if all(file.remote is None for file in files):
        return [work(file) for file in files]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(work, files))


@contextmanager
def in_turn(work: Callable[[FileStamp], T], files: Sequence[FileStamp]) -> Iterator[Iterator[T]]:
    """Do what `side_by_side` does while the results are used: some files ahead, if they are small.

    Nothing is done any more when the context ends.
    """
    if all(file.remote is None for file in files):
        yield map(work, files)
        return
    pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="arrowetl-ahead")
    try:
        yield _some_ahead(pool, work, files)
    finally:
        pool.shutdown(cancel_futures=True)


def _some_ahead(
    pool: ThreadPoolExecutor, work: Callable[[FileStamp], T], files: Sequence[FileStamp]
) -> Iterator[T]:
    coming: deque[tuple[Future[T], int]] = deque()
    size = 0
    for file in files:
        while coming and (len(coming) == AT_A_TIME or size + file.size > AHEAD):
            found, fetched_bytes = coming.popleft()
            size -= fetched_bytes
            yield found.result()
        coming.append((pool.submit(work, file), file.size))
        size += file.size
    for found, _ in coming:
        yield found.result()


def read_path(file: FileStamp, *, where: str) -> str:
    """Give the path by which DuckDB reads a file where it is, in parts.

    Raises:
        ConfigError: it is in a store, and the package that this needs isn't there.
    """
    return file.path if file.remote is None else mounted(file.remote, where=where)


def _objects(path: str, where: str, below: tuple[str, ...], store: Store) -> list[FileStamp]:
    at = Address.of(path, where=where)
    found = find(store, path, where=where) if at.key and not at.key.endswith("/") else []
    if not found and not glob.has_magic(path):
        folder = Address(at.bucket, f"{at.key.rstrip('/')}/" if at.key else "")
        inside = find_below(store, folder, where=where)
        if inside and not below:
            raise _a_folder(path, f"{folder.url}*.csv", where)
        found = [each for each in inside if _ends(each, below)]
    if not found:
        raise missing(store, Address(at.bucket, at.key.removesuffix("**")), where=where)
    return [FileStamp(each.at.url, each.size, each.changed_ns, each) for each in found]


def _ends(thing: Object, endings: tuple[str, ...]) -> bool:
    return thing.at.key.endswith(endings)


def _matching(path: str, where: str, below: tuple[str, ...]) -> list[FileStamp]:
    if os.path.isdir(path):  # noqa: PTH112 - a path of the user's, kept as it was written
        return _in_folder(path, where, below)
    if os.path.lexists(path):
        return [_stamp(path, where)]
    if not glob.has_magic(path):
        raise ReadError(f"{where}: no file {path!r}{_nearest(path)}")
    matches = glob.glob(path, recursive=True)  # noqa: PTH207 - absolute paths, too
    found = sorted(match for match in matches if Path(match).is_file())
    if not found:
        raise ReadError(f"{where}: no file fits {path!r}{_nearest(path)}")
    return [_stamp(match, where) for match in found]


def _in_folder(path: str, where: str, below: tuple[str, ...]) -> list[FileStamp]:
    if not below:
        raise _a_folder(path, Path(path) / "*.csv", where)
    found = sorted(str(file) for file in Path(path).rglob("*") if _counts(file, path, below))
    if not found:
        raise ReadError(f"{where}: folder {path!r} holds no file that ends in {' or '.join(below)}")
    return [_stamp(file, where) for file in found]


def _a_folder(path: str, hint: PathLike, where: str) -> ReadError:
    return ReadError(f"{where}: {path!r} is a folder; name its files, for instance '{hint}'")


def _counts(file: Path, folder: str, below: tuple[str, ...]) -> bool:
    """Tell data from what engines leave beside it (`_SUCCESS`, `.tmp`)."""
    parts = file.relative_to(folder).parts
    hidden = any(part.startswith((".", "_")) and "=" not in part for part in parts)
    return not hidden and file.name.endswith(below) and file.is_file()


def _stamp(path: str, where: str) -> FileStamp:
    try:
        status = Path(path).stat()
    except OSError as error:
        raise ReadError(f"{where}: can't read {path!r}: {error.strerror}") from error
    if not Path(path).is_file():
        raise ReadError(f"{where}: {path!r} isn't a regular file; save it as one first")
    if not os.access(path, os.R_OK):
        raise ReadError(f"{where}: no permission to read {path!r}")
    return FileStamp(path, status.st_size, status.st_mtime_ns)


def _nearest(path: str) -> str:
    folder = Path(path).parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    if not folder.is_dir():
        return f": there is no folder '{folder}'"
    beside = sorted(entry.name for entry in folder.iterdir())
    return did_you_mean(closest(Path(path).name, beside)) + f" Looked in '{folder}'"


def file_literal(path: str) -> str:
    """Write a path for a table function of DuckDB's, which takes every path for a glob.

    >>> print(file_literal("a[1].csv"))
    'a[[]1].csv'
    """
    return literal(re.sub(r"([*?\[])", r"[\1]", path))


def shown(paths: tuple[str, ...]) -> str:
    """Give paths as a label shows them.

    >>> shown(("a.csv",)), shown(("a.csv", "b.csv", "c.csv"))
    ("'a.csv'", "'a.csv' and 2 more")
    """
    return repr(paths[0]) if len(paths) == 1 else f"{paths[0]!r} and {len(paths) - 1} more"
