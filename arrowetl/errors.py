"""Every exception that arrowetl raises on purpose.

    ArrowETLError
    ├── ConfigError      a pipeline or an option is described wrongly
    ├── SchemaError      columns or types don't fit together; nothing was read or written
    ├── ReadError        a source can't be read
    │   └── InexactError a value would be rounded or cut as it is read
    ├── WriteError       a destination can't be written; it is as it was
    │   └── OccupiedError something is there already, and mode="error" says there may not be
    ├── StageError       a stage failed on rows; the cause is kept
    ├── RejectError      more rows were rejected than allowed
    ├── LedgerError      rows went missing or appeared: the run was stopped before its commit
    └── StateError       the state of earlier runs can't be read or written

`Transient` is mixed into errors that a second attempt can cure; retry reads nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class ArrowETLError(Exception):
    """Anything that arrowetl raises on purpose: catch this to catch them all.

    Attributes:
        bare: the message as it is where a stage masks values: without any value of a row. None if
            the message has none of its own.
    """

    bare: str | None = None

    def __init__(self, *args: object, bare: str | None = None) -> None:
        """Keep the message."""
        super().__init__(*args)
        self.bare = bare


class Transient(Exception):  # noqa: N818 - a mark on other errors, never raised by itself
    """A mark on errors that may pass when tried again (a dropped connection, a lock)."""


class ConfigError(ArrowETLError):
    """A pipeline, a stage or an option is described wrongly: mend the description."""

    at: tuple[str | int, ...] = ()
    """The way to what is wrong among the options: `("rules", 2)`; empty where it isn't told."""


class SchemaError(ArrowETLError):
    """Columns or types don't fit together. Raised before a byte is read or written.

    The facts are attributes too, for programs.

    >>> import pyarrow as pa
    >>> error = SchemaError.missing("emial", ["id", "email"], where="NullRemover")
    >>> print(error)
    NullRemover: no column 'emial'; did you mean 'email'? Columns: id, email
    >>> error.column, error.nearest
    ('emial', ('email',))
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        column: str | None = None,
        nearest: Sequence[str] = (),
        bare: str | None = None,
    ) -> None:
        """Keep the message and its facts."""
        super().__init__(f"{where}: {message}" if where else message)
        self.bare = f"{where}: {bare}" if where and bare else bare
        self.where = where
        self.column = column
        self.nearest = tuple(nearest)

    @classmethod
    def missing(
        cls, column: str, available: Iterable[str], *, where: str, advice: str = ""
    ) -> SchemaError:
        """Say that a column isn't there, with the nearest names and what there is."""
        names = list(available)
        nearest = closest(column, names)
        hint = did_you_mean(nearest)
        return cls(
            f"no column {column!r}{hint} Columns: {', '.join(names) or 'none'}{advice}",
            where=where,
            column=column,
            nearest=nearest,
        )


class ReadError(ArrowETLError):
    """A source can't be read: the message names the place and what to do."""


class InexactError(ReadError):
    """A source came upon a value that would be rounded or cut as it is read.

    Such a source is read again, with care; only where rows that went before can't be told from
    those that come then, this is raised.
    """


class WriteError(ArrowETLError):
    """A destination can't be written. It is as it was before the run."""


class OccupiedError(WriteError):
    """The destination is there already, and ``mode="error"`` says that it may not be.

    A run ends with it; `plan` and `explain` show what would run all the same, with a note.
    """


class StageError(ArrowETLError):
    """A stage failed on the rows it was given; `__cause__` is the original exception."""


class RejectError(ArrowETLError):
    """More rows were rejected than `max_rejects` allows; nothing was committed."""


class LedgerError(ArrowETLError):
    """The counts of a stage don't add up; the run was stopped before its commit."""


class StateError(ArrowETLError):
    """The state of earlier runs can't be read or written."""


def closest(word: str, words: Iterable[str]) -> tuple[str, ...]:
    """Give the names most like `word`, the likeliest first, whatever their case.

    >>> closest("EMAIL", ["id", "email"])
    ('email',)
    """
    by_folded = {known.casefold(): known for known in words}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=3, cutoff=0.6)
    return tuple(by_folded[name] for name in found)


def did_you_mean(nearest: Sequence[str]) -> str:
    """Give the half sentence that offers the nearest names; a full stop if there are none.

    >>> did_you_mean(["email"]), did_you_mean([])
    ("; did you mean 'email'?", '.')
    """
    return f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else "."


@contextmanager
def translated(
    where: str, table: Mapping[type[BaseException], type[ArrowETLError]]
) -> Iterator[None]:
    """Raise a driver's error as ours, with its place, and itself as the cause.

    Args:
        where: the place to name, for instance ``CSVSource('orders.csv')``.
        table: which of our errors stands for which of the driver's; the first that fits wins.

    >>> with translated("reading x", {OSError: ReadError}):
    ...     raise FileNotFoundError("gone")
    Traceback (most recent call last):
    arrowetl.errors.ReadError: reading x: gone
    """
    try:
        yield
    except ArrowETLError:
        raise
    except tuple(table) as error:
        ours = next(new for old, new in table.items() if isinstance(error, old))
        raise ours(f"{where}: {error}", bare=bared(error, where)) from error


WITHHELD = "what it says is withheld, since a stage further on masks values"
_OF_STATEMENTS = ("BinderException", "CatalogException", "ParserException")
"""DuckDB's errors about a statement's own text: no row was read yet."""


def bared(error: BaseException, where: str) -> str:
    """Give the message for another's error where values are masked: its kind, not its words.

    What the system says of a file stays, and what DuckDB says of a statement before it runs.

    >>> bared(ValueError("no number: 4111"), "Cast")
    'Cast: ValueError; what it says is withheld, since a stage further on masks values'
    >>> bared(FileNotFoundError(2, "No such file or directory", "a.csv"), "CSVSource")
    "CSVSource: No such file or directory: 'a.csv'"
    """
    if isinstance(error, OSError) and error.strerror:
        named = f": {error.filename!r}" if error.filename else ""
        return f"{where}: {error.strerror}{named}"
    if type(error).__name__ in _OF_STATEMENTS:
        return f"{where}: {error}"
    return f"{where}: {type(error).__name__}; {WITHHELD}"


def without_values(error: ArrowETLError) -> ArrowETLError:
    """Give an error as it may be told where values are masked, without its cause.

    One about a destination, or about how things are described, is as it was, unless it says
    otherwise itself.

    >>> str(without_values(ReadError("line 2: no number: 'x'", bare="line 2: no number")))
    'line 2: no number'
    """
    told = error.bare
    if told is None:
        if not isinstance(error, ReadError | StageError):
            return error
        told = _without(str(error), error.__cause__)
    bare = type(error).__new__(type(error))
    bare.__dict__.update(error.__dict__)
    bare.args = (told,)
    bare.bare = told
    return bare


def _without(message: str, cause: BaseException | None) -> str:
    """Give a message of ours without what it repeats of the words of the error that caused it."""
    if isinstance(cause, ArrowETLError):
        return message.replace(str(cause), str(without_values(cause)))
    known = getattr(cause, "strerror", None) or type(cause).__name__ in _OF_STATEMENTS
    if cause is None or known:
        return message
    whole = [str(cause), *str(cause).splitlines()]
    words = {*whole, *(each.partition(" Error: ")[2] for each in whole)}
    for said in sorted(filter(str.strip, words), key=len, reverse=True):
        message = message.replace(said, type(cause).__name__)
    return message


def describe(value: Any, *, limit: int = 80) -> str:
    """Give a value's `repr`, cut to `limit` characters, for a message.

    >>> describe("x" * 100, limit=8)
    "'xxxxxx…"
    """
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def first_line(error: BaseException) -> str:
    r"""Give the sentence of DuckDB's message, without its kind, its hints and its arrows.

    >>> first_line(ValueError("Binder Error: no such thing\n\nLINE 1: ..."))
    'no such thing'
    """
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    kind, separator, rest = line.partition(" Error: ")
    return rest if separator and " " not in kind.removeprefix("Invalid ") else line
