"""Addresses of machines, and identifiers that they make."""

from __future__ import annotations

from arrowetl.patterns.pattern import Pattern, full

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_HEX = r"[0-9a-fA-F]{1,4}"
IPV6 = "|".join(
    [
        rf"(?:{_HEX}:){{7}}{_HEX}",
        rf"(?:{_HEX}:){{6}}{IPV4}",
        rf"(?:{_HEX}:){{1,7}}:",
        *(rf"(?:{_HEX}:){{1,{left}}}(?::{_HEX}){{1,{7 - left}}}" for left in range(1, 7)),
        rf":(?::{_HEX}){{1,7}}",
        r"::",
        *(rf"(?:{_HEX}:){{1,{left}}}(?::{_HEX}){{0,{5 - left}}}:{IPV4}" for left in range(1, 6)),
        rf"::(?:{_HEX}:){{0,5}}{IPV4}",
    ]
)
"""RFC 4291, with an IPv4 address at the end, without zones and prefixes."""

_DIGIT = "[0-9a-fA-F]"
_PAIR = rf"{_DIGIT}{{2}}"

NETWORK = (
    Pattern(
        "ipv4",
        "IPv4 address",
        full(IPV4),
        pii="ip",
        hints=("ip", "ipv4", "address"),
        good=("192.168.1.1", "0.0.0.0", "255.255.255.255"),  # noqa: S104 - an example
        bad=("256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4.5", "1.2.3.4/8"),
    ),
    Pattern(
        "ipv6",
        "IPv6 address",
        full(IPV6),
        pii="ip",
        hints=("ip", "ipv6"),
        good=("2001:db8::1", "::", "::1", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1::"),
        bad=("1:2:3:4:5:6:7", "1::2::3", ":::", "12345::", "1:2:3:4:5:6:7:8:9", "10:30"),
    ),
    Pattern(
        "mac",
        "MAC address",
        full(
            rf"(?:{_PAIR}:){{5}}{_PAIR}|(?:{_PAIR}-){{5}}{_PAIR}"
            rf"|(?:{_DIGIT}{{4}}\.){{2}}{_DIGIT}{{4}}"
        ),
        pii="mac",
        hints=("mac", "bssid"),
        good=("00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7", "001b.4411.3ab7"),
        bad=("00:1B:44:11:3A", "00:1B-44:11:3A:B7", "00:1B:44:11:3A:G7"),
    ),
    Pattern(
        "uuid",
        "UUID",
        full(rf"{_DIGIT}{{8}}-(?:{_DIGIT}{{4}}-){{3}}{_DIGIT}{{12}}"),
        hints=("uuid", "guid"),
        good=("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"),
        bad=("123e4567-e89b-12d3-a456-42661417400", "123e4567e89b12d3a456426614174000"),
    ),
)
