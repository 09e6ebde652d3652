"""Where a PostgreSQL server is, and connections to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any
from urllib.parse import quote

from arrowetl.adbc import Connection
from arrowetl.errors import ConfigError, ReadError, closest, did_you_mean
from arrowetl.postgres.errors import Failed, connect_error, translated
from arrowetl.postgres.secrets import ConnectionString
from arrowetl.secret import Secret, hidden

CONNECT_TIMEOUT = 10
"""Seconds to wait for a server that doesn't answer, where nobody said another number."""

SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",  # a table is read from its beginning, so twice in one order
}
"""What makes a value's text, and the order of a table, the same at every reading."""

_COPY_OPTION = "adbc.postgresql.use_copy"

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_OURS = {"client_encoding": "text arrives as UTF-8", "dbname": "give database="}
_NO_DATABASE = re.compile(r'database "(.*)" does not exist')


@dataclass(frozen=True, repr=False)
class Server:
    """A database on a server; what isn't said comes from `PG*` variables and libpq's files.

    A value: it holds no connection. Its `repr` and its `place` show no password. A pool such as
    pgbouncer may be between, in transaction mode too; a reading in ranges has a session for each.

    Args:
        uri: ``postgresql://user:password@host:port/database?sslmode=require``, or libpq's words:
            ``host=db dbname=shop``. The other arguments win over what it says.
        host: the server's name or address, or the folder of its socket.
        port: where it listens.
        database: which of its databases.
        user: as whom.
        password: the user's. Better not here: libpq reads `PGPASSWORD` and ``~/.pgpass``.
        service: a section of ``~/.pg_service.conf`` that says the rest.
        libpq: any other connection parameters by name: ``sslmode``, ``sslrootcert``, ``passfile``,
            ``connect_timeout``, ``application_name``, ``target_session_attrs``.

    Raises:
        ConfigError: an argument makes no sense.

    >>> server = Server(uri="postgresql://ann:hunter2@db/shop", libpq={"sslmode": "require"})
    >>> server.place
    'db/shop'
    >>> "hunter2" in repr(server)
    False
    """

    _: KW_ONLY
    uri: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: str | None = None
    service: str | None = None
    libpq: Mapping[str, str | int] | Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        where = type(self).__name__
        for each in ("uri", "host", "database", "user", "password", "service"):
            _check_text(each, getattr(self, each), where)
        if self.port is not None and (not isinstance(self.port, int) or not 0 < self.port < 2**16):
            raise ConfigError(f"{where}: port is a number from 1 to 65535, not {self.port!r}")
        object.__setattr__(self, "libpq", _parameters(self.libpq, where))
        if self.uri is not None:
            object.__setattr__(self, "uri", _connection_string(self.uri, where))
        hidden(self, "password")

    @property
    def server(self) -> Server:
        """The server alone, without what a subclass knows besides."""
        return Server(**{each.name: getattr(self, each.name) for each in fields(Server)})

    @property
    def place(self) -> str:
        """Host, port and database, as far as they are said: what errors and plans show."""
        uri_host, uri_database = self._string.place
        host = self.host or uri_host or os.environ.get("PGHOST", "")
        if self.port is not None:
            host = f"{host.partition(':')[0] or 'localhost'}:{self.port}"
        database = self.database or uri_database or os.environ.get("PGDATABASE", "")
        if not host and self.service:
            host = f"service {self.service}"
        return f"{host or 'localhost'}{f'/{database}' if database else ''}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may be in no text that people see."""
        told = [*self._string.passwords(), self.password or "", os.environ.get("PGPASSWORD", "")]
        told += [value for key, value in self._parameters() if key in _SECRETS]
        # Who gives a user's name as the password hides nothing, and would get unreadable errors.
        known = {self.user, self.database, self.host, *re.split(r"[:/ ]", self.place), "postgres"}
        return tuple(dict.fromkeys(str(each) for each in told if each and each not in known))

    @property
    def _string(self) -> ConnectionString:
        return ConnectionString(self.uri or "")

    def _parameters(self) -> Iterator[tuple[str, str]]:
        yield from ((key, str(value)) for key, value in dict(self.libpq).items())
        names = {"database": "dbname"}
        for each in ("host", "port", "database", "user", "password", "service"):
            value = getattr(self, each)
            if value is not None:
                yield names.get(each, each), str(value)

    def conninfo(self) -> str:
        """Give what libpq connects by, with the password in it: for drivers only."""
        pairs = dict(self._parameters()) | {"client_encoding": "UTF8"}
        given = f"{self.uri or ''} {' '.join(pairs)}"
        pairs.setdefault("fallback_application_name", "arrowetl")
        # A service file can say it, too, and what we say would win.
        waits = "connect_timeout" in given or "service" in given or "PGSERVICE" in os.environ
        if not waits and "PGCONNECT_TIMEOUT" not in os.environ:
            pairs["connect_timeout"] = str(CONNECT_TIMEOUT)
        if self._string.is_uri:
            return _uri_with(self._string, pairs)
        return " ".join(filter(None, [str(self._string), *map(_word, pairs.items())]))

    def translated(self, where: str, failed: Failed) -> AbstractContextManager[None]:
        """Raise the driver's errors as ours, without this server's password in them."""
        return translated(where, failed, secrets=self.secrets)

    @contextmanager
    def connect(
        self,
        *,
        where: str,
        failed: Failed = ReadError,
        autocommit: bool = False,
        own_types: bool = True,
        first: Sequence[str] = (),
    ) -> Iterator[Connection]:
        """Open a connection, in a transaction that isn't committed by itself.

        All is said inside that transaction, `SESSION` too, and its end takes it away: behind a
        pool, the session may be another one afterwards, and this one is somebody else's. It is
        closed at the end of the block, which rolls back what wasn't committed. Errors of
        the block come as they are: put `translated` around its statements.

        Args:
            where: the place to name in errors.
            failed: what a failure is: `ReadError` or `WriteError`.
            autocommit: whether each statement is a transaction, but for those between a BEGIN and
                a COMMIT of one's own. The driver lets nobody go back to a savepoint otherwise.
            own_types: whether the driver asks for the types that the database defines (enums,
                rows, domains), which takes most of the time of connecting.
            first: what begins the transaction, or is said before all else in it. With
                `autocommit`, a BEGIN is.

        Raises:
            ConfigError: a connection parameter makes no sense, or the driver isn't installed.
            ReadError: it can't be had (or `WriteError`); says what to do. Also `Transient` where
                a second attempt may cure it.
        """
        with closing(self._open(where, failed, autocommit, own_types)) as connection:
            with self.translated(where, failed):
                for statement in (*first, _session_sql()):
                    at_once(connection, statement)
            yield connection

    def _open(self, where: str, failed: Failed, autocommit: bool, own_types: bool) -> Connection:
        from adbc_driver_manager import Error

        driver = driver_of(where)
        options = {} if own_types else {"adbc.postgresql.type_resolver_mode": "builtin"}
        try:
            database = driver.connect(self.conninfo(), db_kwargs=options)
            return Connection(database, autocommit=autocommit)
        except Error as error:
            ours = connect_error(error, where, failed, secrets=self.secrets)
            missing = _NO_DATABASE.search(str(error))
            if missing:
                ours = type(ours)(f"{ours}{self._nearest(driver, missing[1])}")
            # The driver's own text may quote what it couldn't parse, with the password in it.
            leaks = any(secret in str(error) for secret in self.secrets)
            raise ours from (None if leaks else error)

    def _nearest(self, driver: Any, database: str) -> str:
        from adbc_driver_manager import Error

        for other in ("postgres", "template1"):
            there = Server(
                **{each.name: getattr(self, each.name) for each in fields(Server)}
                | {"database": other}
            )
            with suppress(Error), Connection(driver.connect(there.conninfo())) as connection:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT datname FROM pg_database WHERE datallowconn")
                    known = [name for (name,) in cursor.fetchall()]  # small: a server's databases
                return did_you_mean(closest(database, known)).removesuffix(".")
        return ""


def at_once(connection: Connection, sql: str) -> None:
    """Run a statement that gives nothing, in one message.

    The driver else prepares it first, and a pool may have changed the session before it runs.
    """
    with closing(connection.cursor()) as cursor:
        cursor.set_option(_COPY_OPTION, "false")
        cursor.execute(sql)


def driver_of(where: str) -> Any:
    """Give ADBC's driver for PostgreSQL.

    Raises:
        ConfigError: it isn't installed.
    """
    try:
        import adbc_driver_postgresql
    except ImportError as error:
        raise ConfigError(
            f"{where}: PostgreSQL needs a driver: pip install 'arrowetl[postgres]'"
        ) from error
    return adbc_driver_postgresql


def _check_text(each: str, value: object, where: str) -> None:
    if value is not None and (not isinstance(value, str) or "\0" in value):
        shown = "" if each in {"password", "uri"} else f", not {value!r}"
        raise ConfigError(f"{where}: {each} is text without NUL{shown}")


def _connection_string(uri: str, where: str) -> ConnectionString:
    string = ConnectionString(uri)
    if not string.is_clear:
        raise ConfigError(
            f"{where}: uri isn't postgresql://user:password@host:port/database; write odd "
            "characters of user and password as %XX ('@' is %40, '/' is %2F, '%' is %25)"
        )
    return string


def _parameters(given: Any, where: str) -> tuple[tuple[str, str], ...]:
    pairs: Iterable[tuple[Any, Any]] = given.items() if isinstance(given, Mapping) else given
    try:
        known = {str(key): value for key, value in pairs}
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: libpq is a mapping of names to values") from None
    for key, value in known.items():
        if key in _OURS:
            raise ConfigError(f"{where}: libpq can't set {key!r}: {_OURS[key]}")
        if not isinstance(value, str | int) or not re.fullmatch(r"[a-z_]+", key):
            raise ConfigError(f"{where}: libpq's {key!r} is a name in lower case with a text")
    return tuple(
        (key, Secret(value) if key in _SECRETS else str(value)) for key, value in known.items()
    )


def _uri_with(uri: str, pairs: Mapping[str, str]) -> str:
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs.items())
    return f"{uri}{'&' if '?' in uri else '?'}{query}"


def _word(pair: tuple[str, str]) -> str:
    key, value = pair
    return key + "='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _session_sql() -> str:
    calls = [f"set_config('{key}', '{value}', true)" for key, value in SESSION.items()]
    return f"SELECT {', '.join(calls)}"
