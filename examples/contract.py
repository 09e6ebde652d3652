"""A contract is learned from customers that were cleaned, and the messy export is held to it."""

import tempfile
from pathlib import Path

import arrowetl as ae

clean = ae.CSVSource("fixtures/customers/clean.csv.gz")
messy = ae.CSVSource("fixtures/customers/messy.csv")
# Keys are counted in a second look; one alone counts up to 8,192 different values.
learned = ae.Contract.learn(ae.SchemaInferrer().profile(clean, exact_keys=True))

with tempfile.TemporaryDirectory() as folder:
    # `arrowetl profile FILE --contract customers.yaml` does the same. Edit the file as you like.
    path = Path(folder) / "customers.yaml"
    learned.write(path)
    print(path.read_text(encoding="utf-8"))

    # Other columns are an error here: nothing is read, and it says what is wrong.
    frozen = {"contract": path, "columns": "freeze"}
    try:
        ae.Pipeline("as it is", schema_contract=frozen).extract(messy).load(ae.ArrowLoader()).run()
    except ae.SchemaError as error:
        print("before a row was read:", error, end="\n\n")

    # What was a number or a date, and is text now, is cast. Rows with a cell that doesn't fit, and
    # rows that break a rule, go to the dead letters, as they were.
    enforce = ae.EnforceContract(path, data_type="quarantine", rules="quarantine")

apart = ae.ArrowLoader()
result = (
    ae.Pipeline("customers", dead_letters=apart)
    .extract(messy)
    .transform(ae.Rename({"Full Name": "full_name", "Email Address": "email_address"}))
    .transform(enforce)
    .load(ae.ArrowLoader())
    .run()
    .result
)
judged = next(stage for stage in result.stages if stage.name == "EnforceContract")
print(f"{judged.records_in:,} rows came, {judged.records_out:,} keep the contract. Broken:")
counts = 'SELECT entity, "check", broken FROM input WHERE broken > 0 ORDER BY broken DESC'
print(ae.Pipeline("broken").extract(judged.summary).transform(counts).preview())

print("why some of them were set apart:")
why = """
    SELECT reason_code, "column", reason FROM input
    WHERE stage = 'EnforceContract' AND reason LIKE '%;%' LIMIT 5
"""
print(ae.Pipeline("why").extract(apart.table).transform(why).preview())
