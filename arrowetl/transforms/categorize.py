"""Categorizer: which of some categories a text belongs to."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from arrowetl.errors import ConfigError, SchemaError
from arrowetl.ml.categories import Numbers
from arrowetl.ml.encoders import Encoder, encoder_of
from arrowetl.ml.models import refuse_missing
from arrowetl.observing import Observer
from arrowetl.stage import Rows, Stage, require
from arrowetl.transforms._arguments import choice, is_text, refuse_taken, words
from arrowetl.transforms._category_examples import (
    check_columns,
    check_labels,
    descriptions,
    held,
    read_examples,
    schema_of,
)
from arrowetl.transforms._category_model import (
    Learned,
    Wanted,
    check_encoder,
    described,
    keep,
    kept,
    mark_of,
    trained,
)
from arrowetl.transforms._category_summary import Summary
from arrowetl.transforms._category_texts import Answers, Window, windows
from arrowetl.transforms.category_report import CategoryReport, Judged, report_of

LABELS = ("one", "several")


@dataclass(frozen=True)
class Categorizer(Stage):
    """Say which category each row's text belongs to, and how sure that is.

    With `categories` alone a text is in the one whose description it is most alike, by the cosine
    of their vectors. With s that cosine, u `least_alike` and T = 0.05 the confidence is
    ``exp(s / T) / (exp(u / T) + sum of exp(s' / T))`` over all categories: belonging nowhere is one
    more, which every text is u alike. It isn't calibrated: `evaluate` says how right it is.

    With `examples` a logistic regression is trained on their vectors at the start of each run, or
    once with `kept`. Confidences are calibrated by temperature on examples left out; `report` shows
    how right they are, and the calibration. Examples without a category teach what belongs nowhere.
    Without any, a text is the less sure the less it is like the nearest example: the confidence is
    multiplied by ``1 / (1 + exp((u - s) / T))``. Descriptions, if there are some too, are examples
    that are never left out.

    A null or empty text has a null category and a null confidence. A text that is less sure than
    `threshold` is unknown: its category is null, and its confidence that of the likeliest. Of a
    text the first 32,768 characters count; models read less. Confidences are rounded to four
    digits; of equal ones the first category counts. The result is the same for every batch size.

    Cost: nearly all is the model's time (hundreds of different texts a second and core). Equal
    texts are encoded once for every 4,096 rows, and short ones that were seen lately not again.
    Memory: 4,096 rows, or fewer where texts are long, and up to 64 MB of answers.

    Args:
        on: the text's column; several are one text with blanks between.
        categories: their names, or names with a description each, or several. What a description
            says counts, not the name.
        examples: texts with their categories: a mapping, pairs, dicts, a path of CSV, JSON or
            Parquet, a source, or whatever has `__arrow_c_stream__`. Those with columns have the
            columns of `on`, and `label_column`. They are in memory, and so are their vectors.
        model: the model's name or the path of its folder; ``hashed`` for n-grams that need none,
            and know how a text is spelt but nothing of what it means; or an `Encoder`.
            `all-MiniLM-L6-v2` if None.
        labels: ``one`` category a text, or ``several``: then both columns are lists, the likeliest
            first, of all categories that are as sure as the threshold, and the formula for
            descriptions is ``1 / (1 + exp((u - s) / T))`` for each.
        threshold: how sure a category has to be, from 0 to 1.
        unknown: what to call the category of unknown texts; null if None.
        category_column: where the category goes.
        confidence_column: where the confidence goes.
        label_column: the examples' column of the category, text or a list; `category_column` if
            None.
        least_alike: the cosine at which a text is as likely to belong nowhere. If None, for
            descriptions 0.1, or 0.25 with ``several``; for examples 0.3. It doesn't count where
            some examples have no category, nor for examples with ``hashed``.
        kept: a file where what was trained is kept. It is made anew where examples or options
            differ. Without examples it has to be there.
        seed: how examples are dealt into folds.

    Raises:
        ConfigError: an option or an example makes no sense.

    >>> from arrowetl.testing import run_stage
    >>> rows = pa.table({"text": ["blue paint", "red paint", "42"]})
    >>> stage = Categorizer(on="text", categories=["red paints", "blue paints"], model="hashed")
    >>> run_stage(stage, rows)["category"].to_pylist()
    ['blue paints', 'red paints', None]
    """

    _: KW_ONLY
    on: str | Sequence[str]
    categories: Sequence[str] | Mapping[str, str | Sequence[str]] | None = None
    examples: Any = None
    model: str | PathLike[str] | Encoder | None = None
    labels: str = "one"
    threshold: float = 0.5
    unknown: str | None = None
    category_column: str = "category"
    confidence_column: str = "confidence"
    label_column: str | None = None
    least_alike: float | None = None
    kept: str | PathLike[str] | None = None
    seed: int = 0

    rows = Rows.SAME

    def __post_init__(self) -> None:
        """Check the options, and examples that are in memory."""
        object.__setattr__(self, "on", words(self.on, where="Categorizer", option="on"))
        if not self.on:
            raise ConfigError("Categorizer: on names no column")
        choice(self.labels, LABELS, where="Categorizer", option="labels")
        self._check_numbers()
        if self.unknown is not None and (self._several or not isinstance(self.unknown, str)):
            raise ConfigError(
                f"Categorizer: unknown is a name, and needs labels='one': {self.unknown!r}"
            )
        if self.category_column.lower() == self.confidence_column.lower():
            raise ConfigError(f"Categorizer: two columns are called {self.category_column!r}")
        if not (self.model is None or isinstance(self.model, (str, PathLike, Encoder))):
            raise ConfigError(
                f"Categorizer: model is a name, a path or an Encoder, not {self.model!r}"
            )
        if self.kept is not None:
            object.__setattr__(self, "kept", fspath(self.kept))
        self._check_given()

    def _check_given(self) -> None:
        if self.categories is None and self.examples is None and self.kept is None:
            raise ConfigError("Categorizer: give categories, examples, or both")
        if self.categories is not None:
            object.__setattr__(self, "categories", descriptions(self.categories))
            if self.kept is not None and self.examples is None:
                raise ConfigError("Categorizer: what is kept was trained: give examples, too")
        if self.examples is None:
            return
        object.__setattr__(self, "examples", held(self.examples))
        if isinstance(self.examples, (dict, pa.Table)):
            check_labels(self._read(self.examples), self._wanted.categories)

    def _check_numbers(self) -> None:
        for option, low in (("threshold", 0), ("least_alike", -1)):
            value = getattr(self, option)
            if value is not None and not (_is_number(value) and low <= value <= 1):
                raise ConfigError(
                    f"Categorizer: {option} is a number from {low} to 1, not {value!r}"
                )
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise ConfigError(f"Categorizer: seed is a number from 0, not {self.seed!r}")

    def __hash__(self) -> int:
        """Equal stages have equal hashes."""
        return hash((self._columns, self.labels, self.threshold, self.category_column, self.seed))

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(self.on)

    @property
    def _several(self) -> bool:
        return self.labels == "several"

    @property
    def _label(self) -> str:
        return self.category_column if self.label_column is None else self.label_column

    @property
    def _wanted(self) -> Wanted:
        given = None if self.categories is None else descriptions(self.categories)
        return Wanted(given, self.labels, float(self.threshold), self.least_alike, self.seed)

    def bind(self, schema: pa.Schema) -> pa.Schema:
        """Give the schema with the two columns; the columns of examples are checked, too.

        Raises:
            SchemaError: a column isn't there, isn't text, or is there already.
            ConfigError: a model or a package isn't there, or a file isn't what it should be.
        """
        require(schema, self._columns, where=self.label)
        for column in self._columns:
            kind = schema.field(column).type
            if not is_text(kind):
                raise SchemaError(
                    f"column {column!r} is {kind}, not text; cast it",
                    where=self.label,
                    column=column,
                )
        refuse_taken(
            (self.category_column, self.confidence_column),
            schema,
            where=self.label,
            instead="call the new one otherwise (category_column, confidence_column)",
        )
        self._check_learning()
        return pa.schema([*schema, *self._added], schema.metadata)

    def _check_learning(self) -> None:
        """Refuse what can be seen to go wrong before a row is read."""
        refuse_missing(self.model)
        if self.examples is not None:
            found = schema_of(self.examples)
            if found is not None:
                check_columns(found, self._columns, self._label)
            if importlib.util.find_spec("sklearn") is None:
                raise ConfigError(
                    "Categorizer: training needs scikit-learn: pip install 'arrowetl[ml]'"
                )
        elif self.categories is None:
            self._kept()

    @property
    def _added(self) -> tuple[pa.Field, pa.Field]:
        kinds = (pa.string(), pa.float64())
        if self._several:
            kinds = (pa.list_(pa.string()), pa.list_(pa.float64()))
        return pa.field(self.category_column, kinds[0]), pa.field(self.confidence_column, kinds[1])

    def observer(self, schema: pa.Schema) -> Observer:  # noqa: ARG002 - the columns are its own
        """Give what counts categories."""
        return Summary(self.category_column, self.confidence_column, several=self._several)

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Learn once the first text is there, then answer window by window."""
        answers: Answers | None = None
        names: tuple[str, ...] = ()
        for window in windows(batches, self._columns):
            found = np.full((len(window.texts), 1), np.nan)
            if window.texts.null_count < len(window.texts):
                if answers is None:
                    encoder = encoder_of(self.model)
                    learned = self._learned(encoder)
                    names = learned.names
                    answers = Answers(encoder, learned.scorer, len(names))
                found = answers.confidences(window.texts)
            yield from self._answered(window, found, names)

    def report(self) -> CategoryReport:
        """Train, and give how right that is on examples left out; see `CategoryReport`.

        Raises:
            ConfigError: there are no examples; `evaluate` needs some to judge by.

        >>> texts = {f"{word} number {i}": word for word in ("cat", "dog") for i in range(6)}
        >>> found = Categorizer(on="text", examples=texts, model="hashed").report()
        >>> found.accuracy, [each.support for each in found.scores]
        (1.0, [6, 6])
        """
        if self.examples is None and self.kept is None:
            raise ConfigError("Categorizer: a report needs examples; evaluate() takes some")
        report = self._learned(encoder_of(self.model)).report
        if report is None:
            raise ConfigError("Categorizer: a report needs examples; evaluate() takes some")
        return report

    def evaluate(self, data: Any) -> CategoryReport:
        """Give how right the categories of other labelled texts are.

        Args:
            data: what `examples` takes; a text without a category belongs nowhere.

        Raises:
            ConfigError: it isn't that, or has a category that isn't known.

        >>> stage = Categorizer(on="text", categories=["red paints", "blue paints"], model="hashed")
        >>> stage.evaluate({"red paint": "red paints", "my paint": "blue paints"}).accuracy
        0.5
        """
        encoder = encoder_of(self.model)
        learned = self._learned(encoder)
        labelled = self._read(held(data))
        for text, labels in zip(labelled.texts, labelled.labels, strict=True):
            for each in labels:
                if each not in learned.names:
                    raise ConfigError(
                        f"Categorizer: {text[:60]!r} is in {each!r}, which is no category. There "
                        f"are: {', '.join(learned.names)}"
                    )
        answers = Answers(encoder, learned.scorer, len(learned.names))
        found = answers.confidences(pa.array(labelled.texts, pa.large_string()))
        return report_of(
            Judged(learned.names, labelled.truth(learned.names), found),
            how="labelled texts, none of them used to train",
            threshold=self._wanted.threshold,
            several=self._several,
        )

    def _read(self, given: Any) -> Any:
        return read_examples(given, self._columns, self._label, several=self._several)

    def _learned(self, encoder: Encoder) -> Learned:
        wanted = self._wanted
        if self.examples is None:
            if self.categories is not None:
                return described(wanted, encoder)
            found = self._kept()
            check_encoder(found, encoder, str(self.kept))
            return found
        examples = self._read(self.examples)
        if self.kept is not None and Path(self.kept).exists():
            found = self._kept()
            check_encoder(found, encoder, str(self.kept))
            if found.mark == mark_of(wanted, examples):
                return found
        made = trained(wanted, examples, encoder)
        if self.kept is not None:
            keep(made, str(self.kept))
        return made

    def _kept(self) -> Learned:
        found = kept(str(self.kept))
        if self.examples is None and found.scorer.several != self._several:
            other = "several" if found.scorer.several else "one"
            raise ConfigError(
                f"Categorizer: {self.kept!r} was trained for labels={other!r}, not {self.labels!r}"
            )
        return found

    def _answered(
        self, window: Window, found: Numbers, names: tuple[str, ...]
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows of a window with their categories."""
        columns = self._lists(found, names) if self._several else self._ones(found, names)
        low = 0
        for part in window.parts:
            schema = pa.schema([*part.schema, *self._added], part.schema.metadata)
            added = [column.slice(low, part.num_rows) for column in columns]
            yield pa.RecordBatch.from_arrays([*part.columns, *added], schema=schema)
            low += part.num_rows

    def _ones(self, found: Numbers, names: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
        nothing = np.isnan(found[:, 0])
        best = found.argmax(axis=1)
        sure = found[np.arange(len(found)), best]
        # Unknown texts have a name behind the others, and those that aren't there a null.
        places = np.where(sure >= self.threshold, best, len(names))
        dictionary = pa.array([*names, self.unknown], pa.string())
        category = dictionary.take(pa.array(places, mask=nothing))
        return category, pa.array(sure, pa.float64(), mask=nothing)

    def _lists(self, found: Numbers, names: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
        nothing = np.isnan(found[:, 0])
        order = np.argsort(-found, axis=1, kind="stable")
        sorted_found = np.take_along_axis(found, order, axis=1)
        chosen = sorted_found >= self.threshold
        offsets = pa.array(np.append(0, np.cumsum(chosen.sum(axis=1))), pa.int32())
        values = pa.array(names, pa.string()).take(pa.array(order[chosen]))
        parts = (values, pa.array(sorted_found[chosen], pa.float64()))
        mask = pa.array(nothing)
        category, confidence = (
            pa.ListArray.from_arrays(offsets, each, mask=mask) for each in parts
        )
        return category, confidence


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
