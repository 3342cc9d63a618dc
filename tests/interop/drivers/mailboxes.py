"""Addresses by way of the SDK's client of the accounts API."""

from meshagent.api import client
from sdk import failure, run, takes

PROJECT = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


async def main(work):
    made = client.Meshagent(base_url=work["base"], token=work["key"])
    box = {"project_id": PROJECT, "address": work["address"]}
    await made.create_mailbox(**box, room="elsewhere", queue="q")
    assert "409" in await failure(made.create_mailbox(**box, room="elsewhere", queue="q"))
    await made.update_mailbox(**box, room=work["room"], queue=work["address"])
    (found,) = [
        one for one in await made.list_mailboxes(project_id=PROJECT) if one.address == work["address"]
    ]
    assert (found.room, found.queue) == (work["room"], work["address"])
    if hasattr(made, "get_mailbox"):
        assert (await made.get_mailbox(**box)).room == work["room"]
        assert len(await made.list_room_mailboxes(project_id=PROJECT, room_name=work["room"])) == 1
        await made.create_mailbox(project_id=PROJECT, address="more@here.example", room="r", queue="q")
        await made.delete_mailbox(project_id=PROJECT, address="more@here.example")
    await made.close()
    return {"public": takes(made.create_mailbox, "public")}


run(main)
