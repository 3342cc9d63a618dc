"""An agent that is asked while the service that calls it in comes up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.room import awaited
from runtime.cli.room.awaited import check_known, in_hand, served_at, takes_no_tasks, until_there
from runtime.cli.service.scope import tell_open

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Answers:
    """A server with one service, and a room that an agent enters after some looks."""

    def __init__(self, *, enters_at: int, **spec: Any) -> None:
        self.enters_at, self.looks = enters_at, 0
        endpoint = {"path": "/a", "meshagent": {"identity": "clerk"}}
        self.spec = {"id": "1", "metadata": {"name": "desk"}, "ports": [{"endpoints": [endpoint]}], **spec}
        self.state: dict[str, Any] = {"state": "starting", "restart_count": 0, "last_start_error": None}
        self.agents = self
        self.others: list[Any] = []
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        if path == "/rooms":
            return [{"name": "lab", "participants": [{"name": "ada"}, *self.others]}]
        if path == "/accounts/projects":
            return {"projects": [{"id": "p"}]}
        assert path == "/accounts/projects/p/rooms/lab/service-states"
        return {"services": [self.spec], "states": {"1": self.state}}

    async def list_agents(self) -> list[Any]:
        self.looks += 1
        return [SimpleNamespace(name="clerk")] if self.looks > self.enters_at else []

    list_toolkits = list_agents


async def ask(server: Answers, **whom: str) -> None:
    await until_there(cast(Any, server), cast(Any, server), "lab", **(whom or {"agent": "clerk"}))


async def test_it_is_waited_for_and_that_is_said(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "_LOOK_S", 0.0)
    server = Answers(enters_at=3)
    await ask(server)
    assert server.looks == 4
    assert server.asked.count("/accounts/projects") == 1  # it does not change while somebody waits
    assert capsys.readouterr().err == "clerk is not in the room yet, service desk comes up; waiting …\n"
    server = Answers(enters_at=2)
    await ask(server, toolkit="clerk")
    assert server.looks == 3
    server = Answers(enters_at=9)
    with pytest.raises(CommandFailed, match="clerk is not in the room"):
        monkeypatch.setattr(awaited, "WAIT_S", {})
        await ask(server, chatbot="clerk")
    server.others = [{"name": "clerk"}]
    await ask(server, chatbot="clerk")
    server.others = [{"name": "clerk"}]  # whom the service calls in: nobody else is to be expected
    await ask(server, toolkit="clerk")
    assert server.looks == 1


@pytest.mark.parametrize(
    "spec", [{"enabled": False}, {"container": {"image": "x", "on_demand": True}}, {"ports": []}]
)
async def test_nobody_waits_for_what_no_service_calls_in(spec: dict[str, Any]) -> None:
    server = Answers(enters_at=9, **spec)
    await ask(server)
    assert server.looks == 1


async def test_a_service_that_failed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Answers(enters_at=9)
    server.state |= {"state": "scheduled", "restart_count": 1}
    with pytest.raises(CommandFailed, match="its service desk is scheduled") as caught:
        await ask(server)
    assert "bulkhead service logs desk --room lab" in caught.value.cure
    server.state["last_start_error"] = "there is no image x"
    with pytest.raises(CommandFailed, match="clerk is not in the room: there is no image x"):
        await ask(server)
    server.spec["metadata"]["name"] = "desk; reboot"  # whoever made the service may have called it so
    with pytest.raises(CommandFailed) as caught:
        await ask(server)
    assert "`bulkhead service logs 'desk; reboot' --room lab`" in caught.value.cure
    server.spec["metadata"]["name"] = "desk"
    server.state |= {"state": "starting", "last_start_error": None}
    monkeypatch.setattr(awaited, "WAIT_S", {"starting": 0.0})
    with pytest.raises(CommandFailed, match="its service desk is starting") as caught:
        await ask(server)
    assert caught.value.exit_code == ExitCode.NOT_READY
    server.state["state"] = "stopped"  # the project's, in a room that was open before it
    with pytest.raises(CommandFailed, match="its service desk is stopped") as caught:
        await ask(server)
    assert "bulkhead service restart desk --room lab" in caught.value.cure


class Rooms:
    """A server that has the room lab, in which ada is; a session and a bundle each, where they are named."""

    def __init__(self, *, session: str = "", bundle: str = "ready", services: Any = ()) -> None:
        self.sessions = [{"identity": session}] if session else []
        self.bundle, self.services = bundle, list(services)

    def get(self, path: str) -> Any:
        match path.partition("?")[0].split("/")[1:]:
            case ["accounts", "projects"]:
                return {"projects": [{"id": "p"}]}
            case ["accounts", "projects", "p", "rooms", room]:
                if room == "lab":
                    return {}
                raise CommandFailed("there is no room", problem="not_found")
            case ["accounts", "projects", "p", "services"]:
                return {"services": self.services}
            case ["workers"]:
                served = {"path": "/chat", "bundle": "chat.py", "identity": "chatbot", "state": "ready"}
                return {
                    "workers": self.sessions,
                    "bundles": [{"state": self.bundle}],
                    "endpoints": [served],
                }
        assert path == "/rooms"
        present = [
            {"name": "ada", "role": "user", "toolkits": []},
            {"name": "bot", "role": "agent", "toolkits": []},
            {"name": "adder", "role": "agent", "toolkits": ["math"]},
        ]
        return [{"name": "lab", "participants": present}]


async def test_who_may_just_be_starting_is_waited_for_and_nobody_else() -> None:
    assert await in_hand(cast(Any, Rooms(session="clerk")), "lab", "clerk")
    assert await in_hand(cast(Any, Rooms(bundle="loading")), "lab", "clerk")
    assert await in_hand(cast(Any, Rooms()), "lab", "ada")
    assert not await in_hand(cast(Any, Rooms(session="clerk")), "lab", "clerc")
    assert served_at(cast(Any, Rooms()), "chatbot") == "/chat"
    assert served_at(cast(Any, Rooms()), "clerk") is None


async def test_who_takes_no_tasks_is_told_by_what_it_does() -> None:
    server = cast(Any, Rooms())
    talk = "Talk to it: bulkhead chat --room lab --to bot"
    assert takes_no_tasks(server, "lab", "bot") == ("bot takes no tasks, it chats", talk)
    told = ("math takes no tasks, it offers tools", "See them: bulkhead agents list --room lab")
    assert takes_no_tasks(server, "lab", "math") == told
    assert takes_no_tasks(server, "lab", "ada") is None
    assert takes_no_tasks(server, "lab", "nobody") is None


async def test_a_room_that_there_is_not_is_said_unless_something_brings_it() -> None:
    for server in (Rooms(session="clerk"), Rooms(bundle="loading"), Rooms(services=[{}])):
        check_known(cast(Any, server), "new", only_looks=False)
        with pytest.raises(CommandFailed, match="no room"):
            check_known(cast(Any, server), "new", only_looks=True)
    check_known(cast(Any, Rooms()), "lab", only_looks=True)
    with pytest.raises(CommandFailed, match="no room"):
        check_known(cast(Any, Rooms()), "new", only_looks=False)


async def test_a_room_of_a_command_that_is_told_is_one_word(capsys: Any) -> None:
    """Whoever calls an agent names the room; what is told about it gets pasted."""
    server = SimpleNamespace(get=lambda _: [{"name": "lab; reboot\x1b"}])
    tell_open(cast(Any, server), None, "clerk")
    assert "bulkhead service restart clerk --room 'lab; reboot'\n" in capsys.readouterr().err
