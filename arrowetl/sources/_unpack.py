"""Compressed files to their bytes, a megabyte at a time: whole, or an error.

What a file is compressed with is told by its first bytes, whatever its name says. Archives that
hold several files give each.
"""

from __future__ import annotations

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from arrowetl.errors import ReadError

BLOCK = 1 << 20
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
COMPRESSIONS = ("auto", "none", "gzip", "bz2", "xz", "zstd", "lz4", "zip")
_SKIPPABLE = b"\x2a\x4d\x18"
"""What follows the first byte (50 to 5F) of a frame that zstd and lz4 pass over."""
_FOREIGN = {
    b"\x1f\x9d": "packed by compress",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"PAR1": "a Parquet file; read it with ParquetSource",
    b"SQLite format 3": "a SQLite database; read it with SQLiteSource",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel or Office file; save it as CSV",
}
_OFFICE = "[Content_Types].xml"
_ENCRYPTED = 0x1
_MAC = "__MACOSX/"
_BROKEN = (
    OSError,
    EOFError,
    RuntimeError,
    pa.ArrowException,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


def compression_of(path: str) -> str:
    """Tell by its first bytes what a file is compressed with; `none` if with nothing known."""
    with Path(path).open("rb") as file:
        start = file.read(8)
    if start[1:4] == _SKIPPABLE:
        return "zstd"
    return next((known for magic, known in MAGIC.items() if start.startswith(magic)), "none")


def foreign(head: bytes) -> str | None:
    """Say what a file is by how it begins, if it is something that nobody here unpacks."""
    if head[257:262] == b"ustar":
        return "a tar archive"
    known = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)
    return known or next(
        (f"packed twice, with {name} inside" for magic, name in MAGIC.items() if _is(head, magic)),
        None,
    )


def _is(head: bytes, magic: bytes) -> bool:
    # Text may begin with BZh or PK; what is packed has bytes that text has not.
    return head.startswith(magic) and b"\x00" in head[:512]


def members(path: str, compression: str, *, where: str) -> tuple[str | None, ...]:
    """Give the files in an archive, by name; None alone stands for a file that isn't one.

    Folders, empty names and what macOS adds (`__MACOSX/`, `.DS_Store`) are left out. Names are
    only names here: nothing is unpacked to where they point.

    Raises:
        ReadError: the archive is corrupt, holds no file, is encrypted, or is an Office document.
    """
    if compression != "zip":
        return (None,)
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if _counts(info)]
    except _BROKEN as error:
        raise _unreadable(path, compression, error, where) from error
    names = sorted(info.filename for info in found)
    if _OFFICE in names:
        raise ReadError(f"{where}: {path!r} is an Excel or Office file; save it as CSV")
    if not names:
        raise ReadError(f"{where}: {path!r} is a zip archive with no file in it")
    locked = [info.filename for info in found if info.flag_bits & _ENCRYPTED]
    if locked:
        raise ReadError(f"{where}: {locked[0]!r} in {path!r} is encrypted; unpack it first")
    if (
        len(set(names)) < len(names)
        or sum(i.compress_size for i in found) > Path(path).stat().st_size
    ):
        raise ReadError(f"{where}: {path!r} has files that overlap; it isn't a sound zip archive")
    return tuple(names)


def _counts(info: zipfile.ZipInfo) -> bool:
    name = info.filename
    return not (info.is_dir() or name.startswith(_MAC) or name.rpartition("/")[2] == ".DS_Store")


def unpacked(
    path: str, compression: str, member: str | None, *, where: str
) -> Generator[bytes, None, None]:
    """Give the bytes of a file, or of a member of an archive, a megabyte at a time.

    Memory doesn't grow with what comes out, however much that is.

    Raises:
        ReadError: while it is read: it is cut off, corrupt, or compressed in another way.
    """
    with ExitStack() as stack:
        try:
            if compression in _STREAMS:
                packed = stack.enter_context(Path(path).open("rb"))
                yield from _one_after_the_other(packed, _STREAMS[compression])
                return
            file = stack.enter_context(_opened(path, compression, member, stack))
            while block := file.read(BLOCK):
                yield block
        except _BROKEN as error:
            raise _unreadable(path, compression, error, where) from error


def _unreadable(path: str, compression: str, error: BaseException, where: str) -> ReadError:
    kind = "" if compression == "none" else f" as {compression}; is it whole?"
    return ReadError(f"{where}: {path!r} can't be read{kind} ({error})")


def _opened(path: str, compression: str, member: str | None, stack: ExitStack) -> BinaryIO:
    if compression == "none":
        return Path(path).open("rb")
    if compression == "zip":
        archive = stack.enter_context(zipfile.ZipFile(path))
        return archive.open(member or "")  # type: ignore[return-value]  # reads as any binary file
    # Unlike Python's modules, these take nothing for the end but the end.
    return pa.input_stream(path, compression=compression)  # type: ignore[no-any-return]


def _one_after_the_other(file: BinaryIO, begin: Callable[[], Any]) -> Generator[bytes, None, None]:
    """Decompress all streams in a file, with NULs between them.

    Python's own readers ignore what isn't sound after the first one, and Arrow's trips over an
    empty one.
    """
    held = b""
    while held := held or file.read(BLOCK):
        stream = begin()
        while not stream.eof:
            packed = b""
            if stream.needs_input:
                packed, held = held or file.read(BLOCK), b""
                if not packed:
                    raise EOFError("cut off")
            if block := stream.decompress(packed, BLOCK):
                yield block
        held = stream.unused_data.lstrip(b"\x00")
        while not held and (padding := file.read(BLOCK)):
            held = padding.lstrip(b"\x00")


_STREAMS: dict[str, Callable[[], Any]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": partial(lzma.LZMADecompressor, lzma.FORMAT_XZ),
}
