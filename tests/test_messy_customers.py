"""The truth beside the messy customers: every planted defect is found, and little else."""

import csv
import gzip
import io
from collections import Counter
from pathlib import Path

import pytest

import arrowetl as ae
from arrowetl.sql import name as quoted

CUSTOMERS = Path(__file__).parents[1] / "fixtures/customers"
TEXT = ["Full Name", "Email Address", "city", "street"]
OTHERS = ["phone", "signup_date", "birth_date", "country", "postal_code", "card_number", "ip"]
CHECKED = [*TEXT, *OTHERS, "lifetime_value", "newsletter"]
NULLS = ["n/a", "null", "-", "none", "?", "nan", ""]
FIVE_DIGITS = "('United States', 'Germany', 'France', 'Spain')"
AMOUNT = "TRY_CAST(lifetime_value AS DECIMAL(18, 2))"
BORN = "TRY_STRPTIME(birth_date, '%Y-%m-%d')"

RULES = [
    *(ae.Rule(column, not_null=True, name=f"{column}: null") for column in CHECKED),
    *(
        ae.Rule(sql=f"{quoted(column)} = trim({quoted(column)})", name=f"{column}: space")
        for column in TEXT
    ),
    ae.Rule("customer_id", unique=True, name="customer_id: unique"),
    ae.Rule("signup_date", format="date_iso", name="signup_date: date"),
    ae.Rule("birth_date", format="date_iso", name="birth_date: date"),
    ae.Rule(sql=f"{BORN} < DATE '2025-01-01'", name="birth_date: future"),
    ae.Rule("lifetime_value", regex=r"-?[0-9]+(\.[0-9]{1,2})?", name="lifetime_value: amount"),
    ae.Rule(sql=f"{AMOUNT} >= 0", name="lifetime_value: negative"),
    ae.Rule("card_number", regex="[0-9]{13,19}", name="card_number: digits"),
    ae.Rule("Email Address", format="email", name="Email Address: email"),
    ae.Rule("phone", format="phone", name="phone: phone"),
    ae.Rule(
        sql=f"country NOT IN {FIVE_DIGITS} OR length(postal_code) = 5", name="postal_code: zeros"
    ),
]


@pytest.fixture(scope="module")
def truth() -> list[dict[str, str]]:
    with gzip.open(CUSTOMERS / "truth.csv.gz") as file:
        return list(csv.DictReader(io.StringIO(file.read().decode())))


@pytest.fixture(scope="module")
def result() -> ae.PipelineResult:
    names = ae.CSVSource(CUSTOMERS / "messy.csv").schema().names
    customers = ae.CSVSource(CUSTOMERS / "messy.csv", schema=dict.fromkeys(names, "VARCHAR"))
    amounts = ae.SQL(f"SELECT *, {AMOUNT} AS amount FROM input")
    pipeline = (
        ae.Pipeline("messy", dead_letters=ae.ArrowLoader())
        .extract(customers)
        # A person may be called Null: names keep what other columns take for a missing value.
        .transform(ae.NullRemover("drop_all", columns=CHECKED[1:], null_like=NULLS))
        .transform(ae.NullRemover("drop_all", columns=["Full Name"], null_like=["n/a", "?", "-"]))
        .transform(ae.QualityScorer(rules=RULES, broken_column="broken"))
        .transform(amounts)
        .transform(ae.AnomalyDetector(columns=["amount"], scale="log"))
    )
    return pipeline.load(ae.ArrowLoader()).run().result


@pytest.fixture(scope="module")
def readable(truth, result) -> list[int]:
    """Give the record of each row that could be read, in their order."""
    bad = {int(r["record"]) for r in truth if r["kind"].startswith(("line_", "encoding_"))}
    records = [record for record in range(2, 12_002) if record not in bad]
    assert len(records) == result.table.num_rows
    return records


@pytest.fixture(scope="module")
def found(result, readable) -> set[tuple[int, str]]:
    """Give the cells that a rule or the detector points at."""
    cells = set()
    table = result.table
    for record, broken in zip(readable, table["broken"].to_pylist(), strict=True):
        cells |= {(record, rule.split(":")[0]) for rule in broken}
    for record, far in zip(readable, table["is_anomaly"].to_pylist(), strict=True):
        if far:
            cells.add((record, "lifetime_value"))
    return cells


def test_every_broken_line_is_in_the_dead_letters(truth, result):
    bad = {r["record"] for r in truth if r["kind"].startswith(("line_", "encoding_"))}
    assert result.records_rejected == len(bad) == 241


NOT_OF_A_CELL = ("line_", "encoding_", "valid_", "duplicate_")


def test_every_planted_defect_of_a_cell_is_found(truth, readable, found):
    planted = [
        r
        for r in truth
        if int(r["record"]) in set(readable) and not r["kind"].startswith(NOT_OF_A_CELL)
    ]
    missed = Counter(r["kind"] for r in planted if (int(r["record"]), r["column"]) not in found)
    assert not missed
    assert len({r["kind"] for r in planted}) == 15


def test_false_alarms_are_under_one_percent(truth, found, result):
    planted = {(int(r["record"]), r["column"]) for r in truth}
    # Both of two rows with the same id break the rule that it is unique.
    twice = {record for record, column in found if column == "customer_id"}
    assert len(twice) == 2 * sum(r["kind"] == "duplicate_exact" for r in truth)
    alarms = {cell for cell in found if cell not in planted and cell[1] != "customer_id"}
    assert len(alarms) < 0.01 * result.table.num_rows
    assert not {record for record, _ in alarms} & {
        int(r["record"]) for r in truth if r["kind"] == "valid_null_name"
    }


def test_exact_duplicates_and_those_by_address_are_merged(truth, readable, result):
    columns = result.table.column_names[:15]
    rows = (
        ae.Pipeline("merge")
        .extract(result.table.select(columns).append_column("record", [readable]))
        .transform(ae.Deduplicator(on=columns))
        .transform('SELECT *, lower("Email Address") AS address FROM input')
        .transform(ae.SQL("SELECT *, address IS NULL OR NOT contains(address, '@') AS lone "
                          "FROM input"))
        .transform(ae.SQL("SELECT * REPLACE (CASE WHEN lone THEN record::VARCHAR ELSE address END "
                          "AS address) FROM input"))
        .transform(ae.Deduplicator(on=["address"]))
    )  # fmt: skip
    kept = set(rows.load(ae.ArrowLoader()).run().result.table["record"].to_pylist())
    merged = set(readable) - kept
    planted = {
        int(r["record"]): r["kind"]
        for r in truth
        if r["kind"] in ("duplicate_exact", "duplicate_email")
    }
    copies = {record for record in planted if record in set(readable)}
    assert copies <= merged
    # Half of the near duplicates have their original's address too: they are no false alarms.
    near = {int(r["record"]) for r in truth if r["kind"] == "duplicate_near"}
    assert not merged - copies - near
