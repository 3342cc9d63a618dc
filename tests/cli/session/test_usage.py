"""``bulkhead usage`` and ``bulkhead quarantine``: what is asked, and how the answers are written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.cli import main
from runtime.cli.session.usage import render
from runtime.cli.terminal import Output

pytestmark = pytest.mark.unit

ROW = {
    "identity": "chatbot", "sessions": 41, "restarts": 2, "turns": 903, "messages": 1000, "cpu_s": 51.23,
    "memory_gib_s": 611.4, "peak_bytes": 5 << 20, "log_bytes": 2048, "relay_bytes": 0,
    "tokens_in": 812_345, "tokens_out": 96_001, "cost_usd": 1.9412, "unpriced_tokens": 0,
}  # fmt: skip


def test_the_table_says_it_in_a_line() -> None:
    heading, line = render([ROW], "identity", Output.TABLE).splitlines()
    assert heading.split() == ["IDENTITY", "SESSIONS", "TURNS", "CPU·s", "GiB·s", "TOKENS", "in/out", "COST"]
    assert line.split() == ["chatbot", "41", "903", "51.2", "611", "812k", "/", "96k", "$1.94"]
    assert render([ROW | {"unpriced_tokens": 7}], "identity", Output.TABLE).endswith("$1.94 + ?")
    assert render([ROW | {"unpriced_tokens": 7, "cost_usd": 0}], "identity", Output.TABLE).endswith("?")
    assert "5 MiB" in render([ROW], "identity", Output.WIDE)
    assert json.loads(render([ROW], "identity", Output.JSON)) == [ROW]
    assert render([], "room", Output.TABLE) == "no sessions yet"


class FakeApi:
    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        return self.answer

    def delete(self, path: str) -> Any:
        self.asked.append(path)
        return self.answer


@pytest.fixture
def asked_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    def serve(answer: Any) -> FakeApi:
        api = FakeApi(answer)
        monkeypatch.setattr("runtime.cli.api.find_server", lambda url, **_: api)
        return api

    return serve


def test_what_is_asked_for(asked_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    api = asked_of({"rows": [ROW]})
    assert main.run(["usage", "--by", "identity", "--since", "1h", "-o", "json"]) == 0
    assert api.asked == ["/usage?by=identity&since=1h"]
    assert json.loads(capsys.readouterr().out)[0]["turns"] == 903


def test_parked_inputs_are_listed_and_released(asked_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    parked = {"hash": "ab12", "endpoint": "/x", "room": "r", "deaths": 3, "message": "signal 11\x1b[2J"}
    asked_of({"inputs": [parked]})
    assert main.run(["quarantine", "list"]) == 0
    listed = capsys.readouterr().out
    assert "ab12" in listed
    assert "\x1b" not in listed
    api = asked_of({"released": parked})
    assert main.run(["quarantine", "release", "ab12"]) == 0
    assert api.asked == ["/quarantine/ab12"]
    assert "released ab12 of /x" in capsys.readouterr().out


def test_endpoints_of_what_was_sent_go_by_the_name_of_its_service(server: Any, bulkhead: Any) -> None:
    kept, gone = "/deployed/0d3f/chat", "/deployed/9999/chat"
    server.answer("GET /workers", {"endpoints": [{"path": kept, "bundle": "greeter@1a2b3c4d"}]})
    rows = [{**ROW, "endpoint": path} for path in (kept, gone, "/chat")]
    server.answer("GET /usage?by=endpoint", {"rows": rows})
    ran = bulkhead("usage", "--by", "endpoint", "--url", server.url)
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == ["greeter/chat", gone, "/chat"]
    ran = bulkhead("usage", "--by", "endpoint", "-o", "json", "--url", server.url)
    assert json.loads(ran.out)[0]["endpoint"] == kept
    one = {"hash": "3f", "endpoint": kept, "room": "lab", "deaths": 3, "parked_at": "", "message": ""}
    server.answer("GET /quarantine", {"inputs": [one]})
    assert " greeter/chat " in bulkhead("quarantine", "list", "--url", server.url).out
