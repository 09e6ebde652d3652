"""What the tests of sources share: files written, rows and rejects read."""

from arrowetl.instances import Instance


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(source):
    """Give the rows as tuples, and fail if any was rejected."""
    return list(zip(*source.reader().read_all().to_pydict().values(), strict=True))


def both(source, folder, *, threads=None):
    """Give what a run would see: the rows, and the rejected ones."""
    folder.mkdir(exist_ok=True)
    with Instance(scratch=folder, threads=threads) as connection:
        table = connection.sql(source.relation(folder)).to_arrow_table()
        assert table.schema == source.schema()
        rejected = [row for batch in source.rejected(connection) for row in batch.to_pylist()]
    return list(zip(*table.to_pydict().values(), strict=True)), rejected


def told(rejected):
    """Give of each rejected row its line, code, column and text."""
    return [(r["source"]["line"], r["reason_code"], r["column"], r["text"]) for r in rejected]
