"""What a Categorizer has learned, and the file in which it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from arrowetl.errors import ConfigError, StateError
from arrowetl.ml.categories import Described, Scorer, Trained
from arrowetl.ml.encoders import Encoder
from arrowetl.ml.models import HASHED
from arrowetl.ml.training import FOLDS, Labelled, Training, train
from arrowetl.profiling._json import rebuilt
from arrowetl.transforms._category_examples import WHERE, Examples, check_labels
from arrowetl.transforms.category_report import CategoryReport, Judged, report_of

VERSION = 1
_FORMAT = b"arrowetl:categories"
LEAST_ALIKE = {"one": 0.1, "several": 0.25}
"""For descriptions; by measurement with all-MiniLM-L6-v2."""
LEAST_ALIKE_EXAMPLE = 0.3


@dataclass(frozen=True)
class Wanted:
    """What is to be learned: the options of a Categorizer that matter to it."""

    categories: dict[str, tuple[str, ...]] | None
    labels: str
    threshold: float
    least_alike: float | None
    seed: int

    @property
    def several(self) -> bool:
        """Whether a text can be in several categories."""
        return self.labels == "several"


@dataclass(frozen=True, eq=False)
class Learned:
    """What gives confidences, the names of the categories, and how right it is, if that is known.

    Attributes:
        names: the categories', in the order of the confidences' columns.
        scorer: gives confidences by vectors.
        encoder: the name of what gives the vectors.
        dimension: of the vectors.
        report: of the examples it was trained on; None without.
        mark: differs where examples or options do.
    """

    names: tuple[str, ...]
    scorer: Scorer
    encoder: str
    dimension: int
    report: CategoryReport | None = None
    mark: str = ""


def described(wanted: Wanted, encoder: Encoder) -> Learned:
    """Learn from descriptions alone."""
    categories = wanted.categories or {}
    texts = [text for each in categories.values() for text in each]
    owners = np.repeat(np.arange(len(categories)), [len(each) for each in categories.values()])
    least = LEAST_ALIKE[wanted.labels] if wanted.least_alike is None else wanted.least_alike
    vectors = encoder.encode(pa.array(texts, pa.large_string()))
    scorer = Described(vectors, owners, least, wanted.several)
    return Learned(tuple(categories), scorer, encoder.name, encoder.dimension)


def trained(wanted: Wanted, examples: Examples, encoder: Encoder) -> Learned:
    """Learn from examples, and from descriptions if there are any."""
    names = check_labels(examples, wanted.categories)
    labelled = _labelled(examples, names, encoder)
    always = None
    if wanted.categories:
        pairs = [(text, (name,)) for name, each in wanted.categories.items() for text in each]
        texts, labels = zip(*pairs, strict=True)
        always = _labelled(Examples(texts, labels), names, encoder)
    least = wanted.least_alike
    if least is None and not encoder.name.startswith(HASHED):
        least = LEAST_ALIKE_EXAMPLE
    plan = Training(wanted.several, least, wanted.seed)
    scorer, left_out = train(labelled, plan, always)
    cautions = []
    if examples.unsure:
        cautions.append(
            f"{examples.unsure:,} texts have several categories; the most frequent counts"
        )
    report = report_of(
        Judged(names, labelled.truth, left_out),
        how=f"cross-validated in {FOLDS} folds (look-alikes in one), seed {wanted.seed}",
        threshold=wanted.threshold,
        several=wanted.several,
        cautions=cautions,
    )
    mark = mark_of(wanted, examples)
    return Learned(names, scorer, encoder.name, encoder.dimension, report, mark)


def _labelled(examples: Examples, names: tuple[str, ...], encoder: Encoder) -> Labelled:
    vectors = encoder.encode(pa.array(examples.texts, pa.large_string()))
    return Labelled(vectors, examples.truth(names))


def mark_of(wanted: Wanted, examples: Examples) -> str:
    """Give a text that differs where what is learned does."""
    told: list[Any] = [
        VERSION,
        wanted.categories,
        wanted.labels,
        wanted.threshold,
        wanted.least_alike,
    ]
    told += [wanted.seed, examples.texts, examples.labels]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def keep(learned: Learned, path: str) -> None:
    """Write what was trained to a file, all at once: numbers as Arrow, nothing that runs.

    Raises:
        StateError: the file can't be written.
    """
    scorer = learned.scorer
    if not isinstance(scorer, Trained) or learned.report is None:
        raise TypeError(learned)
    columns = {
        "weights": pa.array([scorer.weights.ravel()], pa.list_(pa.float64())),
        "bias": pa.array([scorer.bias], pa.list_(pa.float64())),
        "examples": pa.array(
            [None if scorer.examples is None else scorer.examples.ravel()], pa.list_(pa.float32())
        ),
    }
    head = {
        "version": VERSION,
        "names": learned.names,
        "encoder": learned.encoder,
        "dimension": learned.dimension,
        "several": scorer.several,
        "sharpness": scorer.sharpness,
        "least_alike": scorer.least_alike,
        "mark": learned.mark,
        "report": learned.report.to_dict(),
        "numbers": _digest(columns),
    }
    table = pa.table(columns).replace_schema_metadata({_FORMAT: json.dumps(head)})
    target = Path(path)
    try:
        handle, staged = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        os.close(handle)
        try:
            with pa.OSFile(staged, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
            Path(staged).replace(target)
        finally:
            Path(staged).unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{WHERE}: {path!r} can't be written: {error}") from error


def kept(path: str) -> Learned:
    """Read what `keep` wrote.

    Raises:
        StateError: the file isn't one, is damaged, or is one of a newer version.
    """
    try:
        with pa.OSFile(path, "rb") as file:
            table = pa.ipc.open_file(file).read_all()
        head = json.loads((table.schema.metadata or {})[_FORMAT])
        if head["version"] != VERSION:
            raise StateError(
                f"{WHERE}: {path!r} is of version {head['version']!r}; this arrowetl reads "
                f"{VERSION}: remove it, and it is made again"
            )
        return _rebuilt(head, table)
    except FileNotFoundError as error:
        raise StateError(
            f"{WHERE}: {path!r} isn't there; give examples, and it is made of them"
        ) from error
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"{WHERE}: {path!r} is damaged, or no kept categories; remove it, and it is made again"
        ) from error


def _rebuilt(head: dict[str, Any], table: pa.Table) -> Learned:
    columns = {name: table[name].combine_chunks() for name in ("weights", "bias", "examples")}
    if _digest(columns) != head["numbers"]:
        raise ValueError("the numbers aren't those that were written")
    weights, bias, examples = (each.flatten().to_numpy() for each in columns.values())
    dimension, names = int(head["dimension"]), tuple(map(str, head["names"]))
    scorer = Trained(
        weights.reshape(len(bias), dimension),
        bias,
        len(names),
        float(head["sharpness"]),
        bool(head["several"]),
        examples.reshape(-1, dimension) if len(examples) else None,
        float(head["least_alike"]),
    )
    report = rebuilt(CategoryReport, head["report"])
    return Learned(names, scorer, str(head["encoder"]), dimension, report, str(head["mark"]))


def _digest(columns: dict[str, pa.Array]) -> str:
    found = hashlib.sha256()
    for each in columns.values():
        found.update(np.ascontiguousarray(each.flatten().to_numpy()).tobytes())
    return found.hexdigest()


def check_encoder(learned: Learned, encoder: Encoder, path: str) -> None:
    """Refuse vectors that what was kept isn't made for.

    Raises:
        ConfigError: another model, or one of another dimension.
    """
    if (learned.encoder, learned.dimension) != (encoder.name, encoder.dimension):
        raise ConfigError(
            f"{WHERE}: {path!r} was trained on vectors of {learned.encoder!r} "
            f"({learned.dimension} numbers), not on those of {encoder.name!r} "
            f"({encoder.dimension}): say model={learned.encoder!r}, or remove the file"
        )
