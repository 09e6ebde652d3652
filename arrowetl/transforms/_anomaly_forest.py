"""AnomalyDetector by an isolation forest: fitted on a sample or read, then each row by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError
from arrowetl.files import destination_path
from arrowetl.fitting import Fitted, FittedStage
from arrowetl.ml._threads import cores
from arrowetl.stage import Scope
from arrowetl.transforms._anomaly_reasons import ADDED, answered

if TYPE_CHECKING:
    from arrowetl.ml.features import Feature
    from arrowetl.ml.kept_forest import FittedForest
    from arrowetl.ml.weights import Floats

_DIFFERENT = 0.95
"""From this share of different values on, integers are ids."""


@dataclass(frozen=True, kw_only=True)
class ForestStage(FittedStage):
    """Fits, keeps, reads and applies a forest; what an `AnomalyDetector` runs in its place.

    Attributes:
        columns: those to judge, that may turn out to hold nothing to judge.
        chosen: those of them that nobody named: integers may be ids or codes.
        options: with what a forest is fitted, by name: `trees`, `max_samples`, `scale`, `codes`,
            `min_rows`, `contamination`.
        threshold: the score above which a row is an anomaly, where no share is asked for.
        action: what becomes of anomalies.
        sample_size: how many rows it is fitted on, at most.
        seed: which sample, and which trees.
        model: the file in which the forest is kept.
        covered: the columns of which reasons tell no value.
    """

    columns: tuple[str, ...]
    chosen: tuple[str, ...]
    options: dict[str, Any]
    threshold: float
    action: str
    sample_size: int
    seed: int
    model: Path | None
    covered: frozenset[str] = frozenset()

    @property
    def scope(self) -> Scope:
        """A row by itself, where there is a forest already."""
        return Scope.ROW if self.model is not None and self.model.exists() else Scope.STREAM

    @property
    def label(self) -> str:
        """What it does, and on what it is fitted."""
        if self.scope is Scope.ROW:
            return f"AnomalyDetector(forest of {str(self.model)!r})"
        return f"AnomalyDetector(fits on up to {self.sample_size:,} rows, seed {self.seed})"

    @property
    def fits_on(self) -> tuple[str, ...]:
        """What is judged."""
        return self.columns

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema, with the three columns where anomalies are flagged.

        Raises:
            ConfigError: a package is missing, or the kept forest isn't of these columns.
            WriteError: the folder of the model isn't there, or can't be written to.
        """
        from arrowetl.ml.forest import refuse_missing_forest

        refuse_missing_forest(kept=self.model is not None)
        if self.model is not None:
            destination_path(str(self.model), where="AnomalyDetector")
        self._kept()
        return pa.schema([*schema, *ADDED], schema.metadata) if self.action == "flag" else schema

    def fitted(self) -> Fitted | None:
        """Give what the kept forest answers, if there is one."""
        known = self._kept()
        return None if known is None else self._answer(known)

    def fit(self, sample: pa.Table) -> Fitted:
        """Learn the columns, fit the forest, find the threshold; keep it if that is asked for."""
        from arrowetl.ml.kept_forest import keep

        known = self._learn(sample)
        # What was fitted on next to nothing isn't worth keeping.
        if self.model is not None and known.forest is not None:
            keep(known, self.model)
        return self._answer(known)

    def _answer(self, known: FittedForest) -> Fitted:
        share = self.options["contamination"]
        threshold = self.threshold if share is None else known.threshold

        def answer(batch: pa.RecordBatch) -> pa.RecordBatch:
            return answered(
                batch,
                known,
                threshold=threshold,
                columns=self.columns,
                action=self.action,
                covered=self.covered,
            )

        return answer

    def _learn(self, sample: pa.Table) -> FittedForest:
        from arrowetl.ml.features import prepared
        from arrowetl.ml.forest import fit_forest
        from arrowetl.ml.kept_forest import FittedForest

        batches = _in_one(sample).to_batches()
        features = self._features(batches[0]) if batches else ()
        forest, threshold = None, self.threshold
        if features:
            seen = prepared(batches[0], features)
            rows = seen.rows if seen.infinite is None else seen.rows[~seen.infinite.any(axis=1)]
            trees, drawn = self.options["trees"], self.options["max_samples"]
            forest = fit_forest(rows, trees=trees, max_samples=drawn, seed=self.seed)
            if self.options["contamination"] is not None:
                scores = forest.scores(rows, threads=cores())
                threshold = _above(scores, self.options["contamination"], sample.num_rows)
        return FittedForest(features, forest, threshold, self._fitting, sample.num_rows)

    def _features(self, sample: pa.RecordBatch) -> tuple[Feature, ...]:
        from arrowetl.ml.features import learned

        found = (
            learned(
                column,
                sample[column],
                log=self.options["scale"] == "log",
                least=self.options["min_rows"],
                codes=self.options["codes"] if column in self.chosen else None,
                different=_DIFFERENT,
            )
            for column in self.columns
        )
        return tuple(each for each in found if each is not None)

    @property
    def _fitting(self) -> dict[str, Any]:
        """With what the forest is fitted: another has to be fitted with others."""
        own = {"sample_size": self.sample_size, "seed": self.seed, "columns": list(self.columns)}
        return {**self.options, **own}

    def _kept(self) -> FittedForest | None:
        """Read the forest that was kept, if it was.

        Raises:
            ConfigError: it was fitted on something else.
        """
        from arrowetl.ml.kept_forest import kept

        if self.scope is not Scope.ROW or self.model is None:
            return None
        known = kept(self.model)
        for option, value in self._fitting.items():
            had = known.options.get(option)
            if had != value:
                raise ConfigError(
                    f"AnomalyDetector: the forest in {str(self.model)!r} was fitted with {option} "
                    f"{had!r}, and here it is {value!r}; say the same, or remove the file to have "
                    "one fitted"
                )
        return known


def _in_one(sample: pa.Table) -> pa.Table:
    """Give a table as one batch, however many letters its texts have."""
    columns = [
        each.cast(pa.large_string()) if kinds.is_string(each.type) else each
        for each in sample.columns
    ]
    return pa.Table.from_arrays(columns, names=sample.column_names).combine_chunks()


def _above(scores: Floats, share: float, rows: int) -> float:
    """Give the score above which the share of all rows is; infinite ones are above any."""
    import numpy as np

    infinite = rows - len(scores)
    wanted = max(int(rows * share) - infinite, 0)
    return float(np.sort(scores)[max(len(scores) - wanted - 1, 0)])
