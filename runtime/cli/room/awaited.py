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

WAIT_S: Final = 60.0
_LOOK_S: Final = 0.2


async def until_there(client: RoomClient, api: Api, room: str, *, agent: str = "", toolkit: str = "") -> None:
    """Return once an agent or a toolkit is in the room, or is not to be expected from a service of it.

    An agent is expected of the service that calls it in, a toolkit of whatever still has to enter.

    Raises:
        CommandFailed: The service failed, or takes too long.
    """
    from runtime.cli.failure import CommandFailed, ExitCode

    ends_at, told = time.monotonic() + WAIT_S, False
    while not await _is_there(client, agent, toolkit):
        found = await asyncio.to_thread(_coming, api, room, agent)
        if found is None:
            return
        name, state = found
        if state["state"] == "scheduled" or time.monotonic() > ends_at:
            why = state["last_start_error"] or f"its service {name} is {state['state']}"
            raise CommandFailed(
                f"{agent or toolkit} is not in the room: {why}",
                cure=f"`bulkhead service logs {name} --room {room}` shows what it wrote.",
                exit_code=ExitCode.NOT_READY,
            )
        if not told:
            note(
                f"{clean(agent or toolkit)} is not in the room yet, service {name} comes up; waiting …", "dim"
            )
            told = True
        await asyncio.sleep(_LOOK_S)


async def _is_there(client: RoomClient, agent: str, toolkit: str) -> bool:
    if agent:
        return agent in [one.name for one in await client.agents.list_agents()]
    return toolkit in [one.name for one in await client.agents.list_toolkits()]


def _coming(api: Api, room: str, agent: str) -> tuple[str, dict[str, Any]] | None:
    """A service that runs by itself and calls in an agent, or any who is not there yet; by its name, with its
    state.
    """
    from runtime.cli.api import project_path
    from runtime.services.life.reach import ports_of

    answer = api.get(f"{project_path(api)}/rooms/{quote(room, safe='')}/service-states")
    rooms = api.get("/rooms") if not agent else ()
    present = {member["name"] for one in rooms if one["name"] == room for member in one["participants"]}
    for spec in answer["services"]:
        called = {one.identity for port in ports_of(spec) for one in port.endpoints}
        on_demand = (spec.get("container") or {}).get("on_demand", False)
        is_meant = agent in called if agent else bool(called - present)
        if is_meant and spec.get("enabled", True) and not on_demand:
            return clean(spec["metadata"]["name"]), answer["states"][spec["id"]]
    return None
