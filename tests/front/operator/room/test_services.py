"""Services kept by the accounts API, and what rooms do with them: real processes in place of containers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from runtime.front.access.rules import LOCAL_PROJECT
from runtime.front.operator.room.services import WHOLE
from runtime.rooms.token import FULL
from runtime.services import terms
from runtime.services.life import life
from tests.patience import PATIENCE
from tests.rooms.conftest import Client, RoomError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PROJECT = f"/accounts/projects/{LOCAL_PROJECT}/services"
STATES = f"/accounts/projects/{LOCAL_PROJECT}/rooms/lab/service-states"
LAB = f"/accounts/projects/{LOCAL_PROJECT}/rooms/lab/services"
NEWEST = {"Consistency": "fast"}
SECRET = "correct-horse-battery"

# An agent in few words: it answers its liveness, and when it is called it enters the room and stays.
PROGRAM = """
import json, os, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from websockets.sync.client import connect

if "NEEDS" in os.environ:
    os.environ[os.environ["NEEDS"]]
if "FAIL" in os.environ:
    raise SystemExit("cannot: " + os.environ["FAIL"])
if "MESHAGENT_PORT" not in os.environ:
    threading.Event().wait()  # nobody calls it: it only runs

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer()
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Meshagent-Signature"] and os.environ["MESHAGENT_WEBHOOK_SECRET"]
        threading.Thread(target=stay, args=(call["data"],), daemon=True).start()
        self.answer()
    def answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

def stay(data):
    with connect(data["room_url"] + "?token=" + data["token"]) as room:
        for _ in room:
            pass

HTTPServer(("127.0.0.1", int(os.environ["MESHAGENT_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def house(serving: Any, tmp_path: Path) -> Callable[..., Any]:
    """A server with an image ``greeter``, and how to enter its rooms."""
    folder = tmp_path / "greeter"
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)

    @asynccontextmanager
    async def opened(**rooms: Any) -> AsyncIterator[House]:
        images = (f"greeter:*={folder}",)
        async with serving(rooms=rooms, containers={"images": images, "stop_s": 2.0}) as site:
            yield House(site)

    return opened


class House:
    """A server, by its accounts API and by its room ``lab``."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.key = ""

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        # By its place alone this client is one of the server's children, for as long as one is being forked.
        if not self.key:
            _, self.key = await self.site.server.front.store.keys.create("house", by="test")
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}", **headers}
        answer = await self.site.ask(method, path, json.dumps(body or {}).encode(), given)
        assert answer.status == 200, answer.body
        return answer.json

    @asynccontextmanager
    async def inside(self, name: str = "ada", *, release: str = "", **token: Any) -> AsyncIterator[Client]:
        how = {"role": "user", "scope": dict(FULL), **token}
        jwt = self.site.server.front.rooms.token("lab", name, **how)
        async with connect(f"ws://127.0.0.1:{self.site.port}/rooms/lab?token={jwt}&v={release}") as websocket:
            client = Client(websocket)
            client.id = (await client.push("connected")).header["participantId"]
            try:
                yield client
            finally:
                await client.leave()

    async def state(self, service_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.send("GET", STATES))["states"][service_id]
        return found

    async def until(self, service_id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask how a service goes until it is so."""
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(30 * PATIENCE):
                while not is_so(seen := await self.state(service_id)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it never was so: {json.dumps(seen, indent=1)}") from None
        return seen

    async def called(self, service_id: str, revision: int = 1) -> dict[str, Any]:
        """It runs by that revision, its endpoint took its call, and nothing older is left."""

        def is_so(seen: dict[str, Any]) -> bool:
            told = [(one["reason"], one["message"]) for one in seen["events"]]
            return (
                seen["state"] == "running"
                and told[-1][0] == "Called"
                and ("Ready", f"revision {revision}") in told
            )

        return await self.until(service_id, is_so)

    def present(self, name: str) -> int:
        rooms = self.site.server.front.rooms.rooms()
        return sum(1 for room in rooms for member in room.participants if member.name == name)

    async def entered(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(30 * PATIENCE):
            while self.present(name) != count:
                await asyncio.sleep(0.02)

    async def ended(self) -> None:
        """The room is closed, and nothing of its containers is left."""
        front = self.site.server.front
        async with asyncio.timeout(30 * PATIENCE):
            while front.rooms.rooms() or front.boxes.running_count:
                await asyncio.sleep(0.02)


def greeter(*, liveness: str | None = "/", image: str = "greeter:1", **env: str) -> dict[str, Any]:
    port: dict[str, Any] = {
        "num": "*",
        "endpoints": [{"path": "/call", "meshagent": {"identity": "greeter"}}],
    }
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "greeter"},
        "ports": [port | ({"liveness": liveness} if liveness else {})],
        "container": {
            "image": image,
            "environment": [{"name": name, "value": value} for name, value in env.items()],
        },
    }


async def test_who_enters_first_starts_the_services_and_who_leaves_last_ends_them(house: Any) -> None:
    async with house(linger_s=0.2) as lab:
        of_room = await lab.send("POST", LAB, greeter())
        other = greeter(liveness=None)
        other["metadata"]["name"] = "of all rooms"
        other["ports"][0]["endpoints"][0]["meshagent"]["identity"] = "everywhere"
        of_project = await lab.send("POST", PROJECT, other)
        assert (await lab.state(of_room["id"]))["state"] == "stopped"  # nobody is there
        async with lab.inside():
            seen = await lab.called(of_room["id"])
            assert seen["restart_count"] == 0
            assert seen["status"]["ports"][0]["liveness_status"] == "ready"
            await lab.called(of_project["id"])
            await lab.entered("greeter")
            await lab.entered("everywhere")
        await lab.ended()  # although both were still in it
        async with lab.inside():
            assert (await lab.called(of_room["id"]))["container_id"] != seen["container_id"]
            await lab.entered("greeter")


async def test_one_that_ends_is_started_again_later_and_later_and_its_last_words_are_told(house: Any) -> None:
    async with house() as lab:
        secret = await lab.site.server.front.store.secrets.create("why", SECRET.encode(), by="test")
        broken = greeter()
        broken["container"]["environment"] = [{"name": "FAIL", "secret": {"id": "why"}}]
        made = await lab.send("POST", LAB, broken)
        async with lab.inside():
            seen = await lab.until(made["id"], lambda seen: seen["restart_count"] >= 2)
        assert seen["last_exit_code"] == 1
        told = next(one for one in seen["events"] if one["reason"] == "FailedStart")
        assert "cannot: " in told["message"]
        assert SECRET not in json.dumps(seen)
        (kind,) = (await lab.send("GET", "/crashes"))["crashes"]
        assert (kind["reason"], kind["sentence"].split(".")[0]) == (
            "exit",
            "Its program ended the process with exit code 1",
        )
        assert SECRET not in json.dumps(await lab.send("GET", f"/workers/{kind['session_id']}/crash"))
        delays = [one["message"] for one in seen["events"] if one["reason"] == "BackOff"]
        assert delays[:2] == ["the next start is in 0.6 s", "the next start is in 1.2 s"]
        assert secret.name == "why"


async def test_an_end_that_cannot_be_reported_is_an_end(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(life, "note_crash", fails)
    async with house() as lab, lab.inside():
        made = await lab.send("POST", LAB, greeter(FAIL="for this test"))
        seen = await lab.until(made["id"], lambda seen: seen["restart_count"] > 0)
        assert "it ended with 1" in seen["last_start_error"]


async def test_a_crash_leaves_a_report_as_those_of_sessions_which_names_what_was_missing(house: Any) -> None:
    async with house() as lab:
        made = await lab.send("POST", LAB, greeter(NEEDS="SEARCH_KEY"))
        async with lab.inside():
            seen = await lab.until(made["id"], lambda seen: seen["restart_count"] >= 1)
        told = next(one["message"] for one in seen["events"] if one["reason"] == "FailedStart")
        assert told.endswith("(it misses SEARCH_KEY)")
        (kind,) = (await lab.send("GET", "/crashes"))["crashes"]
        assert (kind["reason"], kind["kind"], kind["endpoint"]) == ("agent_error", "KeyError", "greeter")
        report = await lab.send("GET", f"/workers/{kind['session_id']}/crash")
        assert report["room"] == "lab"
        assert "main.py:" in report["where"]
        assert "main.py" in report["process_tree"][0]
        assert report["log"][-1]["text"] == "KeyError: 'SEARCH_KEY'"
        assert "--secret SEARCH_KEY" in report["cure"]
        assert report["traceback"].startswith("Traceback")


async def test_a_change_reaches_an_open_room_and_the_old_one_goes_when_the_new_one_is_live(
    house: Any,
) -> None:
    async with house() as lab, lab.inside():
        made = await lab.send("POST", LAB, greeter())  # starts at once: somebody is there
        first = await lab.called(made["id"])
        await lab.entered("greeter")
        await lab.send("PUT", f"{LAB}/{made['id']}", greeter(COLOUR="blue"))
        second = await lab.called(made["id"], revision=2)
        assert second["container_id"] != first["container_id"]
        await lab.entered("greeter")
        # One that never gets live changes nothing.
        await lab.send("PUT", f"{LAB}/{made['id']}", greeter(FAIL="broken"))
        third = await lab.until(
            made["id"], lambda seen: any(one["reason"] == "FailedStart" for one in seen["events"])
        )
        assert (third["state"], third["container_id"]) == ("running", second["container_id"])
        await lab.send("PUT", f"{LAB}/{made['id']}", greeter() | {"enabled": False}, **NEWEST)
        await lab.until(made["id"], lambda seen: seen["state"] == "stopped")
        await lab.entered("greeter", 0)
        await lab.send("PUT", f"{LAB}/{made['id']}", greeter(), **NEWEST)
        await lab.entered("greeter")
        await lab.send("DELETE", f"{LAB}/{made['id']}")
        await lab.entered("greeter", 0)
        assert (await lab.send("GET", STATES)) == {"services": [], "states": {}}


async def test_one_that_never_answers_is_given_up_and_nothing_of_it_stays(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "LIVE_S", 0.5)
    async with house() as lab, lab.inside():
        deaf = greeter()
        deaf["container"]["command"] = "sleep 600"
        made = await lab.send("POST", LAB, deaf)
        seen = await lab.until(made["id"], lambda seen: bool(seen["last_start_error"]))
        assert seen["last_start_error"] == "revision 1 did not become live in 0.5 s"
        assert seen["status"]["ports"][0]["liveness_status"] == "not_ready"
        assert seen["status"]["ports"][0]["last_error"]
        # Deleted while it starts again, and one right after it was made.
        late = await lab.send("POST", LAB, greeter() | {"metadata": {"name": "late"}})
        for one in (made, late):
            await lab.send("DELETE", f"{LAB}/{one['id']}")
        boxes = lab.site.server.front.boxes
        async with asyncio.timeout(30 * PATIENCE):
            while boxes.running_count:
                await asyncio.sleep(0.02)
        await lab.entered("greeter", 0)


async def test_two_that_call_the_same_name_in_are_told(house: Any) -> None:
    async with house() as lab, lab.inside():
        await lab.send("POST", LAB, greeter() | {"enabled": True})
        second = await lab.send("POST", LAB, greeter() | {"metadata": {"name": "twin"}})
        is_told = '"SameIdentity"'
        seen = await lab.until(second["id"], lambda seen: is_told in json.dumps(seen))
        assert "'greeter' is called in by service 'greeter' as well" in json.dumps(seen)


async def test_participants_list_and_restart_services_in_both_dialects(house: Any) -> None:
    async with house() as lab, lab.inside() as ada, lab.inside("bot", role="agent", scope=None) as bot:
        made = await lab.send("POST", LAB, greeter())
        first = await lab.called(made["id"])
        older = await ada.json("services.list")
        assert [one["id"] for one in older["services"]] == [made["id"]]
        assert older["service_states"][made["id"]]["container_id"] == first["container_id"]
        newer = (await bot.tool("services.list")).header["json"]
        assert [json.loads(text)["metadata"]["name"] for text in newer["services_json"]] == ["greeter"]
        assert newer["service_states"][0]["state"] == "running"
        with pytest.raises(RoomError):  # an agent may look, and not touch
            await bot.tool("services.restart", {"service_id": made["id"]})
        assert (await ada.tool("services.restart", {"service_id": made["id"]})).header == {"type": "empty"}
        second = await lab.until(
            made["id"], lambda seen: seen["container_id"] not in (None, first["container_id"])
        )
        assert second["restart_count"] == 0
        await lab.entered("greeter")
        with pytest.raises(RoomError) as missing:
            await ada.ask("services.restart", {"service_id": "none"})
        assert missing.value.code == 7001


async def test_services_are_kept_by_a_server_that_starts_again(house: Any) -> None:
    async with house() as lab:
        made = await lab.send("POST", PROJECT, greeter())
        async with lab.inside():
            await lab.called(made["id"])
    async with house() as lab, lab.inside():
        await lab.called(made["id"])
        await lab.entered("greeter")


async def test_answers_have_what_the_asking_release_knows(house: Any) -> None:
    async with house() as lab:
        made = await lab.send("POST", PROJECT, greeter() | {"enabled": True})
        assert "enabled" not in made
        await lab.send("PUT", f"{PROJECT}/{made['id']}", greeter() | {"enabled": False})
        assert "enabled" not in await lab.send("GET", f"{PROJECT}/{made['id']}")
        newest = await lab.send("GET", f"{PROJECT}/{made['id']}", **NEWEST)
        assert newest["enabled"] is False
        assert (await lab.send("GET", PROJECT, **NEWEST))["services"] == [newest]
        assert (await lab.send("GET", PROJECT, Consistency="of tomorrow"))["services"] == [newest]
        async with lab.inside(release="999.9") as ada:
            told = (await ada.tool("services.list")).header["json"]["services_json"]
            assert [json.loads(one)["id"] for one in told] == [newest["id"]]
        assert await lab.send("GET", f"{PROJECT}/by-name/greeter", **NEWEST) == newest
        assert (await lab.send("GET", LAB))["services"] == []
        # 0.22 to 0.24 read a text of JSON, and send every key.
        sent = greeter() | {"id": None, "agents": None, "external": None}
        sent["metadata"] = {"name": "other"}
        sent["container"] |= {"on_demand": None, "secrets": None}
        text = await lab.send("POST", PROJECT, sent)
        assert json.loads(text)["metadata"]["name"] == "other"
        assert (await lab.send("POST", LAB, sent))["metadata"]["name"] == "other"  # not of a room's


async def test_nothing_is_lost_when_one_of_the_newest_sends_back_what_it_was_told(house: Any) -> None:
    async with house() as lab:
        secrets = lab.site.server.front.store.secrets
        await secrets.create("index-keys", b'{"FIRST": "1"}', by="test", type="keys")
        kept = greeter()
        kept["ports"] = []
        kept["container"] |= {"secrets": ["index-keys"], "x-isolation": {"pids": 64}}
        one = f"{PROJECT}/{(await lab.send('POST', PROJECT, kept))['id']}"
        told = await lab.send("GET", one, **NEWEST)
        variable = {"name": "FIRST", "secret": {"id": "index-keys"}}
        assert told["container"]["environment"] == [variable]
        assert told["container"]["run_as"]["email"]  # it refuses a whole list for want of it
        assert not {"secrets", "x-isolation"} & told["container"].keys()
        whole = await lab.send("GET", one, **WHOLE)
        assert (whole["container"]["secrets"], whole["container"]["x-isolation"]) == (
            ["index-keys"],
            {"pids": 64},
        )
        await lab.send("PUT", one, {**told, "enabled": False}, **NEWEST)
        changed = await lab.send("GET", one, **WHOLE)
        assert changed["container"]["environment"] == [variable]
        assert changed["container"]["x-isolation"] == {"pids": 64}
        difference = await lab.send("GET", f"{one}/diff?old=1&new=2")
        assert "-  secrets:" in difference["diff"]
        # Who is told all of it may take anything away.
        del changed["container"]["x-isolation"]
        await lab.send("PUT", one, changed, **WHOLE)
        assert "x-isolation" not in (await lab.send("GET", one, **WHOLE))["container"]


async def test_what_cannot_be_kept_says_why(house: Any) -> None:
    async with house() as lab:
        made = await lab.send("POST", PROJECT, greeter())
        for method, path, body, status, told in (
            ("POST", PROJECT, greeter(), 409, "Service name already in use"),
            ("POST", PROJECT, greeter() | {"id": made["id"]}, 400, "id"),
            ("POST", PROJECT, greeter() | {"kontainer": {}}, 400, "kontainer"),
            ("POST", LAB.replace("lab", "a%0Ab"), greeter(), 404, "no room"),
            ("PUT", f"{LAB}/{made['id']}", greeter(), 404, "belongs to the project"),
            ("GET", f"{PROJECT}/by-name/none", None, 404, "none"),
            ("POST", f"{LAB}/{made['id']}/restart", None, 409, "not open"),
        ):
            answer = await lab.site.ask(
                method, path, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}
            )
            assert (answer.status, told in answer.json["detail"]) == (status, True), answer.body


async def test_a_template_is_rendered_and_becomes_a_service(house: Any) -> None:
    text = """
version: v1
kind: ServiceTemplate
metadata: {name: "greeter-{{ place }}"}
variables: [{name: place}, {name: word, obscure: true}]
container: {image: "greeter:1", environment: [{name: WORD, value: "{{ word }}"}]}
"""
    async with house() as lab:
        values = {"place": "here", "word": SECRET}
        rendered = await lab.send("POST", "/templates/render", {"template": text, "values": values})
        assert (rendered["kind"], rendered["metadata"]["name"]) == ("ServiceTemplate", "greeter-here")
        made = await lab.send("POST", LAB, {"template": text, "values": values}, **NEWEST)
        assert (made["kind"], made["metadata"]["name"]) == ("Service", "greeter-here")
        assert SECRET not in json.dumps(made)
