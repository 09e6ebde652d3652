"""Commands on a pipeline's file: run, explain, preview, validate; schema, for its editor."""

from __future__ import annotations

from pathlib import Path

import click

from arrowetl.cli.app import DEBUG, FILE, MISDESCRIBED, common, config_of
from arrowetl.cli.output import as_json, echo, parsed, printed, show, show_hidden


@click.command()
@FILE
@common
@click.option("--progress/--no-progress", default=None, help="Draw a progress bar.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no table, only errors.")
def run(
    file: Path, profile: str | None, output: str, progress: bool | None, *, quiet: bool
) -> None:
    r"""Run the pipeline in FILE: all rows arrive, or the destination is as it was.

    \b
    arrowetl run orders.yaml
    arrowetl run orders.yaml --profile prod --output json | jq .records_loaded
    """
    config = config_of(file, profile)
    with config.pipeline(progress=False if quiet else progress) as pipeline:
        result = pipeline.run().result
    if output == "json":
        echo(as_json(config.secrets.hide_in(parsed(result.to_json()))))
    elif not quiet:
        show_hidden(result, config)
        if result.records_rejected and config.dead_letters is None:
            click.echo("To keep rejected rows, give the file a dead_letters: entry.", err=True)


@click.command()
@FILE
@common
@click.option("--analyze", is_flag=True, help="Run it too, and add rows, seconds and memory.")
def explain(file: Path, profile: str | None, output: str, *, analyze: bool) -> None:
    r"""Show what would run: the segments, their SQL, and what reaches the scan.

    \b
    arrowetl explain orders.yaml
    arrowetl explain orders.yaml --analyze
    """
    config = config_of(file, profile)
    with config.pipeline() as pipeline:
        if output == "json":
            made = {"plan": parsed(pipeline.plan().to_json())}
            if analyze:
                made["result"] = parsed(pipeline.run().result.to_json())
            echo(as_json(config.secrets.hide_in(made)))
        else:
            echo(config.secrets.hide(printed(pipeline.explain)))
            if analyze:
                show_hidden(pipeline.run().result, config)


@click.command()
@FILE
@common
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to show."
)
def preview(file: Path, profile: str | None, output: str, limit: int) -> None:
    r"""Show the first rows that would arrive; nothing is written.

    \b
    arrowetl preview orders.yaml --limit 5
    """
    config = config_of(file, profile)
    with config.pipeline() as pipeline:
        shown = pipeline.preview(limit)
    if output == "json":
        echo(shown.to_json())
    else:
        show(shown)


@click.command()
@click.argument(
    "files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE..."
)
@common
def validate(files: tuple[Path, ...], profile: str | None, output: str) -> None:
    r"""Check files without touching what they name: file, line, key, and what was meant.

    \b
    arrowetl validate orders.yaml
    arrowetl validate pipelines/*.yaml --output json
    """
    from arrowetl.documents.problems import ConfigFileError, Problem

    problems: list[Problem] = []
    for file in files:
        try:
            config_of(file, profile)
        except ConfigFileError as error:
            problems += error.problems
        else:
            click.echo(f"{file}: all right", err=True)
    if output == "json":
        echo(as_json([problem.to_dict() for problem in problems]))
    else:
        echo("\n".join(map(str, problems)))
    if problems:
        click.get_current_context().exit(MISDESCRIBED)


@click.command()
@DEBUG
def schema() -> None:
    r"""Print the JSON Schema of configuration files, for completion and checks in an editor.

    \b
    arrowetl schema > arrowetl.schema.json
    and as the first line of a YAML file:
    # yaml-language-server: $schema=arrowetl.schema.json
    """
    from arrowetl.config.schema import json_schema

    echo(as_json(json_schema()))
