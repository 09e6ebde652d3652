"""Finds contenders: the ones of this package by name, anybody's own by the path of its file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.contenders import NAMES
from benchmarks.task import Task


class UnknownContenderError(Exception):
    """There is no contender of that name, or no file at that path."""


@dataclass(frozen=True)
class Contender:
    """A module of functions, one a task."""

    name: str
    """Which results call it."""
    spec: str
    """The name or path by which another process loads it again."""
    module: ModuleType

    @property
    def label(self) -> str:
        """What tables and charts call it."""
        return str(getattr(self.module, "LABEL", self.name))

    @property
    def startup(self) -> str:
        """The program whose start is timed, empty if it has none."""
        return str(getattr(self.module, "STARTUP", ""))

    def does(self, task: Task) -> bool:
        """Whether it has a function for the task."""
        return bool(self.startup) if task.dataset is None else hasattr(self.module, task.does)

    def function(self, task: Task) -> Callable[[Path, Path], None]:
        """Give its function for the task."""
        function: Callable[[Path, Path], None] = getattr(self.module, task.does)
        return function

    def excuse(self, task: Task) -> str:
        """Say why it can't take part in the task here, empty if it can or has nothing to say."""
        reasons: dict[str, str] = getattr(self.module, "NOT_APPLICABLE", {})
        if not self.does(task):
            return reasons.get(task.does, "")
        missing = [name for name in self._packages() if importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else ""

    def _packages(self) -> tuple[str, ...]:
        return tuple(getattr(self.module, "PACKAGES", ()))


def load(spec: str) -> Contender:
    """Load a contender by name, or by the path of its `.py` file.

    Raises:
        UnknownContenderError: there is none; says which there are.
    """
    if spec in NAMES:
        return Contender(spec, spec, importlib.import_module(f"benchmarks.contenders.{spec}"))
    path = Path(spec)
    if path.suffix != ".py" or not path.is_file():
        raise UnknownContenderError(
            f"no contender {spec!r}: one of {', '.join(NAMES)}, or the path of a .py file"
        )
    found = importlib.util.spec_from_file_location(f"contender_{path.stem}", path)
    if found is None or found.loader is None:
        raise UnknownContenderError(f"{spec!r} can't be imported")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return Contender(path.stem, str(path.resolve()), module)
