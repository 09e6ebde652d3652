"""CSV files as bytes: compression by suffix, the header that is there, one file after another."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

CODECS = ("none", "gzip", "bz2", "xz", "zstd", "zip")
"""The compressions there are."""
BY_DUCKDB = {"none", "gzip", "zstd"}
"""Those that COPY does itself."""
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
"""What reading a file raises which isn't what its name says."""

_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_CHUNK = 1 << 20


def codec_of(path: str) -> str:
    """Give the compression that a file's name says.

    >>> codec_of("orders.csv.zst"), codec_of("orders.csv")
    ('zstd', 'none')
    """
    return _SUFFIXES.get(Path(path).suffix.lower(), "none")


def header_of(path: Path, codec: str, *, delimiter: str) -> list[str] | None:
    """Give the names in a file's first line; None if the file is empty or isn't there.

    Raises:
        EOFError, LZMAError, zlib.error, BadZipFile, OSError: the file is damaged.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    with opened(path, codec) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        try:
            first = _first_record(text, delimiter)
        finally:
            text.detach()
    return first


def _first_record(text: io.TextIOWrapper, delimiter: str) -> list[str] | None:
    if len(delimiter) == 1:
        return next(csv.reader(text, delimiter=delimiter), None)
    # The csv module knows delimiters of one character only.
    mark = next(char for char in map(chr, range(1, 32)) if char not in "\t\n\r")
    lines = (line.replace(delimiter, mark) for line in text)
    return next(csv.reader(lines, delimiter=mark), None)


def join(parts: Iterable[tuple[Path, str]], target: Path, codec: str) -> None:
    """Write files one after another, a line end between them where there is none.

    Those that are compressed the same way are copied as they are (gzip, bz2, xz and zstd allow
    several members in a file); others are compressed. Memory holds a megabyte.

    Args:
        parts: paths and how each is compressed.
        target: what to write; the one file in a zip is called like it.
        codec: how to compress it.
    """
    with target.open("wb") as raw:
        if codec == "zip":
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                inside = archive.open(_inside(target), "w", force_zip64=True)
                with inside as member:
                    for path, have in parts:
                        _unpack(path, have, member)
            return
        for path, have in parts:
            if have != codec:
                with _member(raw, codec) as member:
                    _unpack(path, have, member)
                continue
            with path.open("rb") as source:
                shutil.copyfileobj(source, raw, _CHUNK)
            if not _ends_line(path, have):
                with _member(raw, codec) as member:
                    member.write(b"\n")


def _inside(target: Path) -> str:
    return target.stem if target.stem.endswith(".csv") else f"{target.stem}.csv"


def _unpack(path: Path, have: str, member: IO[bytes]) -> None:
    """Write a file's content, and a line end if it lacks one."""
    last = b"\n"
    with opened(path, have) as source:
        for chunk in iter(lambda: source.read(_CHUNK), b""):
            member.write(chunk)
            last = chunk[-1:]
    if last != b"\n":
        member.write(b"\n")


@contextmanager
def packed(path: Path, codec: str) -> Iterator[IO[bytes]]:
    """Open a file for writing what is compressed on the way; any codec but zip."""
    with path.open("wb") as raw, _member(raw, codec) as member:
        yield member


@contextmanager
def _member(raw: IO[bytes], codec: str) -> Iterator[IO[bytes]]:
    """Open a compressed member at the end of a file."""
    opener: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}.get(codec)
    if codec == "none":
        yield raw
    elif opener is not None:
        with opener(raw, "wb") as member:
            yield member
    else:
        with pa.CompressedOutputStream(pa.PythonFile(_Borrowed(raw), "w"), codec) as member:
            yield member


class _Borrowed(io.RawIOBase):
    """A file that whoever gets it can't close."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__()
        self._raw = raw

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._raw.write(data)


@contextmanager
def opened(path: Path, codec: str) -> Iterator[IO[bytes]]:
    """Open a file for reading what was compressed."""
    opener: Any = {"none": open, "gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}.get(codec)
    if opener is not None:
        with opener(path, "rb") as file:
            yield file
    elif codec == "zip":
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
            if len(inside) != 1:
                raise zipfile.BadZipFile(f"holds {len(inside)} files, not one")
            with archive.open(inside[0]) as file:
                yield file
    else:
        with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, codec) as unpacked:
            yield unpacked


def _ends_line(path: Path, codec: str) -> bool:
    with opened(path, codec) as file:
        if codec == "none":
            if path.stat().st_size == 0:
                return True
            file.seek(-1, os.SEEK_END)
        last = b"\n"
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            last = chunk[-1:]
    return last == b"\n"
