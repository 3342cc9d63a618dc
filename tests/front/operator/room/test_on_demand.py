"""Services that run while somebody uses them, and what a service finds of its room and its project."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.services import terms
from runtime.services.life import life
from tests.front.operator.room.test_services import LAB, greeter, house
from tests.patience import PATIENCE
from tests.rooms.conftest import RoomError

__all__ = ["house"]  # a fixture

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_one_runs_from_the_first_demand_until_nobody_of_it_is_there(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "USE_S", 0.1)
    async with house() as lab, lab.inside() as ada, lab.inside("bot", role="agent", scope=None) as bot:
        on_demand = greeter()
        on_demand["container"]["on_demand"] = True
        made = await lab.send("POST", LAB, on_demand)
        assert (await lab.state(made["id"]))["state"] == "stopped"
        with pytest.raises(RoomError, match="only people"):
            await bot.tool("containers.run_service", {"service_id": made["id"], "env": {"A": "1"}})
        run = {"service_id": made["id"], "env": [{"key": "COLOUR", "value": "red"}]}
        first = (await ada.tool("containers.run_service", run)).header["json"]
        assert (await lab.called(made["id"]))["container_id"] == first["container_id"]
        await lab.entered("greeter")  # somebody of it is there: it stays
        monkeypatch.setattr(terms, "IDLE_S", 0.3)
        with pytest.raises(RoomError, match="runs already"):
            await ada.tool("containers.run_service", run)
        again = await ada.json("containers.run_service", {"service_id": made["id"], "env": None})
        assert again == first
        quiet = greeter()
        quiet["metadata"]["name"], quiet["ports"] = "quiet", []
        quiet["container"]["on_demand"] = True
        nobody = await lab.send("POST", LAB, quiet)
        await ada.tool("containers.run_service", {"service_id": nobody["id"]})
        seen = await lab.until(nobody["id"], lambda seen: seen["state"] == "stopped" and seen["events"])
        assert "nobody used it for 0.3 s" in [one["message"] for one in seen["events"]]
        assert seen["restart_count"] == 0
        still = await lab.state(made["id"])
        assert (still["state"], still["container_id"]) == ("running", first["container_id"])
        broken = greeter(FAIL="for this test")
        broken["metadata"]["name"], broken["container"]["image"] = "unknown", "nobody/knows:1"
        broken["container"]["on_demand"] = True
        other = await lab.send("POST", LAB, broken)
        with pytest.raises(RoomError, match="nothing here stands in for the image"):
            await ada.tool("containers.run_service", {"service_id": other["id"]})
        with pytest.raises(RoomError) as missing:
            await ada.tool("containers.run_service", {"service_id": "none"})
        assert missing.value.code == 7001


async def test_nobody_gets_the_variables_of_another(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "FIRST_DELAY_S", 600.0)
    async with house() as lab, lab.inside() as ada, lab.inside("bob") as bob:
        asked = greeter()
        command = "sh -c 'test $COLOUR || exit 3; echo $COLOUR; exec sleep 600'"
        asked["ports"], asked["container"]["command"] = [], command
        asked["container"]["on_demand"] = True
        made = await lab.send("POST", LAB, asked)

        def run(**env: str) -> dict[str, Any]:
            variables = [{"key": key, "value": value} for key, value in env.items()]
            return {"service_id": made["id"], "env": variables}

        await ada.tool("containers.run_service", run())
        await lab.until(made["id"], lambda seen: seen["state"] == "scheduled")
        waits = await ada.start_tool("containers.run_service", {"type": "json", "json": run(COLOUR="red")})
        await ada.json("services.list")  # which comes after it
        with pytest.raises(RoomError, match="for somebody else"):
            await bob.tool("containers.run_service", run(COLOUR="blue"))
        too = await bob.start_tool("containers.run_service", {"type": "json", "json": run()})
        await lab.send("POST", f"{LAB}/{made['id']}/restart")
        assert (await bob.answer(too)).header["json"] == (await ada.answer(waits)).header["json"]
        path = f"{LAB}/{made['id']}/logs"
        async with asyncio.timeout(10 * PATIENCE):
            while not (lines := (await lab.send("GET", path))["lines"]):
                await asyncio.sleep(0.02)
        assert lines == ["red"]
        # Who waits for one that is deleted before it runs is told.
        asked["metadata"]["name"] = "other"
        made = await lab.send("POST", LAB, asked)
        await ada.tool("containers.run_service", run())
        await lab.until(made["id"], lambda seen: seen["state"] == "scheduled")
        waits = await ada.start_tool("containers.run_service", {"type": "json", "json": run()})
        await ada.json("services.list")
        await lab.send("DELETE", f"{LAB}/{made['id']}")
        with pytest.raises(RoomError, match="stopped before it ran"):
            await ada.answer(waits)


async def test_a_manifest_gets_its_folders_and_files(house: Any) -> None:
    async with house() as lab, lab.inside():
        asked = greeter()
        asked["container"]["api_key"] = {"role": "admin", "name": "index"}
        asked["files"] = [{"path": "/rules/kind.md", "text": "Be kind."}]
        asked["container"]["storage"] = {
            "project": [{"path": "/shared", "subpath": "models"}],
            "volumes": [{"name": "cache", "path": "/cache"}],
            "configs": [{"path": "/etc/given"}],
        }
        made = await lab.send("POST", LAB, asked, Consistency="fast")
        seen = await lab.called(made["id"])
        state: Path = lab.site.server.front.settings.state_dir
        room = state / "rooms" / "data" / "lab"
        assert (room / "files" / "rules" / "kind.md").read_text() == "Be kind."
        assert (state / "rooms" / "project" / "models").is_dir()
        assert (room / "volumes" / "cache").is_dir()
        given = state / "boxes" / seen["container_id"] / "etc" / "given" / "spec.json"
        assert json.loads(given.read_text())["metadata"]["name"] == "greeter"
        keys = await lab.site.server.front.store.keys.listed()
        assert ("index", "service greeter") in [(key.name, key.by) for key in keys]
        # What is there is left alone; what leads out is refused.
        (room / "files" / "rules" / "kind.md").write_text("Be brief.")
        asked["container"]["environment"] = [{"name": "A", "value": "2"}]
        await lab.send("PUT", f"{LAB}/{made['id']}", asked, Consistency="fast")
        await lab.called(made["id"], revision=2)
        assert (room / "files" / "rules" / "kind.md").read_text() == "Be brief."
