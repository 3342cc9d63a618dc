"""An agent that is asked and not in the room yet, because the service that calls it in is still coming up."""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from runtime.cli.terminal import clean, note

if TYPE_CHECKING:
    from runtime.cli.api import Api
    from runtime.sdk.room.client import RoomClient

WAIT_S: Final = {"starting": 60.0, "running": 15.0, "stopped": 3.0}
"""For how long by the state of its service: one that is stopped may be about to be started, one that runs has
called, and in any other nothing comes soon."""
_LOOK_S: Final = 0.2
"""Until the first look again; each further wait is longer by half, up to `_RARELY_S`."""
_RARELY_S: Final = 1.0


async def until_there(
    client: RoomClient, api: Api, room: str, *, agent: str = "", toolkit: str = "", chatbot: str = ""
) -> None:
    """Return once an agent, toolkit or chatbot is in the room, or not to be expected from a service of it.

    Who is called in is expected of the service that does so, a toolkit of whatever still has to enter.

    Raises:
        CommandFailed: The service failed, or takes too long.
    """
    from runtime.cli.failure import CommandFailed, ExitCode

    wanted, told, state, since = agent or toolkit or chatbot, False, "", 0.0
    states, pause_s = "", _LOOK_S
    while not await _is_there(client, api, room, agent, toolkit, chatbot):
        states = states or await asyncio.to_thread(_states_path, api, room)
        found = await asyncio.to_thread(_coming, api, states, room, agent or chatbot)
        if found is None:
            return
        name, how = found
        if how["state"] != state:
            state, since = how["state"], time.monotonic()
        if time.monotonic() >= since + WAIT_S.get(state, 0.0):
            why = how["last_start_error"] or f"its service {name} is {state}"
            named = shlex.join([name, "--room", room])
            cure = f"`bulkhead service logs {named}` shows what it wrote."
            if state == "stopped":
                cure = f"`bulkhead service restart {named}` starts it."
            raise CommandFailed(
                f"{wanted} is not in the room: {why}", cure=cure, exit_code=ExitCode.NOT_READY
            )
        if not told:
            note(f"{clean(wanted)} is not in the room yet, service {name} comes up; waiting …", "dim")
            told = True
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _RARELY_S)


async def in_hand(api: Api, room: str, name: str) -> bool:
    """Whether somebody of that name may be about to enter: a session of it runs or starts, or a bundle that
    may have it is being loaded."""
    if name in await asyncio.to_thread(_present, api, room):
        return True
    coming = await asyncio.to_thread(_coming_by_itself, api, room)
    return coming is None or name in coming


def _coming_by_itself(api: Api, room: str) -> set[str] | None:
    """Whom sessions have in this room or bring into it; None while a bundle is loaded: it may be anybody."""
    seen = api.get(f"/workers?room={quote(room, safe='')}")
    if any(bundle["state"] == "loading" for bundle in seen["bundles"]):
        return None
    return {worker["identity"] for worker in seen["workers"]}


def served_at(api: Api, name: str) -> str | None:
    """The path of an endpoint of that name that could be called in; None where there is none."""
    from runtime.session.calls.deployed import told_path

    served = [one for one in api.get("/workers")["endpoints"] if one["identity"] == name]
    paths = [
        told_path(one["path"], one["bundle"]) for one in served if one["state"] == "ready" and one["path"]
    ]
    return paths[0] if paths else None


def is_elsewhere(api: Api, room: str, name: str) -> str:
    """The address of another server of this folder in whose room of that name somebody is; empty for none."""
    from runtime.cli.api import others_here
    from runtime.cli.failure import CommandFailed

    for other in others_here(api):
        with suppress(CommandFailed):  # it ends just now, or is not asked without a token
            if name in _present(other, room):
                return other.url
    return ""


def takes_no_tasks(api: Api, room: str, name: str) -> tuple[str, str] | None:
    """A sentence and a cure about somebody in the room who is no agent for tasks; None where nobody is."""
    for one in _members(api, room):
        if name in (one["name"], *one["toolkits"]) and one["role"] == "agent":
            tools = name in one["toolkits"]
            command = ["agents", "list", "--room", room] if tools else ["chat", "--room", room, "--to", name]
            cure = f"{'See them' if tools else 'Talk to it'}: bulkhead {shlex.join(command)}"
            return f"{name} takes no tasks, it {'offers tools' if tools else 'chats'}", cure
    return None


def check_known(api: Api, room: str, *, only_looks: bool) -> None:
    """Refuse a room that there is not; entering would make it.

    Args:
        only_looks: Nothing is wanted of the room but what is in it. Else one that there is not is good enough
            where entering it starts a service of the project's, or where sessions are on their way into it.

    Raises:
        CommandFailed: There is no such room; says which there are.
    """
    from runtime.cli.api import project_path
    from runtime.cli.failure import CommandFailed

    base = project_path(api)
    try:
        api.get(f"{base}/rooms/{quote(room, safe='')}")
    except CommandFailed as error:
        if error.problem != "not_found":
            raise
        if only_looks or (
            _coming_by_itself(api, room) == set() and not api.get(f"{base}/services")["services"]
        ):
            raise


async def _is_there(client: RoomClient, api: Api, room: str, agent: str, toolkit: str, chatbot: str) -> bool:
    if agent:
        return agent in [one.name for one in await client.agents.list_agents()]
    if toolkit:
        return toolkit in [one.name for one in await client.agents.list_toolkits()]
    return chatbot in await asyncio.to_thread(_present, api, room)


def _present(api: Api, room: str) -> set[str]:
    """Who is in a room."""
    return {member["name"] for member in _members(api, room)}


def _members(api: Api, room: str) -> list[dict[str, Any]]:
    return [member for one in api.get("/rooms") if one["name"] == room for member in one["participants"]]


def _states_path(api: Api, room: str) -> str:
    from runtime.cli.api import project_path

    return f"{project_path(api)}/rooms/{quote(room, safe='')}/service-states"


def _coming(api: Api, states: str, room: str, identity: str) -> tuple[str, dict[str, Any]] | None:
    """A service that runs by itself and calls somebody in, or anybody not there yet; its name and state."""
    from runtime.services.life.reach import ports_of

    answer = api.get(states)
    present = set() if identity else _present(api, room)
    for spec in answer["services"]:
        called = {one.identity for port in ports_of(spec) for one in port.endpoints}
        on_demand = (spec.get("container") or {}).get("on_demand", False)
        is_meant = identity in called if identity else bool(called - present)
        if is_meant and spec.get("enabled", True) and not on_demand:
            return clean(spec["metadata"]["name"]), answer["states"][spec["id"]]
    return None
