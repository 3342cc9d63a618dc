"""An agent that is asked and not in the room yet, because the service that calls it in is still coming up."""

from __future__ import annotations

import asyncio
import time
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
            cure = f"`bulkhead service logs {name} --room {room}` shows what it wrote."
            if state == "stopped":
                cure = f"`bulkhead service restart {name} --room {room}` starts it."
            raise CommandFailed(
                f"{wanted} is not in the room: {why}", cure=cure, exit_code=ExitCode.NOT_READY
            )
        if not told:
            note(f"{clean(wanted)} is not in the room yet, service {name} comes up; waiting …", "dim")
            told = True
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _RARELY_S)


async def _is_there(client: RoomClient, api: Api, room: str, agent: str, toolkit: str, chatbot: str) -> bool:
    if agent:
        return agent in [one.name for one in await client.agents.list_agents()]
    if toolkit:
        return toolkit in [one.name for one in await client.agents.list_toolkits()]
    return chatbot in await asyncio.to_thread(_present, api, room)


def _present(api: Api, room: str) -> set[str]:
    """Who is in a room."""
    rooms = api.get("/rooms")
    return {member["name"] for one in rooms if one["name"] == room for member in one["participants"]}


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
