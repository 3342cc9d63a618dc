"""What a session finds of what its node enters the engine with, in files and in processes: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve

from runtime.front.home import contents
from runtime.placement.cluster.engine.joining import Membership, Reception
from runtime.session.spec import new_session_id
from tests.patience import PATIENCE
from tests.placement.cluster.test_over_the_engine import spec_at

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SPY = """
    def ancestors():
        pid = os.getpid()
        while pid > 1:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{pid}/cmdline") as file:
                if "runtime" not in (words := file.read()) or "bin/pytest" in words:
                    return
            yield pid, words

    def tried(path):
        try:
            with open(path, "rb") as file:
                return f"{len(file.read(10))} bytes"
        except OSError as error:
            return f"refused {error.errno}"

    def command_lines():
        for one in os.listdir("/proc"):
            try:
                with open(f"/proc/{one}/cmdline", errors="replace") as file:
                    yield file.read()
            except OSError:
                pass

    @service.path("/x")
    class Spy(Base):
        async def start(self, *, room):
            await super().start(room=room)
            print("file", tried(os.path.join(os.path.dirname(__file__), "..", "spied", "node.json")))
            for pid, words in ancestors():
                if "worker" not in words:
                    for what in ("environ", "mem", "fd/0"):
                        print("node", what, tried(f"/proc/{pid}/{what}"))
            lines = list(command_lines())
            print("lines", *(any(word in one for one in lines) for word in ("n9", "TOKEN")))
            print("own", any(name.startswith("BULKHEAD_JOIN") for name in os.environ), flush=True)
"""


async def test_a_session_reads_no_file_and_no_process_that_has_its_nodes_password(
    site: Any, node: Any, tmp_path: Path
) -> None:
    await Reception(site.home, site.process).start(await site.as_user("front"))
    state = tmp_path / "spied"
    token = site.home.token("127.0.0.1", site.process.port)
    node.write("x.py", SPY.replace("TOKEN", token))
    words = [sys.executable, "-m", "runtime", "node", str(node.folder), "--id", "n9", "--no-watch"]
    program = subprocess.Popen(
        [*words, "--state-dir", str(state), "--join", token],
        env={**os.environ, "BULKHEAD_JOIN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with site.front() as front, serve(node._connected, "127.0.0.1", 0) as rooms:
            node.port = next(iter(rooms.sockets)).getsockname()[1]
            await front.placement.adopt([])
            await front.served("/x")
            assert Membership.kept(state / contents.NODE) is not None  # it is there to be read
            session = new_session_id()
            await front.placement.place(spec_at(node, session), 1)
            await front.ready(session)
            lines: list[str] = []
            async with asyncio.timeout(30 * PATIENCE):
                while not any(line.startswith("own") for line in lines):
                    lines = [line.text for line in await front.placement.log_lines(session)]
                    await asyncio.sleep(0.05)
    finally:
        program.send_signal(signal.SIGTERM)
        await asyncio.to_thread(program.wait, 30 * PATIENCE)
    assert {"file refused 13", "own False", "lines True False"} <= {*lines}, lines
    spied = [line for line in lines if line.startswith("node ")]
    assert len(spied) >= 6, lines  # the node's program and its init
    assert all(line.split(" ", 2)[2].startswith("refused") for line in spied), lines
