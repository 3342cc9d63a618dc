"""Workers that say nothing: told apart, seen with their line, ended; and those not to be taken for one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from runtime.session.cures.of_ends import IN_ITS_START, Case, cure_for
from runtime.session.events import Exited, Ready, Warned
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SIBLING = """
    @service.path("/sibling", identity="sibling")
    class Sibling(Base):
        pass
"""
HANGS = """
    import ctypes
    class Hanging(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(0.2, self.hang)

    @service.path("/sleep", identity="sleep")
    class Sleep(Hanging):
        def hang(self):
            time.sleep(60)  # sleep

    @service.path("/held", identity="held")
    class Held(Hanging):
        def hang(self):
            buffer = ctypes.create_string_buffer(1)
            # With the interpreter's lock held, in a call that goes on after a signal.
            ctypes.PyDLL(None).read(os.pipe()[0], buffer, 1)

    @service.path("/spin", identity="spin")
    class Spin(Hanging):
        def hang(self):
            while True:
                pass
"""


@pytest_asyncio.fixture
async def quick(make_node: Callable[..., Any]) -> AsyncIterator[Any]:
    """A node that takes a silence of half a second for a hang."""
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.5, hang_kill_s=1.2)
    node.write("bundle.py", SIBLING + HANGS)
    yield node
    await node.close()


def warnings(node: Any, session_id: Any) -> list[Warned]:
    return [e for e in node.seen if isinstance(e, Warned) and e.session_id == session_id]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/sleep", "blocked"), ("/held", "blocked"), ("/spin", "busy without a break")],
)
async def test_a_hang_is_told_with_its_line_and_then_ended(quick: Any, path: str, kind: str) -> None:
    await quick.start()
    sibling = await quick.ready("/sibling")
    ended = await quick.exited(await quick.ready(path))
    assert ended.exit.reason is ExitReason.HANG
    assert ended.exit.message.startswith(f"{kind} for 1.")
    assert "bundle.py:" in ended.exit.message
    assert ended.exit.message.endswith("in hang")
    (warning,) = warnings(quick, ended.session_id)
    assert warning.kind == "hang"
    assert warning.message.startswith(f"is {kind} for 0.")
    assert "in hang" in warning.message
    assert "in hang" in warning.stack
    assert psutil.pid_exists(quick.pid(sibling))
    assert not warnings(quick, sibling)


TASKS = """
    import ctypes, queue
    class Busy(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.poll(), name="news")
            self.other = asyncio.create_task(self.block(), name="blocker")
        async def poll(self):
            await asyncio.Event().wait()
        async def block(self):
            await asyncio.sleep(0.2)
            self.hang()

    @service.path("/sleep", identity="sleep")
    class Sleep(Busy):
        def hang(self):
            time.sleep(600)

    @service.path("/spin", identity="spin")
    class Spin(Busy):
        def hang(self):
            while True:
                pass

    @service.path("/queue", identity="queue")
    class Queue(Busy):
        def hang(self):
            queue.Queue().get()

    @service.path("/taken", identity="taken")
    class Taken(Busy):
        def hang(self):
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1}:
                signal.signal(number, signal.SIG_DFL)
            time.sleep(600)

    @service.path("/held", identity="held")
    class Held(Busy):
        def hang(self):
            ctypes.PyDLL(None).read(os.pipe()[0], ctypes.create_string_buffer(1), 1)
"""


async def stacks_with(node: Any, session_id: Any, *wanted: str) -> str:
    """Its stacks, asked for until they show what is to be seen in the end."""
    async with asyncio.timeout(30 * PATIENCE):
        while True:
            text: str = await node.placement.stacks(session_id) or ""
            if all(one in text for one in wanted):
                return text
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", ["/sleep", "/spin", "/queue"])
async def test_what_its_tasks_wait_for_is_told_while_its_loop_is_blocked(
    make_node: Callable[..., Any], path: str
) -> None:
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.5, hang_kill_s=3.0)
    node.write("bundle.py", TASKS)
    await node.start()
    try:
        session_id = await node.ready(path)
        await stacks_with(
            node, session_id, "Task blocker is running", "Task news waits for Future", "in hang"
        )
        ended = await node.exited(session_id)
        assert ended.exit.reason is ExitReason.HANG
        assert [task.name for task in ended.report.tasks if task.own] == ["blocker", "news"]
        assert ended.report.tasks[0].running
        assert any(line.endswith("in hang") for line in ended.report.tasks[0].frames)
        assert "Task news waits for Future" in warnings(node, session_id)[0].stack
    finally:
        await node.close()


@pytest.mark.parametrize("path", ["/taken", "/held"])
async def test_where_tasks_cannot_be_asked_its_stack_is_shown_and_it_lives(
    make_node: Callable[..., Any], path: str
) -> None:
    node = make_node(heartbeat_s=0.1, hang_kill_s=0.0)
    node.write("bundle.py", TASKS)
    await node.start()
    try:
        session_id = await node.ready(path)
        text = await stacks_with(node, session_id, "in hang", "asyncio tasks are not known")
        assert "(most recent call first)" in text
        assert psutil.pid_exists(node.pid(session_id))
    finally:
        await node.close()


async def test_tasks_of_a_fresh_interpreter_are_told_too(make_node: Callable[..., Any]) -> None:
    node = make_node(hang_kill_s=0.0)
    held = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"  # cannot be forked from
    node.write("bundle.py", f"\n    {held}\n{TASKS}")
    await node.start()
    try:
        session_id = await node.ready("/sleep")
        await stacks_with(node, session_id, "in hang", "Task news waits for Future")
    finally:
        await node.close()


async def test_a_hang_in_its_start_is_one_and_says_where_such_work_belongs(quick: Any) -> None:
    quick.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            time.sleep(60)

    @service.path("/y", identity="y")
    class Y(Base):
        def __init__(self):
            while True:
                pass
    """,
    )
    await quick.start()
    for session_id, line in [
        (await quick.call("/x"), "in start"),
        (await quick.call("/y"), "in __init__"),
    ]:
        ended = await quick.exited(session_id)
        assert ended.exit.reason is ExitReason.HANG
        assert IN_ITS_START in ended.exit.message
        assert ended.exit.message.endswith(line)
        assert "top of the module" in cure_for(Case.of(ended.exit))


async def test_one_that_wakes_up_in_time_lives_and_says_so(quick: Any) -> None:
    quick.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(0.2, time.sleep, 0.9)
    """,
    )
    await quick.start()
    session_id = await quick.ready("/x")
    async with asyncio.timeout(10 * PATIENCE):
        await quick.until(lambda: len(warnings(quick, session_id)) == 2)
    assert warnings(quick, session_id)[1].message.startswith("answers again after ")
    assert not [e for e in quick.seen if isinstance(e, Exited)]


async def test_a_frozen_session_is_not_taken_for_a_hung_one(quick: Any) -> None:
    await quick.start()
    session_id = await quick.ready("/sibling")
    os.kill(quick.pid(session_id), signal.SIGSTOP)
    async with asyncio.timeout(10 * PATIENCE):
        await quick.until(lambda: warnings(quick, session_id))
        assert "stopped from outside" in warnings(quick, session_id)[0].message
        # Well above the time after which a hang is ended: nothing happens, so there is nothing to wait for.
        await asyncio.sleep(2.0)
        os.kill(quick.pid(session_id), signal.SIGCONT)
        await quick.until(lambda: len(warnings(quick, session_id)) == 2)
    assert warnings(quick, session_id)[1].message.startswith("answers again after ")
    assert not [e for e in quick.seen if isinstance(e, Exited)]


async def test_one_that_a_foreign_signal_stops_is_told_at_once_and_ended_after_a_while(
    make_node: Callable[..., Any],
) -> None:
    node = make_node(heartbeat_s=0.1, hang_warn_s=60, hang_kill_s=60, stopped_kill_s=1.0)
    node.write("bundle.py", SIBLING)
    try:
        await node.start()
        session_id = await node.ready("/sibling")
        os.kill(node.pid(session_id), signal.SIGSTOP)
        async with asyncio.timeout(10 * PATIENCE):
            await node.until(lambda: warnings(node, session_id))
            assert "a signal that the server did not send" in warnings(node, session_id)[0].message
            vitals = node.placement.glance(session_id)
            assert vitals is not None
            assert "it is ended after 1 s" in vitals.note
            await node.until(lambda: [e for e in node.seen if isinstance(e, Exited)])
        (ended,) = [e for e in node.seen if isinstance(e, Exited)]
        assert ended.exit.reason is ExitReason.HANG
        assert ended.exit.message.startswith("stopped from outside for 1.")
    finally:
        await node.close()


async def test_one_whose_group_an_operator_froze_stays(make_node: Callable[..., Any]) -> None:
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.3, hang_kill_s=0.6, stopped_kill_s=0.6)
    node.write("bundle.py", SIBLING)
    try:
        await node.start()
        if node.placement.enforcement().kill != "cgroup":
            pytest.skip("no cgroup may be made here")
        session_id = await node.ready("/sibling")
        (group,) = Path(node.placement.enforcement().group).rglob(f"{session_id}.*")
        (group / "cgroup.freeze").write_text("1")
        async with asyncio.timeout(10 * PATIENCE):
            await node.until(lambda: warnings(node, session_id))
            assert warnings(node, session_id)[0].message == "is frozen by its cgroup"
            await asyncio.sleep(2.0)  # well above all deadlines: nothing happens
            assert not [e for e in node.seen if isinstance(e, Exited)]
        (group / "cgroup.freeze").write_text("0")
    finally:
        await node.close()


async def test_a_start_that_awaits_for_ever_is_told_while_its_loop_turns(quick: Any) -> None:
    quick.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            await asyncio.Event().wait()
    """,
    )
    await quick.start()
    session_id = await quick.call("/x")
    async with asyncio.timeout(10 * PATIENCE):
        await quick.until(lambda: warnings(quick, session_id))
    (warning,) = warnings(quick, session_id)
    assert "awaiting without end: its start goes on for" in warning.message
    assert "bundle.py:" in warning.message  # which line of the agent awaits
    assert warning.message.endswith("in start")
    assert "Task session:start waits for " in warning.stack
    assert "Current thread" in warning.stack
    assert not [e for e in quick.seen if isinstance(e, Exited | Ready)]


async def test_a_starved_worker_is_not_taken_for_a_hung_one(quick: Any) -> None:
    await quick.start()
    session_id = await quick.ready("/sibling")
    pid = quick.pid(session_id)
    cpu = min(os.sched_getaffinity(0))
    burner = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
    try:
        # The worker gets what the burner leaves, which is next to nothing.
        os.sched_setaffinity(burner.pid, {cpu})
        os.sched_setaffinity(pid, {cpu})
        os.setpriority(os.PRIO_PROCESS, burner.pid, -20 if os.getuid() == 0 else 0)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        await asyncio.sleep(3.0)  # twice the time after which a hang is ended
    finally:
        burner.kill()
        await burner.wait()
    await asyncio.sleep(0.3)
    assert not [e for e in quick.seen if isinstance(e, Exited)]
