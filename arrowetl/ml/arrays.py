"""Arrays kept in a folder: written beside those that are there, live all at once."""

from __future__ import annotations

import fcntl
import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from arrowetl.errors import StateError, translated
from arrowetl.files import sync

Array: TypeAlias = npt.NDArray[Any]
Entry: TypeAlias = dict[str, Any]
"""What the manifest says of one array: its file, how large it is, checksums."""

MANIFEST = "manifest.json"
FORMAT = 1
_FILE = re.compile(r"\d{6,}-[a-z_]+\.npy|manifest\.json\.new")
_END = 1 << 16
"""So many bytes at a file's beginning and at its end are checked whenever it is opened."""


class Arrays:
    """A folder of arrays for one run at a time, with a manifest that says which ones are live.

    A file is never changed once it is written. What a run writes is live when the manifest names
    it, which is replaced at once; what no manifest names was left by a run that didn't end, and is
    removed. Opening one locks the folder until `close`.

    Args:
        path: the folder; it is made if it isn't there, and the one it is in is.

    Raises:
        StateError: another run uses the folder, it can't be written, or it is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Arrays(Path(folder, "kept"))
    ...     kept.publish({"x": kept.write("x", np.arange(3))})
    ...     kept.close()
    ...     again = Arrays(Path(folder, "kept"))
    ...     again.read(again.manifest["x"]).tolist()
    ...     again.close()
    [0, 1, 2]
    """

    def __init__(self, path: Path) -> None:
        """Lock the folder, read its manifest, remove what nobody finished."""
        self.path = path
        self.manifest: dict[str, Any] = {}
        self.written = 0
        """How many bytes this run has written."""
        if not path.parent.is_dir():
            raise StateError(
                f"the index {str(path)!r}: the folder it is to be in isn't there; create it or "
                "mend the path"
            )
        with self._explained():
            path.mkdir(exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._take_lock()
            with self._explained():
                self._begin()
        except BaseException:
            # Nothing is removed: what can't be read may be somebody's.
            self._unlock()
            raise

    def write(self, name: str, first: Array, *more: Array) -> Entry:
        """Write arrays behind each other as one, along their first axis; give what to keep of it.

        Raises:
            StateError: it can't be written.
        """
        shape = (sum(map(len, (first, *more))), *first.shape[1:])
        return self.stream(name, shape, first.dtype, (first, *more))

    def stream(
        self, name: str, shape: tuple[int, ...], kind: np.dtype[Any], chunks: Iterable[Array]
    ) -> Entry:
        """Write an array that comes in chunks."""
        path = self.path / f"{self._next:06}-{name}.npy"
        self._next += 1
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False}
        whole = 0
        with self._explained(), path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
            for chunk in chunks:
                data = _bytes(chunk)
                whole = zlib.crc32(data, whole)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        self.written += size
        return {"file": path.name, "bytes": size, "ends": _ends(path), "data": whole}

    def read(self, entry: Entry, *, whole: bool = False) -> Array:
        """Map an array into memory: its pages are read as they are used.

        Its size, its beginning and its end are checked, and with `whole` all of it.

        Raises:
            StateError: it isn't as it was written.
        """
        path = self.path / entry["file"]
        try:
            fine = path.stat().st_size == entry["bytes"] and _ends(path) == entry["ends"]
            # A plain array over the mapping: many small reads of a memmap are slow.
            found: Array = np.asarray(np.load(path, mmap_mode="r")) if fine else np.zeros(0)
        except (OSError, ValueError):
            fine = False
        if not fine or (whole and zlib.crc32(_bytes(found)) != entry["data"]):
            raise damaged(self.path, f"{path.name} isn't as it was written")
        return found

    def publish(self, manifest: Mapping[str, Any]) -> None:
        """Make a manifest the live one, durably and at once; remove the arrays it doesn't name.

        Raises:
            StateError: it can't be written; what was live before still is.
        """
        content = {"format": FORMAT, **manifest}
        text = json.dumps({"checksum": _checksum(content), "content": content})
        new = self.path / f"{MANIFEST}.new"
        with self._explained():
            new.write_text(text)
            sync(new)
            sync(self.path)
            new.replace(self.path / MANIFEST)
            sync(self.path)
            self.manifest = content
            self._sweep()

    def close(self) -> None:
        """Remove what this run wrote and didn't publish; let others in. Safe twice."""
        if self._lock >= 0:
            # What can't be removed now is the next run's to remove.
            with suppress(OSError):
                self._sweep()
            self._unlock()

    def _unlock(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def _begin(self) -> None:
        kept = read_manifest(self.path)
        if kept is None and any(self.path.iterdir()):
            raise StateError(
                f"{str(self.path)!r} is no index: it has files, and no {MANIFEST}; name a folder "
                "that is empty or not there"
            )
        if kept is None:
            # A folder with arrays and without a manifest is damaged: never swept.
            self.publish({})
        else:
            self.manifest = kept
            self._sweep()
        numbers = [int(file.name.split("-")[0]) for file in self._files()]
        self._next = 1 + max(numbers, default=0)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"another run uses the index {str(self.path)!r}: wait until it has ended, "
                "or give each its own"
            ) from error

    def _files(self) -> list[Path]:
        return [file for file in self.path.iterdir() if _FILE.fullmatch(file.name)]

    def _sweep(self) -> None:
        live = json.dumps(self.manifest)
        for file in self._files():
            if f'"{file.name}"' not in live:
                file.unlink(missing_ok=True)

    def _explained(self) -> AbstractContextManager[None]:
        return translated(f"the index {str(self.path)!r} can't be written", {OSError: StateError})


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Give what is live in a folder; None if nothing ever was.

    Raises:
        StateError: it is damaged, or was made by a newer arrowetl.
    """
    file = path / MANIFEST
    if not file.exists():
        return None
    try:
        kept = json.loads(file.read_text())
        content = kept["content"]
        fine = _checksum(content) == kept["checksum"]
    except OSError as error:
        raise StateError(f"the index {str(path)!r} can't be read: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise damaged(path, f"{MANIFEST} can't be read") from error
    if not fine:
        raise damaged(path, f"{MANIFEST} isn't as it was written")
    if content["format"] != FORMAT:
        raise StateError(
            f"the index {str(path)!r} has format {content['format']}, and this arrowetl knows "
            f"{FORMAT}: use the version that made it"
        )
    return dict(content)


def damaged(path: Path, what: str) -> StateError:
    """Say what is wrong with a folder, and what to do."""
    return StateError(
        f"the index {str(path)!r} is damaged: {what}; put a copy of the folder back, or remove it "
        "and run once over all rows that were loaded, to make it anew"
    )


def _checksum(content: Mapping[str, Any]) -> int:
    # In its order: that of columns matters.
    return zlib.crc32(json.dumps(content).encode())


def _bytes(array: Array) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _ends(path: Path) -> int:
    with path.open("rb") as file:
        found = zlib.crc32(file.read(_END))
        file.seek(max(path.stat().st_size - _END, 0))
        return zlib.crc32(file.read(_END), found)
