"""Which addresses participants may have this server post to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from runtime.errors import ConfigError
from runtime.front.access.destinations import Destinations, addresses, is_here, is_public

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%2",
        "fec0::1",
        "ff02::1",
    ],
)
def test_no_address_of_this_machine_a_neighbour_or_a_provider_is_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Destinations().allows("any.example", 80, ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_the_internet_is_open(address: str) -> None:
    assert is_public(ip_address(address))
    assert Destinations().allows("any.example", 443, ip_address(address))


@pytest.mark.parametrize(
    ("listed", "host", "port", "address", "allowed"),
    [
        ("localhost:7000", "localhost", 7000, "127.0.0.1", True),
        ("localhost:7000", "127.0.0.1", 7000, "127.0.0.1", True),
        ("localhost:7000", "[::1]", 7000, "::1", True),
        ("localhost:7000", "localhost", 7001, "127.0.0.1", False),
        ("localhost", "localhost", 7001, "127.0.0.1", True),
        ("127.0.0.1:7000", "evil.example", 7000, "127.0.0.1", True),
        ("127.0.0.1:7000", "evil.example", 7000, "::ffff:127.0.0.1", True),
        ("[::1]:7000", "::1", 7000, "::1", True),
        ("::1", "::1", 7000, "::1", True),
        ("10.0.0.0/8", "a.example", 80, "10.9.8.7", True),
        ("10.0.0.0/8", "a.example", 80, "192.168.0.1", False),
        ("Agents.Internal", "agents.internal.", 80, "10.9.8.7", True),
        ("agents.internal", "other.internal", 80, "10.9.8.7", False),
        ("localhost:1, 10.0.0.1:2", "10.0.0.1", 2, "10.0.0.1", True),
    ],
)
def test_the_operator_may_list_more(listed: str, host: str, port: int, address: str, allowed: bool) -> None:
    assert Destinations(listed).allows(host, port, ip_address(address)) is allowed


@pytest.mark.parametrize(
    "listed",
    ["http://localhost", "10.0.0.0/99", "localhost:http", "*.internal", ":80", "a@b", "localhost:99999"],
)
def test_what_is_no_place_is_told_with_the_setting(listed: str) -> None:
    with pytest.raises(ConfigError, match="BULKHEAD_CALL_ALLOW"):
        Destinations(f"localhost {listed}")


def test_numbers_written_otherwise_are_addresses_too() -> None:
    for host in ("127.1", "2130706433", "0x7f000001", "0"):
        assert not any(is_public(one) for one in addresses(host, 80)), host


def test_which_addresses_are_of_this_machine() -> None:
    assert all(is_here(ip_address(one)) for one in ("127.0.0.1", "127.3.2.1", "0.0.0.0", "::ffff:127.0.0.1"))
    assert not any(is_here(ip_address(one)) for one in ("203.0.113.7", "2001:db8::1", "224.0.0.1"))
