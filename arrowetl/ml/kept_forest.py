"""A fitted forest in a file: written at once, read without running what it holds."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from arrowetl.errors import ConfigError
from arrowetl.files import Staging, destination_path
from arrowetl.ml.features import Feature
from arrowetl.ml.forest import Forest

FORMAT = 1
"""The version of the file's form; other versions aren't read."""
TRUSTED = ("sklearn.tree._tree.Tree",)
"""What may be in a file beside what skops trusts by itself: scikit-learn's own classes."""
_ABOUT, _FOREST = "about", "forest"


@dataclass(frozen=True)
class FittedForest:
    """A forest with all that is needed to score rows, and to say why.

    Attributes:
        features: the columns that are judged, as the forest takes them.
        forest: None where nothing could be judged.
        threshold: the score above which a row is an anomaly.
        options: with what it was fitted, by name.
        rows: how many rows the sample had.
    """

    features: tuple[Feature, ...]
    forest: Forest | None
    threshold: float
    options: Mapping[str, Any]
    rows: int


def version() -> str:
    """Give scikit-learn's version without its last number: others have other trees."""
    import sklearn

    return ".".join(sklearn.__version__.split(".")[:2])


def keep(fitted: FittedForest, path: Path) -> None:
    """Write a fitted forest where nobody sees half of it; what was there is replaced.

    The file is one of skops: a zip of arrays and JSON, in which no code is pickled. It has the
    columns with their middle and usual ranges, the options, the size of the sample and
    scikit-learn's version.

    Raises:
        WriteError: the folder isn't there, or can't be written to.
    """
    import skops.io

    about = {
        "format": FORMAT,
        "scikit-learn": version(),
        "options": dict(fitted.options),
        "threshold": fitted.threshold,
        "rows": fitted.rows,
        "features": [_described(each) for each in fitted.features],
    }
    staging = Staging(destination_path(str(path), where="AnomalyDetector"))
    try:
        staged = staging.folder / "forest.skops"
        model = None if fitted.forest is None else fitted.forest.model
        entries = {_ABOUT: orjson.dumps(about).decode(), _FOREST: model}
        skops.io.dump(entries, staged, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        staging.publish(staged, overwrite=True)
    finally:
        staging.close()


def _described(feature: Feature) -> dict[str, Any]:
    plain = ("column", "centre", "low", "high", "rows", "offset", "log")
    known = {each: getattr(feature, each) for each in plain}
    if feature.words is not None and feature.codes is not None:
        # Each word once, and few: those that a sample has at least twice.
        known["words"] = feature.words.to_pylist()  # small: see above
        known["codes"] = feature.codes.tolist()
    return known


def kept(path: Path) -> FittedForest:
    """Read a fitted forest; nothing in the file is run.

    Only types that skops trusts and `TRUSTED` are made, and the trees are checked before they are
    walked. The last few files read are remembered, until they change.

    Raises:
        ConfigError: the file isn't such a one, is damaged, has something else in it, or was
            written with another version of scikit-learn; with what to do.
    """
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=4)
def _read(path: Path, *_: int) -> FittedForest:
    try:
        about, model = _loaded(path)
        _refuse_other(about, path)
        features = tuple(map(_feature, about["features"]))
        forest = None if model is None else Forest(model)
        if forest is not None:
            _refuse_broken(forest, len(features))
        return FittedForest(
            features, forest, float(about["threshold"]), about["options"], int(about["rows"])
        )
    except ConfigError:
        raise
    except Exception as error:
        # A damaged zip fails in any of a dozen ways.
        raise ConfigError(
            f"{str(path)!r} is damaged, or no forest that arrowetl wrote "
            f"({type(error).__name__}: {error}); remove it to have one fitted"
        ) from error


def _loaded(path: Path) -> tuple[dict[str, Any], Any]:
    import skops.io

    foreign = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    if foreign:
        raise ConfigError(
            f"{str(path)!r} isn't read: it has {', '.join(sorted(foreign))} in it, which no forest "
            "needs; remove it to have one fitted"
        )
    entries = skops.io.load(path, trusted=list(TRUSTED))
    return orjson.loads(entries[_ABOUT]), entries[_FOREST]


def _refuse_other(about: Mapping[str, Any], path: Path) -> None:
    for what, here in (("format", FORMAT), ("scikit-learn", version())):
        if about[what] != here:
            raise ConfigError(
                f"{str(path)!r} was written with {what} {about[what]}, and here is {here}: scores "
                "could differ; remove it to have a forest fitted, or install that version"
            )


def _feature(known: Mapping[str, Any]) -> Feature:
    words = known.get("words")
    # JSON has no NaN: words have no range.
    low, high = (np.nan if known[end] is None else float(known[end]) for end in ("low", "high"))
    return Feature(
        str(known["column"]),
        float(known["centre"]),
        low,
        high,
        int(known["rows"]),
        float(known["offset"]),
        bool(known["log"]),
        None if words is None else pa.array(words, pa.large_string()),
        None if words is None else np.array(known["codes"], np.float64),
    )


def _refuse_broken(forest: Forest, columns: int) -> None:
    """Refuse trees that a walk could leave: scikit-learn doesn't look where it steps."""
    from sklearn.ensemble import IsolationForest

    model = forest.model
    if not isinstance(model, IsolationForest) or model.n_features_in_ != columns:
        raise ValueError("no forest of these columns")
    for each in model.estimators_:
        tree = each.tree_
        nodes, left, right = np.arange(tree.node_count), tree.children_left, tree.children_right
        inner = left != -1
        ahead = (left > nodes) & (right > nodes) & (np.maximum(left, right) < tree.node_count)
        good = np.where(inner, ahead & _between(tree.feature, columns), True)
        if not len(nodes) or not good.all():
            raise ValueError("a tree has branches that lead nowhere")


def _between(numbers: Sequence[int], end: int) -> Any:
    found = np.asarray(numbers)
    return (found >= 0) & (found < end)
