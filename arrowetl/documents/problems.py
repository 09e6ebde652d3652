"""What is wrong with a configuration: every problem with its file, line and key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from arrowetl.documents.nodes import Node
from arrowetl.errors import ConfigError, closest


@dataclass(frozen=True)
class Problem:
    """One thing to mend in a configuration file.

    >>> print(Problem("orders.yaml", 12, "load.tabel", "unknown option"))
    orders.yaml:12: load.tabel: unknown option
    """

    file: str
    line: int
    """Counted from 1; 0 if it is the file itself."""
    key: str
    message: str
    nearest: tuple[str, ...] = ()
    """What was probably meant."""
    allowed: tuple[str, ...] = ()
    """What may stand there, where that is a list."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigFileError(ConfigError):
    """A configuration file is wrong: `problems` has all that was found, the first line first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, in the order of their lines."""
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass
class Findings:
    """The problems found so far in one file; at most one a key, since one causes the next."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        node: Node,
        message: str,
        *,
        key: str | None = None,
        nearest: Sequence[str] = (),
        allowed: Iterable[str] = (),
    ) -> None:
        """Note what is wrong with a node, or with the item of it that is called `key`."""
        key = node.key if key is None else key
        if any(problem.key == key for problem in self.problems):
            return
        problem = Problem(self.file, node.line, key, message, tuple(nearest), tuple(allowed))
        self.problems.append(problem)

    def unknown(self, node: Node, allowed: Iterable[str], *, owner: str) -> None:
        """Note that a key isn't one of those that its owner takes."""
        names = list(allowed)
        nearest = closest(node.key.rpartition(".")[2], names)
        takes = f"{owner} takes {', '.join(names)}" if names else f"{owner} takes no options"
        message = (
            f"unknown option{hint(nearest)} {takes}" if nearest else f"unknown option; {takes}"
        )
        self.add(node, message, nearest=nearest, allowed=names)

    def below(self, node: Node) -> bool:
        """Say whether something is wrong with a node or with what is in it."""
        keys = {each.key for each in node.walk()}
        inside = (f"{node.key}.", f"{node.key}[")
        return any(p.key in keys or p.key.startswith(inside) for p in self.problems)

    def check(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            ConfigFileError: something was.
        """
        if self.problems:
            raise ConfigFileError(self.problems)


def hint(nearest: Sequence[str]) -> str:
    """Give the half sentence that offers the nearest names, or nothing.

    >>> hint(["email"]), hint([])
    ("; did you mean 'email'?", '')
    """
    return f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
