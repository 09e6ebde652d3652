"""Settings that change how quick something is, and never what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Knob:
    """A setting that may be chosen.

    Attributes:
        name: what it is called.
        values: what may be chosen, ascending.
        usual: what it is where nobody chooses.
    """

    name: str
    values: tuple[int, ...]
    usual: int


class Tunable:
    """What has settings that an `AutoTuner` may choose.

    >>> class Sender(Tunable):
    ...     def __init__(self, rows=100):
    ...         self.rows = rows
    ...     @property
    ...     def knobs(self):
    ...         return (Knob("rows_sent", (10, 100, 1000), 100),)
    ...     def tuned(self, chosen):
    ...         return Sender(chosen["rows_sent"])
    >>> Sender().tuned({"rows_sent": 1000}).rows
    1000
    """

    @property
    def knobs(self) -> Sequence[Knob]:
        """What may be chosen; nothing that somebody chose already."""
        return ()

    def tuned(self, chosen: Mapping[str, int]) -> Self:  # noqa: ARG002 - the base has none
        """Give another one, with the settings of its knobs; itself is left as it is."""
        return self
