"""Web servers' logs, packed and not, become a table of pages; lines that are no entry are kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

import arrowetl as ae

BY_PAGE = """
    SELECT split_part(url, '?', 1) AS page, count(*) AS hits, count(DISTINCT host) AS visitors,
        round(100 * avg((status >= 400)::INTEGER), 1) AS failed, sum(bytes) AS sent
    FROM input
    WHERE method IS NOT NULL
    GROUP BY page ORDER BY hits DESC
"""

with TemporaryDirectory() as folder:
    logs = ae.TextSource("fixtures/weblog/access.log*", pattern="combined")
    pipeline = (
        ae.Pipeline("pages", dead_letters=ae.ParquetLoader(f"{folder}/rejects/"))
        .extract(logs)
        .transform(BY_PAGE)
        .load(ae.CSVLoader(Path(folder) / "pages.csv"))
        .run()
    )
    print(pipeline.result)
    print(Path(folder, "pages.csv").read_text(encoding="utf-8"))

    # An entry that isn't one is where it stood, with its reason.
    rejected = ae.ParquetSource(f"{folder}/rejects/", columns=["reason_code", "source", "row"])
    for letter in rejected.reader().read_all().slice(0, 3).to_pylist():
        print(letter["reason_code"], letter["source"]["line"], letter["row"]["text"])
