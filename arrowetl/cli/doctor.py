"""`arrowetl doctor`: try what a pipeline needs, before it runs."""

from __future__ import annotations

from pathlib import Path

import click

from arrowetl.cli.app import FAILED, FILE, common, config_of
from arrowetl.cli.output import as_json, echo, show_hidden


@click.command()
@FILE
@common
def doctor(file: Path, profile: str | None, output: str) -> None:
    r"""Try each connection of the pipeline in FILE, and each permission that it needs.

    The source, tables to join with, the destination, the dead letters: step by step, and what
    to do about what doesn't work. Reads no rows and changes nothing. Exit code 0 if all works,
    1 if something doesn't.

    \b
    arrowetl doctor orders.yaml
    arrowetl doctor orders.yaml --profile prod --output json
    """
    config = config_of(file, profile)
    with config.pipeline(progress=False) as pipeline:
        found = pipeline.diagnose()
    if output == "json":
        echo(as_json(config.secrets.hide_in(found.to_dict())))
    else:
        show_hidden(found, config)
    if not found.works:
        click.get_current_context().exit(FAILED)
