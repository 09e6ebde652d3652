"""Files in a real S3 server, by every loader that writes files."""

import gzip
import io
import json
import pickle
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowetl as ae
from arrowetl.errors import ConfigError, SchemaError, Transient, WriteError
from arrowetl.stores import intents, uploads
from arrowetl.stores.s3 import Store
from tests.cutting_proxy import proxy
from tests.s3_server import READER, emptied, only_the_chain, s3
from tests.sinks.loading import load, load_by_copy

ROWS = pa.table({"id": [1, 2, 3], "city": ["Rome", "Oslo", "Rome"]})
MORE = pa.table({"id": [9], "city": ["Bonn"]})
BAG = [{"id": 1, "city": "Rome"}, {"id": 2, "city": "Oslo"}, {"id": 3, "city": "Rome"}]


@pytest.fixture(autouse=True)
def chain(monkeypatch, tmp_path):
    only_the_chain(monkeypatch, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def bucket():
    with emptied() as made:
        yield made


def read(bucket, key):
    return pq.read_table(io.BytesIO(bucket.get(key)))


def rows_below(bucket, prefix):
    """All rows of the Parquet files below a prefix, in no order."""
    keys = [key for key in bucket.listed(prefix) if key.endswith(".parquet")]
    found = [row for key in keys for row in read(bucket, key).to_pylist()]
    return sorted(found, key=repr)


def waiting(tmp_path):
    """What lies in the temporary folder still."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "arrow")))


# --- one object --------------------------------------------------------------------------------


@pytest.mark.parametrize("put", [load, load_by_copy])
def test_csv(bucket, tmp_path, put):
    assert put(ae.CSVLoader(bucket.url("a/rows.csv")), ROWS) == 3
    assert bucket.get("a/rows.csv") == b"id,city\n1,Rome\n2,Oslo\n3,Rome\n"
    assert bucket.listed() == ["a/rows.csv"]
    assert not bucket.uploads()
    assert not waiting(tmp_path)


@pytest.mark.parametrize("put", [load, load_by_copy])
def test_parquet(bucket, tmp_path, put):
    assert put(ae.ParquetLoader(bucket.url("rows.parquet")), ROWS) == 3
    assert read(bucket, "rows.parquet").equals(ROWS)
    assert not bucket.uploads()
    assert not waiting(tmp_path)


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_json(bucket, tmp_path, mode):
    bucket.put("rows.jsonl", '{"id":0,"city":null}\n')
    load(ae.S3Loader(bucket.name, "rows.jsonl", mode=mode), ROWS)
    lines = [json.loads(line) for line in bucket.get("rows.jsonl").splitlines()]
    assert lines == [{"id": 0, "city": None}] * (mode == "append") + BAG
    assert not bucket.uploads()
    assert not waiting(tmp_path)


def test_an_object_of_many_parts(bucket):
    rows = pa.table({"x": pa.array(range(6_000_000))})
    load(ae.CSVLoader(bucket.url("rows.csv")), rows, rows=1_000_000)
    text = bucket.get("rows.csv")
    assert len(text) > 4 * uploads.PART
    assert text == b"x\n" + "".join(f"{n}\n" for n in range(6_000_000)).encode()


def test_error_replace_append(bucket):
    url = bucket.url("rows.csv.gz")
    load(ae.CSVLoader(url), ROWS)
    with pytest.raises(WriteError, match="is there already"):
        load(ae.CSVLoader(url), MORE)
    load(ae.CSVLoader(url, mode="append"), MORE)
    assert gzip.decompress(bucket.get("rows.csv.gz")).split()[-2:] == [b"3,Rome", b"9,Bonn"]
    with pytest.raises(SchemaError, match="lacks 'town'"):
        load(ae.CSVLoader(url, mode="append"), MORE.rename_columns(["id", "town"]))
    load(ae.CSVLoader(url, mode="replace"), MORE)
    assert gzip.decompress(bucket.get("rows.csv.gz")) == b"id,city\n9,Bonn\n"


@pytest.mark.parametrize("mode", ["error", "append"])
def test_what_somebody_else_wrote_meanwhile_stays(bucket, tmp_path, mode, monkeypatch):
    loader = ae.CSVLoader(bucket.url("rows.csv"), mode=mode)
    loader.begin(ROWS.schema)
    loader.write(ROWS.to_reader())
    plain = uploads.Uploads.prepare

    def late(self, files):
        bucket.put("rows.csv", "id,city\n7,Kiel\n")
        return plain(self, files)

    monkeypatch.setattr(uploads.Uploads, "prepare", late)
    with pytest.raises(WriteError, match="somebody else has written it"):
        loader.commit()
    loader.abort()
    assert bucket.get("rows.csv") == b"id,city\n7,Kiel\n"
    assert not bucket.uploads()


def test_nothing_is_seen_of_a_failed_commit(bucket, tmp_path, monkeypatch):
    plain, parts = uploads.Uploads._send, []

    def failing(self, part):
        parts.append(part)
        if len(parts) > 3:
            raise OSError("the disk went away")
        return plain(self, part)

    monkeypatch.setattr(uploads.Uploads, "_send", failing)
    monkeypatch.setattr(uploads, "PART", 5 << 20)
    rows = pa.table({"x": pa.array(range(4_000_000))})
    with pytest.raises(WriteError, match="went away"):
        load(ae.CSVLoader(bucket.url("rows.csv")), rows, rows=1_000_000)
    assert not bucket.listed()
    assert not bucket.uploads()
    assert not waiting(tmp_path)


def test_an_answer_that_is_lost_doesnt_fail_or_double(bucket, monkeypatch):
    """The object is completed, the answer never comes; the request is repeated."""
    client = Store().client
    plain = client.complete_multipart_upload

    def twice(**request):
        plain(**request)
        return plain(**request)

    monkeypatch.setattr(client, "complete_multipart_upload", twice)
    load(ae.CSVLoader(bucket.url("rows.csv")), ROWS)
    assert bucket.get("rows.csv").count(b"Rome") == 2


def test_a_connection_that_always_breaks_off(bucket, tmp_path):
    with proxy(s3().endpoint, [50] * 1_000) as endpoint:
        store = Store(endpoint=endpoint, access_key=s3().owner[0], secret_key=s3().owner[1])
        with pytest.raises(WriteError, match="broke off") as caught:
            load(ae.CSVLoader(bucket.url("rows.csv"), mode="replace", store=store), ROWS)
        assert isinstance(caught.value, Transient)
    assert not bucket.listed()
    assert not waiting(tmp_path)


# --- several objects ---------------------------------------------------------------------------


def test_partitions(bucket, tmp_path):
    load(ae.ParquetLoader(bucket.url("t"), partition_by=["city"]), ROWS)
    assert {key.rpartition("/")[0] for key in bucket.listed()} == {"t/city=Oslo", "t/city=Rome"}
    back = ae.ParquetSource(bucket.url("t")).reader().read_all()
    assert sorted(back.to_pylist(), key=lambda row: row["id"]) == BAG
    assert not bucket.uploads()
    assert not waiting(tmp_path)


def test_folders_append_replace_error(bucket):
    url = bucket.url("t/")
    load(ae.ParquetLoader(url, mode="append"), ROWS)
    load(ae.ParquetLoader(url, mode="append"), MORE)
    assert len(bucket.listed()) == 2
    assert rows_below(bucket, "t/") == sorted(BAG + MORE.to_pylist(), key=repr)
    with pytest.raises(WriteError, match="is there already"):
        load(ae.ParquetLoader(url, max_file_bytes=1000), ROWS)
    bucket.put("tt.parquet", b"beside")
    load(ae.ParquetLoader(url, mode="replace", partition_by=["city"]), MORE)
    assert [key for key in bucket.listed() if "city=" not in key] == ["tt.parquet"]
    assert rows_below(bucket, "t/") == [{"id": 9}]


def test_what_is_appended_to_a_folder_has_its_partitions(bucket):
    url = bucket.url("t/")
    load(ae.ParquetLoader(url, mode="append", partition_by=["city"]), ROWS)
    before = bucket.listed()
    for other in ((), ["id"]):
        with pytest.raises(SchemaError, match=r"have partition_by=\['city'\]"):
            load(ae.ParquetLoader(url, mode="append", partition_by=other), ROWS)
    assert bucket.listed() == before
    load(ae.ParquetLoader(url, mode="append", partition_by=["city"]), MORE)


def test_replace_deletes_nothing_that_isnt_ours(bucket):
    bucket.put("t/notes.txt", "mine")
    with pytest.raises(WriteError, match=r"would delete .*notes.txt"):
        load(ae.ParquetLoader(bucket.url("t/"), mode="replace"), ROWS)
    assert bucket.listed() == ["t/notes.txt"]


@pytest.mark.parametrize("options", [{"mode": "append"}, {"partition_by": ["city"]}])
def test_no_folder_is_made_beside_an_object_of_its_name(bucket, options):
    load(ae.ParquetLoader(bucket.url("q/a.parquet")), ROWS)
    with pytest.raises(WriteError, match="is a file, and a folder is wanted"):
        load(ae.ParquetLoader(bucket.url("q/a.parquet"), **options), MORE)
    assert bucket.listed() == ["q/a.parquet"]
    load(ae.ParquetLoader(bucket.url("q/a.parquet"), mode="replace"), MORE)
    assert read(bucket, "q/a.parquet").equals(MORE)


@pytest.mark.parametrize(
    "make",
    [
        lambda url, mode: ae.CSVLoader(url, mode=mode),
        lambda url, mode: ae.JSONLoader(url, mode=mode),
    ],
)
def test_what_is_appended_to_an_object_is_read_with_the_rest(bucket, make):
    url = bucket.url("q/rows.csv")
    load(make(url, "error"), ROWS)
    load(make(url, "append"), MORE)
    assert [b"9" in line for line in bucket.get("q/rows.csv").splitlines()][-4:] == [False] * 3 + [
        True
    ]
    assert bucket.listed() == ["q/rows.csv"]


def test_a_key_that_is_a_folder(bucket):
    bucket.put("t/a.parquet", "x")
    with pytest.raises(WriteError, match="is a folder; end its name in '/'"):
        load(ae.ParquetLoader(bucket.url("t"), mode="replace"), ROWS)
    with pytest.raises(WriteError, match="is a folder, and a file is wanted"):
        load(ae.CSVLoader(bucket.url("t"), mode="replace"), ROWS)


def test_no_rows_replace_a_folder_by_nothing(bucket):
    loader = ae.ParquetLoader(bucket.url("t/"), mode="replace", partition_by=["city"])
    load(loader, ROWS)
    load(loader, ROWS.slice(0, 0))
    assert not bucket.listed()


@pytest.mark.parametrize(("mode", "fails"), [("append", 1), ("append", 3), ("replace", 3)])
def test_a_commit_that_fails_halfway_is_undone(bucket, tmp_path, monkeypatch, mode, fails):  # noqa: PLR0917
    parted = partial(ae.ParquetLoader, bucket.url("t/"), partition_by=["k"])
    load(parted(mode="append"), pa.table({"id": [9], "k": [9]}))
    before = bucket.listed()
    plain, done = uploads.Uploads.complete, []

    def failing(self, upload, **more):
        done.append(upload)
        if len(done) == fails:
            raise OSError("the network went away")
        plain(self, upload, **more)

    monkeypatch.setattr(uploads.Uploads, "complete", failing)
    monkeypatch.setattr(uploads, "AT_A_TIME", 1)
    rows = pa.table({"id": range(5), "k": range(5)})
    with pytest.raises(WriteError, match="went away"):
        load(parted(mode=mode), rows)
    assert bucket.listed() == before
    assert not bucket.uploads()
    assert not waiting(tmp_path)


def test_two_runs_that_append_at_a_time_keep_the_rows_of_both(bucket):
    def run(n):
        rows = pa.table({"id": [n, n], "k": [0, 1]})
        load(ae.ParquetLoader(bucket.url("t/"), mode="append", partition_by=["k"]), rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(8)))
    assert rows_below(bucket, "t/") == sorted(({"id": n} for n in range(8) for _ in "ab"), key=repr)
    assert len(bucket.listed()) == 16


def test_a_run_that_is_taken_for_dead_can_not_commit(bucket, monkeypatch):
    """Another run undoes what a slow one has begun: that one fails, and nothing is half there."""
    plain = uploads.Uploads.complete

    def slowly(self, upload, **more):
        plain(self, upload, **more)
        monkeypatch.setattr(intents, "STALE", timedelta(0))
        with monkeypatch.context() as patch:
            patch.setattr(uploads.Uploads, "complete", plain)
            load(ae.ParquetLoader(bucket.url("t/"), mode="append"), MORE)

    monkeypatch.setattr(uploads.Uploads, "complete", slowly)
    with pytest.raises(WriteError, match="somebody else"):
        load(ae.ParquetLoader(bucket.url("t/"), mode="append"), ROWS)
    assert rows_below(bucket, "t/") == MORE.to_pylist()
    assert len(bucket.listed()) == 1


# --- runs that are killed ----------------------------------------------------------------------

KILLED = """
    import os, signal, sys, tempfile
    import pyarrow as pa
    import arrowetl as ae
    from arrowetl.stores import intents, uploads

    url, temporary, mode, partitions, where = sys.argv[1:]
    tempfile.tempdir = temporary
    uploads.AT_A_TIME = 1
    module, name, nth, when = where.split(":")
    owner = {"uploads": uploads.Uploads, "intents": intents}[module]
    plain, calls = getattr(owner, name), []

    def wrapped(*arguments, **more):
        calls.append(1)
        if len(calls) == int(nth) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(*arguments, **more)
        if len(calls) == int(nth) and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)
    rows = pa.table({"id": [4, 5, 6], "city": ["Rome", "Oslo", "Kiel"]})
    options = {"partition_by": ["city"]} if partitions else {}
    loader = ae.ParquetLoader(url, mode=mode, **options)
    loader.begin(rows.schema)
    loader.write(rows.to_reader())
    loader.commit()
"""
NEW = pa.table({"id": [4, 5, 6], "city": ["Rome", "Oslo", "Kiel"]})


def killed(bucket, tmp_path, *arguments):
    code = textwrap.dedent(KILLED)
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False)
    assert done.returncode == -9


@pytest.mark.parametrize("where", ["_send:1:before", "_send:1:after", "complete:1:before"])
def test_a_killed_upload_is_never_seen_and_the_next_run_ends_it(bucket, tmp_path, where):
    load(ae.ParquetLoader(bucket.url("rows.parquet")), MORE)
    url = bucket.url("rows.parquet")
    killed(bucket, tmp_path, url, str(tmp_path), "replace", "", f"uploads:{where}")
    assert read(bucket, "rows.parquet").equals(MORE)
    assert bucket.uploads() == ["rows.parquet"]
    assert waiting(tmp_path)
    load(ae.ParquetLoader(url, mode="replace"), NEW)
    assert read(bucket, "rows.parquet").equals(NEW)
    assert not bucket.uploads()
    assert not waiting(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize(
    ("where", "committed"),
    [
        ("uploads:_send:2:after", False),
        ("intents:put:1:before", False),
        ("intents:put:1:after", False),
        ("uploads:complete:1:after", False),
        ("uploads:complete:3:after", False),
        ("intents:put:2:before", False),
        ("intents:put:2:after", True),
        ("intents:remove:1:after", True),
    ],
)
def test_a_killed_folder_load_is_undone_or_finished_by_the_next(  # noqa: PLR0917
    bucket, tmp_path, mode, where, committed
):
    url = bucket.url("t/")
    load(ae.ParquetLoader(url, mode="append", partition_by=["city"]), MORE)
    killed(bucket, tmp_path, url, str(tmp_path), mode, "yes", where)
    load(ae.ParquetLoader(url, mode="append", partition_by=["city"]), ROWS)
    expected = [{"id": 1}, {"id": 2}, {"id": 3}]
    expected += [{"id": 4}, {"id": 5}, {"id": 6}] if committed else []
    expected += [] if committed and mode == "replace" else [{"id": 9}]
    assert rows_below(bucket, "t/") == expected
    assert not bucket.uploads()
    assert not [key for key in bucket.listed() if "arrowetl" in key]
    assert not waiting(tmp_path)


def test_old_uploads_of_other_machines_are_ended(bucket, tmp_path, monkeypatch):
    client = bucket.client
    for key in ("t/part-0123-0.parquet", "t/somebody-elses.bin"):
        client.create_multipart_upload(Bucket=bucket.name, Key=key)
    load(ae.ParquetLoader(bucket.url("t/"), mode="append"), ROWS)
    assert len(bucket.uploads()) == 2
    monkeypatch.setattr(uploads, "ABANDONED", timedelta(0))
    load(ae.ParquetLoader(bucket.url("t/"), mode="append"), ROWS)
    assert bucket.uploads() == ["t/somebody-elses.bin"]


# --- who writes, and where ---------------------------------------------------------------------


def test_s3_loader(bucket):
    keys = dict(zip(("access_key", "secret_key"), s3().owner, strict=True))
    loader = ae.S3Loader(bucket.name, "out/rows.csv", endpoint=s3().endpoint, **keys)
    assert load(loader, ROWS) == 3
    assert bucket.get("out/rows.csv").startswith(b"id,city\n")
    assert keys["secret_key"] not in repr(loader) + loader.label
    folder = ae.S3Loader(
        bucket.name, "t/", format="parquet", mode="append", options={"partition_by": ["city"]}
    )
    load(folder, ROWS)
    assert len(bucket.listed("t/")) == 2
    for prefix in ("p", "p/"):
        load(ae.S3Loader(bucket.name, prefix=prefix, format="parquet", mode="append"), ROWS)
    source = ae.S3Source(bucket.name, "p", format="parquet")
    assert source.reader().read_all().num_rows == 2 * ROWS.num_rows


@pytest.mark.parametrize("given", [{}, {"key": "a.csv", "prefix": "p"}])
def test_a_key_or_a_prefix_is_said(given):
    with pytest.raises(ae.ConfigError, match="say key= or prefix=, one of them"):
        ae.S3Loader("bucket", **given)


@pytest.mark.parametrize(
    "make",
    [
        Store,
        partial(ae.S3Source, "bucket", "a.csv"),
        partial(ae.S3Loader, "bucket", "a.csv"),
    ],
)
def test_secrets_are_shown_by_nothing_that_prints_a_value(make):
    made = make(access_key="me", secret_key="hunter2", session_token="t0ken")
    shown = f"{made!r} {vars(made)} {asdict(made)} {vars(pickle.loads(pickle.dumps(made)))}"
    assert "hunter2" not in shown
    assert "t0ken" not in shown
    assert (made.secret_key, made.session_token) == ("hunter2", "t0ken")


def test_a_pipeline_from_s3_to_s3(bucket):
    bucket.put("in/a.csv", "id,city\n1,Rome\n2,Oslo\n")
    done = (
        ae.Pipeline()
        .extract(ae.S3Source(bucket.name, "in/", format="csv"))
        .transform("SELECT *, id * 2 AS twice FROM input")
        .load(ae.S3Loader(bucket.name, "out/rows.parquet"))
        .run()
    )
    assert done.result.records_loaded == 2
    assert read(bucket, "out/rows.parquet")["twice"].to_pylist() == [2, 4]


def test_who_may_only_read_is_told_before_a_row_is_written(bucket):
    loader = ae.CSVLoader(bucket.url("rows.csv"), store=s3().store(READER))
    with pytest.raises(WriteError, match=r"no permission.*AccessDenied"):
        loader.begin(ROWS.schema)
    steps = list(loader.diagnose(ROWS.schema))
    assert [step.works for step in steps] == [True, False]
    assert "no permission" in steps[1].detail


def test_diagnosis_leaves_nothing(bucket, tmp_path):
    for loader in (
        ae.S3Loader(bucket.name, "rows.csv"),
        ae.ParquetLoader(bucket.url("t/"), mode="append"),
    ):
        steps = list(loader.diagnose(ROWS.schema))
        assert [step.works for step in steps] == [True, True], steps
    assert not bucket.listed()
    assert not bucket.uploads()
    assert not waiting(tmp_path)


def test_wrong_places(bucket):
    with pytest.raises(WriteError, match=f"no bucket .*did you mean '{bucket.name}'"):
        ae.CSVLoader(f"s3://{bucket.name[:-1]}/a.csv").check(ROWS.schema)
    store = s3().store((READER[0], "wrong"))
    with pytest.raises(WriteError, match=r"secret key is wrong"):
        ae.CSVLoader(bucket.url("a.csv"), store=store).check(ROWS.schema)
    with pytest.raises(WriteError, match=r"no server answers") as caught:
        ae.S3Loader("bucket", "a.csv", endpoint="http://127.0.0.1:1").check(ROWS.schema)
    assert isinstance(caught.value, Transient)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ae.CSVLoader(Path("s3://bucket/a.csv")), "loses one of its slashes"),
        (lambda: ae.CSVLoader("s3://key:s3cr3t@bucket/a.csv"), "hold no credentials"),
        (lambda: ae.CSVLoader("s3://bucket/"), "names a folder"),
        (lambda: ae.S3Loader("bucket", "a"), "say format="),
        (lambda: ae.S3Loader("bucket", "a.csv", mode="upsert"), "no keys"),
        (
            lambda: ae.S3Loader("bucket", "a.csv", options={"hedder": 1}),
            "no 'hedder'; did you mean 'header'",
        ),
    ],
)
def test_options_that_make_no_sense(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert "s3cr3t" not in str(caught.value)


def test_an_intent_is_read_as_it_was_written():
    upload = uploads.Upload("b", "k", "u", ('"1"', '"2"'))
    intent = intents.Intent((upload,), ("old",), done=True)
    assert intents.Intent.of(intent.text()) == intent
    assert json.loads(intent.text())["old"] == ["old"]
