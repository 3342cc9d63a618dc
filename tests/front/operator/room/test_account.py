"""The parts of MeshAgent's accounts API that are about the project as a whole: accounts, secrets, runs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from runtime.front.access.rules import LOCAL_PROJECT
from runtime.rooms.token import FULL
from tests.rooms.conftest import Client
from tests.services.conftest import manifest

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PROJECT = f"/accounts/projects/{LOCAL_PROJECT}"
ACCOUNTS = f"{PROJECT}/service-accounts"
MINE = "/accounts/users/me/secrets"
VALUE = "correct-horse-battery"
JSON = {"Content-Type": "application/json"}


async def test_a_secret_in_versions_is_one_of_the_projects_and_never_answered(serving: Any) -> None:
    async with serving() as site:

        async def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
            answer = await site.ask(method, path, json.dumps(body).encode() if body else b"", JSON)
            assert answer.status == status, answer.body
            assert VALUE.encode() not in answer.body
            return answer.json

        made = await ask("POST", MINE, {"name": "search", "type": "text", "metadata": {"team": "red"}})
        assert made["current_version_id"] is None
        versions = f"{MINE}/{made['id']}/versions"
        first = await ask("POST", versions, {"value_base64": base64.b64encode(VALUE.encode()).decode()})
        assert (first["version"], first["secret_id"]) == (1, made["id"])
        # It is there for manifests, and by the way that services accounts and older clients go.
        store = site.server.front.store
        variable = {"name": "KEY", "secret": {"id": "search"}}
        await store.services.create(manifest(environment=[variable]), by="a")
        (account,) = (await ask("GET", f"{ACCOUNTS}?filter=default"))["service_accounts"]
        assert (await ask("GET", f"{ACCOUNTS}?filter=mailer"))["service_accounts"] == []
        of_account = f"{ACCOUNTS}/{account['id']}/secrets"
        shown = await ask("GET", f"{of_account}/search?include_value=true")
        assert shown["current_version_id"] == first["id"]
        assert [one["name"] for one in (await ask("GET", f"{PROJECT}/secrets"))["secrets"]] == ["search"]
        for looked_for, count in (({"name": "search"}, 1), ({"metadata": {"team": "blue"}}, 0)):
            assert len((await ask("POST", f"{MINE}:search", looked_for))["secrets"]) == count
        refused = await ask("GET", f"{versions}/{first['id']}:access", status=403)
        assert "to services, and to nobody else" in refused["detail"]
        changed = await ask("PATCH", f"{MINE}/search", {"annotations": {"a": "b"}})
        assert (changed["metadata"], changed["annotations"]) == ({"team": "red"}, {"a": "b"})
        another = base64.b64encode(b"another-value").decode()
        await ask("POST", versions, {"value_base64": another})
        assert [one["version"] for one in (await ask("GET", versions))["versions"]] == [1, 2]
        await ask("DELETE", f"{versions}/{first['id']}", status=409)  # a service is given it
        (service,) = await store.services.listed()
        await store.services.renew(service.id, by="a")
        await ask("DELETE", f"{versions}/{first['id']}")
        assert [one["version"] for one in (await ask("GET", versions))["versions"]] == [2]
        await ask("DELETE", f"{MINE}/{made['id']}", status=409)


async def test_the_one_service_account_has_keys_and_stays_alone(serving: Any) -> None:
    async with serving() as site:
        made = await site.post(f"{ACCOUNTS}/default/api-keys", b'{"name": "ci", "description": ""}')
        assert made.json["value"].startswith("ma-")
        listed = await site.get(f"{ACCOUNTS}/default/api-keys")
        assert [one["id"] for one in listed.json["keys"]] == [made.json["id"]]
        assert (await site.ask("DELETE", f"{ACCOUNTS}/default/api-keys/{made.json['id']}")).status == 200
        assert (await site.get(f"{ACCOUNTS}/another/api-keys")).status == 404
        assert (await site.post(ACCOUNTS, b'{"name": "another"}')).status == 409
        assert (await site.get("/config")).json == {"domains": {}}


async def test_a_room_is_changed_seen_open_and_closed(serving: Any) -> None:
    rooms = f"{PROJECT}/rooms"
    async with serving() as site:
        room = (
            await site.post(rooms, b'{"name": "lab", "metadata": {"a": 1}, "annotations": {"b": "2"}}')
        ).json
        changed = await site.ask(
            "PUT", f"{rooms}/{room['id']}", b'{"name": "lab", "metadata": {"a": 3}}', JSON
        )
        assert changed.status == 200
        kept = (await site.get(f"{rooms}/lab")).json
        assert (kept["metadata"], kept["annotations"]) == ({"a": 3}, {"b": "2"})
        for refused in (b'{"name": "other"}', b'{"name": "lab", "enabled": false}'):
            assert (await site.ask("PUT", f"{rooms}/lab", refused, JSON)).status == 400
        assert (await site.get(f"{rooms}/lab/status")).json["status"] == "Unallocated"
        jwt = site.server.front.rooms.token("lab", "ada", role="user", scope=dict(FULL))
        async with connect(f"ws://127.0.0.1:{site.port}/rooms/lab?token={jwt}") as websocket:
            client = Client(websocket)
            await client.push("connected")
            assert (await site.get(f"{rooms}/lab/status")).json["status"] == "Allocated"
            for listing in ("sessions", "sessions/active", "rooms/lab/sessions"):
                (run,) = (await site.get(f"{PROJECT}/{listing}")).json["sessions"]
            assert (run["room_id"], run["participants"], run["is_active"]) == (room["id"], {"user": 1}, True)
            of_run = f"{PROJECT}/sessions/{run['id']}"
            assert (await site.get(f"{of_run}/events")).json == {"events": []}
            assert (await site.post(f"{of_run}/terminate", b"")).status == 200
            await websocket.wait_closed()
        assert (await site.get(of_run)).status == 404
        assert (await site.get(f"{PROJECT}/sessions")).json == {"sessions": []}
