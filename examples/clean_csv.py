"""A messy CSV file becomes a clean CSV file; what can't be cleaned is kept beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import arrowetl as ae

NULLS = ["", "N/A", "NULL", "-", "none", "?", "NaN"]

with TemporaryDirectory() as folder:
    rejects = ae.ParquetLoader(f"{folder}/rejects/")
    pipeline = (
        ae.Pipeline("customers", dead_letters=rejects, max_rejects=0.1)
        .extract(ae.CSVSource("fixtures/customers/messy.csv"))
        .transform(ae.Rename({"Full Name": "name", "Email Address": "email"}))
        .transform(ae.NullRemover("fill", fill={"country": "unknown"}, null_like=NULLS))
        .transform(ae.NullRemover("drop", columns=["email"], null_like=NULLS))
        .transform(ae.Cast({"signup_date": "DATE"}, on_error="dead_letter"))
        .load(ae.CSVLoader(Path(folder) / "clean.csv", mode="replace"))
        .run()
    )
    print(pipeline.result)
    print(Path(folder, "clean.csv").read_text(encoding="utf-8")[:300])
