"""CSVSource on the customers' export: what it rejects is what the truth says was broken."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from arrowetl.sources.csv import CSVSource
from tests.sources.reading import both, rows_of

CUSTOMERS = Path(__file__).parents[2] / "fixtures" / "customers"
CODES = {
    "line_too_few": "missing_columns",
    "line_too_many": "too_many_columns",
    "line_stray_quote": "unquoted_value",
    "line_open_quote": "unquoted_value",
    "encoding_latin1": "encoding",
    "encoding_cp1252": "encoding",
}


def test_rejects_are_the_broken_lines_and_no_others(tmp_path):
    with gzip.open(CUSTOMERS / "truth.csv.gz", "rt", encoding="utf-8", newline="") as file:
        truth = [row for row in csv.DictReader(file) if row["kind"] in CODES]
    broken = {(int(r["line"]), int(r["byte"]) + 1, CODES[r["kind"]]) for r in truth}
    rows, rejected = both(CSVSource(CUSTOMERS / "messy.csv"), tmp_path)
    found = Counter((r["source"]["line"], r["source"]["byte"], r["reason_code"]) for r in rejected)
    assert found == Counter(broken)
    assert len(rows) + len(rejected) == 12_000


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("messy_latin1.csv", {"encoding": "latin-1"}, 300),
        ("messy_utf16.csv", {}, 300),
        ("messy_utf16_hard.csv", {}, 50),
    ],
)
def test_other_encodings(name, options, rows):
    assert len(rows_of(CSVSource(CUSTOMERS / name, **options))) == rows


def test_shifted_lines_are_rejected(tmp_path):
    rows, rejected = both(CSVSource(CUSTOMERS / "messy_shifted.csv"), tmp_path)
    assert (len(rows), len(rejected)) == (280, 20)
    assert {row["reason_code"] for row in rejected} == {"too_many_columns"}
