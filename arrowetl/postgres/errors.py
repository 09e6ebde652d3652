"""PostgreSQL's errors as ours: what is wrong, what to do, and whether trying again can cure it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from arrowetl.errors import (
    WITHHELD,
    ArrowETLError,
    ConfigError,
    ReadError,
    Transient,
    WriteError,
)
from arrowetl.postgres.secrets import scrubbed

Failed = type[ReadError] | type[WriteError]


class PassingReadError(ReadError, Transient):
    """The server went away, or couldn't answer now: a second attempt may read it."""


class PassingWriteError(WriteError, Transient):
    """The server went away, or couldn't take the rows now: a second attempt may write them."""


_TRANSIENT: dict[type[ArrowETLError], type[ArrowETLError]] = {
    ReadError: PassingReadError,
    WriteError: PassingWriteError,
}

PASSING_STATES = (
    "08",  # the connection was lost
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53300",  # too many connections
    "55P03",  # a lock couldn't be had in time
    "57P01",  # the server is shut down
    "57P02",  # it crashed
    "57P03",  # it starts
    "57P05",  # it ended an idle session
)
"""SQLSTATEs, or how they begin, of what may pass when tried again. Nothing else is tried again."""

GONE_STATES = ("08", "57P")

UNSEEN_STATES = ("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
"""How SQLSTATEs begin whose messages show no value of a row."""

LOST = (
    "server closed the connection unexpectedly",
    "terminating connection",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "connection not open",
    "connection reset",
    "ssl syscall error",
    "ssl connection has been closed unexpectedly",
    "lost synchronization with server",
    "conflict with recovery",
    "could not serialize access",
    "deadlock detected",
)
"""What is said, without a SQLSTATE, when the server went away, or what passes stopped a stream.

The driver forgets SQLSTATE and details once a stream has begun."""

NOT_OWNER = "must be owner of"

STATE_ADVICE = {
    "42501": "ask the owner for the right: GRANT ... TO this user",
    "42P01": "is the schema right? a name outside the search path needs it: schema.table",
    "3F000": "the schema has to be made first: CREATE SCHEMA",
    "57014": "a timeout of the server or of this user (statement_timeout) ended the statement",
    "53100": "the server's disk is full",
    "25006": "the server, or this user, may only read",
    "40001": "another transaction changed the same rows; try again",
    "40P01": "another transaction held what this one needed; try again",
}

# Texts of a failed connection, which has no SQLSTATE: what to do, and whether it may pass.
CONNECT_ADVICE: tuple[tuple[str, str, bool], ...] = (
    ("connection refused", "is the server running, and are host and port right?", True),
    ("no such file or directory", "nothing listens on that socket; give host= and port=", True),
    (
        "timeout expired",
        "nothing answered; are host and port right, does a firewall drop it?",
        True,
    ),
    ("temporary failure in name resolution", "is the host right?", True),
    ("could not translate host name", "is the host right?", False),
    ("password authentication failed", "check user= and password=", False),
    (
        "no password supplied",
        "give password=, set PGPASSWORD, or put the password in a passfile (~/.pgpass)",
        False,
    ),
    (
        "no pg_hba.conf entry",
        "its pg_hba.conf doesn't let this user in from here; 'no encryption' asks for TLS",
        False,
    ),
    ("does not support ssl", "the server speaks no TLS; sslmode='prefer' goes without it", False),
    ("root certificate file", "give the CA's certificate: sslrootcert, in libpq=", False),
    (
        "certificate verify failed",
        "is it the CA's that signed the server's? sslrootcert, in libpq=",
        False,
    ),
    ("does not match host name", "connect by the name that is in the server's certificate", False),
    ("definition of service", "is it in ~/.pg_service.conf, or where PGSERVICEFILE says?", False),
    ("is not permitted to log in", "the user is a group: ALTER ROLE ... LOGIN", False),
    ("too many", "the server takes no more connections now", True),
    ("remaining connection slots", "the server takes no more connections now", True),
    ("starting up", "the server isn't ready yet", True),
    ("shutting down", "the server stops", True),
    ("in recovery mode", "the server isn't ready yet", True),
    ("server closed the connection unexpectedly", "is it a PostgreSQL that answers there?", True),
)

NO_ROOM = (
    "too many",
    "remaining connection slots",
    "no more connections allowed",
    "query_wait_timeout",
)
"""What is said where nobody else may connect; the last two by pgbouncer."""

MISDESCRIBED = (
    "invalid uri",
    "invalid connection option",
    "invalid integer value",
    "invalid port number",
    "invalid percent-encoded",
    "forbidden value",
    "in connection info string",
    "unexpected character",
    'missing "="',
    "unterminated quoted string",
    "end of string reached",
    "invalid sslmode",
    " value:",
)
"""What libpq says of connection parameters that make no sense."""


@contextmanager
def translated(where: str, failed: Failed, *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Raise the driver's errors as ours, with no secret in them, and themselves as the cause.

    A lost connection, a serialization failure and the like are `Transient` as well.

    Args:
        where: the place to name.
        failed: what a failure is: `ReadError` or `WriteError`.
        secrets: what no text may have.
    """
    import adbc_driver_manager

    try:
        yield
    except ArrowETLError:
        raise
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise statement_error(error, where, failed, secrets=secrets) from error


def statement_error(
    error: BaseException, where: str, failed: Failed, *, secrets: Iterable[str] = ()
) -> ArrowETLError:
    """Give our error for one of a statement: the server's words and what to do."""
    state, told = sqlstate(error), primary(error)
    advice = STATE_ADVICE.get(state or "")
    if told.startswith(NOT_OWNER):
        advice = "the owner may, and members of the owner's role; no GRANT gives that"
    if state.startswith(GONE_STATES) if state else is_lost(error):
        advice = "the server went away; try again"
    text = scrubbed(f"{told}{f' ({advice})' if advice else ''}", secrets)
    ours = _kind(failed, transient=may_pass(error))(f"{where}: {text}")
    if failed is ReadError:
        unseen = state and state.startswith(UNSEEN_STATES)
        ours.bare = f"{where}: {text if unseen else advice or WITHHELD}"
    return ours


def connect_error(
    error: BaseException, where: str, failed: Failed, *, secrets: Iterable[str] = ()
) -> ArrowETLError:
    """Give our error for a connection that couldn't be had."""
    text = scrubbed(primary(error), secrets).partition(" Is the server running")[0]
    lower = text.lower()
    for mark, advice, passes in CONNECT_ADVICE:
        if mark in lower:
            said = f"{where}: can't connect: {text}; {advice}"
            return _kind(failed, transient=passes)(said, bare=said)
    if any(mark in lower for mark in MISDESCRIBED):
        return ConfigError(f"{where}: {text}")
    said = f"{where}: can't connect: {text}"
    return _kind(failed, transient=may_pass(error))(said, bare=said)


def no_room(error: BaseException) -> bool:
    """Say whether a connection wasn't to be had because others have all that there are."""
    state = sqlstate(error.__cause__) if error.__cause__ else None
    return state == "53300" or any(mark in str(error).lower() for mark in NO_ROOM)


def _kind(failed: Failed, *, transient: bool) -> type[ArrowETLError]:
    return _TRANSIENT[failed] if transient else failed


def sqlstate(error: BaseException) -> str | None:
    """Give the five characters by which PostgreSQL tells errors apart, if the server spoke."""
    return getattr(error, "sqlstate", None)


def diagnostics(error: BaseException) -> dict[str, str]:
    """Give what the server told about an error: `message_primary`, `constraint_name`, ..."""
    details: Any = getattr(error, "details", None) or ()
    return {
        key.decode().removeprefix("PG_DIAG_").lower(): value.decode(errors="replace")
        for key, value in ((_bytes(key), value) for key, value in details)
        if isinstance(value, bytes)
    }


def _bytes(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else key.encode()


def primary(error: BaseException) -> str:
    """Give the server's own sentence and its detail, without the statement that it quotes."""
    told = diagnostics(error)
    if "message_primary" in told:
        detail = told.get("message_detail")
        return f"{told['message_primary']}{f' ({detail})' if detail else ''}"
    text = str(error).split("\nQuery was:")[0]
    text = re.sub(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to connect: )?", "", text)
    text = re.sub(r"^Execution error \[PGRES_FATAL_ERROR\]: \w+: ", "", text)
    text = re.sub(r"^PQ\w+\(\) failed: ", "", text)
    return re.sub(r"\s+", " ", text.partition("\nDETAIL: ")[0]).strip()


def missing_relation(error: BaseException | None) -> str:
    """Give the name of the table that isn't there, from the server's sentence; empty if untold."""
    told = diagnostics(error).get("message_primary", "") if error else ""
    found = re.search(r'["«»„“](.+)["«»„“]', told)
    return found[1].strip() if found else ""


def is_lost(error: BaseException) -> bool:
    """Say whether the server went away, as libpq says it."""
    text = str(error).lower()
    return any(mark in text for mark in LOST)


def may_pass(error: BaseException) -> bool:
    """Say whether a second attempt may work where this error came."""
    state = sqlstate(error)
    return state.startswith(PASSING_STATES) if state else is_lost(error)
