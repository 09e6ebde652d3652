"""Compressed and encoded files as plain UTF-8 text: `texts_of`, and what a `Text` gives.

DuckDB decompresses gzip and zstd itself, but takes a zstd file that was cut off for a whole one,
and doesn't look at gzip's checksum; it refuses Latin-1 with bytes from 80 to 9F, and reads
big-endian UTF-16 as no rows. What goes through here is whole or an error.
"""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from arrowetl.arguments import text
from arrowetl.errors import ConfigError, ReadError
from arrowetl.sources._files import FileStamp, fetched, local_file, naming
from arrowetl.sources._unpack import (
    BLOCK,
    COMPRESSIONS,
    compression_of,
    foreign,
    members,
    unpacked,
)

HEAD = 8192
"""Bytes at a text's beginning that tell what it is."""

_TEXT = "it is text; read it with CSVSource, or with TextSource"
_OBJECT = re.compile(rb'[\[\s]*\{\s*"(?:[^"\\]|\\.)*"\s*:')

BOMS = (  # the longer ones first: a UTF-16 mark begins a UTF-32 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Form:
    """How a text is wrapped.

    Attributes:
        compression: of the file.
        encoding: of the text.
        mark: bytes of UTF-8's mark at its beginning, which isn't part of it.
    """

    compression: str
    encoding: str
    mark: int = field(default=0, compare=False)

    @property
    def plain(self) -> bool:
        """Whether it is UTF-8 text as it lies there."""
        return self == Form("none", "utf-8")


@dataclass(frozen=True)
class Text:
    """One text on this machine: a file's, or that of an archive's member.

    Attributes:
        file: what it is in, as users know it.
        local: where the bytes of `file` lie.
        form: how it is wrapped.
        where: the source, for messages.
    """

    file: FileStamp
    local: str
    form: Form
    where: str

    def blocks(self) -> Generator[bytes, None, None]:
        """Give it as UTF-8, about a megabyte at a time, without a byte-order mark.

        A byte that its encoding doesn't have becomes three that UTF-8 doesn't have either, so that
        whoever reads on rejects that line and no other; `unmarked` finds it again. What says it
        is UTF-8 is given as it is, valid or not.

        Raises:
            ReadError: while it is read: it is cut off or corrupt.
        """
        with naming(self.file, self.local, where=self.where):
            made = text_blocks(self.local, self.form, member=self.file.member, where=self.where)
            for number, block in enumerate(made):
                yield block if number else block.removeprefix(codecs.BOM_UTF8)

    def readable(self, folder: Path) -> str:
        """Give a plain UTF-8 file with it: the file itself, or a copy in `folder`.

        A copy takes as much disk as the text does; memory stays at some megabytes. A byte-order
        mark stays.

        Raises:
            ReadError: it is cut off or corrupt; or the copy doesn't fit on the disk.
        """
        if self.form.plain:
            return self.local
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", suffix=".txt", dir=folder, delete=False) as copy:
            target = Path(copy.name)
        with naming(self.file, self.local, where=self.where):
            write_plain(self.local, self.form, target, where=self.where, member=self.file.member)
        return str(target)


def texts_of(
    file: FileStamp,
    folder: Path,
    *,
    compression: str = "auto",
    encoding: str = "auto",
    nul: bool = False,
    where: str,
    limit: int | None = None,
) -> tuple[Text, ...]:
    """Find the texts in a file: its own, or those of an archive's members, by name.

    Args:
        file: what `find_files` gave.
        folder: where it is put if it isn't on this machine.
        compression: one of `COMPRESSIONS`; `auto` looks at the first bytes, not at the name.
        encoding: what `codec_name` gave; `auto` is UTF-8, or what a byte-order mark says.
        nul: whether NUL bytes may be letters of the text.
        where: the source, for messages.
        limit: the first so many bytes will do, of a file that has to be fetched.

    Raises:
        ReadError: it can't be opened, is corrupt, or isn't text.
    """
    local = fetched(file, folder, where=where, limit=limit)
    with naming(file, local, where=where):
        packed = compression_of(local) if compression == "auto" else compression
        inside = members(local, packed, where=where)
    found = []
    for member in inside:
        own = replace(file, member=member)
        with naming(own, local, where=where):
            form = form_of(local, packed, encoding, where=where, member=member, nul=nul)
        found.append(Text(own, local, form, where))
    return tuple(found)


@lru_cache(maxsize=4096)
def parts_of(file: FileStamp, *, compression: str, where: str) -> tuple[FileStamp, ...]:
    """Give the files in an archive, by name; any other file is its own only part.

    An object in a store is one that is called `.zip`, or said to be: it is fetched to be looked
    into. Kept until the file changes.

    Raises:
        ReadError: the archive is corrupt, encrypted, or empty.
    """
    if file.remote is not None and compression != "zip" and not file.path.endswith(".zip"):
        return (file,)
    with (
        tempfile.TemporaryDirectory(prefix="arrowetl-") as folder,
        local_file(file, Path(folder), where=where) as local,
    ):
        packed = compression_of(local) if compression == "auto" else compression
        return tuple(replace(file, member=each) for each in members(local, packed, where=where))


def codec_name(encoding: str, *, where: str) -> str:
    """Give Python's name of an encoding; `auto` stays.

    Raises:
        ConfigError: there is no such text encoding.

    >>> codec_name("Latin1", where="CSVSource")
    'iso8859-1'
    """
    text(encoding, "encoding", where=where)
    if encoding == "auto":
        return encoding
    try:
        "".encode(encoding)  # refuses codecs that aren't of text, as `rot13`
        found = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(f"{where}: encoding {encoding!r} isn't one that Python knows") from error
    return "utf-8" if found in {"utf-8-sig", "ascii"} else found


def form_of(
    path: str,
    compression: str,
    encoding: str,
    *,
    where: str,
    member: str | None = None,
    nul: bool = False,
) -> Form:
    """Find out how a file's text is wrapped: by its first bytes, where `auto` is asked for.

    Raises:
        ReadError: it can't be opened, or isn't text at all.
    """
    if compression == "auto":
        compression = compression_of(path)
    head = next(unpacked(path, compression, member, where=where), b"")[:HEAD]
    marked = next((codec for mark, codec in BOMS if head.startswith(mark)), None)
    found = (marked or "utf-8") if encoding == "auto" else encoding
    if not found.startswith(("utf-16", "utf-32")):
        _check_text(head, f"{where}: {path!r} isn't text", nul=nul)
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    return Form(compression, found, mark)


def _check_text(head: bytes, complaint: str, *, nul: bool) -> None:
    what = foreign(head)
    if what is not None:
        raise ReadError(f"{complaint}: it is {what}")
    if b"\x00" not in head:
        return
    if head[1:8:2] == b"\x00" * 4 or (head[0:7:2] == b"\x00" * 4 and head.strip(b"\x00")):
        raise ReadError(
            f"{complaint}: it may be UTF-16 without a byte-order mark, then say "
            "encoding='utf-16-le' or '-be'"
        )
    if not nul:
        raise ReadError(f"{complaint}: it holds NUL bytes; is it the right file?")


def is_json(head: bytes) -> bool:
    r"""Say whether a text begins as JSON with objects does; no line of names is written so.

    >>> is_json(b'[\n {"id": 1}'), is_json(b'{"a"} b'), is_json(b"id,name")
    (True, False, False)
    """
    return _OBJECT.match(head.removeprefix(codecs.BOM_UTF8)) is not None


def is_text_for(path: str) -> str | None:
    """Say which source reads a file, if it is text, or text that is compressed."""
    try:
        head = next(unpacked(path, compression_of(path), None, where=path), b"")[:HEAD]
    except ReadError:
        return None
    if not head or b"\x00" in head or foreign(head) or not _decodes(head):
        return None
    return "it is JSON; read it with JSONSource" if is_json(head) else _TEXT


def _decodes(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def text_blocks(
    path: str, form: Form, *, where: str, member: str | None = None
) -> Generator[bytes, None, None]:
    """Give a file's text as UTF-8, about a megabyte at a time; invalid bytes are marked.

    Raises:
        ReadError: while it is read: it is cut off or corrupt.
    """
    packed = unpacked(path, form.compression, member, where=where)
    if form.encoding == "utf-8":
        yield from packed
        return
    decoder = codecs.getincrementaldecoder(form.encoding)(errors=INVALID)
    for block in packed:
        yield decoder.decode(block).encode("utf-8", errors=INVALID)
    yield decoder.decode(b"", final=True).encode("utf-8", errors=INVALID)


def write_plain(
    path: str,
    form: Form,
    target: Path,
    *,
    where: str,
    limit: int | None = None,
    member: str | None = None,
) -> None:
    """Write a file's text to `target` as plain UTF-8; see `text_blocks`.

    Args:
        path: the file.
        form: how its text is wrapped.
        target: the copy.
        where: the source, for messages.
        limit: stop at the end of the line after so many bytes of the file.
        member: which of an archive's.

    Raises:
        ReadError: the file is cut off or corrupt; or the copy doesn't fit on the disk.
    """
    written = 0
    try:
        with target.open("wb") as copy:
            for block in text_blocks(path, form, where=where, member=member):
                written += len(block)
                if limit is not None and written >= limit:
                    copy.write(block[: block.rfind(b"\n") + 1] or block)
                    return
                copy.write(block)
    except OSError as error:
        raise ReadError(
            f"{where}: {path!r} has at least {written:,} bytes of text, for which there is no room "
            f"in {str(target.parent)!r} ({error.strerror})"
        ) from error


def _mark_invalid(error: UnicodeError) -> tuple[str | bytes, int]:
    """Let an invalid byte through decoder and encoder: FF, and its halves as 80 to 8F."""
    if isinstance(error, UnicodeEncodeError):
        numbers = (ord(letter) & 0xFF for letter in error.object[error.start : error.end])
        return b"".join(bytes((0xFF, 0x80 | n >> 4, 0x80 | n & 0xF)) for n in numbers), error.end
    if isinstance(error, UnicodeDecodeError):
        found = error.object[error.start : error.end]
        return "".join(chr(_ESCAPED_BYTE | byte) for byte in found), error.end
    raise error


def unmarked(texts: pa.Array) -> pa.Array:
    r"""Give what `as_text` made of marked bytes, with the bytes that the file has.

    >>> unmarked(pa.array([r"3,\xff\x8e\x89"]))[0].as_py()
    '3,\\xe9'
    """
    import pyarrow.compute as pc

    mark = r"\\xff\\x8(.)\\x8(.)"
    return pc.replace_substring_regex(texts, mark, r"\\x\1\2")


_ESCAPED_BYTE = 0xDC00
INVALID = "arrowetl.invalid"
codecs.register_error(INVALID, _mark_invalid)

__all__ = [
    "BLOCK",
    "COMPRESSIONS",
    "Form",
    "Text",
    "codec_name",
    "form_of",
    "parts_of",
    "text_blocks",
    "texts_of",
    "unmarked",
    "write_plain",
]
