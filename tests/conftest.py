"""What all tests share."""


def pytest_make_parametrize_id(val):
    """Name bytes by their number: what is packed has the time in it, and workers compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
