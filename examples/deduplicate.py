"""Keep one row a customer: the last that came, and see which rows it stands for."""

import duckdb

import arrowetl as ae

CUSTOMERS = ae.CSVSource("fixtures/customers/messy.csv")
EMAIL = 'SELECT customer_id, "Full Name" AS name, lower(trim("Email Address")) AS email FROM input'

kept = (
    ae.Pipeline("last one wins")
    .extract(CUSTOMERS)
    .transform(EMAIL)
    .transform(
        ae.NullRemover("drop", columns=["email"], null_like=["", "n/a", "null", "-", "none"])
    )
    .transform(ae.Deduplicator(on=["email"], keep="last"))
    .load(ae.ArrowLoader())
    .run()
)
print(kept.result)

# The same, but every row stays and says which row it repeats.
marked = (
    ae.Pipeline("who repeats whom")
    .extract(CUSTOMERS)
    .transform(EMAIL)
    .transform(ae.Deduplicator(on=["email"], keep="first", report_column="repeats_row"))
)
with duckdb.connect() as database:
    database.register("marked", marked.reader())
    print(database.sql("SELECT * FROM marked WHERE repeats_row IS NOT NULL LIMIT 5"))
