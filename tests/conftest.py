"""What all tests share."""

from hypothesis import settings

# How long an example may take is for benchmarks to say.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_make_parametrize_id(val):
    """Name bytes by their number: what is packed has the time in it, and workers compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
