"""What `service run` does with the sessions it called: when its program changes or its server is lost."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.options import Reload
from runtime.cli.room import room_calls
from runtime.cli.room.room_calls import RoomCalls

pytestmark = pytest.mark.unit


class Server:
    """The answers of a server, and what was asked of it."""

    def __init__(self) -> None:
        self.generation = 1
        self.state = "ready"
        self.paths = ["/chat"]
        self.workers: dict[str, dict[str, Any]] = {}
        self.did: list[str] = []
        self.refuse: list[CommandFailed] = []
        self.told: list[str] = []

    def post(self, path: str, *_: Any, **__: Any) -> Any:
        if self.refuse:
            raise self.refuse.pop(0)
        session = f"s_{len(self.workers) + 1}"
        self.workers[session] = {"id": session, "endpoint": path, "state": "ready", "exit": None}
        self.did.append(f"call {path} {session}")
        return type("Answer", (), {"body": {"ok": True, "session": session}})

    def delete(self, path: str, **_: Any) -> None:
        self.workers[path.rpartition("/")[2].partition("?")[0]] |= {
            "state": "exited",
            "exit": {"reason": "stopped"},
        }
        self.did.append(f"stop {path}")

    def answer(self) -> dict[str, Any]:
        if self.state != "ready":  # a row without a path stands for a program that is not known yet
            endpoints: list[Any] = [{"path": "", "identity": "", "state": self.state}]
        else:
            endpoints = [self.endpoint(path) for path in self.paths]
        bundle = {"name": "main", "state": self.state, "code_generation": self.generation}
        return {"endpoints": endpoints, "bundles": [bundle], "workers": list(self.workers.values())}

    def endpoint(self, path: str) -> dict[str, Any]:
        about = {"path": path, "identity": path[1:], "bundle": "main"}
        return {**about, "code_generation": self.generation, "state": self.state}


def settled(calls: RoomCalls, server: Server) -> None:
    """Look, and wait for what that began."""
    calls.look(server.answer())
    for thread in threading.enumerate():
        if thread.name.startswith("call /"):
            thread.join(5)


@pytest.fixture
def server() -> Server:
    return Server()


def start(server: Server, reload: Reload = Reload.RESTART) -> RoomCalls:
    api: Any = server
    calls = RoomCalls(lambda: api, "r", tell=lambda text, _: server.told.append(text.strip()), reload=reload)
    for path in server.paths:
        calls.first(server.endpoint(path))
    settled(calls, server)
    server.did.clear()
    return calls


def test_a_new_generation_is_joined_by_whom_was_called_and_the_old_one_goes_first(server: Server) -> None:
    calls = start(server)
    server.generation = 2
    assert calls.after_reload(["/chat"]) == "chat joins anew"
    settled(calls, server)
    settled(calls, server)
    assert server.did == ["stop /workers/s_1?reload=true", "call /chat s_2"]


def test_those_kept_go_on_with_the_old_code(server: Server) -> None:
    calls = start(server, Reload.KEEP)
    server.generation = 2
    assert calls.after_reload(["/chat"]) == "1 session stays on the old code · new calls use it"
    settled(calls, server)
    assert server.did == []


def test_an_endpoint_that_comes_is_called_and_one_that_goes_is_stopped(server: Server) -> None:
    calls = start(server)
    server.paths = ["/chat", "/two"]
    settled(calls, server)
    assert server.did == ["call /two s_2"]
    assert server.told == ["+ endpoint /two as two called into r"]
    server.paths = ["/chat"]
    settled(calls, server)
    assert server.did[1:] == ["stop /workers/s_2"]
    assert server.told[1:] == ["- endpoint /two is gone · its session was stopped"]
    settled(calls, server)
    assert len(server.told) == 2


def test_with_keep_the_session_of_an_endpoint_that_is_gone_is_named(server: Server) -> None:
    server.paths = ["/chat", "/two"]
    calls = start(server, Reload.KEEP)
    server.paths = ["/chat"]
    settled(calls, server)
    assert (server.did, server.told) == ([], ["- endpoint /two is gone · its session s_2 goes on"])


def test_who_was_lost_with_the_server_is_called_again_once_the_program_is_loaded(server: Server) -> None:
    server.generation = 4
    calls = start(server)
    server.workers["s_1"] |= {"state": "exited", "exit": {"reason": "front_lost"}}
    server.generation, server.state = 0, "loading"
    settled(calls, server)
    assert (server.did, server.told) == ([], [])
    server.generation, server.state = 1, "ready"
    settled(calls, server)
    settled(calls, server)
    assert server.did == ["call /chat s_2"]
    assert server.told == ["↻ the server was started again · chat joins anew"]


def test_a_server_that_is_starting_is_asked_again_and_a_refusal_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_calls, "RETRY_S", 0.0)
    calls = start(server)
    server.generation = 2
    server.refuse = [CommandFailed("Starting", exit_code=ExitCode.NOT_READY)] * 2
    settled(calls, server)
    assert server.did[-1] == "call /chat s_2"
    assert server.told == []
    server.generation = 3
    server.refuse = [CommandFailed("Quarantined", cure="Look at it.")]
    settled(calls, server)
    settled(calls, server)
    assert server.told == ["error: /chat: Quarantined. Look at it."]
    server.generation = 4
    settled(calls, server)
    assert server.did[-1] == "call /chat s_3", "the next save calls it again"


def test_one_that_the_user_stopped_stays_away_until_the_next_save(server: Server) -> None:
    calls = start(server)
    server.delete("/workers/s_1")
    settled(calls, server)
    assert server.did == ["stop /workers/s_1"]


def test_a_bundle_that_is_broken_keeps_nobody_from_the_others(server: Server) -> None:
    calls = start(server)
    server.generation = 2
    answer = server.answer()
    answer["bundles"].append({"name": "other", "state": "failed", "generation": 0})
    answer["endpoints"].append({"path": "", "identity": "", "bundle": "other", "state": "failed"})
    calls.look(answer)
    settled(calls, server)
    assert server.did == ["stop /workers/s_1?reload=true", "call /chat s_2"]
