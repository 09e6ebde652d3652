"""Which columns hold personal data, by the patterns of their values and by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from arrowetl.profiling.profile import PatternFound, PiiFound

ENOUGH = 0.5
"""The share of values with a pattern that is evidence by itself."""
HINTED = 0.1
"""The share that is, together with the column's name."""


_LONGEST_NAME = 200
"""So many characters of a column's name are looked at."""


@dataclass(frozen=True)
class Hint:
    """What a column's name says of personal data.

    Attributes:
        label: as patterns have it, or one of those that no pattern can find.
        words: a regular expression over the name in lower case, words apart by ``_``.
        digits: how many digits it has, at least and at most, where it can be a whole number.
        kinds: the kinds of columns in which it can be otherwise: ``text``, ``time``.
    """

    label: str
    words: str
    digits: tuple[int, int] | None = None
    kinds: tuple[str, ...] = ("text",)


_EDGE = r"(?:^|_)(?:{})(?:_|$)"
HINTS = tuple(
    Hint(label, _EDGE.format(words), *rest)
    for label, words, *rest in (
        ("email", r"e_?mails?|mail|email_?address"),
        ("phone", r"phones?|tel|telephone|mobile|cell|fax|phone_?(?:number|no|nr)", (7, 15)),
        (
            "credit_card",
            r"(?:credit_?)?cards?|card_?(?:number|no|nr)|cc|cc_?(?:num|number)|pan",
            (12, 19),
        ),
        ("us_ssn", r"ssn|social_security(?:_number)?", (4, 9)),
        ("iban", r"iban|bank_?account"),
        ("ip", r"ip|ips|ip_?(?:v4|v6|address|addr)|client_ip|remote_addr"),
        ("name", r"(?:\w+_)?names?|vorname|nachname"),
        ("birth_date", r"birth_?(?:day|date)|date_of_birth|dob|born", (4, 8), ("text", "time")),
        ("address", r"address|street|addr|strasse|adress(?:e)?"),
        ("address", r"house_?(?:number|no|nr)", (1, 5)),
        ("postal_code", r"zip|zip_?code|post_?code|postal_?code|plz|postal", (3, 10)),
        ("passport", r"passport(?:_?(?:number|no))?", (6, 10)),
        ("license", r"(?:drivers?_?)?licen[cs]e(?:_?(?:number|no))?", (6, 15)),
        ("tax_id", r"tax_?(?:id|number)|vat_?(?:id|number)|tin", (7, 15)),
        ("gender", r"gender|sex", (1, 1)),
        ("password", r"password|passwd|pwd|secret|api_?key", (4, 19)),
        ("password", r"token"),
    )
)
"""A name that counts or numbers things is no evidence: numbers have to have the digits, too."""


def words_of(name: str) -> str:
    """Give a column's name in lower case with words apart by ``_``.

    >>> words_of("Email Address"), words_of("customer.birthDate")
    ('email_address', 'customer_birth_date')
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def hints_at(name: str, label: str) -> bool:
    """Say whether a column's name speaks for personal data of a label.

    >>> hints_at("shipping ZIP", "postal_code"), hints_at("customer_id", "postal_code")
    (True, False)
    """
    return any(hint.label == label for hint in _hints(name))


def _hints(name: str) -> tuple[Hint, ...]:
    called = words_of(name[:_LONGEST_NAME])
    return tuple(hint for hint in HINTS if re.search(hint.words, called))


def pii_of(
    name: str,
    kind: str,
    patterns: Sequence[PatternFound],
    digits: Mapping[int, int],
    *,
    count: int,
) -> tuple[PiiFound, ...]:
    """Say what personal data a column holds, the surest first.

    A pattern of at least half of the values is evidence by itself, of a tenth together with the
    column's name. So it is with whole numbers that have as many digits as what the name says.
    What has a pattern isn't flagged for its name alone: a column called ``Email Address`` that
    holds dates is no address. Names of people, addresses and the like have no pattern, and are
    flagged by the column's name; numbers aren't, unless they have the digits.

    Args:
        name: the column's.
        kind: ``text``, ``number``, also of texts that all are numbers, ``time`` or another.
        patterns: those that were found.
        digits: how many values are whole numbers, by how many digits they have.
        count: how many values there are.
    """
    hints = _hints(name)
    hinted = {hint.label for hint in hints}
    best: dict[str, PatternFound] = {}
    for each in patterns:
        if each.pii and each.count > getattr(best.get(each.pii), "count", 0):
            best[each.pii] = each
    found = {
        label: PiiFound(label, each.count, each.of, _evidence(name, each, hinted=label in hinted))
        for label, each in best.items()
        if each.share >= (HINTED if label in hinted else ENOUGH)
        # Values that read as dates or times aren't telephone numbers for their looks.
        if kind != "time" or label in hinted
    }
    for hint in hints:
        if hint.label not in found and kind != "time":
            found.update(_by_digits(name, hint, digits, count))
    named = {hint.label for hint in hints if count and kind in hint.kinds} - _PATTERNED - {*found}
    if hinted & _PATTERNED:
        named.discard("address")  # "Email Address" isn't where somebody lives.
    said = (f"the column is called {name!r}",)
    return tuple(
        sorted(
            [*found.values(), *(PiiFound(label, 0, count, said) for label in named)],
            key=lambda each: (-each.share, each.label),
        )
    )


def _by_digits(
    name: str, hint: Hint, digits: Mapping[int, int], count: int
) -> Iterator[tuple[str, PiiFound]]:
    """Give what numbers are whose digits are as many as the name lets one think."""
    least, most = hint.digits or (1, 0)
    fitting = sum(digits.get(length, 0) for length in range(least, most + 1))
    if fitting and fitting >= HINTED * count:
        many = f"{least} to {most} digits" if least < most else f"{least} digit"
        seen = f"{fitting:,} of {count:,} values are numbers of {many}"
        said = (f"the column is called {name!r}", seen)
        yield hint.label, PiiFound(hint.label, fitting, count, said)


_PATTERNED = frozenset({"email", "phone", "credit_card", "us_ssn", "iban", "ip"})
"""What can be seen in values: a name alone isn't enough."""


def _evidence(name: str, found: PatternFound, *, hinted: bool) -> tuple[str, ...]:
    at_least = "at least " if found.least else ""
    seen = f"{at_least}{found.count:,} of {found.of:,} values have the pattern {found.title}"
    return (seen, f"the column is called {name!r}") if hinted else (seen,)
