"""Which columns hold personal data, by the patterns of their values and by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
        kinds: the kinds of columns in which it can be: ``text``, ``number``, ``time``.
    """

    label: str
    words: str
    kinds: tuple[str, ...] = ("text",)


_EDGE = r"(?:^|_)(?:{})(?:_|$)"
HINTS = tuple(
    Hint(label, _EDGE.format(words), kinds)
    for label, words, kinds in (
        ("email", r"e_?mails?|mail|email_?address", ("text",)),
        (
            "phone",
            r"phones?|tel|telephone|mobile|cell|fax|phone_?(?:number|no|nr)",
            ("text", "number"),
        ),
        (
            "credit_card",
            r"(?:credit_?)?cards?|card_?(?:number|no|nr)|cc_?(?:num|number)|pan",
            ("text", "number"),
        ),
        ("us_ssn", r"ssn|social_security(?:_number)?", ("text", "number")),
        ("iban", r"iban|bank_?account", ("text",)),
        ("ip", r"ip|ips|ip_?(?:v4|v6|address|addr)|client_ip|remote_addr", ("text",)),
        (
            "name",
            r"(?:\w+_)?names?|vorname|nachname",
            ("text",),
        ),
        ("birth_date", r"birth_?(?:day|date)|date_of_birth|dob|born", ("text", "time")),
        ("address", r"address|street|addr|strasse|house_?number|adress(?:e)?", ("text",)),
        ("postal_code", r"zip|zip_?code|post_?code|postal_?code|plz|postal", ("text", "number")),
        ("passport", r"passport(?:_?(?:number|no))?", ("text",)),
        ("license", r"(?:drivers?_?)?licen[cs]e(?:_?(?:number|no))?", ("text",)),
        ("tax_id", r"tax_?(?:id|number)|vat_?(?:id|number)|tin", ("text", "number")),
        ("gender", r"gender|sex", ("text",)),
        ("password", r"password|passwd|pwd|secret|api_?key|token", ("text",)),
    )
)


def words_of(name: str) -> str:
    """Give a column's name in lower case with words apart by ``_``.

    >>> words_of("Email Address"), words_of("customer.birthDate")
    ('email_address', 'customer_birth_date')
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def pii_of(
    name: str, kind: str, patterns: Sequence[PatternFound], count: int
) -> tuple[PiiFound, ...]:
    """Say what personal data a column holds, the surest first.

    A pattern of at least half of the values is evidence by itself, of a tenth together with the
    column's name. What has a pattern isn't flagged for its name alone: a column called
    ``Email Address`` that holds dates is no address. Names of people, addresses and the like have
    no pattern, and are flagged by the column's name.

    Args:
        name: the column's.
        kind: ``text``, ``number``, ``time`` or another.
        patterns: those that were found.
        count: how many values there are.
    """
    called = words_of(name[:_LONGEST_NAME])
    hinted = {hint.label for hint in HINTS if kind in hint.kinds and re.search(hint.words, called)}
    best: dict[str, PatternFound] = {}
    for each in patterns:
        if each.pii and each.count > getattr(best.get(each.pii), "count", 0):
            best[each.pii] = each
    found = [
        PiiFound(label, each.count, each.of, _evidence(name, each, hinted=label in hinted))
        for label, each in best.items()
        if each.share >= (HINTED if label in hinted else ENOUGH)
    ]
    named = [
        PiiFound(label, 0, count, (f"the column is called {name!r}",))
        for label in hinted
        # "Email Address" isn't where somebody lives.
        if count and label not in _PATTERNED and not (label == "address" and hinted & _PATTERNED)
    ]
    if kind == "number":
        named += [
            PiiFound(label, 0, count, (f"the column is called {name!r}; its values are numbers",))
            for label in hinted & _PATTERNED
            if count
        ]
    return tuple(sorted([*found, *named], key=lambda each: (-each.share, each.label)))


_PATTERNED = frozenset({"email", "phone", "credit_card", "us_ssn", "iban", "ip"})
"""What can be seen in values: a name alone isn't enough."""


def _evidence(name: str, found: PatternFound, *, hinted: bool) -> tuple[str, ...]:
    seen = f"{found.count:,} of {found.of:,} values have the pattern {found.title}"
    return (seen, f"the column is called {name!r}") if hinted else (seen,)
