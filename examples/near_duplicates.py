"""Customers that were entered twice, with typing errors: found, looked at, then merged."""

import duckdb

import arrowetl as ae

CUSTOMERS = ae.CSVSource("fixtures/customers/messy.csv")
# All that tells people apart, together; an e-mail address counts as much as two other columns.
ON = {"Full Name": 1, "Email Address": 2, "phone": 1, "street": 1, "birth_date": 1}
# Below it are people of one name in one town: look at the least alike, and move it until they are
# right.
ALIKE = 0.6

# First look: every row stays, and says which one it repeats, and how alike they are.
marked = (
    ae.Pipeline("who repeats whom")
    .extract(CUSTOMERS)
    .transform(
        ae.Deduplicator(
            on=ON,
            method="fuzzy",
            threshold=ALIKE,
            report_column="repeats",
            similarity_column="alike",
        )
    )
    .transform("SELECT *, row_number() OVER () - 1 AS place FROM input")
)
with duckdb.connect() as database:
    database.register("marked", marked.reader().read_all())
    print("The least alike of the rows that repeat another:")
    print(
        database.sql("""
        SELECT round(m.alike, 2) AS alike, m."Full Name" AS name, k."Full Name" AS repeats,
            m.street, k.street AS repeated_street
        FROM marked AS m JOIN marked AS k ON k.place = m.repeats
        WHERE m.alike < 0.99 ORDER BY m.alike, m.place LIMIT 8""")
    )

# The threshold can be moved without comparing again, and two rows asked about.
rows = ae.Pipeline().extract(CUSTOMERS)
with ae.Deduplicator(on=ON, method="fuzzy", threshold=ALIKE).find(rows) as found:
    least = found.report().sort_by("similarity").slice(0, 1).to_pylist()[0]
    print(f"Rows {least['row']} and {least['kept']}: {found.why(least['row'], least['kept'])}")
    for threshold in (ALIKE, 0.7, 0.8, 0.9):
        print(f"  at {threshold}: {len(found.rethreshold(threshold))} rows repeat another")

# Then merge: of each cluster the row stays that has the most values.
merged = (
    ae.Pipeline("one row a customer")
    .extract(CUSTOMERS)
    .transform(ae.Deduplicator(on=ON, method="fuzzy", threshold=ALIKE, keep="best_quality"))
    .load(ae.ArrowLoader())
    .run()
)
print(merged.result)
