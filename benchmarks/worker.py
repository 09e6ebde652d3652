"""One repetition of one contender, in the process that is measured.

`python -m benchmarks.worker CONTENDER TASK SOURCE OUTPUT REPORT`
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.contender import load
from benchmarks.tasks import TASKS


def counted_io() -> dict[str, int]:
    """Give the bytes that went through read and write calls so far, where the kernel counts them.

    What is mapped into memory isn't among them.
    """
    accounts = Path("/proc/self/io")
    if not accounts.exists():
        return {}
    fields = dict(line.split(": ") for line in accounts.read_text().splitlines())
    return {"read": int(fields["rchar"]), "written": int(fields["wchar"])}


def main() -> None:
    """Do the task, then report."""
    contender, task, source, output, report = sys.argv[1:]
    function = load(contender).function(TASKS[task])
    started = time.perf_counter()
    function(Path(source), Path(output))
    seconds = time.perf_counter() - started
    Path(report).write_text(json.dumps({"seconds": seconds} | counted_io()), encoding="utf-8")


if __name__ == "__main__":
    main()
