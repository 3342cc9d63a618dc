"""Which connections a list of hosts allows."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from runtime.confinement.hosts import host_covers, parse_host
from runtime.confinement.outward import Outward

pytestmark = pytest.mark.unit

LIST = Outward(
    ["api.example.com:443", "*.cdn.example.com", "10.0.0.0/8:5432", "[fd00::/8]", "localhost:9000"]
)


@pytest.mark.parametrize(
    ("address", "port", "names", "is_allowed"),
    [
        ("93.184.216.34", 443, ["api.example.com"], True),
        ("93.184.216.34", 80, ["api.example.com"], False),
        ("93.184.216.34", 443, ["other.example.com"], False),
        ("93.184.216.34", 443, [], False),
        ("93.184.216.34", 80, ["a.cdn.example.com"], True),
        ("93.184.216.34", 80, ["cdn.example.com"], False),
        # Whoever answers for a name must not lead to what is near.
        ("169.254.169.254", 443, ["api.example.com"], False),
        ("127.0.0.1", 443, ["api.example.com"], False),
        ("10.1.2.3", 443, ["api.example.com"], False),
        ("::ffff:169.254.169.254", 443, ["api.example.com"], False),
        ("64:ff9b::a9fe:a9fe", 443, ["api.example.com"], False),
        ("10.1.2.3", 5432, [], True),
        ("::ffff:10.1.2.3", 5432, [], True),
        ("11.1.2.3", 5432, [], False),
        ("fd12::1", 1, [], True),
        ("127.0.0.1", 9000, ["localhost"], True),
        ("127.0.0.1", 9001, ["localhost"], False),
        ("10.0.0.1", 9000, ["localhost"], False),
    ],
)
def test_a_connection(address: str, port: int, names: list[str], is_allowed: bool) -> None:
    assert LIST.allows(ip_address(address), port, names) is is_allowed


def test_names_that_may_be_asked_for() -> None:
    assert LIST.names == ("api.example.com", "localhost")
    assert [
        LIST.lists(name) for name in ("api.example.com", "x.cdn.example.com", "cdn.example.com", "10.0.0.0")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert not Outward([]).allows(ip_address("93.184.216.34"), 443)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/33", "10.0.0/8", "[fd00::/200]", "a/8", "10.0.0.0/8:0", "[::1", "*"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        parse_host(text)


@pytest.mark.parametrize(
    ("entry", "other", "covers"),
    [
        ("10.0.0.0/8", "10.1.0.0/16:5432", True),
        ("10.0.0.0/8:5432", "10.1.0.0/16", False),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("10.0.0.0/8", "10.9.9.9", True),
        ("10.0.0.0/8", "[::1]", False),
        ("[fd00::/8]", "[fd12::1]:80", True),
        ("10.0.0.0/8", "ten.example.com", False),
    ],
)
def test_a_network_covers_what_is_in_it(entry: str, other: str, covers: bool) -> None:
    assert host_covers(entry, other) is covers
