"""Measures arrowetl beside what people would write without it; run with `python -m benchmarks`."""
