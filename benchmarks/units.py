"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable

MINUTE = 60
SHORT = 1


def seconds(value: float) -> str:
    """Give a time.

    >>> seconds(0.0421), seconds(4.4), seconds(83)
    ('42 ms', '4.40 s', '83.0 s')
    """
    if abs(value) < SHORT:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if abs(value) < MINUTE else f"{value:.1f} s"


def size(value: float) -> str:
    """Give a number of bytes, in powers of ten.

    >>> size(1_395_864_371), size(28_000_000), size(4_200)
    ('1.40 GB', '28 MB', '4 kB')
    """
    gigabyte, megabyte = 1e9, 1e6
    if value >= gigabyte:
        return f"{value / gigabyte:.2f} GB"
    return f"{value / megabyte:.0f} MB" if value >= megabyte else f"{value / 1e3:.0f} kB"


def rate(value: float) -> str:
    """Give rows a CPU second.

    >>> rate(612_345), rate(2_400)
    ('612 k', '2 k')
    """
    million = 1e6
    return f"{value / million:.2f} M" if value >= million else f"{value / 1e3:.0f} k"


def ratio(value: float) -> str:
    """Give how many times, with the sign of multiplication."""
    return f"{value:.2f} \N{MULTIPLICATION SIGN}"


METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "wall": ("wall", seconds),
    "cpu": ("CPU", seconds),
    "peak": ("peak memory", size),
    "output": ("output", size),
}
"""What is compared, the smaller the better: its heading and how it is written."""
