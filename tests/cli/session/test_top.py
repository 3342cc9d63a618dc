"""The screen of ``bulkhead top``: what it shows at 80 by 24, and what its keys ask the server."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cli.failure import CommandFailed
from runtime.cli.session.top import screen
from runtime.cli.session.top.command import Top

pytestmark = pytest.mark.unit


def worker(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"s_{number:012d}",
        "identity": f"an-agent-of-a-long-name-{number}",
        "endpoint": "/chat",
        "room": "a-room-with-a-long-name",
        "state": "ready",
        "cpu_s": float(number),
        "uptime_s": 100.0,
        "rss_bytes": number << 20,
        "pss_bytes": 0,
        "lag_ms": 1.0,
        "note": None,
        **more,
    }


class FakeApi:
    """Answers as a server does, and remembers what was asked."""

    url, token = "http://127.0.0.1:1", ""

    def __init__(self, workers: list[dict[str, Any]]) -> None:
        self.workers, self.asked = workers, list[str]()

    def get(self, path: str) -> Any:
        self.asked.append(f"GET {path}")
        if path == "/workers":
            return {"workers": self.workers}
        if path.endswith("/stacks"):
            return "\n".join(f"line {number}" for number in range(100))
        if path.endswith("/logs"):
            return {"lines": [{"at": "2026-11-30T09:00:01Z", "text": "\x1b[31mhello"}]}
        return self.workers[0]

    def post(self, path: str, body: Any) -> None:
        self.asked.append(f"POST {path}")
        raise CommandFailed("The session is not ready", cure="Wait for it.")

    def delete(self, path: str) -> None:
        self.asked.append(f"DELETE {path}")
        self.workers.clear()


def shown(api: FakeApi, *keys: str, height: int = 24) -> list[str]:
    """The lines after these keys."""
    drawn: list[list[str]] = []
    waiting = [*keys, "q"]
    top = Top(api, None, draw=lambda lines: drawn.append([*lines]), size=lambda: (80, height))  # type: ignore[arg-type]
    top.run(lambda _: waiting.pop(0), every=100.0)
    return drawn[-1]


def test_it_fits_into_80_by_24_and_marks_the_chosen_one_without_colours() -> None:
    api = FakeApi([worker(number) for number in range(60)])
    lines = shown(api, "down", "down")
    assert len(lines) == 24
    assert all(len(line) <= 80 for line in lines)
    (chosen,) = [line for line in lines if line.startswith(">")]
    assert chosen.split()[1] == "s_000000000057"  # the most of a processor first
    assert "57MiB" in chosen
    assert lines[-1].endswith("q quit")
    (last,) = [line for line in shown(api, "end") if line.startswith(">")]
    assert "s_000000000000" in last
    assert len(shown(FakeApi([]), "down", "k", "\n", height=6)) == 6


def test_keys_ask_what_they_say_and_a_kill_is_asked_for_twice() -> None:
    api = FakeApi([worker(1)])
    assert "line 99" in "\n".join(shown(api, "s", "end"))
    assert "line 0" in "\n".join(shown(api, "s", "end", "home"))
    assert "09:00:01 [31mhello" in "\n".join(shown(api, "l")).replace("\ufffd", "")
    details = "\n".join(shown(FakeApi([worker(1, limits={"memory_bytes": 512 << 20, "pids": 9})]), "\n"))
    assert "agent          an-agent-of-a-long-name-1, /chat\n" in details
    assert "limits         memory 512 MiB, pids 9\n" in details
    assert "_" not in details.replace("s_0", ""), "names of the API are no words for people"
    assert "Wait for it." in shown(api, "f")[-2]
    assert "POST /workers/s_000000000001/freeze" in api.asked
    shown(api, "k", "n")
    assert not any(one.startswith("DELETE") for one in api.asked)
    shown(api, "k", "y")
    assert api.asked[-2] == "DELETE /workers/s_000000000001?grace_s=0"


def test_shares_are_of_the_time_between_two_looks() -> None:
    rates = screen.Rates()
    assert rates.take([worker(5)], now=1000.0)["s_000000000005"] == pytest.approx(0.05)
    assert rates.take([worker(5, cpu_s=6.0)], now=1002.0)["s_000000000005"] == pytest.approx(0.5)


def test_the_chosen_one_stays_chosen_when_the_order_changes() -> None:
    api = FakeApi([worker(1), worker(2)])
    waiting = ["", "k", "y", "q"]
    top = Top(api, None, draw=lambda _: None, size=lambda: (80, 24))  # type: ignore[arg-type]

    def key(_: float) -> str:
        api.workers[:] = [worker(1, cpu_s=90.0), worker(2)] if api.workers else []
        return waiting.pop(0)

    top.run(key, every=0.0)
    assert "DELETE /workers/s_000000000002?grace_s=0" in api.asked
