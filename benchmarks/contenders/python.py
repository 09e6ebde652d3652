"""A loop of Python over records: what a first script looks like, and older tools inside."""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.tasks.csv_to_parquet import EMAIL, MIN_TOTAL
from benchmarks.tasks.parquet_to_sqlite import TABLE
from benchmarks.tasks.plain_rules import RULES as PLAIN_RULES
from benchmarks.tasks.profile import NUMBERS
from benchmarks.tasks.ten_rules import CITY, DATES, NOTE, RULES
from benchmarks.tasks.ten_rules import EMAIL as EMAIL_RULE

LABEL = "Python loop"
PACKAGES = ("pyarrow",)  # only to read and write Parquet
NOT_APPLICABLE: dict[str, str] = {}


def csv_to_parquet(source: Path, output: Path) -> None:
    """The csv module, a dictionary a record."""
    with source.open(newline="", encoding="utf-8") as file:
        _write(output, _cleaned(csv.DictReader(file)))


def _cleaned(records: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    email = re.compile(EMAIL)
    for record in records:
        if not record["price"] or not email.match(record["email"]):
            continue
        price, qty = float(record["price"]), int(record["qty"])
        if price * qty <= MIN_TOTAL:
            continue
        day = date.fromisoformat(record["date"])
        yield {
            "id": int(record["id"]),
            "email": record["email"].lower(),
            "price": price,
            "qty": qty,
            "city": record["city"].strip(" "),
            "date": day,
            "note": record["note"],
            "total": price * qty,
            "year": day.year,
        }


def no_rules(source: Path, output: Path) -> None:
    """The csv module, a dictionary a record."""
    with source.open(newline="", encoding="utf-8") as file:
        _write(output, map(_typed, csv.DictReader(file)))


def ten_rules(source: Path, output: Path) -> None:
    """The same, each rule an expression; the broken ones are counted on the way."""
    broken = [0] * len(RULES)

    def good(records: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for record in map(_typed, records):
            kept = _kept(record)
            for at, right in enumerate(kept):
                broken[at] += not right
            if all(kept):
                yield record

    with source.open(newline="", encoding="utf-8") as file:
        _write(output, good(csv.DictReader(file)))
    print(broken)


def plain_rules(source: Path, output: Path) -> None:
    """The same, without regular expressions, and all rows go on."""
    broken = [0] * len(PLAIN_RULES)

    def scored(records: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for record in map(_typed, records):
            kept = _plainly_kept(record)
            for at, right in enumerate(kept):
                broken[at] += not right
            yield record | {"quality_score": sum(kept) / len(kept)}

    with source.open(newline="", encoding="utf-8") as file:
        _write(output, scored(csv.DictReader(file)))
    print(broken)


def _typed(record: dict[str, str]) -> dict[str, Any]:
    return {
        "id": int(record["id"]),
        "email": record["email"],
        "price": float(record["price"]) if record["price"] else None,
        "qty": int(record["qty"]) if record["qty"] else None,
        "city": record["city"],
        "date": date.fromisoformat(record["date"]),
        "note": record["note"],
    }


def _plainly_kept(record: dict[str, Any]) -> list[bool]:
    id_, price, day, *_, some_price, some_qty, listed, product = _kept(record)
    texts = len(record["email"]) >= 3, len(record["note"]) == 32, record["city"] != ""  # noqa: PLR2004
    return [id_, price, day, some_price, some_qty, listed, product, *texts]


def _kept(record: dict[str, Any]) -> list[bool]:
    price, qty = record["price"], record["qty"]
    first, last = map(date.fromisoformat, DATES)
    return [
        record["id"] >= 0,
        price is None or price <= 500,  # noqa: PLR2004
        first <= record["date"] <= last,
        re.fullmatch(EMAIL_RULE, record["email"]) is not None,
        re.fullmatch(NOTE, record["note"]) is not None,
        re.fullmatch(CITY, record["city"]) is not None,
        price is not None,
        qty is not None,
        qty is None or qty in range(1, 10),
        price is None or qty is None or price * qty <= 4000,  # noqa: PLR2004
    ]


def profile(source: Path, output: Path) -> None:
    """Three numbers a column, nothing else."""
    least: dict[str, float] = dict.fromkeys(NUMBERS, math.inf)
    greatest: dict[str, float] = dict.fromkeys(NUMBERS, -math.inf)
    total, count = dict.fromkeys(NUMBERS, 0.0), dict.fromkeys(NUMBERS, 0)
    for record in _read(source):
        for column in NUMBERS:
            value = record[column]
            if value is not None:
                least[column] = min(least[column], value)
                greatest[column] = max(greatest[column], value)
                total[column] += value
                count[column] += 1
    facts = (
        {
            "name": column,
            "minimum": float(least[column]),
            "maximum": float(greatest[column]),
            "mean": round(total[column] / count[column], 6),
        }
        for column in NUMBERS
    )
    _write(output, facts)


def parquet_to_sqlite(source: Path, output: Path) -> None:
    """One INSERT a record, in one transaction."""
    with sqlite3.connect(output) as target:
        target.execute(
            f"CREATE TABLE {TABLE} (id INTEGER, email TEXT, name TEXT, qty INTEGER,"
            " price REAL, score REAL, day TEXT, note TEXT)"
        )
        for record in _read(source):
            record["day"] = record["day"].isoformat()
            target.execute(
                f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tuple(record.values())
            )
    target.close()


def dedup(source: Path, output: Path) -> None:
    """A set of the emails seen; there is no memory limit to set."""

    def firsts() -> Iterator[dict[str, Any]]:
        seen = set()
        for record in _read(source):
            if record["email"] not in seen:
                seen.add(record["email"])
                yield record

    _write(output, firsts())


def group_by(source: Path, output: Path) -> None:
    """A dictionary of groups, each updated in place."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for record in _read(source):
        key = record["country"], record["product"]
        if (group := groups.get(key)) is None:
            group = groups[key] = {
                "country": key[0],
                "product": key[1],
                "orders": 0,
                "coupons": 0,
                "customers": set(),
                "total": 0.0,
                "mean": 0.0,
                "largest": record["amount"],
            }
        group["orders"] += 1
        group["coupons"] += record["coupon"] is not None
        group["customers"].add(record["customer"])
        group["total"] += record["amount"]
        group["largest"] = max(group["largest"], record["amount"])
    for group in groups.values():
        group["customers"] = len(group["customers"])
        group["mean"] = group["total"] / group["orders"]
    _write(output, iter(groups.values()))


def _read(source: Path) -> Iterator[dict[str, Any]]:
    """Give a dictionary a record."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _write(output: Path, records: Iterator[dict[str, Any]]) -> None:
    """Write records in chunks of 50,000."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chunk = pa.RecordBatch.from_pylist(list(islice(records, 50_000)))
    with pq.ParquetWriter(output, chunk.schema, compression="zstd", compression_level=3) as writer:
        writer.write_batch(chunk)
        while rows := list(islice(records, 50_000)):
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=chunk.schema))


def json_lines_to_parquet(source: Path, output: Path) -> None:
    """The json module, a dictionary a line."""
    with source.open(encoding="utf-8") as file:
        _write(output, map(_flat, map(json.loads, file)))


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "email": record["person"]["email"],
        "age": record["person"]["age"],
        "price": record["price"],
        "score": record["score"],
        "tags": len(record["tags"]),
        "day": date.fromisoformat(record["day"]),
        "note": record["note"],
    }
