"""File formats by name, and by what a key ends in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import PurePosixPath

from arrowetl.errors import ConfigError, closest, did_you_mean

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".log": "text",
}


def format_of(key: str, named: str | None, known: Iterable[str], *, where: str) -> str:
    """Give the format that is named, or else the one that a key ends in.

    Raises:
        ConfigError: there is none, or it isn't known.

    >>> format_of("2026/orders.csv.gz", None, ["csv", "json"], where="S3Source")
    'csv'
    """
    listed = ", ".join(known)
    if named is None:
        endings = reversed(PurePosixPath(key).suffixes)
        named = next((ENDINGS[each] for each in endings if each in ENDINGS), None)
    if named is None:
        raise ConfigError(f"{where}: say format=; there are: {listed}")
    if named not in known:
        hint = did_you_mean(closest(str(named), known))
        raise ConfigError(f"{where}: no format {named!r}{hint} There are: {listed}")
    return named


def require_options(make: Callable[..., object], given: Iterable[str], *, where: str) -> None:
    """Raise ConfigError for the first option that `make` doesn't take.

    >>> require_options(lambda url, delimiter: None, ["delimter"], where="S3Source")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: S3Source: options: no 'delimter'; did you mean 'delimiter'?
    """
    known = list(signature(make).parameters)
    for name in given:
        if name not in known:
            hint = did_you_mean(closest(str(name), known))
            raise ConfigError(f"{where}: options: no {name!r}{hint}")
