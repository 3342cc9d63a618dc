"""``bulkhead chaos`` against a real server, and what it makes of what it measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.server_process import ServerProcess
from runtime.cli.session.chaos import faults
from runtime.cli.session.chaos.probe import Answers
from runtime.cli.source import loaded
from runtime.worker.chaos.fault import FAULTS

pytestmark = pytest.mark.process

BUNDLE = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

class Quiet:
    async def start(self, *, room): ...
    async def stop(self): ...

@service.path("/victim", identity="victim")
class Victim(Quiet): ...

@service.path("/sibling", identity="sibling")
class Sibling(Quiet): ...

asyncio.run(service.run())
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Any]:
    """``running(chaos=True)`` is the address of a server with two endpoints."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "two.py").write_text(BUNDLE)
    servers: list[ServerProcess] = []

    def start(**knobs: Any) -> str:
        flags = {"server.port": 0, "server.state_dir": tmp_path / "state", "server.watch": False}
        flags |= {f"server.{name}": value for name, value in knobs.items()}
        server = ServerProcess(flags, [tmp_path / "agents"], None)
        servers.append(server)
        server.start()
        api = server.wait_listening()
        loaded(api, server, tmp_path / "agents" / "two.py")
        return api.url

    yield start
    for server in servers:
        server.stop()
        assert server.wait(20)


def test_a_victim_is_named_with_its_line_and_the_sibling_lives(
    running: Any, bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_QUIET_S", 0.3)
    monkeypatch.setattr(faults, "_LEAST_S", 0.3)
    # How quick this machine is under other tests is not what is asked here.
    monkeypatch.setattr(faults, "_CALM_MS", 5_000.0)
    url = running(chaos=True)
    argv = ("chaos", "--target", "/victim", "--probe", "sibling", "--faults", "raise,exit", "--url", url)
    ran = bulkhead(*argv, "-o", "json")
    assert ran.status == 0, ran.out + ran.err
    raised, exited = json.loads(ran.out)
    assert (raised["reason"], raised["lost"], raised["result"]) == ("agent_error", 0, "ok")
    assert raised["where"].startswith("<chaos>:")
    assert exited["reason"] == "exit"
    assert 0 < exited["p50_ms"] <= exited["p99_ms"]
    ran = bulkhead(*argv)
    assert "2/2 faults contained" in ran.out
    assert json.loads(bulkhead("ps", "--url", url, "-o", "json").out) == []  # nothing is left of it


def test_a_server_that_does_not_allow_it_says_how(running: Any, bulkhead: Any) -> None:
    ran = bulkhead("chaos", "--target", "/victim", "--probe", "/sibling", "--url", running())
    assert ran.status != 0
    assert "BULKHEAD_CHAOS=1" in ran.err


def test_unknown_names_are_answered_with_the_known(server: Any, bulkhead: Any) -> None:
    ran = bulkhead("chaos", "--target", "/a", "--probe", "/b", "--faults", "rain", "--url", server.url)
    assert ran.status == 2
    assert "segfault (a segmentation fault)" in ran.err
    server.answer("GET /workers", {"endpoints": [{"path": "/chat"}], "workers": []})
    ran = bulkhead("chaos", "--target", "/a", "--probe", "/chat", "--url", server.url)
    assert ran.status == 1
    assert "Known: /chat" in ran.err


def test_attacks_are_tried_where_their_victims_can_be_seen(
    running: Any, bulkhead: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With harmless ones: this server runs on the tests' machine, whose processes it shares."""
    url = running(chaos=True)
    argv = (
        "chaos",
        "--hostile",
        "--target",
        "/victim",
        "--probe",
        "/sibling",
        "--each",
        "0.05",
        "--url",
        url,
    )
    ran = bulkhead(*argv)
    assert ran.status == 2
    assert "BULKHEAD_STATE_DIR" in ran.err
    monkeypatch.setenv("BULKHEAD_STATE_DIR", str(tmp_path / "state"))
    ran = bulkhead(*argv, "--faults", "rain")
    assert ran.status == 2
    assert "operator-list (list all sessions as an operator)" in ran.err
    ran = bulkhead(*argv, "--faults", "listen,kill-all,operator-list", "-o", "json")
    assert ran.status == 0, ran.out + ran.err
    one, two, three = json.loads(ran.out)  # in their own order
    assert (one["attack"], one["result"]) == ("operator-list", "refused")
    assert one["refused_by"] == "the front: 403"
    assert (two["attack"], two["result"]) == ("listen", "GOT THROUGH")
    assert not two["promised"]
    assert (three["attack"], three["result"]) == ("kill-all", "not tried")
    assert "PID namespace" in three["detail"]
    assert "1 worked that" in bulkhead(*argv, "--faults", "listen,operator-list").out
    assert json.loads(bulkhead("ps", "--url", url, "-o", "json").out) == []  # nothing is left of it
    assert sorted(path.name for path in (tmp_path / "state").glob("chaos-*")) == []


def test_an_attack_is_judged_by_what_its_victim_shows() -> None:
    from runtime.cli.session.chaos.attacks import GOT_THROUGH, Attacked
    from runtime.confinement.level import Level
    from runtime.worker.chaos.hostile import ATTACKS

    assert ATTACKS["operator-list"].is_promised(Level.OFF)
    assert ATTACKS["kill-sibling"].is_promised(Level.STRICT)
    assert not ATTACKS["kill-sibling"].is_promised(Level.OFF)
    assert not ATTACKS["chmod-state"].is_promised(Level.STRICT)
    assert not Attacked(attack="a", what="", level="basic", promised=True, result=GOT_THROUGH).is_well
    assert Attacked(attack="a", what="", level="basic", promised=False, result=GOT_THROUGH).is_well


def test_the_faults_of_the_command_are_those_a_worker_knows() -> None:
    assert set(faults.FAULTS) == set(FAULTS)
    assert set(faults.FAULTS) >= faults.BURNERS


@pytest.mark.parametrize(
    ("fault", "p99_ms", "lost", "reason", "result"),
    [
        ("exit", 4.9, 0, "exit", "ok"),
        ("exit", 5.1, 0, "exit", "DISTURBED"),
        ("busy", 49.0, 0, "hang", "ok"),
        ("busy", 51.0, 0, "hang", "DISTURBED"),
        ("exit", 1.0, 2, "exit", "LOST 2"),
        ("stop", 1.0, 0, "", "NOT ENDED"),
    ],
)
def test_what_counts_as_disturbed(
    server: Any, fault: str, p99_ms: float, lost: int, reason: str, result: str
) -> None:
    from runtime.cli.api import Api

    run = faults.Run(Api(server.url), "/a", "/b")
    run.quiet_p99_ms = 0.5
    run._probe = {"id": "s_1", "pid": 3}
    server.answer("GET /workers/s_1", {"state": "ready", "pid": 3})
    one = faults.Outcome(
        fault=fault, session="s_2", reason=reason, message="", after_s=1, p50_ms=1,
        p99_ms=p99_ms, lost=lost, result="",
    )  # fmt: skip
    assert run._verdict(one) == result
    server.answer("GET /workers/s_1", {"state": "ready", "pid": 4})
    assert run._verdict(one) in ("SIBLING GONE", "NOT ENDED")


def test_quantiles() -> None:
    assert Answers().quantile(0.5) == 0
    assert Answers(ms=[float(n) for n in range(100)]).quantile(0.99) == 99
