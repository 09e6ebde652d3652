"""How many of the pairs that are alike enough the Deduplicator never looks at, by text.

Its own similarity of all pairs of rows, by multiplying matrices, beside the pairs that it finds.
`python -m benchmarks.blocking SET` prints JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.labelled import ENTITY, SETS

THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.7)


def blocked(labelled: str) -> dict[str, Any]:
    """Give by threshold how many pairs there are, how many are found, and both recalls."""
    import duckdb
    import numpy as np
    import pyarrow.parquet as pq
    from scipy.sparse import csr_matrix

    from arrowetl.ml.grams import CODES
    from arrowetl.ml.texts import read_texts
    from benchmarks.matchers.jaccard import all_pairs

    table = pq.read_table(SETS[labelled].made())
    entities = table[ENTITY].to_numpy()
    columns = [each for each in table.column_names if each != ENTITY]
    table = table.append_column("benchmark:row", [list(range(len(table)))])
    with duckdb.connect() as connection:
        connection.register("source", table)
        connection.execute('CREATE TABLE "rows" AS FROM source')
        weights = dict.fromkeys(columns, 1.0)
        records = read_texts(connection, "rows", weights, id_column="benchmark:row")
    space: Any = records.space
    sets, entities = space.sets, entities[records.ids]
    places = sets.places[sets.sets.grams & np.uint32(CODES - 1)].astype(np.int64)
    shape = (sets.rows, len(sets.weights))
    ones = np.ones(len(places))
    matrix = csr_matrix((ones, places, sets.sets.starts), shape)
    matrix.sum_duplicates()
    # What one row alone has is shared with none.
    told = np.append(0.0, sets.weights[1:])
    left, right, like = all_pairs(matrix, sets.totals, min(THRESHOLDS) - 1e-9, told)
    true, like = entities[left] == entities[right], like.round(12)
    found = {}
    for threshold in THRESHOLDS:
        pairs = space.pairs(threshold, threads=2)
        due = like >= threshold
        found[str(threshold)] = {
            "pairs": int(due.sum()),
            "found": len(pairs),
            "true": int(true[due].sum()),
            "true_found": int((entities[pairs.left] == entities[pairs.right]).sum()),
        }
    return found


def main() -> None:
    """Compare at one set."""
    print(json.dumps(blocked(sys.argv[1])))


if __name__ == "__main__":
    main()
