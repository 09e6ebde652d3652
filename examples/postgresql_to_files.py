"""From PostgreSQL to Parquet: a table read in ranges side by side, and a query with parameters.

It needs a server, which `ARROWETL_EXAMPLE_POSTGRES` names: postgresql://user@host/database.
The table `arrowetl_example` is made there, and dropped.
"""

import os
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import arrowetl as ae

uri = os.environ.get("ARROWETL_EXAMPLE_POSTGRES")
if not uri:
    print("no rows were moved: set ARROWETL_EXAMPLE_POSTGRES=postgresql://user@host/database")
    sys.exit()

from adbc_driver_postgresql import dbapi  # noqa: E402 - needed only with a server

MADE = """
CREATE TABLE arrowetl_example AS SELECT i AS id, date '2026-01-01' + i % 365 AS day,
(i * 0.37)::numeric(12,2) AS paid, jsonb_build_object('n', i) AS more
FROM generate_series(1, 100000) AS i
"""

with closing(dbapi.connect(uri, autocommit=True)) as server, closing(server.cursor()) as cursor:
    cursor.execute("DROP TABLE IF EXISTS arrowetl_example")
    cursor.execute(MADE)
    with TemporaryDirectory() as folder:
        whole = (
            ae.Pipeline("a table")
            .extract(
                ae.PostgreSQLSource(
                    uri=uri, table="arrowetl_example", partition_column="id", partitions=2
                )
            )
            .load(ae.ParquetLoader(Path(folder) / "whole.parquet"))
        )
        print(whole.run().result)
        some = (
            ae.Pipeline("a query")
            .extract(
                ae.PostgreSQLSource(
                    uri=uri,
                    # A sum has no precision of its own: it would come as text.
                    query="SELECT day, sum(paid)::numeric(18,2) AS paid FROM arrowetl_example "
                    "WHERE day >= $1 GROUP BY day ORDER BY day",
                    params=[date(2026, 12, 1)],
                )
            )
            .load(ae.ArrowLoader())
        )
        print(some.run().result)
    cursor.execute("DROP TABLE arrowetl_example")
