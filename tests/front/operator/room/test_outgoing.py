"""Webhooks that go out, as MeshAgent's clients make them, and what becomes of each delivery."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.front.access.rules import LOCAL_PROJECT
from tests.services.conftest import manifest

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

HOOKS = f"/accounts/projects/{LOCAL_PROJECT}/webhooks"
NEW = {
    "name": "h",
    "description": "",
    "url": "http://127.0.0.1:9/h",
    "events": ["room.ended"],
    "action": None,
}


async def test_webhooks_are_made_changed_listed_and_deleted(serving: Any) -> None:
    async with serving() as site:
        made = (await site.post(HOOKS, json.dumps({**NEW, "payload": ""}).encode())).json
        secret = made.pop("secret")
        assert secret.startswith("whsec_")
        listed = await site.get(HOOKS)
        assert listed.json == {"webhooks": [made]}
        changed = {**NEW, "name": "other", "payload": {"a": 1}}
        answer = await site.ask(
            "PUT", f"{HOOKS}/{made['id']}", json.dumps(changed).encode(), {"Content-Type": "application/json"}
        )
        assert (answer.json["name"], answer.json["payload"]) == ("other", {"a": 1})
        assert secret not in answer.body.decode() + listed.body.decode()
        for wrong in ({"events": ["room.exploded"]}, {"url": "ftp://example.org"}, {"name": ""}):
            assert (await site.post(HOOKS, json.dumps({**NEW, **wrong}).encode())).status == 400
        assert (await site.ask("DELETE", f"{HOOKS}/{made['id']}")).status == 200
        assert (await site.ask("DELETE", f"{HOOKS}/{made['id']}")).status == 404
        assert (await site.get(HOOKS)).json == {"webhooks": []}


async def test_deliveries_are_told_of_and_sent_again(serving: Any) -> None:
    async with serving() as site:
        made = (await site.post(HOOKS, json.dumps(NEW).encode())).json
        store = site.server.front.store
        await store.webhooks.announce("room.ended", {"room_name": "lab"})
        (first,) = (await site.get(f"{HOOKS}/{made['id']}/deliveries")).json["deliveries"]
        assert (first["event"], first["state"], first["ended_at"]) == ("room.ended", "waiting", None)
        again = (await site.post(f"{HOOKS}/{made['id']}/deliveries/{first['id']}", b"")).json
        assert again["id"] != first["id"]
        assert (await site.post(f"{HOOKS}/{made['id']}/deliveries/msg_none", b"")).status == 404
        assert len((await site.get(f"{HOOKS}/{made['id']}/deliveries")).json["deliveries"]) == 2


async def test_the_services_of_a_room_go_with_it(serving: Any) -> None:
    rooms = HOOKS.replace("webhooks", "rooms")
    async with serving() as site:
        store = site.server.front.store
        await site.post(rooms, b'{"name": "lab"}')
        await store.services.create(manifest(), by="a", room="lab")
        await store.services.create(manifest(), by="a")
        assert (await site.ask("DELETE", f"{rooms}/lab")).status == 200
        assert [one.room for one in await store.services.listed(room=None)] == [""]
