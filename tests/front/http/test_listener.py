"""Where a server listens, and where others find it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.front.http.listener import Listener, reachable_host

_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")


@pytest.mark.unit
@pytest.mark.parametrize(("host", "told"), [("10.0.0.4", "10.0.0.4"), ("fd00::1", "[fd00::1]"), ("db", "db")])
def test_what_listens_at_one_address_is_reached_there(host: str, told: str) -> None:
    assert reachable_host(host, 4222) == told


@_ipv6
@pytest.mark.process
@pytest.mark.asyncio
async def test_localhost_is_ours_by_both_of_its_addresses(serving: Any) -> None:
    """A session that listened at the other one would get what is meant for the server, keys included."""
    async with serving() as site:
        port = site.server.front.port
        with pytest.raises(OSError), closing(socket.socket(socket.AF_INET6)) as session:
            session.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            session.bind(("::1", port))
            session.listen()
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


@_ipv6
@pytest.mark.unit
@pytest.mark.asyncio
@pytest.mark.parametrize(("host", "other"), [("::1", "127.0.0.1"), ("0.0.0.0", "::1")])
async def test_neither_address_of_localhost_is_left_to_others(host: str, other: str) -> None:
    listener = Listener.bind(host, 0)
    with (
        pytest.raises(OSError),
        closing(socket.socket(socket.AF_INET6 if ":" in other else socket.AF_INET)) as one,
    ):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((other, listener.port))
        one.listen()
    await listener.aclose()


@_ipv6
@pytest.mark.unit
@pytest.mark.asyncio
async def test_who_listens_at_the_other_address_of_localhost_already_is_told() -> None:
    with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as other:
        port = other.getsockname()[1]
        with capture_logs() as logged:
            listener = Listener.bind("127.0.0.1", port)
        await listener.aclose()
    assert [one["event"] for one in logged] == ["front.localhost_is_others"]
