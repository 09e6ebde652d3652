"""The contenders, a module each: a function a task, named as the task, `(source, output) -> None`.

A contender's module says its `LABEL` and the `PACKAGES` it needs; `NOT_APPLICABLE` says by task
why it has no function for one; `STARTUP` is the program whose start is timed. The packages are
imported in the functions, so that the module can be listed without them.
"""

NAMES = (
    "arrowetl",
    "arrowetl_map",
    "arrowetl_sampled",
    "arrowetl_help",
    "duckdb",
    "polars",
    "pandas",
    "pandas_arrow",
    "adbc",
    "connectorx",
    "dlt",
    "sling",
    "ydata",
    "dataprofiler",
    "python",
    "bare",
)
