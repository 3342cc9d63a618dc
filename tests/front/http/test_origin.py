"""Behind a proxy a room's address is the one outside, over TLS where the proxy has it."""

from __future__ import annotations

import pytest

from runtime.front.http.origin import is_encrypted, room_address

pytestmark = pytest.mark.unit

HOST = {"host": "agents.example.com"}


@pytest.mark.parametrize(
    ("headers", "scheme", "public_url", "encrypted"),
    [
        (HOST, "http", "", False),
        (HOST, "https", "", True),
        (HOST | {"x-forwarded-proto": "https"}, "http", "", True),
        (HOST | {"x-forwarded-proto": "HTTPS, http"}, "http", "", True),
        (HOST | {"x-forwarded-proto": "http"}, "http", "", False),
        (HOST, "http", "https://agents.example.com", True),
        (HOST, "http", "https://other.example.com", False),
        ({}, "http", "https://agents.example.com", False),
    ],
)
def test_who_came_by_tls(headers: dict[str, str], scheme: str, public_url: str, encrypted: bool) -> None:
    assert is_encrypted(headers, scheme=scheme, public_url=public_url) is encrypted


def test_a_room_is_entered_where_it_was_asked_for() -> None:
    headers = HOST | {"x-forwarded-proto": "https"}
    address = room_address("my room", headers, scheme="http", public_url="")
    assert address == "wss://agents.example.com/rooms/my%20room"
