"""Index: records of earlier runs, kept so that later ones are compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arrowetl.errors import ConfigError
from arrowetl.ml._threads import in_order
from arrowetl.ml.arrays import Arrays, damaged, read_manifest
from arrowetl.ml.bands import ROW_BITS, find, keys
from arrowetl.ml.candidates import Ends, Plan
from arrowetl.ml.grams import GramSets, Rows
from arrowetl.ml.kept_parts import (
    MOST,
    KeptPart,
    one_of,
    opened,
    to_merge,
    with_arrays,
    write_bands,
    write_keys,
    write_rows,
)
from arrowetl.ml.kept_texts import TextMeasure
from arrowetl.ml.kept_vectors import VectorMeasure
from arrowetl.ml.measures import Drawn, Measure
from arrowetl.ml.records import Keys, Records
from arrowetl.ml.trigram_pairs import Trigrams, usual_threshold
from arrowetl.ml.vector_pairs import EVERY, Vectors
from arrowetl.ml.weights import Floats, WeighedSets, weigh
from arrowetl.stopping import check

_GROWTH = 4
"""What is fitted on the records is fitted anew when there are so many times as many."""
_ROW = (1 << ROW_BITS) - 1


@dataclass(frozen=True)
class Described:
    """What the records of an index are: another kind can't be compared with them.

    Attributes:
        similarity: `text` or `embedding`.
        columns: what is compared, with the weight of each.
        model: what encodes the texts; None for texts as such, and for vectors.
        dimension: how many numbers a vector has; None for texts.
    """

    similarity: str
    columns: dict[str, float]
    model: str | None = None
    dimension: int | None = None

    def refuse(self, other: Described, path: Path) -> None:
        """Refuse another description.

        Raises:
            ConfigError: they differ; with what differs.
        """
        for word, mine in asdict(self).items():
            theirs = getattr(other, word)
            unknown = word == "dimension" and None in (mine, theirs)
            if mine != theirs and not unknown:
                raise ConfigError(
                    f"the index {str(path)!r} was made with {word}={mine!r}, and this is "
                    f"{word}={theirs!r}: what it has can't be compared with that; take another "
                    "folder, or make it anew from all rows that were loaded"
                )


def described(path: Path) -> Described | None:
    """Give what the records of an index are, without opening it; None if there are none yet.

    Raises:
        StateError: it is damaged.
    """
    manifest = read_manifest(path)
    return None if not manifest or "described" not in manifest else _described(path, manifest)


def _described(path: Path, manifest: dict[str, Any]) -> Described:
    try:
        return Described(**manifest["described"])
    except (LookupError, TypeError) as error:
        raise damaged(path, "its manifest lacks something") from error


@dataclass(frozen=True)
class Nearest:
    """For each new record the earlier one that is most like it: its number, -1 if there is none."""

    number: Rows
    similarity: Floats


class Index:
    """The different records of all runs so far, and for each the row that stands for it.

    Rows are counted from 1 through all runs, records from 0. Records equal to an earlier one are
    told by their key (128 bits), before they are cut into trigrams or encoded. Others are looked
    for in bands (`arrowetl.ml.bands`) by binary search, and compared exactly. A record that isn't
    as alike as the threshold to the one that stands for it is known by its key only: no later
    record is compared with it, so that no chain grows from day to day.

    What each trigram tells, the centre of the vectors and the plan of the bands are fitted on the
    records there are, and anew where a run makes them more than four times as many, or the
    threshold is lower than it was: that costs as much as a first run without its pairs. Between
    two fits texts are compared by the weights of the last one. Of pairs just as alike as the
    threshold so many are missed as `near_pairs` and `similar_pairs` say, and more candidates are
    looked at where the index has grown since the last fit. Where very many earlier records meet a
    new one, it is compared with the first thousand of those that agree with it most.

    Cost of a run: its new records, times the logarithm of the earlier ones, and some 0.3 seconds.
    Earlier records aren't held in memory: files are mapped, and the pages used are read. Parts of
    about a size become one, so that each record is written again as often as their number doubles.
    Disk: 800 bytes a short text; 2.7 KB a vector of 384 numbers.

    Opening it locks it until `close`. Nothing of what is added is seen by others before `commit`.
    At each opening the size, the beginning and the end of every file are checked; all of a file
    when it is merged with others.

    Args:
        path: its folder.
        records: what its records are.
        threshold: how alike records have to be; if None, as it was when the index was last fitted,
            or what is usual for those of the first run.
        limit: how many candidates may be compared.
        threads: how many work at once.

    Raises:
        ConfigError: it has records of another kind.
        StateError: another run uses it, or it is damaged.
    """

    def __init__(
        self, path: Path, records: Described, *, threshold: float | None, limit: int, threads: int
    ) -> None:
        """Lock it, map what it has."""
        self.described, self._threshold = records, threshold
        self._limit, self._threads = limit, threads
        self.compared = 0
        """How many candidates this run has compared with earlier records."""
        self._kept = Arrays(path)
        try:
            self._open()
        except BaseException:
            self._kept.close()
            raise
        self._new: KeptPart | None = None
        self._drawn: Drawn | None = None

    def _open(self) -> None:
        manifest, path = self._kept.manifest, self._kept.path
        self.rows = int(manifest.get("rows", 0))
        self._parts = opened(self._kept, manifest.get("parts", ()))
        self._measure: Measure | None = None
        self._fitted: dict[str, Any] = manifest.get("fitted") or {"rows": 0, "threshold": 1.0}
        if "described" in manifest:
            before = _described(path, manifest)
            before.refuse(self.described, path)
            # The kept order of columns: texts are joined in it.
            self.described = before
        if self._fitted["rows"]:
            if self._threshold is None:
                self._threshold = float(self._fitted["threshold"])
            arrays = {name: self._kept.read(e) for name, e in self._fitted["arrays"].items()}
            kind = TextMeasure if self.described.similarity == "text" else VectorMeasure
            self._measure = kind.of(self._fitted["facts"], arrays)

    @property
    def threshold(self) -> float:
        """How alike records have to be; 1 as long as there are none to tell."""
        return 1.0 if self._threshold is None else self._threshold

    @property
    def records(self) -> int:
        """How many records earlier runs left."""
        return sum(part.rows for part in self._parts)

    @property
    def written(self) -> int:
        """How many bytes this run has written."""
        return self._kept.written

    def known(self, wanted: Keys) -> Rows:
        """Give for each key the number of its record; -1 where it has none."""
        found = np.full(len(wanted), -1, np.int64)
        for part in self._parts:
            found = np.maximum(found, part.known(wanted))
        return found

    def weigh(self, sets: GramSets, levels: Sequence[float]) -> WeighedSets:
        """Weigh the texts of this run, as earlier ones were; called before `join`."""
        if self._threshold is None and sets.rows:
            self._threshold = usual_threshold(sets)
        if self._outgrown(sets.rows):
            earlier = [GramSets(p.arrays["grams"], p.arrays["starts"]) for p in self._parts]
            threshold = self.threshold
            parts = [*earlier, sets]
            self._fit(TextMeasure.fit(parts, levels, threshold, threads=self._threads), sets.rows)
        if self._measure is None:
            return weigh(sets, levels, threads=self._threads)
        if not self._parts:
            # Fitted on these very texts: what one of them has alone tells nothing of others.
            return self._text.weights.of(sets, threads=self._threads)
        return self._text.weigh(sets, threads=self._threads)

    def dimension(self, numbers: int) -> None:
        """Say how many numbers the vectors of this run have.

        Raises:
            ConfigError: those of earlier runs have another number.
        """
        now = replace(self.described, dimension=numbers)
        self.described.refuse(now, self._kept.path)
        self.described = now

    @property
    def _text(self) -> TextMeasure:
        if not isinstance(self._measure, TextMeasure):
            raise damaged(self._kept.path, "it has no texts")
        return self._measure

    def _outgrown(self, new: int) -> bool:
        total, fitted = self.records + new, int(self._fitted["rows"])
        if total and (total > _GROWTH * fitted or self.threshold < self._fitted["threshold"]):
            return True
        vectors = isinstance(self._measure, VectorMeasure)
        return vectors and self._measure.plan is None and total > EVERY  # type: ignore[union-attr]

    def _fit(self, measure: Measure, new: int) -> None:
        """Fit anew, and draw anew from all earlier records what candidates are found by."""
        self._measure = measure
        arrays = {name: self._kept.write(name, each) for name, each in measure.arrays().items()}
        self._fitted = {
            "rows": self.records + new,
            "threshold": self.threshold,
            "facts": measure.facts(),
            "arrays": arrays,
        }
        self._parts = [self._with_drawn(part, measure) for part in self._parts]

    def _with_drawn(self, part: KeptPart, measure: Measure, drawn: Drawn | None = None) -> KeptPart:
        drawn = drawn or measure.draw(part.arrays, threads=self._threads)
        written = {name: self._kept.write(name, each) for name, each in drawn.arrays.items()}
        # The others are known by their keys only.
        near = np.flatnonzero(part.arrays["alike"] >= self.threshold)
        written |= write_bands(self._kept, drawn.hashes, measure.plan, near, threads=self._threads)
        return with_arrays(self._kept, part, written)

    # --- the new records -------------------------------------------------------------------

    def take(self, records: Records) -> None:
        """Take the records of this run: those whose keys weren't known.

        Raises:
            ConfigError: vectors of another dimension, or too many records for one run.
        """
        space = records.space
        if not space.rows:
            return
        if space.rows > MOST:
            raise ConfigError(
                f"{space.rows:,} different records for the index {str(self._kept.path)!r}; a run "
                f"adds {MOST:,} at most: load them in several runs"
            )
        if self._threshold is None:
            self._threshold = space.usual
        if isinstance(space, Trigrams):
            sets = space.sets.sets
            raw = {
                "grams": self._kept.write("grams", sets.grams),
                "starts": self._kept.write("starts", sets.starts),
            }
        elif isinstance(space, Vectors):
            self.dimension(space.values.shape[1])
            raw = {"values": write_rows(self._kept, "values", space.values, space.order)}
        found_keys = np.zeros((0, 2), np.uint64) if records.keys is None else records.keys
        written = raw | write_keys(self._kept, found_keys)
        empty = KeptPart(space.rows, self.records, {}, {})
        self._new = with_arrays(self._kept, empty, written)
        if isinstance(space, Vectors) and self._outgrown(space.rows):
            values = [part.arrays["values"] for part in (*self._parts, self._new)]
            fit = partial(VectorMeasure.fit, limit=self._limit, threads=self._threads)
            self._fit(fit(values, self.threshold), space.rows)
        if self._measure is not None and self._parts:
            self._drawn = self._measure.draw(self._new.arrays, threads=self._threads)

    def nearest(self) -> Nearest:
        """Find for each new record the most alike of earlier ones; the first of equal ones.

        Raises:
            ConfigError: more candidates than `limit` would be compared.
        """
        rows = 0 if self._new is None else self._new.rows
        found = Nearest(np.full(rows, -1, np.int64), np.full(rows, -1.0))
        if self._measure is None or self._drawn is None or self._new is None:
            return found
        planned = self._measure.plan
        if planned is not None:
            self._refuse(planned, self._drawn)
        for part in self._parts:
            if planned is None:
                new, threads = self._new.arrays, self._threads
                pairs = self._measure.every(new, part.arrays, self.threshold, threads=threads)
                self._better(found, part, self._near(part, pairs))
                continue
            done = np.zeros(0, np.int64)
            bands = range(planned.bands)
            promising = partial(self._promising, part, planned, self._measure)
            for some in in_order(promising, bands, threads=self._threads):
                fresh = np.setdiff1d(some, done, assume_unique=True)
                self._better(found, part, (fresh >> ROW_BITS, fresh & _ROW))
                done = np.union1d(done, fresh)
        return found

    def _refuse(self, planned: Plan, drawn: Drawn) -> None:
        some = range(min(planned.bands, 2))
        pairs = sum(
            find(part.arrays["bands"][band], wanted, crowd=planned.crowd).pairs
            for band in some
            for wanted in [keys(drawn.hashes, planned, band)]
            for part in self._parts
        )
        pairs = pairs * planned.bands // len(some)
        if pairs > self._limit:
            raise ConfigError(
                f"about {pairs:,} pairs of new records and {self.records:,} earlier ones would be "
                f"compared, over the limit of {self._limit:,}: raise the threshold, compare more "
                "columns (or longer ones), or raise the limit"
            )

    def _promising(self, part: KeptPart, planned: Plan, measure: Measure, band: int) -> Rows:
        """Give the pairs of a band that may be alike: each as one number, in order."""
        if self._drawn is None or self._new is None:
            return np.zeros(0, np.int64)
        new = self._new.arrays | self._drawn.arrays
        # Bands have none but those that were near enough when it was fitted.
        fewer = self.threshold > self._fitted["threshold"]
        wanted = keys(self._drawn.hashes, planned, band)
        kept = [np.zeros(0, np.int64)]
        for met in find(part.arrays["bands"][band], wanted, crowd=planned.crowd).candidates():
            check()
            left, right = self._near(part, met) if fewer else met
            like = measure.likely(new, part.arrays, (left, right), self.threshold)
            kept.append(left[like] << ROW_BITS | right[like])
        return np.unique(np.concatenate(kept))

    def _near(self, part: KeptPart, pairs: Ends) -> Ends:
        """Leave out records that aren't near enough to the one that stands for them."""
        left, right = pairs
        near = part.arrays["alike"][right] >= self.threshold
        return left[near], right[near]

    def _better(self, best: Nearest, part: KeptPart, pairs: Ends) -> None:
        self.compared += len(pairs[0])
        similarity = self._compare(part, pairs)
        alike = similarity >= self.threshold
        left, number = pairs[0][alike], pairs[1][alike] + part.begin
        similarity = similarity[alike]
        order = np.lexsort((number, -similarity, left))
        first = order[np.append(True, np.diff(left[order]) > 0)[: len(order)]]
        left, number, similarity = left[first], number[first], similarity[first]
        equal = (similarity == best.similarity[left]) & (number < best.number[left])
        better = (similarity > best.similarity[left]) | equal
        best.number[left[better]] = number[better]
        best.similarity[left[better]] = similarity[better]

    def _compare(self, part: KeptPart, pairs: Ends) -> Floats:
        if self._measure is None or self._new is None or not len(pairs[0]):
            return np.zeros(0)
        return self._measure.compare(self._new.arrays, part.arrays, pairs, threads=self._threads)

    # --- earlier records -------------------------------------------------------------------

    def of(self, name: str, numbers: Rows) -> Any:
        """Give what is kept of earlier records: `stands`, `standard` or `alike`."""
        kind = np.float64 if name == "alike" else np.int64
        found = np.zeros(len(numbers), kind)
        for part, places in self._by_part(numbers):
            found[places] = part.arrays[name][numbers[places] - part.begin]
        return found

    def compare(self, left: Rows, numbers: Rows) -> Floats:
        """Give how alike new records are to earlier ones, exactly."""
        found = np.zeros(len(numbers))
        if self._new is not None:
            for part, places in self._by_part(numbers):
                old = numbers[places] - part.begin
                found[places] = self._compare(part, (left[places], old))
        return found

    def _by_part(self, numbers: Rows) -> list[tuple[KeptPart, Rows]]:
        found = []
        for part in self._parts:
            inside = (numbers >= part.begin) & (numbers < part.begin + part.rows)
            if inside.any():
                found.append((part, np.flatnonzero(inside)))
        return found

    # --- what is added ---------------------------------------------------------------------

    def add(self, rows: int, stands: Rows, standard: Rows, alike: Floats) -> None:
        """Add the records that were taken; not seen by others before `commit`.

        Args:
            rows: how many rows this run had.
            stands: for each record the row that stands for it.
            standard: the record of that row; those of this run begin with `records`.
            alike: how alike the record is to that.
        """
        self.rows += rows
        new = self._new
        if new is None or self._measure is None or not new.rows:
            return
        for name, each in (("stands", stands), ("standard", standard), ("alike", alike)):
            new = with_arrays(self._kept, new, {name: self._kept.write(name, each)})
        new = self._with_drawn(new, self._measure, self._drawn)
        self._drawn = self._new = None
        self._parts.append(new)
        count = to_merge([part.rows for part in self._parts])
        if count:
            self._parts[-count:] = [one_of(self._kept, self._parts[-count:])]

    def commit(self) -> None:
        """Make what was added live, durably and at once."""
        self._kept.publish(
            {
                "rows": self.rows,
                "described": asdict(self.described),
                "fitted": self._fitted,
                "parts": [part.facts() for part in self._parts],
            }
        )

    def close(self) -> None:
        """Forget what wasn't committed, and let others in. Safe twice."""
        self._kept.close()
