"""The page of a profile: complete in itself, and harmless whatever is in the data."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiling.profiles import HOSTILE, hostile, profile

from arrowetl.profiling._markup import Markup, legible, tag, text
from arrowetl.profiling.compare import compare
from arrowetl.profiling.drift_html import drift_page
from arrowetl.profiling.html import page
from arrowetl.profiling.profile import Profile, Sample

VOID = {"meta"}
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "header", "details"),
    *("h1", "h2", "h3", "h4", "p", "dl", "dt", "dd", "div", "span", "a", "bdi", "i", "summary"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "svg", "rect", "line"),
}


class Reader(HTMLParser):
    """Reads a page and is strict: every element is known, closed, and in its place."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag in KNOWN, tag
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        pytest.fail(f"a comment: {data}")

    def handle_pi(self, data):
        pytest.fail(f"an instruction: {data}")


def read(made):
    reader = Reader()
    reader.feed(made)
    reader.close()
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert {each[1:] for each in reader.links} <= set(reader.ids)
    for element, name, value in reader.attributes:
        assert not name.startswith("on"), (element, name)
        assert name not in {"src", "style", "srcset", "action"}, (element, name)
        assert name != "href" or re.fullmatch(r"#c\d+", value)
    return reader


@pytest.fixture(scope="module")
def harmful():
    return profile(hostile(), source=HOSTILE[0])


def test_hostile_names_and_values_are_text(harmful):
    made = page(harmful)
    read(made)
    assert "<script" not in made
    assert "&lt;script&gt;document.title=&#x27;owned&#x27;&lt;/script&gt;" in made


def test_long_values_are_cut(harmful):
    assert len(page(harmful)) < 500_000


def test_no_invisible_character_is_left(harmful):
    made = page(harmful)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2028\u2066-\u2069\ufeff]", made)
    assert "[U+202E]" in made


def test_nothing_is_loaded(harmful):
    plain = profile(pa.table({"n": [1, 2, 3], "t": ["a", "b", None]}))
    made = page(plain)
    assert not re.search(r"https?:|[\"'(=\s]//|url\(|@import|<link|<img|<script", made)
    read(page(harmful))


def test_the_policy_allows_its_own_style_and_nothing_else():
    made = page(Profile(0, (), Sample(0, 0), ""))
    style = re.search("<style>(.*?)</style>", made, re.DOTALL).group(1)
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{hashed}&#x27;" in made
    assert "default-src &#x27;none&#x27;" in made


def test_an_empty_table_has_a_page():
    read(page(profile(pa.table({"a": pa.array([], pa.string())}))))
    read(page(Profile(0, (), Sample(0, 0), "")))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([5, 5, 5]),
        pa.array([None, None], pa.int64()),
        pa.array([1e308, -1e308, 0.0]),
        pa.array([float("nan"), float("inf"), None]),
        pa.array([5e-324, 0.0]),
        pa.array([2**63 - 1, -(2**63)]),
        pa.array([True, None, False]),
        pa.array([[1, 2], [], None]),
        pa.array([{"a": 1, "b": None}, {"a": 2, "b": "x"}]),
        pa.array([b"\x00", b"\xff\xfe"]),
        pa.array([0, 2**62], pa.timestamp("us")),
        pa.array([0, 86_399], pa.time32("s")),
        pa.array([0, -(2**40)], pa.duration("s")),
        pa.array([0, 2_000_000], pa.date32()),
    ],
    ids=lambda each: str(each.type),
)
def test_any_column_has_a_page(values):
    made = page(profile(pa.table({"x": values})))
    read(made)
    assert not re.search('="-?(nan|inf)"', made)


def test_every_bar_has_a_size_and_says_what_it_is():
    found = profile(pa.table({"x": [1] * 1000 + [2, 100]}))
    made = page(found)
    drawn = re.search('<svg class="histogram".*?</svg>', made, re.DOTALL).group()
    heights = [float(each) for each in re.findall('height="([0-9.]+)"', drawn)]
    assert len(heights) == drawn.count("<title>") == 2
    assert min(heights) >= 1.5
    assert "1 to 5: 1,001 (&gt; 99.9 %)" in drawn


def test_nulls_are_shown_where_they_are():
    values = [1] * 640 + [None] * 320 + [1] * 320
    made = page(profile(pa.table({"x": pa.array(values, pa.int64())})))
    strip = re.search('<svg class="strip".*?</svg>', made, re.DOTALL).group()
    assert re.findall("<title>(.*?)</title>", strip) == ["rows 641 to 960: 100 % null"]


def test_the_map_of_nulls_keeps_its_scale_over_a_million_rows():
    ones = pa.array([1] * 900_000 + [None] * 100_000, pa.int8())
    found = profile(pa.table({"x": ones})).columns[0].null_map
    assert 120 <= len(found) <= 240
    assert sum(each > 0 for each in found) == pytest.approx(len(found) / 10, abs=2)


def test_a_sample_and_its_seed_are_stated():
    made = page(Profile(10, (), Sample(10, 1000, 42), "", source="x.csv"))
    assert "A random sample of 10 of 1,000 rows was looked at (seed 42)." in made


def test_personal_data_are_told_and_masked():
    names = pa.table({"email": [f"user{i}@example.org" for i in range(50)]})
    made = page(profile(names))
    assert "@example.org" not in made
    assert "Values of personal data are masked" in made
    assert "personal data: email" in made


def test_correlations_are_a_table():
    x = list(range(20))
    found = profile(pa.table({"x": x, "y": [-2 * each for each in x]}), correlations=True)
    assert '<td class="n4">-1.00</td>' in page(found)


def test_a_notebook_shows_it(harmful):
    read(harmful._repr_html_())
    read(compare(harmful, harmful)._repr_html_())


def test_changes_have_a_page(harmful):
    old = profile(pa.table({name: ["a", "b"] * 50 for name in HOSTILE}), source=HOSTILE[1])
    made = drift_page(compare(old, harmful))
    read(made)
    assert "<script" not in made


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5, unique=True), st.lists(st.text(), max_size=8))
def test_any_names_and_texts_make_a_page(names, texts):
    table = pa.table([pa.array(texts, pa.string()) for _ in names], names=names)
    found = profile(table, source="".join(texts), patterns={})
    read(page(found))
    str(found)


@given(st.text(alphabet=st.characters(), max_size=50), st.integers(1, 60))
def test_what_is_shown_can_be_printed(value, limit):
    shown = legible(value, limit)
    assert all(each.isprintable() or each in "\u200d\xa0" for each in shown)
    assert len(value) <= limit or f"({len(value):,} characters)" in shown


def test_only_markup_is_left_as_it_is():
    made = tag("p", "<b>", Markup("<i></i>"), 3, None, title='a"b', class_=None)
    assert made == '<p title="a&quot;b">&lt;b&gt;<i></i>3</p>'
    assert text("\ud800") == "[U+D800]"
