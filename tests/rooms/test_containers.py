"""``room.containers`` in the words of three generations, with processes in place of containers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from runtime.clock import SystemClock
from runtime.confinement.level import Level
from runtime.containers.boxes import RoomBoxes
from runtime.containers.errors import NoEngine
from runtime.containers.process.catalogue import Catalogue
from runtime.containers.process.engine import ProcessEngine
from runtime.containers.settings import ContainersSettings
from runtime.errors import RoomFull
from runtime.rooms.built_in.containers import execs
from runtime.rooms.built_in.containers.early_input import Input
from runtime.rooms.token import AGENT_DEFAULT
from tests.rooms.conftest import PATIENCE_S, Build, Client, House, RoomError, Stream

pytestmark = pytest.mark.process

SLEEP = "sleep 600"
Open = Callable[..., Awaitable[House]]


@pytest_asyncio.fixture
async def opened(build: Build, state_dir: Path) -> AsyncIterator[Open]:
    """A house whose containers are processes; its settings may be named."""
    made: list[RoomBoxes] = []

    async def make(**more: Any) -> House:
        settings = ContainersSettings(**{"host_commands": True, "stop_s": 5.0, **more})
        catalogue = Catalogue(
            settings.images, base=state_dir, agents=state_dir / "agents", any_command=settings.host_commands
        )
        engine = ProcessEngine(settings, catalogue, state=state_dir, level=Level.BASIC)
        made.append(RoomBoxes(engine, settings, clock=SystemClock(), base_url=lambda: "http://127.0.0.1:1"))
        return await build(boxes=made[-1])

    yield make
    for boxes in made:
        await boxes.aclose()


async def run(client: Client, command: str = SLEEP, **more: Any) -> str:
    """As the older releases ask; the id."""
    header = {"image": "debian:12", "command": command, "env": {}, "ports": {}, "credentials": [], **more}
    return str((await client.json("containers.run", header))["container_id"])


async def run3(client: Client, command: str | None = SLEEP, **more: Any) -> str:
    """As the newer ones do."""
    asked = {"image": "debian:12", "command": command, "env": [], "ports": [], "credentials": [], **more}
    answer = (await client.tool("containers.run", asked)).header["json"]
    assert list(answer) == ["container_id"]
    return str(answer["container_id"])


async def listed(client: Client, **how: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.json("containers.list_containers", how))["containers"]
    return found


async def log3(client: Client, container: str, *, follow: bool = True) -> list[str]:
    """All lines of a log as a stream, until the server closes it."""
    stream, _ = await open3(client, "logs", container_id=container, follow=follow, request_id="r")
    return [data.decode() for header, data in await everything(stream) if header["type"] == "binary"]


async def open3(client: Client, tool: str, **start: Any) -> tuple[Stream, str]:
    """Open a stream as the newer releases do: the first chunk comes before the answer."""
    call_id = uuid.uuid4().hex
    opening = {"type": "control", "method": "open"}
    answer = await client.start_tool(f"containers.{tool}", opening, call_id=call_id)
    stream = Stream(client, call_id)
    await stream.send({"kind": "start", **start})
    assert (await client.answer(answer)).header == opening
    return stream, call_id


async def everything(stream: Stream) -> list[tuple[dict[str, Any], bytes]]:
    """All chunks, the closing one included."""
    found = [await stream.receive()]
    while found[-1][0]["type"] != "control":
        found.append(await stream.receive())
    return found


async def exec3(client: Client, container: str, command: Any, *, stdin: bytes | None = None) -> Any:
    """Output by channel and the status."""
    stream, _ = await open3(
        client, "exec", container_id=container, command=command, tty=False, request_id="r"
    )
    if stdin is not None:
        await stream.send({"kind": "input", "channel": 1, "width": None, "height": None}, stdin)
        await stream.send({"kind": "input", "channel": 255, "width": None, "height": None})
    output = {1: b"", 2: b"", 3: b""}
    *chunks, (last, _) = await everything(stream)
    assert last == {"type": "control", "method": "close", "status_code": 1000}
    for header, data in chunks:
        output[header["headers"]["channel"]] += data
    return output[1], output[2], json.loads(output[3])["status"]


@pytest.mark.asyncio
async def test_a_container_runs_is_listed_logs_stops_and_is_forgotten_in_the_older_words(
    opened: Open,
) -> None:
    ada = await (await opened()).join("ada")
    container = await run(ada, "sh -c 'echo hello $WHO; exec sleep 600'", name="box", env={"WHO": "you"})
    (shown,) = await listed(ada)
    assert shown["id"] == container
    assert (shown["name"], shown["state"], shown["private"]) == ("box", "RUNNING", False)
    assert shown["started_by"] == {"id": ada.id, "name": "ada"}
    assert "not isolated like a container" in shown["status"]
    following = await ada.start("containers.logs", {"request_id": "r1", "id": container, "follow": True})
    line = await ada.push("containers.log.chunk", request_id="r1")
    assert line.header["log"] == "hello you"
    with pytest.raises(RoomError) as running:
        await ada.ask("containers.delete_container", {"id": container})
    assert running.value.code == 1006
    assert (await ada.ask("containers.stop_container", {"id": container, "force": False})).header == {
        "type": "empty"
    }
    assert (await ada.answer(following)).header == {"type": "empty"}  # the log ends with its container
    assert await listed(ada) == []
    (ended,) = await listed(ada, all=True)
    assert ended["state"] == "EXITED"
    await ada.ask("containers.stop_container", {"id": container})  # once more is no error
    await ada.ask("containers.delete_container", {"id": container})
    assert await listed(ada, all=True) == []


@pytest.mark.asyncio
async def test_the_newer_words_do_the_same_and_tell_how_it_ended(opened: Open) -> None:
    house = await opened()
    ada, bob = await house.join("ada"), await house.join("bob")
    container = await run3(
        ada, "sh -c 'echo one; echo two $K; exit 7'", env=[{"key": "K", "value": "v"}], template="none"
    )
    waited = (await bob.tool("containers.wait_for_exit", {"container_id": container})).header["json"]
    assert waited["exit_code"] == 7
    assert "two v" in waited["message"]
    assert await log3(bob, container) == ["one", "two v"]
    assert await log3(bob, container, follow=False) == ["one", "two v"]
    (shown,) = (await bob.tool("containers.list_containers", {"all": True})).header["json"]["containers"]
    assert shown["status"].startswith("Exited (7)")
    await bob.tool("containers.delete_container", {"container_id": container})


@pytest.mark.asyncio
async def test_following_ends_when_its_reader_wants_no_more(opened: Open) -> None:
    ada = await (await opened()).join("ada")
    container = await run(ada)
    following = await ada.start("containers.logs", {"request_id": "r1", "id": container, "follow": True})
    await ada.settled()
    await ada.ask("containers.stop_logs", {"request_id": "r1"})
    assert (await ada.answer(following)).header == {"type": "empty"}
    stream, _ = await open3(ada, "logs", container_id=container, follow=True)
    await stream.close()
    assert (await everything(stream))[-1][0]["status_code"] == 1000


@pytest.mark.asyncio
async def test_commands_have_input_channels_and_a_status_in_each_generation(opened: Open) -> None:
    ada = await (await opened()).join("ada")
    container = await run(ada)
    script = "cat; echo oops >&2; exit 3"
    # The oldest: one channel, and input that comes before its command.
    await ada.ask("containers.container_input", {"request_id": "x", "channel": 1}, b"early")
    await ada.ask("containers.container_input", {"request_id": "x", "channel": 255})
    oldest = {"request_id": "x", "container_id": container, "command": f"sh -c '{script}'", "detach": True}
    assert await ada.json("containers.exec", oldest) == {"status": 3}
    pushed = [message for message in ada.log if message.type == "containers.run.output"]
    assert {message.header["channel"] for message in pushed} == {0}
    assert b"".join(message.data for message in pushed) in (b"earlyoops\n", b"oops\nearly")
    # Those after it: told that it started, and output apart.
    ada.log.clear()
    older = {"request_id": "y", "container_id": container, "command": f"sh -c '{script}'", "tty": False}
    running = await ada.start("containers.exec", older)
    started = await ada.push("containers.run.output", request_id="y", channel=-1)
    assert json.loads(started.data) == {"started": True}
    await ada.ask("containers.container_input", {"request_id": "y", "channel": 1}, b"typed")
    await ada.ask("containers.container_input", {"request_id": "y", "channel": 255})
    assert (await ada.answer(running)).header["json"] == {"status": 3}
    assert (await ada.push("containers.run.output", channel=1)).data == b"typed"
    assert (await ada.push("containers.run.output", channel=2)).data == b"oops\n"
    # The newest.
    ran = await exec3(ada, container, ["sh", "-c", script], stdin=b"streamed")
    assert ran == (b"streamed", b"oops\n", 3)
    output, errors, status = await exec3(ada, container, "nosuchprogram")
    assert (output, errors, status) == (b"", b"nosuchprogram: not found\n", 127)


@pytest.mark.asyncio
async def test_a_command_has_a_terminal_of_the_size_that_is_told_and_a_key_to_interrupt(opened: Open) -> None:
    ada = await (await opened()).join("ada")
    container = await run(ada)
    script = "trap 'exit 5' INT; read line; stty size; while :; do sleep 0.1; done"
    stream, _ = await open3(ada, "exec", container_id=container, command=["sh", "-c", script], tty=True)
    await stream.send({"kind": "input", "channel": 4, "width": 101, "height": 41})
    await stream.send({"kind": "input", "channel": 1}, b"go on\n")
    seen = b""
    while b"41 101" not in seen:
        seen += (await stream.receive())[1]
    await stream.send({"kind": "input", "channel": 1}, b"\x03")
    chunks = await everything(stream)
    assert json.loads(chunks[-2][1]) == {"status": 5}
    assert chunks[-1][0]["method"] == "close"


@pytest.mark.asyncio
async def test_a_command_is_killed_by_its_caller_and_ends_with_its_connection(opened: Open) -> None:
    house = await opened()
    ada, bob = await house.join("ada"), await house.join("bob")
    container = await run(ada)
    command = {"request_id": "k", "container_id": container, "command": SLEEP, "tty": False}
    running = await ada.start("containers.exec", command)
    await ada.push("containers.run.output", channel=-1)
    await ada.ask("containers.container_input", {"request_id": "k", "channel": 5})
    assert (await ada.answer(running)).header["json"] == {"status": 137}
    await bob.start("containers.exec", {**command, "command": "sh -c 'echo $$; exec sleep 600'"})
    pid = int((await bob.push("containers.run.output", channel=1)).data)
    assert Path(f"/proc/{pid}").exists()
    bob.cut()
    async with asyncio.timeout(PATIENCE_S):
        while Path(f"/proc/{pid}").exists():
            await ada.settled()


@pytest.mark.asyncio
async def test_a_reader_that_is_slow_makes_the_command_wait_and_misses_nothing(opened: Open) -> None:
    ada = await (await opened()).join("ada")
    container = await run(ada)
    count = 3_000_000
    output, _, status = await exec3(ada, container, ["head", "-c", str(count), "/dev/zero"])
    assert (len(output), status) == (count, 0)


@pytest.mark.asyncio
async def test_more_input_than_a_command_reads_ends_it_with_an_error(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.rooms.built_in.containers.execs._MAX_WAITING_BYTES", 100_000)
    ada = await (await opened()).join("ada")
    container = await run(ada)
    stream, _ = await open3(ada, "exec", container_id=container, command=SLEEP, tty=False)
    for _ in range(4):
        await stream.send({"kind": "input", "channel": 1}, b"x" * 90_000)
    chunks = await everything(stream)
    assert "does not read" in chunks[-2][0]["text"]
    assert chunks[-1][0]["status_code"] != 1000
    with pytest.raises(RoomError, match="too much input"):
        await ada.ask("containers.container_input", {"request_id": "no", "channel": 1}, b"x" * 300_000)


@pytest.mark.asyncio
async def test_containers_are_of_their_room_and_end_with_it(opened: Open) -> None:
    house = await opened()
    ada, eve = await house.join("ada"), await house.join("eve", room="elsewhere")
    container = await run(ada, "sh -c 'echo $$; exec sleep 600'")
    (pid,) = [int(line) for line in await _first_lines(ada, container)]
    assert await listed(eve, all=True) == []
    for kind, header in (
        ("containers.logs", {"request_id": "r", "id": container}),
        ("containers.stop_container", {"id": container}),
        ("containers.exec", {"request_id": "r", "container_id": container, "command": "true"}),
    ):
        with pytest.raises(RoomError, match="no container") as missing:
            await eve.ask(kind, header)
        assert missing.value.code == 6001
    await ada.leave()
    assert Path(f"/proc/{pid}").exists()  # it is not its starter's
    await house.hub.close_room("lab")
    assert not Path(f"/proc/{pid}").exists()


async def _first_lines(client: Client, container: str) -> list[str]:
    await client.start("containers.logs", {"request_id": "first", "id": container, "follow": True})
    line = (await client.push("containers.log.chunk", request_id="first")).header["log"]
    await client.ask("containers.stop_logs", {"request_id": "first"})
    return [line]


@pytest.mark.asyncio
async def test_files_of_the_room_and_a_token_are_given_and_never_more_than_the_caller_has(
    opened: Open,
) -> None:
    house = await opened()
    ada = await house.join("ada", role="user")
    show = "sh -c 'echo kept > $MESHAGENT_DATA/note.txt; echo $MESHAGENT_TOKEN'"
    container = await run(ada, show, mount_path="/data", role="agent", participant_name="helper")
    (token,) = await log3(ada, container)
    claims = house.hub.claims(token, room="lab")
    assert (claims.name, claims.role) == ("helper", "agent")
    assert (await ada.ask("storage.download", {"path": "note.txt"})).data == b"kept\n"
    limited = {
        "containers": {"run": ["debian:*"]},
        "storage": {"paths": [{"path": "docs", "read_only": True}]},
    }
    bob = await house.join("bob", scope=limited)
    with pytest.raises(RoomError) as refused:
        await run(bob, mount_path="/data")
    assert refused.value.code == 1001
    await run(bob, mounts={"room": [{"path": "/data", "subpath": "docs", "read_only": True}]})
    with pytest.raises(RoomError, match="does not allow to run"):
        await run(bob, image="alpine")
    with pytest.raises(RoomError, match="no token of role user"):
        await run(bob, role="user", participant_name="somebody")
    container = await run(bob, "sh -c 'echo $MESHAGENT_TOKEN'", role="agent", participant_name="x")
    (token,) = await log3(bob, container)
    assert dict(house.hub.claims(token, room="lab").scope or {}) == limited


@pytest.mark.asyncio
async def test_who_may_not_is_told_so(opened: Open) -> None:
    house = await opened()
    ada, eve = await house.join("ada"), await house.join("eve", scope={"storage": {}})
    mute = await house.join("mute", scope={"containers": {"logs": False}})
    private, public = await run(ada, private=True), await run(ada)
    for client, kind, header in (
        (eve, "containers.list_containers", {}),
        (eve, "containers.run", {"image": "debian:12", "command": SLEEP}),
        (mute, "containers.logs", {"request_id": "r", "id": public}),
        (mute, "containers.exec", {"request_id": "r", "container_id": private, "command": "true"}),
        (mute, "containers.stop_container", {"id": private}),
    ):
        with pytest.raises(RoomError) as refused:
            await client.ask(kind, header)
        assert refused.value.code == 1001, kind
    assert len(await listed(mute)) == 2  # a private one is shown, and no more


@pytest.mark.asyncio
async def test_what_cannot_be_used_is_refused_with_what_can(opened: Open) -> None:
    ada = await (await opened(host_commands=False, max_in_room=1)).join("ada")
    for more, told, code in (
        ({}, "containers.images", 1007),
        ({"command": 'echo "'}, "split into words", 1002),
        ({"ports": {"0": 1}}, "no port", 1002),
        ({"mount_path": "data"}, "no path to mount at", 1002),
        ({"variables": {"size": "1"}}, "variable 'size'", 1002),
        ({"env": {"A=B": "1"}}, "no name of a variable", 1002),
        ({"env": [{"key": []}]}, "no name of a variable", 1002),
        ({"env": [["A", "1"], 2]}, "an object of texts", 1002),
        ({"role": "king", "participant_name": "x"}, "One of: agent, tool, user", 1002),
    ):
        with pytest.raises(RoomError, match=told) as refused:
            await run(ada, **more)
        assert refused.value.code == code, more
    with pytest.raises(RoomError) as unknown:
        await ada.ask("containers.run_service", {"service_id": "x", "env": None})
    assert unknown.value.code == 7001


@pytest.mark.asyncio
async def test_text_that_no_file_can_hold_is_told_or_made_fit(opened: Open) -> None:
    ada = await (await opened()).join("ada")
    files = [{"path": "/note", "text": "a\ud83d"}]
    assert await log3(ada, await run(ada, "sh -c 'cat $HOME/note'", mounts={"files": files})) == ["a\ufffd"]
    for mounts in ({"files": [{"path": "/\ud83d", "text": "a"}]}, {"empty_dirs": [{"path": "/\ud83d"}]}):
        with pytest.raises(RoomError, match="no path to mount at"):
            await run(ada, mounts=mounts)


@pytest.mark.asyncio
async def test_names_and_numbers_are_bounded(opened: Open) -> None:
    ada = await (await opened(max_in_room=2, max_execs=1)).join("ada")
    first = await run(ada, name="one")
    with pytest.raises(RoomError) as taken:
        await run(ada, name="one")
    assert taken.value.code == 1004
    await run(ada, name="two")
    with pytest.raises(RoomError, match="2 containers run in this room"):
        await run(ada)
    running = await ada.start(
        "containers.exec", {"request_id": "a", "container_id": "one", "command": SLEEP, "tty": False}
    )
    await ada.push("containers.run.output", channel=-1)
    with pytest.raises(RoomError, match="1 commands run"):
        await ada.ask("containers.exec", {"request_id": "b", "container_id": "one", "command": "true"})
    await ada.ask("containers.stop_exec", {"request_id": "a"})
    await ada.answer(running)
    await ada.ask("containers.stop_container", {"id": "one", "force": True})
    third = await run(ada, name="three")  # the ended one makes way
    assert {one["id"] for one in await listed(ada, all=True)}.isdisjoint({first})
    assert third in {one["id"] for one in await listed(ada)}


@pytest.mark.asyncio
async def test_without_an_engine_everything_says_how_to_get_one(build: Build) -> None:
    boxes = RoomBoxes(
        None,
        ContainersSettings(engine="off"),
        clock=SystemClock(),
        base_url=lambda: "",
        missing=NoEngine("containers are off on this server", cure="Set containers.engine."),
    )
    ada = await (await build(boxes=boxes)).join("ada")
    assert await listed(ada) == []
    for kind in ("containers.run", "containers.pull_image"):
        with pytest.raises(RoomError, match=r"Set containers\.engine") as refused:
            await ada.ask(kind, {"image": "debian:12", "tag": "debian:12"})
        assert refused.value.code == 1007
    with pytest.raises(RoomError) as stream:  # before it is open, the error is the answer
        await open3(ada, "logs", container_id="x", follow=True)
    assert stream.value.code == 6001


@pytest.mark.asyncio
async def test_images_are_what_stands_in_for_them(opened: Open, state_dir: Path) -> None:
    bundle = state_dir / "agents" / "greeter"
    bundle.mkdir(parents=True)
    (bundle / "main.py").write_text("import os\nprint('I am', os.path.basename(os.getcwd()), flush=True)\n")
    house = await opened(host_commands=False, images=("tools:1=agents/greeter",))
    eve = await house.join("eve")
    with pytest.raises(RoomError, match=r'containers\.images = \["greeter=agents/NAME"\]') as refused:
        await run(eve, "cat .env", image="greeter")  # what is in a bundle is its own
    assert refused.value.code == 1007
    assert await log3(eve, await run(eve, "echo named", image="tools:1")) == ["named"]
    ada = await house.join("ada", scope={**AGENT_DEFAULT, "containers": {"run": ["registry.example/*"]}})
    images = (await ada.json("containers.list_images"))["images"]
    assert sorted(tag for image in images for tag in image["tags"]) == ["greeter", "tools:1"]
    container = await run3(ada, None, image="registry.example/greeter:1.4")
    assert await log3(ada, container) == ["I am greeter"]
    found = (await ada.tool("containers.inspect_image", {"image_id": "tools:1"})).header["json"]
    assert found["image"]["id"].startswith("sha256:")
    await ada.tool("containers.pull_image", {"tag": "tools:1", "credentials": []})


@pytest.mark.asyncio
@pytest.mark.parametrize("subpath", ["./docs", "docs/./", "notes//private"])
async def test_a_folder_spelled_otherwise_is_the_same_to_a_token(opened: Open, subpath: str) -> None:
    house = await opened()
    paths = [
        {"path": "docs", "read_only": True},
        {"path": "notes/private", "read_only": True},
        {"path": ""},
    ]
    bob = await house.join("bob", scope={"containers": {}, "storage": {"paths": paths}})
    with pytest.raises(RoomError, match="does not allow to write") as refused:
        await run(bob, mounts={"room": [{"path": "/data", "subpath": subpath}]})
    assert refused.value.code == 1001


@pytest.mark.asyncio
async def test_a_link_that_a_container_made_leads_to_no_other_folder(opened: Open) -> None:
    house = await opened()
    scope = {"containers": {}, "storage": {"paths": [{"path": "docs"}]}}
    bob = await house.join("bob", scope=scope)
    private = house.state_dir / "rooms" / "data" / "lab" / "files" / "private"
    private.mkdir()
    (private / "key.txt").write_text("secret")
    link = "sh -c 'ln -s ../private $MESHAGENT_DATA/link'"
    made = await run(bob, link, mounts={"room": [{"path": "/data", "subpath": "docs"}]})
    await bob.tool("containers.wait_for_exit", {"container_id": made})
    with pytest.raises(RoomError, match="is a link"):
        await run(bob, mounts={"room": [{"path": "/data", "subpath": "docs/link"}]})
    with pytest.raises(RoomError, match="over a link"):
        await bob.ask("storage.download", {"path": "docs/link/key.txt"})


@pytest.mark.asyncio
async def test_input_that_is_refused_is_not_counted_and_any_has_its_weight(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await opened()
    ada = await house.join("ada")
    gate = asyncio.Event()

    async def write(data: bytes = b"") -> None:
        await gate.wait()

    command: Any = SimpleNamespace(write=write, aclose=write)
    session = execs._Session(command, house.hub._rooms["lab"]._live.peers[ada.id])
    try:
        monkeypatch.setattr(execs, "_MAX_WAITING_BYTES", 1000)
        session.take(Input(execs.STDIN, b"x" * 500))
        with pytest.raises(RoomFull):
            session.take(Input(execs.STDIN, b"x" * 900))
        with pytest.raises(RoomFull):
            for _ in range(1001):
                session.take(Input(execs.RESIZE, b"", 80, 25))
    finally:
        gate.set()
        await session.aclose()
