"""Participant tokens: who gets in, and what they may do."""

from __future__ import annotations

import jwt
import pytest

from runtime.errors import LocalProtocolError, PermissionDenied
from runtime.rooms.token import AGENT_DEFAULT, FULL, ApiKey, Claims, Keys, mint, verify

pytestmark = pytest.mark.unit

SECRET = "a shared secret that is long enough for anybody"
KEYS = Keys(shared=(SECRET,))


def raw(secret: str = SECRET, **payload: object) -> str:
    return jwt.encode(payload, secret, algorithm="HS256")


def grants(**named: object) -> list[dict[str, object]]:
    return [{"name": name, "scope": scope} for name, scope in named.items()]


def test_a_minted_token_opens_its_room_with_the_default_scope() -> None:
    claims = verify(mint("ada", room="lab", secret=SECRET), room="lab", keys=KEYS)
    assert (claims.name, claims.role, claims.scope) == ("ada", "agent", AGENT_DEFAULT)
    assert not claims.is_admin


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "no token"),
        ("abc", "not a JWT"),
        ("x" * 20_000, "too long"),
        (mint("ada", room="lab", secret="another secret, also long enough for it"), "signature"),
        (mint("ada", room="attic", secret=SECRET), "another room"),
        (mint("ada", room="lab", secret=SECRET, kid="nobody"), "does not have"),
        (mint("ada", room="lab", secret=SECRET, ttl_s=10, now=0), "expired"),
        (jwt.encode({"name": "ada", "grants": grants(room="lab")}, None, algorithm="none"), "cannot be used"),
        (raw(grants=grants(room="lab")), "name"),
        (raw(name="ada"), "another room"),
        (raw(name="ada", grants="all"), "another room"),
    ],
)
def test_other_tokens_are_refused_with_the_reason(token: str, words: str) -> None:
    with pytest.raises(PermissionDenied, match=words) as caught:
        verify(token, room="lab", keys=KEYS)
    assert not token or token not in str(caught.value)


def test_expiry_follows_the_clock_it_is_given() -> None:
    token = mint("ada", room="lab", secret=SECRET, ttl_s=10, now=1000)
    assert verify(token, room="lab", keys=KEYS, now=1009).name == "ada"
    with pytest.raises(PermissionDenied, match="expired"):
        verify(token, room="lab", keys=KEYS, now=1010)


def test_an_api_key_is_found_by_its_id_and_shared_secrets_are_tried_in_turn() -> None:
    keys = Keys(
        shared=("the old secret, thirty-two bytes or more", SECRET), by_id={"k1": "s" * 32, "k2": "t" * 32}
    )
    assert verify(mint("a", room="r", secret=SECRET), room="r", keys=keys).kid is None
    claims = verify(mint("a", room="r", secret="t" * 32, kid="k2", project="p"), room="r", keys=keys)
    assert (claims.kid, claims.project) == ("k2", "p")
    with pytest.raises(PermissionDenied, match="signature"):
        verify(mint("a", room="r", secret="t" * 32, kid="k1"), room="r", keys=keys)


def test_secrets_are_not_printed() -> None:
    key = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "hush-hush")
    assert "hush" not in repr(key) + repr(Keys((SECRET,), {"k": "hush"}))


def test_an_api_key_is_written_and_read_back() -> None:
    key = ApiKey(
        "11111111-2222-4333-8444-555555555555", "fbffbfff-bbbb-4ccc-8ddd-eeeeeeeeeeee", "with-dashes-in"
    )
    assert key.format().count("-", 0, 30) == 2
    assert ApiKey.parse(key.format()) == key


@pytest.mark.parametrize("text", ["", "ma-", "ma-a-b", "ma-a-b-c", "sk-123", "ma-!!-??-secret"])
def test_what_is_no_api_key_is_refused(text: str) -> None:
    with pytest.raises(PermissionDenied):
        ApiKey.parse(text)


def test_role_is_user_when_nothing_is_said() -> None:
    assert verify(raw(name="a", grants=grants(room="r")), room="r", keys=KEYS).role == "user"
    assert verify(raw(name="a", grants=grants(room="r", role="king")), room="r", keys=KEYS).role == "user"


def test_only_tokens_of_the_oldest_format_may_act_without_an_api_grant() -> None:
    def scope(version: str | None) -> Claims:
        extra = {} if version is None else {"version": version}
        return verify(raw(name="a", grants=grants(room="r"), **extra), room="r", keys=KEYS)

    assert scope(None).allows_messaging("send")
    assert scope("0.5.9").allows_messaging("send")
    assert not scope("0.5.9").is_admin
    assert not scope("0.6.0").allows_messaging("send")
    assert not scope("0.10.0").allows_messaging("send")
    assert not scope("next").allows_messaging("send")


def test_a_missing_family_is_forbidden_and_an_empty_one_allows_all_of_it() -> None:
    nothing, everything = Claims("a", scope={}), Claims("a", scope=FULL)
    for claims, expected in ((nothing, False), (everything, True)):
        assert claims.allows_messaging("broadcast") is expected
        assert claims.allows_agents("call") is expected
        assert claims.allows_toolkit("x") is expected
        assert claims.allows_queue_send("x") is expected
        assert claims.allows_queue_receive("x") is expected
        assert claims.allows_queue_list() is expected
        assert claims.allows_developer_logs() is expected
        assert claims.allows_document("x", write=True) is expected
        assert claims.allows_file("x", write=True) is expected
        assert claims.is_admin is expected
    assert Claims("a", scope={"queues": None}).allows_queue_list() is False


def test_limits_inside_a_family() -> None:
    claims = Claims(
        "a",
        scope={
            "agents": {"call": False, "allowed_toolkits": ["math", "net-*"]},
            "messaging": {"broadcast": False},
            "queues": {"send": ["jobs", "log-*"], "receive": []},
            "sync": {"paths": [{"path": "a.thread", "read_only": True}, {"path": "notes/*"}]},
            "storage": {"paths": [{"path": "public/secret", "read_only": True}, {"path": "/public"}]},
            "tomorrow": {"unknown": True},
        },
    )
    assert not claims.allows_agents("call")
    assert claims.allows_agents("register_agent")
    assert [claims.allows_toolkit(name) for name in ("math", "net-x", "mathx")] == [True, True, False]
    assert [claims.allows_queue_send(name) for name in ("jobs", "log-1", "jobs2")] == [True, True, False]
    assert not claims.allows_queue_receive("jobs")
    assert not claims.allows_messaging("broadcast")
    assert claims.allows_messaging("send")
    assert claims.allows_document("a.thread", write=False)
    assert not claims.allows_document("a.thread", write=True)
    assert claims.allows_document("notes/x", write=True)
    assert not claims.allows_document("b.thread", write=False)
    assert claims.allows_file("public/a", write=True)
    assert not claims.allows_file("public/secret", write=True)
    assert not claims.allows_file("private/a", write=False)


def test_people_may_dismiss_and_agents_only_as_administrators() -> None:
    assert Claims("ada", role="user", scope={}).allows_dismiss()
    assert not Claims("bot", role="agent", scope=AGENT_DEFAULT).allows_dismiss()
    assert Claims("boss", role="agent", scope=FULL).allows_dismiss()


def test_minting_nonsense_is_our_own_error() -> None:
    for wrong in ({"role": "king"}, {"ttl_s": 5}):
        with pytest.raises(LocalProtocolError):
            mint("a", room="r", secret=SECRET, **wrong)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        mint("", room="r", secret=SECRET)
