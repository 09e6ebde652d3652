"""Several objects that change together, as nearly as a store allows it.

A store changes one object at a time. So that a run that is killed between two of them is undone or
finished by the next, an object of its own says beforehand what is to change: the intent.

1. It lists the new objects and is put before the first of them appears: whoever finds it undoes
   the run, by removing those.
2. It is put again, on the condition that nobody has touched it, when all of them have appeared, and
   lists the old objects to be removed: whoever finds it then finishes the run.

Readers see the new objects appear one after the other, within the moments that completing them
takes, and in mode `replace` the old ones beside them until they are removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from arrowetl.errors import WriteError
from arrowetl.stores.objects import Object, below
from arrowetl.stores.s3 import Address, Store, asking, code_of
from arrowetl.stores.uploads import (
    ChangedError,
    Upload,
    Uploads,
    at_once,
    end,
    put,
    remove,
)

NAME = "_arrowetl-"
"""How the keys of intents begin, within their folder: readers of tables pass over it."""
STALE = timedelta(hours=1)
"""After so long an intent is taken for one of a killed run on another machine."""


@dataclass(frozen=True)
class Intent:
    """What a run is about to change.

    Attributes:
        new: the uploads whose objects are to appear; none any more, once all have.
        old: the keys to be removed, once all have appeared.
        done: whether all have appeared.
    """

    new: tuple[Upload, ...] = ()
    old: tuple[str, ...] = ()
    done: bool = False

    def text(self) -> bytes:
        """Give it as it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, text: bytes) -> Intent:
        """Read one that was stored."""
        said: dict[str, Any] = json.loads(text)
        new = tuple(Upload(**each | {"parts": tuple(each["parts"])}) for each in said["new"])
        return cls(new, tuple(said["old"]), said["done"])


def intent_key(folder: Address, run: str) -> Address:
    """Give where a run's intent is put."""
    return Address(folder.bucket, f"{folder.key}{NAME}{run}.json")


def change(
    uploads: Uploads,
    folder: Address,
    new: Sequence[Upload],
    old: Callable[[], Sequence[str]],
    *,
    where: str,
) -> None:
    """Let all the new objects appear, then remove the old ones.

    Args:
        uploads: those of this run.
        folder: what they are in.
        new: what `uploads.prepare` gave.
        old: gives the keys to be removed, when all of `new` have appeared.
        where: the sink, for messages.

    Raises:
        WriteError: it couldn't be done, and was undone.
    """
    store, at = uploads.store, intent_key(folder, uploads.run)
    intent = Intent(tuple(new))
    tag = put(store, at, intent.text(), where=where, there=None)
    try:
        at_once(uploads.complete, new)
        outdated = tuple(old())
        put(store, at, Intent(old=outdated, done=True).text(), where=where, there=tag)
    except BaseException as error:
        try:
            _undo(store, at, intent, where=where)
        except WriteError as second:
            said = f"the next run to {folder.url!r} will undo it ({second})"
            error.__notes__ = [*getattr(error, "__notes__", []), said]  # type: ignore[attr-defined]
        raise
    _finish(store, at, outdated, where=where)


def _undo(store: Store, at: Address, intent: Intent, *, where: str) -> None:
    for upload in intent.new:
        end(store, upload)
    remove(store, at.bucket, [upload.key for upload in intent.new], where=where)
    remove(store, at.bucket, [at.key], where=where)


def _finish(store: Store, at: Address, old: Sequence[str], *, where: str) -> None:
    remove(store, at.bucket, old, where=where)
    remove(store, at.bucket, [at.key], where=where)


def settle(store: Store, folder: Address, *, where: str, dead: Sequence[str] = ()) -> None:
    """Undo or finish what killed runs had half done in a folder.

    Args:
        store: where.
        folder: which.
        where: the sink, for messages.
        dead: runs of which it is known that they were killed; others are waited for an hour.
    """
    known = {intent_key(folder, run).key for run in dead}
    before = (datetime.now(timezone.utc) - STALE).timestamp() * 1e9
    for each in below(store, Address(folder.bucket, folder.key + NAME), where=where):
        if each.at.key in known or each.changed_ns < before:
            _settle_one(store, each, where=where)


def _settle_one(store: Store, thing: Object, *, where: str) -> None:
    from botocore.exceptions import ClientError

    with asking(f"{where}: {thing.at.url!r}", WriteError):
        try:
            answer = store.client.get_object(
                Bucket=thing.at.bucket, Key=thing.at.key, IfMatch=thing.etag
            )
        except ClientError as error:
            if code_of(error) in {"412", "PreconditionFailed", "NoSuchKey", "404"}:
                return  # its run lives, or another has settled it
            raise
        with closing(answer["Body"]) as body:
            intent = Intent.of(body.read())
    if intent.done:
        _finish(store, thing.at, intent.old, where=where)
        return
    try:
        # From here on its run can't say any more that it is done.
        put(store, thing.at, intent.text() + b"\n", where=where, there=thing.etag)
    except ChangedError:
        return
    _undo(store, thing.at, intent, where=where)
