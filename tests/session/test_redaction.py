"""Nothing that is secret stands in what is shown, and what is not secret still does."""

from __future__ import annotations

import time

import pytest

from runtime.session.redaction import HIDDEN, MAX_VALUES, Redactor, is_secret_name, secrets_in

pytestmark = pytest.mark.unit

SECRET_NAMES = (
    *("api_key", "apiKey", "OPENAI_API_KEY", "key", "token", "accessToken", "refresh_token", "secret"),
    *("client_secret", "password", "PGPASSWORD", "db_passwd", "Authorization", "x-api-key", "Set-Cookie"),
    *("credentials", "private_key", "jwt", "BULKHEAD_WEBHOOK_SECRET", "authtoken", "pwd"),
)
PLAIN_NAMES = (
    "monkey",
    "keyboard",
    "value",
    "author",
    "PWD",
    "OLDPWD",
    "token_type",
    "key_file",
    "compass",
    "x",
    "",
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_says_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_a_name_that_only_sounds_like_it_is_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sk-proj-abcdefghijklmnop1234 used", "sk-proj-abcdefghijklmnop1234"),
        ("ma-0123456789abcdef0123", "ma-0123456789abcdef0123"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl back", "eyJzdWIiOiJhIn0"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("password=hunter2", "hunter2"),
        ("{'password': 'hunter2', 'a': 1}", "hunter2"),
        ('{"api_key":"hunter2"}', "hunter2"),
        ('{\\"api_key\\": \\"hunter2\\"}', "hunter2"),
        ("--token hunter --token=hunter2", "hunter2"),
        ("postgres://app:hunter2@db/x", "hunter2"),
        ("ghp_0123456789abcdefABCDEF", "ghp_0123456789abcdefABCDEF"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, secret: str) -> None:
    shown = Redactor().text(text)
    assert secret not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=4096",
        "tokens: 12",
        "task-12345678901234567",
        "token=None",
        "http://host:80/x",
        "a key was pressed",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_known_values_are_hidden_wherever_they_stand_and_short_ones_are_not() -> None:
    redactor = Redactor(["hunter2-long", "yes"])
    assert redactor.text("yes: hunter2-long!hunter2-long") == f"yes: {HIDDEN}!{HIDDEN}"


def test_the_longer_of_two_known_values_wins() -> None:
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == HIDDEN


def test_secrets_are_found_by_name_also_below_others() -> None:
    found = secrets_in(
        {"API_KEY": "aaa", "HOME": "/root", "auth": {"user": "u", "x": ["v"]}, "l": [{"token": "t"}]}
    )
    assert found == ["aaa", "u", "v", "t"]
    assert secrets_in({"headers": [["authorization", "one"], ["accept", "two"]]}) == ["one"]


def test_plain_data_is_redacted_and_bounded() -> None:
    redactor = Redactor()
    shown = redactor.plain(
        {
            "password": "p",
            "token": 12,
            "max_tokens": 12,
            "use_token": True,
            "q": "x" * 2000,
            "deep": [[[[[[[[[1]]]]]]]]],
        }
    )
    assert shown["password"] == shown["token"] == HIDDEN
    assert (shown["max_tokens"], shown["use_token"]) == (12, True)
    assert len(shown["q"]) <= 501
    assert "…" in str(shown["deep"])
    assert len(redactor.plain({str(n): n for n in range(1000)})) == 100
    assert redactor.plain([["Cookie", "a=b"]]) == [["Cookie", HIDDEN]]


def test_the_number_of_known_values_is_bounded() -> None:
    redactor = Redactor(f"value-{n:05}" for n in range(10_000))
    assert len(redactor.values) == MAX_VALUES


@pytest.mark.parametrize(
    "piece", ["eyJ", "password ", "a", "://a:", "sk-", "-----BEGIN PRIVATE KEY-----", '"', "token=\\"]
)
def test_no_text_makes_it_slow(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    Redactor().text(text)
    assert time.process_time() - began < 2.0
