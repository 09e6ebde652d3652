"""What all tests share."""

import os

import pytest


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_auto_num_workers(config):
    """Run more tests at a time than there are cores: many wait for servers and processes."""
    return (os.cpu_count() or 1) + 1


def pytest_make_parametrize_id(val):
    """Name bytes by their number: what is packed has the time in it, and workers compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
