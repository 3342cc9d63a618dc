from __future__ import annotations

import pytest

from runtime.errors import ConfigError, SignatureInvalid
from runtime.front.access.origin import Origin
from runtime.front.access.rules import Access, Caller
from runtime.front.http.refusal import Refusal
from runtime.settings import ServerSettings
from runtime.wire.signature import Verified, meshagent_signature

pytestmark = pytest.mark.unit

BODY = b"{}"


def caller(
    address: str = "127.0.0.1", method: str = "POST", sender: Origin = Origin.NEAR, **headers: str
) -> Caller:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Caller.of(address, {"host": "localhost:8080", **named}, method, sender)


def webhook(access: Access, who: Caller) -> Verified | None:
    return access.webhook(who, BODY, now=1e9)


def code(access: Access, who: Caller, *, operator: bool = False) -> str:
    try:
        if operator:
            access.operator(who)
        else:
            webhook(access, who)
    except Refusal as refusal:
        return refusal.code
    return "ok"


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("172.17.0.1", False),
        ("192.168.1.5", False),
        ("", False),
        ("<local>", False),
    ],
)
def test_only_this_machine_is_local(address: str, local: bool) -> None:
    assert caller(address).is_local is local


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_what_a_proxy_forwarded_is_not_local(header: str) -> None:
    assert not caller(**{header: "10.0.0.1"}).is_local


def test_unsigned_webhooks_are_local_unless_somebody_said_otherwise() -> None:
    assert code(Access(ServerSettings()), caller()) == "ok"
    assert code(Access(ServerSettings()), caller("10.0.0.9")) == "not_trusted"
    assert code(Access(ServerSettings(insecure=True)), caller("10.0.0.9")) == "ok"


def test_with_a_secret_nobody_is_trusted_unsigned_and_everybody_signed() -> None:
    access = Access(ServerSettings(webhook_secret="old new"))
    with pytest.raises(SignatureInvalid):
        webhook(access, caller())
    for secret in ("old", "new"):
        signed = caller("8.8.8.8", host="evil.example", meshagent_signature=meshagent_signature(BODY, secret))
        assert webhook(access, signed) == Verified("meshagent")


def test_a_secret_that_cannot_be_used_is_an_error_at_start() -> None:
    with pytest.raises(ConfigError):
        Access(ServerSettings(webhook_secret="whsec_%%%"))


def test_the_operator_api_is_local_or_has_the_token() -> None:
    bare, locked = Access(ServerSettings()), Access(ServerSettings(api_token="t0ken"))
    far = caller("10.0.0.9", "GET")
    assert code(bare, caller(method="GET"), operator=True) == "ok"
    assert code(bare, far, operator=True) == "not_trusted"
    assert code(locked, far, operator=True) == "token_required"
    assert code(locked, caller("10.0.0.9", authorization="Bearer t0ken"), operator=True) == "ok"
    assert code(locked, caller(authorization="Bearer other"), operator=True) == "token_invalid"
    assert code(locked, caller(method="GET"), operator=True) == "token_required"  # of this machine, too
    assert code(Access(ServerSettings(insecure=True)), far, operator=True) == "ok"
    assert bare.may_operate(caller()) is True
    assert locked.may_operate(caller()) is False
    assert locked.may_operate(far) is False


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8080", "ok"),
        ("127.0.0.1", "ok"),
        ("[::1]:8080", "ok"),
        ("LOCALHOST", "ok"),
        ("app.localhost", "ok"),
        ("bulkhead:8080", "ok"),
        ("agents.example.com", "ok"),
        ("evil.example", "host_unknown"),
        ("127.0.0.1.evil.example", "host_unknown"),
        ("localhost.evil.example:8080", "host_unknown"),
        ("", "host_unknown"),
        ("[::1", "host_unknown"),
    ],
)
@pytest.mark.parametrize("insecure", [False, True])
def test_a_page_that_rebinds_its_name_to_this_machine_is_refused(
    host: str, expected: str, insecure: bool
) -> None:
    public_url = "https://agents.example.com/x" if insecure else ""
    if host == "agents.example.com" and not public_url:
        expected = "host_unknown"
    access = Access(ServerSettings(public_url=public_url, insecure=insecure))
    assert code(access, caller(host=host)) == expected
    assert code(access, caller(host=host, method="GET"), operator=True) == expected


@pytest.mark.parametrize(
    ("headers", "method", "expected"),
    [
        ({"origin": "http://localhost:8080"}, "POST", "ok"),
        ({"origin": "https://agents.example.com"}, "POST", "ok"),
        ({"origin": "http://localhost:3000"}, "POST", "cross_site"),
        ({"origin": "http://evil.example"}, "POST", "cross_site"),
        ({"origin": "http://evil.example"}, "DELETE", "cross_site"),
        ({"origin": "http://evil.example"}, "WEBSOCKET", "cross_site"),
        ({"origin": "null"}, "POST", "cross_site"),
        ({"origin": "http://[::1"}, "POST", "cross_site"),
        ({"sec_fetch_site": "cross-site"}, "POST", "cross_site"),
        ({"sec_fetch_site": "same-site"}, "POST", "cross_site"),
        ({"sec_fetch_site": "same-origin"}, "POST", "ok"),
        ({"origin": "http://evil.example"}, "GET", "ok"),
    ],
)
def test_another_sites_page_cannot_change_anything(
    headers: dict[str, str], method: str, expected: str
) -> None:
    access = Access(ServerSettings(public_url="https://agents.example.com", insecure=True))
    assert code(access, caller(method=method, **headers)) == expected
    assert code(access, caller(method=method, **headers), operator=True) == expected


@pytest.mark.parametrize(
    "settings",
    [{"api_token": "t0ken"}, {"webhook_secret": "s3cret"}, {"public_url": "https://agents.example.com"}],
)
def test_where_others_are_expected_this_machine_needs_a_key(settings: dict[str, str]) -> None:
    access = Access(ServerSettings(**settings), key="k3y")  # type: ignore[arg-type]
    for method in ("GET", "POST", "WEBSOCKET"):
        assert code(access, caller(method=method), operator=True) == "token_required"
    with pytest.raises((Refusal, SignatureInvalid)):
        webhook(access, caller())
    for keyed in (caller(authorization="Bearer k3y"), caller("10.0.0.9", authorization="bearer k3y")):
        assert code(access, keyed, operator=True) == "ok"
        assert webhook(access, keyed) is None
    browser = access.browser_sessions.begin()
    page = caller(cookie=f"{access.cookie}={browser}", sec_fetch_site="same-origin")
    assert (code(access, page, operator=True), code(access, page)) == ("ok", "ok")
    assert not access.asks_origin(caller())


@pytest.mark.parametrize(
    ("origin", "expected", "when_insecure"),
    [
        (Origin.NEAR, "ok", "ok"),
        (Origin.SESSION, "not_trusted", "not_trusted"),
        (Origin.HIDDEN, "token_required", "token_required"),
        (Origin.DOUBTFUL, "token_required", "token_required"),
        (Origin.GONE, "token_required", "token_required"),
        (Origin.UNASKED, "token_required", "token_required"),
        (Origin.OTHER_USER, "token_required", "ok"),
        (Origin.ELSEWHERE, "token_required", "ok"),
    ],
)
def test_without_a_key_it_matters_whose_process_asks(
    origin: Origin, expected: str, when_insecure: str
) -> None:
    for settings, wanted in ((ServerSettings(), expected), (ServerSettings(insecure=True), when_insecure)):
        access = Access(settings, key="k3y")
        who = caller(sender=origin)
        assert access.asks_origin(who)
        assert (code(access, who), code(access, who, operator=True)) == (wanted, wanted)
        keyed = caller(sender=origin, authorization="Bearer k3y")
        assert not access.asks_origin(keyed)
        assert (code(access, keyed), code(access, keyed, operator=True)) == ("ok", "ok")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin.NEAR, "ok"),
        (Origin.OTHER_USER, "ok"),
        (Origin.ELSEWHERE, "ok"),
        (Origin.HIDDEN, "ok"),  # browsers keep their processes from being looked at
        (Origin.SESSION, "not_trusted"),
        (Origin.DOUBTFUL, "token_required"),
        (Origin.GONE, "token_required"),
        (Origin.UNASKED, "token_required"),
    ],
)
def test_a_cookie_that_a_session_got_hold_of_is_none(origin: Origin, expected: str) -> None:
    """A browser sends it to whatever port of this machine its user is led to."""
    for settings in (ServerSettings(), ServerSettings(api_token="t0ken"), ServerSettings(insecure=True)):
        access = Access(settings)
        cookie = f"{access.cookie}={access.browser_sessions.begin()}"
        for more in ({}, {"x_forwarded_for": "10.0.0.1"}):
            who = caller(sender=origin, cookie=cookie, sec_fetch_site="same-origin", **more)
            assert access.asks_origin(who)
            assert (code(access, who), code(access, who, operator=True)) == (expected, expected)


def test_a_refusal_says_where_the_key_is() -> None:
    with pytest.raises(Refusal) as refused:
        Access(ServerSettings()).operator(caller(sender=Origin.HIDDEN))
    assert ".bulkhead/server.json" in refused.value.detail
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
