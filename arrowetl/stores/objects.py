"""Objects in a store: finding them, and reading them whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from arrowetl.errors import ReadError, Transient
from arrowetl.stores.s3 import Address, BusyReadError, Store, asking, code_of, missing

PART = 16 << 20
"""Bytes that one request reads, at most."""

READERS = 4
"""Requests at a time."""

CHUNK = 1 << 20
ATTEMPTS = 3
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Object:
    """An object as it was when it was listed; equal ones have equal content."""

    at: Address
    size: int
    etag: str
    store: Store = field(repr=False)
    changed_ns: int = 0


def find(store: Store, url: str, *, where: str) -> list[Object]:
    """Give the objects that a URL names: one, or those a glob fits, by name.

    `*` and `?` stay within a folder, `**` doesn't. A glob that ends in `**` is all that begins so,
    but for objects and folders whose names begin with `_` or a dot.

    Raises:
        ReadError: nothing is there, with the nearest names; or the store can't be asked.
    """
    at = Address.of(url, where=where)
    if not _MAGIC.search(at.key):
        exact = head(store, at, where=where)
        return [exact] if exact else []
    start = at.key[: _MAGIC.search(at.key).start()]  # type: ignore[union-attr]  # it was found
    listed = list(below(store, Address(at.bucket, start), where=where))
    exact_key = re.sub(r"\[([*?\[])\]", r"\1", at.key.removesuffix("**"))
    for each in listed:
        if each.at.key in {at.key, exact_key}:
            return [each]
    wanted = re.compile(glob_pattern(at.key), re.DOTALL)
    visible = [each for each in listed if not each.at.key.endswith("/")]
    if at.key.endswith("**"):
        visible = [each for each in visible if not _hidden(each.at.key[start.rfind("/") + 1 :])]
    return [each for each in visible if wanted.fullmatch(each.at.key)]


def find_below(store: Store, folder: Address, *, where: str) -> list[Object]:
    """Give the objects in a folder and below it, but for hidden ones."""
    length = len(folder.key)
    listed = below(store, folder, where=where)
    return [each for each in listed if each.at.key[-1] != "/" and not _hidden(each.at.key[length:])]


def _hidden(path: str) -> bool:
    """Tell what engines leave beside data (`_SUCCESS`, `.tmp`) from data."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.split("/"))


def glob_pattern(glob: str) -> str:
    r"""Give the regular expression for a glob over keys.

    >>> bool(re.fullmatch(glob_pattern("a/*.csv"), "a/b.csv"))
    True
    >>> bool(re.fullmatch(glob_pattern("a/*.csv"), "a/b/c.csv"))
    False
    >>> bool(re.fullmatch(glob_pattern("a/**/*.csv"), "a/c.csv"))
    True
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[(?:!.|[^!])[^\]]*\])", glob)
    wild = (_wild(part) if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return "".join(wild)


def _wild(part: str) -> str:
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    negated = part[1] == "!"
    letters = re.sub(r"([\\\[\]^&~|])", r"\\\1", part[2 if negated else 1 : -1])
    with suppress(re.error):  # a range that runs backwards
        return re.compile(f"[{'^' if negated else ''}{letters}]").pattern
    return re.escape(part)


def head(store: Store, at: Address, *, where: str) -> Object | None:
    """Give the object at an address; None if none is there."""
    from botocore.exceptions import ClientError

    with asking(f"{where}: {at.url!r}"):
        try:
            found = store.client.head_object(Bucket=at.bucket, Key=at.key)
        except ClientError as error:
            if code_of(error) in {"404", "NoSuchKey"}:
                return None
            # The answer to HEAD has no body, so it doesn't say why; that to a listing does.
            store.client.list_objects_v2(Bucket=at.bucket, Prefix=at.key, MaxKeys=1)
            raise
    changed = int(found["LastModified"].timestamp() * 1e9)
    return Object(at, found["ContentLength"], found["ETag"], store, changed)


def below(store: Store, at: Address, *, where: str) -> Iterator[Object]:
    """Give all objects whose keys begin so, in the order of their keys; a request a thousand."""
    from botocore.exceptions import ClientError

    pages = store.client.get_paginator("list_objects_v2")
    with asking(f"{where}: {at.url!r}"):
        try:
            for page in pages.paginate(Bucket=at.bucket, Prefix=at.key):
                page["IsTruncated"]  # an answer that was cut off doesn't say it
                for each in page.get("Contents", ()):
                    changed = int(each["LastModified"].timestamp() * 1e9)
                    key = Address(at.bucket, each["Key"])
                    yield Object(key, each["Size"], each["ETag"], store, changed)
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                raise missing(store, at, where=where) from error
            raise


def read(thing: Object, start: int, end: int, *, where: str) -> Iterator[bytes]:
    """Give the bytes from `start` to `end`, all of them or an error.

    Raises:
        ReadError: the object isn't the one that was listed, or ends too soon.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for block in _read(thing, start, end, where):
                yield block
                start += len(block)
        except ReadError as error:
            # What was given stays given: the next attempt goes on after it.
            if attempt == ATTEMPTS or not isinstance(error, Transient):
                raise
        else:
            return


def _read(thing: Object, start: int, end: int, where: str) -> Iterator[bytes]:
    from botocore.exceptions import ClientError

    if start >= end:
        return
    place = f"{where}: {thing.at.url!r}"
    with asking(place):
        try:
            answer = thing.store.client.get_object(
                Bucket=thing.at.bucket,
                Key=thing.at.key,
                Range=f"bytes={start}-{end - 1}",
                IfMatch=thing.etag,
            )
        except ClientError as error:
            if code_of(error) in {"412", "PreconditionFailed", "416", "InvalidRange", "NoSuchKey"}:
                raise ReadError(
                    f"{place}: it was changed while it was being read; run again"
                ) from error
            raise
        got = 0
        with closing(answer["Body"]) as body:
            for block in body.iter_chunks(CHUNK):
                got += len(block)
                yield block
    if answer["ETag"] != thing.etag or got > end - start:
        raise ReadError(f"{place}: it was changed while it was being read; run again")
    if got < end - start:
        raise BusyReadError(f"{place}: ended after {start + got:,} of {thing.size:,} bytes")


def fetch(thing: Object, target: Path, *, where: str, limit: int | None = None) -> None:
    """Write an object, or its first `limit` bytes, to a local file, by several requests at a time.

    Raises:
        ReadError: it isn't the object that was listed, or can't be read whole, or there is no room
            for it.
    """
    size = thing.size if limit is None else min(limit, thing.size)
    with target.open("wb", buffering=0) as file, _room(thing, target, where):
        if shutil.disk_usage(target.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if size <= PART:
            _fetch_part(thing, file.fileno(), 0, size, where=where)
            return
        with ThreadPoolExecutor(READERS) as readers:
            starts = range(0, size, PART)
            ends = [min(size, start + PART) for start in starts]
            part = partial(_fetch_part, thing, file.fileno(), where=where)
            for _ in readers.map(part, starts, ends):
                pass


def _fetch_part(thing: Object, file: int, start: int, end: int, *, where: str) -> None:
    for block in read(thing, start, end, where=where):
        rest = memoryview(block)
        while rest:
            written = os.pwrite(file, rest, start)
            start, rest = start + written, rest[written:]


@contextmanager
def _room(thing: Object, target: Path, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise ReadError(
            f"{where}: {thing.at.url!r} has {thing.size:,} bytes, for which there is no room in "
            f"{str(target.parent)!r} ({error.strerror}); set TMPDIR to a folder that has"
        ) from error
