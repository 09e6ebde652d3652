"""Deduplicator with an index: later runs know what came before, and only what has arrived."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import arrowetl as ae
from arrowetl.ml.encoders import Encoder
from arrowetl.testing import run_stage

ROOT = Path(__file__).parents[2]
REPORT = {"report_column": "r", "similarity_column": "s"}


@pytest.fixture
def at(tmp_path):
    """Give a function that makes a Deduplicator with an index."""

    def made(**options):
        return ae.Deduplicator(
            **{"on": "x", "method": "fuzzy", "index": str(tmp_path / "seen"), **options}
        )

    return made


def names(*values):
    return pa.table({"x": pa.array(values, pa.string())})


def streets(number, seed=1):
    """Addresses, a third of them nearly another's."""
    random = np.random.default_rng(seed)
    parts = ["ba", "ko", "ri", "mun", "ter", "sal", "dor", "vi", "lex", "on"]
    word = lambda: "".join(random.choice(parts, 3))  # noqa: E731
    rows = [f"{word()} {word()}, {random.integers(1, 99)} {word()} Road" for _ in range(number)]
    for row in random.choice(number, number // 3, replace=False):
        text = rows[random.integers(0, number)]
        rows[row] = text.replace(text[random.integers(0, len(text))], "x", 1)
    return names(*rows)


def kept(stage, table):
    return run_stage(stage, table)["x"].to_pylist()


def files(folder):
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


MONDAY = names("Ann Lee, 12 Main Street", "Bob Ray, 5 Oak Road", None, "bob ray 5 oak roda")
TUESDAY = names(
    "Bob Ray, 5 Oak Rd", "Cy Poe, 1 Elm Lane", "ANN LEE 12 MAIN STREET", "Cy Po 1 Elm Lane"
)


def test_rows_like_those_of_an_earlier_run_are_removed(at):
    assert kept(at(), MONDAY) == MONDAY["x"].to_pylist()[:3]
    assert kept(at(), TUESDAY) == ["Cy Poe, 1 Elm Lane"]
    assert kept(at(), TUESDAY) == []
    assert kept(at(), MONDAY) == [None]


def test_positions_count_on_from_run_to_run(at):
    run_stage(at(**REPORT), MONDAY)
    found = run_stage(at(**REPORT), TUESDAY)
    assert found["r"].to_pylist() == [1, None, 0, 5]
    alike = found["s"].to_pylist()
    assert alike[1] is None
    assert alike[2] == 1
    assert all(0.45 <= alike[row] < 1 for row in (0, 3))
    again = run_stage(at(**REPORT), TUESDAY)
    assert again["r"].to_pylist() == [1, 5, 0, 5]
    assert again["s"].to_pylist() == [alike[0], 1, 1, alike[3]]


@pytest.mark.parametrize(
    ("keep", "stays"), [("first", "Cy Poe, 1 Elm Lane"), ("last", "Cy Po 1 Elm Lane")]
)
def test_a_row_that_has_arrived_stays_whatever_is_kept_of_new_ones(at, keep, stays):
    run_stage(at(keep=keep), MONDAY)
    assert kept(at(keep=keep), TUESDAY) == [stays]
    assert kept(at(keep=keep), TUESDAY) == []


def test_the_first_run_gives_what_there_is_without_an_index(at):
    table = streets(300)
    assert run_stage(at(**REPORT), table).equals(
        run_stage(ae.Deduplicator(on="x", method="fuzzy", **REPORT), table)
    )


@pytest.mark.parametrize("days", [2, 6])
def test_many_days_keep_what_one_keeps(at, days):
    # Groups of nearly equal rows that are far from each other: there is but one right answer.
    random = np.random.default_rng(days)
    base = ["".join(random.choice(list("abcdefghijklmnopqrst"), 30)) for _ in range(60)]
    rows = [
        (group, f"{text[:at]}x{text[at:]}") for group, text in enumerate(base) for at in (5, 15, 25)
    ]
    rows = [rows[place] for place in random.permutation(len(rows))]
    table = pa.table({"x": [text for _, text in rows], "group": [group for group, _ in rows]})
    size = len(rows) // days
    parts = [run_stage(at(), table.slice(day * size, size)) for day in range(days)]
    assert pa.concat_tables(parts).equals(run_stage(ae.Deduplicator(on="x", method="fuzzy"), table))


def test_batches_and_threads_make_no_difference(at, tmp_path):
    table = streets(300)
    expected = None
    for batch_size, threads in ((1000, 1), (7, 2)):
        made = []
        for day in (table.slice(0, 200), table.slice(200)):
            stage = at(index=str(tmp_path / f"{batch_size}"), **REPORT)
            run = ae.Pipeline(batch_size=batch_size, threads=threads).extract(ae.ArrowSource(day))
            made.append(run.transform(stage).load(ae.ArrowLoader()).run().result.table)
        assert expected is None or [table.to_pydict() for table in made] == expected
        expected = [table.to_pydict() for table in made]
        assert [table.schema for table in made] == [
            stage.bind(table.schema) for table in [day, day]
        ]


def circle(*degrees):
    angles = np.radians(degrees)
    values = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return pa.table({"x": pa.FixedSizeListArray.from_arrays(values.reshape(-1), 2)})


def test_vectors_and_a_chain_that_does_not_grow_from_day_to_day(at):
    # 25 degrees are a cosine of 0.906: each is like the one before it.
    stage = at(similarity="embedding", **REPORT)
    found = [run_stage(stage, circle(angle))["r"].to_pylist()[0] for angle in range(0, 125, 25)]
    # The third is like the second, which is like the first: it goes there. The fourth is like the
    # third alone, which isn't like the row that stands for it.
    assert found == [None, 0, 0, None, 3]
    again = run_stage(stage, circle(50, 25, 75))
    assert again["r"].to_pylist() == [0, 0, 3]
    assert again["s"].to_pylist() == pytest.approx([0.642788, 0.906308, 1], abs=1e-6)


def test_a_new_row_follows_another_new_one_to_an_earlier_one(at):
    stage = at(similarity="embedding", **REPORT)
    run_stage(stage, circle(0))
    assert run_stage(stage, circle(50, 25, 100))["r"].to_pylist() == [0, 0, None]


class Counting(Encoder):
    """Encodes a text by its first letters, and counts how many it was given."""

    name, dimension = "counting", 26
    given = 0

    def encode(self, texts):
        Counting.given += len(texts)
        letters = [ord(text[0].lower()) - 97 for text in texts.to_pylist()]
        return np.eye(26, dtype=np.float32)[letters]


def test_texts_of_earlier_runs_are_not_encoded_again(at):
    stage = at(similarity="embedding", model=Counting())
    assert kept(stage, names("ann", "bob", None, "amy")) == ["ann", "bob", None]
    Counting.given = 0
    assert kept(stage, names("amy", "cy", "bob", "ann")) == ["cy"]
    assert Counting.given == 1


@pytest.mark.parametrize(
    "table",
    [
        names(),
        names(None, None),
        names("", "?!"),
        names(*["Ann Lee"] * 1000),
        names("👍🏽", "ё ж"),
        names("word " * 20_000, "other"),
    ],
    ids=["empty", "null", "blank", "one value", "scripts", "long"],
)
def test_little_to_compare(at, table):
    for similarity, model in (("text", None), ("embedding", "hashed")):
        stage = at(similarity=similarity, model=model, index=str(at().index) + similarity)
        first = kept(stage, table)
        # A model is given whatever has a character.
        nothing = " " if model else "?! "
        blank = [text for text in first if not (text or "").strip(nothing)]
        assert len(first) == len(set(first)) or None in first
        assert kept(stage, table) == blank
        assert kept(stage, MONDAY)[:2] == MONDAY["x"].to_pylist()[:2] or "Ann Lee" in first


def test_vectors_without_a_length_are_like_none(at):
    table = pa.table({"x": [[0.0, 0.0], [1.0, float("nan")], None, [1.0, 0.0]]})
    stage = at(similarity="embedding")
    assert run_stage(stage, table.slice(0, 3)).num_rows == 3
    assert run_stage(stage, table).num_rows == 4
    assert run_stage(stage, table).num_rows == 3


# --- what doesn't fit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": ["x", "y"]}, "made with columns="),
        ({"on": {"x": 2, "y": 1}}, "made with columns="),
        ({"similarity": "embedding", "model": "hashed"}, "made with similarity='text'"),
    ],
)
def test_other_options_than_it_was_made_with(at, options, message):
    run_stage(at(), MONDAY)
    with pytest.raises(ae.ConfigError, match=message):
        at(**options).bind(MONDAY.append_column("y", MONDAY["x"]).schema)


def test_another_model_or_dimension(at):
    class Other(Counting):
        name = "other"

    class Wide(Counting):
        dimension = 27

    run_stage(at(similarity="embedding", model=Counting()), MONDAY)
    with pytest.raises(ae.ConfigError, match="model='counting', and this is model='other'"):
        at(similarity="embedding", model=Other()).bind(MONDAY.schema)
    with pytest.raises(ae.ConfigError, match="dimension=26, and this is dimension=27"):
        run_stage(at(similarity="embedding", model=Wide()), MONDAY)


def test_vectors_of_another_dimension(at):
    stage = at(similarity="embedding")
    run_stage(stage, pa.table({"x": [[1.0, 0.0]]}))
    with pytest.raises(ae.ConfigError, match="dimension=2, and this is dimension=3"):
        run_stage(stage, pa.table({"x": [[1.0, 0.0, 0.0]]}))


def test_options_that_make_no_sense(at):
    with pytest.raises(ae.ConfigError, match="an index needs method='fuzzy'"):
        ae.Deduplicator(on="x", index="seen")
    for path in ("", 3):
        with pytest.raises(ae.ConfigError, match="index is the path of a folder"):
            at(index=path)
    with pytest.raises(ae.ConfigError, match="leave the index out"):
        at().find(MONDAY)


def test_columns_in_another_order_are_the_same(at):
    table = pa.table({"a": ["ann lee"], "b": ["oslo"]})
    for model in (None, "hashed"):
        kind = {"similarity": "embedding", "model": model} if model else {}
        stages = [
            at(on=on, index=str(at().index) + str(model), **kind) for on in (["b", "a"], ["a", "b"])
        ]
        assert run_stage(stages[0], table).num_rows == 1
        assert run_stage(stages[1], table).num_rows == 0


def test_where_nothing_is_said_the_threshold_stays_as_it_was(at):
    run_stage(at(threshold=0.95), MONDAY)
    assert kept(at(), names("Bob Ray, 5 Oak Rd")) == ["Bob Ray, 5 Oak Rd"]


def test_a_threshold_may_change(at):
    run_stage(at(threshold=0.95), MONDAY)
    assert kept(at(threshold=0.95), names("Bob Ray, 5 Oak Rd")) == ["Bob Ray, 5 Oak Rd"]
    assert kept(at(threshold=0.4), names("Bob Roy, 5 Oak Road")) == []
    assert kept(at(threshold=0.99), names("Bob Roy, 5 Oak Rad")) == ["Bob Roy, 5 Oak Rad"]


def test_explain_says_that_there_is_an_index(at):
    plan = str(ae.Pipeline().extract(ae.ArrowSource(MONDAY)).transform(at()).plan())
    assert f"Deduplicator(index={at().index!r})" in plan


# --- what goes wrong --------------------------------------------------------------------------


def load(stage, table, destination):
    run = ae.Pipeline().extract(ae.ArrowSource(table)).transform(stage)
    return run.load(ae.ParquetLoader(destination, mode="append")).run()


def test_a_run_that_fails_leaves_the_index_as_it_was(at, tmp_path):
    load(at(), MONDAY, tmp_path / "out")
    before = files(at().index)
    broken = ae.Pipeline().extract(ae.ArrowSource(TUESDAY)).transform(at())
    broken = broken.transform("SELECT error('broken') AS x FROM input")
    with pytest.raises(ae.StageError):
        broken.load(ae.ArrowLoader()).run()
    assert files(at().index) == before
    assert ae.Pipeline().extract(ae.ArrowSource(TUESDAY)).transform(at()).preview().table.num_rows
    assert files(at().index) == before
    assert kept(at(), TUESDAY) == ["Cy Poe, 1 Elm Lane"]


def test_two_runs_at_once(at):
    stage = at()
    first = stage.process(iter(MONDAY.to_batches()))
    next(first)
    with pytest.raises(ae.StateError, match="another run uses the index"):
        kept(stage, TUESDAY)
    first.close()
    # The first was abandoned before its end.
    assert len(kept(stage, MONDAY)) == 3


def test_it_is_there_once_the_last_row_was_given_out(at):
    with ae.Pipeline().extract(ae.ArrowSource(MONDAY)).transform(at()).reader() as reader:
        reader.read_all()
    assert kept(at(), MONDAY) == [None]


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone", "no manifest", "cut manifest", "newer"])
def test_a_damaged_index(at, harm):
    run_stage(at(), MONDAY)
    folder = Path(at().index)
    manifest = folder / "manifest.json"
    part = next(folder.glob("*-grams.npy"))
    match harm:
        case "cut":
            part.write_bytes(part.read_bytes()[:-4])
        case "flipped":
            data = bytearray(part.read_bytes())
            data[-1] ^= 1
            part.write_bytes(data)
        case "gone":
            part.unlink()
        case "no manifest":
            manifest.unlink()
        case "cut manifest":
            manifest.write_text(manifest.read_text()[:-20])
        case "newer":
            text = manifest.read_text()
            manifest.write_text(text.replace('"rows": 4', '"rows": 5'))
    before = files(folder)
    message = "is no index" if harm == "no manifest" else "is damaged: .*; put a copy .* back"
    with pytest.raises(ae.StateError, match=message) as caught:
        run_stage(at(), TUESDAY)
    assert str(folder) in str(caught.value)
    assert files(folder) == before


def test_a_folder_of_somebody_else(at):
    folder = Path(at().index)
    folder.mkdir()
    (folder / "letter.txt").write_text("keep me")
    with pytest.raises(ae.StateError, match="is no index"):
        run_stage(at(), MONDAY)
    assert (folder / "letter.txt").read_text() == "keep me"
    with pytest.raises(ae.StateError, match="can't be written"):
        run_stage(at(index=str(folder / "letter.txt")), MONDAY)
    with pytest.raises(ae.StateError, match="create it or mend the path"):
        run_stage(at(index=str(folder / "not" / "there")), MONDAY)


def test_an_index_of_a_newer_format(at):
    run_stage(at(), MONDAY)
    from arrowetl.ml import arrays

    manifest = Path(at().index) / "manifest.json"
    content = json.loads(manifest.read_text())["content"] | {"format": 99}
    checksum = arrays._checksum(content)
    manifest.write_text(json.dumps({"checksum": checksum, "content": content}))
    with pytest.raises(ae.StateError, match="format 99"):
        at().bind(MONDAY.schema)


KILLED = """
import os, signal, sys
import pyarrow as pa
import arrowetl as ae
from arrowetl.ml import arrays
from arrowetl.engines.local import LocalRun

step, index, out = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if step == "third array":
    write, count = arrays.Arrays.stream, [0]
    def stream(*a, **k):
        count[0] += 1
        return write(*a, **k) if count[0] < 3 else die()
    arrays.Arrays.stream = stream
elif step == "before the destination's commit":
    LocalRun.settle = die
elif step == "between the commits":
    LocalRun.remember = die
elif step == "before the manifest is replaced":
    sync, count = arrays.sync, [0]
    def second(path):
        count[0] += 1
        return sync(path) if count[0] < 2 else die()
    arrays.sync = second
elif step == "before what is old is removed":
    sweep, count = arrays.Arrays._sweep, [0]
    def late(self):
        count[0] += 1
        return sweep(self) if count[0] < 2 else die()
    arrays.Arrays._sweep = late
rows = pa.table({"x": ["Bob Ray, 5 Oak Rd", "Cy Poe, 1 Elm Lane"]})
stage = ae.Deduplicator(on="x", method="fuzzy", index=index)
run = ae.Pipeline().extract(ae.ArrowSource(rows)).transform(stage)
run.load(ae.ParquetLoader(out, mode="append")).run()
"""


@pytest.mark.parametrize(
    ("step", "ended"),
    [
        ("third array", "nothing"),
        ("before the destination's commit", "nothing"),
        ("between the commits", "arrived"),
        ("before the manifest is replaced", "arrived"),
        ("before what is old is removed", "all"),
    ],
)
def test_a_run_that_is_killed(at, tmp_path, step, ended):
    load(at(), MONDAY, tmp_path / "out")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    ran = subprocess.run(
        [sys.executable, script, step, at().index, tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    rows = ae.ParquetSource(str(tmp_path / "out")).reader().read_all().num_rows
    assert rows == 3 + (ended != "nothing")
    assert kept(at(), names("Cy Poe, 1 Elm Lane")) == (
        [] if ended == "all" else ["Cy Poe, 1 Elm Lane"]
    )
    live = (Path(at().index) / "manifest.json").read_text()
    assert all(file.name in live for file in Path(at().index).glob("*.npy"))
