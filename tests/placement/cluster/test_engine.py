"""Who may say what on the engine; and who may join it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.clock import SystemClock
from runtime.errors import ConfigError, Conflict, NotFound
from runtime.front.server import Server
from runtime.placement.cluster import opening
from runtime.placement.cluster.engine import home
from runtime.placement.cluster.engine.connection import Access, Engine, NoAnswer, NobodyThere, connected
from runtime.placement.cluster.engine.home import EngineHome, EngineProcess
from runtime.placement.cluster.engine.joining import Membership, Reception, join, joined_again, remove
from runtime.placement.cluster.opening import access_of, address_of
from runtime.settings import load_settings
from runtime.settings.cluster import ClusterSettings
from runtime.tasks import cancelled
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import free_port

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_node_speaks_for_itself_alone_and_hears_nobody_else(site: Any) -> None:
    front, node, other = [await site.as_user(name) for name in ("front", "n1", "n2")]
    heard: list[str] = []
    done = asyncio.Event()

    async def hear(subject: str, data: bytes) -> bytes | None:
        heard.append(subject)
        if data == b"last":
            done.set()
        return b"yes"

    subjects = site.home.subjects
    await front.listen("bh.main.>", hear)
    await other.listen(subjects.do("n2"), hear)
    spied: list[str] = []

    async def spy(subject: str, data: bytes) -> None:
        spied.append(subject)

    for subject in (subjects.do("n2"), subjects.events("f1"), subjects.beat("n2"), "_INBOX_front.>", ">"):
        await node.listen(subject, spy)
    forged = (subjects.do("n2"), subjects.beat("n2"), subjects.events("f1", "n2"), subjects.front_beat("f1"))
    for subject in (*forged, subjects.join(), subjects.read("n2")):
        await node.publish(subject, b"forged")
    assert await front.ask(subjects.do("n2"), b"", 10 * PATIENCE) == b"yes"
    with pytest.raises(NoAnswer):
        await node.ask(subjects.do("n2"), b"forged", 0.3)
    assert node._client is not None
    await node._client.publish(subjects.beat("n1"), b"", reply=subjects.do("n2"))
    await node.publish(subjects.events("f1", "n1"), b"last")
    async with asyncio.timeout(10 * PATIENCE):
        await done.wait()
    mine = [subjects.beat("n1"), subjects.events("f1", "n1")]
    assert [subject for subject in heard if subject != subjects.do("n2")] == mine
    assert heard.count(subjects.do("n2")) <= 2  # the front's question, and what it overheard of it
    assert spied == []
    assert await front.ask(subjects.do("n2"), b"", 10 * PATIENCE) == b"yes"
    assert heard.count(subjects.do("n2")) <= 4  # nor did the front answer there for the node


async def test_nobody_is_let_in_without_a_user_and_nobody_there_is_told_at_once(site: Any) -> None:
    with pytest.raises(ConfigError, match="does not let n1 in"):
        await connected(await _stranger(site), 0.1)
    front = await site.as_user("front")
    with pytest.raises(NobodyThere):
        await front.ask(site.home.subjects.do("gone"), b"", 30.0)


async def test_who_waits_for_an_answer_hears_at_once_that_the_engine_is_lost(site: Any) -> None:
    front, node = await site.as_user("front"), await site.as_user("n1")
    asked = asyncio.Event()

    async def never(_: str, __: bytes) -> bytes | None:
        asked.set()
        return None

    subject = site.home.subjects.do("n1")
    await node.listen(subject, never)
    asking = asyncio.create_task(front.ask(subject, b"", 600 * PATIENCE))
    async with asyncio.timeout(30 * PATIENCE):
        while not asked.is_set():  # until the engine knows who listens
            if asking.done():
                asking = asyncio.create_task(front.ask(subject, b"", 600 * PATIENCE))
            await asyncio.sleep(0.02)
        site.process._handle.send(signal.SIGKILL)
        with pytest.raises(NoAnswer, match="lost before"):
            await asking


async def test_who_waits_for_a_connection_no_more_leaves_none_behind() -> None:
    is_open, is_over = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1024}\r\n')
        while await reader.readline():
            is_open.set()
        is_over.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connecting = asyncio.create_task(Engine(Access(url=f"nats://127.0.0.1:{port}"), name="n1").connect())
    try:
        async with asyncio.timeout(10 * PATIENCE):
            await is_open.wait()
            await cancelled(connecting)
            await is_over.wait()
    finally:
        server.close()


async def _stranger(site: Any) -> Any:
    access = site.home.access(site.process.port)
    await site.as_user("front")  # it listens
    return Engine(Access(url=access.url, user="n1", password="wrong", ca=access.ca), name="n1")


async def test_a_machine_joins_with_a_token_and_has_a_user_of_its_own_from_then_on(
    site: Any, tmp_path: Path
) -> None:
    front = await site.as_user("front")
    await Reception(site.home, site.process).start(front)
    token = site.home.token("127.0.0.1", site.process.port)
    member = await join(token, "n7")
    member.keep(tmp_path / "node.json")
    assert (tmp_path / "node.json").stat().st_mode & 0o077 == 0
    assert Membership.kept(tmp_path / "node.json") == member
    engine = await site.as_user("n7", member.access.password)
    assert engine.is_connected
    assert EngineHome.opened(site.folder, cluster="main").nodes == ["local", "n1", "n2", "n7"]
    with pytest.raises(ConfigError, match="there is a node n7"):
        await join(token, "n7")
    with pytest.raises(ConfigError, match="no name for a node"):
        await join(token, "n.7")
    mark = token.split("@")[0].split(".")[-1]
    with pytest.raises(ConfigError, match="not the one of this token"):
        await join(token.replace(mark, "0" * 64), "n8")
    with pytest.raises(ConfigError, match="does not take this token"):
        await join(token.replace(token.split(".")[1], "x" * 32), "n8")
    with pytest.raises(ConfigError, match="no join token"):
        await join("bh1:nonsense", "n8")
    assert member.at(token) == member
    moved = member.at(token.replace("127.0.0.1", "10.0.0.9"))  # the engine has another address now
    assert moved.access.url == member.access.url.replace("127.0.0.1", "10.0.0.9")
    assert (moved.access.password, moved.access.ca) == (member.access.password, member.access.ca)
    with pytest.raises(ConfigError, match=r"n7 of the engine at 127.*, and the token is of another"):
        member.at(token.replace(mark, "0" * 64))
    assert EngineHome.opened(site.folder, cluster="main").listen == f"127.0.0.1:{site.process.port}"


async def test_a_node_that_is_removed_is_cut_off_and_its_name_is_free(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = list[str]()
    reception = Reception(site.home, site.process, lambda: renewed.append(site.home.token("127.0.0.1", port)))
    await reception.start(await site.as_user("front"))
    port = site.process.port
    token = site.home.token("127.0.0.1", port)
    member = await join(token, "n7")
    engine = await site.as_user("n7", member.access.password)
    elsewhere = EngineHome.opened(site.folder, cluster="main")  # another process: who is at the server
    with pytest.raises(NotFound, match="there is no node n9"):
        await remove(elsewhere, port, "n9")
    with capture_logs() as lines:
        await remove(elsewhere, port, "n7")
        async with asyncio.timeout(30 * PATIENCE):
            while "engine.lets_not_in" not in [line["event"] for line in lines]:
                await asyncio.sleep(0.02)
            with monkeypatch.context() as quick:
                quick.setattr("runtime.placement.cluster.engine.connection.PATIENT_S", 0.1)
                with pytest.raises(ConfigError, match="does not let n7 in"):
                    await connected(Engine(member.access, name="n7"), 0.7)
    assert not engine.is_connected
    assert [line["cure"] for line in lines if line["event"] == "engine.awaited"] == [
        "Ask its server for another join token: bulkhead nodes token."
    ]
    assert EngineHome.opened(site.folder, cluster="main").nodes == ["local", "n1", "n2"]
    with pytest.raises(ConfigError, match="does not take this token"):
        await join(token, "n8")  # who was sent away may have kept it
    (other,) = renewed
    again = await joined_again(member, other)
    assert again.access.password != member.access.password
    assert await joined_again(again, token) == again  # an old token is no harm to who is let in


async def test_a_node_is_removed_also_while_no_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.placement.cluster.engine.connection.CONNECT_S", 0.1)
    home = EngineHome.opened(tmp_path, cluster="main")
    home.admit("n1", "w" * 43)
    await remove(home, free_port(), "n1")
    assert EngineHome.opened(tmp_path, cluster="main").nodes == []


async def test_an_engine_whose_port_is_taken_is_told_as_that(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[EngineProcess]()

    class Seen(EngineProcess):
        async def start(self) -> None:
            started.append(self)
            await super().start()

    async def refused(_: Engine) -> None:
        while not started[0].ends:
            await asyncio.sleep(0.02)
        raise ConfigError("nobody is let in")

    monkeypatch.setattr(opening, "EngineProcess", Seen)
    monkeypatch.setattr(opening, "connected", refused)
    await site.as_user("front")  # the other one listens
    settings = ClusterSettings(listen=f"127.0.0.1:{site.process.port}")
    async with AsyncExitStack() as parts:
        with pytest.raises(ConfigError, match="something else listens") as told:
            await opening.opened(settings, folder=tmp_path / "other", clock=SystemClock(), parts=parts)
    assert "cluster.listen" in told.value.cure


@pytest.mark.usefixtures("site")  # skips where there is no engine
async def test_a_server_that_is_asked_to_end_while_it_starts_leaves_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("runtime.front.server.open_boxes", never)  # what is opened after the engine
    port, before = free_port(), asyncio.all_tasks()
    flags = {"cluster.nodes": True, "cluster.listen": f"127.0.0.1:{port}"}
    flags |= {"server.port": 0, "server.state_dir": tmp_path / "state"}
    starting = asyncio.create_task(Server(load_settings(flags=flags), [], owns_process=False).start())
    async with asyncio.timeout(30 * PATIENCE):
        await reached.wait()
    await cancelled(starting)
    assert asyncio.all_tasks() == before
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_connection_is_closed_also_where_the_engine_stands_still(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.placement.cluster.engine.connection.CLOSE_S", 0.1)
    engine = await site.as_user("n1")
    site.process._handle.send(signal.SIGSTOP)
    try:
        async with asyncio.timeout(15):  # an end of TLS is waited for for 30 s
            await engine.aclose()
    finally:
        site.process._handle.send(signal.SIGCONT)


@pytest.mark.usefixtures("site")  # skips where there is no engine
async def test_an_engine_that_cannot_be_started_for_a_moment_is_started_later(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_MOST_AGAIN_S", 0.05)
    program, site.process._program = site.process._program, "/nowhere/nats-server"
    with capture_logs() as logs:
        site.process._handle.send(signal.SIGKILL)
        async with asyncio.timeout(10 * PATIENCE):
            while not any(one["event"] == "engine.not_started" for one in logs):
                await asyncio.sleep(0.02)
    site.process._program = program
    assert (await site.as_user("front")).is_connected


async def test_no_line_of_the_log_has_what_machines_join_with(tmp_path: Path) -> None:
    settings = ClusterSettings(listen=f"127.0.0.1:{free_port()}")
    with capture_logs() as lines:
        async with AsyncExitStack() as parts:
            await opening.opened(settings, folder=tmp_path / "own", clock=SystemClock(), parts=parts)
    assert "cluster.opened" in [line["event"] for line in lines]
    kept = json.loads((tmp_path / "own" / "engine.json").read_text())
    assert kept["join"] not in repr(lines)


async def test_what_is_wrong_with_an_address_or_a_kept_file_is_said(tmp_path: Path) -> None:
    assert Membership.kept(tmp_path / "none") is None
    (tmp_path / "bad").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        Membership.kept(tmp_path / "bad")
    access = access_of("nats://me:se%40cret@h:4222")
    assert (access.url, access.user, access.password) == ("nats://h:4222", "me", "se@cret")
    assert "se@cret" not in repr(access)
    with pytest.raises(ConfigError, match="no address of an engine"):
        access_of("http://h")
    assert address_of("[::]:4222") == ("[::]", 4222)
    with pytest.raises(ConfigError, match="4222"):
        address_of("4222")
    home = EngineHome.opened(tmp_path / "c", cluster="main")
    with pytest.raises(Conflict, match="no node can be called front"):
        home.admit("front", "w" * 43)
    with pytest.raises(Conflict):
        home.admit("n1", "w" * 1_000_000)
    assert home.admit("n1", "w" * 43)
    assert not home.admit("n1", "w" * 43)
    home.remove("n1")
    with pytest.raises(NotFound, match="there is no node n1"):
        home.remove("n1")


async def test_a_node_that_starts_loads_nothing_before_its_first_beat_that_it_does_not_need() -> None:
    lines = (
        "import sys",
        "import runtime.cli.serve.node_program",
        "from runtime.placement.cluster.engine import connection",
        "connection._nats()",
        "print(*{'aiohttp', 'runtime.placement.cluster.remote', 'runtime.placement.local'} & {*sys.modules})",
    )
    words = [sys.executable, "-c", "\n".join(lines)]
    ran = await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True, text=True)
    assert ran.stdout == "\n"
