"""What a sink promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import pyarrow as pa

from arrowetl.arrow import reader_of
from arrowetl.instances import Instance
from arrowetl.sql import INPUT
from arrowetl.stage import Sink
from arrowetl.testing.values import check_value


class Destination(ABC):
    """A place for a sink to write to, told apart from the sink so that it can be looked at.

    Make one of yours for `check_sink`: each check begins at a new one.
    """

    @abstractmethod
    def sink(self) -> Sink:
        """Give the sink, in a mode that may write again to what it has written."""

    @abstractmethod
    def rows(self) -> pa.Table | None:
        """Give what any reader sees there now, by other means than the sink; None if nothing."""

    def left(self) -> list[str]:
        """Give what else lies there that shouldn't: temporary files, staging tables."""
        return []


Check = Callable[[Callable[[], Destination], pa.Table], None]


def check_sink(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """Put a sink through all of `SINK_CHECKS`.

    Args:
        fresh: gives a new, empty destination.
        table: a few rows of types that the destination keeps as they are.

    Raises:
        AssertionError: it breaks a promise; says which.
    """
    for check in SINK_CHECKS:
        check(fresh, table)


def check_rows_arrive(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """What is written is there after the commit, and `write` says how many rows it was."""
    place = fresh()
    sink = place.sink()
    sink.check(table.schema)
    sink.begin(table.schema)
    count = _write(sink, table)
    assert count == table.num_rows, f"{sink.label}: said {count} rows, was given {table.num_rows}"
    sink.commit()
    _assert_holds(place, sink, table)
    assert not place.left(), f"{sink.label}: left {place.left()}"


def check_checking_changes_nothing(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """`check` and `statement` only look."""
    place = fresh()
    sink = place.sink()
    sink.check(table.schema)
    sink.statement("SELECT 1", table.schema)
    assert place.rows() is None, f"{sink.label}: looking left {place.rows()}"
    assert not place.left(), f"{sink.label}: looking left {place.left()}"


def check_nothing_is_seen_before_commit(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """A reader sees all of a run or nothing of it."""
    place = fresh()
    sink = place.sink()
    sink.begin(table.schema)
    assert place.rows() is None, f"{sink.label}: begin shows {place.rows()}"
    _write(sink, table)
    assert place.rows() is None, f"{sink.label}: write shows {place.rows()} before the commit"
    sink.commit()
    _assert_holds(place, sink, table)


def check_no_rows_make_an_empty_destination(
    fresh: Callable[[], Destination], table: pa.Table
) -> None:
    """No rows are rows, too: the columns are there afterwards."""
    place = fresh()
    sink = place.sink()
    sink.begin(table.schema)
    assert _write(sink, table.slice(0, 0)) == 0, f"{sink.label}: says it put rows of none"
    sink.commit()
    _assert_holds(place, sink, table.slice(0, 0))


def check_abort_leaves_what_was(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """After `abort`, at any point and twice, the destination is as it was."""
    for wrote in (False, True):
        place = fresh()
        sink = place.sink()
        _load(sink, table)
        before = place.rows()
        sink.begin(table.schema)
        if wrote:
            _write(sink, table)
        sink.abort()
        sink.abort()
        assert _bag(place.rows()) == _bag(before), f"{sink.label}: abort left {place.rows()}"
        assert not place.left(), f"{sink.label}: abort left {place.left()}"


def check_abort_of_the_first_run_leaves_nothing(
    fresh: Callable[[], Destination], table: pa.Table
) -> None:
    """Where nothing was, nothing is after an `abort`."""
    place = fresh()
    sink = place.sink()
    sink.begin(table.schema)
    _write(sink, table)
    sink.abort()
    assert place.rows() is None, f"{sink.label}: abort left {place.rows()}"
    assert not place.left(), f"{sink.label}: abort left {place.left()}"


def check_commit_twice_is_commit_once(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """A commit that is called again changes nothing, nor does an abort after it."""
    place = fresh()
    sink = place.sink()
    _load(sink, table)
    sink.commit()
    _assert_holds(place, sink, table)
    sink.abort()
    _assert_holds(place, sink, table)


def check_a_failed_input_leaves_nothing(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """Rows that break off in the middle of `write` leave nothing after `abort`."""
    place = fresh()
    sink = place.sink()
    sink.begin(table.schema)

    def failing() -> Iterator[pa.RecordBatch]:
        yield from table.to_batches()
        raise OSError("the input broke off")

    try:
        sink.write(reader_of(table.schema, failing()))
    except Exception:  # noqa: BLE001 - each sink has its own; that there is one is the promise
        sink.abort()
    else:
        raise AssertionError(f"{sink.label}: the input failed, and write didn't")
    assert place.rows() is None, f"{sink.label}: a failed run left {place.rows()}"
    assert not place.left(), f"{sink.label}: a failed run left {place.left()}"


def check_it_can_be_used_again(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """After a commit the same sink begins another run."""
    place = fresh()
    sink = place.sink()
    _load(sink, table)
    once = place.rows()
    _load(sink, table)
    twice = place.rows()
    assert once is not None, f"{sink.label}: nothing arrived"
    assert twice is not None, f"{sink.label}: the second run took the first away"
    assert twice.num_rows in {once.num_rows, 2 * once.num_rows}, (
        f"{sink.label}: {twice.num_rows} rows after two runs of {once.num_rows}"
    )


def check_the_statement_puts_the_same(fresh: Callable[[], Destination], table: pa.Table) -> None:
    """The COPY that DuckDB runs puts what `write` does."""
    place = fresh()
    sink = place.sink()
    sink.begin(table.schema)
    statement = sink.statement(f"SELECT * FROM {INPUT}", table.schema)
    if statement is None:
        sink.abort()
        return
    with Instance() as connection:
        connection.register(INPUT, table)
        connection.execute(statement)
    sink.commit()
    _assert_holds(place, sink, table)


def check_sink_is_a_value(fresh: Callable[[], Destination], table: pa.Table) -> None:  # noqa: ARG001
    """Equal, hashed, pickled and printed by what it was made of."""
    check_value(fresh().sink())


def _load(sink: Sink, table: pa.Table) -> None:
    sink.begin(table.schema)
    _write(sink, table)
    sink.commit()


def _write(sink: Sink, table: pa.Table) -> int:
    with reader_of(table.schema, table.to_batches(max_chunksize=2)) as reader:
        return sink.write(reader)


def _assert_holds(place: Destination, sink: Sink, table: pa.Table) -> None:
    found = place.rows()
    assert found is not None, f"{sink.label}: nothing is there after the commit"
    assert found.column_names == table.column_names, f"{sink.label}: has {found.column_names}"
    assert _bag(found) == _bag(table), f"{sink.label}: has {found}, was given {table}"


def _bag(table: pa.Table | None) -> list[str] | None:
    """Give the rows in no order: a destination need not keep one."""
    return None if table is None else sorted(map(repr, table.to_pylist()))


SINK_CHECKS: tuple[Check, ...] = (
    check_rows_arrive,
    check_checking_changes_nothing,
    check_nothing_is_seen_before_commit,
    check_no_rows_make_an_empty_destination,
    check_abort_leaves_what_was,
    check_abort_of_the_first_run_leaves_nothing,
    check_commit_twice_is_commit_once,
    check_a_failed_input_leaves_nothing,
    check_it_can_be_used_again,
    check_the_statement_puts_the_same,
    check_sink_is_a_value,
)
