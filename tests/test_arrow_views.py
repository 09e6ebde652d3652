"""Views of Arrow's columns by NumPy: the same buffers, and a copy only where it is stated."""

import gc
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowetl import arrow

NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()),
    *(pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.timestamp("us", "UTC")),
    pa.duration("ns"),
]
ROWS = 100_000


def address(array):
    return array.ctypes.data


def start(column, number=1):
    return column.buffers()[number].address + column.offset * column.type.byte_width


# --- a column ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_a_view_shares_the_columns_buffer(kind):
    column = pa.array(np.arange(100)).cast(pa.int16()).cast(pa.int64())
    column = column.cast(kind, safe=False) if kind != pa.float16() else column.cast(kind)
    for part in (column, column.slice(7), column.slice(7, 20), column.slice(100)):
        before = pa.total_allocated_bytes()
        numbers = arrow.view(part)
        assert pa.total_allocated_bytes() == before
        assert len(numbers) == len(part)
        assert not len(part) or address(numbers) == start(part)
        assert not numbers.flags.writeable
        assert pa.array(numbers).cast(kind).equals(part)


def test_a_view_keeps_its_buffer_alive():
    numbers = arrow.view(pa.array(range(ROWS), pa.int64()))
    gc.collect()
    assert pa.array(range(ROWS), pa.int64()) is not None  # whatever was freed is used again
    assert numbers.sum() == ROWS * (ROWS - 1) // 2


def test_one_chunk_is_a_column_and_several_are_refused():
    column = pa.array([1, 2, 3])
    assert address(arrow.view(pa.chunked_array([column]))) == start(column)
    assert arrow.view(pa.chunked_array([], pa.int8())).tolist() == []
    with pytest.raises(ValueError, match=r"2 chunks .*combine_chunks"):
        arrow.view(pa.chunked_array([column, column]))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([1, None]), r"1 of 2 values are null.*masked\(\)"),
        (pa.array([True]), r"bits.*as_numbers\(\)"),
        (pa.array([Decimal(1)]), r"decimal128\(1, 0\).*as_numbers\(\)"),
        (pa.array(["a"]), "string is no number"),
        (pa.array([[1]]), "no number"),
        (pa.array(["a"]).dictionary_encode(), r"dictionary.*\.indices"),
        (pa.array([1], pa.date32()), r"date32.*view"),
        (pa.array([1], pa.time64("us")), r"time64.*view"),
        (pa.nulls(2), "null"),
    ],
)
def test_what_has_no_view_is_refused_with_what_to_do(column, words):
    with pytest.raises(ValueError, match=words):
        arrow.view(column)


@given(values=st.lists(st.none() | st.integers(-5, 5), max_size=40), skip=st.integers(0, 9))
def test_a_mask_tells_nulls_and_the_values_are_a_view(values, skip):
    column = pa.array(values, pa.int32()).slice(min(skip, len(values)))
    numbers, nulls = arrow.masked(column)
    assert not len(column) or address(numbers) == start(column)
    if nulls is None:
        assert column.null_count == 0
        nulls = np.zeros(len(column), bool)
    found = [None if null else n for n, null in zip(numbers.tolist(), nulls.tolist(), strict=True)]
    assert found == column.to_pylist()


# --- vectors ----------------------------------------------------------------------------------


def test_vectors_are_a_matrix_over_the_same_buffer_and_back():
    matrix = np.arange(ROWS * 3, dtype=np.float32).reshape(-1, 3)
    before = pa.total_allocated_bytes()
    column = arrow.vector_column(matrix)
    again = arrow.vectors(column)
    assert pa.total_allocated_bytes() == before
    assert address(again) == address(matrix)
    assert (again == matrix).all()
    part = column.slice(10, 5)
    assert address(arrow.vectors(part)) == address(matrix[10:])
    assert arrow.vectors(part).tolist() == matrix[10:15].tolist()
    column.validate(full=True)


def test_a_matrix_of_columns_one_after_the_other_is_copied_once():
    matrix = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(4, 3))
    column = arrow.vector_column(matrix)
    assert column.to_pylist() == matrix.tolist()
    assert column.type == pa.list_(pa.float64(), 3)


def test_a_column_outlives_the_matrix_that_it_shares():
    column = arrow.vector_column(np.full((ROWS, 2), 7, np.float32))
    gc.collect()
    assert np.zeros((ROWS, 2), np.float32) is not None
    assert (arrow.vectors(column) == 7).all()


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[1.0], None], pa.list_(pa.float32(), 1)), "1 of 2 lists are null"),
        (pa.array([[1.0, None]], pa.list_(pa.float32(), 2)), "1 of 2 values are null"),
        (pa.array([[1.0]]), "no one length"),
        (pa.array([1.0]), "no one length"),
    ],
)
def test_what_is_no_matrix_is_refused(column, words):
    with pytest.raises(ValueError, match=words):
        arrow.vectors(column)


def test_no_vectors_keep_their_length():
    assert arrow.vectors(pa.array([], pa.list_(pa.float32(), 4))).shape == (0, 4)


# --- several columns --------------------------------------------------------------------------


def test_columns_are_copied_once():
    rng = np.random.default_rng(1)
    batch = pa.record_batch({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)})
    before = pa.total_allocated_bytes()
    found = arrow.matrix(batch)
    assert pa.total_allocated_bytes() == before  # the copy is NumPy's
    assert found.nbytes == 4 * 2 * ROWS
    assert found.flags.c_contiguous
    assert (found[:, 1] == arrow.view(batch["b"]).astype(np.float32)).all()


def test_columns_laid_out_for_it_are_not_copied():
    whole = np.asfortranarray(np.arange(ROWS * 4, dtype=np.float32).reshape(ROWS, 4))
    batch = arrow.side_by_side(whole, list("abcd"))
    for part, rows in ((batch, whole), (batch.slice(5, 100), whole[5:105])):
        found = arrow.matrix(part)
        assert address(found) == address(rows)
        assert (found == rows).all()
        assert not found.flags.writeable
    assert address(arrow.matrix(batch, ["b", "d"])) == address(whole[:, 1:])
    assert (arrow.matrix(batch, ["b", "d"]) == whole[:, [1, 3]]).all()
    backward = arrow.matrix(batch, ["d", "b"])  # a copy: in the other direction
    assert (backward == whole[:, [3, 1]]).all()
    assert backward.flags.writeable


def test_columns_of_several_buffers_are_copied_wherever_these_lie():
    pool = np.arange(8, dtype=np.float32)
    parts = [pa.Array.from_buffers(pa.float32(), 4, [None, pa.py_buffer(pool[at : at + 4])])
             for at in (0, 4)]  # fmt: skip
    found = arrow.matrix(pa.record_batch(parts, names=["a", "b"]))
    assert found.flags.writeable
    assert found.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_a_column_of_vectors_is_its_matrix():
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    batch = pa.record_batch({"v": arrow.vector_column(matrix)})
    assert address(arrow.matrix(batch)) == address(matrix)


def test_numbers_of_every_kind_beside_each_other():
    batch = pa.record_batch(
        {
            "whole": pa.array([1, None, 2**60], pa.int64()),
            "bits": [True, False, None],
            "money": [Decimal("1.25"), None, Decimal("-7.00")],
            "words": pa.array([5, 6, 5]).dictionary_encode(),
            "none": pa.nulls(3),
            "large": [1e300, -1e300, 1.0],
        }
    )
    found = arrow.matrix(batch)
    nan = pytest.approx(float("nan"), nan_ok=True)
    inf = float("inf")
    assert found.tolist() == [
        [1, 1, 1.25, 5, nan, inf],
        [nan, 0, nan, 6, nan, -inf],
        [2**60, nan, -7, 5, nan, 1],
    ]
    # Slices of bits and of masks begin within a byte.
    assert found[1:].tolist() == [[pytest.approx(x, nan_ok=True) for x in row]
                                  for row in arrow.matrix(batch.slice(1)).tolist()]  # fmt: skip


def test_texts_are_no_matrix():
    with pytest.raises(ValueError, match="string is no number"):
        arrow.matrix(pa.record_batch({"a": ["x"]}))


def test_no_rows_and_no_columns():
    assert arrow.matrix(pa.record_batch({"a": pa.array([], pa.float32())})).shape == (0, 1)
    assert arrow.matrix(pa.record_batch({"a": [1, 2]}), []).shape == (2, 0)
