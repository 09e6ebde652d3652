"""How good the settings are that an AutoTuner finds: `python -m benchmarks.tuning`.

Three workloads. For each a sweep first: every setting of a grid, in turns. Then a tuner begins with
the worst of them, and has twenty runs, some tries over. Last, what it recommended and the best of
the sweep are measured again, in turns: the luckiest of forty settings looks better than it is.

Seconds are of the processor, unless told otherwise: other work on the machine disturbs those by
the clock too much. Everything that is compared takes turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import arrowetl as ae
from arrowetl.engines.local import Settings as Usual
from arrowetl.events import Event, RunEnded, RunStarted, Tuned
from arrowetl.ml.tune import recommend
from arrowetl.tuning.history import History
from arrowetl.tuning.task import knobs_of, task_of
from arrowetl.tuning.tuner import trials_of
from benchmarks.lines import svg
from benchmarks.machine import describe
from benchmarks.process import ROOT

RESULTS = ROOT / "benchmarks" / "results"
RUNS = 20
CLOSE = 1.1
TOP = 3
"""So many of the sweep's best are measured again; the best of those counts."""
COLUMNS = 64

CORES = os.cpu_count() or 1
GRID = {
    "batch_rows": (1024, 4096, 16_384, 65_536, 262_144),
    "threads": tuple(sorted({1, CORES})),
    "row_group_rows": (15_360, 30_720, 122_880, 491_520),
}
USUAL = {"batch_rows": 65_536, "threads": CORES, "row_group_rows": 122_880}

Settings = dict[str, int]
Key = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Cost:
    """What a run took, by the clock or of the processor, and what a tuner chose for it."""

    seconds: float
    tuning: Tuned | None


class Clock:
    """A listener that times a run as a tuner does."""

    wall = cpu = 0.0

    def __call__(self, event: Event) -> None:
        """Look at the run's begin and end."""
        match event:
            case RunStarted():
                self.cpu = time.process_time()
            case RunEnded():
                self.wall, self.cpu = event.seconds, time.process_time() - self.cpu
            case _:
                pass


@dataclass(frozen=True)
class Workload:
    """What is run: a Parquet file, a statement, a function over batches, a Parquet file."""

    name: str
    holds: str
    select: str
    sql: str
    fn: Callable[[pa.RecordBatch], Any]

    def pipeline(self, folder: Path, settings: Settings, **options: Any) -> ae.Pipeline:
        """Give it with some settings, those that it leaves out as usual."""
        memory = settings.get("memory_mb")
        groups = settings.get("row_group_rows", USUAL["row_group_rows"])
        return (
            ae.Pipeline(
                self.name,
                batch_size=settings.get("batch_rows"),
                threads=settings.get("threads"),
                memory_limit=f"{memory}MB" if memory else None,
                progress=False,
                **options,
            )
            .extract(ae.ParquetSource(folder / f"{self.name}.parquet"))
            .transform(self.sql)
            .transform(ae.Map(self.fn))
            .load(ae.ParquetLoader(folder / "out.parquet", mode="replace", row_group_size=groups))
        )

    def cost(self, folder: Path, settings: Settings, measure: str, **options: Any) -> Cost:
        """Run it; give what that took, from where a tuner looks to where it looks."""
        clock = Clock()
        result = self.pipeline(folder, settings, listeners=[clock], **options).run().result
        return Cost(clock.wall if measure == "wall" else clock.cpu, result.tuning)


# --- workloads --------------------------------------------------------------------------------


def _share(batch: pa.RecordBatch) -> dict[str, Any]:
    share = pc.divide(batch["amount"], pc.add(batch["kind"], 1))
    return {"id": batch["id"], "amount": batch["amount"], "share": share}


def _total(batch: pa.RecordBatch) -> pa.RecordBatch:
    total = batch["c0"]
    for place in range(1, COLUMNS):
        total = pc.add(total, batch[f"c{place}"])
    return batch.append_column("total", total)


def _words(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.append_column("words", pc.count_substring(batch["text"], " "))


_MANY = ", ".join(
    f"(hash(i + {k}) % {10 ** (k % 5 + 2)}) / {k + 1}.0 AS c{k}" for k in range(COLUMNS)
)
WORKLOADS = (
    Workload(
        "narrow",
        "1,000,000 rows of three numbers",
        "SELECT i AS id, hash(i) % 100_000 / 100.0 AS amount, (hash(i + 7) % 1000)::INTEGER AS kind"
        " FROM range(1_000_000) t(i)",
        "SELECT * FROM input WHERE amount > 10",
        _share,
    ),
    Workload(
        "wide",
        f"50,000 rows of {COLUMNS + 1} numbers",
        f"SELECT i AS id, {_MANY} FROM range(50_000) t(i)",
        "SELECT * FROM input WHERE c0 >= 1",
        _total,
    ),
    Workload(
        "long texts",
        "12,000 texts of 1 to 4 KB",
        "SELECT i AS id, left(repeat(md5(i::VARCHAR) || ' Order ' || i || ' ', 90),"
        " (1000 + hash(i) % 3000)::INTEGER) AS text FROM range(12_000) t(i)",
        "SELECT id, regexp_replace(text, 'Order ([0-9]+)', '#\\1', 'g') AS text,"
        " sha256(text) AS digest FROM input",
        _words,
    ),
)


# --- what is measured -------------------------------------------------------------------------


def turns(
    workload: Workload, folder: Path, all_settings: Iterable[Settings], *, runs: int, measure: str
) -> dict[Key, list[float]]:
    """Run each so often, in rounds, every round in another order."""
    keys = list(dict.fromkeys(key_of(settings) for settings in all_settings))
    found: dict[Key, list[float]] = defaultdict(list)
    for number in range(runs):
        mixed = random.Random(number).sample(keys, len(keys))  # noqa: S311 - no secret
        for key in mixed:
            found[key].append(workload.cost(folder, dict(key), measure).seconds)
    return found


def key_of(settings: Settings) -> Key:
    """Give settings as what a dictionary can hold."""
    return tuple(sorted(settings.items()))


def tuned(
    workload: Workload, folder: Path, start: Settings, *, number: int, measure: str
) -> list[dict[str, Any]]:
    """Let a tuner that knows nothing have its runs; give each, with what it recommends then."""
    history = folder / f"{workload.name}-{number}.db"
    tuner = ae.AutoTuner(history, start=start, measure=measure)
    made = []
    for _ in range(RUNS):
        cost = workload.cost(folder, {}, measure, tuner=tuner)
        chosen = {"settings": dict(cost.tuning.settings), "way": cost.tuning.way}
        made.append({"seconds": cost.seconds, **chosen})
    plan = workload.pipeline(folder, {}).plan()
    stages = [step.stage for step in plan.steps]
    knobs = knobs_of(plan, Usual(), stages, plan.sink)
    trials = trials_of(tuner, task_of(plan), History(history).runs())
    for count, each in enumerate(made, 1):
        advice = recommend(knobs, trials[:count])
        each |= {"recommended": dict(advice.settings), "confidence": advice.confidence}
    return made


def measure(workload: Workload, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Sweep, tune, and compare."""
    file = folder / f"{workload.name}.parquet"
    duckdb.execute(f"COPY ({workload.select}) TO '{file}' (ROW_GROUP_SIZE 4096)")
    grid = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    # Imports, and the page cache.
    turns(workload, folder, grid[:: len(grid) // 4], runs=1, measure=given.measure)
    swept = turns(workload, folder, grid, runs=given.runs, measure=given.measure)
    order = sorted(swept, key=lambda key: median(swept[key]))
    start = dict(order[-1])
    tries = [
        tuned(workload, folder, start, number=number, measure=given.measure)
        for number in range(given.tries)
    ]
    again = [dict(key) for key in order[:TOP]] + [USUAL, start]
    again += [each["recommended"] for made in tries for each in made]
    compared = turns(workload, folder, again, runs=given.again, measure=given.measure)
    best = min(order[:TOP], key=lambda key: median(compared[key]))
    return {
        "workload": workload.name,
        "holds": workload.holds,
        "start": start,
        "best": dict(best),
        "seconds": {
            "best": median(compared[best]),
            "start": median(compared[key_of(start)]),
            "usual": median(compared[key_of(USUAL)]),
        },
        "tries": [judged(made, compared, median(compared[best])) for made in tries],
        "sweep": [{"settings": dict(key), "seconds": swept[key]} for key in order],
        "again": [{"settings": dict(key), "seconds": all_} for key, all_ in compared.items()],
    }


def judged(
    made: Sequence[dict[str, Any]], compared: dict[Key, list[float]], best: float
) -> dict[str, Any]:
    """Say of each run how good was what the tuner recommended after it."""
    ratios = [median(compared[key_of(each["recommended"])]) / best for each in made]
    good = [ratio <= CLOSE for ratio in ratios]
    until = next((n + 1 for n in range(len(good)) if all(good[n:])), None)
    runs = [{**each, "ratio": ratio} for each, ratio in zip(made, ratios, strict=True)]
    return {"ratio": ratios[-1], "until": until, "runs": runs}


# --- the page ---------------------------------------------------------------------------------


def said(settings: Settings) -> str:
    """Give settings in a few words."""
    words = {"batch_rows": "batch", "row_group_rows": "group", "memory_mb": "memory"}
    parts = []
    for name, value in settings.items():
        unit = " MB" if name == "memory_mb" else ""
        parts.append(f"{words.get(name, name)} {value:,}{unit}")
    return ", ".join(parts)


def table(found: Sequence[dict[str, Any]]) -> list[str]:
    """Give a line a workload."""
    lines = [
        "| workload | bad start | usual | sweep's best | tuned | ratios | close from run |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in found:
        seconds, tries = each["seconds"], each["tries"]
        last = tries[0]["runs"][-1]
        ratios = ", ".join(f"{one['ratio']:.2f}" for one in tries)
        until = ", ".join(str(one["until"] or "never") for one in tries)
        lines.append(
            f"| {each['workload']} | {seconds['start']:.3f} s | {seconds['usual']:.3f} s | "
            f"{seconds['best']:.3f} s: {said(each['best'])} | "
            f"{last['ratio'] * seconds['best']:.3f} s: {said(last['recommended'])} | "
            f"{ratios} | {until} |"
        )
    return lines


def note(each: dict[str, Any]) -> str:
    """Say what the sweep and the tuner's runs were like."""
    sweep = [median(one["seconds"]) for one in each["sweep"]]
    spread = median(max(o["seconds"]) / min(o["seconds"]) - 1 for o in each["again"])
    spent = [sum(run["seconds"] for run in one["runs"]) for one in each["tries"]]
    share = median(spent) / RUNS / each["seconds"]["usual"]
    ways = [run["way"] for run in each["tries"][0]["runs"]]
    sure = ", ".join(f"{one['runs'][-1]['confidence']:.0%}" for one in each["tries"])
    return (
        f"- **{each['workload']}**: {each['holds']}. Start: {said(each['start'])}. The sweep's "
        f"{len(sweep)} settings took {min(sweep):.3f} to {max(sweep):.3f} s; the slowest run of "
        f"one setting took {spread:.0%} more than its quickest. A run took {share:.2f} of the "
        f"usual settings' time while the tuner learned ({ways.count('explore')} of {RUNS} looked "
        f"for better ones); in the end it was {sure} sure."
    )


def page(kept: dict[str, Any]) -> str:
    """Give TUNING.md."""
    found, machine, how = kept["workloads"], kept["machine"], kept["how"]
    kind = {"wall": "by the clock", "cpu": "of the processor, which other work disturbs less"}
    tries = "1 try" if how["tries"] == 1 else f"{how['tries']} tries"
    text = f"""# Settings that are learned

Written by `python -m benchmarks.tuning --measure {how["measure"]}` on {machine["cores"]} cores
({machine["processor"]}), which had other work too. Each workload: Parquet in, a statement, a
function over batches, Parquet out. Seconds are {kind[how["measure"]]}.

A sweep tries {len(found[0]["sweep"])} fixed settings ({", ".join(GRID)}), {how["runs"]} times each,
in turns. A tuner that knows nothing starts with the sweep's worst, and has {RUNS} runs; {tries}.
What it recommended and the sweep's best {TOP} were then measured again, {how["again"]} times in
turns. **Ratios**, one a try: the median of what it recommends in the end over that of the best of
the sweep. **Close from run**: from there on, what it recommends costs at most {CLOSE - 1:.0%} more.

"""
    after = """
![Rows a second, by run, over those of the sweep's best](tuning.svg)
"""
    return text + "\n".join([*table(found), "", *map(note, found), after])


def drawing(found: Sequence[dict[str, Any]]) -> str:
    """Draw the runs of each workload's first try, and what was recommended after them."""
    lines, dots = {}, {}
    for each in found:
        runs, best = each["tries"][0]["runs"], each["seconds"]["best"]
        lines[each["workload"]] = [(n, 1 / run["ratio"]) for n, run in enumerate(runs, 1)]
        dots[each["workload"]] = [(n, best / run["seconds"]) for n, run in enumerate(runs, 1)]
    return svg(
        "AutoTuner: the best so far (line) and each run (dots)",
        lines,
        x="run; the dashed line is the sweep's best",
        y="rows a second, over those of the sweep's best",
        level=1.0,
        dots=dots,
        span=(0, RUNS),
        top=1.2,
    )


def main() -> None:
    """Measure, and write TUNING.md, tuning.json and tuning.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [each.name for each in WORKLOADS]
    parser.add_argument("--workload", action="append", choices=names, help="only these")
    parser.add_argument("--runs", type=int, default=3, help="how often the sweep tries each")
    parser.add_argument("--tries", type=int, default=3, help="how many tuners learn anew")
    parser.add_argument("--again", type=int, default=5, help="how often the best are compared")
    parser.add_argument("--measure", choices=("wall", "cpu"), default="cpu", help="which seconds")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--report", action="store_true", help="write page and drawing again")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if not given.report:
        for workload in WORKLOADS:
            if given.workload is None or workload.name in given.workload:
                keep(workload, given)
    kept = json.loads((given.out / "tuning.json").read_text())
    (given.out / "TUNING.md").write_text(page(kept))
    (given.out / "tuning.svg").write_text(drawing(kept["workloads"]))


def keep(workload: Workload, given: argparse.Namespace) -> None:
    """Measure a workload, and keep it beside those that were measured in the same way before."""
    file = given.out / "tuning.json"
    how = {name: getattr(given, name) for name in ("measure", "runs", "tries", "again")}
    with tempfile.TemporaryDirectory() as folder:
        found = measure(workload, Path(folder), given)
    print(*table([found])[2:], note(found), sep="\n", flush=True)
    before = json.loads(file.read_text()) if file.exists() else {"how": how, "workloads": []}
    others = {each["workload"]: each for each in before["workloads"] if before["how"] == how}
    made = {**others, workload.name: found}
    ordered = [made[each.name] for each in WORKLOADS if each.name in made]
    kept = {"machine": describe(), "how": how, "workloads": ordered}
    file.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
