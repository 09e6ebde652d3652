"""Multipart uploads: made ready where nobody sees them, completed at once, or ended.

An object appears when its upload is completed, and not before. An upload whose process was killed
costs storage until somebody ends it: each is noted in a file before its first byte is sent, so that
the next run finds it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar

from arrowetl.errors import WriteError
from arrowetl.stores.s3 import Address, Store, asking, broken, code_of

PART = 8 << 20
"""Bytes of a part; more where there would be too many."""
MOST_PARTS = 10_000
AT_A_TIME = 8
"""Parts, or small objects, that are sent at a time: each is held in memory."""
ABANDONED = timedelta(days=1)
"""After so long an upload is taken for one of a killed run on another machine."""
RUN = "arrowetl-run"
"""The metadata by which an object says which run wrote it."""
_GONE = {"NoSuchUpload", "NoSuchKey", "404"}
_REFUSED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}

T = TypeVar("T")
R = TypeVar("R")


class ChangedError(WriteError):
    """Somebody else wrote the object since it was looked at."""


@dataclass(frozen=True)
class Upload:
    """An upload that is begun: all that is needed to complete it, or to end it."""

    bucket: str
    key: str
    upload_id: str
    parts: tuple[str, ...] = ()
    """The ETags of its parts, in order."""

    @property
    def at(self) -> Address:
        """Where the object will be."""
        return Address(self.bucket, self.key)


class Uploads:
    """The uploads of one run.

    Args:
        store: where to.
        notes: a file that outlives the process, for the next run to find.
        run: what names this run.
        where: the sink, for messages.
    """

    def __init__(self, store: Store, notes: Path, run: str, *, where: str) -> None:
        """Nothing is sent yet."""
        self.store = store
        self.run = run
        self._notes = notes
        self._where = where
        self._open: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def prepare(self, files: Sequence[tuple[Path, Address]]) -> list[Upload]:
        """Send files as uploads that need only be completed; nobody sees them yet."""
        begun = at_once(self._begin, [at for _, at in files])
        parts = [
            (upload, path, number, start, size)
            for upload, (path, _) in zip(begun, files, strict=True)
            for number, (start, size) in enumerate(_cut(path.stat().st_size), 1)
        ]
        tags = at_once(self._send, parts)
        sent: dict[str, list[str]] = {}
        for (upload, *_), tag in zip(parts, tags, strict=True):
            sent.setdefault(upload.upload_id, []).append(tag)
        return [
            Upload(each.bucket, each.key, each.upload_id, tuple(sent[each.upload_id]))
            for each in begun
        ]

    def _begin(self, at: Address) -> Upload:
        with asking(f"{self._where}: {at.url!r}", WriteError):
            answer = self.store.client.create_multipart_upload(
                Bucket=at.bucket, Key=at.key, Metadata={RUN: self.run}
            )
        upload = Upload(at.bucket, at.key, answer["UploadId"])
        with self._lock:
            with self._notes.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps(asdict(upload)) + "\n")
            self._open[upload.upload_id] = upload
        return upload

    def probe(self, at: Address) -> None:
        """Try whether an object may be put, by an upload that is ended at once.

        Raises:
            WriteError: it may not.
        """
        self._begin(at)
        self.abort()

    def _send(self, part: tuple[Upload, Path, int, int, int]) -> str:
        upload, path, number, start, size = part
        with path.open("rb") as file:
            file.seek(start)
            body = file.read(size)
        with asking(f"{self._where}: {upload.at.url!r}", WriteError):
            answer = self.store.client.upload_part(
                Bucket=upload.bucket,
                Key=upload.key,
                UploadId=upload.upload_id,
                PartNumber=number,
                Body=body,
            )
        return str(answer["ETag"])

    def complete(self, upload: Upload, *, there: str | None = "*") -> None:
        """Let the object appear, in the place of what is there.

        Args:
            upload: what `prepare` gave.
            there: what has to be there still: the object of this ETag; nothing if None; anything
                if it is `*`.

        Raises:
            ChangedError: something else is there; nothing happened.
            WriteError: the server says no.
        """
        from botocore.exceptions import ClientError

        place = f"{self._where}: {upload.at.url!r}"
        with asking(place, WriteError):
            try:
                self._complete(upload, there)
            except (ClientError, *broken()) as error:
                # It may have been done, and the answer lost; a repeated request is refused then.
                if not self._is_ours(upload.at):
                    if isinstance(error, ClientError) and code_of(error) in _REFUSED:
                        raise _changed(place) from error
                    raise
        self._open.pop(upload.upload_id, None)

    def _complete(self, upload: Upload, there: str | None) -> None:
        tags = enumerate(upload.parts, 1)
        answer = self.store.client.complete_multipart_upload(
            Bucket=upload.bucket,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in tags]},
            **condition(there),
        )
        answer["ETag"]  # an answer that was cut off hasn't one

    def _is_ours(self, at: Address) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self.store.client.head_object(Bucket=at.bucket, Key=at.key)
        except (BotoCoreError, ClientError, KeyError):
            return False
        return bool(found["Metadata"].get(RUN) == self.run)

    def abort(self) -> None:
        """End all that isn't completed; nothing of it is seen. Safe twice."""
        for upload in list(self._open.values()):
            end(self.store, upload)
            del self._open[upload.upload_id]


def _cut(size: int) -> Iterator[tuple[int, int]]:
    """Cut a file into parts: from where, and how long; an empty one has a part, too."""
    part = max(PART, -(-size // MOST_PARTS))
    for start in range(0, max(size, 1), part):
        yield start, min(part, size - start)


def condition(there: str | None) -> dict[str, str]:
    """Give the header by which a put happens only where `there` is there; see `complete`.

    >>> condition(None), condition('"5d41"'), condition("*")
    ({'IfNoneMatch': '*'}, {'IfMatch': '"5d41"'}, {})
    """
    if there is None:
        return {"IfNoneMatch": "*"}
    return {} if there == "*" else {"IfMatch": there}


def _changed(place: str) -> ChangedError:
    return ChangedError(f"{place}: somebody else has written it meanwhile; run again")


def put(store: Store, at: Address, body: bytes, *, where: str, there: str | None = "*") -> str:
    """Put a small object, on the condition that `there` is there; give its ETag.

    Raises:
        ChangedError: something else is there; nothing happened.
    """
    from botocore.exceptions import ClientError

    place = f"{where}: {at.url!r}"
    with asking(place, WriteError):
        try:
            answer = store.client.put_object(
                Bucket=at.bucket, Key=at.key, Body=body, **condition(there)
            )
        except ClientError as error:
            if code_of(error) in _GONE | _REFUSED:
                raise _changed(place) from error
            raise
    return str(answer["ETag"])


def remove(store: Store, bucket: str, keys: Sequence[str], *, where: str) -> None:
    """Remove objects, a thousand a request; those that aren't there are no trouble."""
    for start in range(0, len(keys), 1000):
        some = [{"Key": key} for key in keys[start : start + 1000]]
        with asking(where, WriteError):
            answer = store.client.delete_objects(
                Bucket=bucket, Delete={"Objects": some, "Quiet": True}
            )
        for trouble in answer.get("Errors", ()):
            raise WriteError(f"{where}: {trouble['Key']!r} can't be removed: {trouble['Message']}")


def end(store: Store, upload: Upload) -> bool:
    """End an upload; False where the server doesn't let us, or doesn't answer."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        store.client.abort_multipart_upload(
            Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id
        )
    except ClientError as error:
        return code_of(error) in _GONE
    except BotoCoreError:
        return False
    return True


def noted(notes: Path) -> Iterator[Upload]:
    """Give the uploads that a killed run has noted."""
    if notes.exists():
        for line in notes.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):  # the last may be cut off
                yield Upload(**json.loads(line))


def abandoned(store: Store, at: Address, is_ours: Callable[[str], bool]) -> Iterator[Upload]:
    """Give uploads of ours, by their keys, that are so old that nobody is at them any more."""
    from botocore.exceptions import BotoCoreError, ClientError

    before = datetime.now(timezone.utc) - ABANDONED
    try:
        pages = store.client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=at.bucket, Prefix=at.key):
            for each in page.get("Uploads", ()):
                if each["Initiated"] < before and is_ours(each["Key"]):
                    yield Upload(at.bucket, each["Key"], each["UploadId"])
    except (BotoCoreError, ClientError):
        return  # who may not list them leaves them to a lifecycle rule


def at_once(work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Give what `work` gives for each, in order, several at a time; the first error ends all."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(work, things))
