"""The quick look over a CSV file says what a slow one says, whatever the blocks and runs."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.sources import _survey, _surveys
from arrowetl.sources._mend import Signs
from arrowetl.sources._survey import survey

BLOCK = 64
TEXTS = st.one_of(
    st.text(alphabet, max_size=700).map(str.encode)
    for alphabet in ("ab,\n", 'ab,"\n', "a,\r\n", "a" * 40 + '\n"', 'N,\n"\r')
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(_survey, "BLOCK", BLOCK)
    monkeypatch.setattr(_survey, "RUN", 3)
    monkeypatch.setattr(_survey, "STRETCH", 16)


def row_lengths(text, quote):
    """Bytes between the line ends that stand in no quotes."""
    inside, ends = False, [0]
    for at, byte in enumerate(text):
        inside ^= bool(quote) and byte == quote[0]
        if byte in b"\r\n" and not inside:
            ends.append(at)
    return [two - one for one, two in pairwise([*ends, len(text)])]


def watching(made):
    def watched(*given, **asked):
        made.append(given)
        return survey(*given, **asked)

    return watched


@given(TEXTS, st.sampled_from([b'"', b""]), st.sampled_from([[b""], [b"", b"N"], [b"N"]]))
def test_it_sees_what_is_there(tmp_path_factory, text, quote, nulls):
    path = tmp_path_factory.mktemp("survey") / "x.csv"
    path.write_bytes(text)
    seen = _survey.survey(str(path), Signs(b",", quote, quote), nulls, clocks=False)
    assert not seen.joined
    quoted = [quote + null + quote for null in nulls] if quote else []
    tails = [b"," + value + end for value in (*nulls, *quoted) for end in (b"\n", b"\r")]
    assert seen.returns == (b"\r" in text)
    assert seen.quotes == (bool(quote) and quote in text)
    # The file's last line may have no end.
    assert seen.null_tails == any(tail in text + b"\n" for tail in tails)
    longest = max(row_lengths(text, quote))
    assert seen.longest <= longest + 2 * BLOCK
    if longest > 2 * BLOCK:
        assert seen.longest >= longest


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_one_that_was_begun_ahead_is_the_one_that_is_asked_for(sign, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(_surveys, "WORTH", 1)
    monkeypatch.setattr(_surveys, "survey", watching(made))
    path = tmp_path / "x.csv"
    path.write_text(f'id{sign}"a,b"{sign}c\n1{sign}2{sign}3\n', encoding="utf-8")
    before = threading.active_count()
    assert "null_padding" in ae.CSVSource(path).relation(tmp_path)
    assert [given[1].delimiter for given in made] == [sign.encode()]
    assert threading.active_count() == before


def test_one_that_was_begun_by_a_wrong_guess_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(_surveys, "WORTH", 1)
    path = tmp_path / "x.csv"
    # By its head a comma; the last line has a value too many, which is null.
    path.write_text("a,b,c;d\n" + "x;1\n" * 50 + "y;2;\n", encoding="utf-8")
    dead = ae.ArrowLoader()
    pipeline = ae.Pipeline(progress=False, dead_letters=dead).extract(ae.CSVSource(path))
    pipeline.load(ae.ArrowLoader()).run()
    assert pipeline.result.records_loaded == 50
    assert pipeline.result.records_rejected == 1
