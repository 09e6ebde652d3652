"""How well and how fast unusual rows are found: `python -m benchmarks.outliers`.

Quality: scikit-learn's own sets, of which one class is thinned out to be the outliers, and sets
made here. Speed: rows of ten columns, each contender in a process of its own, one after the other
in turns, since the machine may have other work; ratios are of processor seconds and of seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

import arrowetl as ae
from benchmarks.lines import svg
from benchmarks.process import ROOT, measured

RESULTS = ROOT / "benchmarks" / "results"
SEED = 0
THRESHOLD = 0.6
WIDTH = 10

Matrix = Any
Scores = Any


# --- labelled rows ----------------------------------------------------------------------------


def _thinned(rows: Matrix, outlier: Any, keep: int) -> tuple[Matrix, Any]:
    """Keep so many of the outliers, by the seed."""
    chosen = np.random.default_rng(SEED).permutation(np.flatnonzero(outlier))[:keep]
    kept = np.sort(np.concatenate([np.flatnonzero(~outlier), chosen]))
    return rows[kept], outlier[kept]


def breast_cancer() -> tuple[Matrix, Any]:
    """Give 357 benign tumours and 20 malignant ones, 30 measurements each."""
    from sklearn.datasets import load_breast_cancer

    rows, target = load_breast_cancer(return_X_y=True)
    return _thinned(rows, target == 0, 20)


def digits() -> tuple[Matrix, Any]:
    """Give 1,619 pictures of other digits and 20 of a nought, 64 points each."""
    from sklearn.datasets import load_digits

    rows, target = load_digits(return_X_y=True)
    return _thinned(rows, target == 0, 20)


def wine() -> tuple[Matrix, Any]:
    """Give 119 wines of two growers and 10 of a third, 13 measurements each."""
    from sklearn.datasets import load_wine

    rows, target = load_wine(return_X_y=True)
    return _thinned(rows, target == 0, 10)


def blobs() -> tuple[Matrix, Any]:
    """Give 5,000 rows in three crowds and 100 anywhere between them."""
    from sklearn.datasets import make_blobs

    rows, _ = make_blobs(5000, 4, centers=3, cluster_std=1.0, random_state=SEED)
    spread = np.random.default_rng(SEED).uniform(rows.min(0), rows.max(0), (100, 4))
    return np.vstack([rows, spread]), np.arange(5100) >= 5000  # noqa: PLR2004


def tails() -> tuple[Matrix, Any]:
    """Give 5,000 rows of a crowd and 100 that are twice as far out in every column."""
    rng = np.random.default_rng(SEED)
    rows = rng.normal(0, 1, (5100, 6))
    rows[5000:] *= 2.5
    return rows, np.arange(5100) >= 5000  # noqa: PLR2004


SETS: dict[str, Callable[[], tuple[Matrix, Any]]] = {
    "breast cancer": breast_cancer,
    "digits": digits,
    "wine": wine,
    "blobs": blobs,
    "tails": tails,
}


# --- contenders: a matrix in, scores out, higher is odder -------------------------------------


def _by_pipeline(method: str, rows: Matrix) -> Scores:
    table = pa.table({f"c{at}": pa.array(column) for at, column in enumerate(rows.T)})
    stage = ae.AnomalyDetector(method=method, columns=table.column_names, min_rows=2)
    pipeline = ae.Pipeline("outliers", progress=False).extract(table).transform(stage)
    scores = [np.asarray(batch["anomaly_score"]) for batch in pipeline.reader()]
    return np.concatenate(scores)


def arrowetl_forest(rows: Matrix) -> Scores:
    """Fit and score by the public stage, in a pipeline."""
    return THRESHOLD * _by_pipeline("isolation_forest", rows)


def arrowetl_ecod(rows: Matrix) -> Scores:
    """Score by the public stage, in a pipeline."""
    return _by_pipeline("ecod", rows)


def scikit_learn(rows: Matrix) -> Scores:
    """Fit and score as its documentation does, on the sample that arrowetl would take of it."""
    from sklearn.ensemble import IsolationForest

    numbers = rows.astype(np.float32)
    model = IsolationForest(random_state=SEED, max_samples=min(256, len(rows)))
    return -model.fit(numbers[:100_000]).score_samples(numbers)


def _pyod(name: str, rows: Matrix, **options: Any) -> Scores:
    from importlib import import_module

    model = getattr(import_module(f"pyod.models.{name.lower()}"), name)(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows)
    return model.decision_scores_


def pyod_iforest(rows: Matrix) -> Scores:
    """Fit as its documentation does: it scores what it was fitted on."""
    return _pyod("IForest", rows, random_state=SEED)


def pyod_ecod(rows: Matrix) -> Scores:
    """Fit as its documentation does."""
    return _pyod("ECOD", rows)


def pyod_copod(rows: Matrix) -> Scores:
    """Fit as its documentation does."""
    return _pyod("COPOD", rows)


CONTENDERS: dict[str, Callable[[Matrix], Scores]] = {
    "arrowetl, isolation_forest": arrowetl_forest,
    "scikit-learn by hand": scikit_learn,
    "PyOD IForest": pyod_iforest,
    "arrowetl, ecod": arrowetl_ecod,
    "PyOD ECOD": pyod_ecod,
    "PyOD COPOD": pyod_copod,
}
BASE = "scikit-learn by hand"


# --- what is measured -------------------------------------------------------------------------


def quality() -> tuple[list[str], dict[str, list[tuple[float, float]]]]:
    """Give the AUC by set and contender as lines, and F1 by threshold of the forest."""
    from sklearn.metrics import f1_score, roc_auc_score

    names = list(SETS)
    lines = [
        f"| AUC | {' | '.join(names)} | mean |",
        f"| --- |{' --- |' * (len(names) + 1)}",
    ]
    made = {name: make() for name, make in SETS.items()}
    curves: dict[str, list[tuple[float, float]]] = {}
    for contender, scores_of in CONTENDERS.items():
        found = []
        for name, (rows, outlier) in made.items():
            scores = scores_of(rows)
            found.append(float(roc_auc_score(outlier, scores)))
            if scores_of is arrowetl_forest:
                limits = np.linspace(0.4, 0.8, 41)
                curves[name] = [(t, float(f1_score(outlier, scores > t))) for t in limits]
        cells = " | ".join(f"{auc:.3f}" for auc in [*found, sum(found) / len(found)])
        lines.append(f"| {contender} | {cells} |")
    return lines, curves


def agreement() -> list[str]:
    """Say how far scores are from those of who wrote the method first."""
    lines = []
    rows, _ = blobs()
    forest = np.abs(arrowetl_forest(rows) - scikit_learn(rows)).max()
    lines.append(f"- isolation_forest and scikit-learn's: at most {forest:.1e} apart (blobs).")
    ratio = pyod_ecod(rows) / arrowetl_ecod(rows)
    spread = np.ptp(ratio) / ratio.mean()
    lines.append(f"- ecod and PyOD's, but for the one factor: {spread:.1e} apart (blobs).")
    return lines


def speed(rows: int, runs: int) -> list[str]:
    """Time each contender in a process of its own, in turns."""
    costs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(runs):
        for contender in CONTENDERS:
            cost = _cost(contender, rows)
            costs[contender] += [] if cost is None else [cost]
    base = {what: _middle(costs[BASE], what) for what in ("wall", "cpu")}
    lines = [
        "| fit and score | rows a second | time | processor time | peak |",
        "| --- | --- | --- | --- | --- |",
    ]
    for contender, cost in costs.items():
        if not cost:
            continue
        wall, cpu, peak = (_middle(cost, what) for what in ("wall", "cpu", "peak"))
        lines.append(
            f"| {contender} | {rows / wall:,.0f} | {wall / base['wall']:.2f} | "
            f"{cpu / base['cpu']:.2f} | {peak / 2**20:,.0f} MiB |"
        )
    return lines


def _cost(contender: str, rows: int) -> dict[str, float] | None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "cost.json")
        command = [sys.executable, "-m", "benchmarks.outliers", "--one", contender]
        usage = measured([*command, "--rows", str(rows), "--out", str(out)], timeout=900)
        if usage.code:
            print(f"{contender}: {usage.errors[-500:]}", file=sys.stderr)
            return None
        return json.loads(out.read_text()) | {"peak": usage.peak}


def _middle(costs: list[dict[str, float]], what: str) -> float:
    return median(each[what] for each in costs)


def one(contender: str, rows: int, out: Path) -> None:
    """Run one contender, and write what it cost by itself: imports and data aren't counted."""
    matrix = np.random.default_rng(SEED).normal(size=(rows, WIDTH)).astype(np.float32)
    CONTENDERS[contender](matrix[:500])  # imports
    wall, cpu = time.perf_counter(), time.process_time()
    CONTENDERS[contender](matrix)
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    out.write_text(json.dumps(cost))


def main() -> None:
    """Measure, and write OUTLIERS.md and outliers.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to be timed")
    parser.add_argument("--runs", type=int, default=3, help="how often; 0 for quality alone")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.rows, given.out)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    # First: a process is charged with its parent's memory, which is still small.
    timed = speed(given.rows, given.runs) if given.runs else []
    lines, curves = quality()
    text = [
        "# Unusual rows",
        "",
        "Written by `python -m benchmarks.outliers`. How well rows of another kind are told apart,",
        "from 0.5 (by chance) to 1 (always):",
        "",
        *lines,
        "",
        *agreement(),
        "",
    ]
    if given.runs:
        text += [
            f"{given.rows:,} rows of {WIDTH} columns, the median of {given.runs} runs in turns;",
            f"time and processor time are over those of {BASE}:",
            "",
            *timed,
            "",
        ]
    text += ["![F1 against the threshold](outliers.svg)", ""]
    drawing = svg(
        "isolation_forest: F1 against the threshold",
        curves,
        x="threshold; the dashed line is the default",
        y="F1",
        usual=THRESHOLD,
    )
    (given.out / "OUTLIERS.md").write_text("\n".join(text))
    (given.out / "outliers.svg").write_text(drawing)
    print("\n".join(text))


if __name__ == "__main__":
    main()
