"""A table of twenty columns is profiled: what is in them, how they are spread, what they mean.

Each contender makes all of its profile, however much that is; compared is what all of them say:
least, greatest and mean of the columns of numbers, the mean to six digits.
"""

from __future__ import annotations

from benchmarks.task import Dataset, Task

NUMBERS = ("id", "age", "quantity", "amount", "score", "latitude")

CARDS = ("4012888888881881", "5555555555554444", "378282246310005", "6011111111111117")


def customers(rows: int) -> str:
    """Give the SELECT of the Parquet file: a fifth of some columns is null, texts have patterns."""
    cards = ", ".join(f"'{card}'" for card in CARDS)
    return f"""
        WITH numbered AS (
            SELECT i, (i * 2654435761) % 4294967291 AS r FROM range({rows}) AS rows(i)
        )
        SELECT
            i AS id,
            CAST(18 + r % 70 AS INTEGER) AS age,
            CAST(1 + r % 99 AS SMALLINT) AS quantity,
            CASE WHEN r % 5 <> 0 THEN (r % 400000) / 4.0 END AS amount,
            (r % 4096) / 4096.0 AS score,
            (r % 720 - 360) / 4.0 AS latitude,
            r % 2 = 0 AS active,
            DATE '2015-01-01' + CAST(r % 3650 AS INTEGER) AS signed_up,
            TIMESTAMP '2020-01-01' + to_seconds(r % 100000000) AS seen_at,
            'user.' || r % 999983 || '@' || ['example', 'mail'][1 + r % 2] || '.org' AS email,
            '+1 212 555 ' || lpad(CAST(r % 10000 AS VARCHAR), 4, '0') AS phone,
            'https://example.org/shop/' || r % 50000 || '?page=' || r % 9 AS url,
            concat_ws('.', 10, r % 256, r // 256 % 256, r // 65536 % 256) AS ip,
            [{cards}][1 + r % {len(CARDS)}] AS card,
            lpad(CAST(1 + r % 665 AS VARCHAR), 3, '0') || '-' || lpad(CAST(1 + r % 98 AS VARCHAR),
                2, '0') || '-' || lpad(CAST(1 + r % 9998 AS VARCHAR), 4, '0') AS ssn,
            CAST(md5(CAST(i AS VARCHAR)) AS UUID)::VARCHAR AS token,
            lpad(CAST(r % 99950 AS VARCHAR), 5, '0') AS zip,
            ['France', 'Peru', 'Kenya', 'Japan'][1 + r % 4] AS country,
            CAST(DATE '2001-01-31' + CAST(r % 5000 AS INTEGER) AS VARCHAR) AS born,
            CASE WHEN r % 3 = 0 THEN 'note ' || md5(CAST(r AS VARCHAR)) END AS note
        FROM numbered"""


TASK = Task(
    name="profile",
    title="A profile of twenty columns",
    rows=1_000_000,
    dataset=Dataset("profiled", "parquet", customers),
    output="parquet",
    columns={
        "name": "VARCHAR",
        "minimum": "DOUBLE",
        "maximum": "DOUBLE",
        "mean": "DOUBLE",
    },
)
