"""Ways to reach somebody: email addresses, telephone numbers, addresses in the web."""

from __future__ import annotations

from arrowetl.patterns._calling import NATIONAL_LENGTHS
from arrowetl.patterns.network import IPV4, IPV6
from arrowetl.patterns.pattern import Pattern, guarded, once
from arrowetl.sql import literal

# Any letter of another script will do at first: the tables of all of them would slow it down.
_LETTER = r"a-zA-Z0-9\x{80}-\x{10ffff}"
_ATOM = rf"[{_LETTER}!#$%&'*+/=?^_`{{|}}~-]+"
_STRICT = rf"[{_LETTER}](?:[{_LETTER}-]*[{_LETTER}])?"
_LABEL = rf"[{_LETTER}](?:[{_LETTER}_-]*[{_LETTER}])?"
_TOP = r"(?:xn--[a-zA-Z0-9-]{2,}|[a-zA-Z\x{80}-\x{10ffff}]{2,})"
_HOST = rf"(?:{_LABEL}\.)+{_TOP}"

_PORT = (
    "(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
_PLAIN = r"[^\s<>\"\\^`{|}\x00-\x20\x7f]"
_WEB = (
    r"(?i:https?|ftps?|sftp|ssh|git|rtmps?|rtsp|telnet|irc|wss?)://"
    r"(?:[^\s/?#@\[\]]+@)?"
    rf"(?:{_HOST}\.?|localhost|{IPV4}|\[(?:{IPV6})\]){_PORT}"
    rf"(?:[/?#]{_PLAIN}*)?"
)


def _deliverable(text: str) -> str:
    """Give the check of lengths (RFC 5321 and 5890) and of letters."""
    # In other scripts a label is longer on its way: `xn--`, a hyphen, two and more for each letter.
    labels = r"len(regexp_extract_all(domain, '[^.]*[^\x00-\x7f][^.]*'))"
    plain = "NOT regexp_matches(domain, '[^.]{64}')"
    abroad = (
        f"strlen({text}) + 7 * {labels} <= 254 AND NOT regexp_matches(domain, '[^.]{{55}}')"
        rf" AND NOT regexp_matches({text}, {literal(_NO_LETTER)})"
    )
    short = f"strlen(split_part({text}, '@', 1)) <= 64 AND strlen({text}) <= 254"
    foreign = f"CASE WHEN strlen({text}) = length({text}) THEN {plain} ELSE {abroad} END"
    domain = f"split_part({text}, '@', 2)"
    return f"{short} AND {once(domain, 'domain', foreign)}"


_USUAL = (
    "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:[.][a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
    "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?[.])+[a-zA-Z]{2,}"
)
"""What nearly all addresses are: short, of ASCII, and so within every limit."""


def _email(text: str) -> str:
    slow = guarded(
        rf"{_ATOM}(?:\.{_ATOM})*@(?:{_STRICT}\.)+{_TOP}",
        lambda text: f"{_deliverable(text)} AND {_pairs(text)}",
    )
    quick = f"strlen({text}) <= 64 AND NOT contains({text}, '--')"
    return (
        f"CASE WHEN {quick} AND regexp_full_match({text}, {literal(_USUAL)}) THEN true "
        f"ELSE {slow(text)} END"
    )


_NO_LETTER = r"[^\x00-\x7f\pL\pM\p{Nd}]"
_NO_SYMBOL = r"[^\x00-\x7f\pL\pM\p{Nd}\p{So}\p{Sm}]"


def _known_host(text: str) -> str:
    """Give the check of the host's letters and lengths."""
    host = rf"regexp_extract({text}, '^[^/]*//(?:[^/?#@]*@)?([^/?#]*)', 1)"
    known = f"NOT regexp_matches(host, {literal(_NO_SYMBOL)} || '|[^.]{{64}}')"
    short = f"strlen({text}) <= 64 AND strlen({text}) = length({text})"
    return f"CASE WHEN {short} THEN true ELSE {once(host, 'host', known)} END"


def _pairs(text: str) -> str:
    """Labels may have two hyphens in their third and fourth place only if they begin with xn."""
    odd = literal(r"(?:^|[@.])(?:[^@.x]|x[^@.n]|[xX][^@.nN]).--|(?i:xn--.?)(?:\.|$)")
    return f"NOT regexp_matches({text}, {odd})"


_SEPARATED = r"[ .\-/()\x{a0}\x{2010}-\x{2015}]*"
_EXTENSION = r"(?:[ ,;]*(?i:x|ext\.?|extension|#)[ :.]*[0-9]{1,6})?"


def _international(text: str) -> str:
    kinds = "|".join(
        f"(?:{'|'.join(codes)})(?:{'|'.join(f'[0-9]{{{length}}}' for length in lengths)})"
        for lengths, codes in NATIONAL_LENGTHS.items()
    )
    bare = f"regexp_replace({text}, {literal(_EXTENSION[3:-2] + '$')}, '')"
    trunk = f"replace({bare}, '(0)', '')"
    return f"regexp_full_match(regexp_replace({trunk}, '[^0-9]|^00', '', 'g'), {literal(kinds)})"


_AREA, _EXCHANGE = r"(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])", "[2-9][0-9]{2}"
_AMERICAN = rf"(?:1[ .-]?)?{_AREA}{_EXCHANGE}[ .-]?[0-9]{{4}}{_EXTENSION}"
_TRUNK = (
    rf"(?:\(0[1-9][0-9]{{0,5}}\)|0[1-9][0-9]{{0,5}})[ ./-]{{1,3}}(?:[0-9]{{1,8}}[ .-]?){{1,5}}"
    rf"{_EXTENSION}|0[1-9][0-9]{{7,10}}"
)
_DATE = "|".join(rf"[0-9]{{2}}{each}[0-9]{{1,2}}{each}[0-9]{{4}}" for each in (r"\.", "-", "/"))
"""What is a date rather than a number with a trunk prefix."""


def _phone(text: str) -> str:
    abroad = rf"(?:\+|00) ?[1-9](?:{_SEPARATED}[0-9]){{5,18}}\)?{_EXTENSION}"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(abroad)}) THEN {_international(text)} "
        f"WHEN regexp_full_match({text}, {literal(_AMERICAN)}) THEN true "
        f"WHEN regexp_full_match({text}, {literal(_TRUNK)}) THEN "
        f"length(regexp_replace({text}, '[^0-9]', '', 'g')) BETWEEN 8 AND 15 "
        f"AND NOT regexp_full_match({text}, {literal(_DATE)}) "
        f"WHEN {text} IS NOT NULL THEN false END"
    )


CONTACT = (
    Pattern(
        "email",
        "Email address",
        _email,
        pii="email",
        hints=("email", "mail"),
        good=("ada@example.com", "o'neil+x@mail.example.co.uk", "jörg@bücher.example"),
        bad=("ada@example", "ada@@example.com", ".ada@example.com", "ada@ex ample.com", "@a.com"),
    ),
    Pattern(
        "phone",
        "Telephone number",
        _phone,
        pii="phone",
        hints=("phone", "tel", "telephone", "mobile", "cell", "fax"),
        good=(
            "+41 44 668 18 00",
            "+1 (650) 253-0000",
            "(650) 253-0000",
            "030 901820",
            "0049 30 123456",
        ),
        bad=(
            "2024-01-15",
            "192.168.1.1",
            "12345",
            "123-45-6789",
            "+999 12345678",
            "0.5",
            "01.02.2024",
            "01-2-2024",
        ),
    ),
    Pattern(
        "url",
        "Web address",
        guarded(_WEB, _known_host),
        hints=("url", "link", "website", "href"),
        good=(
            "https://example.com/a?b=1#c",
            "http://[::1]:8080/",
            "ftp://user:pw@files.example",
            "https://example.com.",
        ),
        bad=("example.com", "http://", "https://exa mple.com", "http://a.b:70000", "mailto:a@b.c"),
    ),
)
"""Email addresses are those that can be delivered to: dot-atoms, no quoted local parts, no
literal hosts. Telephone numbers with a country code have as many digits as the country's have;
without one they are North American (three, three and four digits with something between) or
begin with the trunk prefix 0, and aren't written as dates are; other national forms can't be told
from other numbers."""
