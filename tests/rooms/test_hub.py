"""Admission, handshake, leaving, bounds of the connection, restarts."""

from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from runtime.errors import ConfigError, NotFound
from runtime.rooms.hub import RoomHub
from runtime.rooms.kept import folders
from runtime.rooms.limits import RoomLimits
from runtime.rooms.signing.kept_secret import renew_secret
from runtime.rooms.token import mint
from tests.rooms.conftest import PATIENCE_S

pytestmark = pytest.mark.process


async def refusal(url: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url):
            pass
    return caught.value.response.status_code


@pytest.mark.asyncio
async def test_a_bad_token_is_refused_with_403_at_the_upgrade(house: Any) -> None:
    for token in ("", "nonsense", house.hub.token("attic", "ada"), mint("ada", room="lab", secret="x" * 40)):
        assert await refusal(f"{house.url}/rooms/lab?token={token}") == 403
    assert house.hub.rooms() == []


@pytest.mark.asyncio
async def test_a_name_that_cannot_be_a_room_is_404(house: Any) -> None:
    assert await refusal(f"{house.url}/rooms/{'x' * 300}?token=t") == 404


@pytest.mark.asyncio
async def test_full_rooms_and_full_servers_answer_503(build: Any) -> None:
    house = await build(RoomLimits(max_participants=1, max_rooms=1))
    await house.join("ada")
    assert await refusal(f"{house.url}/rooms/lab?token={house.hub.token('lab', 'bob')}") == 503
    assert await refusal(f"{house.url}/rooms/two?token={house.hub.token('two', 'bob')}") == 503


@pytest.mark.asyncio
async def test_an_empty_room_gives_way_when_the_server_is_full(build: Any) -> None:
    house = await build(RoomLimits(max_rooms=1))
    ada = await house.join("ada")
    await ada.leave()
    await house.happened("participant_left", "ada")
    await asyncio.sleep(0)
    await house.join("bob", room="two")
    assert [room.name for room in house.hub.rooms()] == ["two"]


@pytest.mark.asyncio
async def test_the_handshake_greets_once_with_the_tokens_name(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await ada.settled()
    ready, connected = ada.log[:2]
    assert (ready.type, connected.type) == ("room_ready", "connected")
    assert ready.header["room_name"] == "lab"
    assert ready.header["room_url"] == f"{house.url}/rooms/lab"
    assert connected.header == {"type": "init", "participantId": ada.id, "attributes": {"name": "ada"}}
    assert ready.header["session_id"] == bob.log[0].header["session_id"]
    assert ada.types() == ["room_ready", "connected", "__response__"]


@pytest.mark.asyncio
async def test_the_token_may_come_in_the_authorization_header(house: Any) -> None:
    headers = {"Authorization": f"Bearer {house.hub.token('lab', 'ada')}"}
    async with connect(f"{house.url}/rooms/lab?v=0.55.1", additional_headers=headers) as websocket:
        assert isinstance(await websocket.recv(), bytes)


@pytest.mark.asyncio
async def test_tokens_signed_by_an_api_key_are_accepted(build: Any) -> None:
    house = await build(keys={"k1": "s" * 40})
    ada = await house.join("ada", token=mint("ada", room="lab", secret="s" * 40, kid="k1", role="user"))
    assert house.hub.room("lab").participants[0].id == ada.id
    assert house.hub.room("lab").participants[0].role == "user"


@pytest.mark.asyncio
async def test_several_participants_may_share_a_name(house: Any) -> None:
    first, second = await house.join("ada"), await house.join("ada")
    assert first.id != second.id
    assert [member.name for member in house.hub.room("lab").participants] == ["ada", "ada"]


@pytest.mark.asyncio
async def test_unsupported_requests_are_answered_by_name_and_the_connection_lives(house: Any) -> None:
    ada = await house.join("ada")
    for kind in ("livekit.connect", "sqlite.search", "secrets.get", "whatever.this.is"):
        refused = f"not supported by this server: {kind}.*What rooms serve"
        with pytest.raises(Exception, match=refused) as caught:
            await ada.ask(kind)
        assert caught.value.code == 1008
    with pytest.raises(Exception, match=r"not supported by this server: sqlite\.query"):
        await ada.tool("sqlite.query")
    with pytest.raises(Exception, match="no toolkit 'surprise'") as caught:
        await ada.tool("surprise.me")
    assert caught.value.code == 1003
    await ada.settled()


@pytest.mark.asyncio
async def test_one_way_messages_are_not_answered_and_request_chunks_are(house: Any) -> None:
    ada = await house.join("ada")
    one_way = [
        "set_attributes",
        "agent.ask_response",
        "agent.tool_call_response",
        "agent.tool_call_response_chunk",
        "room.tool_call_response",
        "room.tool_call_response_chunk",
    ]
    silent = {await ada.send(kind, {}) for kind in one_way}
    for kind in ("agent.tool_call_request_chunk", "room.tool_call_request_chunk"):
        answer = await ada.ask(kind, {"tool_call_id": "none", "chunk": {"type": "text", "text": ""}})
        assert answer.header == {"type": "empty"}
    await ada.settled()
    assert not silent & ada.answers


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "header", [{}, {"name": 5}, {"path": 7}, {"toolkit": []}, {"agent": {}}, {"type": None}]
)
async def test_every_request_with_wrong_fields_is_answered(house: Any, header: dict[str, Any]) -> None:
    ada = await house.join("ada")
    dispatcher = house.hub._rooms["lab"]._dispatcher
    for kind in [*dispatcher._requests, "agent.invoke_tool", "room.invoke_tool"]:
        wait = {"wait": False} if kind == "queues.receive" else {}
        await asyncio.wait_for(await ada.start(kind, {**header, **wait}), 5)


@pytest.mark.asyncio
@pytest.mark.parametrize("packet", [b"junk", b"\xff" * 40, bytes(12)])
async def test_a_broken_packet_ends_that_connection_alone(house: Any, packet: bytes) -> None:
    ada, eve = await house.visible("ada"), await house.visible("eve")
    await eve.raw(packet + b"\x00\x00\x00\x09")
    await eve.raw(packet)
    await eve.raw(b"")
    assert await eve.closed() == 1002
    assert (await ada.message("participant.disabled")).header["message"] == {"id": eve.id}
    await ada.settled()


@pytest.mark.asyncio
async def test_a_message_larger_than_the_bound_ends_the_connection(build: Any) -> None:
    house = await build(RoomLimits(max_message_bytes=10_000))
    eve = await house.join("eve")
    await eve.ask("developer.log", {"type": "x", "data": {"text": "y" * 5_000}})
    await eve.send("developer.log", {"type": "x", "data": {"text": "y" * 20_000}})
    assert await eve.closed() == 1002


@pytest.mark.asyncio
async def test_a_slow_reader_is_cut_off_and_nobody_waits_for_it(build: Any) -> None:
    house = await build(RoomLimits(max_outbound_bytes=200_000, close_timeout_s=0.2))
    ada, bob = await house.visible("ada"), await house.visible("bob")
    slow = await house.visible("slow")
    slow._reader.cancel()
    slow._websocket.transport.pause_reading()  # the socket's buffers fill up
    sent = 0
    while not any(event.kind == "participant_left" for event in house.events):
        await ada.ask("messaging.broadcast", {"type": "news", "message": {}}, b"x" * 100_000)
        sent += 1
        assert sent < 500
    assert house.events[-1].participant_name == "slow"
    for _ in range(sent):
        assert (await bob.message("news")).data == b"x" * 100_000
    slow.cut()


@pytest.mark.asyncio
async def test_too_many_requests_in_progress_are_refused_not_queued(build: Any) -> None:
    house = await build(RoomLimits(max_pending_requests=3))
    ada = await house.join("ada")
    waiting = [await ada.start("queues.receive", {"name": "q", "wait": True}) for _ in range(3)]
    with pytest.raises(Exception, match="receives are waiting"):
        await ada.ask("queues.receive", {"name": "q"})
    assert not any(future.done() for future in waiting)


@pytest.mark.asyncio
async def test_closing_a_room_sends_everybody_away_and_it_can_be_opened_again(house: Any) -> None:
    ada = await house.join("ada")
    await house.hub.close_room("lab")
    assert await ada.closed() == 1001
    with pytest.raises(NotFound):
        house.hub.room("lab")
    await house.join("ada")
    kinds = [event.kind for event in house.events]
    assert kinds.count("room_opened") == 2
    assert kinds.count("room_closed") == 1


@pytest.mark.asyncio
async def test_who_comes_back_while_a_room_is_deleted_finds_a_new_one(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, removes, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    remove = folders.remove

    def slow(folder: Path) -> None:
        loop.call_soon_threadsafe(removes.set)
        assert go_on.wait(PATIENCE_S)
        remove(folder)

    monkeypatch.setattr(folders, "remove", slow)
    ada = await house.join("ada")
    deleting = asyncio.create_task(house.hub.delete("lab"))
    await removes.wait()
    assert await ada.closed() == 1001
    comes, opened = asyncio.Event(), house.hub._opened

    async def seen(room: str) -> Any:
        comes.set()
        return await opened(room)

    monkeypatch.setattr(house.hub, "_opened", seen)
    again = asyncio.create_task(house.join("ada"))  # as clients do, at once
    await comes.wait()
    await asyncio.sleep(0)
    assert house.hub.rooms() == []
    go_on.set()
    await deleting
    ada = await again
    handle = await ada.json("storage.open", {"path": "note.txt", "overwrite": False})
    await ada.ask("storage.write", handle, b"here")
    await ada.ask("storage.close", handle)
    assert (await ada.ask("storage.download", {"path": "note.txt"})).data == b"here"


@pytest.mark.asyncio
async def test_one_who_is_still_entering_when_the_room_closes_is_sent_away(house: Any) -> None:
    closed = asyncio.Event()

    class Entering:
        """A connection that says nothing of its own."""

        async def receive(self) -> bytes | None:
            await closed.wait()
            return None

        async def send(self, packet: bytes) -> None: ...

        async def close(self, code: int = 1000) -> None:
            closed.set()

    claims = house.hub.admit("late", house.hub.token("late", "bob"))
    serving = asyncio.create_task(house.hub.serve("late", claims, Entering(), room_url="ws://x"))
    while not house.hub.rooms():
        await asyncio.sleep(0)  # its room exists, and its folder is being made: it has no seat yet
    await asyncio.gather(house.hub.close_room("late"), serving)
    assert closed.is_set()


@pytest.mark.asyncio
async def test_a_room_nobody_is_in_closes_after_a_while(build: Any) -> None:
    house = await build(RoomLimits(idle_close_s=0.01))
    ada = await house.join("ada")
    await ada.leave()
    await house.happened("room_closed")
    assert house.hub.rooms() == []


@pytest.mark.asyncio
async def test_events_carry_names_and_never_content(house: Any) -> None:
    ada = await house.visible("ada")
    await ada.send("set_attributes", {"mood": "my secret mood"})
    await ada.ask("messaging.broadcast", {"type": "x", "message": {"text": "my secret text"}})
    await ada.leave()
    await house.happened("participant_left", "ada")
    assert [event.kind for event in house.events] == [
        "room_opened",
        "participant_joined",
        "participant_attributes",
        "participant_left",
    ]
    assert "secret" not in repr(house.events)
    assert house.events[2].detail == {"keys": ["mood"]}


@pytest.mark.asyncio
async def test_the_rooms_of_the_hub_can_be_seen(house: Any) -> None:
    ada = await house.visible("ada", role="user")
    await ada.ask("agent.register_toolkit", {"name": "math", "tools": {}, "public": True})
    await ada.ask("agent.register_agent", {"name": "adder"})
    await ada.ask("room.connect", {"path": "a.thread"})
    await ada.ask("queues.send", {"name": "q", "message": {}})
    (room,) = house.hub.rooms()
    (member,) = room.participants
    assert (member.name, member.role, member.visible) == ("ada", "user", True)
    assert (member.toolkits, member.agents) == (("math",), ("adder",))
    assert room.documents == ("a.thread",)
    assert room.queues == {"q": 1}


def test_the_hubs_secret_is_made_once_and_readable_by_its_owner_only(state_dir: Path) -> None:
    first = RoomHub(state_dir=state_dir)
    token = first.token("lab", "ada")
    assert RoomHub(state_dir=state_dir).admit("lab", token).name == "ada"
    secret = state_dir / "rooms" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_text()) == 64


@pytest.mark.parametrize("held", [b"", b"\n", b"short", b"\xff" * 64, b"\0" * 64])
def test_a_damaged_secret_is_told_and_made_anew_only_when_asked(state_dir: Path, held: bytes) -> None:
    secret = state_dir / "rooms" / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(held)
    with pytest.raises(ConfigError) as error:
        RoomHub(state_dir=state_dir)
    assert f"bulkhead doctor --new-secret --state-dir {state_dir}" in error.value.cure
    assert secret.read_bytes() == held
    renew_secret(secret)
    token = RoomHub(state_dir=state_dir).token("lab", "ada")
    assert RoomHub(state_dir=state_dir).admit("lab", token).name == "ada"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_secret_that_cannot_be_read_is_no_traceback(state_dir: Path) -> None:
    (state_dir / "rooms" / "secret").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        RoomHub(state_dir=state_dir)


@pytest.mark.parametrize("name", ["", ".", "..", "../etc", "a/b", "secret", "x" * 150, "Räume ☂"])
def test_no_room_name_leaves_its_folder(state_dir: Path, name: str) -> None:
    hub = RoomHub(state_dir=state_dir)
    try:
        folder = hub._room_folder(name)
    except NotFound:
        assert name in ("", ".", "..", "../etc", "a/b")
        return
    assert folder.parent == state_dir / "rooms" / "data"
    assert folder.name not in (".", "..")


@pytest.mark.asyncio
async def test_who_is_there_for_a_service_keeps_no_room_open_and_opens_none(build: Any) -> None:
    house = await build(RoomLimits(idle_close_s=0.01))
    with pytest.raises(NotFound):
        house.hub.admit("lab", house.hub.token("lab", "greeter", service="s1"))
    ada = await house.join("ada")
    greeter = await house.join("greeter", service="s1")
    assert house.hub.occupied() == {"lab"}
    await ada.leave()
    assert await greeter.closed() == 1001
    await house.happened("room_closed")
    assert house.hub.open_count == 0
