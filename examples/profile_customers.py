"""What a file looks like before anybody trusts it, and its texts as what they are."""

import tempfile
from pathlib import Path

import arrowetl as ae

path = "fixtures/customers/messy.csv"
names = ae.CSVSource(path).schema().names
# As text, so that no zero is lost before it was looked at.
customers = ae.CSVSource(path, schema=dict.fromkeys(names, "VARCHAR"))

found = ae.SchemaInferrer().profile(customers)
print(f"{found.rows:,} rows")
for column in found.columns:
    inferred = column.inferred
    kind = f"{inferred.type}, {inferred.confidence:.1%} of texts" if inferred else column.type
    labels = ", ".join(each.label for each in column.pii)
    print(f"  {column.name:15} {kind:40} {labels}")

print("what to look at:")
for caution in found.cautions:
    print(f"  {caution.column or 'all'}: {caution.text}")

# The same in a pipeline: texts become numbers, dates and booleans; what doesn't fit is set apart.
with tempfile.TemporaryDirectory() as folder:
    pipeline = ae.Pipeline("typed", dead_letters=ae.ParquetLoader(Path(folder) / "rejected"))
    pipeline.extract(customers).transform(ae.SchemaInferrer(cast=True))
    result = pipeline.load(ae.ArrowLoader()).run().result
print(result.table.schema)
print(f"{result.records_rejected:,} rows rejected")
