"""Who finds near duplicates, a module each.

A matcher's module says its `LABEL`, the `PACKAGES` it needs, the `THRESHOLD` it is used with (None
if it chooses), the `THRESHOLDS` of its curve, and has `match(table, thresholds)`, which gives a
`Found` for each. What can be kept from one threshold to the next is. `SKIPPED` may say by set why
it takes no part.
"""

NAMES = (
    "arrowetl_text",
    "arrowetl_embedding",
    "arrowetl_hashed",
    "splink",
    "rensa",
    "datasketch",
    "semhash",
    "jaccard",
)
