"""Folders of files that change all at once: replaced, or added to."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePath
from urllib.parse import unquote

from arrowetl.errors import WriteError
from arrowetl.files import Staging, link_tree, locked, sync, sync_tree

_OURS = {".parquet", ".crc"}
_KNOWN = {"_SUCCESS", "_metadata", "_common_metadata"}


def refuse_foreign(folder: Path, *, where: str) -> None:
    """Raise WriteError if replacing a folder would delete what isn't Parquet."""
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and is_foreign(path):
            raise WriteError(
                f"{where}: mode='replace' would delete {str(path)!r}, which isn't Parquet; "
                f"move it, or write to another folder"
            )


def is_foreign(path: PurePath) -> bool:
    """Tell by its name what isn't Parquet, nor lies beside it.

    >>> is_foreign(PurePath("a/part-0.parquet")), is_foreign(PurePath("a/notes.txt"))
    (False, True)
    """
    return path.suffix not in _OURS and path.name not in _KNOWN


def partitions_of(path: PurePath) -> list[str]:
    """Give the columns that are folders in a file's path, as Hive writes them.

    >>> partitions_of(PurePath("paid%20on=2024-01-02/city=Oslo/part-0.parquet"))
    ['paid on', 'city']
    """
    return [unquote(part.partition("=")[0]) for part in path.parts[:-1] if "=" in part]


def replace_folder(staging: Staging, new: Path, *, where: str) -> None:
    """Put the folder `new` in the destination's place."""
    with locked(staging.destination.parent):
        if staging.destination.exists():
            refuse_foreign(staging.destination, where=where)
        staging.publish(new, overwrite=True)


def add_to_folder(staging: Staging, new: Path) -> None:
    """Add the files in the folder `new` to the destination, all at once.

    One file is renamed into it. For several, a second folder with links to all files takes the
    destination's place, so that no reader sees some of them.
    """
    destination = staging.destination
    added = [path for path in new.rglob("*") if not path.is_dir()]
    with locked(destination.parent):
        if not destination.exists():
            staging.publish(new, overwrite=False)
        elif len(added) == 1:
            _add_one(added[0], destination / added[0].relative_to(new))
        elif added:
            whole = staging.folder / "whole"
            sync_tree(new)
            link_tree(destination, whole)
            link_tree(new, whole)
            shutil.copystat(destination, whole)
            staging.publish(whole, overwrite=True)


def _add_one(staged: Path, target: Path) -> None:
    sync_tree(staged)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    sync(target.parent)
