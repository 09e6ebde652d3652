"""One matcher at one set, in the process that is measured; and how right it was, in another.

`python -m benchmarks.matching match MATCHER SET OUTPUT [THRESHOLD ...]`
`python -m benchmarks.matching score SET OUTPUT` prints JSON; so does `rows SET`: how many.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.labelled import ENTITY, SETS

Score = dict[str, float]


def matcher(name: str) -> ModuleType:
    """Give a matcher's module."""
    return importlib.import_module(f"benchmarks.matchers.{name}")


def excuse(module: ModuleType, labelled: str) -> str:
    """Say why a matcher takes no part; empty if it does."""
    settings = getattr(module, "SETTINGS", None)
    if settings is not None and labelled not in settings:
        return "no settings for such columns"
    missing = [each for each in module.PACKAGES if importlib.util.find_spec(each) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def match(name: str, labelled: str, output: Path, thresholds: Sequence[float]) -> None:
    """Read a set, match it, write what was found and the seconds it took."""
    import numpy as np
    import pyarrow.parquet as pq

    os.environ["HF_HUB_OFFLINE"] = "1"
    module = matcher(name)
    table = pq.read_table(SETS[labelled].made()).drop_columns([ENTITY])
    started = time.perf_counter()
    results = list(module.match(table, thresholds or [module.THRESHOLD]))
    seconds = time.perf_counter() - started
    arrays = {"seconds": np.array(seconds)}
    for found in results:
        arrays[f"{found.threshold}/left"], arrays[f"{found.threshold}/right"] = (
            found.left,
            found.right,
        )
        if found.clusters is not None:
            arrays[f"{found.threshold}/clusters"] = found.clusters
    with output.open("wb") as file:
        np.savez(file, **arrays)


def score(labelled: str, output: Path) -> dict[str, Any]:
    """Say how right the pairs are, and the clusters, at each threshold."""
    import numpy as np
    import pyarrow.parquet as pq

    from arrowetl.ml.clusters import components

    entities = pq.read_table(SETS[labelled].made())[ENTITY].to_numpy()
    found: dict[str, Any] = {"thresholds": {}}
    with np.load(output) as arrays:
        found["seconds"] = float(arrays["seconds"])
        for key in arrays.files:
            threshold, _, what = key.partition("/")
            if what != "left":
                continue
            left, right = arrays[key], arrays[f"{threshold}/right"]
            clusters = f"{threshold}/clusters"
            if clusters in arrays:
                together = arrays[clusters]
            else:
                together = components(len(entities), left, right)
            found["thresholds"][threshold] = {
                "pairs": of_pairs(entities, left, right),
                "clusters": of_clusters(entities, together),
            }
    return found


def of_pairs(entities: Any, left: Any, right: Any) -> Score:
    """Give precision, recall and F1 of pairs, each counted once."""
    import numpy as np

    ends = np.unique(np.stack([left, right]), axis=1)
    right_ones = int((entities[ends[0]] == entities[ends[1]]).sum())
    return _score(right_ones, ends.shape[1], _within(entities))


def of_clusters(entities: Any, clusters: Any) -> Score:
    """Give the same of the pairs of rows that are in one cluster.

    >>> import numpy as np
    >>> of_clusters(np.array([1, 1, 1, 2]), np.array([0, 0, 2, 2]))
    {'precision': 0.5, 'recall': 0.3333333333333333, 'f1': 0.4}
    """
    import numpy as np

    both = np.stack([entities, clusters])
    sizes = np.unique(both, axis=1, return_counts=True)[1]
    return _score(int((sizes * (sizes - 1) // 2).sum()), _within(clusters), _within(entities))


def _within(groups: Any) -> int:
    import numpy as np

    sizes = np.unique(groups, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())


def _score(right: int, found: int, due: int) -> Score:
    return {
        "precision": right / found if found else 1.0,
        "recall": right / due if due else 1.0,
        "f1": 2 * right / (found + due) if found + due else 1.0,
    }


def main() -> None:
    """Match, or score, or count the rows."""
    what, *arguments = sys.argv[1:]
    if what == "rows":
        import pyarrow.parquet as pq

        print(pq.ParquetFile(SETS[arguments[0]].made()).metadata.num_rows)
        return
    if what == "score":
        labelled, output = arguments
        print(json.dumps(score(labelled, Path(output))))
        return
    name, labelled, output, *thresholds = arguments
    match(name, labelled, Path(output), [float(each) for each in thresholds])


if __name__ == "__main__":
    main()
