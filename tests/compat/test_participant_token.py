"""Tokens that programs make open the rooms they name."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from runtime.compat.addresses import participant_token, websocket_protocol, websocket_room_url
from runtime.compat.participant_token import (
    AgentsGrant,
    ApiScope,
    MessagingGrant,
    ParticipantToken,
    StorageGrant,
    StoragePathGrant,
)
from runtime.errors import ConfigError, PermissionDenied
from runtime.rooms.token import ApiKey, Keys, verify

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "SECRET", "API_URL", "ROOM_URL", "PROJECT_ID"):
        monkeypatch.delenv(f"MESHAGENT_{name}", raising=False)


SECRET = "s" * 32


def test_a_token_opens_its_room_with_its_role_and_scope() -> None:
    token = ParticipantToken(name="ada")
    token.add_room_grant("myroom")
    token.add_role_grant("agent")
    token.add_api_grant(
        ApiScope(
            messaging=MessagingGrant(broadcast=False),
            agents=AgentsGrant(),
            storage=StorageGrant(paths=[StoragePathGrant(path="notes/", read_only=True)]),
        )
    )
    claims = verify(token.to_jwt(token=SECRET), room="myroom", keys=Keys(shared=(SECRET,)))
    assert (claims.name, claims.role) == ("ada", "agent")
    assert claims.allows_messaging("send")
    assert not claims.allows_messaging("broadcast")
    assert not claims.allows_queue_list()
    assert claims.family("storage") == {"paths": [{"path": "notes/", "read_only": True}]}
    assert (token.role, token.is_user) == ("agent", False)
    scope = token.get_api_grant()
    assert scope is not None
    assert scope.messaging.broadcast is False


def test_an_api_key_signs_with_its_own_id(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ApiKey(str(uuid.uuid4()), str(uuid.uuid4()), SECRET)
    monkeypatch.setenv("MESHAGENT_API_KEY", key.format())
    token = participant_token(participant_name="ada", room_name="myroom", role="user")
    claims = verify(token.to_jwt(), room="myroom", keys=Keys(by_id={key.id: SECRET}))
    assert (claims.kid, claims.project, claims.role) == (key.id, key.project, "user")


def test_nothing_to_sign_with_is_said() -> None:
    with pytest.raises(ConfigError, match="MESHAGENT_SECRET"):
        ParticipantToken(name="ada").to_jwt()


def test_a_token_reads_back_and_a_forged_one_does_not() -> None:
    token = ParticipantToken(name="ada", project_id="p", extra_payload={"x": 1})
    token.add_api_grant(ApiScope.agent_default())
    signed = token.to_jwt(token=SECRET, expiration=datetime.now(UTC) + timedelta(hours=1))
    read = ParticipantToken.from_jwt(signed, token=SECRET)
    assert (read.name, read.project_id, read.extra_payload["x"]) == ("ada", "p", 1)
    assert read.get_api_grant() is not None
    with pytest.raises(PermissionDenied):
        ParticipantToken.from_jwt(signed, token="t" * 32)
    assert ParticipantToken.from_jwt(signed, validate=False).name == "ada"


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert websocket_room_url(room_name="my room") == "ws://localhost:8080/rooms/my%20room"
    monkeypatch.setenv("MESHAGENT_API_URL", "https://rooms.example/")
    assert websocket_room_url(room_name="r") == "wss://rooms.example/rooms/r"
    monkeypatch.setenv("MESHAGENT_ROOM_URL", "ws://elsewhere/rooms/x")
    assert websocket_room_url(room_name="r") == "ws://elsewhere/rooms/x"
    monkeypatch.setenv("MESHAGENT_SECRET", SECRET)
    protocol = websocket_protocol(participant_name="ada", room_name="r")
    assert protocol.url == "ws://elsewhere/rooms/x"
    assert verify(protocol.token, room="r", keys=Keys(shared=(SECRET,))).name == "ada"
