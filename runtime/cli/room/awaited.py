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


async def until_there(client: RoomClient, api: Api, room: str, agent: str) -> None:
    """Return once an agent is in the room, or is not to be expected, as no service calls it in.

    Raises:
        CommandFailed: Its service failed, or takes too long.
    """
    from runtime.cli.failure import CommandFailed, ExitCode

    ends_at, told = time.monotonic() + WAIT_S, False
    while agent not in [one.name for one in await client.agents.list_agents()]:
        found = await asyncio.to_thread(_service_of, api, room, agent)
        if found is None:
            return
        name, state = found
        failed = state["restart_count"] or state["last_start_error"]
        if failed or time.monotonic() > ends_at:
            why = state["last_start_error"] or f"its service {name} is {state['state']}"
            raise CommandFailed(
                f"{agent} is not in the room: {why}",
                cure=f"`bulkhead service logs {name} --room {room}` shows what it wrote.",
                exit_code=ExitCode.NOT_READY,
            )
        if not told:
            note(f"{clean(agent)} is not in the room yet, its service {name} comes up; waiting …", "dim")
            told = True
        await asyncio.sleep(_LOOK_S)


def _service_of(api: Api, room: str, agent: str) -> tuple[str, dict[str, Any]] | None:
    """The service that calls an agent in, by its name, and how it goes; None where none does by itself."""
    from runtime.cli.api import project_path
    from runtime.services.life.reach import ports_of

    answer = api.get(f"{project_path(api)}/rooms/{quote(room, safe='')}/service-states")
    for spec in answer["services"]:
        called = {one.identity for port in ports_of(spec) for one in port.endpoints}
        on_demand = (spec.get("container") or {}).get("on_demand", False)
        if agent in called and spec.get("enabled", True) and not on_demand:
            return clean(spec["metadata"]["name"]), answer["states"][spec["id"]]
    return None
