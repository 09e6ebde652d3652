"""Splink as its tutorial says: usual comparisons of columns, trained without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.matchers.found import Found

LABEL = "Splink"
PACKAGES = ("splink",)
THRESHOLD = 0.95
"""The probability at which the tutorial clusters."""
THRESHOLDS = (0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Settings:
    """What somebody who knows the columns writes down."""

    comparisons: Callable[[Any], list[Any]]
    blocks: tuple[tuple[str, ...], ...]
    """Rows that agree in all of one are compared."""
    sure: tuple[tuple[str, ...], ...]
    """Rows that agree in these are nearly always the same."""
    trained: tuple[tuple[str, ...], ...]
    """By rows that agree in these the other columns are learned."""


def _people(cl: Any) -> list[Any]:
    return [
        cl.NameComparison("given_name"),
        cl.NameComparison("surname"),
        cl.LevenshteinAtThresholds("date_of_birth", [1, 2]),
        cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
        cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7]),
        cl.LevenshteinAtThresholds("postcode", [1, 2]),
        cl.JaroWinklerAtThresholds("suburb", [0.9, 0.7]),
    ]


def _restaurants(cl: Any) -> list[Any]:
    return [
        cl.JaroWinklerAtThresholds("name", [0.9, 0.7]),
        cl.JaroWinklerAtThresholds("addr", [0.9, 0.7]),
        cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        cl.LevenshteinAtThresholds("phone", [1, 2]),
    ]


def _names(cl: Any) -> list[Any]:
    return [
        cl.NameComparison("fname_c1"),
        cl.NameComparison("lname_c1"),
        *(cl.LevenshteinAtThresholds(column, 1) for column in ("by", "bm", "bd")),
    ]


_FEBRL = Settings(
    _people,
    (("given_name", "surname"), ("soc_sec_id",), ("date_of_birth",), ("postcode", "surname")),
    (("soc_sec_id",), ("given_name", "surname", "date_of_birth")),
    (("given_name", "surname"), ("date_of_birth",)),
)
_RLDATA = Settings(
    _names,
    (("fname_c1", "lname_c1"), ("by", "bm", "bd"), ("lname_c1", "by"), ("fname_c1", "by")),
    (("fname_c1", "lname_c1", "by", "bm", "bd"), ("fname_c1", "lname_c1", "by", "bm")),
    (("fname_c1", "lname_c1"), ("by", "bm", "bd")),
)
SETTINGS = {
    **dict.fromkeys(("febrl1", "febrl2", "febrl3"), _FEBRL),
    **dict.fromkeys(("rldata500", "rldata10000"), _RLDATA),
    "restaurants": Settings(
        _restaurants,
        (("phone",), ("name",), ("city", "type"), ("addr",)),
        (("name", "city"),),
        (("name",), ("phone",)),
    ),
}
COLUMNS = {
    "given_name": _FEBRL,
    "fname_c1": _RLDATA,
    "addr": SETTINGS["restaurants"],
}
"""The settings for tables with these columns."""


def match(table: pa.Table, thresholds: Sequence[float]) -> Iterator[Found]:
    """Train once, predict once, cluster at each threshold."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    chosen = next(each for column, each in COLUMNS.items() if column in table.column_names)
    table = table.append_column("unique_id", pa.array(range(table.num_rows)))
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=chosen.comparisons(cl),
        blocking_rules_to_generate_predictions=[block_on(*block) for block in chosen.blocks],
    )
    linker = Linker(DuckDBAPI().register(table), settings)
    train = linker.training
    sure = [block_on(*columns) for columns in chosen.sure]
    train.estimate_probability_two_random_records_match(sure, recall=0.7)
    train.estimate_u_using_random_sampling(max_pairs=1e6)
    for columns in chosen.trained:
        train.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    predicted = linker.inference.predict(threshold_match_probability=min(thresholds))
    pairs = predicted.as_duckdbpyrelation().to_arrow_table()
    left, right, likely = (
        pairs[column].to_numpy() for column in ("unique_id_l", "unique_id_r", "match_probability")
    )
    for threshold in sorted(thresholds):
        kept = likely >= threshold
        grouped = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold)
        rows = grouped.as_duckdbpyrelation().to_arrow_table()
        clusters = np.arange(table.num_rows)
        clusters[rows["unique_id"].to_numpy()] = rows["cluster_id"].to_numpy()
        ends = np.minimum(left, right)[kept], np.maximum(left, right)[kept]
        yield Found(threshold, *ends, clusters)
