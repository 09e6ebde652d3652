"""The one list of checks: `nox -l` shows it, `nox -s NAME` runs one, with all of its set-up."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")


TORCH = "torch==2.13.0"
"""The build for processors; what else is asked for would bring gigabytes for GPUs."""


def install(session: nox.Session, *groups: str) -> None:
    """Install the project as it stands here, and what the groups name."""
    if {"test", "quality"} & set(groups):
        session.install(TORCH)
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def demo(session: nox.Session) -> None:
    """Clean a messy customer file into a database, and show what happened."""
    install(session)
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, and the examples of the README and of every docstring."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session, "types")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Run only the examples of the README and of the docstrings."""
    install(session, "test")
    session.run("python", "-m", "pytest", "arrowetl", "README.md")


@nox.session
def faults(session: nox.Session) -> None:
    """Run only the tests that kill, fill, cut and corrupt."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-k", "kill or full or hostile or crash or stress")


@nox.session
def quality(session: nox.Session) -> None:
    """Measure how well near duplicates and unusual rows are found, and what it costs."""
    install(session, "quality")
    session.run("python", "-m", "benchmarks.quality", *session.posargs)
    session.run("python", "-m", "benchmarks.outliers")


@nox.session
def tuning(session: nox.Session) -> None:
    """Measure how good the settings are that an AutoTuner finds, beside a sweep."""
    install(session, "quality")
    session.run("python", "-m", "benchmarks.tuning", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against hand-written DuckDB, Polars, pandas and plain Python."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)
