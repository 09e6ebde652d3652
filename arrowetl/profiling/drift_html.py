"""What has changed between two profiles as one page of HTML: nothing is loaded, nothing runs."""

from __future__ import annotations

from collections.abc import Iterator

from arrowetl.profiling._charts import bars
from arrowetl.profiling._markup import Markup, legible, table, tag, value
from arrowetl.profiling._wording import different, edges, histogram_of, kind_of, share
from arrowetl.profiling.compare import Change, Drift
from arrowetl.profiling.html import document
from arrowetl.profiling.profile import ColumnProfile, Profile


def drift_page(drift: Drift, *, title: str | None = None) -> str:
    """Give what has changed as a page of HTML that is complete in itself, as `html.page` does.

    Args:
        drift: what `compare` found.
        title: the page's; by default what was compared.

    >>> from arrowetl.profiling.compare import compare
    >>> from arrowetl.profiling.profile import Profile, Sample
    >>> nothing = Profile(0, (), Sample(0, 0), "", source="a.csv")
    >>> "Nothing has changed" in drift_page(compare(nothing, nothing))
    True
    """
    names = [each.source or word for each, word in ((drift.old, "before"), (drift.new, "after"))]
    return document(
        title or f"Changes from {names[0]} to {names[1]}",
        _facts(drift),
        _changes(drift),
        _pairs(drift),
    )


def _facts(drift: Drift) -> Markup:
    facts = {
        "rows before": _rows(drift.old),
        "rows after": _rows(drift.new),
        **{
            f"{severity}s" if severity != "info" else "for information": f"{n:,}"
            for severity in ("error", "warning", "info")
            for n in [sum(each.severity == severity for each in drift.changes)]
        },
    }
    shown = (tag("div", tag("dt", name), tag("dd", said)) for name, said in facts.items())
    return tag("dl", *shown, class_="facts")


def _rows(profile: Profile) -> str:
    sample = profile.sample
    return f"{sample.of:,}" if sample.complete else f"{sample.of:,} (sample: {sample.rows:,})"


def _anchors(drift: Drift) -> dict[str, str]:
    changed = {each.column for each in drift.changes}
    both = {each.name for each in drift.old.columns} & changed
    return {e.name: f"c{i}" for i, e in enumerate(drift.new.columns) if e.name in both}


def _changes(drift: Drift) -> Markup:
    if not drift.changes:
        return tag("section", tag("h2", "What has changed"), tag("p", "Nothing has changed."))
    anchors = _anchors(drift)
    rows = [
        (
            _where(each, anchors),
            tag("span", each.severity, class_=f"tag {each.severity}"),
            each.text,
            value(each.before) if each.before else "",
            value(each.after) if each.after else "",
        )
        for each in drift.changes
    ]
    head = ("column", "severity", "what", "before", "after")
    made = table(head, rows, caption="Changes, the gravest first")
    return tag("section", tag("h2", "What has changed"), made, class_="words changes")


def _where(change: Change, anchors: dict[str, str]) -> Markup:
    if change.column is None:
        return tag("span", "all rows")
    if change.column not in anchors:
        return value(change.column)
    return tag("a", value(change.column), href=f"#{anchors[change.column]}")


def _pairs(drift: Drift) -> Markup | None:
    anchors = _anchors(drift)
    if not anchors:
        return None
    made = [
        tag(
            "section",
            tag("h3", value(name)),
            tag(
                "div",
                _half("before", drift.old.column(name)),
                _half("after", drift.new.column(name)),
                class_="halves",
            ),
            id=anchor,
            class_="pair",
        )
        for name, anchor in anchors.items()
    ]
    return tag("section", tag("h2", "Before and after"), *made)


def _half(when: str, column: ColumnProfile) -> Markup:
    facts = [part for name, said in _about(column) for part in (tag("dt", name), tag("dd", said))]
    spread = histogram_of(column)
    drawn = None
    if spread and len(spread.edges) > 1:
        drawn = tag("div", bars(spread, edges(column, spread), f"{column.name}, {when}"))
    return tag("div", tag("h4", when), tag("dl", *facts, class_="stats"), drawn)


def _about(column: ColumnProfile) -> Iterator[tuple[str, object]]:
    yield "type", kind_of(column)
    yield "null", f"{share(column.null_share)}; {column.nullable_evidence}"
    if column.distinct:
        yield "different", different(column)
    if column.minimum is not None and column.maximum is not None:
        ends = [value(legible(each, 40)) for each in (column.minimum, column.maximum)]
        yield "from, to", tag("span", ends[0], " to ", ends[1])
    if column.top:
        shown = [f"{legible(each.value, 40)} ({each.count:,})" for each in column.top[:5]]
        yield "most frequent", value(", ".join(shown))


def fragment(drift: Drift) -> str:
    """Give the table of changes, for a notebook's cell."""
    return tag("div", _changes(drift))
