"""JWTs with HS256: a library for JWTs reads ours, ours are read by it, and nothing else passes."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from runtime.wire.signature import OtherAlgorithm, read_jwt, sign_jwt

pytestmark = pytest.mark.unit

SECRET = "a-secret-that-is-long-enough-for-hs256"
CLAIMS = {"name": "ada", "grants": [{"name": "room", "scope": "lab ü"}], "exp": 4_000_000_000}


def part(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def test_a_library_reads_what_is_signed_here() -> None:
    assert jwt.decode(sign_jwt(CLAIMS, SECRET), SECRET, algorithms=["HS256"]) == CLAIMS


@pytest.mark.parametrize("headers", [None, {"kid": "k1"}])
def test_what_a_library_signs_is_read_here(headers: dict[str, str] | None) -> None:
    found = read_jwt(jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers=headers))

    assert found.claims == CLAIMS
    assert found.is_signed_by(SECRET)
    assert not found.is_signed_by(SECRET + "x")


def test_a_changed_claim_is_not_what_was_signed() -> None:
    head, _, mac = sign_jwt(CLAIMS, SECRET).split(".")

    assert not read_jwt(f"{head}.{part(CLAIMS | {'name': 'eve'})}.{mac}").is_signed_by(SECRET)


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS512"}, {}, {"alg": "HS256", "crit": ["x"]}])
def test_a_token_cannot_choose_another_algorithm(header: dict[str, object]) -> None:
    with pytest.raises(OtherAlgorithm):
        read_jwt(f"{part(header)}.{part(CLAIMS)}.AAAA")


@pytest.mark.parametrize(
    "token",
    ["", "abc", "a.b", "ä.b.c", f"{part([])}.{part({})}.AA", f"{part({'alg': 'HS256'})}.{part([])}.AA"],
)
def test_what_is_no_jwt_is_told_so(token: str) -> None:
    with pytest.raises(ValueError, match="not a JWT"):
        read_jwt(token)


def test_depth_without_end_is_no_jwt() -> None:
    body = base64.urlsafe_b64encode(b"[" * 200_000).decode()

    with pytest.raises(ValueError, match="not a JWT"):
        read_jwt(f"{part({'alg': 'HS256'})}.{body}.AAAA")
