"""Near vectors: ours beside indexes of approximate neighbours, used by hand.

Vectors of 384 numbers, a tenth of them near others. Each way of finding the pairs whose cosine is
at least 0.9 runs in a process of its own; what it gives is verified exactly, so precision is 1.
Writes `neighbours.json` and `NEIGHBOURS.md`: `python -m benchmarks.neighbours [--rows N]`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, units
from benchmarks.data import FOLDER
from benchmarks.process import asked, last_line, measured, module
from benchmarks.runner import Options, scratch

RESULTS = Path(__file__).parent / "results"
WIDTH = 384
LEAST = 0.9
TIMEOUT = 600
NEIGHBOURS = 10
"""How many an index gives for each vector."""
SLACK = 1e-6


def made(rows: int) -> Path:
    """Give the file of so many vectors, made if it isn't there."""
    import numpy as np

    path = FOLDER / f"vectors-{rows}.npy"
    if not path.exists():
        chance = np.random.default_rng(5)
        new = rows - rows // 10
        # Those of a model point mostly one way.
        way = 0.5 * chance.standard_normal(WIDTH, np.float32)
        values = chance.standard_normal((rows, WIDTH), np.float32)
        values[:new] += way
        values /= np.linalg.norm(values, axis=1)[:, None]
        share = chance.uniform(0.05, 0.45, rows - new).astype(np.float32)[:, None]
        values[new:] = values[chance.integers(0, new, rows - new)] + share * values[new:]
        values /= np.linalg.norm(values, axis=1)[:, None]
        FOLDER.mkdir(exist_ok=True)
        np.save(path, values[chance.permutation(rows)])
    return path


def arrowetl(values: Any) -> Any:
    """By random hyperplanes, as the Deduplicator does."""
    import numpy as np

    from arrowetl.ml.vector_pairs import Vectors, near_pairs

    found = near_pairs(Vectors(values, np.arange(len(values))), LEAST, threads=2)
    return np.stack([found.left, found.right])


def brute(values: Any) -> Any:
    """Every pair, by matrix products: the truth."""
    import numpy as np

    found = []
    for low in range(0, len(values), 1024):
        products = values[low : low + 1024] @ values[low:].T
        found.append(np.stack(np.nonzero(np.triu(products >= LEAST, k=1))) + low)
    return np.concatenate(found, axis=1)


def usearch(values: Any) -> Any:
    """HNSW with its own settings."""
    from usearch.index import Index

    index = Index(ndim=WIDTH, metric="cos", dtype="f32")
    index.add(None, values)
    return _verified(values, index.search(values, NEIGHBOURS).keys)


def hnswlib(values: Any) -> Any:
    """HNSW with the settings of its page, and a search as wide as the index was built."""
    import hnswlib as library

    index = library.Index(space="cosine", dim=WIDTH)
    index.init_index(max_elements=len(values), ef_construction=200, M=16, random_seed=1)
    index.add_items(values)
    index.set_ef(200)
    return _verified(values, index.knn_query(values, k=NEIGHBOURS)[0])


def faiss_hnsw(values: Any) -> Any:
    """HNSW, 32 neighbours."""
    import faiss

    index = faiss.IndexHNSWFlat(WIDTH, 32, faiss.METRIC_INNER_PRODUCT)
    index.add(values)
    return _verified(values, index.search(values, NEIGHBOURS)[1])


def faiss_ivf(values: Any) -> Any:
    """Cells around centres of k-means, as many as the root of the rows; a tenth is searched."""
    import faiss

    cells = round(len(values) ** 0.5)
    index = faiss.index_factory(WIDTH, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(values)
    index.add(values)
    index.nprobe = max(cells // 10, 1)
    return _verified(values, index.search(values, NEIGHBOURS)[1])


def semhash(values: Any) -> Any:
    """SemHash over the vectors, by usearch; it names one row for each that it takes out."""
    import numpy as np
    from semhash import SemHash

    rows = [{"row": str(row)} for row in range(len(values))]
    hashed = SemHash.from_embeddings(values, rows, model=None, columns=["row"])  # type: ignore[arg-type]
    out = hashed.self_deduplicate(threshold=LEAST).filtered
    pairs = [(int(each.record["row"]), int(each.duplicate_of["row"])) for each in out]
    return np.sort(np.array(pairs, np.int64).reshape(-1, 2).T, axis=0)


def _verified(values: Any, near: Any) -> Any:
    """Keep the pairs that are as near as they have to be."""
    import numpy as np

    left = np.repeat(np.arange(len(values)), near.shape[1])
    right = np.asarray(near).ravel().astype(np.int64)
    kept = (right >= 0) & (left != right)
    ends = np.sort(np.stack([left[kept], right[kept]]), axis=0)
    ends = np.unique(ends, axis=1)
    found = []
    for low in range(0, ends.shape[1], 65_536):
        part = ends[:, low : low + 65_536]
        cosines = np.einsum("ij,ij->i", values[part[0]], values[part[1]])
        found.append(part[:, cosines >= LEAST])
    return np.concatenate(found, axis=1)


WAYS: dict[str, tuple[str, Callable[[Any], Any], str, str]] = {
    "brute": ("every pair", brute, "", "yes"),
    "arrowetl": ("arrowetl, hyperplanes", arrowetl, "", "no: hashes of all are sorted"),
    "faiss_ivf": ("faiss, IVF", faiss_ivf, "faiss", "after k-means over a sample"),
    "faiss_hnsw": ("faiss, HNSW", faiss_hnsw, "faiss", "yes"),
    "hnswlib": ("hnswlib", hnswlib, "hnswlib", "yes"),
    "usearch": ("usearch", usearch, "usearch", "yes"),
    "semhash": ("SemHash, vectors given", semhash, "semhash", "no"),
}
"""By name: what it is called, what finds pairs, its package, whether it grows batch by batch."""
LARGEST = {"brute": 50_000, "semhash": 50_000, "usearch": 50_000, "hnswlib": 50_000}
LARGEST |= {"faiss_hnsw": 50_000, "faiss_ivf": 50_000}
"""Rows up to which each is tried: beyond, it takes more than ten minutes here."""


def find(name: str, rows: int, output: Path) -> None:
    """Find the pairs, and write them."""
    import numpy as np

    values = np.load(made(rows))
    started = time.perf_counter()
    pairs = WAYS[name][1](values)
    seconds = time.perf_counter() - started
    with output.open("wb") as file:
        np.savez(file, pairs=pairs, seconds=seconds)


def share(output: Path, truth: Path) -> dict[str, float]:
    """Say what share of the pairs was found, and of the rows that have one."""
    import numpy as np

    with np.load(output) as found, np.load(truth) as due:
        keys, all_keys = (side["pairs"][0] << 32 | side["pairs"][1] for side in (found, due))
        rows, all_rows = (np.unique(side["pairs"]) for side in (found, due))
        return {
            "seconds": float(found["seconds"]),
            "pairs": len(np.unique(keys)),
            "recall": float(np.isin(all_keys, keys).mean()),
            "rows": float(np.isin(all_rows, rows).mean()),
        }


def run(rows: int, names: list[str], folder: Path) -> dict[str, Any]:
    """Run each way twice; beside the truth, which is every pair's or, of many rows, ours."""
    due = "brute" if rows <= LARGEST["brute"] else "arrowetl"
    made_here = {name: folder / f"{name}.npz" for name in dict.fromkeys((due, *names))}
    truth = made_here[due]
    found: dict[str, Any] = {"truth": truth.stem, "ways": {}}
    for name, output in made_here.items():
        label, _, package, _ = WAYS[name]
        if package and importlib.util.find_spec(package) is None:
            found["ways"][name] = {"reason": f"not installed: {package}"}
            continue
        if rows > LARGEST.get(name, rows):
            continue
        usage = measured(
            module("neighbours", "find", name, str(rows), str(output)), timeout=TIMEOUT
        )
        if usage.timed_out or usage.code:
            reason = "took too long" if usage.timed_out else last_line(usage.errors)
            found["ways"][name] = {"reason": reason}
            continue
        score = asked("neighbours", "share", str(output), str(truth))
        again = output.with_name(f"again-{output.name}")
        measured(module("neighbours", "find", name, str(rows), str(again)), timeout=TIMEOUT)
        score["same"] = asked("neighbours", "share", str(again), str(output))
        found["ways"][name] = {"cpu": usage.cpu, "peak": usage.peak, "wall": usage.wall, **score}
        print(rows, label, found["ways"][name], file=sys.stderr, flush=True)
    return found


def page(results: dict[str, Any]) -> Iterator[str]:
    """Give the lines of the page."""
    yield "# Near vectors: how candidates are found"
    yield ""
    yield f"Vectors of {WIDTH} numbers, a tenth near others; pairs with a cosine from {LEAST} on,"
    yield "each verified exactly. Recall is of every pair's, or of ours where every pair would take"
    yield "too long. `again`: how much of a run's pairs another run finds. Seconds are of indexing,"
    yield "searching and verifying; peak memory includes the vectors and the package."
    for rows, found in results["rows"].items():
        size = units.size(int(rows) * WIDTH * 4)
        yield from ("", f"## {int(rows):,} vectors ({size})", "")
        yield "| way | recall | again | seconds | CPU | rows a CPU second | peak memory | grows |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        for name, each in found["ways"].items():
            label, _, _, grows = WAYS[name]
            if "reason" in each:
                yield f"| {label} | {each['reason']} | | | | | | |"
                continue
            again = each["same"]
            equal = again["recall"] == 1 and again["pairs"] == each["pairs"]
            cells = [
                f"{each['recall']:.4f}",
                "the same" if equal else f"{again['recall']:.4f}",
                units.seconds(each["seconds"]),
                units.seconds(each["cpu"]),
                f"{int(rows) / each['cpu']:,.0f}",
                units.size(each["peak"]),
                grows,
            ]
            yield f"| {label} | {' | '.join(cells)} |"
    about = results["machine"]
    yield from ("", f"{about['cores']} cores ({about['processor']}), Python {about['python']}.", "")


def main() -> None:
    """Find, score, or run all and write the page."""
    if sys.argv[1:2] == ["find"]:
        find(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    if sys.argv[1:2] == ["share"]:
        print(json.dumps(share(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="20,000 and 250,000 if not said")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this; repeat")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    arguments = parser.parse_args()
    path = arguments.out / "neighbours.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}
    for rows in arguments.rows or (20_000, 250_000):
        with scratch(Options()) as folder:
            found = run(rows, arguments.way or list(WAYS), folder)
        before = results["rows"].get(str(rows), {"ways": {}})
        results["rows"][str(rows)] = {**found, "ways": {**before["ways"], **found["ways"]}}
        results["machine"] = machine.describe()
        arguments.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(page(results))
    (arguments.out / "NEIGHBOURS.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
