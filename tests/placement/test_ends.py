"""Every end of a session: its reason, nothing left behind, and a sibling that did not notice."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from runtime.session.events import Exited, Ready, Released, SessionEvent
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SIBLING = """
    @service.path("/sibling", identity="sibling")
    class Sibling(Base):
        pass
"""


async def _ending(node: Any, body: str, path: str = "/x") -> Exited:
    """Run an agent to its end beside a healthy one of the same bundle; return how it ended."""
    node.write("bundle.py", SIBLING + body)
    await node.start()
    sibling = await node.ready("/sibling")
    session_id = await node.call(path)
    ended = await node.exited(session_id)
    assert psutil.pid_exists(node.pid(sibling))
    assert await node.placement.vitals(sibling) is not None
    assert not [e for e in node.seen if e.session_id == sibling and isinstance(e, Exited)]
    return ended


async def test_an_exception_in_the_constructor_names_its_line(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        def __init__(self):
            raise ValueError("no model")
    """,
    )
    assert ended.exit.reason is ExitReason.START_ERROR
    assert ended.exit.failure is not None
    assert ended.exit.failure.stage == "construct"
    assert ended.exit.failure.where.endswith("in __init__")
    assert "bundle.py:" in ended.exit.failure.where
    assert 'raise ValueError("no model")' in ended.exit.failure.traceback
    assert "runtime/worker" not in ended.exit.failure.traceback


async def test_an_exception_in_start_is_a_start_error(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            {}["missing"]
    """,
    )
    assert ended.exit.reason is ExitReason.START_ERROR
    assert ended.exit.failure is not None
    assert (ended.exit.failure.stage, ended.exit.failure.kind) == ("start", "KeyError")


async def test_a_background_task_of_start_that_raises_is_an_agent_error(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.poll())
        async def poll(self):
            raise RuntimeError("poll broke")
    """,
    )
    assert ended.exit.reason is ExitReason.AGENT_ERROR
    assert "poll broke" in ended.exit.message


async def test_an_exception_in_a_message_handler_does_not_end_the_session(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self.handler()))
        async def handler(self):
            raise RuntimeError("one message went wrong")
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.placement.stop(session_id, ExitReason.STOPPED)
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.STOPPED


async def test_an_exception_in_stop_is_an_agent_error_unless_it_was_asked_to_stop(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def stop(self):
            raise RuntimeError("cannot say goodbye")
    """,
    )
    await node.start()
    asked = await node.ready("/x")
    await node.placement.stop(asked, ExitReason.STOPPED)
    ended = await node.exited(asked)
    assert ended.exit.reason is ExitReason.STOPPED
    dismissed = await node.ready("/x", identity="second")
    assert await node.hub.dismiss("r", "second") == 1
    ended = await node.exited(dismissed)
    assert ended.exit.reason is ExitReason.AGENT_ERROR
    assert "cannot say goodbye" in ended.exit.message


async def test_exit_by_user_code_keeps_its_code(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            sys.exit(7)
    """,
    )
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.EXIT, 7)


async def test_os_exit_ends_that_session_alone(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            os._exit(139)
    """,
    )
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.EXIT, 139)


async def test_a_segmentation_fault_names_the_signal_and_the_line(node: Any) -> None:
    ended = await _ending(
        node,
        """
    import ctypes
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            ctypes.string_at(0)
    """,
    )
    assert (ended.exit.reason, ended.exit.signal, ended.exit.code) == (ExitReason.SIGNAL, 11, None)
    assert "SIGSEGV" in ended.exit.message
    assert "bundle.py:" in ended.exit.message


async def test_a_kill_from_outside_is_a_signal(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    os.kill(node.pid(session_id), signal.SIGKILL)
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.signal) == (ExitReason.SIGNAL, 9)


async def test_dismissed_by_the_room(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    assert await node.hub.dismiss("r", "agent") == 1
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.DISMISSED


async def test_the_end_of_the_room_ends_the_session(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    await node.hub.close_room("r")
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.ROOM_ENDED


async def test_a_broken_connection_is_a_lost_room(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    for connection in node.connections():
        connection.transport.abort()
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.ROOM_LOST


async def test_an_unreachable_room_is_named(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    node.port = 9  # nobody listens on the discard port here
    session_id = await node.call("/x")
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.ROOM_UNREACHABLE
    assert "ws://127.0.0.1:9/rooms/r" in ended.exit.message
    assert ended.exit.failure is not None
    assert ended.exit.failure.traceback == "" or "runtime/" not in ended.exit.failure.traceback


async def test_stop_is_asked_first_and_the_agent_says_goodbye(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x")
    class X(Base):
        async def stop(self):
            print("goodbye", self.room.room_name)
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.placement.stop(session_id, ExitReason.STOPPED)
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.STOPPED, 0)
    assert "goodbye r" in node.lines(session_id)


async def test_one_that_ignores_stop_and_term_is_killed_with_all_it_started(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            inner = subprocess.Popen(["sleep", "1000"])
            away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            print("children", inner.pid, away.pid)
        async def stop(self):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1000)
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.printed(session_id, "children")
    await node.placement.stop(session_id, ExitReason.STOPPED, 0.3)
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.signal) == (ExitReason.STOPPED, 9)
    line = next(line for line in node.lines(session_id) if line.startswith("children"))
    assert not [pid for pid in line.split()[1:] if psutil.pid_exists(int(pid))]


async def test_children_of_one_that_crashed_do_not_survive_it(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            if os.fork() == 0:
                os.setsid()
                time.sleep(1000)
            print("child", away.pid, flush=True)
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.printed(session_id, "child")
    below = [process.pid for process in psutil.Process(node.pid(session_id)).children(recursive=True)]
    assert len(below) == 2
    os.kill(node.pid(session_id), signal.SIGKILL)
    await node.exited(session_id)
    assert not [pid for pid in below if psutil.pid_exists(pid)]


async def test_one_that_ends_while_it_is_asked_for_its_stacks_has_none(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    os.kill(node.pid(session_id), signal.SIGSTOP)  # so that it does not answer
    asked = asyncio.create_task(node.placement.stacks(session_id))
    await asyncio.sleep(0)
    os.kill(node.pid(session_id), signal.SIGKILL)
    await node.exited(session_id)
    assert await asked == ""


async def test_garbage_on_the_pipe_is_a_protocol_error(node: Any) -> None:
    ended = await _ending(
        node,
        """
    import socket
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            for fd in range(3, 1024):
                try:
                    with socket.socket(fileno=os.dup(fd)) as one:
                        if one.family == socket.AF_UNIX:  # not that of its room, whose loss would come first
                            one.send(b"\\xff" * 64)
                except OSError:
                    pass
            await asyncio.sleep(1000)
    """,
    )
    assert ended.exit.reason is ExitReason.PROTOCOL_ERROR


async def test_a_call_that_cannot_be_handed_over_ends(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    ended = await node.exited(await node.call("/x", arguments={"n": 1 << 70}))
    assert ended.exit.reason is ExitReason.PROTOCOL_ERROR
    assert "the call cannot be written to it" in ended.exit.message


async def test_one_that_closes_its_pipe_is_ended(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            os.closerange(3, 64)
            time.sleep(1000)
    """,
    )
    assert ended.exit.signal in (15, 9)


async def test_drain_ends_every_session(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    sessions = [await node.ready("/x", identity=f"a{i}") for i in range(3)]
    await node.placement.drain(2.0)
    for session_id in sessions:
        assert (await node.exited(session_id)).exit.reason is ExitReason.DRAINED
    assert node.placement.capacity().sessions == 0
    assert node.placement.capacity().draining


async def test_events_come_in_order_and_exited_comes_once(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    await node.placement.stop(session_id, ExitReason.STOPPED)
    await node.exited(session_id)
    names = [type(event).__name__ for event in node.seen]
    assert names == ["Placed", "Started", "Ready", "Stopping", "Exited", "Released"]
    ready = next(event for event in node.seen if isinstance(event, Ready))
    assert ready.participant_id


async def test_a_second_stop_shares_the_first(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    await asyncio.gather(
        node.placement.stop(session_id, ExitReason.STOPPED),
        node.placement.stop(session_id, ExitReason.DRAINED),
    )
    assert (await node.exited(session_id)).exit.reason is ExitReason.STOPPED
    await node.placement.stop(session_id, ExitReason.STOPPED)  # ended: nothing happens


async def test_a_stop_before_ready_counts(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            print("starting")
            await asyncio.sleep(1000)
    """,
    )
    await node.start()
    session_id = await node.call("/x")
    await node.printed(session_id, "starting")
    await node.placement.stop(session_id, ExitReason.STOPPED)
    assert (await node.exited(session_id)).exit.reason is ExitReason.STOPPED
    assert not [event for event in node.seen if isinstance(event, Ready)]


def _last(node: Any) -> SessionEvent:
    return node.seen[-1]


async def test_nothing_is_reported_after_the_release(node: Any) -> None:
    node.write("bundle.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start()
    session_id = await node.ready("/x")
    os.kill(node.pid(session_id), signal.SIGKILL)
    await node.exited(session_id)
    assert isinstance(_last(node), Released)


async def test_one_that_makes_way_for_new_code_finishes_what_it_does_for_others(node: Any) -> None:
    node.write(
        "bundle.py",
        SIBLING
        + """
    @service.path("/x", identity="x")
    class X(Base):
        async def loaded_again(self, *, within_s):
            print("finishes within", within_s, flush=True)
            await asyncio.sleep(0.2)
            print("has finished", flush=True)

        async def stop(self):
            print("stops", flush=True)
            await super().stop()
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    async with asyncio.timeout(20 * PATIENCE):
        await node.placement.stop(session_id, ExitReason.STOPPED, finish_s=30.0)
        await node.until(lambda: len(node.lines(session_id)) >= 3)
    lines = [line.text for line in await node.placement.log_lines(session_id)]
    assert lines == ["finishes within 30.0", "has finished", "stops"]


async def test_a_second_stop_lets_it_finish_no_more_but_stop(node: Any) -> None:
    node.write(
        "bundle.py",
        SIBLING
        + """
    @service.path("/x", identity="x")
    class X(Base):
        async def loaded_again(self, *, within_s):
            print("finishes", flush=True)
            await asyncio.Event().wait()

        async def stop(self):
            print("stops", flush=True)
            await super().stop()
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    stopping = asyncio.create_task(node.placement.stop(session_id, ExitReason.STOPPED, finish_s=600.0))
    await node.printed(session_id, "finishes")
    async with asyncio.timeout(20 * PATIENCE):
        await node.placement.stop(session_id, ExitReason.DRAINED, 15.0)
        await stopping
    ended = await node.exited(session_id)
    assert node.lines(session_id) == ["finishes", "stops"]
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.STOPPED, 0)


async def test_one_that_is_asked_to_end_does_not_finish_first(node: Any) -> None:
    node.write(
        "bundle.py",
        SIBLING
        + """
    @service.path("/x", identity="x")
    class X(Base):
        async def loaded_again(self, *, within_s):
            print("finishes", flush=True)
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.placement.stop(session_id, ExitReason.STOPPED)
    assert not await node.placement.log_lines(session_id)
