"""Who sent a webhook: two schemes of HMAC-SHA256 over its payload.

MeshAgent-Signature
    ``Bearer <JWT>``, HS256, claim ``sha256``: the digest of the payload's bytes, or of the JSON as Python's
    `json.dumps` writes it again (what MeshAgent's own sender signs).  ``exp``, ``nbf``, ``iat`` and ``jti``
    are optional.
Standard Webhooks
    ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature: v1,<base64> v1,<base64>…``.

Several secrets may be valid at once, so that they can be changed without a gap.  Every comparison takes the
same time whatever the difference.

JWTs are signed and read with `hmac` alone, those of rooms too: that takes a tenth of what a library takes
that knows all algorithms; and there is one, so a token cannot choose another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from runtime.errors import ConfigError, Replayed, SignatureInvalid

MAX_SIGNATURES: Final = 16


class Verified(msgspec.Struct, frozen=True):
    """A signature that one of the secrets explains.

    Attributes:
        scheme: ``meshagent`` or ``standard``.
        webhook_id: The signed id of this call (``jti`` or ``webhook-id``); empty when it has none.
    """

    scheme: str
    webhook_id: str = ""


def verify(
    headers: Mapping[str, str], payload: bytes, *, secrets: Iterable[str], now: float, window_s: float
) -> Verified:
    """Check a request's signature; Standard Webhooks headers decide when both schemes are present.

    Args:
        headers: Names in lower case.
        payload: The bytes that were signed: the body, or the value of ``Meshagent-Webhook``.
        now: Seconds since the epoch.
        window_s: How far a signed time may be from `now`, either way.

    Raises:
        SignatureInvalid: Absent, malformed, or made with another secret or for another payload.
        Replayed: Right, but its time is too far from now.
    """
    if "webhook-signature" in headers:
        return _verify_standard(headers, payload, tuple(secrets), now, window_s)
    if "meshagent-signature" in headers:
        return _verify_meshagent(headers["meshagent-signature"], payload, tuple(secrets), now, window_s)
    raise SignatureInvalid(
        "the webhook is not signed",
        cure="Sign it with the server's webhook secret: Meshagent-Signature or Standard Webhooks headers.",
    )


# ---- Meshagent-Signature


def meshagent_signature(
    payload: bytes, secret: str, *, iat: int | None = None, exp: int | None = None, jti: str = ""
) -> str:
    """The value of ``Meshagent-Signature`` for a payload; times in seconds since the epoch.

    MeshAgent's receivers hash ``json.dumps(json.loads(payload))``: send the payload in that form.
    """
    claims: dict[str, Any] = {"sha256": hashlib.sha256(payload).hexdigest()}
    claims |= {name: value for name, value in (("iat", iat), ("exp", exp), ("jti", jti)) if value}
    return f"Bearer {sign_jwt(claims, secret)}"


def _verify_meshagent(
    value: str, payload: bytes, secrets: tuple[str, ...], now: float, window_s: float
) -> Verified:
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        told = "Meshagent-Signature does not start with 'Bearer '"
        raise SignatureInvalid(told, cure="Send Bearer and a token that the webhook secret signs.")
    claims = _claims(token.strip(), secrets)
    signed_digest = claims.get("sha256")
    if not isinstance(signed_digest, str):
        raise SignatureInvalid("the signature has no sha256 claim", cure="Sign the SHA-256 of the body.")
    expected = signed_digest.encode()
    if not hmac.compare_digest(hashlib.sha256(payload).hexdigest().encode(), expected):
        again = _python_form(payload)
        if again is None or not hmac.compare_digest(hashlib.sha256(again).hexdigest().encode(), expected):
            raise SignatureInvalid("the signature is for another payload")
    _check_times(claims, now, window_s)
    jti = claims.get("jti")
    return Verified("meshagent", jti if isinstance(jti, str) else "")


def _claims(token: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = read_jwt(token)
    except OtherAlgorithm as error:
        raise SignatureInvalid("Meshagent-Signature is not an HS256 JWT") from error
    except ValueError as error:
        raise SignatureInvalid("Meshagent-Signature is not a JWT") from error
    matches = [found.is_signed_by(key) for key in secrets]
    if not any(matches):
        raise SignatureInvalid("the signature was made with another secret")
    return found.claims


def _check_times(claims: dict[str, Any], now: float, window_s: float) -> None:
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if claims.get(name) is not None}
    if any(isinstance(at, bool) or not isinstance(at, int | float) for at in times.values()):
        raise SignatureInvalid("a time in the signature is not a number")
    if "exp" in times and times["exp"] <= now:
        raise Replayed("the signature has expired", cure="Sign the request anew.")
    if times.get("nbf", now) > now + window_s:
        raise _too_far("the nbf of the signature", times["nbf"], now, window_s)
    _check_window("the iat of the signature", times.get("iat", now), now, window_s)


def _check_window(what: str, at: float, now: float, window_s: float) -> None:
    if abs(at - now) > window_s:
        raise _too_far(what, at, now, window_s)


def _too_far(what: str, at: float, now: float, window_s: float) -> Replayed:
    where = f"{at - now:.0f} s ahead" if at > now else f"{now - at:.0f} s ago"
    return Replayed(f"{what} is {where}, and may be {window_s:g} s from now", cure=_CLOCK_CURE)


def _python_form(payload: bytes) -> bytes | None:
    try:
        return json.dumps(json.loads(payload)).encode()
    except (ValueError, RecursionError):
        return None


# ---- Standard Webhooks


def standard_headers(payload: bytes, secret: str, *, webhook_id: str, at: float) -> dict[str, str]:
    """The three headers of Standard Webhooks for a payload sent at `at` (seconds since the epoch)."""
    mac = _standard_mac(payload, secret, webhook_id, str(int(at)))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _verify_standard(
    headers: Mapping[str, str], payload: bytes, secrets: tuple[str, ...], now: float, window_s: float
) -> Verified:
    webhook_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 15:
        raise SignatureInvalid("webhook-id or webhook-timestamp is missing or malformed")
    given = []
    for part in headers["webhook-signature"].split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]:
        version, _, text = part.partition(",")
        if version == "v1":
            try:
                given.append(base64.b64decode(text, validate=True))
            except (ValueError, binascii.Error):
                continue
    expected = [_standard_mac(payload, secret, webhook_id, stamp) for secret in secrets]
    matches = [hmac.compare_digest(mac, one) for mac in expected for one in given]
    if not any(matches):
        raise SignatureInvalid("no webhook-signature fits this payload and the server's secrets")
    _check_window("webhook-timestamp", int(stamp), now, window_s)
    return Verified("standard", webhook_id)


def _standard_mac(payload: bytes, secret: str, webhook_id: str, stamp: str) -> bytes:
    return hmac.digest(_standard_key(secret), f"{webhook_id}.{stamp}.".encode() + payload, "sha256")


def _standard_key(secret: str) -> bytes:
    # Only a whsec_ secret is base64 by its specification; any other one is used as it is written.
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ConfigError(
            "a webhook secret starts with whsec_ but is not base64", cure="Copy it again, whole."
        ) from error


def check_secrets(secrets: Iterable[str]) -> None:
    """Raise ConfigError now for a secret that no signature could be checked with later."""
    for secret in secrets:
        _standard_key(secret)


_CLOCK_CURE: Final = "Sign it again when it is sent, and check both clocks."


# ---- JWTs


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token as it was read; nothing of it is true before one of the secrets explains it."""

    claims: dict[str, Any]
    signed: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    def is_signed_by(self, secret: str) -> bool:
        """Whether this secret made it; takes the same time whatever the difference."""
        return hmac.compare_digest(hmac.digest(secret.encode(), self.signed, "sha256"), self.mac)


class OtherAlgorithm(ValueError):
    """A JWT that is not signed with HS256, or asks for what no reader here knows."""


def sign_jwt(claims: dict[str, Any], secret: str) -> str:
    """Write a token that says this, signed with HS256."""
    signed = _HEAD + b"." + _b64(json.dumps(claims, separators=(",", ":")).encode())
    return (signed + b"." + _b64(hmac.digest(secret.encode(), signed, "sha256"))).decode()


def read_jwt(token: str) -> Jwt:
    """Take a token apart.

    Raises:
        OtherAlgorithm: It is one of another kind.
        ValueError: It is no JWT.
    """
    try:
        signed, _, mac = token.encode("ascii").rpartition(b".")
        head, _, body = signed.partition(b".")
        # Nearly all tokens have our own header: that one need not be read.
        header = _HEADER if head == _HEAD else json.loads(_unb64(head))
        claims, given = json.loads(_unb64(body)), _unb64(mac)
    except (ValueError, RecursionError) as error:
        raise ValueError("not a JWT") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a JWT")
    if header.get("alg") != "HS256" or "crit" in header:
        raise OtherAlgorithm("it is not signed with HS256")
    return Jwt(claims, signed, given)


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unb64(data: bytes) -> bytes:
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)


_HEADER: Final = {"alg": "HS256", "typ": "JWT"}
_HEAD: Final = _b64(json.dumps(_HEADER, separators=(",", ":")).encode())
