"""`arrowetl tune`: what runs with a tuner took, and which settings are best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowetl.cli.app import common, config_of
from arrowetl.cli.output import as_json, echo, show, write

if TYPE_CHECKING:
    from arrowetl.tuning.tuner import AutoTuner

CONFIGURATIONS = {".yaml", ".yml", ".toml"}
SHOWN = 20


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option(
    "--target",
    type=click.Choice(["throughput", "memory", "cost"]),
    help="What is to be better; throughput if neither this nor the file says.",
)
@click.option(
    "--measure", type=click.Choice(["wall", "cpu"]), help="Whose seconds count, for throughput."
)
@click.option("--memory", metavar="SIZE", help="What a run may take, 2GB for instance.")
@click.option("--pipeline", metavar="NAME", help="Look at the runs of this one only.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=SHOWN,
    show_default=True,
    metavar="N",
    help="Show the last N runs of each task.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw cost by run."
)
@common
def tune(
    history: Path,
    *,
    target: str | None,
    measure: str | None,
    memory: str | None,
    pipeline: str | None,
    limit: int,
    plot: Path | None,
    profile: str | None,
    output: str,
) -> None:
    r"""Show what runs with a tuner took, and which settings they recommend.

    HISTORY is the file that a tuner keeps, Pipeline(tuner="tuning.db"), or a configuration whose
    settings name it; of that, the runs of its own pipeline are shown:

    \b
      settings: {tuner: {history: tuning.db, target: memory}}

    A task is a pipeline over input of about one size. For each: its runs, with the settings they
    had, why, and what they took; the settings that are best so far; how sure that is; and what
    each setting makes of a difference. Nothing is changed: with the tuner, runs choose for
    themselves. A recommendation is among the values that were tried.

    \b
    arrowetl tune tuning.db
    arrowetl tune orders.yaml --plot orders.svg
    arrowetl tune tuning.db --pipeline orders --target cost --memory 2GB
    arrowetl tune tuning.db --output json
    """
    from arrowetl.tuning.summary import summary_of

    if plot is not None and plot.suffix.lower() != ".svg":
        raise click.UsageError(f"--plot draws an .svg, not {str(plot)!r}")
    tuner, name = _tuner(history, profile)
    given: dict[str, Any] = {"target": target, "measure": measure, "memory": memory}
    tuner = replace(tuner, **{key: value for key, value in given.items() if value is not None})
    found = summary_of(tuner, pipeline=pipeline or name)
    if plot is not None:
        write(plot, found.to_svg() + "\n")
    if output == "json":
        echo(as_json(found.last(limit).to_dict()))
    else:
        show(found.last(limit))


def _tuner(file: Path, profile: str | None) -> tuple[AutoTuner, str | None]:
    """Give the tuner of a history, or that of a configuration with its pipeline's name."""
    from arrowetl.errors import ConfigError
    from arrowetl.tuning.session import tuner_of
    from arrowetl.tuning.tuner import AutoTuner

    if file.suffix.lower() not in CONFIGURATIONS:
        if profile is not None:
            raise click.UsageError(f"--profile is of a configuration, and {str(file)!r} is none")
        return AutoTuner(file), None
    config = config_of(file, profile)
    given = config.settings.get("tuner")
    tuner = None if given is None else tuner_of(given)
    if tuner is None:
        raise ConfigError(
            f"{file}: no tuner; add one with: settings: {{tuner: {{history: tuning.db}}}}"
        )
    return tuner, config.name
