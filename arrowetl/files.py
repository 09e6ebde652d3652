"""Files that appear all at once: staging beside the destination, renames, locks.

Rows wait in a hidden folder beside their destination, on the same filesystem, so that one rename
makes them visible. The folder is locked (`flock`) for as long as its process lives: a run that
was killed leaves one that nobody locks, which the next run finds and removes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arrowetl.errors import WriteError

OLD = "old"
"""What a destination is called in staging between two renames, where they can't be one."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
_NO_LINK = {errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK}


def destination_path(path: str, *, where: str) -> Path:
    """Give the absolute path that a destination really has, symbolic links followed.

    Raises:
        WriteError: the folder it should be in isn't there, or may not be written.
    """
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        what = "is a file" if real.parent.exists() else "isn't there; create it or mend the path"
        raise WriteError(f"{where}: the folder {str(real.parent)!r} {what}")
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise WriteError(f"{where}: the folder {str(real.parent)!r} may not be written")
    return real


class Staging:
    """A hidden folder beside a destination, in which rows wait until all are there.

    Making one removes those of runs that were killed. It is no context manager: who publishes or
    gives up closes it.

    Args:
        destination: an absolute path; what is there stays as it is until `publish`.
        salvage: is given each folder of a killed run before that is removed.

    Raises:
        OSError: the folder can't be made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     destination = Path(folder, "rows.txt")
    ...     staging = Staging(destination)
    ...     staged = staging.folder / "new"
    ...     _ = staged.write_text("three rows")
    ...     staging.publish(staged, overwrite=False)
    ...     staging.close()
    ...     destination.read_text(), [path.name for path in Path(folder).iterdir()]
    ('three rows', ['rows.txt'])
    """

    def __init__(self, destination: Path, *, salvage: Callable[[Path], None] | None = None) -> None:
        """Remove what killed runs left, and make the folder."""
        sweep(destination, salvage=salvage)
        self.destination = destination
        self.folder, self._lock = _locked_folder(destination)

    def publish(self, staged: Path, *, overwrite: bool) -> None:
        """Put a staged file or folder in the destination's place, durably and at once.

        Readers see the old one or the new one. Where the filesystem can't swap two folders, they
        see none for an instant; a run killed in that instant is undone by the next.

        Args:
            staged: what to publish; it is in `folder`.
            overwrite: whether something may be there; it goes when this is closed.

        Raises:
            FileExistsError: something is there, and `overwrite` is False.
            OSError: the destination is as it was.
        """
        sync_tree(staged)
        if staged.is_dir():
            self._publish_folder(staged, overwrite=overwrite)
        elif overwrite:
            staged.replace(self.destination)
        else:
            _move_new(staged, self.destination)
        sync(self.destination.parent)

    def _publish_folder(self, staged: Path, *, overwrite: bool) -> None:
        if not overwrite or not self.destination.exists():
            # An empty folder may be in the way; a full one makes this fail, as it should.
            staged.rename(self.destination)
            return
        if not exchange(staged, self.destination):
            self.destination.rename(self.folder / OLD)
            staged.rename(self.destination)

    def close(self) -> None:
        """Remove the folder with all that is left in it. Safe twice."""
        if self._lock >= 0:
            _remove(self.folder)
            os.close(self._lock)
            self._lock = -1


def sweep(destination: Path, *, salvage: Callable[[Path], None] | None = None) -> None:
    """Remove the staging folders whose process was killed; undo what it had half done."""
    for folder in sorted(destination.parent.glob(f"{_escaped(_prefix(destination))}*")):
        lock = _try_lock(folder)
        if lock is None:
            continue
        try:
            if (folder / OLD).exists() and not destination.exists():
                (folder / OLD).rename(destination)
            if salvage is not None:
                salvage(folder)
            _remove(folder)
        finally:
            os.close(lock)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs from publishing into `folder` meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                sync(Path(folder, name))
            sync(Path(folder))
    else:
        sync(path)


def link_tree(source: Path, target: Path) -> None:
    """Give `target` all that is in the folder `source`: the same files, not copies of them.

    Costs a system call a file; where the filesystem has no hard links, files are copied.
    """
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def exchange(one: Path, two: Path) -> bool:
    """Swap two paths at once; False if this system or filesystem can't, and nothing happened."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:  # pragma: no cover - not Linux
        return False
    names = (os.fsencode(one), os.fsencode(two))
    if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(two))


def _prefix(destination: Path) -> str:
    # Names have a limit of 255 bytes, and the destination's may be as long as that.
    short = os.fsdecode(os.fsencode(destination.name)[:180])
    return f".{short}.arrowetl-"


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def _locked_folder(destination: Path) -> tuple[Path, int]:
    while True:
        folder = destination.parent / f"{_prefix(destination)}{uuid.uuid4().hex[:12]}.tmp"
        folder.mkdir()
        # Until it is locked, another run may take it for an orphan, and remove it.
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove(folder: Path) -> None:
    # What can't be removed now is an orphan, and the next run's to remove.
    shutil.rmtree(folder, ignore_errors=True)


def _move_new(staged: Path, destination: Path) -> None:
    """Rename, unless something is there."""
    try:
        os.link(staged, destination)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if destination.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(destination)) from error
        staged.rename(destination)
    else:
        with suppress(FileNotFoundError):
            staged.unlink()


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(source, target, follow_symlinks=False)
    return target
