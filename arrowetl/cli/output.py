"""What commands print: tables for people, JSON for programs, all of it to stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from arrowetl.config import Config

PIPED_WIDTH = 1_000
"""Characters in a line, at most, where no terminal says how wide it is: nothing is cut."""


class Drawn(Protocol):
    """What draws itself with each of its texts hidden as it should be."""

    def drawn(self, hide: Callable[[str], str]) -> Any:
        """Give what rich draws."""


def show_hidden(value: Drawn, config: Config) -> None:
    """Print it as `show` does, without values of variables.

    They are hidden before it is laid out: a line that is full would cut them in two.
    """
    show(value.drawn(config.secrets.hide))


def show(value: Any) -> None:
    """Print what rich knows how to draw, in colour on a terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    with console.capture() as captured:
        console.print(value, crop=False)
    echo(captured.get().rstrip("\n"))


def echo(text: str) -> None:
    """Print a result. Whoever closed the pipe has read enough: that is no error."""
    if not text:
        return
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(path: Path, text: str) -> None:
    """Write a file that was asked for, and say so where results don't go."""
    path.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {path}", err=True)


def printed(work: Callable[[], None]) -> str:
    """Give what a function prints."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        work()
    return text.getvalue().rstrip("\n")


def as_json(value: Any) -> str:
    """Give a value as JSON."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def parsed(text: str) -> Any:
    """Give what JSON says."""
    import orjson

    return orjson.loads(text)
