"""What stages, sources and sinks promise, as checks that run.

`check_stage`, `check_source` and `check_sink` put one of yours through all of them, as ours are;
`STAGE_CHECKS`, `SOURCE_CHECKS` and `SINK_CHECKS` are the lists, to parametrise a test with. Each
raises AssertionError, and says what it found.
"""

from arrowetl.testing.running import Crash, CrashingSource, rebatch, run_stage
from arrowetl.testing.sinks import SINK_CHECKS, Destination, check_sink
from arrowetl.testing.sources import SOURCE_CHECKS, check_source
from arrowetl.testing.stages import STAGE_CHECKS, check_stage
from arrowetl.testing.values import check_value, same

__all__ = [
    "SINK_CHECKS",
    "SOURCE_CHECKS",
    "STAGE_CHECKS",
    "Crash",
    "CrashingSource",
    "Destination",
    "check_sink",
    "check_source",
    "check_stage",
    "check_value",
    "rebatch",
    "run_stage",
    "same",
]
