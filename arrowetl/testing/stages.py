"""What a stage promises."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from itertools import chain

import pyarrow as pa

from arrowetl.arrow import empty_batch
from arrowetl.stage import Rows, Stage
from arrowetl.testing.running import own_garbage, own_temporary_folder, rebatch, run_stage
from arrowetl.testing.values import check_value, same

Check = Callable[[Stage, pa.Table], None]


def check_stage(stage: Stage, table: pa.Table) -> None:
    """Put a stage through all of `STAGE_CHECKS`.

    Args:
        stage: the stage.
        table: some rows it can work on; nulls and repeated values find more.

    Raises:
        AssertionError: it breaks a promise; says which.

    >>> from arrowetl.transforms.query import Filter
    >>> check_stage(Filter("x > 1"), pa.table({"x": [1, 2, None]}))
    """
    for check in STAGE_CHECKS:
        check(stage, table)


def check_batches_do_not_matter(stage: Stage, table: pa.Table) -> None:
    """The same rows come out, in the same order, however the input was cut."""
    whole = run_stage(stage, table)
    for rows in (1, 2, 7):
        cut = run_stage(stage, table, batch_rows=rows)
        assert same(cut, whole), f"{stage!r}: batches of {rows} give {cut}, one batch gives {whole}"


def check_running_again_gives_the_same(stage: Stage, table: pa.Table) -> None:
    """A stage keeps nothing between two runs."""
    first, second = run_stage(stage, table), run_stage(stage, table)
    assert same(first, second), f"{stage!r}: the second run gives {second}, the first {first}"


def check_bind_tells_the_truth(stage: Stage, table: pa.Table) -> None:
    """Every batch has the schema that `bind` gave; a dynamic stage may leave columns out."""
    bound = stage.bind(table.schema)
    seen = [batch.schema for batch in stage.process(rebatch(table, 2))]
    assert seen, f"{stage!r}: no batch came out, so its schema is lost"
    for schema in seen:
        if stage.dynamic:
            assert schema.equals(seen[0]), f"{stage!r}: gave {schema} and {seen[0]}"
            promised = pa.schema([field for field in bound if field.name in schema.names])
        else:
            promised = bound
        found, wanted = (list(zip(s.names, s.types, strict=True)) for s in (schema, promised))
        assert found == wanted, f"{stage!r}: gave {found}, bind said {wanted}"


def check_empty_input(stage: Stage, table: pa.Table) -> None:
    """No rows are no trouble: the schema comes out all the same."""
    out = run_stage(stage, table.slice(0, 0))
    names = set(stage.bind(table.schema).names)
    assert set(out.column_names) <= names, f"{stage!r}: gave {out.column_names} for no rows"
    nothing = list(stage.process(iter(())))
    assert sum(batch.num_rows for batch in nothing) <= 1, f"{stage!r}: gave rows for no batches"


def check_rows_are_as_stated(stage: Stage, table: pa.Table) -> None:
    """The number of rows changes as `rows` says."""
    for part in (table, table.slice(0, 1), table.slice(0, 0)):
        before, after = part.num_rows, run_stage(stage, part).num_rows
        if stage.rows is Rows.SAME:
            assert after == before, f"{stage!r}: gave {after} rows for {before}"
        elif stage.rows is not Rows.ANY:
            assert after <= before, f"{stage!r}: gave {after} rows for {before}"


def check_input_is_not_written(stage: Stage, table: pa.Table) -> None:
    """The buffers that come in are as they were, and so is the schema."""
    batches = table.to_batches()
    before = [batch.serialize().to_pybytes() for batch in batches]
    for _ in stage.process(iter(batches)):
        pass
    after = [batch.serialize().to_pybytes() for batch in batches]
    assert before == after, f"{stage!r}: wrote to its input"


def check_is_a_value(stage: Stage, table: pa.Table) -> None:
    """Equal, hashed, pickled and printed by what it was made of, and so are its answers."""
    again = check_value(stage)
    assert again.bind(table.schema).equals(stage.bind(table.schema)), f"{stage!r}: binds otherwise"


def check_abandoned_midway(stage: Stage, table: pa.Table) -> None:
    """A run that nobody reads to its end leaves no thread, no file and no open input."""
    threads = set(threading.enumerate())
    closed: list[bool] = []
    with own_garbage(), own_temporary_folder() as folder:
        running = stage.process(_watched(chain(rebatch(table, 1), rebatch(table, 1)), closed))
        next(iter(running), None)
        if hasattr(running, "close"):
            running.close()
        del running
        gc.collect()
        files = list(folder.iterdir())
    assert closed, f"{stage!r}: the input is still open"
    assert not files, f"{stage!r}: left {files}"
    left = {thread for thread in set(threading.enumerate()) - threads if thread.is_alive()}
    assert not left, f"{stage!r}: left {left}"


def _watched(batches: Iterator[pa.RecordBatch], closed: list[bool]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    finally:
        closed.append(True)


def check_errors_come_through(stage: Stage, table: pa.Table) -> None:
    """An error of the input ends the run; what came before doesn't pass for all."""

    def failing() -> Iterator[pa.RecordBatch]:
        yield empty_batch(table.schema)
        yield from table.to_batches()
        raise InputError

    try:
        for _ in stage.process(failing()):
            pass
    except InputError:
        return
    except Exception as error:  # noqa: BLE001 - DuckDB gives an error of its own, with ours in it
        assert "InputError" in _chain(error), f"{stage!r}: hides the input's error: {error}"  # noqa: PT017
        return
    raise AssertionError(f"{stage!r}: the input failed, and the stage didn't")


class InputError(Exception):
    """What a failing input raises."""


def _chain(error: BaseException | None) -> str:
    found = []
    while error is not None:
        found.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(found)


STAGE_CHECKS: tuple[Check, ...] = (
    # First: what is written once may look the same ever after.
    check_input_is_not_written,
    check_batches_do_not_matter,
    check_running_again_gives_the_same,
    check_bind_tells_the_truth,
    check_empty_input,
    check_rows_are_as_stated,
    check_is_a_value,
    check_abandoned_midway,
    check_errors_come_through,
)
