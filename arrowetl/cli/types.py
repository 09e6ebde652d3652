"""`arrowetl types`: what becomes of each type between a source and a destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from arrowetl.cli.app import DEBUG, OUTPUT
from arrowetl.cli.output import as_json, echo, show

if TYPE_CHECKING:
    from rich.table import Table

    from arrowetl.fidelity import Passage
    from arrowetl.stage import Sink

FATES = ("lossless", "widened", "lossy", "refused")
COLOURS = dict(zip(FATES, ("green", "cyan", "yellow", "red"), strict=True))

_ELSEWHERE = {
    "s3": "an object store has the types of the files in it: say csv, json or parquet",
    "python": "rows and data frames are made Arrow's first: leave --from out, or say arrow",
}
"""What to ask about in place of kinds that have no types of their own."""

_FATE = click.option(
    "--only",
    type=click.Choice(FATES),
    multiple=True,
    help="Show these only; may be given several times.",
)


@click.command()
@click.option("--from", "source", metavar="KIND", help="The kind of source; arrow if left out.")
@click.option("--to", "destination", metavar="KIND", help="The kind of destination.")
@_FATE
@OUTPUT
@DEBUG
def types(source: str | None, destination: str | None, only: tuple[str, ...], output: str) -> None:
    r"""Show what becomes of each type between a kind of source and a kind of destination.

    lossless: the same values of the same type are read back from there. widened: the same
    values, of another type. lossy: some values come out different, which a pipeline has to
    allow (allow_lossy). refused: an error, before a byte is written.

    Each line is proved by tests that load and read back. Without --to: the kinds there are.

    \b
    arrowetl types
    arrowetl types --from csv --to sqlite
    arrowetl types --to duckdb --only lossy --only refused --output json
    """
    from arrowetl.config.catalogue import SINK, SOURCE
    from arrowetl.fidelity import passages

    sources, destinations = (_kept(role.types()) for role in (SOURCE, SINK))
    if destination is None:
        _kinds(["arrow", *sources], [*destinations], output)
        return
    made = _example(_chosen(destination, destinations, "destination"))
    reads = _source(source, sources)
    found = [each for each in passages(reads, made) if not only or each.fate.value in only]
    if output == "json":
        echo(as_json([each.to_dict() for each in found]))
    else:
        show(_matrix(found, f"{source or 'arrow'} to {destination}"))


def _kept(known: Mapping[str, type]) -> dict[str, type]:
    """Leave out object stores: they keep types as the files do that are in them."""
    return {kind: cls for kind, cls in known.items() if kind != "s3"}


def _source(kind: str | None, known: Mapping[str, type]) -> Any:
    from arrowetl.sources.memory import ArrowSource

    return ArrowSource if kind in {None, "arrow"} else _chosen(str(kind), known, "source")


def _chosen(kind: str, known: Mapping[str, type], role: str) -> Any:
    from arrowetl.errors import closest, did_you_mean

    if kind in known:
        return known[kind]
    kinds = ["arrow", *known] if role == "source" else [*known]
    hint = f": {_ELSEWHERE[kind]}." if kind in _ELSEWHERE else did_you_mean(closest(kind, kinds))
    raise click.UsageError(f"no {role} {kind!r}{hint} There are: {', '.join(kinds)}")


def _example(cls: Any) -> Sink:
    """Make a destination of a kind; it is asked about types, and touches nothing."""
    import inspect

    from arrowetl.config.options import parameters

    required = (p for p in parameters(cls).values() if p.default is inspect.Parameter.empty)
    sink: Sink = cls(**{parameter.name: "example" for parameter in required})
    return sink


def _kinds(sources: Sequence[str], destinations: Sequence[str], output: str) -> None:
    if output == "json":
        echo(as_json({"from": sources, "to": destinations}))
        return
    echo(
        f"--from {' | '.join(sources)}\n--to   {' | '.join(destinations)}\n\n"
        f"For instance: arrowetl types --from {sources[-1]} --to {destinations[0]}"
    )


def _matrix(found: Sequence[Passage], title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    counts = ", ".join(f"{sum(each.fate.value == fate for each in found)} {fate}" for fate in FATES)
    table = Table(title=title, title_justify="left", caption=counts, caption_justify="left")
    same = all(each.native == str(each.arrow) for each in found)
    for head in ("Arrow",) if same else ("there", "Arrow"):
        table.add_column(head, overflow="fold")
    for head in ("becomes", "read back as", "", "because"):
        table.add_column(head, overflow="fold")
    for each in found:
        back = "" if each.back is None else str(each.back)
        fate = Text(each.fate.value, style=COLOURS[each.fate.value])
        names = [str(each.arrow)] if same else [each.native, str(each.arrow)]
        table.add_row(*map(Text, names), Text(each.declared), Text(back), fate, Text(each.why))
    return table
