"""Profiles of tables, and tables that mean harm."""

from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa

from arrowetl.patterns import PATTERNS
from arrowetl.profiling.statistics import statistics_of
from arrowetl.profiling.summarise import Reading, profile_of

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</style></title><svg onload=document.title='owned'>",
    "' onmouseover='document.title=1",
    "javascript:document.title='owned'",
    "&lt;b&gt; &amp; {{7*7}} ${x} %s",
    "\u202eright to left\u2066 שלום مرحبا",
    "👩‍👩‍👧 🏳️‍🌈 é\u0301",
    "\x00\x07\x1b[31m\x7f\u2028\ufeff",
    "]]><!-- --> <?php ?>",
    "long " * 200_000,
    "",
    "   ",
)


def profile(table, *, source="rows", correlations=False, patterns=PATTERNS, **reading):
    """Look at a table as `SchemaInferrer` does."""
    found = statistics_of(table.to_batches(), table.schema, patterns, correlations=correlations)
    return profile_of(found, Reading(patterns, now=NOW, **reading), source=source)


def hostile(repeat=3):
    """Give a table whose names and values are hostile."""
    values = [*HOSTILE, None] * repeat
    names = list(HOSTILE)
    return pa.table([pa.array(values, pa.string()) for _ in names], names=names)
