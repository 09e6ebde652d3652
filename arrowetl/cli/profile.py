"""`arrowetl profile`: what the rows of a file look like."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowetl.cli.app import DEBUG, DRIFTED, OUTPUT
from arrowetl.cli.output import echo, show, write

if TYPE_CHECKING:
    from arrowetl.contracts import Contract
    from arrowetl.profiling.compare import Drift
    from arrowetl.profiling.profile import Profile
    from arrowetl.stage import Source

_ROWS = click.IntRange(min=1)
_FILE = click.Path(path_type=Path)
_WRITTEN = {
    "--save": ("saved profile", re.compile(r'\s*{\s*"version"\s*:\s*\d+\s*,\s*"rows"\s*:')),
    "--html": (
        "page of a profile",
        re.compile(r"\s*<!DOCTYPE html>\s*<html[^>]*><head><meta[^>]*><meta [^>]*Security-Policy"),
    ),
    "--contract": ("contract", re.compile(r"(?ms)(?=.*?^version\s*:).*?^columns\s*:")),
}
"""What options write, and how that begins."""
_BEGINNING = 65_536


@click.command()
@click.argument("file")
@click.option("--sample", type=_ROWS, metavar="N", help="Look at N rows chosen at random.")
@click.option("--all", "everything", is_flag=True, help="Look at all rows; so it is by default.")
@click.option("--seed", default=0, show_default=True, help="Which sample it is.")
@click.option(
    "--html",
    type=_FILE,
    metavar="PATH",
    help="Write one page that needs no network; with --compare, of what has changed.",
)
@click.option("--save", type=_FILE, metavar="PATH", help="Write it as JSON, to compare with later.")
@click.option(
    "--compare",
    type=_FILE,
    metavar="OLD",
    help="Say what changed since a saved one, or since a file of rows.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "error"]),
    help="With --compare: end with exit code 4 if something so grave has changed, or graver.",
)
@click.option("--contract", type=_FILE, metavar="PATH", help="Learn a data contract, as YAML.")
@click.option("--correlations", is_flag=True, help="Say how columns of numbers go together.")
@click.option("--no-pii", is_flag=True, help="Don't look for personal data, and mask nothing.")
@click.option("--show-values", is_flag=True, help="Show values of personal data as they are.")
@click.option(
    "--day-first/--month-first", default=None, help="What 01/02/2024 means where nothing tells."
)
@OUTPUT
@DEBUG
def profile(
    file: str,
    *,
    html: Path | None,
    save: Path | None,
    compare: Path | None,
    fail_on: str | None,
    contract: Path | None,
    output: str,
    **options: Any,
) -> None:
    r"""Show what the rows of FILE look like: types, patterns, personal data, keys, mistakes.

    FILE is whatever a pipeline extracts by name: CSV, JSON or Parquet, packed or not, a glob or a
    URL. Columns of CSV are read as text, so that nothing is lost before it was looked at.

    For a contract, columns that may be keys are read a second time, to count their values.

    OLD is a profile that was saved, or whatever FILE can be; that is profiled first, in the same
    way.

    Values of columns with personal data are masked: letters are shown as x, digits as 9.

    \b
    arrowetl profile customers.csv
    arrowetl profile "orders/*.parquet" --sample 100000 --html orders.html
    arrowetl profile customers.csv --save monday.json
    arrowetl profile customers.csv --compare monday.json --html changes.html
    arrowetl profile tuesday.csv --compare monday.csv
    arrowetl profile customers.csv --compare monday.json --fail-on error
    arrowetl profile customers.csv --contract customers.yaml
    arrowetl profile customers.csv --output json
    """
    if fail_on and not compare:
        raise click.UsageError("--fail-on says when changes are too grave: give --compare OLD too")
    written = {"--html": html, "--save": save, "--contract": contract}
    _check_places(file, compare, {option: path for option, path in written.items() if path})
    old = _old(compare, **options) if compare else None
    found = _profile(file, exact_keys=contract is not None, **options)
    if save:
        write(save, found.to_json(indent=2) + "\n")
    drift = _drift(old, found) if old is not None else None
    if html:
        write(html, (found if drift is None else drift).to_html())
    _show(found, drift, output)
    if contract:
        _learn(file, contract, found, told=output != "json", **options)
    if drift is not None and fail_on:
        _judge(drift, fail_on)


def _check_places(file: str, compare: Path | None, written: Mapping[str, Path]) -> None:
    """See that each file can be made, and is none that is read, before anything is.

    Raises:
        UsageError: one would be written over what is read, or over another.
        WriteError: there is no such folder.
    """
    from glob import glob

    files = glob(file, recursive=True)  # noqa: PTH207 - a source's glob, as a text
    taken = {Path(each).resolve(): "FILE" for each in (file, *files)}
    if compare:
        taken[compare.resolve()] = "--compare"
    for option, path in written.items():
        other = taken.setdefault(path.resolve(), option)
        # Today's profile in place of yesterday's, which has been read by then, is what is wanted.
        if other != option and (option, other) != ("--save", "--compare"):
            raise click.UsageError(
                f"{option} would write over {path}, which is {other}, too: give another path"
            )
        _check_folder(path)
        if path.is_file() and path.stat().st_size and not _written_before(option, path):
            raise click.UsageError(
                f"{option} would write over {path}, which is no {_WRITTEN[option][0]}: give "
                "another path, or remove it first"
            )


def _written_before(option: str, path: Path) -> bool:
    """Say whether a file begins as what an option writes does."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return _WRITTEN[option][1].match(file.read(_BEGINNING)) is not None


def _check_folder(path: Path) -> None:
    """See that a file can be made there, before the rows are looked at.

    Raises:
        WriteError: there is no such folder.
    """
    if not path.parent.is_dir():
        from arrowetl.errors import WriteError

        raise WriteError(f"{path}: there is no folder {path.parent}; make it first")


def _show(found: Profile, drift: Drift | None, output: str) -> None:
    from arrowetl.profiling.terminal import rendered, rendered_drift

    if output == "json":
        echo((found if drift is None else drift).to_json(indent=2))
    else:
        show(rendered(found) if drift is None else rendered_drift(drift))


def _judge(drift: Drift, severity: str) -> None:
    """End with an exit code of its own if something has changed that is so grave."""
    if grave := drift.at_least(severity):
        what = "change is" if len(grave) == 1 else "changes are"
        graver = "" if severity == "error" else " or graver"
        click.echo(f"{len(grave)} {what} of severity {severity}{graver}", err=True)
        click.get_current_context().exit(DRIFTED)


def _learn(file: str, path: Path, found: Profile, *, told: bool, **options: Any) -> None:
    """Write the contract that the rows keep in the types in which a pipeline reads them."""
    from arrowetl.contracts import Contract
    from arrowetl.sources.anything import source_of

    source, texts = source_of(file), found
    as_text = source.schema() != _source(file).schema()
    if as_text or options["no_pii"]:
        # Values of personal data are kept out of contracts, so they have to be known.
        found = _profile(
            file,
            **{**options, "no_pii": False, "correlations": False},
            source=source,
            exact_keys=True,
        )
    learned = Contract.learn(found)
    doubts = _doubts(texts, learned)
    learned = _with_doubts(learned, doubts)
    learned.write(path)
    there = sum(not field.nullable for field in learned.fields)
    rules = learned.checked_rules
    click.echo(
        f"Wrote {path}: {len(learned.columns)} columns, {there} values that have to be there, "
        f"{len(rules)} other rules",
        err=True,
    )
    for column, doubt in doubts.items():
        click.echo(f"{column}: {doubt}", err=True)
    for rule in rules if told else ():
        echo(f"{rule.name}: {rule.evidence}")


def _doubts(texts: Profile, learned: Contract) -> dict[str, str]:
    """Say which columns a pipeline reads as dates though nothing tells days from months."""
    from arrowetl.contracts.paths import path_of

    dated = {each.name for each in learned.fields if each.type.startswith(("date", "timestamp"))}
    doubtful = {
        path_of((each.column,)): each.text
        for each in texts.cautions
        if each.kind == "ambiguous_dates" and each.column is not None
    }
    hint = "a pipeline guesses, unless date_format says how they are written"
    return {field: f"{text}; {hint}" for field, text in doubtful.items() if field in dated}


def _with_doubts(learned: Contract, doubts: Mapping[str, str]) -> Contract:
    """Give a contract whose evidence names what is doubtful."""
    fields = [
        replace(each, evidence="; ".join(filter(None, (each.evidence, doubts.get(each.name)))))
        if each.name in doubts
        else each
        for each in learned.fields
    ]
    return replace(learned, fields=fields)


def _profile(
    file: str,
    *,
    sample: int | None,
    everything: bool,
    seed: int,
    correlations: bool,
    no_pii: bool,
    show_values: bool,
    day_first: bool | None,
    source: Source | None = None,
    exact_keys: bool = False,
) -> Profile:
    from arrowetl.transforms.infer import SchemaInferrer

    if sample is not None and everything:
        raise click.UsageError("--sample looks at some rows, --all at all: give one of the two")
    inferrer = SchemaInferrer(
        sample_size=sample,
        seed=seed,
        correlations=correlations,
        detect_pii=not no_pii,
        show_values=show_values,
        day_first=day_first,
    )
    with _counting(file) as progress:
        rows = source or _source(file)
        return inferrer.profile(rows, progress=progress, exact_keys=exact_keys)


def _source(file: str) -> Any:
    """Give the source of a file; CSV's columns as text."""
    from arrowetl.sources.anything import source_of
    from arrowetl.sources.csv import CSVSource

    source = source_of(file)
    if isinstance(source, CSVSource):
        return CSVSource(file, schema=dict.fromkeys(source.schema().names, "VARCHAR"))
    return source


@contextmanager
def _counting(file: str) -> Iterator[Callable[[int], None] | None]:
    """Count rows on stderr while they are read, if somebody sees it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(f"Looking at {file}") as status:
        yield lambda rows: status.update(f"Looking at {file}: {rows:,} rows")


def _old(path: Path, **options: Any) -> Profile:
    """Read a saved profile, or profile a file of rows."""
    from arrowetl.errors import ConfigError, ReadError
    from arrowetl.profiling.profile import Profile

    if path.is_file() and path.suffix.lower() != ".json" and not _written_before("--save", path):
        return _profile(str(path), **options)
    try:
        return Profile.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(
            f"{path}: {error.strerror}; --compare takes a saved profile, or a file of rows"
        ) from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: {error}; --compare takes what this writes: arrowetl profile {path} --save "
            f"{path.with_suffix('.profile.json')}"
        ) from error


def _drift(old: Profile, new: Profile) -> Drift:
    from arrowetl.profiling.compare import compare

    return compare(old, new)
