"""Orders in JSON lines, nested and untidy, become a typed table of their items; and JSON again."""

from pathlib import Path
from tempfile import TemporaryDirectory

import arrowetl as ae

ITEMS = """
    SELECT id, placed_at, customer.name AS customer, customer.address.city AS city,
        unnest(items, recursive := true), TRY_CAST(total AS DECIMAL(12, 2)) AS total
    FROM input
"""

with TemporaryDirectory() as folder:
    rejects = ae.ParquetLoader(f"{folder}/rejects/")
    items = Path(folder, "items.json")
    pipeline = (
        ae.Pipeline("orders", dead_letters=rejects, max_rejects=0.02)
        .extract(ae.JSONSource("fixtures/orders/orders.jsonl", schema={"placed_at": "TIMESTAMPTZ"}))
        .transform(ITEMS)
        .transform("SELECT *, quantity * price AS amount FROM input")
        .load(ae.JSONLoader(items, format="array", indent=2, mode="replace"))
        .run()
    )
    print(pipeline.result)
    print(items.read_text(encoding="utf-8")[:330])

    # The same orders as one document: the list of records is deep inside, objects become columns.
    export = ae.JSONSource(
        "fixtures/orders/export.json", record_path="data.orders[*]", flatten=True
    )
    print(export.schema().names)
    print(export.reader().read_all().num_rows, "rows")
