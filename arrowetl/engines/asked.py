"""What a user asks of a run, checked where it is asked: a mistake is told before anything runs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from arrowetl.arguments import flag, whole
from arrowetl.engines.local import Settings
from arrowetl.errors import ConfigError
from arrowetl.instances import Instance
from arrowetl.stage import BATCH_ROWS, Sink, Stage

if TYPE_CHECKING:
    from arrowetl.contracts import Contract


def settings_of(
    *, batch_size: int | None, memory_limit: str | None, threads: int | None, ordered: bool
) -> Settings:
    """Give the settings of a run.

    Raises:
        ConfigError: one of them can't be; says which.

    >>> settings_of(batch_size=None, memory_limit="1GB", threads=2, ordered=True).threads
    2
    """
    if batch_size is not None:
        whole(batch_size, "batch_size")
    if threads is not None:
        whole(threads, "threads")
    if memory_limit is not None:
        if not isinstance(memory_limit, str):
            raise ConfigError(f'memory_limit is {memory_limit!r}: it is a text, "1GB" say')
        Instance(memory_limit=memory_limit).close(done=True)  # DuckDB knows its units
    flag(ordered, "ordered")
    return Settings(batch_size or BATCH_ROWS, memory_limit, threads, ordered)


def allowed_rejects(value: Any) -> float | None:
    """Give how many rows may be rejected, or which share.

    Raises:
        ConfigError: it is neither.

    >>> allowed_rejects(10), allowed_rejects(0.05)
    (10, 0.05)
    """
    if value is None:
        return None
    number = isinstance(value, Real) and not isinstance(value, bool)
    allowed = float(value) if number else math.nan
    if not 0 <= allowed < math.inf or (allowed > 1 and not allowed.is_integer()):
        raise ConfigError(
            f"max_rejects is {value!r}: it has to be a number of rows, 0 or more, or a share "
            "of them below 1"
        )
    found: float = value
    return found


def destination(sink: Any, asked: str) -> Sink:
    """Give a destination.

    Raises:
        ConfigError: it isn't one.
    """
    if not isinstance(sink, Sink):
        raise ConfigError(f"{asked} takes a destination, ParquetLoader(...) say, not {sink!r}")
    return sink


def callables(listeners: Any) -> tuple[Callable[..., Any], ...]:
    """Give the listeners of a pipeline.

    Raises:
        ConfigError: they aren't a list of callables.

    >>> callables(print)
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: listeners takes a list of callables, not <built-in function print>
    """
    found = tuple(listeners) if isinstance(listeners, Iterable) else (None,)
    if not all(map(callable, found)):
        raise ConfigError(f"listeners takes a list of callables, not {listeners!r}")
    return found


def contract_stages(
    contract: Contract | str | os.PathLike[str] | Mapping[str, Any] | None,
) -> Sequence[Stage]:
    """Give the stages that hold rows to a contract; none without one."""
    if contract is None:
        return ()
    from arrowetl.transforms.contract import enforced

    return enforced(contract, where="Pipeline")


def columns_or_all(allow_lossy: Any) -> bool | tuple[str, ...]:
    """Give the columns that may lose something; True for all of them.

    Raises:
        ConfigError: it isn't names.
    """
    if isinstance(allow_lossy, bool):
        return allow_lossy
    listed = isinstance(allow_lossy, Iterable) and not isinstance(allow_lossy, str)
    columns = tuple(allow_lossy) if listed else (allow_lossy,)
    if not all(isinstance(column, str) for column in columns):
        raise ConfigError(f"allow_lossy takes True, or names of columns, not {allow_lossy!r}")
    return columns
