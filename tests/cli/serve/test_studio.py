from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.cli import browser
from runtime.cli.browser import open_page

pytestmark = pytest.mark.unit

LINK = "http://127.0.0.1:8080/studio/rooms/demo?t=abc"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A person at a terminal, and what was run for them; programs a and xdg-open are there."""
    found: list[list[str]] = []
    for name in ("a", "xdg-open"):
        (tmp_path / name).touch(mode=0o755)
    for name in ("CI", "NO_COLOR", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(browser.subprocess, "Popen", lambda command, **_: found.append(command))
    return found


@pytest.mark.parametrize(
    ("env", "command"),
    [
        ({}, None),
        ({"DISPLAY": ":0"}, ["xdg-open", LINK]),
        ({"WAYLAND_DISPLAY": "w"}, ["xdg-open", LINK]),
        ({"BROWSER": "a"}, ["a", LINK]),
        ({"BROWSER": f"none{os.pathsep}a --new '%s'"}, ["a", "--new", LINK]),
        ({"BROWSER": "none", "DISPLAY": ":0"}, ["xdg-open", LINK]),
        ({"BROWSER": "a 'unclosed"}, None),
        ({"DISPLAY": ":0", "CI": "true"}, None),
    ],
)
def test_a_page_is_opened_where_somebody_can_see_it(
    opened: list[list[str]], monkeypatch: pytest.MonkeyPatch, env: dict[str, str], command: list[str] | None
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert open_page(LINK) is (command is not None)
    assert opened == ([command] if command else [])


def test_nothing_is_opened_for_a_pipe(opened: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert open_page(LINK) is False
    assert opened == []


def test_the_command_prints_the_link_alone(bulkhead: Any, server: Any) -> None:
    server.answer("POST /studio/links", {"url": LINK, "expires_in_s": 600})
    ran = bulkhead("studio", "--room=demo", "--url", server.url)
    assert (ran.status, ran.out) == (0, f"{LINK}\n")
    assert json.loads(server.asked[-1][3]) == {"room": "demo"}


def test_the_key_of_the_servers_file_is_sent_to_it(bulkhead: Any, server: Any, tmp_path: Path) -> None:
    state = tmp_path / "here" / ".bulkhead"
    state.mkdir()
    (state / "server.json").write_text(json.dumps({"pid": os.getpid(), "url": server.url, "key": "k3y"}))
    server.answer("POST /studio/links", {"url": LINK, "expires_in_s": None})
    assert bulkhead("studio").status == 0
    assert server.asked[-1][2]["authorization"] == "Bearer k3y"


def test_where_this_machine_needs_no_code_it_asks_for_one_all_the_same(bulkhead: Any, server: Any) -> None:
    server.answer("POST /studio/links", {"url": LINK, "expires_in_s": None})
    ran = bulkhead("studio", "--room=demo", "--url", server.url)
    assert (ran.status, ran.out) == (0, f"{LINK}\n")
    assert [json.loads(asked[3]) for asked in server.asked] == [
        {"room": "demo"},
        {"room": "demo", "code": True},
    ]


def test_a_server_without_a_studio_is_an_error_in_words(bulkhead: Any, server: Any) -> None:
    server.answer("POST /studio/links", {"ok": True})
    ran = bulkhead("studio", "--url", server.url)
    assert (ran.status, ran.out) == (1, "")
    assert "has no Studio" in ran.err
