"""A node in a network of its own that is cut off in one direction: real processes, a real lease."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import NoAnswer, NobodyThere
from runtime.placement.cluster.engine.home import EngineProcess
from runtime.placement.cluster.engine.joining import Reception
from runtime.session.events import Exited, Started
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionSpec, new_session_id
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import free_port
from tests.placement.cluster.test_over_the_engine import PLAIN, is_gone

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

LEASE_S = 2.0


@dataclass(frozen=True)
class Wire:
    """Two ends of a wire, one of them in a network namespace."""

    space: str
    link: str
    here: str
    there: str

    def cut(self, way: str, *, cut: bool) -> None:
        """Cut it, or mend it, ``from`` or ``to`` the node."""
        word = "add" if cut else "del"
        if way == "from":
            ip("-n", self.space, "route", word, "blackhole", f"{self.here}/32")
        else:
            ip("route", word, "blackhole", f"{self.there}/32")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def wire() -> Iterator[Wire]:
    number = os.getpid() % 250 + 1
    made = Wire(f"bh{os.getpid()}", f"bh{os.getpid()}", f"10.213.{number}.1", f"10.213.{number}.2")
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("CUT NETWORKS NOT TESTED: it takes root and ip (apt-get install iproute2)")
    try:
        ip("netns", "add", made.space)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"CUT NETWORKS NOT TESTED: no network namespace: {error.stderr.strip()}")
    try:
        ip("link", "add", made.link, "type", "veth", "peer", "name", "up0", "netns", made.space)
        ip("addr", "add", f"{made.here}/30", "dev", made.link)
        ip("link", "set", made.link, "up")
        ip("-n", made.space, "addr", "add", f"{made.there}/30", "dev", "up0")
        for name in ("up0", "lo"):
            ip("-n", made.space, "link", "set", name, "up")
        yield made
    except subprocess.CalledProcessError as error:
        pytest.skip(f"CUT NETWORKS NOT TESTED: {error.cmd}: {error.stderr.strip()}")
    finally:
        subprocess.run(["ip", "link", "del", made.link], capture_output=True)
        subprocess.run(["ip", "netns", "del", made.space], capture_output=True)


async def answers(front: Any) -> bool:
    """Whether the node is back: heard, and hearing."""
    try:
        await front.placement._follower.ask("cut", say.Surface())
    except (NobodyThere, NoAnswer):
        return False
    return bool(front.placement._follower.live.state("cut") == "ready")


@pytest.mark.timeout(180)
async def test_a_node_that_is_cut_off_ends_its_sessions_before_they_are_anybody_elses(
    site: Any, node: Any, wire: Wire, tmp_path: Path
) -> None:
    node.write("x.py", PLAIN)
    await site.process.aclose()
    site.process = EngineProcess(site.home, host="0.0.0.0", port=free_port())
    await site.process.start()
    await Reception(site.home, site.process).start(await site.as_user("front"))
    token = site.home.token(wire.here, site.process.port)
    words = [sys.executable, "-m", "runtime", "node", str(node.folder), "--id", "cut", "--no-watch"]
    words += ["--state-dir", str(tmp_path / "cut"), "--join", token]
    async with site.front(lease_s=LEASE_S) as front, serve(node._connected, wire.here, 0) as rooms:
        node.port = next(iter(rooms.sockets)).getsockname()[1]
        await front.placement.adopt([])
        program = subprocess.Popen(
            ["ip", "netns", "exec", wire.space, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await front.served("/x")
            for way in ("to", "from"):
                session = new_session_id()
                spec = SessionSpec(
                    session_id=session,
                    bundle="x",
                    endpoint="/x",
                    identity="agent",
                    room="r",
                    room_url=f"ws://{wire.here}:{node.port}/rooms/r",
                    token=node.hub.token("r", "agent"),
                )
                await front.placement.place(spec, 1)
                await front.ready(session)
                pid = (await front.event(session, Started)).pid
                wire.cut(way, cut=True)
                ended = await front.event(session, Exited)
                assert is_gone(pid), way
                assert ended.exit.reason is ExitReason.NODE_LOST
                wire.cut(way, cut=False)
                async with asyncio.timeout(30 * PATIENCE):
                    while not await answers(front):
                        await asyncio.sleep(0.1)
        finally:
            program.send_signal(signal.SIGTERM)
            await asyncio.to_thread(program.wait, 30 * PATIENCE)
