"""Where a server listens, and where others find it."""

from __future__ import annotations

import pytest

from runtime.front.http.listener import reachable_host

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("host", "told"), [("10.0.0.4", "10.0.0.4"), ("fd00::1", "[fd00::1]"), ("db", "db")])
def test_what_listens_at_one_address_is_reached_there(host: str, told: str) -> None:
    assert reachable_host(host, 4222) == told
