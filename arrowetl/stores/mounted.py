"""Objects that DuckDB reads itself, by ranges: only the columns and row groups that it needs.

DuckDB asks a filesystem of fsspec's for bytes. Ours asks the store for just these, on the condition
that the object is the one that was listed.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cache
from itertools import accumulate
from typing import Any

from arrowetl.duck import remembered
from arrowetl.errors import ConfigError
from arrowetl.instances import mount
from arrowetl.stores.objects import Object, read
from arrowetl.stores.s3 import SCHEME

PROTOCOL = "arrowetl-s3"

TAIL = 1 << 18
"""Bytes at an object's end in which DuckDB looks for the footer: planning asks for them often."""
ALL_TAILS = 128 << 20
"""Bytes of ends that are kept, at most; objects over that are asked again."""
AT_A_TIME = 16

_mounted: dict[str, tuple[Object, str]] = {}
_tails: dict[Object, bytes] = {}
_lock = threading.Lock()


def keep_tails(things: Sequence[Object], *, where: str) -> None:
    """Fetch the ends of objects, several at a time, and keep them, as far as there is room.

    Raises:
        ReadError: an object isn't the one that was listed.
    """
    with _lock:
        wanted = [thing for thing in things if thing not in _tails]
        kept, needed = (sum(map(_tail_size, each)) for each in (_tails, wanted))
        if kept + needed > ALL_TAILS:
            for other in set(_tails) - set(things):
                del _tails[other]
        room = ALL_TAILS - sum(map(_tail_size, _tails))
        sizes = accumulate(map(_tail_size, wanted))
        fitting = [thing for thing, size in zip(wanted, sizes, strict=True) if size <= room]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            tails = pool.map(lambda thing: _tail(thing, where), fitting)
            _tails.update(zip(fitting, tails, strict=True))


def _tail_size(thing: Object) -> int:
    return min(thing.size, TAIL)


def _tail(thing: Object, where: str) -> bytes:
    return b"".join(read(thing, thing.size - _tail_size(thing), thing.size, where=where))


def mounted(thing: Object, *, where: str) -> str:
    """Give the path by which any of our DuckDB connections reads an object; nothing is read yet.

    The path holds for this object as it is now: a changed one has another. Reading raises a
    ReadError if the object was changed, or isn't whole.

    Args:
        thing: the object.
        where: the source, for messages.

    Raises:
        ConfigError: fsspec isn't installed.
    """
    key = hashlib.sha256(f"{thing.store!r}{thing.store.access_key}{thing.etag}".encode())
    path = f"{key.hexdigest()[:16]}/{thing.at.bucket}/{thing.at.key}"
    _mounted[path] = (thing, where)
    mount(_filesystem())
    return f"{PROTOCOL}://{path}"


def with_urls(text: str) -> str:
    """Put the `s3://` URLs that users know in the place of `mounted`'s paths.

    >>> with_urls("no row in arrowetl-s3://0123456789abcdef/sales/a.parquet")
    'no row in s3://sales/a.parquet'
    """
    return re.sub(f"{PROTOCOL}://[0-9a-f]{{16}}/", SCHEME, text)


@cache
def _filesystem() -> Any:
    try:
        from fsspec import AbstractFileSystem
    except ImportError as error:
        raise ConfigError(
            "Parquet in s3:// needs a package that isn't there: pip install 'arrowetl[s3]'"
        ) from error

    class Objects(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
        """What DuckDB asks a filesystem for."""

        protocol = PROTOCOL
        cachable = False

        def glob(self, path: str, **_: object) -> list[str]:
            # `file_literal` put signs that a glob has into brackets; the path is of one object.
            return [re.sub(r"\[([*?\[])\]", r"\1", path)]

        def open(self, path: str, mode: str = "rb", **_: object) -> Range:
            if mode != "rb":
                raise PermissionError(f"{with_urls(path)!r} is only read here")
            return Range(*_object(path))

        def size(self, path: str) -> int:
            return _object(path)[0].size

        def modified(self, path: str) -> datetime:
            return datetime.fromtimestamp(_object(path)[0].changed_ns / 1e9, tz=timezone.utc)

    return Objects()


def _object(path: str) -> tuple[Object, str]:
    return _mounted[path.removeprefix(f"{PROTOCOL}://")]


class Range:
    """An object as a file that is read from anywhere, by any thread."""

    def __init__(self, thing: Object, where: str) -> None:
        """Nothing is read yet."""
        self._thing, self._where = thing, where
        # DuckDB's threads share a file; each seeks, then reads where it has sought.
        self._at: dict[int, int] = {}
        self.closed = False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset from the start, from here, or from the end."""
        base = (0, self.tell(), self._thing.size)[whence]
        self._at[threading.get_ident()] = base + offset
        return base + offset

    def tell(self) -> int:
        """Say where this thread is."""
        return self._at.get(threading.get_ident(), 0)

    def read(self, size: int = -1) -> bytes:
        """Give so many bytes, or all to the end: all of them, or an error."""
        start, whole = self.tell(), self._thing.size
        end = whole if size < 0 else min(whole, start + size)
        tail = _tails.get(self._thing, b"")
        if start >= whole - len(tail):
            found = tail[start - whole + len(tail) : end - whole + len(tail)]
        else:
            with remembered():
                found = b"".join(read(self._thing, start, end, where=self._where))
        self.seek(end)
        return found

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True
