"""`arrowetl profile`: what it prints and writes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

import arrowetl as ae
from arrowetl.cli import main
from arrowetl.profiling.profile import Profile


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder with a small file."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{n:03},user{n}@example.org,2024-01-{n % 28 + 1:02}" for n in range(60)]
    Path("people.csv").write_text("\n".join(["code,mail,since", *rows]))


def profile(*arguments):
    return CliRunner().invoke(main, ["profile", *map(str, arguments)])


def test_it_prints_what_it_found():
    done = profile("people.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    for word in ("code", "mail", "since", "email", "date32"):
        assert word in done.stdout
    assert "user1@" not in done.stdout


@pytest.mark.parametrize(
    ("options", "other"),
    [
        (["--contract", "people.csv"], "FILE"),
        (["--save", "./people.csv"], "FILE"),
        (["--html", "link.csv"], "FILE"),
        (["--compare", "old.json", "--html", "old.json"], "--compare"),
        (["--html", "new", "--save", "new"], "--html"),
    ],
)
@pytest.mark.parametrize("file", ["people.csv", "p*.csv"])
def test_nothing_is_written_over_what_is_read(file, options, other):
    Path("link.csv").symlink_to("people.csv")
    before = Path("people.csv").read_text()
    done = profile(file, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"which is {other}, too" in done.stderr
    assert Path("people.csv").read_text() == before
    assert not Path("new").exists()


def test_a_profile_takes_the_place_of_the_one_it_is_compared_with():
    assert profile("people.csv", "--save", "last.json").exit_code == 0
    assert profile("people.csv", "--compare", "last.json", "--save", "last.json").exit_code == 0
    assert Profile.from_json(Path("last.json").read_text(encoding="utf-8")).columns


def test_a_saved_profile_that_isnt_there_is_told():
    done = profile("people.csv", "--compare", "nope.json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nope.json: No such file or directory; --compare takes a saved profile" in done.stderr


def test_codes_keep_their_zeros():
    done = profile("people.csv", "--output", "json")
    found = Profile.from_json(done.stdout)
    assert found.column("code").type == "string"
    assert found.column("code").inferred is None
    assert found.column("since").inferred.type == "date32[day]"


def test_values_are_shown_to_whom_asks():
    assert "user0@example.org" in profile("people.csv", "--output", "json", "--show-values").stdout
    found = json.loads(profile("people.csv", "--output", "json", "--no-pii").stdout)
    assert all(not each["pii"] for each in found["columns"])


def test_a_sample_is_stated():
    done = profile("people.csv", "--sample", 10, "--seed", 4, "--output", "json")
    assert json.loads(done.stdout)["sample"] == {"rows": 10, "of": 60, "seed": 4}


def test_it_is_saved_and_compared():
    done = profile("people.csv", "--save", "old.json", "--html", "page.html")
    assert done.exit_code == 0
    assert Profile.from_json(Path("old.json").read_text()).rows == 60
    assert Path("page.html").read_text().startswith("<!")
    Path("people.csv").write_text("code,mail\n1,x@example.org\n2,\n")
    done = profile("people.csv", "--compare", "old.json", "--output", "json")
    assert done.exit_code == 0
    assert "since" in done.stdout
    assert "since" in profile("people.csv", "--compare", "old.json").stdout


def test_a_file_of_rows_is_compared_as_it_is():
    Path("last.csv").write_text(Path("people.csv").read_text().replace("2024", "2023"))
    assert profile("last.csv", "--save", "last.json").exit_code == 0
    expected = profile("people.csv", "--compare", "last.json").stdout
    assert profile("people.csv", "--compare", "last.csv").stdout == expected
    assert "2023" in expected


def test_what_was_written_is_written_again():
    written = ["--save", "old.json", "--html", "page.html", "--contract", "c.yaml"]
    assert [profile("people.csv", *written).exit_code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--save", '{"version": "2.1", "items": []}'),
        ("--html", "<!DOCTYPE html>\n<html><head><title>mine</title></head></html>"),
        ("--contract", "version: '3'\nservices:\n  db: {image: postgres}\n"),
    ],
)
def test_what_others_wrote_alike_is_left_alone(option, text):
    Path("mine").write_text(text)
    assert profile("people.csv", option, "mine").exit_code == 2
    assert Path("mine").read_text() == text


def test_the_page_of_two_profiles_is_of_what_has_changed():
    profile("people.csv", "--save", "old.json", "--html", "page.html")
    assert "What has changed" not in Path("page.html").read_text()
    Path("people.csv").write_text("code,mail\n1,x@example.org\n2,\n")
    assert profile("people.csv", "--compare", "old.json", "--html", "page.html").exit_code == 0
    page = Path("page.html").read_text()
    assert "What has changed" in page
    assert "since" in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing.csv"], 1, "nothing.csv"),
        (["people.xls"], 2, "doesn't say by its ending what it is"),
        (["people.csv", "--sample", "0"], 2, "x>=1"),
        (["people.csv", "--sample", "5", "--all"], 2, "give one of the two"),
        (["people.csv", "--compare", "rows.json"], 2, "rows.json --save rows.profile.json"),
        (["."], 2, "is a folder: give a glob, for instance '*.csv'"),
        (["people.csv", "--save", "rows.json"], 2, "which is no saved profile"),
        (["people.csv", "--html", "rows.json"], 2, "which is no page"),
        (["people.csv", "--contract", "rows.json"], 2, "which is no contract"),
        (["people.csv", "--compare", "none.json"], 1, "none.json"),
        (["people.csv", "--save", "no/where.json"], 1, "where.json: there is no folder no"),
        (["people.csv", "--html", "no/where.html"], 1, "there is no folder no; make it first"),
        (["people.csv", "--contract", "no/where.yaml"], 1, "there is no folder no; make it first"),
        (["people.csv", "--fail-on", "error"], 2, "give --compare"),
        (["people.csv", "--compare", "old.json", "--fail-on", "drift"], 2, "'drift' is not one of"),
    ],
)
def test_errors_are_messages(arguments, code, words):
    Path("rows.json").write_text('[{"version": 1}]')
    done = profile(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert words in done.stderr
    assert "JSONDecodeError" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("severity", "rows", "code"),
    [
        ("info", None, 0),
        ("error", None, 0),
        ("error", "code,mail\n1,x@example.org\n2,\n", 4),
        ("info", "code,mail\n1,x@example.org\n2,\n", 4),
    ],
)
def test_changes_have_an_exit_code_for_whom_asks(severity, rows, code):
    assert profile("people.csv", "--save", "old.json").exit_code == 0
    if rows:
        Path("people.csv").write_text(rows)
    done = profile("people.csv", "--compare", "old.json", "--fail-on", severity, "--output", "json")
    assert done.exit_code == code
    changes = json.loads(done.stdout)["changes"]
    assert any(severity in {"info", each["severity"]} for each in changes) == bool(code)
    assert (f"of severity {severity}" in done.stderr) == bool(code)


def test_what_is_less_grave_ends_well():
    profile("people.csv", "--save", "old.json")
    Path("people.csv").write_text(
        Path("people.csv")
        .read_text()
        .replace("code,mail", "code,extra,mail")
        .replace(",user", ",1,user")
    )
    found = json.loads(profile("people.csv", "--compare", "old.json", "--output", "json").stdout)
    assert found["worst"] in {"info", "warning"}
    assert profile("people.csv", "--compare", "old.json", "--fail-on", "error").exit_code == 0
    assert (
        profile("people.csv", "--compare", "old.json", "--fail-on", found["worst"]).exit_code == 4
    )


def test_its_help_teaches():
    done = profile("--help")
    assert "arrowetl profile customers.csv --compare monday.json" in done.stdout


def test_it_learns_a_contract_that_a_pipeline_of_the_file_keeps():
    Path("people.csv").write_text(
        "\n".join(["id,mail,since", *(f"{n},u{n}@example.org,2024-01-09" for n in range(60))])
    )
    done = profile("people.csv", "--contract", "people.yaml")
    assert done.exit_code == 0
    written = "Wrote people.yaml: 3 columns, 3 values that have to be there, 4 other rules\n"
    assert done.stderr == written
    assert "mail is email: 60 of 60 values have it\n" in done.stdout
    contract = ae.Contract.read("people.yaml")
    assert [field.type for field in contract.fields] == ["int64", "string", "date32[day]"]
    frozen = {"contract": "people.yaml", "columns": "freeze", "rules": "freeze"}
    pipeline = ae.Pipeline(schema_contract=frozen).extract("people.csv")
    assert pipeline.load(ae.ArrowLoader()).run().result.table.num_rows == 60


def test_a_contract_knows_a_key_of_many_rows_by_a_second_look():
    rows = [f"{n},A{n % 9_999}" for n in range(10_000)]
    Path("people.csv").write_text("\n".join(["id,number", *rows]))
    done = profile("people.csv", "--contract", "people.yaml")
    assert done.exit_code == 0
    told = "10,000 different values in 10,000 rows, counted in a second look"
    assert f"id is unique: {told}\n" in done.stdout
    assert "number is unique" not in done.stdout
    [unique] = [rule for rule in ae.Contract.read("people.yaml").checks if rule.unique]
    assert (unique.column, unique.evidence) == ("id", told)


def test_a_contract_has_no_values_of_personal_data():
    rows = [f"{n},{('male', 'female')[n % 2]}" for n in range(200)]
    Path("people.csv").write_text("\n".join(["id,gender", *rows]))
    done = profile("people.csv", "--contract", "c.yaml", "--no-pii", "--output", "json")
    assert Profile.from_json(done.stdout).rows == 200
    assert "male" not in Path("c.yaml").read_text()


def test_a_contract_is_learned_from_what_isnt_csv_too():
    table = pa.table({"a": [{"b": n} for n in range(50)]})
    ae.Pipeline().extract(table).load(ae.ParquetLoader("a.parquet")).run()
    assert profile("a.parquet", "--contract", "a.yaml").exit_code == 0
    assert [field.name for field in ae.Contract.read("a.yaml").fields] == ["a", "a.b"]


def test_a_contract_says_of_numbers_what_the_profile_says_of_their_digits():
    cards = ["4111111111111111", "5500005555555559", "4012888888881881"]
    rows = [f"{n},{cards[n % 3]},{15551230001 + n % 3}" for n in range(60)]
    Path("cards.csv").write_text("\n".join(["id,n,tel", *rows]))
    done = profile("cards.csv", "--contract", "cards.yaml", "--save", "cards.json")
    said = done.stdout + Path("cards.json").read_text() + Path("cards.yaml").read_text()
    assert not any(each in said for each in (*cards, "1555123"))
    contract = ae.Contract.read("cards.yaml")
    assert [field.type for field in contract.fields] == ["int64"] * 3
    assert contract.personal == {"n": "credit_card", "tel": "phone"}
    saved = Profile.from_json(Path("cards.json").read_text())
    assert {each.name: each.pii[0].label for each in saved.columns if each.pii} == contract.personal


def test_a_contract_says_where_a_pipeline_guesses_what_is_the_day():
    rows = [f"{n},{n % 12 + 1:02}/{n % 11 + 1:02}/2024" for n in range(60)]
    Path("dates.csv").write_text("\n".join(["id,at", *rows]))
    done = profile("dates.csv", "--contract", "dates.yaml")
    assert "at: dates (%d/%m/%Y): day and month can't be told apart" in done.stderr
    field = ae.Contract.read("dates.yaml").field_at("at")
    assert field.type == "date32[day]"
    assert "no null in 60 rows; dates (%d/%m/%Y): day and month" in field.evidence
