"""Files in a real S3 server, by every source that reads files."""

import gzip
import io
import os
import pickle
import re
import shutil
import sys
import threading
import zipfile
from fnmatch import fnmatchcase
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrowetl as ae
from arrowetl.errors import ConfigError, ReadError, Transient
from arrowetl.stores import mounted, objects
from arrowetl.stores.objects import find, glob_pattern
from arrowetl.stores.s3 import Store
from tests.cutting_proxy import proxy
from tests.s3_server import READER, emptied, only_the_chain, s3

ROWS = pa.table({"id": [1, 2, 3], "city": ["Rome", "Oslo", "Bonn"]})


@pytest.fixture
def bucket():
    with emptied() as made:
        yield made


@pytest.fixture(autouse=True)
def chain(monkeypatch, tmp_path):
    only_the_chain(monkeypatch, tmp_path)


def parquet(table=ROWS, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def ids(source):
    return source.reader().read_all()["id"].to_pylist()


def objects_ahead():
    return [each for each in threading.enumerate() if each.name.startswith("arrowetl-ahead")]


def run(source):
    pipeline = ae.Pipeline().extract(source).load(ae.ArrowLoader()).run()
    return pipeline.result.table


# --- what is found -----------------------------------------------------------------------------


def test_csv(bucket):
    source = ae.CSVSource(bucket.put("a/orders.csv", "id,city\n1,Rome\n2,Oslo\n"))
    assert source.schema() == pa.schema({"id": pa.int64(), "city": pa.string()})
    assert source.size == 22
    assert run(source).to_pydict() == {"id": [1, 2], "city": ["Rome", "Oslo"]}


def test_parquet(bucket):
    source = ae.ParquetSource(bucket.put("a.parquet", parquet()), filter="id > 1")
    assert run(source).to_pydict() == {"id": [2, 3], "city": ["Oslo", "Bonn"]}
    assert ae.ParquetSource(bucket.url("a.parquet")).row_count() == 3


def test_json(bucket):
    url = bucket.put("a.json", '[{"id": 1, "at": {"x": 2}}, {"id": 2}]')
    bucket.put("b.jsonl.gz", gzip.compress(b'{"id": 3}\n{"id": 4\n'))
    assert ids(ae.JSONSource(url)) == [1, 2]
    rejects = ae.ArrowLoader()
    source = ae.S3Source(bucket.name, "b", format="json")
    done = ae.Pipeline(dead_letters=rejects).extract(source).load(ae.ArrowLoader()).run()
    assert done.result.table["id"].to_pylist() == [3]
    (place,) = rejects.table["source"].to_pylist()
    assert (place["file"], place["line"]) == (bucket.url("b.jsonl.gz"), 2)


def test_text(bucket):
    bucket.put("logs/a.log", "1 up\n2 down\nwhat\n")
    rejects = ae.ArrowLoader()
    source = ae.S3Source(
        bucket.name, "logs/", format="text", options={"pattern": r"(?P<id>\d+) (?P<what>\w+)"}
    )
    done = ae.Pipeline(dead_letters=rejects).extract(source).load(ae.ArrowLoader()).run()
    assert done.result.table["id"].to_pylist() == [1, 2]
    (place,) = rejects.table["source"].to_pylist()
    assert (place["file"], place["line"]) == (bucket.url("logs/a.log"), 3)


def test_too_little_room_is_said_before_anything_is_fetched(bucket, tmp_path, monkeypatch):
    (thing,) = find(Store(), bucket.put("a", "content"), where="x")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6))
    with pytest.raises(ReadError, match=r"7 bytes, for which there is no room.*TMPDIR"):
        objects.fetch(thing, tmp_path / "a", where="x")


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("d/*.csv", ["d/a.csv", "d/b.csv"]),
        ("d/?.csv", ["d/a.csv", "d/b.csv"]),
        ("d/[!a].csv", ["d/b.csv"]),
        ("**/*.csv", ["d/a.csv", "d/b.csv", "d/e/c.csv", "top.csv"]),
        ("d/**/*.csv", ["d/a.csv", "d/b.csv", "d/e/c.csv"]),
        ("d/**", ["d/a.csv", "d/b.csv", "d/e/c.csv", "d/é \"';%41+.txt"]),
        ("t**", ["top.csv"]),
        ("d/é \"';%41+.txt", ["d/é \"';%41+.txt"]),
        ("d/[é]*", ["d/é \"';%41+.txt"]),
        ("g/a[1].csv", ["g/a[1].csv"]),
        ("g/a[[]1].csv", ["g/a[1].csv"]),
        ("nothing/*.csv", []),
    ],
)
def test_globs(bucket, glob, found):
    keys = ["d/a.csv", "d/b.csv", "d/e/c.csv", "top.csv", "d/é \"';%41+.txt", "d/_SUCCESS"]
    for key in [*keys, "d/.hidden/x.csv", "g/a[1].csv", "g/a1.csv", "folder/"]:
        bucket.put(key, "id\n1\n")
    visible = find(Store(), bucket.url(glob), where="x")
    assert [
        e.at.key
        for e in visible
        if ("/.hidden/" not in e.at.key and e.at.key[0] != "g") or glob[0] == "g"
    ] == found


@given(st.text("ab[]!^-\\\\*?/&~|.", max_size=8), st.text("ab[]!^-\\\\/", max_size=4))
def test_globs_mean_what_pythons_do_within_a_folder(glob, name):
    if "**" not in glob and "/" not in glob + name:
        assert bool(re.fullmatch(glob_pattern(glob), name)) == fnmatchcase(name, glob)


def test_thousands_of_keys(bucket):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: bucket.put(f"many/{n:05}.csv", f"id\n{n}\n"), range(3_000)))
    source = ae.S3Source(bucket.name, "many/", format="csv")
    assert "3,000 objects" in next(source.diagnose()).detail
    assert [each.at.key for each in find(Store(), bucket.url("many/**"), where="x")] == [
        f"many/{n:05}.csv" for n in range(3_000)
    ]
    assert ids(ae.CSVSource(bucket.url("many/*7.csv"))) == list(range(7, 3_000, 10))


def test_hive_partitions(bucket):
    for year in (2023, 2024):
        bucket.put(f"t/year={year}/part-0.parquet", parquet(ROWS.slice(year - 2023, 1)))
    bucket.put("t/_SUCCESS", b"")
    bucket.put("tt/other.parquet", parquet())
    for source in (
        ae.ParquetSource(bucket.url("t")),
        ae.ParquetSource(bucket.url("t/")),
        ae.S3Source(bucket.name, "t/", format="parquet"),
    ):
        assert run(source).to_pydict() == {
            "id": [1, 2],
            "city": ["Rome", "Oslo"],
            "year": [2023, 2024],
        }


@pytest.mark.parametrize("key", ["[1].parquet", "x*y.parquet", "a?b.parquet", "a[[]b].parquet"])
def test_keys_with_the_signs_of_a_glob(bucket, key):
    bucket.put(f"g/{key}", parquet(ROWS.slice(0, 1)))
    bucket.put("g/a.parquet", parquet(ROWS.slice(1, 1)))
    assert run(ae.S3Source(bucket.name, f"g/{key}")).to_pydict() == {"id": [1], "city": ["Rome"]}
    assert sorted(ids(ae.S3Source(bucket.name, "g/", format="parquet"))) == [1, 2]


def test_only_what_is_needed_is_fetched(bucket, monkeypatch):
    wide = pa.table({name: pa.array(range(200_000)) for name in "abcdefgh"})
    url = bucket.put("wide.parquet", parquet(wide, row_group_size=20_000, compression="none"))
    size, fetched = len(bucket.get("wide.parquet")), []
    plain = objects._read
    monkeypatch.setattr(objects, "_read", lambda *a: (fetched.append(a[2] - a[1]), plain(*a))[1])
    query = "SELECT sum(c) AS c FROM input WHERE c >= 190000"
    done = ae.Pipeline().extract(ae.ParquetSource(url)).transform(query).load(ae.ArrowLoader())
    assert done.run().result.table["c"].to_pylist() == [sum(range(190_000, 200_000))]
    assert 0 < sum(fetched) < size / 4


def test_files_of_large_row_groups_are_fetched_first(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr("arrowetl.sources.parquet.LARGE", 100)
    bucket.put("t/year=2024/a.parquet", parquet())
    source = ae.ParquetSource(bucket.url("t"), filter="id > 1")
    assert run(source).to_pydict() == {"id": [2, 3], "city": ["Oslo", "Bonn"], "year": [2024, 2024]}
    assert str(tmp_path) in source.relation(tmp_path)


def test_planning_asks_once_for_each_footer(bucket, monkeypatch):
    for n in range(20):
        bucket.put(f"t/{n:02}.parquet", parquet(ROWS.slice(n % 3, 1)))
    asked, plain = [], objects._read
    monkeypatch.setattr(objects, "_read", lambda *a: (asked.append(a[0].at.key), plain(*a))[1])
    assert len(run(ae.ParquetSource(bucket.url("t/")))) == 20
    assert sorted(asked) == [f"t/{n:02}.parquet" for n in range(20)]


@pytest.mark.parametrize("room", [0, 2_000, 10_000])
def test_footers_that_there_is_no_room_for_are_asked_for_again(bucket, monkeypatch, room):
    monkeypatch.setattr(mounted, "ALL_TAILS", room)
    mounted._tails.clear()
    for n in range(9):
        bucket.put(f"t/{n:02}.parquet", parquet(ROWS.slice(n % 3, 1)))
    assert len(run(ae.ParquetSource(bucket.url("t/")))) == 9
    assert sum(map(len, mounted._tails.values())) <= room


def test_a_schema_costs_the_head_only(bucket, monkeypatch):
    text = "id,pad\n" + "".join(f"{n},{'x' * 90}\n" for n in range(200_000))
    url = bucket.put("long.csv", text)
    packed = bucket.put("long.csv.gz", gzip.compress(os.urandom(1 << 24).hex().encode(), 0))
    fetched = []
    plain = objects._read
    monkeypatch.setattr(objects, "_read", lambda *a: (fetched.append(a[2] - a[1]), plain(*a))[1])
    assert ae.CSVSource(url).schema().names == ["id", "pad"]
    assert sum(fetched) < 6 << 20
    fetched.clear()
    assert len(ae.CSVSource(packed, header=False, schema={"x": "VARCHAR"}).schema()) == 1
    assert sum(fetched) < 6 << 20


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "zip", "utf16.csv"])
def test_compressed_and_encoded(bucket, ending):
    text = "id,city\n" + "".join(f"{n},Zürich\n" for n in range(600_000))
    content = {"csv": text.encode(), "csv.gz": gzip.compress(text.encode(), 1)}
    content["utf16.csv"] = text.encode("utf-16")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.csv", text)
    content["zip"] = archive.getvalue()
    url = bucket.put(f"a.{ending}", content[ending])
    assert ids(ae.CSVSource(url)) == list(range(600_000))


def test_rejected_rows_name_the_url(bucket, tmp_path):
    url = bucket.put(
        "a.csv",
        "id,n\n1,2\n2,x\n3,4,5\n",
    )
    source = ae.CSVSource(url, schema={"n": "BIGINT"})
    rejects = ae.ArrowLoader()
    ae.Pipeline(dead_letters=rejects).extract(source).load(ae.ArrowLoader()).run()
    places = rejects.table["source"].to_pylist()
    assert {place["file"] for place in places} == {url}
    assert [place["line"] for place in places] == [3, 4]


# --- who asks, and whom ------------------------------------------------------------------------


def test_explicit_keys_win_over_the_chain(bucket, monkeypatch):
    bucket.put("a.csv", "id\n1\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    keys = dict(zip(("access_key", "secret_key"), READER, strict=True))
    source = ae.S3Source(bucket.name, "a.csv", endpoint=s3().endpoint, **keys)
    assert ids(source) == [1]
    assert ids(pickle.loads(pickle.dumps(source))) == [1]
    shown = f"{source!r}{source.label}{ae.Pipeline().extract(source).explain()}"
    assert READER[1] not in shown


def test_a_profile_of_the_configuration_files(bucket, monkeypatch, tmp_path):
    bucket.put("a.csv", "id\n1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {READER[0]}\naws_secret_access_key = {READER[1]}\n"
    )
    (tmp_path / "config").write_text(f"[profile mine]\nendpoint_url = {s3().endpoint}\n")
    assert ids(ae.S3Source(bucket.name, "a.csv", profile="mine")) == [1]
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert ids(ae.CSVSource(bucket.url("a.csv"))) == [1]
    monkeypatch.setenv("AWS_PROFILE", "yours")
    with pytest.raises(ConfigError, match="yours"):
        ae.CSVSource(bucket.url("a.csv")).schema()


def test_no_credentials_say_what_to_set(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ReadError, match=r"no credentials .*AWS_ACCESS_KEY_ID.*anonymous=True"):
        ae.CSVSource(bucket.url("a.csv")).schema()
    with pytest.raises(ReadError, match=r"no permission.*AccessDenied"):
        ae.S3Source(bucket.name, "a.csv", anonymous=True).schema()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((READER[0], "wrong"), "the secret key is wrong .*AWS_SECRET_ACCESS_KEY"),
        (("nobody", "wrong"), "doesn't know this access key"),
    ],
)
def test_wrong_keys(bucket, keys, said):
    url = bucket.put("a.csv", "id\n1\n")
    for source in (
        ae.CSVSource(url, store=s3().store(keys)),
        ae.CSVSource(bucket.url("*.csv"), store=s3().store(keys)),
        ae.ParquetSource(bucket.url("a.parquet"), store=s3().store(keys)),
    ):
        with pytest.raises(ReadError, match=said) as caught:
            source.schema()
        assert "wrong" not in str(caught.value).replace("is wrong", "")


@pytest.mark.parametrize("make", [ae.CSVSource, ae.TextSource])
@pytest.mark.parametrize("folder", ["in/", "in", ""])
def test_a_folder_asks_for_the_names_of_its_files(bucket, make, folder):
    bucket.put("in/orders.csv", "id\n1\n")
    glob = f"{folder.rstrip('/')}/*.csv".lstrip("/")
    with pytest.raises(
        ReadError,
        match=re.escape(f"is a folder; name its files, for instance '{bucket.url(glob)}'"),
    ):
        make(bucket.url(folder)).schema()


def test_wrong_names_have_the_nearest(bucket):
    bucket.put("sales/orders.csv", "id\n1\n")
    with pytest.raises(ReadError, match=r"did you mean 'sales/orders.csv'"):
        ae.CSVSource(bucket.url("sales/order.csv")).schema()
    with pytest.raises(ReadError, match=r"nothing is at .*did you mean 'sales/'"):
        ae.S3Source(bucket.name, "sale/", format="csv").schema()
    with pytest.raises(ReadError, match=f"no bucket .*did you mean '{bucket.name}'"):
        ae.S3Source(bucket.name[:-1], "sales/", format="csv").schema()


def test_a_wrong_endpoint_can_be_tried_again():
    with pytest.raises(ReadError, match=r"no server answers .*check endpoint=") as caught:
        ae.S3Source("bucket", "a.csv", endpoint="http://127.0.0.1:1").schema()
    assert isinstance(caught.value, Transient)


def test_diagnosis(bucket):
    bucket.put("a.csv", "id\n1\n")
    steps = list(ae.S3Source(bucket.name, "a.csv").diagnose())
    assert [step.works for step in steps] == [True, True]
    assert "1 objects, 5 bytes" in steps[0].detail
    (step,) = ae.S3Source(bucket.name, "b.csv").diagnose()
    assert not step.works
    assert "nothing is at" in step.detail


@pytest.mark.parametrize(
    ("prefix", "options", "said"),
    [
        ("a.csv", {"format": "cvs"}, "no format 'cvs'; did you mean 'csv'"),
        ("a", {}, "say format="),
        ("a.csv", {"access_key": "x"}, "belong together"),
        ("a.csv", {"endpoint": "127.0.0.1:9000"}, "endpoint is a URL"),
        ("a.csv", {"endpoint": "http://me:s3cr3t@host"}, "endpoint is a URL"),
        ("a.csv", {"options": {"delimeter": ";"}}, "no 'delimeter'; did you mean 'delimiter'"),
        ("a.csv", {"options": {"delimiter": ""}}, "delimiter"),
        ("a.csv", {"anonymous": True, "profile": "x"}, "anonymous"),
    ],
)
def test_options_that_make_no_sense(prefix, options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        ae.S3Source("bucket", prefix, **options)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("package", ["botocore", "fsspec"])
def test_a_package_that_isnt_there_is_named(bucket, monkeypatch, package):
    url = bucket.put("a.parquet", parquet())
    mounted._filesystem.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'arrowetl\[s3\]'"):
        ae.ParquetSource(url).schema()


# --- objects that change, and connections that break off -----------------------------------------


def test_an_object_that_is_changed_while_it_is_read_is_an_error(bucket, monkeypatch):
    url = bucket.put("a.parquet", parquet())
    relation = ae.ParquetSource(url).relation(None)
    bucket.put("a.parquet", parquet(ROWS.slice(1)))
    mounted._tails.clear()  # what is kept of so small an object is all of it
    monkeypatch.setattr(ae.ParquetSource, "relation", lambda *_: relation)
    with pytest.raises(ReadError, match="changed while it was being read"):
        ae.ParquetSource(url).reader().read_all()
    with pytest.raises(ReadError, match="changed while it was being read"):
        run(ae.ParquetSource(url))


def test_a_csv_that_is_changed_after_it_was_listed_is_an_error(bucket, tmp_path):
    from arrowetl.sources._files import fetched, find_files

    (stamp,) = find_files([bucket.put("a.csv", "id\n1\n")], where="x")
    bucket.put("a.csv", "id\n2\n")
    with pytest.raises(ReadError, match="changed while it was being read"):
        fetched(stamp, tmp_path, where="x")
    bucket.client.delete_object(Bucket=bucket.name, Key="a.csv")
    with pytest.raises(ReadError, match="changed while it was being read"):
        fetched(stamp, tmp_path, where="x")


def behind(endpoint):
    return Store(endpoint=endpoint, access_key=READER[0], secret_key=READER[1])


def test_a_connection_that_breaks_off_is_taken_up_again(bucket, tmp_path):
    content = os.urandom(3 << 20)
    bucket.put("a", content)
    with proxy(s3().endpoint, [2_000_000, 1_500_000]) as endpoint:
        (thing,) = find(s3().store(), bucket.url("a"), where="x")
        cut = objects.Object(thing.at, thing.size, thing.etag, behind(endpoint))
        objects.fetch(cut, tmp_path / "a", where="x")
    assert (tmp_path / "a").read_bytes() == content


def test_a_connection_that_always_breaks_off_is_an_error_never_a_short_table(bucket):
    bucket.put("a.csv", "id\n" + "1\n" * 1_000_000)
    bucket.put("a.parquet", parquet(pa.table({"id": os.urandom(1 << 20).hex().split("0")})))
    for source in (ae.CSVSource, ae.ParquetSource):
        with proxy(s3().endpoint, [100_000] * 1_000) as endpoint:
            url = bucket.url("a.csv" if source is ae.CSVSource else "a.parquet")
            with pytest.raises(ReadError, match=r"(broke off|ended after)") as caught:
                run(source(url, store=behind(endpoint)))
            assert isinstance(caught.value, Transient)


@pytest.mark.parametrize("cut", [30, 100, 200, 350, 450, 600])
def test_a_listing_that_is_cut_off_is_an_error_never_fewer_files(bucket, cut):
    for n in range(9):
        bucket.put(f"{n}.csv", f"id\n{n}\n")
    with proxy(s3().endpoint, [cut] * 1_000) as endpoint:
        source = ae.CSVSource(bucket.url("*.csv"), store=behind(endpoint))
        with pytest.raises(ReadError) as caught:
            source.schema()
        assert isinstance(caught.value, Transient)


# --- many small ones ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ae.JSONSource, ae.TextSource])
def test_small_objects_are_fetched_ahead_and_read_in_order(bucket, kind):
    for number in range(20):
        bucket.put(f"many/{number:02}.json", f'{{"line": {number}}}\n' * 2)
    source = kind(f"{bucket.url('many/')}*.json")
    wanted = [n for n in range(20) for _ in "ab"] if kind is ae.JSONSource else [1, 2] * 20
    assert source.reader().read_all()["line"].to_pylist() == wanted
    rows = source.scan(batch_size=1)
    next(rows)
    rows.close()
    assert not objects_ahead()
    bucket.put("many/03.json", b"PK\x03\x04")
    with pytest.raises(ReadError, match=r"many/03\.json"):
        source.reader().read_all()
