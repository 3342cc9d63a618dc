"""Where containers reach a server."""

from __future__ import annotations

import pytest

from runtime.front.http.bridge import Bridge
from runtime.front.http.listener import Listener

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_server_on_loopback_is_heard_at_the_bridge_as_well() -> None:
    listener = Listener.bind("127.0.0.1", 0)
    bridge = Bridge(listener, "https://far.example")
    assert bridge.url("") == "https://far.example"
    bridge.hear("127.0.0.2")  # as good as a bridge's
    assert bridge.url("127.0.0.2") == f"http://127.0.0.2:{listener.port}"
    await bridge.aclose()
    await listener.aclose()


async def test_an_address_that_cannot_be_had_stops_nobody() -> None:
    listener = Listener.bind("127.0.0.1", 0)
    bridge = Bridge(listener, "")
    bridge.hear("192.0.2.1")
    assert bridge.url("192.0.2.1") == listener.url
    bridge.start(None)
    await bridge.aclose()
    await listener.aclose()


async def test_a_server_that_hears_all_addresses_needs_no_other() -> None:
    listener = Listener.bind("0.0.0.0", 0)
    bridge = Bridge(listener, "")
    bridge.hear("127.0.0.2")
    assert bridge.url("127.0.0.2") == f"http://127.0.0.2:{listener.port}"
    assert bridge.url("") == listener.url
    await bridge.aclose()
    await listener.aclose()
