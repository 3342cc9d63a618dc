"""What the shell offers for a word, as it asks for it: by running the command with its own variables."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.process

WORKERS = [
    {"id": "s_AB", "identity": "chatbot", "room": "demo", "state": "ready"},
    {"id": "s_AC", "identity": "adder", "room": "other", "state": "ready"},
]
ENDED = {"id": "s_AD", "identity": "adder", "room": "demo", "state": "exited"}
ENDPOINTS = [
    {"path": "/chat", "identity": "chatbot", "bundle": "chat"},
    {"path": "/deployed/1f/pirate", "identity": "pirate", "bundle": "ship@0123"},
]
PEOPLE = [
    {"name": "chatbot", "role": "agent", "toolkits": [], "agents": []},
    {"name": "ada", "role": "user", "toolkits": [], "agents": []},
    {"name": "h", "role": "tool", "toolkits": ["adder"], "agents": ["helper"]},
]
ELSE = [{"name": "poet", "role": "agent", "toolkits": ["rhymes"], "agents": ["odes"]}]


@pytest.fixture
def offered(server: Any) -> Any:
    """``offered("logs s_A", url)`` -> the words for the last one of the line."""
    found = {"endpoints": ENDPOINTS, "workers": WORKERS}
    server.answer("GET /workers", found)
    server.answer("GET /workers?all=1", {**found, "workers": [*WORKERS, ENDED]})
    server.answer("GET /crashes", {"crashes": [{"session_id": "s_AD", "reason": "signal"}]})
    rooms = [{"name": "demo", "participants": PEOPLE}, {"name": "other", "participants": ELSE}]
    server.answer("GET /rooms", rooms)

    def offered(line: str, url: str = server.url) -> set[str]:
        words = ["bulkhead", *shlex.split(line)]
        asked = {"_BULKHEAD_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "BULKHEAD_URL": url}
        ran = subprocess.run(
            [sys.executable, "-c", "from runtime.cli.main import main; main()"],
            env={**os.environ, **asked, "COMP_CWORD": str(len(words) - 1)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.stderr == ""
        return set(ran.stdout.split())

    return offered


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stop s_A", {"s_AB", "s_AC"}),
        ("stop --room other s_", {"s_AC"}),
        ("logs s_A", {"s_AB", "s_AC", "s_AD"}),
        ("crash show s_", {"s_AD"}),
        ("chat --room o", {"other"}),
        ("chat --room demo --to c", {"chatbot"}),
        ("agents ask --room demo --agent h", {"helper"}),
        ("agents invoke-tool --room other --toolkit r", {"rhymes"}),
        ("call /c", {"/chat"}),
        ("call s", {"ship/pirate"}),
    ],
)
def test_what_the_server_has_is_offered(offered: Any, line: str, words: set[str]) -> None:
    assert offered(line) == words


def test_without_a_server_nothing_is_offered(offered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("stop s_", "http://127.0.0.1:9") == set()
    monkeypatch.setenv("BULKHEAD_PORT", "abc")
    assert offered("crash show s_", "") == set()
