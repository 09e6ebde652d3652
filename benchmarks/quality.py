"""How well near duplicates are found, beside what it costs: `python -m benchmarks.quality`.

Each matcher runs at each labelled set in a process of its own: at the threshold that it is used
with, round after round; then once more at all thresholds, for the curves. Writes `quality.json`,
`QUALITY.md` and a curve a set, `quality-<set>.svg`.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.curve import svg
from benchmarks.labelled import SETS
from benchmarks.matchers import NAMES
from benchmarks.matching import excuse, matcher
from benchmarks.process import asked, last_line, measured, module
from benchmarks.quality_page import page
from benchmarks.runner import Options, scratch

RESULTS = Path(__file__).parent / "results"
TIMEOUT = 900
SMALL = 20_000
"""Up to so many rows all pairs are looked at, and curves are drawn."""
JACCARD = matcher("jaccard")
Entry = dict[str, Any]


def run_set(labelled: str, names: list[str], options: Options) -> dict[str, Any]:
    """Measure the matchers at a set; those that fail, or take too long, say so."""
    asked("labelled", labelled)
    rows = asked("matching", "rows", labelled)
    entries = {name: _entry(name, labelled, rows) for name in names}
    for number in range(options.runs):
        for turn in range(len(names)):
            name = names[(turn + number) % len(names)]
            if not entries[name]["reason"] and not hasattr(matcher(name), "ONCE"):
                _timed(name, labelled, entries[name], options)
    for name, entry in entries.items():
        if not entry["reason"] and rows <= SMALL:
            thresholds = sorted({*matcher(name).THRESHOLDS, entry["threshold"]})
            cost, entry["curve"] = _once(name, labelled, entry, options, thresholds=thresholds)
            if not entry["runs"] and entry["curve"]:
                entry["runs"], entry["score"] = [cost], entry["curve"][str(entry["threshold"])]
    return {"title": SETS[labelled].title, "rows": rows, "entries": entries}


def _entry(name: str, labelled: str, rows: int) -> Entry:
    found = matcher(name)
    reason = excuse(found, labelled)
    if rows > getattr(found, "LARGEST", rows):
        reason = f"not tried on more than {found.LARGEST:,} rows"
    return {"label": found.LABEL, "threshold": found.THRESHOLD, "reason": reason, "runs": []}


def _timed(name: str, labelled: str, entry: Entry, options: Options) -> None:
    usual = [] if entry["threshold"] is None else [entry["threshold"]]
    cost, scores = _once(name, labelled, entry, options, thresholds=usual)
    for threshold, score in scores.items():
        entry["threshold"], entry["score"] = float(threshold), score
        entry["runs"].append(cost)
        options.say(
            f"{labelled:16} {entry['label']:26} F1 {score['clusters']['f1']:.3f} "
            f"{cost['wall']:7.2f} s wall {cost['cpu']:7.2f} s CPU {cost['peak'] / 1e6:6.0f} MB"
        )


def _once(
    name: str, labelled: str, entry: Entry, options: Options, *, thresholds: list[float]
) -> tuple[dict[str, float], dict[str, Any]]:
    """Run once; give what it cost, and the scores by threshold: none if it failed."""
    with scratch(options) as folder:
        output = folder / "found.npz"
        words = map(str, thresholds)
        command = module("matching", "match", name, labelled, str(output), *words)
        usage = measured(command, timeout=TIMEOUT)
        if usage.timed_out or usage.code != 0:
            entry["reason"] = "took too long" if usage.timed_out else last_line(usage.errors)
            options.say(f"{labelled:16} {entry['label']:26} {entry['reason']}")
            return {}, {}
        found: dict[str, Any] = asked("matching", "score", labelled, str(output))
    cost = {"wall": usage.wall, "cpu": usage.cpu, "peak": usage.peak, "seconds": found["seconds"]}
    return cost, found["thresholds"]


def write(results: dict[str, Any], folder: Path) -> str:
    """Write the JSON, the page and the curves; give the page."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (each for found in results["sets"].values() for each in found["entries"].values()):
        if entry["runs"]:
            entry["median"] = {
                metric: median(run[metric] for run in entry["runs"]) for metric in entry["runs"][0]
            }
    path = folder / "quality.json"
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn = {name: each for name, each in results["sets"].items() if each["rows"] <= SMALL}
    for name, found in drawn.items():
        (folder / f"quality-{name}.svg").write_text(svg(found), encoding="utf-8")
    text = page(results)
    (folder / "QUALITY.md").write_text(text, encoding="utf-8")
    return text


def read(folder: Path) -> dict[str, Any]:
    """Read what is there."""
    path = folder / "quality.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sets": {}}


def main() -> None:
    """Measure what the arguments name; a set that isn't run again stays as it was."""
    arguments = _parser().parse_args()
    results = read(arguments.out)
    options = Options(runs=arguments.runs, say=lambda line: print(line, file=sys.stderr))
    for labelled in () if arguments.report else arguments.set or SETS:
        found = run_set(labelled, arguments.matcher or list(NAMES), options)
        if labelled in results["sets"]:
            before = results["sets"][labelled]["entries"]
            found["entries"] = {**before, **found["entries"]}
            found = {**results["sets"][labelled], **found}
        results["sets"][labelled] = found
        results["measured_at"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        results["machine"] = machine.describe()
        write(results, arguments.out)
    results["sets"] = {name: results["sets"][name] for name in SETS if name in results["sets"]}
    for labelled, found in results["sets"].items():
        if found["rows"] <= SMALL and "blocking" not in found and not excuse(JACCARD, labelled):
            found["blocking"] = asked("blocking", labelled)
    print(write(results, arguments.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--set", action="append", choices=list(SETS), help="only this; repeat")
    parser.add_argument("--matcher", action="append", choices=NAMES, help="only this; repeat")
    parser.add_argument("--runs", type=int, default=3, help="at the threshold in use; 3")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--report", action="store_true", help="write page and curves again")
    return parser


if __name__ == "__main__":
    main()
