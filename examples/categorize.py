"""Support tickets into categories: by a description of each, then trained on labelled ones."""

import sys
import tempfile
from pathlib import Path

import arrowetl as ae

TICKETS = ae.CSVSource("fixtures/tickets/tickets.csv")
ABOUT = {
    "billing": "invoices, payments, charges and prices",
    "delivery": "shipping, tracking and parcels that haven't arrived",
    "returns": "sending goods back, exchanges and refunds",
    "account": "logging in, passwords and the customer's profile",
    "defect": "goods that are broken, faulty or damaged",
    "product question": "questions about a product's size, material or availability",
}


def part(name: str) -> ae.Pipeline:
    """Give one part of the tickets that are about one thing, with their text and category."""
    return ae.Pipeline(progress=False).extract(TICKETS).transform(
        f"SELECT text, category FROM input WHERE part = '{name}' AND also IS NULL"
    )  # fmt: skip


# First without a single labelled ticket: what matters is how the categories are described.
described = ae.Categorizer(on="text", categories=ABOUT)
result = (
    ae.Pipeline("tickets")
    .extract(TICKETS)
    .transform("SELECT id, text FROM input WHERE part = 'test' ORDER BY id")
    .transform(described)
    .load(ae.ArrowLoader())
    .run()
    .result
)
print(result)
for ticket in result.table.slice(0, 8).to_pylist():
    print(f"{ticket['confidence']:.2f} {ticket['category'] or '?':17} {ticket['text']}")

# Then trained on 270 labelled tickets; those without a category teach what belongs nowhere.
# What was trained is kept in a file, so that it isn't trained again further down.
kept = Path(tempfile.mkdtemp()) / "tickets.arrow"
trained = ae.Categorizer(on="text", examples=part("train"), kept=kept)
report = trained.report()
print("\nAs trained:", report, sep="\n")
if len(sys.argv) > 1:
    report.save(Path(sys.argv[1]) / "tickets.html")
    report.save(Path(sys.argv[1]) / "calibration.svg")

# How right are both on tickets that nobody has trained on?
held_out = part("test").reader().read_all()
for name, stage in (("by descriptions", described), ("trained", trained)):
    found = stage.evaluate(held_out)
    print(f"{name}: {found.accuracy:.0%} right, calibration error {found.calibration_error:.3f}")
