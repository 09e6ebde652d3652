"""Objects in a store as the places of file loaders: what appears, and when."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path, PurePath

from arrowetl.errors import ReadError, Transient, WriteError
from arrowetl.files import Staging
from arrowetl.sinks.folders import is_foreign
from arrowetl.sinks.places import Place, Stage
from arrowetl.stores.intents import NAME, change, settle
from arrowetl.stores.objects import Object, below, fetch, head
from arrowetl.stores.s3 import Address, BusyWriteError, Store
from arrowetl.stores.uploads import Uploads, abandoned, end, noted

HEAD = 1 << 20
"""How much of an object is fetched to look at its first line."""
LOOKED_AT = 1_000
"""How many keys are looked at for a Parquet file: those of one listing."""
NOTES = "uploads"
"""What the file with a run's uploads is called in its folder."""


class S3Place(Place):
    """A key, or all keys below one that ends in a slash."""

    def __init__(self, store: Store, at: Address, where: str, *, folder: bool = False) -> None:
        """Nothing is asked yet; a `folder` is meant without its slash, too."""
        self._store, self._named, self._where = store, at, where
        self._at = at
        if folder and at.key and not at.key.endswith("/"):
            self._at = Address(at.bucket, f"{at.key}/")

    def is_file(self) -> bool:
        """Ask for the object that is called as the place was; readers would see only that."""
        if self._named.key.endswith("/") or not self._named.key:
            return False
        return self._object() is not None

    def is_folder(self) -> bool:
        """Whether any object is below the key."""
        return not self.is_empty() if self._is_folder else any(True for _ in self._below())

    def is_empty(self) -> bool:
        """Whether there is no object, but for those that say what runs are about to do."""
        return next(self._below(), None) is None if self._is_folder else not self.is_file()

    def refuse_foreign(self) -> None:
        """Look at all keys below."""
        refuse_foreign_objects(self._below(), self._where)

    def example(self) -> PurePath | None:
        """Give the first by its key, if it is among the first that a listing gives."""
        for each in islice(self._below(), LOOKED_AT):
            path = PurePath(each.at.key.removeprefix(self._folder.key))
            if path.suffix == ".parquet":
                return path
        return None

    @contextmanager
    def beginning(self) -> Iterator[Path]:
        """Fetch the beginning of the object."""
        with tempfile.TemporaryDirectory(prefix="arrowetl-") as folder:
            path, there = Path(folder, Path(self._at.key).name), self._object()
            if there is not None:
                fetch(there, path, where=self._where, limit=None if _is_zip(path) else HEAD)
            yield path

    def stage(self) -> Stage:
        """Make a folder in the system's temporary one; remove what killed runs left."""
        return S3Stage(self._store, self._at, self._where)

    def try_out(self) -> str:
        """Begin an upload, and end it."""
        self.stage().close()
        return f"{self._at.url!r} may be written, at {self._store.address}"

    @property
    def preview(self) -> Path:
        """A name in the system's temporary folder."""
        return Path(tempfile.gettempdir(), Path(self._at.key).name or self._at.bucket)

    @property
    def _is_folder(self) -> bool:
        return not self._at.key or self._at.key.endswith("/")

    def _object(self) -> Object | None:
        with _writing():
            return head(self._store, self._named, where=self._where)

    def _below(self) -> Iterator[Object]:
        with _writing():
            yield from _visible(self._store, self._folder, self._where)

    @property
    def _folder(self) -> Address:
        return self._at if self._is_folder else Address(self._at.bucket, f"{self._at.key}/")


class S3Stage(Stage):
    """A folder in the system's temporary one, from which objects are uploaded.

    It is locked for as long as its process lives, and has notes of the uploads in it: the next run
    to the same place on this machine ends those of a killed one.
    """

    def __init__(self, store: Store, at: Address, where: str) -> None:
        """Look whether the bucket is there; remove what killed runs left."""
        self._store, self._at, self._where = store, at, where
        self._check_bucket()
        name = hashlib.sha256(f"{store.address} {at.url}".encode()).hexdigest()[:24]
        self._dead: list[str] = []
        self._staging = Staging(Path(tempfile.gettempdir(), f"s3-{name}"), salvage=self._salvage)
        self.folder = self._staging.folder
        self.folder.chmod(0o700)  # whoever shares the machine has no business in it
        self._run = uuid.uuid4().hex
        (self.folder / self._run).with_suffix(".run").touch()
        self._uploads = Uploads(store, self.folder / NOTES, self._run, where=where)
        self._there: str | None = "*"
        self._uploads.probe(self._key(Path("part-probe")) if self._is_folder else at)
        for upload in abandoned(store, at, self._is_ours):
            end(store, upload)
        if self._is_folder:
            with _writing():
                settle(store, at, where=where, dead=self._dead)

    def _check_bucket(self) -> None:
        with _writing():
            next(below(self._store, self._at, where=self._where), None)

    def _salvage(self, folder: Path) -> None:
        for upload in noted(folder / NOTES):
            end(self._store, upload)
        self._dead += [path.stem for path in folder.glob("*.run")]

    def _is_ours(self, key: str) -> bool:
        if not self._is_folder:
            return key == self._at.key
        return Path(key).name.startswith("part-")

    @property
    def _is_folder(self) -> bool:
        return not self._at.key or self._at.key.endswith("/")

    def alone(self) -> AbstractContextManager[None]:
        """Nothing can be locked; conditions on what is there stand in for it."""
        return nullcontext()

    def existing(self) -> Path | None:
        """Fetch the object, and remember its ETag."""
        with _writing():
            there = head(self._store, self._at, where=self._where)
            self._there = there.etag if there else None
            if there is None:
                return None
            path = self.folder / "existing" / Path(self._at.key).name
            path.parent.mkdir(exist_ok=True)
            fetch(there, path, where=self._where)
            return path

    def publish(self, staged: Path, *, overwrite: bool) -> None:
        """Upload a file and complete it; a folder's files as `replace` does."""
        if staged.is_dir():
            self._put_folder(staged, overwrite=overwrite)
            return
        (upload,) = self._uploads.prepare([(staged, self._at)])
        self._uploads.complete(upload, there=self._there if overwrite else None)

    def _put_folder(self, staged: Path, *, overwrite: bool) -> None:
        if not overwrite and next(self._objects(), None) is not None:
            raise FileExistsError(f"{self._at.url!r} has objects by now")
        self.replace(staged)

    def add(self, staged: Path) -> None:
        """Upload all files, then let them appear."""
        self._change(staged, replacing=False)

    def replace(self, staged: Path) -> None:
        """Upload all files, let them appear, then remove the others."""
        self._change(staged, replacing=True)

    def _change(self, staged: Path, *, replacing: bool) -> None:
        paths = sorted(path for path in staged.rglob("*") if path.is_file())
        files = [(path, self._key(path.relative_to(staged))) for path in paths]
        new = self._uploads.prepare(files)
        kept = {at.key for _, at in files}

        def old() -> list[str]:
            refuse_foreign_objects(self._objects(), self._where)
            return [each.at.key for each in self._objects() if each.at.key not in kept]

        change(self._uploads, self._at, new, old if replacing else list, where=self._where)

    def _key(self, path: Path) -> Address:
        return Address(self._at.bucket, self._at.key + path.as_posix())

    def _objects(self) -> Iterator[Object]:
        with _writing():
            yield from _visible(self._store, self._at, self._where)

    def close(self) -> None:
        """End the uploads, remove the folder."""
        self._uploads.abort()
        self._staging.close()


def _visible(store: Store, folder: Address, where: str) -> Iterator[Object]:
    for each in below(store, folder, where=where):
        if not Path(each.at.key).name.startswith(NAME):
            yield each


def refuse_foreign_objects(objects: Iterable[Object], where: str) -> None:
    """Raise WriteError for the first of them that isn't Parquet."""
    for each in objects:
        if is_foreign(Path(each.at.key)) and not each.at.key.endswith("/"):
            raise WriteError(
                f"{where}: mode='replace' would delete {each.at.url!r}, which isn't Parquet; "
                f"move it, or write to another folder"
            )


def _is_zip(path: Path) -> bool:
    return path.suffix == ".zip"


@contextmanager
def _writing() -> Iterator[None]:
    """Raise as WriteError what a look into the destination finds wrong."""
    try:
        yield
    except ReadError as error:
        kind = BusyWriteError if isinstance(error, Transient) else WriteError
        raise kind(str(error)) from error
