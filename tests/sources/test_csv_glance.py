"""What is only planned or previewed reads no whole CSV file beforehand."""

import gzip
from pathlib import Path

import pytest

import arrowetl as ae

ROWS = 1_500_000
LINE = "%d,some words,%d.5,2026-01-%02d 10:00:00,\n"  # the last value is null: looked at closely


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "a.csv"
    lines = "".join(LINE % (row, row % 9, 1 + row % 28) for row in range(ROWS // 100))
    path.write_text("id,words,price,at,note\n" + lines * 100)
    return path


def read_by(call):
    """Give the bytes that a call reads."""

    def read():
        return int(Path("/proc/self/io").read_text().split()[1])

    before = read()
    call()
    return read() - before


@pytest.mark.parametrize("packed", [False, True])
def test_a_plan_reads_a_sample(large, tmp_path, packed):
    path = large
    if packed:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(large.read_bytes(), 1))
    pipeline = ae.Pipeline().extract(path).transform(ae.Filter("price > 3"))
    pipeline = pipeline.load(ae.ParquetLoader(tmp_path / "b.parquet"))
    pipeline.plan()  # imports what it needs
    assert read_by(pipeline.plan) < 25_000_000 < large.stat().st_size
    assert "exact_number(TRY_CAST" in str(pipeline.plan())


def test_a_preview_reads_what_it_shows(large):
    pipeline = ae.Pipeline().extract(large).transform(ae.Filter("price > 3"))
    shown = []
    assert read_by(lambda: shown.append(pipeline.preview(5))) < large.stat().st_size
    assert shown[0].table["id"].to_pylist() == [3, 4, 5, 6, 7]
    counted = ae.Pipeline().extract(large).transform("SELECT count(*) AS n FROM input").preview()
    assert counted.table.to_pylist() == [{"n": ROWS}]


@pytest.mark.parametrize("careful", [False, True, ["n"]])
def test_a_preview_is_exact_as_far_as_it_goes(tmp_path, careful):
    path = tmp_path / "a.csv"
    rows = "".join(f"{row},2026-01-01 10:00:00\n" for row in range(30_000))
    path.write_text("n,at\n" + rows + "1.5,2026-01-01 10:00:00+02\n7,2026-01-01 10:00:00\n")
    source = ae.CSVSource(path, careful=careful)
    last = ae.Pipeline().extract(source).transform("SELECT * FROM input WHERE n < 10 OR n = 1.5")
    arrived = last.preview(100).table["n"].to_pylist()
    with last.reader() as reader:
        assert arrived == reader.read_all()["n"].to_pylist() == [*range(10), 7]


def test_a_preview_of_mixed_line_ends(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,2\r\n3,4\n" * 5)
    preview = ae.Pipeline().extract(path).preview()
    assert preview.table["a"].to_pylist() == [1, 3] * 5


@pytest.mark.parametrize(
    "stage",
    [
        "SELECT count(*) AS n FROM input",
        "SELECT max(a) AS n FROM input",
        "SELECT a AS n FROM input ORDER BY a DESC LIMIT 1",
        ae.Deduplicator(),
    ],
)
def test_a_preview_of_what_is_made_of_all_rows_is_that_of_a_run(tmp_path, stage):
    """A shifted row is set apart by a look at the whole file."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,\n" * 50 + "9,x,\n" + "1,\n" * 50)
    pipeline = ae.Pipeline().extract(path).transform(stage)
    with pipeline.reader() as reader:
        assert pipeline.preview().table.to_pylist() == reader.read_all().to_pylist()
