"""An S3 server and who asks it: `Store`, and its errors as ours.

botocore speaks to the server: it knows the standard chain of credentials, lists and ends multipart
uploads, and puts on conditions, of which pyarrow's filesystem does none.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from arrowetl.arguments import flag
from arrowetl.errors import (
    ArrowETLError,
    ConfigError,
    ReadError,
    Transient,
    WriteError,
    closest,
    did_you_mean,
)
from arrowetl.secret import hidden

SCHEME = "s3://"
_BUSY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "429",
    "500",
    "502",
    "503",
    "504",
}
_ADVICE = {
    "AccessDenied": "these credentials have no permission for it; grant it, or use others",
    "403": "these credentials have no permission for it; grant it, or use others",
    "InvalidAccessKeyId": "the server doesn't know this access key; check access_key, or "
    "AWS_ACCESS_KEY_ID and AWS_PROFILE",
    "SignatureDoesNotMatch": "the secret key is wrong for this access key; check secret_key, or "
    "AWS_SECRET_ACCESS_KEY and AWS_PROFILE",
    "ExpiredToken": "the session has expired; get new credentials",
    "InvalidToken": "the session token isn't valid; get new credentials",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "AuthorizationHeaderMalformed": "the bucket is in another region; say region=",
    "PermanentRedirect": "the bucket is in another region or on another server; say region= or "
    "endpoint=",
    "301": "the bucket is in another region; say region=",
    "NoSuchUpload": "the upload was ended by somebody else; run again",
    "PreconditionFailed": "it was changed meanwhile by somebody else; run again",
    "412": "it was changed meanwhile by somebody else; run again",
    "ConditionalRequestConflict": "somebody else is writing it; run again",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "404": "there is no such object",
}


class BusyReadError(ReadError, Transient):
    """A store couldn't be read just now: a throttle, a dropped connection."""


class BusyWriteError(WriteError, Transient):
    """A store couldn't be written just now: a throttle, a dropped connection."""


@dataclass(frozen=True)
class Store:
    """An S3-compatible server, and the credentials to ask it with.

    What isn't given comes from the standard chain of AWS's tools: `AWS_ENDPOINT_URL_S3` or
    `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and its kin, `AWS_PROFILE` and the files in `~/.aws`,
    `AWS_REGION`, single sign-on, web identity, the container's or the machine's role.

    Args:
        endpoint: the server's URL, for servers that aren't Amazon's.
        region: where the buckets are.
        access_key: with `secret_key`, who asks.
        secret_key: never shown.
        session_token: of temporary credentials.
        profile: one of those in `~/.aws/config`.
        anonymous: ask as nobody, for public buckets.

    Raises:
        ConfigError: options contradict each other; botocore isn't installed.

    >>> Store(endpoint="http://127.0.0.1:9000", access_key="me", secret_key="mine")
    Store(endpoint='http://127.0.0.1:9000', region=None, profile=None, anonymous=False)
    """

    _: KW_ONLY
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    anonymous: bool = False

    def __post_init__(self) -> None:
        hidden(self, "secret_key", "session_token")
        flag(self.anonymous, "anonymous", where="Store")
        if find_spec("botocore") is None:
            raise ConfigError("s3:// needs a package that isn't there: pip install 'arrowetl[s3]'")
        if (self.access_key is None) != (self.secret_key is None):
            raise ConfigError("Store: access_key and secret_key belong together; give both")
        if self.session_token is not None and self.access_key is None:
            raise ConfigError("Store: session_token needs access_key and secret_key")
        if self.anonymous and (self.access_key or self.profile):
            raise ConfigError("Store: anonymous=True takes no credentials and no profile")
        if self.endpoint is not None and not _is_url(self.endpoint):
            raise ConfigError(
                "Store: endpoint is a URL without a user in it, as 'https://s3.example.com'"
            )

    @property
    def client(self) -> Any:
        """The client of botocore, one a process and store; threads share it."""
        return _client(self)

    @property
    def address(self) -> str:
        """The server's URL, for messages."""
        return str(self.client.meta.endpoint_url)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username


_lock = threading.Lock()


@lru_cache(maxsize=32)
def _made(store: Store, environment: frozenset[tuple[str, str]]) -> Any:  # noqa: ARG001 - a key
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    more: dict[str, Any] = {"signature_version": UNSIGNED} if store.anonymous else {}
    config = Config(
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=16,
        **more,
    )
    try:
        # Buckets in other regions are found by name; a server of one's own asks for none.
        session = Session(profile=store.profile)
        region = store.region or session.get_config_variable("region") or "us-east-1"
        return session.create_client(
            "s3",
            region_name=region,
            endpoint_url=store.endpoint,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            aws_session_token=store.session_token,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3: {error}") from error


def _client(store: Store) -> Any:
    chain = frozenset(each for each in os.environ.items() if each[0].startswith("AWS_"))
    with _lock:
        return _made(store, chain)


@dataclass(frozen=True)
class Address:
    """Where an object is, or several that begin alike.

    >>> Address.of("s3://sales/2026/01.csv", where="CSVSource")
    Address(bucket='sales', key='2026/01.csv')
    """

    bucket: str
    key: str

    @classmethod
    def of(cls, url: str, *, where: str) -> Address:
        """Take an `s3://` URL apart.

        Raises:
            ConfigError: it names no bucket, or has credentials in it.
        """
        bucket, _, key = url[len(SCHEME) :].partition("/")
        if "@" in bucket or ":" in bucket:
            raise ConfigError(
                f"{where}: s3:// URLs hold no credentials and no port; give endpoint= and keys to "
                "S3Source or S3Loader, or set AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID"
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", bucket):
            raise ConfigError(f"{where}: {url!r} names no bucket; write 's3://bucket/key'")
        return cls(bucket, key)

    @property
    def url(self) -> str:
        """The URL as users write it."""
        return f"{SCHEME}{self.bucket}/{self.key}"


def is_s3(path: object) -> bool:
    """Tell whether a path is an `s3://` URL."""
    return isinstance(path, str) and path[: len(SCHEME)].lower() == SCHEME


@contextmanager
def asking(where: str, kind: type[ArrowETLError] = ReadError) -> Iterator[None]:
    """Raise what botocore and the server complain about as `kind`, with what to do.

    Args:
        where: the place to name.
        kind: ReadError or WriteError.
    """
    from botocore import exceptions as theirs

    busy = BusyWriteError if kind is WriteError else BusyReadError
    try:
        yield
    except theirs.ClientError as error:
        code = code_of(error)
        said = _ADVICE.get(code) or str(error.response.get("Error", {}).get("Message") or code)
        ours = busy if code in _BUSY else kind
        raise _of_store(ours, f"{where}: {said} ({code})") from error
    except broken() as error:
        raise _of_store(busy, f"{where}: {_no_answer(error)}") from error
    except theirs.BotoCoreError as error:
        raise _of_store(kind, f"{where}: {_unasked(error)}") from error


def _of_store(kind: type[ArrowETLError], said: str) -> ArrowETLError:
    """Give an error that has no value of a row in it, since a store knows of none."""
    return kind(said, bare=said)


def broken() -> tuple[type[Exception], ...]:
    """Give what is raised where no answer comes, or half of one: a second attempt may get it.

    Among them is KeyError, of code that looks for what every answer has: botocore takes headers
    that were cut off for an answer with nothing in it.
    """
    from botocore import exceptions as theirs
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    return (
        theirs.ConnectionError,
        theirs.HTTPClientError,
        theirs.IncompleteReadError,
        ResponseParserError,
        HTTPError,
        KeyError,
    )


def code_of(error: Any) -> str:
    """Give the server's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _no_answer(error: Exception) -> str:
    kind = type(error).__name__
    if "SSL" in kind:
        return f"no trusted TLS connection ({error}); check the endpoint, or AWS_CA_BUNDLE"
    if kind in {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}:
        return f"no server answers ({error}); check endpoint=, or AWS_ENDPOINT_URL"
    return f"the connection broke off ({kind}: {error})"


def _unasked(error: Exception) -> str:
    kind = type(error).__name__
    if "Credentials" in kind or "Token" in kind or "SSO" in kind:
        return (
            f"no credentials ({error}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, or give access_key= and secret_key=; anonymous=True for public buckets"
        )
    return str(error)


def missing(store: Store, at: Address, *, where: str) -> ReadError:
    """Say that nothing is at an address, with the nearest names where they may be listed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        folder, names = _beside(store, at)
    except ClientError as error:
        if code_of(error) in {"NoSuchBucket", "404"}:
            return ReadError(f"{where}: no bucket {at.bucket!r}{_other_buckets(store, at.bucket)}")
        return ReadError(f"{where}: nothing is at {at.url!r}, or these credentials may not see it")
    except BotoCoreError:
        return ReadError(f"{where}: nothing is at {at.url!r}")
    hint = did_you_mean(closest(at.key, names))
    return ReadError(f"{where}: nothing is at {at.url!r}{hint} Looked in {folder.url!r}")


def _beside(store: Store, at: Address) -> tuple[Address, list[str]]:
    """Give the innermost folder above an address that has anything in it, and what it has."""
    key = at.key
    while True:
        key = key[: key.rstrip("/").rfind("/") + 1]
        page = store.client.list_objects_v2(
            Bucket=at.bucket, Prefix=key, Delimiter="/", MaxKeys=1000
        )
        names = [each["Key"] for each in page.get("Contents", ())]
        names += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        if names or not key:
            return Address(at.bucket, key), names


def _other_buckets(store: Store, bucket: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        known = [each["Name"] for each in store.client.list_buckets()["Buckets"]]
    except (BotoCoreError, ClientError):
        return " that these credentials may see"
    return did_you_mean(closest(bucket, known)) + f" There are: {', '.join(known) or 'none'}"
