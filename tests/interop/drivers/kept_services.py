"""Services by way of the SDK's client of the accounts API, and what a room says of them."""

import asyncio

from meshagent.api import client
from meshagent.api.specs.service import ServiceSpec
from sdk import failure, join, run

PROJECT = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


def spec(name, **more):
    container = {"image": "debian:12", "command": "sleep 600", **more}
    return ServiceSpec.model_validate(
        {"version": "v1", "kind": "Service", "metadata": {"name": name}, "container": container}
    )


def id_of(made):
    return made if isinstance(made, str) else made.id


async def main(work):
    made = client.Meshagent(base_url=work["base"], token=work["key"])
    room = {"project_id": PROJECT, "room_name": work["room"]}
    name = f"everywhere {work['room']}"
    everywhere = id_of(await made.create_service(project_id=PROJECT, service=spec(name)))
    inside = id_of(await made.create_room_service(**room, service=spec("inside")))
    told = await failure(made.create_room_service(**room, service=spec("inside")))
    assert "409" in told or "already in use" in told, told
    assert name in [one.metadata.name for one in await made.list_services(project_id=PROJECT)]
    (kept,) = await made.list_room_services(**room)
    assert (kept.id, kept.container.image) == (inside, "debian:12")
    async with join(work["url"], work["ada"]) as ada:
        if hasattr(ada, "services"):
            await states(ada, inside)
        changed = spec("inside", environment=[{"name": "COLOUR", "value": "blue"}])
        changed.id = inside
        await made.update_room_service(**room, service_id=inside, service=changed)
        (kept,) = await made.list_room_services(**room)
        assert kept.container.environment[0].value == "blue"
        await made.delete_room_service(**room, service_id=inside)
    assert await made.list_room_services(**room) == []
    assert (await made.get_service(project_id=PROJECT, service_id=everywhere)).metadata.name == name
    await made.delete_service(project_id=PROJECT, service_id=everywhere)
    assert await failure(made.get_service(project_id=PROJECT, service_id=everywhere))
    await made.close()
    return {"served": True}


async def states(room, service_id):
    """It runs, and runs again after a restart."""

    ask = getattr(room.services, "list_with_state", room.services.list)

    async def running(other_than=None):
        async with asyncio.timeout(60):
            while True:
                now = (await ask()).service_states[service_id]
                if now.state == "running" and now.container_id != other_than:
                    return now.container_id
                await asyncio.sleep(0.1)

    first = await running()
    await room.services.restart(service_id=service_id)
    await running(other_than=first)


run(main)
