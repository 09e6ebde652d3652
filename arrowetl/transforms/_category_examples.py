"""Labelled examples, in whatever form they are given, and descriptions of categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.types as kinds

from arrowetl.errors import ArrowETLError, ConfigError, closest, describe, did_you_mean, translated
from arrowetl.instances import Instance
from arrowetl.ml.categories import Flags
from arrowetl.sql import literal
from arrowetl.stage import Source, require
from arrowetl.transforms._arguments import is_text
from arrowetl.transforms._category_texts import texts_of
from arrowetl.transforms.query import readable

WHERE = "Categorizer"
_READERS = {
    ".csv": "read_csv({0}, all_varchar = true)",
    ".tsv": "read_csv({0}, all_varchar = true)",
    ".json": "read_json({0})",
    ".jsonl": "read_json({0})",
    ".parquet": "read_parquet({0})",
}
_SHOWN = 60


@dataclass(frozen=True)
class Examples:
    """Different texts, with the categories of each; one of none belongs nowhere.

    Attributes:
        texts: in the order they were given.
        labels: the categories of each.
        unsure: how many texts had several categories where one was wanted.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    unsure: int = 0

    def truth(self, names: Sequence[str]) -> Flags:
        """Give a row for each text, shape (texts, categories): whether it is in the category."""
        places = {name: place for place, name in enumerate(names)}
        found = np.zeros((len(self.texts), len(names)), np.bool_)
        for row, labels in enumerate(self.labels):
            found[row, [places[label] for label in labels]] = True
        return found


def descriptions(given: Any) -> dict[str, tuple[str, ...]]:
    """Give the descriptions of each category: its name, where it has no other.

    Raises:
        ConfigError: it isn't names, one stands there twice, or there are fewer than two.

    >>> descriptions(["red", "blue"]), descriptions({"red": "like fire", "blue": ["sky", "sea"]})
    ({'red': ('red',), 'blue': ('blue',)}, {'red': ('like fire',), 'blue': ('sky', 'sea')})
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{WHERE}: categories are names, or names with descriptions: {given!r}")
    pairs = list(given.items()) if isinstance(given, Mapping) else [(each, each) for each in given]
    found: dict[str, tuple[str, ...]] = {}
    for name, said in pairs:
        texts = (name,) if said is None else (said,)
        if isinstance(said, (list, tuple)):
            texts = tuple(said)
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{WHERE}: the name of a category is text, not {name!r}")
        if name in found:
            raise ConfigError(f"{WHERE}: the category {name!r} is there twice")
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ConfigError(
                f"{WHERE}: the category {name!r} is described by text, or by a list of texts, "
                f"not by {said!r}"
            )
        found[name] = texts
    _enough(tuple(found), "categories")
    return found


def _enough(names: Sequence[str], what: str) -> None:
    if len(names) < 2:  # noqa: PLR2004 - there has to be a choice
        only = f"only {names[0]!r}" if names else "none"
        raise ConfigError(f"{WHERE}: two categories are needed at least; {what} have {only}")


def held(given: Any) -> Any:
    """Give examples as a stage keeps them: a mapping, a path, a source or an Arrow table.

    Raises:
        ConfigError: they are none of these.

    >>> held([("too dear", "price")])
    {'too dear': 'price'}
    """
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, Source):
        return given
    if isinstance(given, (str, PathLike)):
        path = fspath(given)
        if not path.lower().endswith(tuple(_READERS)):
            raise ConfigError(
                f"{WHERE}: examples {path!r}: a file of {', '.join(_READERS)}, or a source"
            )
        return path
    if isinstance(given, (list, tuple)):
        if all(isinstance(each, Mapping) for each in given):
            return pa.Table.from_pylist([dict(each) for each in given])
        return _pairs(given)
    found = readable("examples", given, where=WHERE)
    # A reader can be read once, and examples are read in every run.
    return found.read_all() if isinstance(found, pa.RecordBatchReader) else found


def _pairs(given: Sequence[Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for each in given:
        if not (isinstance(each, (list, tuple)) and len(each) == 2):  # noqa: PLR2004 - a pair
            raise ConfigError(f"{WHERE}: an example is a text and its category, not {each!r}")
        text, label = each
        labels = [label] if label is None or isinstance(label, str) else list(label)
        before = found.get(text, [])
        found[text] = [*([before] if isinstance(before, str) else before), *labels]
    return {text: each[0] if len(each) == 1 else each for text, each in found.items()}


def schema_of(examples: Any) -> pa.Schema | None:
    """Give the schema of examples that have columns, without reading them; None if they have none.

    Raises:
        ConfigError: a file isn't there, or isn't what its name says.
    """
    if isinstance(examples, dict):
        return None
    if isinstance(examples, str):
        return _file(examples, "LIMIT 0").schema
    schema = examples.schema
    found: pa.Schema = schema() if callable(schema) else schema
    return found


def _file(path: str, limit: str = "") -> pa.Table:
    ending = next(each for each in _READERS if path.lower().endswith(each))
    reading = _READERS[ending].format(literal(path))
    wrong: dict[type[BaseException], type[ArrowETLError]] = {
        duckdb.Error: ConfigError,
        OSError: ConfigError,
    }
    with translated(f"{WHERE}: examples {path!r}", wrong), Instance() as connection:
        return connection.sql(f"FROM {reading} {limit}").to_arrow_table()


def check_columns(schema: pa.Schema, on: Sequence[str], label: str) -> None:
    """Refuse examples that lack a column, or have it of another type.

    Raises:
        SchemaError: which column, and what there is.
        ConfigError: a column isn't text.
    """
    require(schema, on, where=f"{WHERE}: examples")
    require(schema, [label], where=f"{WHERE}: label_column of the examples")
    for name in (*on, label):
        kind = schema.field(name).type
        lists = name == label and (kinds.is_list(kind) or kinds.is_large_list(kind))
        if not (is_text(kind.value_type if lists else kind) or kinds.is_null(kind)):
            raise ConfigError(f"{WHERE}: the examples' column {name!r} is {kind}, not text")


def read_examples(given: Any, on: Sequence[str], label: str, *, several: bool) -> Examples:
    """Read examples; equal texts are one.

    Args:
        given: what `held` gave.
        on: the columns of the text.
        label: the column of the category, or of a list of categories.
        several: whether a text can have several; else the most frequent counts.

    Raises:
        ConfigError: there is none, or one isn't text.

    >>> read_examples({"a": "x", "b": ["x", "y"], "c": None}, ["t"], "l", several=True).labels
    (('x',), ('x', 'y'), ())
    """
    schema = schema_of(given)
    if schema is None:
        texts = _said(list(given))
        pairs = [
            (text or "", _labels(each)) for text, each in zip(texts, given.values(), strict=True)
        ]
    else:
        check_columns(schema, on, label)
        pairs = _read(given, on, label)
    counts: dict[str, Counter[str | None]] = {}
    for text, labels in pairs:
        if text:
            counts.setdefault(text, Counter()).update(labels or (None,))
    if not counts:
        raise ConfigError(f"{WHERE}: there are no examples with a text")
    # Without a category is no category beside others.
    chosen = [tuple(each for each in found if each is not None) for found in counts.values()]
    unsure = 0
    if not several:
        unsure = sum(len(found) > 1 for found in counts.values())
        most = [found.most_common(1)[0][0] for found in counts.values()]
        chosen = [() if each is None else (each,) for each in most]
    return Examples(tuple(counts), tuple(chosen), unsure)


def _said(texts: list[Any]) -> list[str | None]:
    """Give texts as those of rows are taken."""
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"{WHERE}: the text of an example is text, not {describe(text)}")
    found = texts_of(pa.table({"text": pa.array(texts, pa.large_string())}), ["text"])
    said: list[str | None] = found.to_pylist()  # small: they were written in Python
    return said


def _labels(label: Any) -> tuple[str, ...]:
    labels = [label] if label is None or isinstance(label, str) else label
    if not isinstance(labels, (list, tuple, set, frozenset)):
        raise ConfigError(f"{WHERE}: the category of an example is text, not {describe(label)}")
    for each in labels:
        if each is not None and not isinstance(each, str):
            raise ConfigError(f"{WHERE}: the category of an example is text, not {describe(each)}")
    return tuple(each.strip() for each in labels if each is not None and each.strip())


def _read(given: Any, on: Sequence[str], label: str) -> list[tuple[str, tuple[str, ...]]]:
    if isinstance(given, str):
        table = _file(given)
    else:
        reader = given.reader() if isinstance(given, Source) else given
        table = pa.table(reader) if not isinstance(reader, pa.Table) else reader
    texts = texts_of(table, on)
    values = table[label]
    if kinds.is_dictionary(values.type):
        values = values.cast(pa.string())
    labels = values.to_pylist()  # small: people labelled them
    return [
        (text or "", _labels(each))
        for text, each in zip(texts.to_pylist(), labels, strict=True)  # small: as many
    ]


def check_labels(examples: Examples, known: Mapping[str, Sequence[str]] | None) -> tuple[str, ...]:
    """Give the categories' names, in the order of `known`, else of the alphabet.

    Raises:
        ConfigError: a category isn't known, there is only one, or one has too few examples.

    >>> check_labels(Examples(("a", "b", "c", "d"), (("y",), ("x",), ("y",), ("x",))), None)
    ('x', 'y')
    """
    counts = Counter(label for labels in examples.labels for label in labels)
    names = tuple(sorted(counts)) if known is None else tuple(known)
    for label in counts:
        if label not in names:
            text = next(t for t, each in zip(examples.texts, examples.labels, strict=True)
                        if label in each)  # fmt: skip
            raise ConfigError(
                f"{WHERE}: the example {describe(text, limit=_SHOWN)} is in {label!r}, which is no "
                f"category{did_you_mean(closest(label, names))} There are: {', '.join(names)}"
            )
    _enough(names, "examples")
    for name in names:
        learned = counts[name] + len((known or {}).get(name, ()))
        if learned < 2:  # noqa: PLR2004 - one to learn from, one to judge by
            raise ConfigError(
                f"{WHERE}: {name!r} has {counts[name]} example; two are needed at least, and "
                "twenty or more are better"
            )
        if counts[name] == len(examples.texts):
            raise ConfigError(f"{WHERE}: every example is in {name!r}; give some that aren't")
    return names
