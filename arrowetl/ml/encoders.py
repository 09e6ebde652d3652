"""Encoders: texts to unit vectors whose cosine says how alike the texts are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike

import pyarrow as pa

from arrowetl.arrow import Matrix
from arrowetl.errors import ConfigError
from arrowetl.ml.models import HASHED, MODEL


class Encoder(ABC):
    """Gives each text a vector of length one. Equal texts get equal vectors.

    Your own needs the two attributes and `encode`; one that takes long calls
    `arrowetl.stopping.check` now and then, so that a run can be stopped meanwhile.

    >>> import numpy as np
    >>> class Initials(Encoder):
    ...     name, dimension = "initials", 26
    ...     def encode(self, texts):
    ...         letters = [ord(text[:1].lower() or "a") for text in texts.to_pylist()]
    ...         return np.eye(26, dtype=np.float32)[np.array(letters) % 26]
    >>> encoder_of(Initials()).encode(pa.array(["Ann", "amy", "Bo"])).argmax(axis=1).tolist()
    [19, 19, 20]
    """

    name: str
    """What tells it from others: vectors of encoders with different names aren't compared."""
    dimension: int
    """How many numbers a vector has."""

    @abstractmethod
    def encode(self, texts: pa.Array) -> Matrix:
        """Give a matrix of a row for each text; there are no nulls among them."""


def encoder_of(
    model: str | PathLike[str] | Encoder | None = None, *, batch_size: int | None = None
) -> Encoder:
    """Give the encoder of this name or path, or the encoder itself.

    Args:
        model: a sentence-transformers model, by the name of one that is installed as a package or
            kept by the hub, or by the path of its folder; ``"hashed"`` for the encoder that needs
            none; `all-MiniLM-L6-v2` if None.
        batch_size: how many texts a model is given at once; what is usual for it if None.

    Raises:
        ConfigError: there is no such model, or a package is missing; with what to install.

    >>> encoder_of("hashed").dimension
    384
    """
    if isinstance(model, Encoder):
        return model
    if model == HASHED:
        from arrowetl.ml.hashed import HashedEncoder

        return HashedEncoder()
    if model is not None and not isinstance(model, (str, PathLike)):
        raise ConfigError(f"a model is a name, a path or an Encoder, not {model!r}")
    from arrowetl.ml.sentences import SentenceEncoder

    return SentenceEncoder(MODEL if model is None else model, batch_size=batch_size)
