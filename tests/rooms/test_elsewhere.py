"""Rooms of another server: where they are, and who lets an agent in."""

from __future__ import annotations

import pytest

from runtime.errors import ConfigError
from runtime.rooms.elsewhere.server import Elsewhere
from runtime.rooms.token import ApiKey, Keys, verify

pytestmark = pytest.mark.unit

KEY = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s3cr3t" * 8)


@pytest.mark.parametrize(
    ("url", "room", "joined"),
    [
        ("https://api.example.com", "r", "wss://api.example.com/rooms/r"),
        ("http://localhost:9/base/", "a b/c", "ws://localhost:9/base/rooms/a%20b%2Fc"),
        ("wss://x", "r", "wss://x/rooms/r"),
    ],
)
def test_the_address_of_a_room(url: str, room: str, joined: str) -> None:
    assert Elsewhere(url, KEY.format()).room_url(room) == joined


def test_the_key_of_the_project_lets_an_agent_into_that_room() -> None:
    token = Elsewhere("https://x", KEY.format()).token("r", "chatbot")
    claims = verify(token, room="r", keys=Keys(by_id={KEY.id: KEY.secret}))
    assert (claims.name, claims.role) == ("chatbot", "agent")


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("api.example.com", KEY.format(), "no address"),
        ("ftp://x", KEY.format(), "no address"),
        ("https://[::1", KEY.format(), "no address"),
        ("https://:80", KEY.format(), "no address"),
        ("https://x", "", "entered with the API key"),
        ("https://x", "nonsense", "no API key"),
    ],
)
def test_what_cannot_be_used_is_told(url: str, key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        Elsewhere(url, key)
    assert "MESHAGENT_API_" in told.value.cure
    assert "nonsense" not in str(told.value)
