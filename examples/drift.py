"""What a file looks like as a page to read in a browser, and what has changed a month later."""

import tempfile
from pathlib import Path

import arrowetl as ae
from arrowetl.profiling.compare import compare
from arrowetl.profiling.profile import Profile

january = Path("fixtures/customers/messy.csv")
look = ae.SchemaInferrer()

with tempfile.TemporaryDirectory() as folder:
    # In February the countries are codes, and nobody asks for a phone number any more.
    february = Path(folder) / "february.csv"
    ae.Pipeline("february").extract(ae.CSVSource(january)).transform(
        ae.SQL("SELECT * EXCLUDE (phone) REPLACE (upper(left(country, 2)) AS country) FROM input")
    ).load(ae.CSVLoader(february)).run()

    # A profile is small, and holds no row: it is kept as JSON, to compare with.
    kept = Path(folder) / "january.json"
    kept.write_text(look.profile(ae.CSVSource(january)).to_json(), encoding="utf-8")
    old = Profile.from_json(kept.read_text(encoding="utf-8"))
    new = look.profile(ae.CSVSource(february))

    drift = compare(old, new)
    print(drift)
    print("breaks those who use the file:", [each.column for each in drift.at_least("error")])

    # Pages that load nothing and run nothing: they can be sent by mail.
    for name, page in (("profile", new.to_html()), ("drift", drift.to_html())):
        path = Path(folder) / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size:,} bytes")
