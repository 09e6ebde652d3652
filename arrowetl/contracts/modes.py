"""What becomes of rows that don't keep a contract."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from arrowetl.errors import ConfigError, closest, did_you_mean


class ContractMode(str, Enum):
    """What becomes of what a contract doesn't allow."""

    EVOLVE = "evolve"
    """It is let through, and told of."""
    FREEZE = "freeze"
    """The run ends, with nothing written."""
    DISCARD_VALUE = "discard_value"
    """The value is dropped; the row stays."""
    DISCARD_ROW = "discard_row"
    """The row is removed, and counted."""
    QUARANTINE = "quarantine"
    """The row goes to the dead letters, as it was, with the reason."""


DEFAULTS: Mapping[str, ContractMode] = {
    "columns": ContractMode.EVOLVE,
    "data_type": ContractMode.FREEZE,
    "rules": ContractMode.DISCARD_ROW,
}
"""What holds where nobody says."""

ENTITIES = tuple(DEFAULTS)
"""What a mode is said of: which columns there are, of which types, and what rules they keep."""


def mode_of(given: Any, *, where: str) -> ContractMode:
    """Give the mode of a word.

    Raises:
        ConfigError: there is no such mode; names the nearest.

    >>> mode_of("freez", where="rules")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: rules: no mode 'freez'; did you mean 'freeze'?
    """
    known = [mode.value for mode in ContractMode]
    try:
        return ContractMode(given)
    except ValueError:
        hint = did_you_mean(closest(str(given), known)) or f"; there are {', '.join(known)}"
        raise ConfigError(f"{where}: no mode {given!r}{hint}") from None


def modes_of(given: Any, *, where: str) -> dict[str, ContractMode]:
    """Give the modes by entity that a mapping has.

    Raises:
        ConfigError: it isn't one, or has an unknown entity or mode.

    >>> modes_of({"columns": "freeze"}, where="Contract")
    {'columns': <ContractMode.FREEZE: 'freeze'>}
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: modes is a mapping of {', '.join(ENTITIES)}, not {given!r}")
    for entity in given:
        if entity not in ENTITIES:
            hint = did_you_mean(closest(str(entity), ENTITIES))
            raise ConfigError(f"{where}: modes has no {entity!r}{hint}")
    return {each: mode_of(mode, where=f"{where}: {each}") for each, mode in given.items()}
