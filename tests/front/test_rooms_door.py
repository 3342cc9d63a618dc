from __future__ import annotations

import asyncio
import json
import socket as socketlib
import time
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def token(site: Any, room: str = "myroom", name: str = "ada") -> str:
    found = (await site.post(f"/rooms/{room}/token", b'{"name":"%s"}' % name.encode())).json
    assert found["room_url"].endswith(f"/rooms/{room}")
    return str(found["token"])


async def status_of(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers):
            pass
    return caught.value.response.status_code


async def test_a_participant_enters_with_either_form_of_token(serving: Any) -> None:
    async with serving() as site:
        url, ticket = f"ws://127.0.0.1:{site.port}/rooms/myroom", await token(site)
        bearer = {"Authorization": f"Bearer {ticket}"}
        async with connect(f"{url}?token={ticket}") as one, connect(url, additional_headers=bearer) as two:
            for socket in (one, two):
                async with asyncio.timeout(10 * PATIENCE):
                    assert b"room_ready" in await socket.recv()
            (room,) = (await site.get("/rooms")).json
            assert room["name"] == "myroom"
            assert [one["name"] for one in room["participants"]] == ["ada", "ada"]


@pytest.mark.parametrize(
    ("public_url", "headers", "address"),
    [
        ("", {}, "ws://127.0.0.1:{port}/rooms/myroom"),
        ("", {"X-Forwarded-Proto": "https"}, "wss://127.0.0.1:{port}/rooms/myroom"),
        ("https://agents.example", {}, "ws://127.0.0.1:{port}/rooms/myroom"),
        ("https://127.0.0.1:{port}", {}, "wss://127.0.0.1:{port}/rooms/myroom"),
    ],
)
async def test_behind_tls_a_participant_is_told_an_address_with_tls(
    serving: Any, public_url: str, headers: dict[str, str], address: str
) -> None:
    with socketlib.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with serving(port=port, public_url=public_url.format(port=port)) as site:
        ticket = site.server.front.rooms.token("myroom", "ada")
        url = f"ws://127.0.0.1:{port}/rooms/myroom?token={ticket}"
        async with connect(url, additional_headers=headers) as socket, asyncio.timeout(10 * PATIENCE):
            assert b"room_ready" in await socket.recv()
            greeting = await socket.recv(decode=False)
        told = json.loads(greeting[greeting.index(b"{") :])
        assert told["room_url"] == address.format(port=port)


async def test_a_room_asked_for_without_an_upgrade_says_what_it_takes(serving: Any) -> None:
    async with serving() as site:
        answer = await site.get("/rooms/myroom")
        assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
        assert "GET /rooms lists" in answer.json["detail"]


async def test_who_may_not_enter_is_told_before_the_upgrade(serving: Any) -> None:
    async with serving() as site:
        base, ticket = f"ws://127.0.0.1:{site.port}/rooms", await token(site)
        assert await status_of(f"{base}/myroom") == 403
        assert await status_of(f"{base}/myroom?token=nonsense") == 403
        assert await status_of(f"{base}/other?token={ticket}") == 403
        assert await status_of(f"{base}/{'x' * 250}?token={ticket}") == 404


async def test_a_token_opens_the_room_from_anywhere_and_is_minted_for_operators(serving: Any) -> None:
    async with serving() as site:
        far = {"X-Forwarded-For": "203.0.113.7", "Origin": "https://studio.example"}
        url = f"ws://127.0.0.1:{site.port}/rooms/myroom?token={await token(site)}"
        async with connect(url, additional_headers=far) as socket, asyncio.timeout(10 * PATIENCE):
            assert await socket.recv()
        assert (await site.post("/rooms/myroom/token", b"{}", far)).status == 403
        assert (await site.post("/rooms/myroom/token", b'{"name":""}')).status == 400
        assert (await site.post("/rooms/myroom/token", b"[")).status == 400
        refused = await site.post("/rooms/../token", b"{}")
        assert refused.status in (400, 404)
        refused = await site.post(f"/rooms/{'x' * 201}/token", b"{}")
        assert (refused.status, "no slash" in refused.json["detail"]) == (400, True)


async def test_a_persons_token_expires_and_grants_what_a_person_does(serving: Any) -> None:
    async with serving(token_s=90) as site:
        ticket = (await site.post("/rooms/myroom/token", b"{}")).json
        assert ticket["expires_in_s"] == 90
        said = jwt.decode(ticket["token"], options={"verify_signature": False})
        assert 0 < said["exp"] - time.time() <= 90
        grants = {grant["name"]: grant["scope"] for grant in said["grants"]}
        assert grants["role"] == "user"
        families = {"agents", "database", "developer", "messaging", "queues", "sqlite", "storage", "sync"}
        assert set(grants["api"]) == families
        hub, base = site.server.front.rooms, f"ws://127.0.0.1:{site.port}/rooms/myroom"
        assert await status_of(f"{base}?token={hub.token('myroom', 'ada', role='user', ttl_s=-1)}") == 403
        agents = jwt.decode(hub.token("myroom", "bot"), options={"verify_signature": False})
        assert "exp" not in agents, "an agent's session has no end"


async def test_nobody_enters_by_the_name_of_an_agent(serving: Any) -> None:
    """What is said to an agent goes to who has its name."""
    async with serving() as site:
        (served, *_) = site.placement.endpoints()
        taken = await site.post("/rooms/myroom/token", b'{"name":"%s"}' % served.identity.encode())
        assert (taken.status, taken.json["type"]) == (409, "urn:bulkhead:problem:name_taken")
        assert served.identity in taken.json["detail"]
        hub = site.server.front.rooms
        guest = (
            f"ws://127.0.0.1:{site.port}/rooms/myroom?token={hub.token('myroom', 'visitor', role='agent')}"
        )
        async with connect(guest) as socket:
            async with asyncio.timeout(10 * PATIENCE):
                await socket.recv()
            here = await site.post("/rooms/myroom/token", b'{"name":"visitor"}')
            assert here.status == 409
            elsewhere = await site.post("/rooms/other/token", b'{"name":"visitor"}')
            assert elsewhere.status == 200


async def test_what_happens_in_rooms_is_among_the_events(serving: Any) -> None:
    async with serving() as site:
        url = f"ws://127.0.0.1:{site.port}/rooms/myroom?token={await token(site)}"
        async with connect(url) as socket, asyncio.timeout(10 * PATIENCE):
            await socket.recv()
        registry = site.server.front.registry
        async with asyncio.timeout(10 * PATIENCE):
            while (kinds := [event.kind for event in registry.feed.after(0)]).count(
                "room.participant_left"
            ) < 1:
                await registry.news(registry.feed.last)
        assert kinds[:2] == ["room.opened", "room.participant_joined"]
