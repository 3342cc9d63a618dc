"""J3: it crashes; its author finds out why, runs it again, looks around, and mends it."""

from __future__ import annotations

import asyncio
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

SHOP = """
import asyncio, os
from meshagent.api.services import ServiceHost
service = ServiceHost()

def price(prices, name):
    return prices[name]

@service.path("/shop", identity="shop", restart="never")
class Shop:
    async def start(self, *, room):
        assert self.arguments["password"] == "open-sesame-1"
        print("in room", os.environ["MESHAGENT_ROOM"])
        price({"apple": 1}, self.arguments["fruit"])
    async def stop(self):
        pass

@service.path("/broken", identity="broken", restart="never")
class Broken(Shop):
    async def start(self, *, room):
        room.messaging.on("message", self.heard)
        await room.messaging.enable()
    def heard(self, message):
        if message.message["text"] == "sum these":
            os.kill(os.getpid(), 11)

asyncio.run(service.run())
"""


async def say(server: Any, to: str, message: dict[str, str]) -> None:
    """Send a message to an agent, as somebody in its room."""
    _, entry = server.ask("POST", "/rooms/myroom/token", {"name": "ada"})
    protocol = WebSocketClientProtocol(url=entry["room_url"], token=entry["token"])
    async with RoomClient(protocol) as room, asyncio.timeout(30 * PATIENCE):
        await room.messaging.enable()
        while (agent := room.messaging.get_participant_by_name(to)) is None:
            await asyncio.sleep(0.02)
        await room.messaging.send_message(to=agent, type="chat", message=message)


@pytest.fixture
def crashed(user: Any) -> Any:
    """A server with an agent that failed; returns the user and the session."""
    user.env["BULKHEAD_RECORD"] = "1"
    (user.folder / "agents").mkdir()
    program = user.folder / "agents" / "shop.py"
    program.write_text(SHOP)
    server = user.serve("serve", "agents", "--port=0", "--no-watch")
    server.read_until("server.started|listening|http://")
    server.url = server.told(r"http://[0-9.:a-z]+[0-9]")[0].replace("0.0.0.0", "127.0.0.1")

    def crash(path: str, **arguments: str) -> str:
        call = {"event": "room.call", "data": {"room_name": "myroom", "arguments": arguments}}
        status, answer = server.ask("POST", path, call)
        assert status == 200, answer
        session: str = answer["session"]
        if path == "/broken":
            asyncio.run(say(server, "broken", {"text": "sum these", "api_key": "open-sesame-1"}))
        deadline = time.monotonic() + 30 * PATIENCE
        while server.ask("GET", f"/workers/{session}")[1]["state"] != "exited":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return session

    return crash


def test_a_crash_is_packed_run_again_and_looked_into(user: Any, crashed: Any, tmp_path: Path) -> None:
    session = crashed("/shop", fruit="pear", password="open-sesame-1")
    shown = user.run("crash", "show", session)
    assert "KeyError: 'pear'" in shown.stdout
    assert f"bulkhead replay {session} --pdb" in shown.stderr
    packed = user.run("crash", "bundle", session, "-o", "crash.tar.gz")
    assert packed.returncode == 0, packed.stderr
    with tarfile.open(user.folder / "crash.tar.gz") as archive:
        archive.extractall(tmp_path / "packed", filter="data")
    texts = "".join(file.read_text() for file in (tmp_path / "packed").rglob("*.*") if file.is_file())
    assert "open-sesame-1" not in texts
    assert "KeyError" in texts

    broken = crashed("/broken")
    recorded = user.run("crash", "show", broken, "-o", "json").stdout
    assert "sum these" in recorded
    assert "open-sesame-1" not in recorded
    killed = user.run("replay", broken)
    assert "sent again: chat" in killed.stderr
    assert killed.returncode == 1
    assert 'shop.py", line' in killed.stderr
    assert "ended by signal 11 (SIGSEGV)" in killed.stderr
    refused = user.run("replay", session)
    assert refused.returncode == 2
    assert "-a password=" in refused.stderr
    again = user.run(
        "replay", session, "-a", "password=open-sesame-1", "--pdb", input="p name\np prices\nq\n"
    )
    assert again.returncode == 1, again.stderr
    assert "as it was" in again.stderr
    assert "KeyError: 'pear'" in again.stderr
    assert "in room myroom" in again.stdout
    assert "shop.py(7)price()" in again.stdout
    assert "'pear'" in again.stdout
    assert "{'apple': 1}" in again.stdout
    assert "it failed again" in again.stderr

    program = user.folder / "agents" / "shop.py"
    program.write_text(SHOP.replace("prices[name]", "prices.get(name)"))
    user.env["REPLAY_PASSWORD"] = "open-sesame-1"
    mended = user.run("replay", "crash.tar.gz", "--for", str(2 * PATIENCE))  # until long after it is ready
    assert mended.returncode == 0, mended.stderr
    assert "edited since" in mended.stderr
    assert "it did not fail this time" in mended.stderr
    assert "from another terminal: bulkhead agents list --url http://127.0.0.1:" in mended.stderr
    program.unlink()
    gone = user.run("replay", "crash.tar.gz")
    assert gone.returncode == 1
    assert "--source" in gone.stderr
