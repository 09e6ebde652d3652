"""The command line: arguments to a configuration to a Pipeline, printing, exit codes.

Whatever takes time to import is imported inside the commands: `arrowetl --help` is quick.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import arrowetl
from arrowetl.engines.watch import terminable

if TYPE_CHECKING:
    from arrowetl.config import Config

ARRIVED, FAILED, MISDESCRIBED, REJECTED, INTERRUPTED = 0, 1, 2, 3, 130
PIPED_WIDTH = 1_000
"""Characters in a line, at most, where no terminal says how wide it is: nothing is cut."""

F = TypeVar("F", bound=Callable[..., Any])

EXAMPLES = """
\b
A first pipeline, orders.yaml:
  source: {type: csv, path: "orders/*.csv"}
  transforms:
    - {type: null_remover, columns: [email]}
    - sql: SELECT *, price * quantity AS total FROM input
    - {type: deduplicator, "on": [email], keep: last}
  load: {type: sqlite, path: warehouse.db, table: orders}

\b
  arrowetl validate orders.yaml            is it right? file, line and what was meant
  arrowetl explain orders.yaml             what would run, before any row is read
  arrowetl preview orders.yaml             the first rows that would arrive
  arrowetl run orders.yaml                 all of it, or nothing
  arrowetl run orders.yaml --output json   the same, for programs

\b
Results go to stdout, everything else to stderr. Exit codes: 0 all arrived, 1 failed,
2 wrong usage or configuration, 3 more rows rejected than max_rejects allows,
130 on Ctrl-C and 143 on SIGTERM; the destination is then as it was.
"""


class _Commands(click.Group):
    """The commands; the one place that turns exceptions into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from arrowetl.errors import ArrowETLError

        try:
            with terminable():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except (ArrowETLError, OSError) as error:
            _complain(error, ctx)
            ctx.exit(_exit_code(error))


def _complain(error: Exception, ctx: click.Context) -> None:
    from arrowetl.config.problems import ConfigFileError

    secrets = ctx.meta.get("secrets")
    text = str(error)
    if isinstance(error, ConfigFileError) and len(error.problems) > 1:
        text = f"{len(error.problems)} problems\n{text}"
    if ctx.meta.get("debug"):
        trace = "".join(traceback.format_exception(error))
        click.echo(secrets.hide(trace) if secrets else trace, err=True)
    click.echo(f"Error: {secrets.hide(text) if secrets else text}", err=True)


def _exit_code(error: Exception) -> int:
    from arrowetl.errors import ConfigError, RejectError

    match error:
        case ConfigError():
            return MISDESCRIBED
        case RejectError():
            return REJECTED
        case _:
            return FAILED


def _debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    ctx.meta["debug"] = value


_FILE = click.argument("file", type=click.Path(path_type=Path))
_PROFILE = click.option("--profile", metavar="NAME", help="Lay this profile of the file over it.")
_OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs.",
)
_DEBUG = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_debug, help="Show where an error arose."
)


def _common(command: F) -> F:
    """Add the options that every command on a file has."""
    return _PROFILE(_OUTPUT(_DEBUG(command)))


@click.group(
    cls=_Commands,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(arrowetl.__version__, message="arrowetl %(version)s")
def main() -> None:
    """Move tabular data from where it is to where it is wanted, and clean it on the way.

    A pipeline is described in a YAML or TOML file: a source, transforms, and a destination that
    gets all of the rows or none.
    """


@main.command()
@_FILE
@_common
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
    config = _config(file, profile)
    with config.pipeline(progress=False if quiet else progress) as pipeline:
        result = pipeline.run().result
    if output == "json":
        _echo(_json(config.secrets.hide_in(_parsed(result.to_json()))))
    elif not quiet:
        _show(result, config)
        if result.records_rejected and config.dead_letters is None:
            click.echo("To keep rejected rows, give the file a dead_letters: entry.", err=True)


@main.command()
@_FILE
@_common
@click.option("--analyze", is_flag=True, help="Run it too, and add rows, seconds and memory.")
def explain(file: Path, profile: str | None, output: str, *, analyze: bool) -> None:
    r"""Show what would run: the segments, their SQL, and what reaches the scan.

    \b
    arrowetl explain orders.yaml
    arrowetl explain orders.yaml --analyze
    """
    config = _config(file, profile)
    with config.pipeline() as pipeline:
        if output == "json":
            made = {"plan": _parsed(pipeline.plan().to_json())}
            if analyze:
                made["result"] = _parsed(pipeline.run().result.to_json())
            _echo(_json(config.secrets.hide_in(made)))
        else:
            _echo(config.secrets.hide(_printed(lambda: pipeline.explain(analyze=analyze))))


@main.command()
@_FILE
@_common
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to show."
)
def preview(file: Path, profile: str | None, output: str, limit: int) -> None:
    r"""Show the first rows that would arrive; nothing is written.

    \b
    arrowetl preview orders.yaml --limit 5
    """
    config = _config(file, profile)
    with config.pipeline() as pipeline:
        shown = pipeline.preview(limit)
    if output == "json":
        _echo(shown.to_json())
    else:
        _show(shown)


@main.command()
@click.argument(
    "files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE..."
)
@_common
def validate(files: tuple[Path, ...], profile: str | None, output: str) -> None:
    r"""Check files without touching what they name: file, line, key, and what was meant.

    \b
    arrowetl validate orders.yaml
    arrowetl validate pipelines/*.yaml --output json
    """
    from arrowetl.config.problems import ConfigFileError, Problem

    problems: list[Problem] = []
    for file in files:
        try:
            _config(file, profile)
        except ConfigFileError as error:
            problems += error.problems
        else:
            click.echo(f"{file}: all right", err=True)
    if output == "json":
        _echo(_json([problem.to_dict() for problem in problems]))
    else:
        _echo("\n".join(map(str, problems)))
    if problems:
        click.get_current_context().exit(MISDESCRIBED)


@main.command()
@_DEBUG
def schema() -> None:
    r"""Print the JSON Schema of configuration files, for completion and checks in an editor.

    \b
    arrowetl schema > arrowetl.schema.json
    and as the first line of a YAML file:
    # yaml-language-server: $schema=arrowetl.schema.json
    """
    from arrowetl.config.schema import json_schema

    _echo(_json(json_schema()))


def _config(file: Path, profile: str | None) -> Config:
    from arrowetl.config import read_config

    # Classes of a user's own are looked for where the command was given, after everything else.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    config = read_config(file, profile=profile)
    click.get_current_context().meta["secrets"] = config.secrets
    return config


def _show(value: Any, config: Config | None = None) -> None:
    """Print what rich knows how to draw, in colour on a terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    with console.capture() as captured:
        console.print(value)
    text = captured.get().rstrip("\n")
    _echo(config.secrets.hide(text) if config else text)


def _echo(text: str) -> None:
    """Print a result. Whoever closed the pipe has read enough: that is no error."""
    if not text:
        return
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printed(work: Callable[[], None]) -> str:
    """Give what a function prints."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        work()
    return text.getvalue().rstrip("\n")


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _parsed(text: str) -> Any:
    import orjson

    return orjson.loads(text)
