"""The command line's frame: exit codes, errors as messages, the options that commands share."""

from __future__ import annotations

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

ARRIVED, FAILED, MISDESCRIBED, REJECTED, DRIFTED, INTERRUPTED = 0, 1, 2, 3, 4, 130

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
  arrowetl doctor orders.yaml              can every place be read, and written?
  arrowetl profile orders.csv              what the rows look like, and what may be wrong
  arrowetl types --to sqlite               what becomes of each type there
  arrowetl preview orders.yaml             the first rows that would arrive
  arrowetl run orders.yaml                 all of it, or nothing
  arrowetl run orders.yaml --output json   the same, for programs
  arrowetl tune orders.yaml                what its runs took, and which settings are best

\b
Results go to stdout, everything else to stderr. Exit codes: 0 all arrived, 1 failed,
2 wrong usage or configuration, 3 more rows rejected than max_rejects allows,
4 a profile has changed as much as --fail-on says,
130 on Ctrl-C and 143 on SIGTERM; the destination is then as it was.
"""


class _Commands(click.Group):
    """The commands; the one place that turns exceptions into messages and exit codes."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        # Docstrings with backslashes are raw: what keeps click from filling lines is two letters.
        cmd.help = (cmd.help or "").replace("\\b\n", "\b\n")
        super().add_command(cmd, name)

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
    from arrowetl.documents.problems import ConfigFileError

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


FILE = click.argument("file", type=click.Path(path_type=Path))
PROFILE = click.option("--profile", metavar="NAME", help="Lay this profile of the file over it.")
OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs.",
)
DEBUG = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_debug, help="Show where an error arose."
)


def common(command: F) -> F:
    """Add the options that every command on a file has."""
    return PROFILE(OUTPUT(DEBUG(command)))


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


def config_of(file: Path, profile: str | None) -> Config:
    """Read a file; from here on its secrets are hidden in whatever is said."""
    from arrowetl.config import read_config

    # Classes of a user's own are looked for where the command was given, after everything else.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    config = read_config(file, profile=profile)
    click.get_current_context().meta["secrets"] = config.secrets
    return config
