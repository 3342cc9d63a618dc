from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from runtime.errors import ConfigError, Replayed, SignatureInvalid
from runtime.wire.signature import Verified, check_secrets, meshagent_signature, standard_headers, verify

pytestmark = pytest.mark.unit

SECRET = "a secret of at least thirty-two bytes"
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
BODY = b'{"event":"room.call","data":{"room_name":"caf\xc3\xa9"}}'
NOW = 1_800_000_000.0


def check(headers: dict[str, str], payload: bytes = BODY, *secrets: str, now: float = NOW) -> Verified:
    return verify(headers, payload, secrets=secrets or (SECRET,), now=now, window_s=300)


def bearer(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> dict[str, str]:
    return {"meshagent-signature": f"Bearer {jwt.encode(claims, secret, algorithm=algorithm)}"}


def digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


# ---- Meshagent-Signature


def test_a_jwt_made_by_another_library_over_the_raw_bytes_is_accepted() -> None:
    assert check(bearer({"sha256": digest(BODY)})) == Verified("meshagent")


def test_a_digest_over_the_json_written_again_by_python_is_accepted() -> None:
    again = json.dumps(json.loads(BODY)).encode()
    assert again != BODY
    assert check(bearer({"sha256": digest(again)})) == Verified("meshagent")


def test_our_signature_is_read_by_another_library() -> None:
    value = meshagent_signature(BODY, SECRET, iat=int(time.time()), jti="one")
    claims = jwt.decode(value.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    assert (claims["sha256"], claims["jti"]) == (digest(BODY), "one")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"meshagent-signature": ""},
        {"meshagent-signature": "Bearer "},
        {"meshagent-signature": "Bearer a.b.c"},
        {"meshagent-signature": "Bearer é.b.c"},
        {"meshagent-signature": "Basic abc"},
        bearer({"sha256": digest(BODY)}, secret="another secret of thirty-two bytes"),
        bearer({"sha256": digest(BODY + b" ")}),
        bearer({}),
        bearer({"sha256": 12}),
        bearer({"sha256": None}),
        bearer({"sha256": digest(BODY)}, algorithm="HS512", secret=SECRET * 2),
    ],
)
def test_what_is_unsigned_or_signed_otherwise_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        check(headers)


def test_a_token_cannot_choose_to_be_unsigned() -> None:
    token = jwt.encode({"sha256": digest(BODY)}, key=None, algorithm="none")  # type: ignore[arg-type]
    with pytest.raises(SignatureInvalid):
        check({"meshagent-signature": f"Bearer {token}"})


def test_every_character_of_the_signature_counts() -> None:
    token = meshagent_signature(BODY, SECRET).removeprefix("Bearer ")
    for place in range(len(token) - 1):  # the last character carries spare bits
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(SignatureInvalid):
            check({"meshagent-signature": f"Bearer {token[:place]}{other}{token[place + 1 :]}"})


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"exp": NOW - 1}, Replayed),
        ({"iat": NOW - 301}, Replayed),
        ({"iat": NOW + 301}, Replayed),
        ({"nbf": NOW + 301}, Replayed),
        ({"exp": NOW + 1, "iat": NOW - 299}, None),
    ],
)
def test_times_in_the_signature_are_honoured(claims: dict[str, float], error: type[Exception] | None) -> None:
    headers = bearer({"sha256": digest(BODY), **claims})
    if error is None:
        assert check(headers) == Verified("meshagent")
    else:
        with pytest.raises(error):
            check(headers)


def test_a_time_that_is_no_number_is_refused() -> None:
    for bad in ("soon", True, [1]):
        body = json.dumps({"sha256": digest(BODY), "iat": bad}).encode()
        token = jwt.api_jws.encode(body, SECRET, algorithm="HS256")
        with pytest.raises(SignatureInvalid):
            check({"meshagent-signature": f"Bearer {token}"})


def test_the_signed_id_is_handed_on() -> None:
    assert check(bearer({"sha256": digest(BODY), "jti": "call-7"})).webhook_id == "call-7"


def test_the_old_and_the_new_secret_are_both_good_while_they_are_changed() -> None:
    for secret in ("old secret of at least thirty-two bytes", "new secret of at least thirty-two bytes"):
        headers = {"meshagent-signature": meshagent_signature(BODY, secret)}
        check(
            headers,
            BODY,
            "old secret of at least thirty-two bytes",
            "new secret of at least thirty-two bytes",
        )


# ---- Standard Webhooks


def test_headers_of_the_reference_library_are_accepted() -> None:
    signature = StandardWebhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW)), "webhook-signature": signature}
    assert check(headers, BODY, WHSEC) == Verified("standard", "msg_1")


def test_our_headers_are_accepted_by_the_reference_library() -> None:
    headers = standard_headers(BODY, WHSEC, webhook_id="msg_1", at=time.time())
    StandardWebhook(WHSEC).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(WHSEC).verify(BODY + b" ", headers)


def test_one_of_several_signatures_is_enough() -> None:
    headers = standard_headers(BODY, WHSEC, webhook_id="m", at=NOW)
    headers["webhook-signature"] = f"v1,AAAA v1a,whatever v1,%% {headers['webhook-signature']}"
    assert check(headers, BODY, SECRET, WHSEC).scheme == "standard"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW) + 1)},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,AAAA"},
    ],
)
def test_any_changed_header_is_refused(change: dict[str, str]) -> None:
    headers = standard_headers(BODY, WHSEC, webhook_id="m", at=NOW) | change
    with pytest.raises(SignatureInvalid):
        check(headers, BODY, WHSEC)


@pytest.mark.parametrize("off_s", [-301, 301])
def test_a_timestamp_outside_the_window_is_a_replay(off_s: int) -> None:
    headers = standard_headers(BODY, WHSEC, webhook_id="m", at=NOW)
    check(headers, BODY, WHSEC, now=NOW + off_s - off_s // 301)
    with pytest.raises(Replayed, match="301 s ago" if off_s > 0 else "301 s ahead"):
        check(headers, BODY, WHSEC, now=NOW + off_s)


def test_a_secret_without_the_prefix_is_used_as_it_is() -> None:
    headers = standard_headers(BODY, "plain words", webhook_id="m", at=NOW)
    assert check(headers, BODY, "plain words").scheme == "standard"


def test_a_secret_that_can_never_fit_is_an_error_at_start() -> None:
    check_secrets([WHSEC, "plain"])
    with pytest.raises(ConfigError, match="whsec_"):
        check_secrets(["whsec_***"])


@given(st.binary(max_size=200), st.text(max_size=50))
def test_no_header_can_raise_anything_but_a_refusal(payload: bytes, value: str) -> None:
    for headers in (
        {"meshagent-signature": value},
        {"meshagent-signature": f"Bearer {value}"},
        {"webhook-signature": value, "webhook-id": "x", "webhook-timestamp": "1"},
        {"webhook-signature": "v1,AAAA", "webhook-id": value, "webhook-timestamp": value},
    ):
        with pytest.raises((SignatureInvalid, Replayed)):
            check(headers, payload)
