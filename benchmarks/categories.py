"""How right categories are, and what they cost beside the model: `python -m benchmarks.categories`.

On the tickets of `fixtures/`: trained on one part, judged on the other. The same vectors go to the
Categorizer and to scikit-learn by hand, in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

import arrowetl as ae
from arrowetl.ml.encoders import Encoder, Matrix, encoder_of
from arrowetl.testing import run_stage
from arrowetl.transforms.category_report import Judged, report_of

TICKETS = Path(__file__).parents[1] / "fixtures/tickets/tickets.csv"
ABOUT = {
    "billing": "invoices, payments, charges and prices",
    "delivery": "shipping, tracking and parcels that haven't arrived",
    "returns": "sending goods back, exchanges and refunds",
    "account": "logging in, passwords and the customer's profile",
    "defect": "goods that are broken, faulty or damaged",
    "product question": "questions about a product's size, material or availability",
}
THRESHOLD = 0.5
MANY = 200_000
RUNS = 3

Labels = Mapping[str, str | None]


class Remembered(Encoder):
    """Gives vectors of texts that were encoded before; counts the time of the others."""

    def __init__(self, inner: Encoder) -> None:
        """Remember nothing yet."""
        self.inner, self.seconds = inner, 0.0
        self.name, self.dimension = inner.name, inner.dimension
        self._known: dict[str, Any] = {}

    def encode(self, texts: pa.Array) -> Matrix:
        """Give the vectors."""
        strings = texts.to_pylist()
        new = [text for text in dict.fromkeys(strings) if text not in self._known]
        if new:
            start = time.perf_counter()
            vectors = self.inner.encode(pa.array(new, pa.large_string()))
            self.seconds += time.perf_counter() - start
            self._known.update(zip(new, vectors, strict=True))
        return np.array([self._known[text] for text in strings], np.float32)


class Ready(Encoder):
    """Gives vectors that are ready, a new one for each text: the encoder left out."""

    name, dimension = "ready", 384

    def __init__(self) -> None:
        """Make them."""
        made = np.random.default_rng(0).standard_normal((8192, 384)).astype(np.float32)
        self._made = made / np.linalg.norm(made, axis=1, keepdims=True)

    def encode(self, texts: pa.Array) -> Matrix:
        """Give the first of them."""
        return self._made[np.arange(len(texts)) % len(self._made)]


def tickets(part: str) -> dict[str, str | None]:
    """Give one part's texts with their category; those of two are left out."""
    kinds = pc.ConvertOptions(column_types=dict.fromkeys(("category", "also"), pa.string()))
    rows = pc.read_csv(TICKETS, convert_options=kinds).to_pylist()
    return {
        row["text"]: row["category"] or None
        for row in rows
        if row["part"] == part and not row["also"]
    }


def by_hand(encoder: Encoder, train: Labels, test: Labels, make: Callable[[], Any]) -> Any:
    """Give a report on scikit-learn's classifier; what belongs nowhere is one more class."""
    names = (*sorted({each for each in train.values() if each}), "")
    x, y = (
        [encoder.encode(pa.array(list(part))) for part in (train, test)],
        [np.array([names.index(each or "") for each in part.values()]) for part in (train, test)],
    )
    model = make().fit(x[0].astype(float), y[0])
    confidences = np.zeros((len(y[1]), len(names)))
    confidences[:, model.classes_] = model.predict_proba(x[1].astype(float))
    truth = np.eye(len(names), dtype=bool)[y[1]][:, :-1]
    judged = Judged(names[:-1], truth, confidences[:, :-1])
    return report_of(judged, how="by hand", threshold=THRESHOLD, several=False)


def hands() -> dict[str, Callable[[], Any]]:
    """Give what people write with scikit-learn."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    def plain() -> Any:
        return LogisticRegression(C=10, max_iter=2000)

    return {
        "LogisticRegression": plain,
        "CalibratedClassifierCV, sigmoid": lambda: CalibratedClassifierCV(plain(), cv=5),
        "CalibratedClassifierCV, isotonic": lambda: CalibratedClassifierCV(
            plain(), method="isotonic", cv=5
        ),
    }


def row(name: str, report: Any, seconds: float) -> str:
    """Give a line of the table."""
    strangers = report.confusion[-1]
    return (
        f"| {name} | {report.accuracy:.3f} | {report.macro_f1:.3f} | "
        f"{report.calibration_error:.3f} | {report.brier:.3f} | {strangers[-1]} of "
        f"{sum(strangers)} | {seconds:.2f} |"
    )


def quality(encoder: Remembered) -> None:
    """Print how right each is on the held-out part; seconds are those without the encoder."""
    train, test = tickets("train"), tickets("test")
    encoder.encode(pa.array([*train, *test, *ABOUT.values()]))
    labelled = {text: label for text, label in train.items() if label}
    few = {
        text: label
        for name in ABOUT
        for text, label in [pair for pair in labelled.items() if pair[1] == name][:4]
    }
    options: dict[str, dict[str, Any]] = {
        "by descriptions": {"categories": ABOUT},
        "4 examples each": {"examples": few},
        "4 examples each, and descriptions": {"examples": few, "categories": ABOUT},
        "240 examples, none without a category": {"examples": labelled},
        "270 examples": {"examples": train},
    }
    print(
        f"\nHeld out: {len(test)} tickets; model {encoder.name}\n\n"
        "| | right | mean F1 | calibration error | Brier | strangers unknown | seconds |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, given in options.items():
        stage = ae.Categorizer(on="text", model=encoder, threshold=THRESHOLD, **given)
        start = time.perf_counter()
        report = stage.evaluate(test)
        print(row(f"Categorizer, {name}", report, time.perf_counter() - start))
    for name, make in hands().items():
        for what, part in (("270 examples", train), ("240 examples", labelled)):
            start = time.perf_counter()
            report = by_hand(encoder, part, test, make)
            print(row(f"{name}, {what}", report, time.perf_counter() - start))


def speed(encoder: Encoder) -> None:
    """Print rows a second with the model, and with vectors that are ready."""
    train = tickets("train")
    texts = pa.table({"text": [f"{text} ({n})" for n in range(2) for text in train]})
    column = texts["text"].combine_chunks()
    stage = ae.Categorizer(on="text", categories=ABOUT, model=encoder)
    alone, whole = [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        encoder.encode(pa.concat_arrays([pa.array(list(ABOUT.values())), column]))
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        run_stage(stage, texts)
        whole.append(time.perf_counter() - start)
    print(
        f"\n{encoder.name}: {len(texts) / min(whole):,.0f} rows/s; the model alone takes "
        f"{min(alone) / min(whole):.2f} of the time (best of {RUNS})"
    )
    ready = Ready()
    many = pa.table({"text": pa.array(np.char.add("text ", np.arange(MANY).astype(str)))})
    examples = {f"example {n}": list(ABOUT)[n % 6] for n in range(300)}
    for name, given in (
        ("descriptions", {"categories": ABOUT}),
        ("examples", {"examples": examples}),
    ):
        stage = ae.Categorizer(on="text", model=ready, **given)
        start = time.perf_counter()
        run_stage(stage, many, batch_rows=65_536)
        seconds = time.perf_counter() - start
        print(f"{name}, the encoder left out: {MANY / seconds:,.0f} different texts/s")
    same = pa.table({"text": pa.array(["my parcel"]).take(pa.array(np.zeros(1_000_000, int)))})
    stage = ae.Categorizer(on="text", categories=ABOUT, model=ready)
    start = time.perf_counter()
    run_stage(stage, same, batch_rows=65_536)
    print(f"one text a million times: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Print quality by model, then speed."""
    encoder = encoder_of()
    for each in (encoder, encoder_of("hashed")):
        quality(Remembered(each))
    speed(encoder)


if __name__ == "__main__":
    main()
