"""Messy customers scored by rules; what is poor is set apart, and everybody can read why."""

import arrowetl as ae

path = "fixtures/customers/messy.csv"
names = ae.CSVSource(path).schema().names
customers = ae.CSVSource(path, schema=dict.fromkeys(names, "VARCHAR"))

rules = [
    ae.Rule("customer_id", unique=True),
    ae.Rule("Full Name", not_null=True),
    ae.Rule("Email Address", format="email", weight=2),
    ae.Rule("signup_date", format="date_iso"),
    ae.Rule("country", enum=["Germany", "France", "Spain", "Poland", "United States"]),
    # Across columns: a predicate in SQL, null is no breach.
    "TRY_CAST(signup_date AS DATE) >= TRY_CAST(birth_date AS DATE)",
]
poor = ae.ArrowLoader()
result = (
    ae.Pipeline("scored", dead_letters=poor)
    .extract(customers)
    .transform(
        ae.NullRemover("drop_all", columns=names[1:], null_like=["", "-", "?", "N/A", "none"])
    )
    .transform(ae.QualityScorer(rules=rules, min_score=0.8, filter_low_quality=True))
    .load(ae.ArrowLoader())
    .run()
    .result
)
print(result)  # with a line for each column and each rule, and samples of what broke it

print("why rows were set apart:")
why = "SELECT reason FROM input WHERE stage = 'QualityScorer' LIMIT 5"
print(ae.Pipeline("why").extract(poor.table).transform(why).preview(5))
