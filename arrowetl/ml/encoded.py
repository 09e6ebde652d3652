"""The different texts of a table's rows as vectors, or vectors that a column has already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from arrowetl.arrow import Matrix
from arrowetl.errors import ConfigError
from arrowetl.ml.encoders import Encoder
from arrowetl.ml.grams import Rows
from arrowetl.ml.records import Known, Records, different
from arrowetl.ml.strings import levels
from arrowetl.ml.vector_pairs import Vectors
from arrowetl.sampling import hashed
from arrowetl.sql import name
from arrowetl.stopping import check

_CHUNK = 16_384
_BATCH = 8192


def read_encoded(
    connection: DuckDBPyConnection,
    table: str,
    columns: Mapping[str, float],
    encoder: Encoder,
    *,
    id_column: str,
    known: Known | None = None,
) -> Records:
    """Encode the texts of a table, equal ones once; rows without any text are left out.

    The texts of several columns are one text, where all count the same. Else each is encoded by
    itself, and the similarity is the mean of the columns', as much of each as it counts; a column
    that is empty in a row says nothing about it. Memory: the vectors, 4 bytes a number.

    Args:
        connection: where the table is.
        table: its name.
        columns: what is compared, with the weight of each.
        encoder: gives the vectors.
        id_column: whole numbers that differ from row to row. Nothing depends on the rows' order.
        known: tells texts that are known from earlier; they aren't encoded, and left out.

    Raises:
        ConfigError: no column, or a weight makes no sense.

    >>> import duckdb
    >>> from arrowetl.ml.encoders import encoder_of
    >>> with duckdb.connect() as connection:
    ...     _ = connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1, 'b'), (2, 'b '), "
    ...                            "(3, 'a'), (4, ''), (5, NULL)) AS t(id, x)")
    ...     texts = read_encoded(connection, "t", {"x": 1}, encoder_of("hashed"), id_column="id")
    >>> texts.ids.tolist(), [each.tolist() for each in texts.repeats], texts.space.rows
    ([3, 1], [[2], [1]], 2)
    """
    apart = encoded_parts(columns) > 1
    parts = [f"nullif(trim({name(column)}::VARCHAR), '')" for column in columns]
    joined = f"nullif(concat_ws(' ', {', '.join(parts)}), '')"
    lists = f"CASE WHEN {joined} IS NOT NULL THEN [{', '.join(parts)}] END"
    shares = np.sqrt(np.array(list(columns.values()), np.float32)) if apart else np.ones(1)
    value = lists if apart else joined
    with different(connection, table, value, id_column=id_column, known=known) as found:
        values = np.empty((len(found.ids), encoder.dimension * len(shares)), np.float32)
        low = 0
        with found.values() as reader:
            for batch in reader:
                check()
                part = values[low : low + batch.num_rows]
                low += batch.num_rows
                for number, share in enumerate(shares):
                    side = slice(number * encoder.dimension, (number + 1) * encoder.dimension)
                    texts = batch.column(0)
                    if apart:
                        texts = pc.list_element(texts, number)
                    part[:, side] = share * _encoded(encoder, texts)
        repeats = found.repeats()
    _make_unit(values)
    space = Vectors(values, np.arange(len(values)))
    return Records(space, found.ids, repeats, found.keys, found.earlier)


def encoded_parts(columns: Mapping[str, float]) -> int:
    """Say how many vectors a row's is made of: one, or one a column where they count unequally.

    >>> encoded_parts({"a": 1, "b": 1}), encoded_parts({"a": 1, "b": 2})
    (1, 2)
    """
    return len(columns) if len(levels(columns, where="read_encoded")) > 1 else 1


def _encoded(encoder: Encoder, texts: pa.Array) -> Matrix:
    """Encode texts, equal ones once; nulls get zeros."""
    different_texts = pc.dictionary_encode(texts)
    places = different_texts.indices.fill_null(len(different_texts.dictionary)).to_numpy()
    vectors = encoder.encode(different_texts.dictionary)
    nothing = np.zeros((1, encoder.dimension), np.float32)
    found: Matrix = np.concatenate([vectors, nothing])[places]
    return found


def read_vectors(
    connection: DuckDBPyConnection,
    table: str,
    column: str,
    *,
    id_column: str,
    known: Known | None = None,
) -> Records:
    """Read a column of vectors, as they are; equal ones once, and those that are `known` not again.

    Rows without a vector, or with one of zeros or with NaN or infinity in it, are left out. Memory:
    4 bytes a number.

    Raises:
        ConfigError: the vectors haven't all as many numbers.

    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     _ = connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1, [3, 4]), "
    ...                            "(2, [0.6, 0.8]), (3, [0, 0]), (4, NULL)) AS t(id, v)")
    ...     found = read_vectors(connection, "t", "v", id_column="id")
    >>> found.ids.tolist(), [each.tolist() for each in found.repeats]
    ([1], [[2], [0]])
    """
    vector, row = name(column), name(id_column)
    kind = str(connection.sql(f"SELECT {vector} FROM {name(table)}").types[0])
    dimension, rows = _extent(connection, table, column, kind)
    read_as = "" if kind.startswith("FLOAT[") else "::DOUBLE[]"
    values = np.zeros((rows, max(dimension, 1)), np.float32)
    ids = np.zeros(rows, np.int64)
    low = 0
    query = (
        f"SELECT {row}::BIGINT AS id, {vector}{read_as} AS v FROM {name(table)} "
        f"WHERE {vector} IS NOT NULL"
    )
    with closing(connection.sql(query).to_arrow_reader(_BATCH)) as reader:
        for batch in reader if dimension else ():
            high = low + batch.num_rows
            ids[low:high] = batch.column(0).to_numpy()
            numbers = batch.column(1).flatten()
            if numbers.null_count:
                numbers = numbers.fill_null(float("nan"))
            values[low:high] = _scaled(numbers.to_numpy().reshape(-1, dimension))
            low = high
    good = _make_unit(values)
    keys = _keys(values)
    order = np.lexsort((ids, keys))
    order = order[good[order]]
    first = np.flatnonzero(np.append(True, np.diff(keys[order]) != 0)[: len(order)])
    place = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(order))))
    again = np.setdiff1d(np.arange(len(order)), first, assume_unique=True)
    kept = order[first]
    found = Records(Vectors(values, kept), ids[kept], (ids[order[again]], place[again]))
    return found if known is None else _without_known(found, keys[kept], known)


def _without_known(found: Records, keys: Rows, known: Known) -> Records:
    """Leave out the vectors that are known from earlier, and say which rows have them."""
    vectors = cast("Vectors", found.space)
    checks = _keys(vectors.values, vectors.order, salt=1)
    both = np.stack([keys, checks], axis=1).view(np.uint64)
    numbers = known(both)
    new = numbers < 0
    places = np.cumsum(new) - 1
    rows, which = found.repeats
    fresh = new[which]
    return Records(
        Vectors(vectors.values, vectors.order[new]),
        found.ids[new],
        (rows[fresh], places[which[fresh]]),
        both[new],
        (
            np.append(found.ids[~new], rows[~fresh]),
            np.append(numbers[~new], numbers[which[~fresh]]),
        ),
    )


def _extent(connection: DuckDBPyConnection, table: str, column: str, kind: str) -> tuple[int, int]:
    """Give how many numbers a vector has, and how many vectors there are."""
    vector = name(column)
    fixed = re.search(r"\[(\d+)\]$", kind)
    # Where the type says it, no number has to be read.
    size = fixed[1] if fixed else f"len({vector})"
    sizes = connection.execute(
        f"SELECT min({size}), max({size}), count({vector}) FROM {name(table)}"
    ).fetchall()[0]  # small: one row
    least, dimension, rows = sizes[0] or 0, sizes[1] or 0, sizes[2]
    if least != dimension:
        raise ConfigError(
            f"column {column!r} has vectors of {least} numbers and of {dimension}; "
            "those to compare have all as many"
        )
    return dimension, rows


def _scaled(numbers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Give vectors whose largest number fits 32 bits; only their direction counts."""
    if numbers.dtype == np.float32:
        return numbers
    largest = np.abs(numbers).max(axis=1, keepdims=True)
    fine = np.isfinite(largest) & (largest > 0)
    scaled: npt.NDArray[np.floating[Any]] = numbers.copy()
    np.divide(numbers, largest, out=scaled, where=fine)
    return scaled


def _make_unit(values: Matrix) -> npt.NDArray[np.bool_]:
    """Make each row one long, in place; say which can be: others are all zeros then."""
    good = np.zeros(len(values), np.bool_)
    for low in range(0, len(values), _CHUNK):
        part = values[low : low + _CHUNK]
        largest = np.abs(part).max(axis=1, initial=0)
        fine = good[low : low + _CHUNK] = np.isfinite(largest) & (largest > 0)
        part[~fine] = 0
        part[fine] /= largest[fine, None]
        part[fine] /= np.sqrt(np.einsum("ij,ij->i", part, part))[fine, None]
    return good


def _keys(values: Matrix, order: Rows | None = None, *, salt: int = 0) -> Rows:
    """Give a number for each vector, or for those of `order`: equal ones have the same."""
    rows = len(values) if order is None else len(order)
    odd = hashed(np.arange(values.shape[1]) + (salt << 32)) | np.uint64(1)
    found = np.zeros(rows, np.uint64)
    for low in range(0, rows, _BATCH):
        high = low + _BATCH
        some = values[low:high] if order is None else values[order[low:high]]
        # Minus zero is zero.
        bits = (some + np.float32(0)).view(np.uint32).astype(np.uint64)
        found[low:high] = (bits * odd).sum(axis=1, dtype=np.uint64)
    # Zeros add nothing, and (1, 0) isn't (1, 0, 0).
    found += np.uint64(values.shape[1])
    keys: Rows = hashed(found.view(np.int64)).view(np.int64)
    return keys
