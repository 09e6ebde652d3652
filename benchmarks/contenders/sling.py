"""sling, as its command line is used: a table of one database into one of another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.postgres import uri_in
from benchmarks.tasks.parquet_to_sqlite import TABLE

LABEL = "sling"
PACKAGES = ("sling_linux_amd64",)  # the program itself in a wheel; `sling` would download it
NOT_APPLICABLE = {"csv_to_postgres": "it makes texts of the doubles in a file"}


def postgres_to_postgres(source: Path, output: Path) -> None:
    """A table as the stream."""
    _run(output, "--src-conn", _plain(source), "--src-stream", f"public.{TABLE}")


def _plain(path: Path) -> str:
    """Give the URI, with TLS off: its driver insists on it where nothing is said."""
    return f"{uri_in(path)}?sslmode=disable"


def _run(output: Path, *stream: str) -> None:
    import sling_linux_amd64 as sling

    target = ("--tgt-conn", _plain(output), "--tgt-object", f"public.{TABLE}")
    environment = {
        **os.environ,
        "SLING_HOME_DIR": str(output.parent),
        "SLING_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sling.SLING_BIN, "run", *stream, *target, "--mode", "full-refresh"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
