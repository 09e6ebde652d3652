"""A real browser looks at the pages: what a person would see."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Browser, browser_path
from profiling.profiles import HOSTILE, hostile, profile

from arrowetl.profiling.compare import compare
from arrowetl.profiling.drift_html import drift_page
from arrowetl.profiling.html import page

FLIGHTS = "fixtures/flights/flights.parquet"
CONTRAST = """(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  let worst = [99, ''];
  for (const e of document.querySelectorAll('main *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest('svg') || e.closest('.matrix')) continue;
    const [a, b] = [parts(getComputedStyle(e).color), ground(e)].map(light);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 200)];
  }
  return worst;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = browser_path()
    with Browser(found, tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def flights():
    return profile(pq.read_table(FLIGHTS), source="flights.parquet", correlations=True)


@pytest.fixture(scope="module")
def pages(tmp_path_factory, flights):
    folder = tmp_path_factory.mktemp("pages")
    rows = pq.read_table(FLIGHTS)
    late = profile(rows.slice(9_000), source="late")
    made = {
        "flights": page(flights),
        "hostile": page(profile(hostile(), source=HOSTILE[0])),
        "drift": drift_page(compare(profile(rows.slice(0, 9_000), source="early"), late)),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def opened(browser, path, *, width=1280, scheme="light", scripts=True):
    tab = browser.page(scripts=scripts)
    tab.size(width)
    tab.prefer(scheme)
    tab.open(path)
    return tab


@pytest.fixture(params=["flights", "hostile", "drift"])
def path(request, pages):
    return pages / f"{request.param}.html"


def test_nothing_is_asked_for_and_nothing_complained_of(browser, path):
    tab = opened(browser, path)
    assert tab.requests == [path.as_uri()]
    assert tab.console == []


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out(browser, path, width):
    tab = opened(browser, path, width=width)
    tab.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert tab.ask("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_can_be_read(browser, path, scheme):
    tab = opened(browser, path, scheme=scheme)
    tab.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    ratio, where = tab.ask(CONTRAST)
    assert ratio >= 4.5, where


def test_dark_is_dark(browser, pages):
    grounds = [
        opened(browser, pages / "flights.html", scheme=scheme).ask(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 24, 31)"]


def test_every_column_has_its_section(browser, pages, flights):
    tab = opened(browser, pages / "flights.html")
    assert tab.ask("document.title") == "Profile of flights.parquet"
    names = "[...document.querySelectorAll('.column h3')].map(each => each.innerText)"
    assert tab.ask(names) == [each.name for each in flights.columns]
    heights = "[...document.querySelectorAll('.column')].map(e => e.getBoundingClientRect().height)"
    assert min(tab.ask(heights)) > 50


def test_bars_are_drawn_as_high_as_their_counts(browser, pages, flights):
    tab = opened(browser, pages / "flights.html")
    for place, column in enumerate(flights.columns):
        if column.numbers is None:
            continue
        boxes = tab.ask(
            f"""[...document.querySelectorAll('#c{place} svg.histogram rect')].map(e => {{
                const b = e.getBoundingClientRect(); return [b.width, b.height] }})"""
        )
        counts = [each for each in column.numbers.histogram.counts if each]
        assert len(boxes) == len(counts)
        assert min(min(each) for each in boxes) > 1
        tallest = max(height for _, height in boxes)
        assert tallest > 90
        for (_, height), n in zip(boxes, counts, strict=True):
            assert height == pytest.approx(tallest * max(n / max(counts), 0.015), abs=1)


def test_the_map_of_nulls_is_drawn(browser, pages, flights):
    tab = opened(browser, pages / "flights.html")
    strips = tab.ask(
        "[...document.querySelectorAll('svg.strip')].map(e => e.getBoundingClientRect().width)"
    )
    assert len(strips) == sum(each.nulls > 0 for each in flights.columns)
    assert min(strips) > 300


def test_a_folded_part_opens_by_mouse_and_by_key(browser, pages):
    tab = opened(browser, pages / "flights.html")
    shown = "document.querySelector('#c5 details table').checkVisibility()"
    assert not tab.ask(shown)
    tab.click("#c5 summary")
    assert tab.ask(shown)
    tab.ask("document.querySelector('#c5 summary').focus()")
    tab.press_enter()
    assert not tab.ask(shown)


def test_a_link_leads_to_its_column(browser, pages):
    tab = opened(browser, pages / "flights.html")
    tab.click("a[href='#c12']")
    top = tab.ask("document.querySelector('#c12').getBoundingClientRect().top")
    assert 0 <= top < 900


def test_hostile_names_are_text_and_no_script_runs(browser, pages):
    tab = opened(browser, pages / "hostile.html")
    title = tab.ask("document.title")
    assert title == f"Profile of {HOSTILE[0]}"
    names = tab.ask("[...document.querySelectorAll('.column h3')].map(each => each.innerText)")
    assert names[:2] == list(HOSTILE[:2])
    assert len(names) == len(HOSTILE)
    assert tab.ask("document.querySelectorAll('script, img, iframe').length") == 0


def test_it_is_all_there_without_scripts(browser, pages, flights):
    tab = opened(browser, pages / "flights.html", scripts=False)
    nodes = json.dumps(tab.say("DOMSnapshot.captureSnapshot", computedStyles=[])["strings"])
    assert all(each.name in nodes for each in flights.columns)
    assert "How columns go together" in nodes


def test_it_prints_with_folded_parts_open(browser, pages):
    tab = opened(browser, pages / "drift.html")
    tab.say("Emulation.setEmulatedMedia", media="print")
    made = tab.say("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert len(made) > 10_000


def test_parts_for_which_there_is_no_data_leave_no_hole(browser, tmp_path):
    empty = tmp_path / "empty.html"
    empty.write_text(page(profile(pa.table({"a": pa.array([], pa.int64())}))), encoding="utf-8")
    tab = opened(browser, empty)
    assert tab.console == []
    assert "0" in tab.ask("document.querySelector('.facts').innerText")
    assert tab.ask("document.querySelectorAll('.column').length") == 1
