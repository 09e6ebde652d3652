"""Text cut into lines and records, against a plain loop over bytes."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arrowetl.rejected import as_text
from arrowetl.sources import _text_lines
from arrowetl.sources._text_lines import cut

BOM = b"\xef\xbb\xbf"
PIECES = [b"a", b"b ", b"\n", b"\r", b"\r\n", b"\nS", b"\x00", b"\xff", b"\xc3", b"aaaaaaaaaaa"]
PIECES += ["é".encode(), "😀".encode(), "\ufffd".encode(), "\u2028".encode()]


def rows_of(blocks, start=None):
    found = []
    for batch in cut(iter(blocks), start):
        batch.validate(full=True)
        found += [tuple(row.values()) for row in batch.to_pylist()]
    return found


def slowly(text, start, longest):
    """Do what `cut` does, a line at a time."""
    begin = len(BOM) if text.startswith(BOM) else 0
    ends = [match.end() for match in re.finditer(rb"\r\n|\r|\n", text) if match.end() > begin]
    bounds = [begin, *ends] + ([len(text)] if len(text) > ([begin, *ends])[-1] else [])
    records = []
    for number, (first, past) in enumerate(pairwise(bounds), 1):
        line = text[first:past].rstrip(b"\r\n")
        starts = start is None or past - first > longest or re.search(start.encode(), line)
        if starts or not records:
            records.append([number, first, past])
        else:
            records[-1][2] = past
    return [_told(text, *record, longest) for record in records]


def _told(text, line, first, past, longest):  # noqa: PLR0917
    whole = text[first:past].rstrip(b"\r\n")
    if past - first > longest:
        start = as_text(text[first:past], limit=5).rstrip("\r\n")
        return line, first + 1, start, "line_size"
    try:
        return line, first + 1, whole.decode(), None
    except UnicodeDecodeError:
        return line, first + 1, as_text(whole), "encoding"


@settings(deadline=None, max_examples=400)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=30),
    marked=st.booleans(),
    start=st.sampled_from([None, "^S"]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
@example(pieces=[b"a\r", b"\n"], marked=False, start=None, sizes=[2])
@example(pieces=[b"\nS", b"\nS", b"a" * 40, b"\nS", b"a"], marked=False, start="^S", sizes=[3])
def test_as_a_plain_loop_does(pieces, marked, start, sizes):
    text = BOM * marked + b"".join(pieces)
    # A byte-order mark always comes in one block: they have a megabyte.
    cuts, at = [text[: 4 * marked]], 4 * marked
    while at < len(text):
        size = sizes[len(cuts) % len(sizes)]
        cuts.append(text[at : at + size])
        at += size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text_lines, "LONGEST", 12)
        patch.setattr(_text_lines, "SHOWN", 5)
        assert rows_of(cuts, start) == slowly(text, start, 12)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\n", ["a", ""]),
        (b"a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        (b"a\r\r\nb", ["a", "", "b"]),
        (b"a\x00b\n\x0c\x0b\x85", ["a\x00b", "\x0c\x0b\\x85"]),
        ("a\u2028b\u0085c\n".encode(), ["a\u2028b\u0085c"]),
        (BOM + b"a\n" + BOM + b"b", ["a", "\ufeffb"]),
    ],
)
def test_lines(text, lines):
    assert [row[2] for row in rows_of([text])] == lines


def test_records_keep_their_line_ends():
    text = b"above\nS 1\r\n  at a\r\n\r\n\r\nS 2\n"
    assert rows_of([text], "^S") == [
        (1, 1, "above", None),
        (2, 7, "S 1\r\n  at a", None),
        (6, 24, "S 2", None),
    ]


def test_a_line_of_sixteen_megabytes_and_one_of_more():
    longest = _text_lines.LONGEST
    text = b"a" * (longest - 1) + b"\n" + b"b" * longest + b"\nc\n" + b"d" * (3 * longest)
    blocks = [text[at : at + (1 << 20)] for at in range(0, len(text), 1 << 20)]
    rows = rows_of(blocks)
    assert [(line, byte, len(text), fault) for line, byte, text, fault in rows] == [
        (1, 1, longest - 1, None),
        (2, longest + 1, 1 << 16, "line_size"),
        (3, 2 * longest + 2, 1, None),
        (4, 2 * longest + 4, 1 << 16, "line_size"),
    ]
