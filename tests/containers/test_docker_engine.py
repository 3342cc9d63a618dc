"""Containers of a real engine: the one that ``DOCKER_HOST`` names, or that is where engines usually are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.importorskip("aiodocker", reason="DOCKER NOT TESTED: its client is not installed")

from runtime.containers.contract import STDERR, STDOUT, Bind, BoxId, Credential, FileAt, Most, RunSpec
from runtime.containers.docker.engine import DockerEngine
from runtime.containers.docker.found import find
from runtime.containers.docker.places import sockets
from runtime.containers.errors import EngineFailed
from runtime.containers.settings import ContainersSettings
from runtime.errors import Conflict
from tests.patience import PATIENCE

pytestmark = pytest.mark.e2e

IMAGE = os.environ.get("BULKHEAD_TEST_IMAGE", "debian:bookworm-slim")
GUARD_S = 60.0 * PATIENCE
BOX = BoxId("b0" * 16)
SLEEP = "trap 'exit 0' TERM; sleep 600 & wait"


async def found(state: Path, **more: Any) -> DockerEngine:
    addresses = [os.environ["DOCKER_HOST"]] if os.environ.get("DOCKER_HOST") else [*sockets()]
    settings = ContainersSettings(**{"stop_s": 5.0, **more})
    try:
        engine = (await find(addresses, settings, server_id="test", state=state)).engine
    except EngineFailed as reason:
        pytest.skip(f"DOCKER NOT TESTED: {reason}")
    if await engine.image(IMAGE) is None:
        await engine.aclose()
        pytest.skip(f"DOCKER NOT TESTED: the engine has no image {IMAGE} (BULKHEAD_TEST_IMAGE names another)")
    return engine


@pytest_asyncio.fixture
async def engine(state_dir: Path) -> AsyncIterator[DockerEngine]:
    one = await found(state_dir)
    async with asyncio.timeout(GUARD_S):
        yield one
        await one.aclose()


def spec(script: str, **more: Any) -> RunSpec:
    labels = {"server": "test", "room": "lab", "name": "box"}
    return RunSpec(id=BOX, name="box", image=IMAGE, argv=("sh", "-c", script), labels=labels, **more)


async def log(engine: DockerEngine, *, follow: bool = True) -> list[str]:
    return [line async for line in engine.logs(BOX, follow=follow)]


async def ran(engine: DockerEngine, *argv: str, stdin: bytes | None = None, tty: bool = False) -> Any:
    """Output, errors and status of a command."""
    command = await engine.exec(BOX, argv, tty=tty)
    if stdin is not None:
        await command.write(stdin)
        await command.close_stdin()
    said = {STDOUT: b"", STDERR: b""}
    async for channel, data in command.chunks():
        said[channel] += data
    status = await command.wait()
    await command.aclose()
    return said[STDOUT], said[STDERR], status


@pytest.mark.asyncio
async def test_it_says_what_it_is_and_what_it_has(engine: DockerEngine) -> None:
    health = await engine.check()
    assert (health.engine, health.ok) == ("docker", True)
    assert health.version
    assert IMAGE in {name for one in await engine.images() for name in one.references}
    assert await engine.image("nobody/has:this") is None
    with pytest.raises(EngineFailed) as refused:
        await engine.pull(
            "localhost:9/nobody/has:this", [Credential("localhost:9", "somebody", "s3cr3tpass")]
        )
    assert "s3cr3tpass" not in str(refused.value)
    await engine.pull(IMAGE, [])  # it is here, whatever its registry says


@pytest.mark.asyncio
async def test_a_container_is_held_tightly_logs_and_ends_with_a_status(engine: DockerEngine) -> None:
    script = (
        "echo hello $WHO; id -u; touch /etc/x 2>/dev/null || echo fixed root; touch /tmp/x && echo tmp;"
        "grep -E 'CapEff|NoNewPrivs' /proc/self/status; echo last >&2; exit 7"
    )
    most = Most(cpu=0.5, pids=99)
    await engine.run(spec(script, env={"WHO": "you"}, most=most))
    lines = await log(engine)
    assert "hello you" in lines
    assert "fixed root" in lines
    assert "tmp" in lines
    assert "CapEff:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert "last" in lines
    ended = await engine.wait(BOX)
    assert ended.code == 7
    assert ended.process.startswith("sh -c 'echo hello")
    assert sorted(await log(engine, follow=False)) == sorted(lines)  # readable until it is removed
    await engine.remove(BOX)


@pytest.mark.asyncio
async def test_commands_have_input_terminals_statuses_and_an_end(engine: DockerEngine) -> None:
    await engine.run(spec(SLEEP))
    assert await ran(engine, "sh", "-c", "cat; echo e >&2; exit 3", stdin=b"x" * 200_000) == (
        b"x" * 200_000,
        b"e\n",
        3,
    )
    assert (await ran(engine, "nosuchprogram"))[2] in (126, 127)
    command = await engine.exec(BOX, ["sh", "-c", "read x; stty size; exec sleep 600"], tty=True)
    await command.resize(101, 41)
    await command.write(b"go\n")
    seen = b""
    async for _, data in command.chunks():
        seen += data
        if b"41 101" in seen:
            break
    await command.write(b"\x03")
    async for _, data in command.chunks():
        seen += data
    assert await command.wait() == 130
    await command.aclose()
    command = await engine.exec(BOX, ["sh", "-c", "sleep 600 & sleep 600"], tty=False)
    await command.kill()
    assert [chunk async for chunk in command.chunks()] == []
    assert await command.wait() == 137
    await command.aclose()
    assert await ran(engine, "sh", "-c", "grep -c '^sleep' /proc/[0-9]*/comm | grep -c :1") == (
        b"1\n",
        b"",
        0,
    )


@pytest.mark.asyncio
async def test_stopping_asks_first_and_what_takes_too_much_is_killed(state_dir: Path) -> None:
    engine = await found(state_dir, memory="64MiB")
    try:
        await engine.run(spec("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"))
        lines = engine.logs(BOX, follow=True)
        assert await anext(lines) == "up"
        await engine.stop(BOX, force=False)
        assert [line async for line in lines] == ["bye"]
        assert (await engine.wait(BOX)).code == 0
        await engine.stop(BOX, force=True)  # it has ended
        await engine.remove(BOX)
        await engine.run(spec("head -c 300m /dev/zero | tail -c 300m | tail; exit 1"))
        assert (await engine.wait(BOX)).code != 0
    finally:
        await engine.aclose()


@pytest.mark.asyncio
async def test_files_of_the_room_and_single_files_are_there(engine: DockerEngine, state_dir: Path) -> None:
    room = state_dir / "room"
    room.mkdir()
    mounts = {"binds": (Bind(str(room), "/data"),), "files": (FileAt("/etc/app/conf", "set\n"),)}
    for writable in (False, True):
        script = "cat /etc/app/conf; echo kept > $MESHAGENT_DATA/note; touch /x 2>/dev/null && echo writable"
        await engine.run(spec(script, writable=writable, **mounts))
        assert await log(engine) == (["set", "writable"] if writable else ["set"])
        assert (room / "note").read_text() == "kept\n"
        await engine.remove(BOX)


@pytest.mark.asyncio
async def test_a_link_that_takes_the_place_of_a_folder_while_it_is_mounted_leads_nowhere(
    engine: DockerEngine, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, elsewhere = state_dir / "files", state_dir / "elsewhere"
    for folder, text in ((room / "docs", "the room's"), (elsewhere, "not the room's")):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(text)
    part = Bind(str(room / "docs"), "/docs", within=str(room))
    await engine.run(spec("cat /docs/a.txt; echo b > /docs/b.txt", binds=(part,)))
    assert (await engine.wait(BOX)).code == 0
    assert await log(engine) == ["the room's"]
    await engine.remove(BOX)
    # What is in it stays when the volume is removed of which it was a part.
    assert {one.name for one in (room / "docs").iterdir()} == {"a.txt", "b.txt"}
    created = engine._created

    async def exchanged(*given: Any) -> Any:
        container = await created(*given)
        (room / "docs").rename(room / "moved")
        (room / "docs").symlink_to(elsewhere)
        return container

    monkeypatch.setattr(engine, "_created", exchanged)
    with pytest.raises(EngineFailed, match="could not start"):
        await engine.run(spec("cat /docs/a.txt", binds=(part,)))
    assert (await engine._docker.volumes.list()).get("Volumes") in (None, [])


@pytest.mark.asyncio
async def test_a_port_is_reached_and_a_taken_one_is_said(engine: DockerEngine) -> None:
    running = await engine.run(spec(SLEEP, ports={8080: 0}))
    port = running.ports[8080]
    assert port > 0
    taken = RunSpec(id=BoxId("b1" * 16), name="other", image=IMAGE, argv=("true",), ports={8080: port})
    with pytest.raises(Conflict):
        await engine.run(taken)
    missing = RunSpec(id=BoxId("b2" * 16), name="no", image=IMAGE, argv=("nosuchprogram",))
    await engine.run(missing)  # its first process is the engine's, which says it
    ended = await engine.wait(missing.id)
    assert ended.code == 127
    assert "nosuchprogram" in ended.message


@pytest.mark.asyncio
async def test_what_a_dead_server_left_is_found_and_removed(engine: DockerEngine, state_dir: Path) -> None:
    (state_dir / "docs").mkdir()
    await engine.run(spec(SLEEP, binds=(Bind(str(state_dir / "docs"), "/docs", within=str(state_dir)),)))
    after = await found(state_dir)
    try:
        (state_dir / "boxes" / "old").mkdir(parents=True)
        assert await engine.reclaim() == 0  # its own goes on
        assert await after.reclaim() == 1
        assert list((state_dir / "boxes").iterdir()) == []
        assert (await engine.wait(BOX)).code != 0
        assert (await after._docker.volumes.list()).get("Volumes") in (None, [])
    finally:
        await after.aclose()


@pytest.mark.asyncio
async def test_a_start_that_is_given_up_while_the_engine_is_at_it_leaves_nothing(
    engine: DockerEngine, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_made, goes_on, create = asyncio.Event(), asyncio.Event(), engine._docker.containers.create

    async def late(*given: Any, **more: Any) -> Any:
        made = await create(*given, **more)
        is_made.set()
        await goes_on.wait()  # its answer is on the way
        return made

    monkeypatch.setattr(engine._docker.containers, "create", late)
    starting = asyncio.create_task(engine.run(spec(SLEEP)))
    await is_made.wait()
    starting.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    after = await found(state_dir)
    try:
        assert await after.reclaim() == 0
    finally:
        await after.aclose()


@pytest.mark.asyncio
async def test_an_engine_that_is_silent_or_away_is_waited_for_no_longer_than_set(state_dir: Path) -> None:
    path, over = state_dir / "engine.sock", asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_unix_server(silent, path)
    settings = ContainersSettings(answer_s=0.3)
    away = (
        rf"cannot be reached: Cannot connect to Docker Engine via unix://{path}: No such file or directory\."
    )
    for told in ("in time", away):
        with pytest.raises(EngineFailed, match=told):
            await find([f"unix://{path}"], settings, server_id="test", state=state_dir)
        over.set()
        server.close()
        path.unlink(missing_ok=True)
    await server.wait_closed()
