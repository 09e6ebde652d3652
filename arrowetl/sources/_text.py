"""Compressed and encoded files to plain UTF-8 ones, in streams of a megabyte.

DuckDB decompresses gzip and zstd itself, but takes a zstd file that was cut off for a whole one,
and doesn't look at gzip's checksum; it refuses Latin-1 with bytes from 80 to 9F, and reads
big-endian UTF-16 as no rows. What goes through here is whole or an error.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from arrowetl.errors import ConfigError, ReadError

BLOCK = 1 << 20
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
COMPRESSIONS = ("auto", "none", "gzip", "bz2", "xz", "zstd", "zip")
BOMS = (  # the longer ones first: a UTF-16 mark begins a UTF-32 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True)
class Form:
    """How a file's text is wrapped."""

    compression: str
    encoding: str

    @property
    def plain(self) -> bool:
        """Whether it is UTF-8 text as it lies there."""
        return self == Form("none", "utf-8")


def codec_name(encoding: str, *, where: str) -> str:
    """Give Python's name of an encoding; `auto` stays.

    Raises:
        ConfigError: there is no such text encoding.

    >>> codec_name("Latin1", where="CSVSource")
    'iso8859-1'
    """
    if encoding == "auto":
        return encoding
    try:
        "".encode(encoding)  # refuses codecs that aren't of text, as `rot13`
        found = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(f"{where}: encoding {encoding!r} isn't one that Python knows") from error
    return "utf-8" if found in {"utf-8-sig", "ascii"} else found


def form_of(path: str, compression: str, encoding: str, *, where: str) -> Form:
    """Find out how a file's text is wrapped: by its first bytes, where `auto` is asked for.

    Raises:
        ReadError: it can't be opened, or isn't text at all.
    """
    with Path(path).open("rb") as file:
        start = file.read(8)
    if compression == "auto":
        named = (known for magic, known in MAGIC.items() if start.startswith(magic))
        compression = next(named, "none")
    head = next(blocks(path, compression, where=where), b"")[:8192]
    marked = next((codec for mark, codec in BOMS if head.startswith(mark)), None)
    found = (marked or "utf-8") if encoding == "auto" else encoding
    if not found.startswith(("utf-16", "utf-32")) and b"\x00" in head:
        raise ReadError(f"{where}: {path!r} isn't text: {_guess(head)}")
    return Form(compression, found)


def _guess(head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "it is a Parquet file, read it with ParquetSource"
    if b"\x00" in head[:2] or head[1:4:2] == b"\x00\x00":
        return "it may be UTF-16 without a byte-order mark, then say encoding='utf-16-le' or '-be'"
    return "it holds NUL bytes; is it the right file?"


def blocks(path: str, compression: str, *, where: str) -> Iterator[bytes]:
    """Give a file's bytes, decompressed, a megabyte at a time.

    Raises:
        ReadError: it is cut off, corrupt, or compressed in another way.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(path, compression, stack, where))
            while block := file.read(BLOCK):
                yield block
        except BROKEN as error:
            kind = "" if compression == "none" else f" as {compression}; is it whole?"
            raise ReadError(f"{where}: {path!r} can't be read{kind} ({error})") from error


def _opened(path: str, compression: str, stack: ExitStack, where: str) -> BinaryIO:
    match compression:
        case "none":
            return Path(path).open("rb")
        case "bz2":
            return bz2.open(path)  # type: ignore[return-value]  # reads as any binary file
        case "xz":
            return lzma.open(path)  # type: ignore[return-value]
        case "zip":
            archive = stack.enter_context(zipfile.ZipFile(path))
            inside = [info for info in archive.infolist() if not info.is_dir()]
            if len(inside) != 1:
                listed = ", ".join(info.filename for info in inside[:5]) or "none"
                raise ReadError(f"{where}: {path!r} must hold one file, not {listed}; unpack it")
            return archive.open(inside[0])  # type: ignore[return-value]
        case _:
            return pa.input_stream(path, compression=compression)  # type: ignore[no-any-return]


def write_plain(
    path: str, form: Form, target: Path, *, where: str, limit: int | None = None
) -> None:
    """Write a file's text to `target` as plain UTF-8.

    A byte that the encoding doesn't have becomes FF, which UTF-8 doesn't have either, so that
    whoever reads the copy rejects that line and no other.

    Args:
        path: the file.
        form: how its text is wrapped.
        target: the copy.
        where: the source, for messages.
        limit: stop at the end of the line after so many bytes of the file.

    Raises:
        ReadError: the file is cut off or corrupt.
    """
    read = 0
    with target.open("wb") as copy:
        for block in _recoded(blocks(path, form.compression, where=where), form.encoding):
            read += len(block)
            if limit is not None and read >= limit:
                copy.write(block[: block.rfind(b"\n") + 1] or block)
                return
            copy.write(block)


def _recoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=INVALID)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", errors=INVALID)
    yield decoder.decode(b"", final=True).encode("utf-8", errors=INVALID)


def _mark_invalid(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        return b"\xff", error.end
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


INVALID = "arrowetl.invalid"
codecs.register_error(INVALID, _mark_invalid)
