"""Turns what was measured of near duplicates into a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import units

US = "arrowetl_text"
OURS = (US, "arrowetl_embedding", "arrowetl_hashed")
LITTLE = 0.002
"""F1 that differs by less is the same."""

INTRODUCTION = """# How well near duplicates are found

Precision, recall and F1 of pairs of rows in one cluster, at the threshold that each is used with:
ours where nothing is said, those of the packages' own pages for SemHash (0.9) and Splink (0.95),
and 0.5 for rensa and datasketch, whose pages' 0.8 of words finds next to nothing of typing errors;
they are given trigrams. `best` is the highest F1 at any threshold, which nobody knows without
labels. Seconds are those of the matcher alone, its imports and model included; CPU and peak memory
are the process's. Medians. Where the machine has other work, CPU seconds compare and seconds
hardly do.

scikit-learn's own sets have no labelled duplicates, so none is here. SemHash's own model can't be
installed as a package: it gets ours. Splink compares columns, and so takes no part where there is
one. `all pairs` is the reference: it looks at every pair, as nobody would with many rows."""


def page(results: Mapping[str, Any]) -> str:
    """Give the page's text."""
    lines = [INTRODUCTION]
    for name, found in results["sets"].items():
        lines += ["", f"## {found['title']}", ""]
        if any(entry.get("curve") for entry in found["entries"].values()):
            lines += [f"![F1 by threshold](quality-{name}.svg)", ""]
        lines += _table(found)
    lines += [*_targets(results["sets"]), *_blocking(results["sets"])]
    lines += [*_default(results["sets"]), *where_we_lose(results)]
    if "machine" in results:
        about = results["machine"]
        packages = ", ".join(f"{each} {version}" for each, version in about["packages"].items())
        lines += ["", "## Measured on", ""]
        lines.append(
            f"{about['cores']} cores ({about['processor']}), {about['system']}, Python "
            f"{about['python']}, {results['measured_at'][:10]}; {packages}"
        )
    return "\n".join(lines) + "\n"


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['rows']:,} rows."
    yield ""
    yield (
        "| matcher | at | precision | recall | F1 | F1 of its pairs | best F1 | seconds | CPU | "
        "peak memory |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for entry in found["entries"].values():
        if entry["reason"] or not entry["runs"]:
            yield f"| {entry['label']} | {entry['reason']} | | | | | | | | |"
            continue
        score, cost = entry["score"]["clusters"], entry["median"]
        highest = "{1:.3f} at {0}".format(*best(entry)) if entry.get("curve") else ""
        numbers = (f"{score[each]:.3f}" for each in ("precision", "recall", "f1"))
        yield (
            f"| {entry['label']} | {entry['threshold']} | {' | '.join(numbers)} "
            f"| {entry['score']['pairs']['f1']:.3f} | {highest} "
            f"| {units.seconds(cost['seconds'])} | {units.seconds(cost['cpu'])} "
            f"| {units.size(cost['peak'])} |"
        )


def best(entry: Mapping[str, Any]) -> tuple[str, float]:
    """Give the threshold with the highest F1, and that."""
    curve = {each: score["clusters"]["f1"] for each, score in entry["curve"].items()}
    threshold = max(curve, key=lambda each: curve[each])
    return threshold, curve[threshold]


def _ok(found: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    entry = found["entries"].get(name)
    return entry if entry and not entry["reason"] and entry["runs"] else None


def _targets(sets: Mapping[str, Any]) -> Iterator[str]:
    """Say what was aimed at, by set: F1, the best threshold, what clusters and blocks cost."""
    yield from ("", "## Targets, by text", "")
    yield (
        "| set | F1 | due | below the best | at most | clusters cost | at most | recall of the "
        "reference at its best | ours | lost | at most |"
    )
    yield "| --- " * 11 + "|"
    due = {"restaurants": 0.85, **dict.fromkeys(("febrl1", "febrl2", "febrl3"), 0.97)}
    for name, found in sets.items():
        ours, reference = _ok(found, US), _ok(found, "jaccard")
        if ours is None or reference is None or not ours.get("curve"):
            continue
        f1 = ours["score"]["clusters"]["f1"]
        recall = ours["score"]["pairs"]["recall"]
        least = best_pairs(reference)
        exact = reference["curve"][least]["pairs"]["recall"]
        cells = [
            found["title"],
            f"{f1:.3f}",
            f"{due[name]}" if name in due else "",
            f"{best(ours)[1] - f1:.3f}",
            "0.05",
            f"{ours['score']['pairs']['f1'] - f1:.3f}",
            "0.02",
            f"{exact:.3f} (at {least})",
            f"{recall:.3f}",
            f"{max(exact - recall, 0):.3f}",
            "0.05",
        ]
        yield f"| {' | '.join(cells)} |"


def best_pairs(entry: Mapping[str, Any]) -> str:
    """Give the threshold at which pairs have the highest F1."""
    return max(entry["curve"], key=lambda each: entry["curve"][each]["pairs"]["f1"])


def _blocking(sets: Mapping[str, Any]) -> Iterator[str]:
    """Say how many pairs that are alike enough are never looked at."""
    shown = {found["title"]: found["blocking"] for found in sets.values() if "blocking" in found}
    if not shown:
        return
    thresholds = sorted({each for found in shown.values() for each in found}, key=float)
    yield from ("", "## Pairs that blocking loses, by text", "")
    yield "Of the pairs that are as alike as the threshold, of all pairs; in brackets, of the true"
    yield "ones among them, how many of how many."
    yield ""
    yield f"| set | {' | '.join(thresholds)} |"
    yield "| --- " * (len(thresholds) + 1) + "|"
    for title, found in shown.items():
        cells = []
        for each in thresholds:
            at = found[each]
            lost = 1 - at["found"] / at["pairs"] if at["pairs"] else 0.0
            true = at["true"] - at["true_found"]
            cells.append(f"{max(lost, 0):.2%} ({max(true, 0)} of {at['true']})")
        yield f"| {title} | {' | '.join(cells)} |"


def _default(sets: Mapping[str, Any]) -> Iterator[str]:
    """Say how F1 by text goes with the threshold, all sets side by side."""
    ours = {name: entry for name, found in sets.items() if (entry := _ok(found, US))}
    shown = {name: entry for name, entry in ours.items() if entry.get("curve")}
    if not shown:
        return
    thresholds = sorted({each for entry in shown.values() for each in entry["curve"]}, key=float)
    yield from ("", "## F1 of arrowetl, text, by threshold", "")
    yield f"| set | {' | '.join(thresholds)} |"
    yield "| --- " * (len(thresholds) + 1) + "|"
    for name, entry in shown.items():
        top = best(entry)[0]
        cells = []
        for each in thresholds:
            f1 = f"{entry['curve'][each]['clusters']['f1']:.3f}" if each in entry["curve"] else ""
            cells.append(f"**{f1}**" if each == top else f1)
        yield f"| {sets[name]['title']} | {' | '.join(cells)} |"


def where_we_lose(results: Mapping[str, Any]) -> Iterator[str]:
    """List where another has a higher F1, takes less time or less memory than ours by text."""
    rows = [row for found in results["sets"].values() for row in _losses(found)]
    yield from ("", "## Where we lose", "")
    if not rows:
        yield "Nowhere in what was measured."
        return
    yield "Beside arrowetl by text, at the thresholds in use."
    yield ""
    yield "| set | metric | arrowetl | first | by |"
    yield "| --- | --- | --- | --- | --- |"
    yield from rows


def _losses(found: Mapping[str, Any]) -> Iterator[str]:
    ours = _ok(found, US)
    if ours is None:
        return
    rivals = [
        entry for name in found["entries"] if name not in OURS and (entry := _ok(found, name))
    ]
    if not rivals:
        return
    first = max(rivals, key=lambda each: each["score"]["clusters"]["f1"])
    f1, most = ours["score"]["clusters"]["f1"], first["score"]["clusters"]["f1"]
    if most > f1 + LITTLE:
        yield f"| {found['title']} | F1 | {f1:.3f} | {most:.3f} | {first['label']} |"
    drawn = [entry for entry in rivals if entry.get("curve")]
    first = max(drawn or [ours], key=lambda each: best(each)[1] if drawn else 0.0)
    if drawn and best(first)[1] > best(ours)[1] + LITTLE:
        figures = f"{best(ours)[1]:.3f} | {best(first)[1]:.3f} | {first['label']}"
        yield f"| {found['title']} | F1, each at its best threshold | {figures} |"
    for metric, heading, written in (
        ("seconds", "seconds", units.seconds),
        ("cpu", "CPU", units.seconds),
        ("peak", "peak memory", units.size),
    ):
        first = min(rivals, key=lambda each: each["median"][metric])
        if first["median"][metric] < ours["median"][metric]:
            figures = f"{written(ours['median'][metric])} | {written(first['median'][metric])}"
            yield f"| {found['title']} | {heading} | {figures} | {first['label']} |"
