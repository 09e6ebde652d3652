"""Packed, cut off, corrupt and strange files: whole or an error, in all sources of text."""

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowetl.errors import ReadError
from arrowetl.sources._text import Form, write_plain
from arrowetl.sources.csv import CSVSource
from arrowetl.sources.json import JSONSource
from arrowetl.sources.text import TextSource
from tests.sources.reading import write

ROWS = 3_000
READERS = {
    "csv": (CSVSource, b"id\n" + b"".join(b"%d\n" % n for n in range(ROWS))),
    "json": (JSONSource, b"".join(b'{"id": %d}\n' % n for n in range(ROWS))),
    "text": (
        lambda path, **more: TextSource(path, pattern=r"^(?P<id>\d+)$", **more),
        b"".join(b"%d\n" % n for n in range(ROWS)),
    ),
}


def zipped(*contents, names="abcdef", method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in zip(names, contents, strict=False):
            archive.writestr(name, content)
    return buffer.getvalue()


def arrow(codec):
    def pack(content):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as file:
            file.write(content)
        return sink.getvalue().to_pybytes()

    return pack


FRAMED = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": arrow("zstd"),
    "lz4": arrow("lz4"),
}
PACKERS = FRAMED | {"zip": zipped}


def ids(source):
    table = source.reader().read_all()
    return table["id"].to_pylist()


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.mark.parametrize("packer", PACKERS)
def test_what_is_inside_counts_not_the_name(tmp_path, reader, packer):
    make, content = reader
    for name in ("x", "x.gz", "x.zip", "x.csv"):
        path = write(tmp_path / name, PACKERS[packer](content))
        assert ids(make(path)) == list(range(ROWS))
    assert ids(make(path, compression=packer)) == list(range(ROWS))


def test_a_plain_file_with_a_wrong_ending(tmp_path, reader):
    make, content = reader
    assert ids(make(write(tmp_path / "x.csv.gz", content))) == list(range(ROWS))
    with pytest.raises(ReadError, match=r"x\.csv\.gz' can't be read as gzip"):
        make(tmp_path / "x.csv.gz", compression="gzip").reader().read_all()


@pytest.mark.parametrize("packer", FRAMED)
def test_several_frames_are_one_file(tmp_path, reader, packer):
    make, content = reader
    parts = [content[:10_000], b"", content[10_000:]]
    path = write(tmp_path / "x", b"".join(map(FRAMED[packer], parts)))
    assert ids(make(path)) == list(range(ROWS))


def test_frames_to_pass_over(tmp_path):
    make, content = READERS["text"]
    frame = struct.pack("<II", 0x184D2A50, 5) + b"hello"
    packed = frame + FRAMED["zstd"](content) + frame
    assert ids(make(write(tmp_path / "x", packed))) == list(range(ROWS))


def test_padding_after_xz(tmp_path):
    make, content = READERS["text"]
    packed = lzma.compress(content[:5_000]) + b"\x00" * 8 + lzma.compress(content[5_000:])
    assert ids(make(write(tmp_path / "x", packed + b"\x00" * 4))) == list(range(ROWS))


CUTS = st.floats(0.05, 0.999)


@settings(deadline=None, max_examples=35)
@given(packer=st.sampled_from(list(PACKERS)), share=CUTS, frames=st.integers(1, 2))
def test_cut_off_anywhere_is_an_error(tmp_path_factory, packer, share, frames):
    make, content = READERS["text"]
    packed = PACKERS[packer](content)
    kept = packed[: max(8, int(len(packed) * share))]
    if frames == 2 and packer != "zip":
        kept = packed + kept
    path = write(tmp_path_factory.mktemp("cut") / "x", kept)
    with pytest.raises(ReadError, match="x' can't be read as"):
        make(path, schema={"id": "BIGINT"}).reader().read_all()


@settings(deadline=None, max_examples=35)
@given(packer=st.sampled_from(["gzip", "bz2", "xz", "zip"]), share=CUTS, mask=st.integers(1, 255))
def test_a_flipped_byte_is_never_a_short_table(tmp_path_factory, packer, share, mask):
    make, content = READERS["text"]
    packed = bytearray(PACKERS[packer](content))
    packed[max(8, int(len(packed) * share))] ^= mask
    path = write(tmp_path_factory.mktemp("flip") / "x", bytes(packed))
    try:
        found = ids(make(path, schema={"id": "BIGINT"}))
    except ReadError:
        return
    assert found == list(range(ROWS))  # a byte of a header that nobody needs


@pytest.mark.parametrize("packer", FRAMED)
def test_rubbish_after_the_end_is_an_error(tmp_path, packer):
    make, content = READERS["text"]
    with pytest.raises(ReadError, match="can't be read as"):
        make(write(tmp_path / "x", FRAMED[packer](content) + b"rubbish")).reader().read_all()


def test_an_archive_of_several_files(tmp_path, reader):
    make, content = reader
    packed = zipped(content, content, content, b"", names=["c/2", "b", "__MACOSX/._b", "c/"])
    source = make(write(tmp_path / "x.zip", packed))
    assert ids(source) == list(range(ROWS)) * 2


def test_files_in_an_archive_are_told_apart(tmp_path):
    path = write(tmp_path / "x.zip", zipped(b"1\n2\n", b"3\n", names=["b.log", "a.log"]))
    table = TextSource(path).reader().read_all()
    assert table.select(["file", "line", "text"]).to_pydict() == {
        "file": [f"{path}!a.log"] + [f"{path}!b.log"] * 2,
        "line": [1, 1, 2],
        "text": ["3", "1", "2"],
    }
    source = TextSource(path, pattern="^(?P<n>[12])$")
    list(source.scan())
    ((rejected,),) = [batch.to_pylist() for batch in source.rejected(None)]
    assert rejected["source"] == {
        "file": f"{path}!a.log",
        "line": 1,
        "byte": 1,
        "table": None,
        "key": None,
    }


def test_columns_of_archived_files_are_joined(tmp_path):
    packed = zipped(b"id,a\n1,x\n", b"b,id\n2.5,2\n", names=["1.csv", "2.csv"])
    rows = CSVSource(write(tmp_path / "x.zip", packed)).reader().read_all().to_pylist()
    assert rows == [{"id": 1, "a": "x", "b": None}, {"id": 2, "a": None, "b": 2.5}]


def test_names_that_point_elsewhere_are_only_names(tmp_path):
    (tmp_path / "in").mkdir()
    names = ["../../out.csv", "/out.csv", "C:\\out.csv", "a\x01b.csv"]
    path = write(tmp_path / "in" / "x.zip", zipped(*[b"id\n1\n"] * 4, names=names))
    assert ids(CSVSource(path)) == [1, 1, 1, 1]
    assert [each.name for each in tmp_path.rglob("*")] == ["in", "x.zip"]
    assert not Path("/out.csv").exists()


class Pipe(io.RawIOBase):
    """What can't be sought in: sizes follow the data."""

    def __init__(self, kept):
        self.kept = kept

    def writable(self):
        return True

    def write(self, data):
        self.kept.append(bytes(data))
        return len(data)


def test_sizes_that_follow_the_data(tmp_path):
    kept = []
    with zipfile.ZipFile(Pipe(kept), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"id\n1\n")
        with archive.open("b.csv", "w", force_zip64=True) as file:
            file.write(b"id\n2\n")
    assert ids(CSVSource(write(tmp_path / "x", b"".join(kept)))) == [1, 2]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_in_archives(tmp_path, method):
    path = write(tmp_path / "x", zipped(b"id\n1\n", method=method))
    assert ids(CSVSource(path)) == [1]


def patched(packed, local, central, value):
    """Overwrite a field of two bytes in both of a zip archive's headers."""
    content = bytearray(packed)
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<H", content, local, value)
    struct.pack_into("<H", content, at + central, value)
    return bytes(content)


def overlapping():
    """Give an archive with two names for the same bytes."""
    content = bytearray(zipped(b"id\n" + os.urandom(200).hex().encode() + b"\n"))
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = bytes(content[start:end])
    tail = bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    again = entry.replace(b"a", b"b", 1) if entry.endswith(b"a") else entry
    return bytes(content[:start]) + entry + again[:-1] + b"b" + bytes(tail)


BAD_ARCHIVES = {
    "is encrypted; unpack it first": patched(zipped(b"id\n1\n"), 6, 8, 1),
    "with no file in it": zipped(),
    "with no file in it ": zipped(b"", names=["folder/"]),
    "compression method": patched(zipped(b"id\n1\n"), 8, 10, 9),
    "packed twice, with zip inside": zipped(zipped(b"id\n1\n")),
    "packed twice, with gzip inside": zipped(gzip.compress(b"id\n1\n")),
    "Excel or Office file": zipped(b"<x/>", names=["[Content_Types].xml"]),
    "overlap": overlapping(),
    "is it whole": zipped(b"id\n1\n")[:-10],
}


@pytest.mark.parametrize("said", BAD_ARCHIVES)
@pytest.mark.parametrize("make", [CSVSource, TextSource, JSONSource])
def test_archives_that_are_refused(tmp_path, make, said):
    path = write(tmp_path / "x.zip", BAD_ARCHIVES[said])
    with pytest.raises(ReadError, match=said.strip()) as caught:
        make(path).reader().read_all()
    assert "x.zip" in str(caught.value)


def test_a_size_that_lies(tmp_path):
    content = bytearray(zipped(b"id\n1\n2\n"))
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, 5)
    with pytest.raises(ReadError, match="Bad CRC-32"):
        CSVSource(write(tmp_path / "x", bytes(content))).reader().read_all()


def tarred(content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tarred(b"id\n1\n"), "it is a tar archive"),
        (
            gzip.compress(gzip.compress(b"id\n1\n", mtime=0), mtime=0),
            "packed twice, with gzip inside",
        ),
        (b"\x1f\x9d\x90abc", "packed by compress"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a 7z archive"),
        (b"PAR1\x00\x00", "read it with ParquetSource"),
        (b"SQLite format 3\x00", "read it with SQLiteSource"),
        (b"%PDF-1.7\n", "it is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
    ],
)
@pytest.mark.parametrize("make", [CSVSource, TextSource, JSONSource])
def test_what_is_no_text_is_named(tmp_path, make, content, said):
    with pytest.raises(ReadError, match=said):
        make(write(tmp_path / "x.csv", content)).reader().read_all()


def test_text_that_begins_as_something_else_does(tmp_path):
    assert ids(CSVSource(write(tmp_path / "x", b"PK,id\n1,2\n"))) == [2]


BOMB = r"""
import re, sys
from pathlib import Path
from arrowetl.sources.text import TextSource
source = TextSource(sys.argv[1], pattern="^(?P<id>x)")
rows = sum(batch.num_rows for batch in source.scan())
rejected = sum(batch.num_rows for batch in source.rejected(None))
status = Path("/proc/self/status").read_text()
print(rows, rejected, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
"""


@pytest.mark.parametrize("packer", ["zip", "zstd"])
def test_a_bomb_takes_no_memory(tmp_path, packer):
    packed = PACKERS[packer](b"x\n" + bytes(350 << 20) + b"\nx\n")
    assert len(packed) < 1 << 20
    path = write(tmp_path / "bomb", packed)
    command = [sys.executable, "-c", BOMB, str(path)]
    told = subprocess.run(command, check=True, capture_output=True, env=os.environ).stdout
    rows, rejected, peak = map(int, told.split())
    assert (rows, rejected) == (2, 1)
    assert peak < 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_copy_that_does_not_fit(tmp_path):
    path = write(tmp_path / "x", gzip.compress(b"id\n1\n"))
    with pytest.raises(ReadError, match=r"no room in '/dev' .No space left"):
        write_plain(str(path), Form("gzip", "utf-8"), Path("/dev/full"), where="CSVSource")
