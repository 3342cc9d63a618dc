"""What a program has around ``service.run()`` ends once, in the session's process, and within a bound."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.session.exit_reasons import ExitReason

PROGRAM = """
    import asyncio, atexit, os, time
    from meshagent.api.services import ServiceHost
    service = ServiceHost()
    STORY = {story!r}

    def say(what):
        with open(STORY, "a") as file:
            print(os.getpid(), what, file=file)

    @service.path("/x", identity="x")
    class X:
        async def start(self, *, room):
            print("pid", os.getpid(), flush=True)
        async def stop(self):
            pass
"""
AROUND = """
    atexit.register(say, "at exit")
    try:
        asyncio.run(service.run())
    finally:
        say("finally")
"""

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_only_sessions_end_the_program_never_a_parked_worker_nor_a_zygote(
    make_node: Callable[..., Any], tmp_path: Any
) -> None:
    node = make_node(max_parked=2)
    story = node.given / "story.txt"
    node.write("x.py", PROGRAM.format(story=str(story)) + AROUND, preamble="")
    try:
        await node.start()
        pids = []
        for number in range(2):
            session_id = await node.ready("/x", room=f"room{number}")
            pids.append(node.pid(session_id))
            await node.placement.stop(session_id, ExitReason.STOPPED)
            await node.exited(session_id)
        await node.ready("/x")  # so that others are parked when all of it goes, this one with it
    finally:
        await node.close()
    told = story.read_text().splitlines()
    for pid in pids:
        assert [line for line in told if line.startswith(f"{pid} ")] == [f"{pid} finally", f"{pid} at exit"]
    assert len({line.split()[0] for line in told}) <= 3, told  # nobody but the three sessions


@pytest.mark.parametrize("what", ["atexit.register(time.sleep, 60)", "atexit.register(print)"])
async def test_a_teardown_has_a_bound(node: Any, tmp_path: Any, what: str) -> None:
    is_slow = "sleep" in what
    body = f"\n    {what}\n    asyncio.run(service.run())\n"
    node.write("x.py", PROGRAM.format(story=str(node.given / "story.txt")) + body, preamble="")
    await node.start()
    session_id = await node.ready("/x")
    began = asyncio.get_running_loop().time()
    await node.placement.stop(session_id, ExitReason.STOPPED)
    ended = await node.exited(session_id)
    took_s = asyncio.get_running_loop().time() - began
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.STOPPED, 0)
    cut = [line for line in node.lines(session_id) if "did not end within 5 s after its session" in line]
    assert len(cut) == is_slow
    assert (took_s > 4) == is_slow


STUBBORN = """
    import sys
    async def stay():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()
    async def start(self, *, room):
        asyncio.get_running_loop().call_later(0.1, sys.exit, 8)
        self.task = asyncio.create_task(stay())
    X.start = start
    asyncio.run(service.run())
"""


async def test_an_exit_is_not_kept_from_happening_by_a_task(node: Any, tmp_path: Any) -> None:
    node.write("x.py", PROGRAM.format(story=str(node.given / "story.txt")) + STUBBORN, preamble="")
    await node.start()
    ended = await node.exited(await node.ready("/x"))
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.EXIT, 8)


@pytest.mark.parametrize("fork", ["auto", "never"])
async def test_an_agent_may_exit_where_the_program_has_no_last_line(
    node: Any, tmp_path: Any, fork: str
) -> None:
    story = node.given / "story.txt"
    exits = """
    X.stop = lambda self: sys.exit(7)
    import sys
    atexit.register(say, "at exit")
"""
    node.write("x.py", PROGRAM.format(story=str(story)) + exits, preamble="")
    (node.folder / "x.toml").write_text(f'fork = "{fork}"\n')
    await node.start()
    session_id = await node.ready("/x")
    pid = node.pid(session_id)
    await node.placement.stop(session_id, ExitReason.STOPPED)
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.STOPPED, 7)
    assert story.read_text().splitlines() == [f"{pid} at exit"]


AROUND_A_LOOP = """
    class Client:
        def __init__(self):
            self.loop = asyncio.get_running_loop()

    async def tick():
        while True:
            await asyncio.sleep(0.01)

    client = None

    async def main():
        global client
        client = Client()
        ticking = asyncio.create_task(tick())
        await service.run()

    asyncio.run(main())
"""


async def test_what_is_bound_to_the_programs_loop_is_told_with_its_line(node: Any, tmp_path: Any) -> None:
    program = PROGRAM.format(story=str(node.given / "story.txt")) + AROUND_A_LOOP
    path = node.write("x.py", program, preamble="")
    with capture_logs() as logs:
        await node.start()
    (told,) = [line for line in logs if line["event"] == "bundle.not_forkable"]
    lines = path.read_text().splitlines()
    tick = lines.index("async def tick():") + 1
    assert told["opened"][0].startswith(f"the task tick (which is at x.py:{tick}"), told["opened"]
    assert any("Client, which is bound to its event loop" in one and "x.py:" in one for one in told["opened"])
    assert "Create it in the agent's start" in told["cure"]
    assert "Make it in the agent's start" in told["cure"]
    assert (await node.printed(await node.ready("/x"), "pid")) != f"pid {os.getpid()}"
