"""AnomalyDetector: rows with numbers far from where the others are."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.observing import Observer, passed
from arrowetl.stage import Rows, Scope, SQLStage, require
from arrowetl.transforms._anomaly_bounds import METHODS as BOUNDED
from arrowetl.transforms._anomaly_bounds import THRESHOLDS, Bounds
from arrowetl.transforms._anomaly_forest import ForestStage
from arrowetl.transforms._anomaly_sql import bounded
from arrowetl.transforms._anomaly_summary import Summary
from arrowetl.transforms._anomaly_tails import Tails, tailed
from arrowetl.transforms._arguments import choice, is_number, is_text, plain, refuse_taken, words

FOREST, TAILS = "isolation_forest", "ecod"
METHODS = (*BOUNDED, FOREST, TAILS)
SCALES = ("linear", "log")
ACTIONS = ("flag", "filter", "reject")
ADDED = ("is_anomaly", "anomaly_score", "anomaly_reason")

_NO_QUANTITY = re.compile(
    r"(?:^|_)(?:id|ids|key|code|codes|zip|zipcode|plz|postal|postcode|postal_code|phone|tel|year|"
    r"month|day|weekday|week|hour|minute|no|nr|number|index|row|lat|lon|latitude|longitude|ssn)$"
)
"""Names of numbers that measure nothing: far from the others they are no anomaly."""

_FOREST_THRESHOLD = 0.6
_TAILS_THRESHOLD = 3.0
TREES, MAX_SAMPLES = 100, 256
"""The numbers of the paper: more of either changes scores little."""
SAMPLE = 100_000
_LARGEST_SEED = 2**32 - 1
_FOREST_ONLY = {
    "trees": TREES,
    "max_samples": MAX_SAMPLES,
    "sample_size": SAMPLE,
    "seed": 0,
    "model": None,
}
"""Options that no other method has, with what they are where nothing is said."""
_LEAST = {"min_rows": 2, "codes": 0, "trees": 1, "max_samples": 2, "sample_size": 2, "seed": 0}
"""The least that options may be."""


@dataclass(frozen=True)
class AnomalyDetector(SQLStage):
    """Find rows with numbers outside of where a column's others are, or unlike the others' in all.

    Most methods draw bounds around a column's centre:

    - ``zscore``: so many standard deviations from the mean (3).
    - ``iqr``: so many times the distance between the quartiles beyond them (1.5; Tukey,
      *Exploratory Data Analysis*, 1977).
    - ``mad``: so many median absolute deviations from the median, each worth 0.6745 standard
      deviations (3.5; Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, 1993). Where more
      than half of the values are the same, the mean absolute deviation counts, times 1.2533.
    - ``combined``: the middle one of the three lower bounds and of the three upper bounds. A value
      is outside if at least two of the methods say so: where there is nothing between the
      quartiles, both others have to.

    A row's score is the distance of its worst value from the centre, over that of the bound: above
    1 it is an anomaly. Nulls and NaN aren't judged, nor do they count; an infinity is an anomaly,
    and doesn't count. Columns without spread, or with bounds further apart than any double, and
    groups with fewer than `min_rows` values, aren't judged.

    All rows are held, spilled to disk where memory ends; quartiles and medians need eight bytes of
    memory for each value. Everything is one statement, and the same for any number of threads.

    ``method="ecod"`` (Li et al., *ECOD: Unsupervised Outlier Detection Using Empirical Cumulative
    Distribution Functions*, 2022) asks of each value what share of its column is as far out on
    either side, and adds up minus the logarithms of these shares: a row is found for one value that
    is rare enough, or for many that are rather rare. The sum is PyOD's score, unless a column's
    skewness is just zero; `anomaly_score` is that over what as many independent columns would
    exceed as seldom as a normal number does `threshold` standard deviations (by Wilson and
    Hilferty, 1931): columns that say the same are counted each, so take `contamination` then. It is
    one statement, needs no scale, no sample and no package, and knows ranks only: among fewer than
    some 1,700 rows no single value is rare enough. It sorts each column, which takes longer than a
    forest, and finds no row that is odd in none of its values.

    ``method="isolation_forest"`` (extra `ml`; Liu, Ting, Zhou, *Isolation Forest*, 2008) looks at
    all columns together, and so finds what is usual in each but not in this company. scikit-learn
    fits it on `sample_size` rows, chosen by `seed` and the rows' numbers; then every row gets its
    score by itself, as 32-bit floats on all cores: batches and threads change nothing. A row's
    `anomaly_score` is the paper's score over the threshold. Its reason names up to three columns:
    those without which the score would fall most (each in turn at the sample's median), with what
    is usual, 5 % to 95 % of the sample. Nulls and NaN count as the median, an infinity is an
    anomaly. Texts and booleans are judged where `columns` names them, by how rare they are in the
    sample. With `contamination` the threshold is from the sample's scores: the share of all rows
    is as near to it as the sample is to them, exact up to `sample_size` rows. Rows wait in a
    temporary file until the forest is fitted; memory is that of three samples and a batch.
    (`combined` is a vote of bounds on values. A forest has none, and so no vote: to ask both, run
    one after the other, and `Rename` what the first adds.)

    Args:
        method: `zscore`, `iqr`, `mad`, `combined`, `ecod` or `isolation_forest`.
        columns: the numbers to judge. If None, all but those that measure nothing: integers that
            are (nearly) all different or have at most `codes` values, and columns whose names say
            that they are ids, codes, parts of dates or places (`_id`, `zip`, `year`, `lat`).
        threshold: the method's number; for `combined` a mapping by method. Its usual one if None:
            for `isolation_forest` the paper's, a score of 0.6, which finds few (of ten columns or
            more 0.5 to 0.55 finds more, or a `contamination`); for `ecod` 3 standard deviations.
        scale: `linear`, or `log` for what spans orders of magnitude (amounts, sizes, durations):
            bounds are drawn around ``sign(x) * ln(1 + |x|)``, else many sound large values of such
            a column are outside. Reasons give them as plain numbers.
        contamination: the share of rows to be found, in place of a threshold: those with the
            highest scores.
        action: ``flag`` adds the columns `is_anomaly`, `anomaly_score` and `anomaly_reason`;
            ``filter`` removes the rows; ``reject`` sends them to the dead letters with the reason.
        group_by: columns whose equal values are judged by themselves; nulls are equal. Not for
            `isolation_forest`.
        min_rows: how many values a group needs to be judged.
        codes: an integer column with at most so many different values holds codes.
        trees: for `isolation_forest`, how many are fitted.
        max_samples: how many rows are drawn for each tree.
        sample_size: how many rows they are drawn from, and medians and usual ranges are taken of.
        seed: which sample it is, and which trees.
        model: a file for the forest (skops' form: no code is pickled). Where it isn't there the
            forest is fitted, and written at once; where it is, no row waits: each batch is scored
            as it comes. Another version of scikit-learn, other columns or other options than those
            with which it was fitted are an error, and so is a file with anything else in it.

    Raises:
        ConfigError: an option makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> rows = pa.table({"amount": [10.0, 11.0, 12.0, 10.5, 9.5, 11.5, 10.0, 500.0]})
    >>> found = run_stage(AnomalyDetector(method="mad"), rows)
    >>> found["anomaly_reason"].to_pylist()[-1]
    'amount 500.0 is above 14.64'

    >>> numbers = [*range(-50, 50)]
    >>> rows = pa.table({"x": [*numbers, 40.5], "y": [*numbers, -40.5]})
    >>> forest = AnomalyDetector(method="isolation_forest", contamination=0.01)
    >>> run_stage(forest, rows)["anomaly_reason"].to_pylist()[-1]
    'x 40.5 (usually -45 to 44); y -40.5 (usually -45 to 44)'
    """

    _: KW_ONLY
    method: str = "combined"
    columns: str | Sequence[str] | None = None
    threshold: float | Mapping[str, float] | None = None
    scale: str = "linear"
    contamination: float | None = None
    action: str = "flag"
    group_by: str | Sequence[str] = ()
    min_rows: int = 5
    codes: int = 20
    trees: int = TREES
    max_samples: int = MAX_SAMPLES
    sample_size: int = SAMPLE
    seed: int = 0
    model: str | os.PathLike[str] | None = None

    _covered: frozenset[str] = field(default=frozenset(), init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        choice(self.method, METHODS, where="AnomalyDetector", option="method")
        choice(self.scale, SCALES, where="AnomalyDetector", option="scale")
        choice(self.action, ACTIONS, where="AnomalyDetector", option="action")
        for option in ("columns", "group_by"):
            value = getattr(self, option)
            if value is not None:
                checked = words(value, where="AnomalyDetector", option=option)
                object.__setattr__(self, option, checked)
        if self.columns is not None and not self.columns:
            raise ConfigError("AnomalyDetector: columns is empty; leave it out to have them chosen")
        object.__setattr__(self, "threshold", _thresholds(self.method, self.threshold))
        if not (self.contamination is None or _is_share(self.contamination)):
            raise ConfigError(
                f"AnomalyDetector: contamination is a share above 0, up to a half, not "
                f"{self.contamination!r}"
            )
        for option, least in _LEAST.items():
            value = getattr(self, option)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"AnomalyDetector: {option} is a number from {least}: {value!r}")
        self._check_forest()

    def _check_forest(self) -> None:
        if self._is_forest and self.group_by:
            raise ConfigError(
                "AnomalyDetector: isolation_forest judges all rows together, without group_by; "
                "name the group in columns, too, or take a method that draws bounds"
            )
        if self._is_forest and self._limits[0][1] > 1:
            raise ConfigError(
                f"AnomalyDetector: an isolation forest's scores are at most 1, and so is its "
                f"threshold: {self.threshold!r}"
            )
        if self.seed > _LARGEST_SEED:
            raise ConfigError(f"AnomalyDetector: seed is at most {_LARGEST_SEED}: {self.seed}")
        for option, usual in _FOREST_ONLY.items():
            if not self._is_forest and getattr(self, option) != usual:
                raise ConfigError(f"AnomalyDetector: {option} needs method='isolation_forest'")
        if self.model is None:
            return
        if not isinstance(self.model, (str, os.PathLike)):
            raise ConfigError(f"AnomalyDetector: model is the path of a file, not {self.model!r}")
        object.__setattr__(self, "model", os.fspath(self.model))

    @property
    def _is_forest(self) -> bool:
        return self.method == FOREST

    @property
    def scope(self) -> Scope:
        """Every row, unless a fitted forest is there."""
        return self._forest().scope if self._is_forest else Scope.STREAM

    @property
    def label(self) -> str:
        """The name, with what a forest is fitted on."""
        return self._forest().label if self._is_forest else super().label

    @property
    def rows(self) -> Rows:
        """Rows are removed by `filter` only."""
        return Rows.REMOVES if self.action == "filter" else Rows.SAME

    @property
    def sets_apart(self) -> bool:
        """Anomalies go to the dead letters on request."""
        return self.action == "reject"

    def covering(self, columns: Sequence[str]) -> AnomalyDetector:
        """Give the detector whose reasons tell no value of these columns."""
        own = copy(self)
        object.__setattr__(own, "_covered", frozenset(columns))
        return own

    def observer(self, schema: pa.Schema) -> Observer | None:
        """Give what counts anomalies by column; nothing sees the rows that are removed."""
        return None if self.action == "filter" else Summary(self._judged(schema))

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema, with the three columns where anomalies are flagged.

        Raises:
            SchemaError: a column isn't there or is no number, none is left, or a name is taken.
        """
        require(schema, self.group_by, where=self.label)
        if not self._judged(schema):
            raise SchemaError("there is no number to judge; say columns=", where=self.label)
        if self.action == "flag":
            refuse_taken(ADDED, schema, where=self.label, instead="rename it")
        return self._forest(schema).bind(schema) if self._is_forest else super().bind(schema)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the statement, or the forest."""
        yield from (
            map(passed, self.marked(batches)) if self._is_forest else super().process(batches)
        )

    def marked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do as `process` does, with what the engine wants to know of the forest's answers."""
        if not self._is_forest:
            yield from super().marked(batches)
            return
        first = next(batches, None)
        if first is not None:
            yield from self._forest(first.schema).process(chain((first,), batches))

    def _forest(self, schema: pa.Schema | None = None) -> ForestStage:
        """Give what runs in its place; without a schema it has no columns."""
        judged = () if schema is None else self._judged(schema)
        chosen = () if schema is None or self.columns is not None else _whole(schema, judged)
        fitting = ("trees", "max_samples", "scale", "codes", "min_rows", "contamination")
        return ForestStage(
            columns=judged,
            chosen=tuple(chosen),
            options={option: getattr(self, option) for option in fitting},
            threshold=dict(self._limits)[FOREST],
            action=self.action,
            sample_size=self.sample_size,
            seed=self.seed,
            model=None if self.model is None else Path(self.model),
            covered=self._covered,
        )

    def _judged(self, schema: pa.Schema) -> tuple[str, ...]:
        if self.columns is None:
            return tuple(
                field.name
                for field in schema
                if is_number(field.type)
                and field.name not in self.group_by
                and not _NO_QUANTITY.search(_words_of(field.name))
            )
        require(schema, self.columns, where=self.label)
        for column in self.columns:
            kind = schema.field(column).type
            words_too = self._is_forest and (is_text(kind) or kinds.is_boolean(plain(kind)))
            if not (is_number(kind) or words_too):
                what = "no number or text" if self._is_forest else "no number"
                raise SchemaError(
                    f"column {column!r} is {kind}, {what}; cast it",
                    where=self.label,
                    column=column,
                )
        return tuple(self.columns)

    def select(self, schema: pa.Schema) -> str | None:
        """Give the SELECT: statistics, bounds, scores, in CTEs. None for a forest."""
        if self._is_forest:
            return None
        judged = self._judged(schema)
        chosen = [] if self.columns is not None else _whole(schema, judged)
        asked = (
            judged,
            tuple(self.group_by),
            self.method,
            dict(self._limits),
            self.min_rows,
            dict.fromkeys(chosen, self.codes),
            self.scale,
            self._covered,
        )
        if self.method == TAILS:
            said = tailed(Tails(*asked), self.contamination)
        else:
            said = bounded(Bounds(*asked), self.contamination)
        return said.statement(schema.names, self.action)

    @property
    def _limits(self) -> tuple[tuple[str, float], ...]:
        return tuple(self.threshold)  # type: ignore[arg-type]  # pairs, since it was checked


def _is_share(value: Any) -> bool:
    """Say whether a value is a share of rows that can be unlike the others."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= 0.5  # noqa: PLR2004


def _words_of(column: str) -> str:
    """Give a column's name in small letters, words apart by ``_``."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[^0-9a-zA-Z]+", "_", apart).lower()


def _whole(schema: pa.Schema, judged: Sequence[str]) -> list[str]:
    """Give the integers among the columns: what may be ids and codes."""
    return [each for each in judged if kinds.is_integer(plain(schema.field(each).type))]


def _thresholds(method: str, given: Any) -> tuple[tuple[str, float], ...]:
    each_usual = {**THRESHOLDS, FOREST: _FOREST_THRESHOLD, TAILS: _TAILS_THRESHOLD}
    usual = dict(THRESHOLDS) if method == "combined" else {method: each_usual[method]}
    if given is None:
        return tuple(usual.items())
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        if method == "combined":
            raise ConfigError(
                "AnomalyDetector: combined has a threshold for each method: "
                "threshold={'zscore': 3, ...}"
            )
        given = {method: given}
    try:
        limits = dict(given)
    except (TypeError, ValueError):
        raise ConfigError(
            f"AnomalyDetector: threshold is a number, or numbers by method, not {given!r}"
        ) from None
    for each, limit in limits.items():
        if each not in usual:
            raise ConfigError(f"AnomalyDetector: threshold of {each!r}: it is no part of {method}")
        if not isinstance(limit, (int, float)) or not 0 < limit < math.inf:
            raise ConfigError(f"AnomalyDetector: threshold {limit!r} isn't a number above 0")
    return tuple((usual | {each: float(limit) for each, limit in limits.items()}).items())
