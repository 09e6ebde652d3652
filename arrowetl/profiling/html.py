"""A profile as one page of HTML: nothing is loaded, nothing runs, and it can be sent by mail."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from arrowetl.profiling._charts import sparkline, strip
from arrowetl.profiling._columns_html import column_section
from arrowetl.profiling._markup import Markup, legible, table, tag, together, value
from arrowetl.profiling._wording import count, different, kind_of, outline, share
from arrowetl.profiling.profile import ColumnProfile, Profile

_CORRELATED = 20
"""So many columns are shown in the table of correlations; those with the strongest."""


def page(profile: Profile, *, title: str | None = None) -> str:
    """Give a profile as a page of HTML that is complete in itself.

    It has no script and loads nothing (its Content-Security-Policy forbids both), follows the
    reader's choice of light or dark, and prints. Texts of the data are escaped, and cut where they
    are long. Its size depends on the number of columns, not of rows.

    Args:
        profile: what was found.
        title: the page's; by default what the rows came from.

    >>> from arrowetl.profiling.profile import Sample
    >>> made = page(Profile(0, (), Sample(0, 0), "", source="<orders>.csv"))
    >>> made[:15], "Profile of &lt;orders&gt;.csv" in made
    ('<!DOCTYPE html>', True)
    """
    heading = title or (f"Profile of {profile.source}" if profile.source else "Profile")
    return document(
        heading,
        tag("p", _scope(profile), class_="soft"),
        _facts(profile),
        _cautions(profile),
        _overview(profile),
        _null_map(profile),
        _correlations(profile),
        _sections(profile),
    )


def document(heading: str, *parts: object) -> str:
    """Give a whole page around its parts."""
    style = _style()
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", legible(heading, 200)),
        tag("style", style),
    )
    body = tag("body", tag("main", tag("h1", legible(heading, 200)), *parts))
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en")


@cache
def _style() -> Markup:
    return Markup(files("arrowetl.profiling").joinpath("page.css").read_text("utf-8"))


def _scope(profile: Profile) -> str:
    sample = profile.sample
    if sample.complete:
        looked = f"All {sample.rows:,} rows were looked at."
    else:
        seed = "" if sample.seed is None else f" (seed {sample.seed})"
        looked = f"A random sample of {sample.rows:,} of {sample.of:,} rows was looked at{seed}."
    hidden = any(each.pii for each in profile.columns) and profile.masked
    return looked + (" Values of personal data are masked." if hidden else "")


def _facts(profile: Profile) -> Markup:
    columns = [each for each in profile.columns if each.rows == profile.rows]
    cells, nulls = sum(each.rows for each in columns), sum(each.nulls for each in columns)
    facts = {
        "rows": f"{profile.sample.of:,}",
        "columns": f"{len(profile.columns):,}",
        "values that are null": share(nulls / cells) if cells else "0 %",
        "to look at": f"{len(profile.cautions):,}",
        "columns with personal data": f"{sum(bool(each.pii) for each in profile.columns):,}",
    }
    return tag(
        "dl", *(tag("div", tag("dt", name), tag("dd", said)) for name, said in facts.items()),
        class_="facts",
    )  # fmt: skip


def _links(profile: Profile) -> dict[str, Markup]:
    return {
        each.name: tag("a", value(each.name), href=f"#c{i}")
        for i, each in enumerate(profile.columns)
    }


def _cautions(profile: Profile) -> Markup:
    links = _links(profile)
    rows: list[Iterable[object]] = [
        (links.get(each.column or "", each.column or "all rows"), _told(each.kind, each.text))
        for each in profile.cautions
    ]
    rows += [
        (links[each.name], _told(f"personal data: {found.label}", "; ".join(found.evidence)))
        for each in profile.columns
        for found in each.pii
    ]
    if not rows:
        return _part("To look at", tag("p", "Nothing was found that looks wrong."))
    made = table(("column", "what was found"), rows, caption="What a person should look at")
    return _part("To look at", made, class_="words")


def _told(kind: str, why: str) -> Markup:
    return together([tag("span", kind.replace("_", " "), class_="tag warning"), " ", why])


def _part(heading: str, *parts: object, class_: str | None = None) -> Markup:
    return tag("section", tag("h2", heading), *parts, class_=class_)


def _overview(profile: Profile) -> Markup:
    links = _links(profile)
    head = ("column", "type", "null", "different", "smallest", "largest", "spread")
    rows = [(links[each.name], *_row(each)) for each in profile.columns]
    return _part("Columns", table(head, rows, caption="All columns; each leads to its section"))


def _row(column: ColumnProfile) -> Iterable[object]:
    yield kind_of(column)
    yield share(column.null_share)
    yield different(column)
    for end in (column.minimum, column.maximum):
        yield value(legible(end, 24)) if end is not None else ""
    yield sparkline(outline(column))


def _null_map(profile: Profile) -> Markup | None:
    links = _links(profile)
    whole = [each for each in profile.columns if each.rows == profile.rows and each.null_map]
    some = [each for each in whole if each.nulls]
    full = len(whole) - len(some)
    if not whole:
        return None
    rows = [
        (
            links[each.name],
            strip(each.null_map, each.rows, f"{share(each.null_share)} null, by position"),
            count(each.nulls, each.rows),
        )
        for each in some
    ]
    without = tag("p", f"{full:,} columns have no null." if full != 1 else "1 column has no null.")
    if not rows:
        return _part("Where nulls are", without)
    head = ("column", "from the first row to the last: the darker, the more", "null")
    made = table(head, rows, caption="Nulls by position in the rows that were looked at")
    return _part("Where nulls are", made, without if full else None, class_="map")


def _correlations(profile: Profile) -> Markup | None:
    found = {
        pair: each.coefficient
        for each in profile.correlations
        for pair in ((each.left, each.right), (each.right, each.left))
    }
    names = list(dict.fromkeys(name for pair in found for name in pair))[:_CORRELATED]
    if not names:
        return None
    order = [each.name for each in profile.columns if each.name in names]
    rows = [
        (value(legible(row, 24)), *(_coefficient(found.get((row, other))) for other in order))
        for row in order
    ]
    made = tag(
        "table",
        tag("caption", "Pearson's coefficient of each pair of columns of numbers, from -1 to 1"),
        tag("thead", tag("tr", tag("th", "column", scope="col"), *map(_heading, order))),
        tag("tbody", *(tag("tr", tag("th", row[0], scope="row"), *row[1:]) for row in rows)),
    )
    scroll = tag(
        "div", made, class_="scroll", role="region", tabindex="0", aria_label="Coefficients"
    )
    return _part("How columns go together", scroll, class_="matrix")


def _heading(name: str) -> Markup:
    return tag("th", value(legible(name, 24)), scope="col")


def _coefficient(found: float | None) -> Markup:
    if found is None:
        return tag("td", "")
    level = min(4, int(abs(found) * 5))
    shade = f"{'r' if found > 0 else 'n'}{level}" if level else None
    return tag("td", f"{found:.2f}", class_=shade)


def _sections(profile: Profile) -> Markup:
    made = (column_section(each, f"c{i}", profile) for i, each in enumerate(profile.columns))
    return _part("Column by column", together(made))


def fragment(profile: Profile) -> str:
    """Give the table of columns and what to look at, for a notebook's cell."""
    head = ("column", "type", "null", "different", "smallest", "largest")
    rows = [(each.name, *list(_row(each))[:-1]) for each in profile.columns]
    said = tag("ul", *(tag("li", _sentence(each.column, each.text)) for each in profile.cautions))
    return tag(
        "div",
        table(head, rows, caption=_scope(profile)),
        said if profile.cautions else tag("p", "Nothing was found that looks wrong."),
    )


def _sentence(column: str | None, text: str) -> str:
    return f"{legible(column)}: {text}" if column else text
