"""What a room remembers of turns and runs: after a reload, after a restart, and never more than it may."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.rooms.developer.journal import MAX_ENTRY_BYTES, MAX_TAKEN_BYTES, NEWER, OLDER, Journal, Query
from runtime.rooms.hub import RoomHub

pytestmark = pytest.mark.process

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}}}
MATH = {
    "name": "math",
    "title": "Math",
    "description": "sums",
    "public": True,
    "tools": {"add": {"title": "Add", "description": "adds", "defs": None, "input_schema": SCHEMA}},
}


def journal(folder: Path, **bounds: Any) -> Journal:
    return Journal(folder, clock=SystemClock(), **bounds)


def add(to: Journal, kind: str = "llm.turn", **data: Any) -> None:
    to.add(kind, data, by="chatbot", peer="p1")


@pytest.mark.asyncio
async def test_entries_are_read_again_by_thread_kind_and_id(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    add(kept, path="a.thread", number=1)
    add(kept, path="b.thread", number=2)
    add(kept, "run.started", run="r", input="x" * 5_000)
    found = await journal(tmp_path).read(Query())
    assert found == [], "what waits is in nobody else's memory"
    await kept.flush()
    assert (tmp_path / NEWER).stat().st_mode & 0o077 == 0, "nobody else reads it"
    again = journal(tmp_path)
    assert [entry["data"].get("number") for entry in await again.read(Query())] == [1, 2, None]
    (first,) = await again.read(Query(path="a.thread"))
    assert (first["type"], first["by"], first["peer"]) == ("llm.turn", "chatbot", "p1")
    (run,) = await again.read(Query(kinds=("run.",)))
    assert run["data"]["input"] == {"cut_bytes": 5_002}, "long values are left out"
    (whole,) = await again.read(Query(ids=frozenset({run["id"]})))
    assert whole["data"]["input"] == "x" * 5_000
    older = await again.read(Query(before=run["id"], limit=1))
    assert [entry["data"]["number"] for entry in older] == [2]
    await again.forget("b.thread")
    assert [entry["data"].get("number") for entry in await again.read(Query())] == [1, None]


@pytest.mark.asyncio
async def test_what_is_forgotten_takes_nothing_else_along_when_the_disk_is_full(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    add(kept, path="a.thread")
    add(kept, path="b.thread")
    await kept.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(OSError):
            await kept.forget("b.thread")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [entry["data"]["path"] for entry in await kept.read(Query())] == ["a.thread", "b.thread"]


@pytest.mark.asyncio
async def test_no_secret_is_kept(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    add(kept, messages=[{"content": "my key is sk-live-0123456789abcdef"}], api_key="hunter22")
    await kept.flush()
    written = (tmp_path / NEWER).read_text()
    assert "0123456789abcdef" not in written
    assert "hunter22" not in written


@pytest.mark.asyncio
async def test_it_never_grows_beyond_its_bounds(tmp_path: Path) -> None:
    kept = journal(tmp_path, max_file_bytes=20_000)
    for number in range(200):
        add(kept, number=number, text="x" * 1_000)
        if number % 20 == 0:
            await kept.flush()
    await kept.flush()
    assert sum((tmp_path / name).stat().st_size for name in (NEWER, OLDER)) <= 40_000
    assert (await kept.read(Query(limit=1)))[0]["data"]["number"] == 199
    add(kept, text="y" * (MAX_TAKEN_BYTES + 1))
    assert kept.dropped_count == 1
    for _ in range(10):
        add(kept, text="z" * (MAX_TAKEN_BYTES - 1_000))
    assert kept.dropped_count > 1, "what waits to be written is bounded"
    await kept.flush()
    lines = (tmp_path / NEWER).read_bytes().splitlines()
    assert max(map(len, lines)) <= MAX_ENTRY_BYTES
    (tmp_path / NEWER).write_bytes(b'nonsense\n{"id": 1}\n' + lines[-1] + b"\n")
    assert len(await kept.read(Query(kinds=("llm.",), limit=1))) == 1


async def call(client: Any, a: int) -> Any:
    """Begin a call; its answer, once there is one."""
    header = {"toolkit": "math", "tool": "add", "participant_id": None, "on_behalf_of_id": None}
    return await client.start("agent.invoke_tool", {**header, "arguments": {"a": a}})


@pytest.mark.asyncio
async def test_a_run_is_remembered_with_what_came_of_it(house: Any) -> None:
    host, ada = await house.join("mathematician"), await house.join("ada")
    await host.json("agent.register_toolkit", MATH)
    first = await call(ada, 1)
    pushed = await host.push("agent.tool_call.math")
    await host.send("agent.tool_call_response", {"type": "json", "json": {"sum": 2}}, id=pushed.id)
    await ada.answer(first)
    await call(ada, 7)
    await host.push("agent.tool_call.math")
    await ada.send("room.cancel_request", {"request_id": ada._ids})
    await ada.settled()
    bob = await house.join("bob")

    told: dict[str, dict[str, Any]] = {}
    for entry in (await bob.json("developer.history", {"types": ["run."]}))["entries"]:
        told.setdefault(entry["data"]["run"], {"by": entry["by"]}).update(entry["data"])
    done, stopped = told.values()
    assert (done["by"], done["kind"], done["name"], done["tool"]) == ("ada", "tool", "math", "add")
    assert done["input"] == {"a": 1}
    assert done["result"] == {"type": "json", "json": {"sum": 2}}
    assert stopped["error"] == "whoever called does not wait any more"
    # Nobody writes what the room itself notes.
    await bob.ask("developer.log", {"type": "run.started", "data": {"run": "made up", "by": "ada"}})
    runs = (await bob.json("developer.history", {"types": ["run."]}))["entries"]
    assert "made up" not in {entry["data"]["run"] for entry in runs}
    (said,) = (await bob.json("developer.history", {"types": ["said.run.started"]}))["entries"]
    assert said["data"]["run"] == "made up"
    blind = await house.join("blind", scope={"developer": {"logs": False}})
    for kind, header in (("developer.history", {}), ("developer.forget", {"path": "x"})):
        with pytest.raises(Exception, match="does not allow watching"):
            await blind.json(kind, header)


@pytest.mark.asyncio
async def test_a_room_with_nothing_else_is_remembered_for_a_while(tmp_path: Path) -> None:
    hub = RoomHub(state_dir=tmp_path)
    folder = tmp_path / "rooms" / "data" / "only"
    for name in ("files", "staging"):
        (folder / name).mkdir(parents=True)
    (folder / NEWER).write_text("{}\n")
    assert await hub.tidy() == 0
    os.utime(folder / NEWER, (1, 1))
    assert await hub.tidy() == 1
    assert not folder.exists()
