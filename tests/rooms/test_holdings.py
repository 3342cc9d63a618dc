"""What participants make a server hold is bounded in sum: who hoards loses, and nobody else notices."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RoomFull
from runtime.rooms.files import remove_unused
from runtime.rooms.holdings import ROOM_SHARE, Contents, Held, Holdings
from runtime.rooms.hub import RoomHub
from runtime.rooms.limits import RoomLimits
from runtime.settings.rooms import RoomsSettings
from tests.patience import PATIENCE

MIB = 1 << 20
HEADER, PACKET = struct.Struct(">QII"), struct.Struct(">QI")


def half(number: int, size_bytes: int) -> list[bytes]:
    """A message of which the last packet never comes."""
    pieces = size_bytes // MIB
    first = HEADER.pack(number, 0, pieces + 1) + b"developer.log"
    return [first, *(PACKET.pack(number, index) + b"x" * MIB for index in range(1, pieces + 1))]


@pytest.mark.unit
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60)), max_size=60))
def test_never_more_than_agreed_and_never_somebody_who_holds_less(steps: list[tuple[int, int]]) -> None:
    holdings, cut = Holdings(100), list[int]()
    held: dict[int, Held] = {}
    for who, count in steps:
        if who not in held or who in cut:
            cut[:] = [one for one in cut if one != who]
            held[who] = holdings.connection(str(who), lambda who=who: cut.append(who))  # type: ignore[misc]
        others = {one: other.size_bytes for one, other in held.items() if one != who}
        cut.clear()
        held[who].grow(count)
        assert holdings.size_bytes <= 100
        assert holdings.size_bytes == sum(one.size_bytes for one in held.values())
        assert all(others.get(one, 101) >= max(others.values(), default=0) for one in cut)
        for one in cut:
            del held[one]
    for one in held.values():
        one.close()
        one.close()
    assert holdings.size_bytes == 0


@pytest.mark.unit
def test_many_connections_of_one_owner_count_as_one() -> None:
    holdings, cut = Holdings(100), list[str]()
    honest = holdings.connection("honest", lambda: cut.append("honest"))
    honest.grow(30)
    for _ in range(20):
        holdings.connection("hoarder", lambda: cut.append("hoarder")).grow(10)
    assert set(cut) == {"hoarder"}
    assert honest.size_bytes == 30


@pytest.mark.unit
def test_a_room_has_a_share_of_what_all_rooms_may_keep() -> None:
    everything = Contents(100)
    rooms = [everything.of_room() for _ in range(ROOM_SHARE + 1)]
    for room in rooms[:-1]:
        room.check(25)
        room.add(25)
        with pytest.raises(RoomFull, match="the room holds 25 bytes"):
            room.check(1)
    with pytest.raises(RoomFull, match="the rooms of this server hold 100"):
        rooms[-1].check(1)
    rooms[0].close()
    rooms[0].add(7)  # of somebody who leaves late
    rooms[-1].check(25)
    assert everything.size_bytes == 75


@pytest.mark.unit
def test_as_many_rooms_as_sessions_unless_somebody_says_otherwise() -> None:
    assert RoomLimits.of(RoomsSettings(), max_sessions=1234).max_rooms == 1234
    assert RoomLimits.of(RoomsSettings(max_open=7), max_sessions=1234).max_rooms == 7


@pytest.mark.process
@pytest.mark.asyncio
async def test_half_messages_of_all_rooms_have_one_budget(build: Any) -> None:
    house = await build(RoomLimits(max_held_bytes=32 * MIB))
    honest = await house.join("ada")
    eve = house.hub.token("lab", "eve")
    hoarders = [await house.join("eve", token=eve) for _ in range(8)]
    holdings = house.hub._holdings
    for hoarder in hoarders:
        for packet in half(1, 7 * MIB):
            await hoarder.raw(packet)
            assert holdings.size_bytes <= 32 * MIB
    await honest.ask("developer.log", {"type": "x", "data": {"text": "y" * MIB}})
    async with asyncio.timeout(20 * PATIENCE):
        while len(house.hub.room("lab").participants) > 5:
            await asyncio.sleep(0.01)
    assert await honest.ask("developer.log", {"type": "x", "data": {}})
    for hoarder in hoarders:
        hoarder.cut()
    async with asyncio.timeout(20 * PATIENCE):
        while len(house.hub.room("lab").participants) > 1:
            await asyncio.sleep(0.01)
    assert holdings.size_bytes == 0


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_is_not_read_counts_as_well(build: Any) -> None:
    house = await build(RoomLimits(max_held_bytes=2 * MIB, close_timeout_s=0.2))
    ada, slow = await house.visible("ada"), await house.visible("slow")
    slow._reader.cancel()
    slow._websocket.transport.pause_reading()
    sent = 0
    while not any(event.kind == "participant_left" for event in house.events):
        await ada.ask("messaging.broadcast", {"type": "news", "message": {}}, b"x" * 100_000)
        sent += 1
        assert sent < 500
    assert house.events[-1].participant_name == "slow"
    slow.cut()
    await ada.ask("developer.log", {"type": "x", "data": {}})


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_token_has_so_many_connections_and_another_token_its_own(build: Any) -> None:
    house = await build(RoomLimits(max_connections=2))
    token = house.hub.token("lab", "ada")
    first = await house.join("ada", token=token)
    await house.join("ada", token=token)
    with pytest.raises(RoomFull, match="2 connections with this token"):
        house.hub.admit("lab", token)
    await house.join("ada")  # a token of its own, though it says the same
    await first.leave()
    await house.happened("participant_left", "ada")
    async with asyncio.timeout(10 * PATIENCE):
        while house.hub._connections.total() > 2:
            await asyncio.sleep(0.01)
    await house.join("ada", token=token)


@pytest.mark.process
@pytest.mark.asyncio
async def test_queues_and_registrations_of_all_rooms_have_one_budget(build: Any) -> None:
    house = await build(RoomLimits(max_contents_bytes=4 * MIB))
    ada = await house.join("ada", scope={"queues": {}, "agents": {}})
    message = {"name": "q", "message": "x" * (MIB // 2)}
    await ada.ask("queues.send", message)
    with pytest.raises(Exception, match="the room holds"):
        await ada.ask("queues.send", message)
    with pytest.raises(Exception, match="the room holds"):
        await ada.ask("agent.register_agent", {"name": "a", "description": "x" * (MIB // 2)})
    await ada.ask("queues.drain", {"name": "q"})
    assert house.hub._contents.size_bytes == 0
    await ada.ask("agent.register_agent", {"name": "a", "description": "x" * (MIB // 2)})
    await ada.leave()
    await house.happened("participant_left", "ada")
    assert house.hub._contents.size_bytes == 0


def files_of(state_dir: Path) -> list[str]:
    return sorted(entry.name for entry in (state_dir / "rooms" / "data").iterdir())


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_room_without_data_leaves_no_folder_and_one_with_data_stays(
    build: Any, state_dir: Path
) -> None:
    house = await build(RoomLimits(idle_close_s=0.01))
    await house.hub.create("made")
    for number in range(20):
        visitor = await house.join("ada", room=f"r{number}")
        await visitor.leave()
    visitor = await house.join("ada", room="made")
    await visitor.leave()
    keeper = await house.join("ada", room="kept")
    await keeper.ask("storage.open", {"path": "notes/a.txt", "overwrite": True})
    handle = (await keeper.json("storage.open", {"path": "notes/b.txt", "overwrite": True}))["handle"]
    await keeper.ask("storage.write", {"handle": handle}, b"hello")
    await keeper.ask("storage.close", {"handle": handle})
    await keeper.leave()
    async with asyncio.timeout(20 * PATIENCE):
        while house.hub.rooms() or house.hub._closings:
            await asyncio.sleep(0.01)
    assert files_of(state_dir) == ["kept", "made"]
    assert await house.hub.known() == ["kept", "made"]
    again = await house.join("ada", room="r1")
    assert await again.json("storage.list", {"path": ""}) == {"files": []}


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_an_earlier_run_left_is_tidied(tmp_path: Path) -> None:
    data = tmp_path / "rooms" / "data"
    for name in ("a", "b", "kept", "noted"):
        (data / name / "files" / ".schemas").mkdir(parents=True)
        (data / name / "staging").mkdir()
        (data / name / "staging" / "cut").write_bytes(b"half")
    (data / "kept" / "files" / "x").write_bytes(b"")
    (data / "noted" / "about.json").write_text("{}")
    (data / "named").mkdir()
    assert await RoomHub(state_dir=tmp_path).tidy() == 2
    assert files_of(tmp_path) == ["kept", "named", "noted"]
    assert not remove_unused(data / "gone")
