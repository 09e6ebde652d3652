"""Configuration files: YAML or TOML text to a Pipeline, errors with file, line and key.

A file describes a pipeline by the names of classes and the parameters of their constructors::

    version: 1                          # the format; 1 if left out
    name: orders                        # the file's name if left out
    settings: {memory_limit: 1GB}       # what Pipeline(...) takes
    source: {type: csv, path: "orders/*.csv"}
    transforms:
      - type: null_remover
        columns: [email]
      - sql: SELECT *, price * quantity AS total FROM input
    load: {type: sqlite, path: "${WAREHOUSE:-warehouse.db}", table: orders}
    dead_letters: {type: parquet, path: rejects/}
    profiles:
      prod: {load: {path: /data/warehouse.db}}

Paths are relative to the directory that the program runs in. A key that is null is as if it
weren't there. A profile is laid over the rest: mappings merge key by key, unless their `type`
differs, and everything else is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrowetl.config.variables import Resolver, Secrets
from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import ConfigFileError, Findings, Problem
from arrowetl.documents.text import text_of
from arrowetl.errors import ConfigError
from arrowetl.events import Listener
from arrowetl.reliability.deadletters import check_apart
from arrowetl.stage import Sink, Source, Stage

if TYPE_CHECKING:
    from arrowetl.pipeline import Pipeline

__all__ = ["Config", "ConfigFileError", "Problem", "Secrets", "load_config", "read_config"]


@dataclass(frozen=True)
class Config:
    """What a configuration file describes, every part of it checked and made."""

    name: str
    source: Source
    stages: tuple[Stage, ...]
    sink: Sink
    dead_letters: Sink | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    """What texts about this pipeline must not show."""

    def pipeline(
        self, *, progress: bool | None = None, listeners: Sequence[Listener] = ()
    ) -> Pipeline:
        """Give a new pipeline of these parts; nothing runs.

        Args:
            progress: whether to draw a progress bar; by default only on a terminal.
            listeners: callables that are given every event of a run.
        """
        from arrowetl.pipeline import Pipeline

        pipeline = Pipeline(
            self.name,
            dead_letters=self.dead_letters,
            progress=progress,
            listeners=listeners,
            **self.settings,
        ).extract(self.source)
        for stage in self.stages:
            pipeline.transform(stage)
        return pipeline.load(self.sink)


def load_config(
    path: str | os.PathLike[str],
    *,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Pipeline:
    """Give the pipeline that a file describes; nothing runs, no source is touched.

    Args:
        path: a YAML file, or a TOML file if its name ends in ``.toml``.
        profile: which of the file's profiles to lay over the rest.
        environ: the variables for ``${NAME}``; the process's environment if None.

    Raises:
        ConfigFileError: the file is wrong; names everything that is, each with its line.

    >>> import tempfile
    >>> text = "{source: {type: csv, path: a.csv}, lod: {type: parquet, path: b}}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "orders.yaml")
    ...     _ = path.write_text(text)
    ...     try:
    ...         load_config(path)
    ...     except ConfigFileError as error:
    ...         print([(each.line, each.key, each.nearest) for each in error.problems])
    [(1, 'lod', ('load',)), (1, 'load', ())]
    """
    return read_config(path, profile=profile, environ=environ).pipeline()


def read_config(
    path: str | os.PathLike[str],
    *,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Give the parts of the pipeline that a file describes, as `load_config` checks them.

    Raises:
        ConfigFileError: the file is wrong; names everything that is, each with its line.
    """
    file = Path(path)
    findings = Findings(str(path))
    root = _read(file, findings)
    if root is None:
        raise ConfigFileError(findings.problems)
    resolver = Resolver(os.environ if environ is None else environ, findings)
    return _build(root, resolver, default_name=file.stem, profile=profile)


def _read(file: Path, findings: Findings) -> Node | None:
    text = text_of(file, findings)
    if text is None:
        return None
    root = _parse(file, text, findings)
    if root is not None and not isinstance(root.value, dict):
        findings.add(root, f"a configuration is a mapping with source and load, not {root.shown()}")
        return None
    return root


def _parse(file: Path, text: str, findings: Findings) -> Node | None:
    if file.suffix.lower() == ".toml":
        from arrowetl.config.read_toml import read_toml

        return read_toml(text, findings)
    from arrowetl.documents.read_yaml import read_yaml

    return read_yaml(text, findings)


def _build(root: Node, resolver: Resolver, *, default_name: str, profile: str | None) -> Config:
    from arrowetl.config.build import KEYS, Builder, with_profile
    from arrowetl.config.catalogue import SINK, SOURCE

    findings = resolver.findings
    for key, item in root.value.items():
        if key not in KEYS:
            findings.unknown(item, KEYS, owner="a configuration")
    root = resolver.resolved(with_profile(root, profile, findings))
    build = Builder(findings, resolver.secrets)
    build.version(root)
    config = Config(
        name=build.name(root, default_name),
        source=build.part(root, "source", SOURCE, required=True),
        stages=tuple(build.stages(root)),
        sink=build.part(root, "load", SINK, required=True),
        dead_letters=build.part(root, "dead_letters", SINK, required=False),
        settings=build.settings(root),
        secrets=resolver.secrets,
    )
    if config.sink is not None:
        try:
            check_apart(config.sink, config.dead_letters)
        except ConfigError as error:
            letters = root.get("dead_letters") or root
            findings.add(letters.get("mode") or letters, resolver.secrets.hide(str(error)))
    findings.check()
    return config
