"""The command line: `python -m benchmarks [run | report | list]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import results
from benchmarks.contender import UnknownContenderError, load
from benchmarks.contenders import NAMES
from benchmarks.report import write
from benchmarks.runner import Options, run_task
from benchmarks.tasks import TASKS

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Do what the arguments say; 1 if an entry failed or its output differs, 2 on bad usage."""
    arguments = _parser().parse_args()
    if arguments.command == "list":
        for task in TASKS.values():
            print(f"{task.name:20} {task.rows:>12,} rows  {task.title}")
        print(f"contenders: {', '.join(NAMES)}, or the path of a .py file")
        return 0
    right = _run(arguments) if arguments.command == "run" else True
    print(write(arguments.out))
    return 0 if right else 1


def _run(arguments: argparse.Namespace) -> bool:
    """Measure and save; say whether every entry was right."""
    try:
        contenders = [load(spec) for spec in arguments.contender or NAMES]
    except UnknownContenderError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    options = Options(rows=arguments.rows, runs=arguments.runs, timeout=arguments.timeout, say=_say)
    right = True
    for name in arguments.task or TASKS:
        result = run_task(TASKS[name], contenders, options)
        results.save(result, arguments.out)
        right = right and not result.wrong
    return right


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=["run", "report", "list"], default="run",
        help="measure, render the results that are there again, or list tasks and contenders",
    )  # fmt: skip
    parser.add_argument("--task", action="append", choices=list(TASKS), help="only this; repeat")
    parser.add_argument("--contender", action="append", help="only this; a name or a .py file")
    parser.add_argument("--rows", type=_positive, help="rows of input instead of each task's own")
    parser.add_argument("--runs", type=_positive, default=5, help="after the warm-up; 5")
    parser.add_argument("--timeout", type=float, help="seconds a run may take")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} isn't positive")
    return number


if __name__ == "__main__":
    sys.exit(main())
