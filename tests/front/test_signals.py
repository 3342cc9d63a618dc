"""Signals of people who operate, sent to real servers below their init."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.front.test_server_process import BUNDLE, ROOT, Process
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BLOCKED = """
import time
from runtime.front.operator.by_signal.signals import Signals

def block(signals):
    print("blocking", flush=True)
    time.sleep(1000)

Signals._toggle_debug = block
"""


@dataclass
class Tree(Process):
    """An init with its server, and what they say."""

    log: list[dict[str, Any]] = field(default_factory=list)
    told: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, event: str, *, after: int = 0) -> dict[str, Any]:
        """The first line of that event, or that text, from line `after` on."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log[after:] if event in line["event"]]

        async with asyncio.timeout(20 * PATIENCE), self.told:
            await self.told.wait_for(found)
        return found()[0]

    @property
    def front(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        (front,) = (one for one in children if any("runtime.front" in part for part in one.cmdline()))
        return front

    async def ready(self) -> None:
        async with asyncio.timeout(30 * PATIENCE):
            while True:
                try:
                    if (await self.ask("GET", "/readyz")).status == 200:
                        return
                except (OSError, ValueError, EOFError, asyncio.IncompleteReadError):
                    pass
                await asyncio.sleep(0.02)


@asynccontextmanager
async def tree(
    tmp_path: Path,
    *,
    patch: str = "",
    argv: tuple[str, ...] = (),
    terminal: tuple[str, ...] = (),
    **flags: Any,
) -> AsyncIterator[Tree]:
    state = tmp_path / "state"
    (state / "server.json").unlink(missing_ok=True)
    work = {
        "flags": {"server.port": 0, "server.state_dir": str(state)}
        | {key.replace("__", "."): value for key, value in flags.items()},
        "sources": [str(tmp_path / "agents")],
    }
    front = f"{patch}\nimport sys; from runtime.front.__main__ import main; sys.exit(main(sys.argv[1:]))"
    program = (
        "import sys; from runtime.process.init.init import Init; "
        f"sys.exit(Init([sys.executable, '-c', {front!r}, {json.dumps(work)!r}]).run())"
    )
    process = await asyncio.create_subprocess_exec(
        *(argv or (sys.executable, "-c", *terminal, program)),
        env={**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    one = Tree(process, "")
    reading = asyncio.create_task(_read(one))
    try:
        one.url = (await one.until("server.started"))["url"]
        await one.until("server.loaded")
        yield one
    finally:
        if process.returncode is None:
            for each in psutil.Process(process.pid).children():
                each.kill()
            process.terminate()
        await process.wait()
        await reading


async def _read(one: Tree) -> None:
    assert one.process.stdout is not None
    async for line in one.process.stdout:
        try:
            said = json.loads(line)
        except ValueError:
            said = {"event": line.decode().rstrip()}
        async with one.told:
            one.log.append(said)
            one.told.notify_all()


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "one.py").write_text(BUNDLE)
    return folder


async def _states(one: Tree) -> dict[str, tuple[int, str]]:
    workers = (await one.ask("GET", "/workers?all=1")).json["workers"]
    return {worker["id"]: (worker["pid"], worker["state"]) for worker in workers}


@pytest.mark.parametrize("to", ["init", "front"])
async def test_no_operators_signal_ends_a_session_and_each_does_its_work(
    tmp_path: Path, agents: Path, to: str
) -> None:
    async with tree(tmp_path, server__watch=False) as one:
        await one.call("/quick", Prefer="wait=20")
        before = await _states(one)
        send: Callable[[int], None] = (one.process if to == "init" else one.front).send_signal

        (agents / "more.py").write_text(BUNDLE.replace("quick", "later").replace("slow", "never"))
        mark = len(one.log)
        send(signal.SIGHUP)
        loaded = await one.until("bundle.loaded", after=mark)
        assert loaded["bundle"] == "more"

        (agents / "one.py").write_text(BUNDLE + "\n# changed\n")
        mark = len(one.log)
        send(signal.SIGHUP)
        assert (await one.until("bundle.loaded", after=mark))["bundle"] == "one"

        send(signal.SIGUSR1)
        written = await one.until("front.stacks_written")
        assert written["threads"] >= 1
        assert written["tasks"] >= 3
        told = [line for line in one.log if line["event"] == "front.thread"]
        assert any(line["thread"] == "MainThread" and "run_until_complete" in line["stack"] for line in told)
        assert any("_beat" in line["stack"] for line in one.log if line["event"] == "front.task")

        send(signal.SIGUSR2)
        assert (await one.until("log.level_changed"))["level_now"] == "debug"
        mark = len(one.log)
        send(signal.SIGUSR2)
        assert (await one.until("log.level_changed", after=mark))["level_now"] == "info"

        assert await _states(one) == before
        assert not [line for line in one.log if line["event"] == "session.exited"]
        code, _ = await one.end(signal.SIGTERM)
        assert code in (0, 143)


async def test_quit_drains(tmp_path: Path, agents: Path) -> None:
    async with tree(tmp_path) as one:
        sid = await one.call("/quick", Prefer="wait=20")
        code, _ = await one.end(signal.SIGQUIT)
        assert code == 0
        assert (await one.until("drain.finished"))["sessions"] == 1
        ended = await one.until("session.exited")
        assert (ended["session_id"], ended["reason"]) == (sid, "drained")


async def test_signals_in_the_first_moments_wait_for_a_server_that_can_take_them(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path, patch="import os, signal; os.kill(os.getppid(), signal.SIGHUP)") as one:
        await one.until("server.reloading")
        assert not [line for line in one.log if "killed" in line["event"]]


# What a shell does: a session of the terminal, in which `nohup` ignores its end.
ON_A_TERMINAL = """
import os, signal, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[2] == "nohup" else signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3]])
"""


@pytest.mark.parametrize("how", ["nohup", ""])
async def test_a_server_of_nohup_outlives_its_terminal_and_another_ends_in_order(
    tmp_path: Path, agents: Path, how: str
) -> None:
    ours, theirs = os.openpty()
    terminal = (ON_A_TERMINAL, os.ttyname(theirs), how)
    async with tree(tmp_path, terminal=terminal) as one:
        os.close(theirs)
        sid = await one.call("/quick", Prefer="wait=20")
        front, before = one.front.pid, await _states(one)
        mark = len(one.log)
        os.close(ours)  # the kernel tells the init, and the init its front
        if how == "nohup":
            await one.until("server.reloading", after=mark)
            one.front.send_signal(signal.SIGHUP)  # as a shell does, which tells all of its jobs
            mark = len(one.log)
            assert await _states(one) == before
            one.front.send_signal(signal.SIGUSR2)
            await one.until("log.level_changed", after=mark)
            assert one.front.pid == front
            assert not [line for line in one.log if line["event"] in ("session.exited", "server.stopping")]
        else:
            ended = await one.until("session.exited")
            assert (ended["session_id"], ended["reason"]) == (sid, "drained")
            async with asyncio.timeout(20 * PATIENCE):
                await one.process.wait()


async def test_a_log_that_was_moved_away_is_opened_again(tmp_path: Path, agents: Path) -> None:
    log = tmp_path / "server.log"
    program = (
        "import os, sys; from runtime.process.init.init import Init; "
        f"fd = os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND); os.dup2(fd, 1); "
        "os.dup2(fd, 2); "
        f"sys.exit(Init([sys.executable, '-m', 'runtime.front', {_work(tmp_path)!r}]).run())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path
    )
    try:
        await _has(log, "server.started")
        moved = log.rename(tmp_path / "server.log.1")
        process.send_signal(signal.SIGHUP)
        await _has(log, "server.reloading")
        process.send_signal(signal.SIGTERM)
        await process.wait()
        assert "server.stopped" in log.read_text()
        assert "server.stopped" not in moved.read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _work(tmp_path: Path) -> str:
    flags = {"server.port": 0, "server.state_dir": str(tmp_path / "state"), "server.watch": False}
    return json.dumps({"flags": flags, "sources": [str(tmp_path / "agents")]})


async def _has(file: Path, text: str) -> None:
    async with asyncio.timeout(30 * PATIENCE):
        while not file.exists() or text not in file.read_text():
            await asyncio.sleep(0.02)


async def test_a_server_that_was_stopped_is_told_killed_and_started_again(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path, server__hang_s=4) as one:
        old = one.front
        mark = len(one.log)
        old.suspend()
        assert "a signal stopped it" in (await one.until("has not answered for"))["event"]
        await one.until("starting it again")
        one.url = (await one.until("server.started", after=mark))["url"]
        assert one.front.pid != old.pid
        await one.ready()
        code, _ = await one.end(signal.SIGTERM)
        assert code == 0


async def test_a_server_whose_loop_is_blocked_says_where_before_it_is_killed(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path, patch=BLOCKED, server__hang_s=4) as one:
        mark = len(one.log)
        one.process.send_signal(signal.SIGUSR2)
        assert "its event loop is blocked" in (await one.until("has not answered for"))["event"]
        await one.until("where the server stands still")
        # The log has it too: the handler ran within the blocking call.
        assert any("in block" in line.get("stack", "") for line in one.log)
        await one.until("starting it again")
        await one.until("server.started", after=mark)


async def test_a_server_that_was_stopped_ends_in_order_when_it_is_asked_to(
    tmp_path: Path, agents: Path
) -> None:
    async with tree(tmp_path) as one:
        await one.call("/quick", Prefer="wait=20")
        one.front.suspend()
        code, took_s = await one.end(signal.SIGTERM)
        assert code == 0
        assert took_s < 15 * PATIENCE
        assert (await one.until("session.exited"))["reason"] == "drained"


async def test_a_blocked_server_is_killed_when_its_end_takes_too_long(tmp_path: Path, agents: Path) -> None:
    async with tree(tmp_path, patch=BLOCKED, server__hang_s=3600, server__drain_s=1) as one:
        one.process.send_signal(signal.SIGUSR2)
        await one.until("blocking")
        process, began = one.process, time.monotonic()
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30 * PATIENCE):
            assert await process.wait() == 128 + signal.SIGKILL
        assert time.monotonic() - began < 14 * PATIENCE
        assert psutil.wait_procs(family, timeout=5)[1] == []
