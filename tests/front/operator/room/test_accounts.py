"""MeshAgent's accounts API: what its command line asks, and who may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.errors import ConfigError, PermissionDenied
from runtime.rooms.kept.about import MAX_BYTES
from runtime.rooms.token import ApiKey, mint

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

KEY = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s" * 40)
ROOMS = f"/accounts/projects/{KEY.project}/rooms"


async def test_rooms_are_made_listed_and_deleted(serving: Any) -> None:
    async with serving(api_key=KEY.format()) as site:
        projects = (await site.get("/accounts/projects")).json["projects"]
        assert [project["id"] for project in projects] == [KEY.project]
        made = (await site.post(ROOMS, b'{"name": "lab"}')).json
        assert made["name"] == "lab"
        assert (await site.post(ROOMS, b'{"name": "lab"}')).status == 409
        assert (await site.post(ROOMS, b'{"name": "lab", "if_not_exists": true}')).json == made
        assert (await site.post(ROOMS, b'{"name": ""}')).status == 400
        assert (await site.get(ROOMS)).json == {"rooms": [made], "total": 1}
        assert (await site.get(f"{ROOMS}?limit=0")).json == {"rooms": [], "total": 1}
        assert (await site.get(f"{ROOMS}/lab")).json == made
        assert (await site.ask("DELETE", f"{ROOMS}/{made['id']}")).status == 200
        assert (await site.get(f"{ROOMS}/lab")).status == 404
        assert (await site.get("/accounts/projects/another/rooms")).status == 404
        # One that nobody entered, and has a service.
        spec = {"version": "v1", "kind": "Service", "metadata": {"name": "x"}, "container": {"image": "x:1"}}
        assert (await site.post(f"{ROOMS}/den/services", json.dumps(spec).encode())).status == 200
        assert [room["name"] for room in (await site.get(ROOMS)).json["rooms"]] == ["den"]
        assert "Known are: den." in (await site.get(f"{ROOMS}/lab")).json["cure"]
        assert (await site.ask("DELETE", f"{ROOMS}/den")).status == 200
        assert (await site.get(f"{ROOMS}/den/services")).json == {"services": []}
        assert (await site.get(ROOMS)).json["total"] == 0
        keys = (await site.get(f"/accounts/projects/{KEY.project}/api-keys")).json["keys"]
        assert [key["id"] for key in keys] == [KEY.id]
        assert KEY.secret not in json.dumps(keys)


async def test_a_key_that_is_made_opens_and_signs_at_once_until_it_is_deleted(serving: Any) -> None:
    keys = f"/accounts/projects/{KEY.project}/api-keys"
    async with serving(api_key=KEY.format(), api_token="t" * 20) as site:
        mine = {"Authorization": f"Bearer {KEY.format()}"}
        made = (await site.post(keys, b'{"name": "ci", "description": "builds"}', mine)).json
        assert (made["name"], made["description"]) == ("ci", "builds")
        own = {"Authorization": f"Bearer {made['value']}"}
        listed = (await site.ask("GET", keys, headers=own)).json["keys"]
        assert [one["name"] for one in listed] == ["default", "ci"]
        secret = ApiKey.parse(made["value"]).secret
        assert secret not in json.dumps(listed)
        token = mint("ada", room="lab", role="user", secret=secret, kid=made["id"])
        rooms = site.server.front.rooms
        assert rooms.claims(token, room="lab").name == "ada"
        other = f"Bearer {ApiKey(made['id'], KEY.project, 'x' * 43).format()}"
        assert (await site.ask("GET", keys, headers={"Authorization": other})).status == 401
        assert (await site.ask("DELETE", f"{keys}/{KEY.id}", headers=mine)).status == 409
        assert (await site.ask("DELETE", f"{keys}/{made['id']}", headers=mine)).status == 200
        assert (await site.ask("DELETE", f"{keys}/{made['id']}", headers=mine)).status == 404
        assert (await site.ask("GET", keys, headers=own)).status == 401
        with pytest.raises(PermissionDenied):
            rooms.claims(token, room="lab")


async def test_what_is_noted_about_a_room_stays_with_it(serving: Any) -> None:
    noted = {"metadata": {"team": "red", "deep": {"n": 1}}, "annotations": {"a": "b"}}
    async with serving(api_key=KEY.format()) as site:
        made = (await site.post(ROOMS, json.dumps({"name": "lab", **noted}).encode())).json
        assert {key: made[key] for key in noted} == noted
        assert (await site.get(f"{ROOMS}/lab")).json == made
        assert (await site.get(ROOMS)).json["rooms"] == [made]
        again = json.dumps({"name": "lab", "if_not_exists": True, "metadata": {"team": "blue"}})
        assert (await site.post(ROOMS, again.encode())).json == made
        for wrong in ({"metadata": "red"}, {"metadata": {"x": "y" * MAX_BYTES}}):
            body = json.dumps({"name": "other", **wrong}).encode()
            assert (await site.post(ROOMS, body)).status == 400
        assert [room["name"] for room in (await site.get(ROOMS)).json["rooms"]] == ["lab"]


async def test_connect_gives_what_opens_the_room(serving: Any) -> None:
    async with serving(api_key=KEY.format()) as site:
        given = (await site.post(f"{ROOMS}/lab/connect", b"{}")).json
        assert given["room_url"] == "ws://localhost/rooms/lab"
        behind = await site.post(f"{ROOMS}/lab/connect", b"{}", {"X-Forwarded-Proto": "https"})
        assert behind.json["room_url"] == "wss://localhost/rooms/lab"
        assert (given["room_name"], given["project_id"]) == ("lab", KEY.project)
        assert site.server.front.rooms.admit("lab", given["jwt"]).role == "user"


async def test_a_token_signed_with_the_key_enters_and_with_another_does_not(serving: Any) -> None:
    def token(secret: str) -> str:
        return mint("ada", room="lab", secret=secret, kid=KEY.id, project=KEY.project)

    async with serving(api_key=KEY.format()) as site:
        assert site.server.front.rooms.admit("lab", token(KEY.secret)).name == "ada"
        with pytest.raises(Exception, match="does not match"):
            site.server.front.rooms.admit("lab", token("x" * 40))


async def test_elsewhere_the_key_is_asked_for(serving: Any) -> None:
    far = {"X-Forwarded-For": "203.0.113.9"}
    async with serving(api_key=KEY.format()) as site:
        assert (await site.ask("GET", ROOMS, headers=far)).status == 403
        wrong = {**far, "Authorization": "Bearer ma-wrong"}
        assert (await site.ask("GET", ROOMS, headers=wrong)).status == 403
        right = {**far, "Authorization": f"Bearer {KEY.format()}"}
        assert (await site.ask("GET", ROOMS, headers=right)).status == 200


async def test_a_key_that_is_none_is_told_at_the_start(serving: Any) -> None:
    with pytest.raises(ConfigError, match="MESHAGENT_API_KEY"):
        async with serving(api_key="sk-nonsense"):
            pass


async def test_a_linked_file_is_a_download_and_never_a_page(serving: Any, tmp_path: Any) -> None:
    async with serving() as site:
        hub = site.server.front.rooms
        folder = tmp_path / "state/rooms/data/lab/files"
        folder.mkdir(parents=True)
        (folder / "page.html").write_text("<script>1</script>")
        link = hub._links.make("ws://localhost/rooms/lab", "lab", "page.html")
        path = link.removeprefix("http://localhost")
        answer = await site.get(path)
        assert (answer.status, answer.body) == (200, b"<script>1</script>")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert (await site.get(path + "x")).status == 403
        assert (await site.get("/rooms/lab/files/page.html")).status == 403


async def test_rooms_that_are_not_open_are_listed_with_their_size_and_deleted(serving: Any) -> None:
    async with serving(api_key=KEY.format()) as site:
        await site.post(ROOMS, b'{"name": "lab"}')
        (closed,) = (await site.get("/closed-rooms")).json["rooms"]
        assert closed["name"] == "lab"
        assert closed["size_bytes"] > 0
        assert closed["used_at"].endswith("Z")
        assert (await site.ask("DELETE", "/rooms/lab")).status == 200
        assert (await site.get("/closed-rooms")).json == {"rooms": []}
        assert (await site.ask("DELETE", "/rooms/lab")).status == 404
