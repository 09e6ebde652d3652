"""A source and a stage of your own: a class with one or two methods each."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

import arrowetl as ae


class Squares(ae.Source):
    """The first `count` squares, made as they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def schema(self) -> pa.Schema:
        """Give the schema, without making a row."""
        return pa.schema({"n": pa.int64(), "square": pa.int64()})

    def scan(self, *, columns=None, batch_size=65_536) -> Iterator[pa.RecordBatch]:
        """Give the rows, a batch at a time, with the columns that are wanted."""
        for start in range(0, self.count, batch_size):
            n = pa.array(range(start, min(start + batch_size, self.count)), pa.int64())
            batch = pa.record_batch({"n": n, "square": pc.multiply(n, n)})
            yield batch if columns is None else batch.select(list(columns))


class Running(ae.Stage):
    """Add a running total of a column: it looks further than one batch."""

    scope = ae.Scope.STREAM
    rows = ae.Rows.SAME

    def __init__(self, column: str) -> None:
        self.column = column

    def process(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Carry the total from batch to batch."""
        total = 0
        for batch in batches:
            sums = pc.add(pc.cumulative_sum(batch[self.column]), total)
            if batch.num_rows:
                total = sums[-1]
            yield batch.append_column("total", sums)


pipeline = (
    ae.Pipeline("squares")
    .extract(Squares(1_000_000))
    .transform("SELECT * FROM input WHERE n % 2 = 0")
    .transform(Running("square"))
    .transform("SELECT n, total FROM input WHERE n % 100_000 = 0")
    .load(ae.ArrowLoader())
    .run()
)
print(pipeline.result)
print(pipeline.preview(3))
