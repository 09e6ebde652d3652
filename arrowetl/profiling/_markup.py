"""HTML that is right by construction: what isn't made by `tag` is escaped, whatever it is.

No template engine: a report is small, one way of escaping in one place is easy to keep right, and
nothing has to be installed for it.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

SHOWN = 80
"""So many characters of a value are shown."""
_EMPTY = {"meta"}


class Markup(str):
    """HTML as it goes into the page. Only this module makes it, and files of the package."""

    __slots__ = ()


def text(value: object, limit: int = SHOWN) -> Markup:
    r"""Give a value as text of HTML: escaped, cut if it is long, without invisible characters.

    >>> text("<b>&\x00")
    '&lt;b&gt;&amp;␀'
    """
    return Markup(html.escape(legible(str(value), limit)))


def legible(value: str, limit: int = SHOWN) -> str:
    r"""Give a text so that all of it can be seen: cut if it is long, no control characters.

    Controls become their pictures; what changes the direction of the text around it, and other
    invisible characters, become their numbers.

    >>> legible("a\tb\u202e", 80), legible("x" * 1000, 3)
    ('a␉b[U+202E]', 'xxx… (1,000 characters)')
    """
    shown = "".join(map(_visible, value[:limit]))
    return shown if len(value) <= limit else f"{shown}… ({len(value):,} characters)"


def _visible(letter: str) -> str:
    code = ord(letter)
    if code < 0x20:  # noqa: PLR2004 - the pictures are in the order of the controls
        return chr(0x2400 + code)
    if letter.isprintable() or letter in "\N{ZERO WIDTH JOINER}\N{NO-BREAK SPACE}":
        return letter
    return " " if unicodedata.category(letter) == "Zs" else f"[U+{code:04X}]"


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Give an element. What isn't markup is escaped, attributes too; None is left out.

    >>> tag("a", "<x>", href="#c1", class_="column", aria_label=None)
    '<a href="#c1" class="column">&lt;x&gt;</a>'
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value, 2000)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{together(children)}</{name}>")


def together(children: Iterable[object]) -> Markup:
    """Give markup after markup; what isn't any is escaped, None and the empty text left out."""
    return Markup(
        "".join(
            each if isinstance(each, Markup) else text(each, 2000)
            for each in children
            if each is not None
        )
    )


def value(shown: object) -> Markup:
    """Give a value of the data: isolated, so that its direction doesn't spoil the page's."""
    whole = str(shown)
    return tag("bdi", text(whole), class_="value") if whole else tag("i", "empty text")


def table(head: Iterable[object], rows: Iterable[Iterable[object]], *, caption: str) -> Markup:
    """Give a table whose first column names its rows."""
    titles = tag("tr", *(tag("th", each, scope="col") for each in head))
    body = [_row(list(row)) for row in rows]
    made = tag("table", tag("caption", caption), tag("thead", titles), tag("tbody", *body))
    return scrolling(made, caption)


def scrolling(made: Markup, label: str) -> Markup:
    """Give what may be too wide in a frame of its own, that keys can scroll, too."""
    return tag("div", made, class_="scroll", role="region", aria_label=label, tabindex="0")


def _row(cells: list[object]) -> Markup:
    first, *others = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", each) for each in others))
