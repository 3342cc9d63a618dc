"""Services while their engine refuses, is silent, is full or gone: each has a clear end, and nobody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio

pytest.importorskip("aiodocker", reason="its client is not installed")

from tests.front.operator.room.test_services import LAB, House
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PASSWORD = "s3cr3t-of-the-registry"


class FaultyEngine:
    """As much of an engine's API as a start takes; images are called like what goes wrong with them.

    Attributes:
        made: The image of each container that is there, by its name.
        late: Containers that were made when nobody waited any more.
    """

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.is_well, self.late = False, 0
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"):
                method, target, _ = head[0].split()
                lengths = (int(line[16:]) for line in head if line.lower().startswith("content-length: "))
                body = json.loads(await reader.readexactly(next(lengths, 0)) or b"{}")
                path, _, query = unquote(target).partition("?")
                parts = path.removeprefix("/v1.45").strip("/").split("/")
                status, answer = await self.answer(method, parts, query.removeprefix("name="), body)
                if not status:
                    return
                data = b"" if status == 204 else json.dumps(answer).encode()
                length = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{length}".encode() + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, method: str, parts: list[str], name: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body; no status for an engine that goes away."""
        match method, parts:
            case _, ["version"]:
                return 200, {"ApiVersion": "1.45", "Version": "26", "Components": [{"Name": "Faulty"}]}
            case _, ["images", "create"]:
                return 500, {"message": f"denied: {PASSWORD} may not pull"}
            case _, ["images", "denied:1", _]:
                return 404, {"message": "No such image"}
            case _, ["images", image, _]:
                return 200, {"Id": "sha256:1", "RepoTags": [image], "Size": 1}
            case _, ["containers", "create"]:
                return await self.create(body["Image"], name)
            case _, ["containers", "json"]:
                return 200, []
            case "DELETE", [_, container]:
                there = self.made.pop(container, "")
                return (204, None) if there else (404, {"message": "No such container"})
            case _, [_, container, "start"]:
                return (0 if self.made[container] == "gone:1" and not self.is_well else 204), None
            case _, [_, _, "wait"]:
                await asyncio.Event().wait()
        state = {"Status": "running", "ExitCode": 0}
        return 200, {"Id": "x", "State": state, "NetworkSettings": {"Ports": {}}, "Config": {"Tty": False}}

    async def create(self, image: str, name: str) -> tuple[int, Any]:
        if image == "full:1":
            return 500, {"message": "mkdir /var/lib/x: no space left on device"}
        if image == "slow:1":
            await self.over.wait()
            self.late += 1
        self.made[name] = image
        return 201, {"Id": name, "Warnings": []}


@pytest_asyncio.fixture
async def faulty(state_dir: Path) -> AsyncIterator[tuple[FaultyEngine, str]]:
    engine = FaultyEngine()
    server = await asyncio.start_unix_server(engine.serve, state_dir / "engine.sock")
    yield engine, f"unix://{state_dir}/engine.sock"
    server.close()


def service(fault: str, **more: Any) -> dict[str, Any]:
    made = {"version": "v1", "kind": "Service", "metadata": {"name": fault}, "ports": []}
    return {**made, "container": {"image": f"{fault}:1", **more}}


async def test_whatever_an_engine_does_its_services_say_it_and_nothing_else_waits(
    faulty: tuple[FaultyEngine, str], serving: Any
) -> None:
    engine, address = faulty
    containers = {"engine": "docker", "docker_host": address, "answer_s": 0.5, "stop_s": 0.1}
    async with serving(containers=containers) as site:
        lab = House(site)
        opens = json.dumps({"server": "denied.example", "username": "ada", "password": PASSWORD}).encode()
        await site.server.front.store.secrets.create("registry", opens, by="test", type="docker")
        made = {}
        for fault in ("denied", "slow", "full", "gone"):
            more = {"pull_secret": "registry"} if fault == "denied" else {}
            made[fault] = (await lab.send("POST", LAB, service(fault, **more)))["id"]
        async with lab.inside():
            told = {}
            for fault, one in made.items():
                seen = await lab.until(one, lambda seen: bool(seen["last_start_error"]))
                told[fault] = seen["last_start_error"]
                async with asyncio.timeout(5 * PATIENCE):
                    assert (await site.get("/livez")).status == 200
            assert "could not pull denied:1: denied: " in told["denied"]
            assert PASSWORD not in json.dumps(await lab.state(made["denied"]))
            assert "did not make a container of slow:1 in time" in told["slow"]
            assert "no space left on device" in told["full"]
            assert "docker system prune" in told["full"]
            assert "went away" in told["gone"] or "cannot be reached" in told["gone"]
            # One that is deleted while it is being started leaves nothing, nor does what is made too late.
            await lab.send("DELETE", f"{LAB}/{made.pop('slow')}")
            engine.over.set()
            async with asyncio.timeout(20 * PATIENCE):
                while not engine.late or "slow:1" in engine.made.values():
                    await asyncio.sleep(0.02)
            # When it is well again, what it could not do is done without anybody's asking, once.
            engine.is_well = True
            seen = await lab.until(made["gone"], lambda seen: seen["state"] == "running")
            assert seen["restart_count"] == 0
            assert list(engine.made.values()) == ["gone:1"]
