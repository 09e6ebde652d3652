"""The section of a column in the page of a profile."""

from __future__ import annotations

from collections.abc import Iterator

from arrowetl.profiling._charts import amount, bars, box
from arrowetl.profiling._markup import Markup, table, tag, together, value
from arrowetl.profiling._wording import all_shown, count, different, edges, kind_of, number, share
from arrowetl.profiling.profile import (
    ColumnProfile,
    Histogram,
    NumberStatistics,
    Profile,
    TextStatistics,
)

_TELLING = 0.01
"""The most frequent values are shown if the first of them is so frequent."""

Facts = Iterator[tuple[str, object]]


def column_section(column: ColumnProfile, anchor: str, profile: Profile) -> Markup:
    """Give the section of a column: what matters first, the rest folded."""
    header = tag(
        "header",
        tag("h3", value(column.name)),
        tag("span", kind_of(column), class_="tag"),
        *(tag("span", each.label.replace("_", " "), class_="tag warning") for each in column.pii),
        tag("span", "may be a key", class_="tag info") if column.key else None,
    )
    halves = tag("div", _left(column), tag("div", *_drawings(column)), class_="halves")
    said = [tag("li", each.text) for each in profile.cautions if each.column == column.name]
    return tag(
        "section",
        header,
        tag("ul", *said, class_="cautions") if said else None,
        halves,
        _more(column),
        id=anchor,
        class_="column",
    )


def _left(column: ColumnProfile) -> Markup:
    facts = [
        part
        for name, said in (*_about(column), *_numbers(column), *_times(column))
        for part in (tag("dt", name), tag("dd", said))
    ]
    stats = tag("dl", *facts, class_="stats")
    return tag("div", stats, _top(column) if _tops(column) else None)


def _about(column: ColumnProfile) -> Facts:
    if found := column.inferred:
        how = f", written {found.format}" if found.format else ""
        yield "reads as", f"{found.type}{how}: {count(found.count, found.of)} of {found.of:,} texts"
    yield "null", f"{share(column.null_share)}; {column.nullable_evidence}"
    if column.null_words:
        words = [part for each in column.null_words[:8] for part in (value(each.value), " ")]
        yield "words for null", together(words)
    if column.distinct:
        error = column.distinct.error
        yield "different", different(column) + (f" ± {share(error)}" if error else "")
    if column.key:
        yield "key", column.key
    for each in column.pii:
        yield "personal data", f"{each.label.replace('_', ' ')}: {'; '.join(each.evidence)}"
    if column.trues is not None:
        yield "true", count(column.trues, column.rows - column.nulls)
    if column.numbers is None and column.times is None and column.minimum is not None:
        yield "first", value(column.minimum)
        yield "last", value(column.maximum)


def _numbers(column: ColumnProfile) -> Facts:
    found = column.numbers or column.lengths
    if found is None or not found.count:
        return
    of_what = "" if column.numbers else " length"
    at = {each.at: each.value for each in found.quantiles}
    yield f"smallest{of_what}", number(found.minimum, 6)
    yield f"median{of_what}", number(at[0.5], 6)
    yield f"largest{of_what}", number(found.maximum, 6)
    yield f"mean{of_what}", f"{number(found.mean, 6)} ± {number(found.std) or '0'}"
    for name, n in (
        ("zero", found.zeros),
        ("negative", found.negatives),
        ("not a number", found.nans),
        ("infinite", found.infinities),
    ):
        if n:
            yield name, count(n, found.count + found.nans + found.infinities)


def _times(column: ColumnProfile) -> Facts:
    if (found := column.times) is not None:
        yield "earliest", found.minimum or ""
        yield "latest", found.maximum or ""
        if found.future:
            yield "in the future", count(found.future, found.count)


def _drawings(column: ColumnProfile) -> Iterator[Markup | None]:
    for found, unit in (
        (column.numbers and column.numbers.histogram, "values"),
        (column.times and column.times.histogram, "moments, in UTC"),
        (column.lengths and column.lengths.histogram, "lengths, in elements"),
    ):
        if found and len(found.edges) > 1:
            yield _histogram(column, found, unit)
    drawn = column.numbers or column.lengths
    if drawn is not None:
        yield box(drawn)
    if (texts := column.texts) and texts.lengths and not (column.numbers or column.times):
        spread = texts.lengths
        words = tuple(number(each) for each in spread.edges)
        yield tag("h4", "Length, in characters")
        yield bars(spread, words, "lengths in characters")


def _histogram(column: ColumnProfile, spread: Histogram, unit: str) -> Markup:
    return together([tag("h4", f"Spread of {unit}"), bars(spread, edges(column, spread), unit)])


def _tops(column: ColumnProfile) -> bool:
    """Whether the most frequent values say much of the column."""
    return bool(column.top) and column.top[0].count >= _TELLING * (column.rows - column.nulls)


def _top(column: ColumnProfile) -> Markup:
    present = max(1, column.rows - column.nulls)
    rows = [
        (
            value(each.value),
            ("at least " if each.error else "") + count(each.count, present),
            amount(each.count / present, share(each.count / present)),
        )
        for each in column.top
    ]
    caption = "Most frequent values" + (", all there are" if all_shown(column) else "")
    return tag("div", table(("value", "count", "share"), rows, caption=caption), class_="values")


def _more(column: ColumnProfile) -> Markup | None:
    parts = list(_tables(column))
    if not parts:
        return None
    return tag("details", tag("summary", "More of this column"), *parts)


def _tables(column: ColumnProfile) -> Iterator[Markup]:
    if column.top and column.top[0].count > 1 and not _tops(column):
        yield _top(column)
    if column.patterns:
        rows = [
            (each.title, count(each.count, each.of), each.pii or "") for each in column.patterns
        ]
        yield table(("pattern", "values", "personal data"), rows, caption="Patterns of the texts")
    if column.types:
        tried = [
            (each.type, each.format or "", count(each.count, each.of), "; ".join(each.notes))
            for each in column.types
        ]
        head = ("type", "written", "texts that can be read so", "but")
        yield table(head, tried, caption="As what the texts can be read")
    if column.texts:
        yield _traits(column.texts)
    if column.numbers and column.numbers.quantiles:
        yield _quantiles(column.numbers)


def _traits(found: TextStatistics) -> Markup:
    names = {
        "empty": found.empty,
        "nothing but space": found.blank,
        "with space around": found.padded,
        "digits only": found.digits,
        "letters only": found.letters,
        "in capitals": found.upper,
        "in small letters": found.lower,
        "with characters outside ASCII": found.non_ascii,
        "of several lines": found.multiline,
    }
    rows = [(name, count(n, found.count)) for name, n in names.items() if n]
    mean = number(found.mean_length)
    caption = f"Texts: {found.shortest} to {found.longest} characters, {mean} in the mean"
    return table(("texts", "count"), rows, caption=caption)


def _quantiles(found: NumberStatistics) -> Markup:
    rows = [(share(each.at), number(each.value, 6)) for each in found.quantiles]
    error = f", ± {share(found.quantile_error)}" if found.quantile_error else ""
    return table(("share of values", "not above"), rows, caption=f"Quantiles{error}")
