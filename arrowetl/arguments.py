"""What constructors check alike: whether a value is of the kind that an option takes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from arrowetl.errors import ConfigError


def flag(
    value: Any,
    option: str,
    *,
    where: str = "",
    or_none: bool = False,
    wanted: str = "",
) -> None:
    """Refuse what isn't True or False: the text ``"no"`` would be taken for a yes.

    Args:
        value: what was given.
        option: what for.
        where: whose option it is.
        or_none: whether None will do, too.
        wanted: what it has to be, in words, if they say more than its kind.

    Raises:
        ConfigError: it isn't.

    >>> flag("no", "cast", where="SchemaInferrer")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: SchemaInferrer: cast is 'no': it has to be True or False
    """
    if not (isinstance(value, bool) or (or_none and value is None)):
        known = "True, False or None" if or_none else "True or False"
        raise _unfit(value, option, where, wanted or known)


def whole(
    value: Any, option: str, *, where: str = "", least: int = 1, or_none: bool = False
) -> None:
    """Refuse what isn't a whole number, or is too small.

    Raises:
        ConfigError: it isn't.

    >>> whole("7", "batch_size")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: batch_size is '7': it has to be a whole number, 1 or more
    """
    if or_none and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        none = ", or None" if or_none else ""
        raise _unfit(value, option, where, f"a whole number, {least} or more{none}")


def text(value: Any, option: str, *, where: str = "", or_none: bool = False) -> None:
    """Refuse what isn't text.

    Raises:
        ConfigError: it isn't.

    >>> text(5, "delimiter", where="CSVSource", or_none=True)
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: CSVSource: delimiter is 5: it has to be text, or None
    """
    if not (isinstance(value, str) or (or_none and value is None)):
        raise _unfit(value, option, where, "text, or None" if or_none else "text")


MARKS = {"tab": r"\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "colon": ":"}


def delimiter(value: Any, *, where: str) -> Any:
    r"""Give a delimiter: a tab for a backslash and a ``t``, as YAML has it without double quotes.

    Raises:
        ConfigError: it is the name of one.

    >>> delimiter(r"\t", where="CSVSource")
    '\t'
    >>> delimiter("tab", where="CSVSource")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: CSVSource: delimiter='tab': write "\t"
    """
    mark = MARKS.get(value.lower()) if isinstance(value, str) else None
    if mark is not None:
        raise ConfigError(f'{where}: delimiter={value!r}: write "{mark}"')
    return "\t" if value == r"\t" else value


def seconds(value: Any, option: str, *, where: str = "") -> None:
    """Refuse what is no length of time in seconds.

    Raises:
        ConfigError: it isn't.

    >>> seconds(-1, "timeout", where="SQLiteSource")
    Traceback (most recent call last):
    arrowetl.errors.ConfigError: SQLiteSource: timeout is -1: it has to be a number of seconds
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
        raise _unfit(value, option, where, "a number of seconds")


def _unfit(value: Any, option: str, where: str, wanted: str) -> ConfigError:
    place = f"{where}: " if where else ""
    return ConfigError(f"{place}{option} is {value!r}: it has to be {wanted}")
