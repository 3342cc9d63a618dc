"""Every end that is not clean has its report, complete when the end is told; and no secret stands in one."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
import pytest_asyncio

from runtime.front.operator.crash.crash_bundle import crash_bundle
from runtime.front.operator.crash.crashes import report_json
from runtime.session.crash import CrashReport, to_json
from runtime.session.events import Exited, Released
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BUNDLE = """
    import ctypes, socket

    @service.path("/plain")
    class Plain(Base):
        pass

    @service.path("/construct")
    class Construct(Base):
        def __init__(self):
            model = "none"
            raise ValueError("no model")

    @service.path("/start")
    class Start(Base):
        async def start(self, *, room):
            print("about to fail")
            self.waiter = asyncio.create_task(self.wait_for_news(), name="news")
            await asyncio.sleep(0)
            prices = {"apple": 1}
            self.buy(prices)
        async def wait_for_news(self):
            await asyncio.Event().wait()
        def buy(self, prices):
            return prices["pear"]

    @service.path("/background")
    class Background(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.poll())
        async def poll(self):
            attempt = 3
            raise RuntimeError("poll broke")

    @service.path("/stop")
    class Stop(Base):
        async def stop(self):
            raise RuntimeError("cannot say goodbye")

    @service.path("/exit")
    class Exit(Base):
        async def start(self, *, room):
            sys.exit(7)

    @service.path("/exit-later")
    class ExitLater(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(0.05, exit, 8)

    @service.path("/os-exit")
    class OsExit(Base):
        async def start(self, *, room):
            os._exit(9)

    @service.path("/segfault")
    class Segfault(Base):
        async def start(self, *, room):
            ctypes.string_at(0)

    @service.path("/garbage")
    class Garbage(Base):
        async def start(self, *, room):
            for fd in range(3, 64):
                try:
                    socket.socket(fileno=os.dup(fd)).send(b"\\xff" * 64)
                except OSError:
                    pass
            await asyncio.sleep(1000)

    @service.path("/closes")
    class Closes(Base):
        async def start(self, *, room):
            os.closerange(3, 64)
            time.sleep(1000)

    @service.path("/shuts")
    class Shuts(Base):
        async def start(self, *, room):
            for fd in range(3, 64):
                try:
                    found = socket.socket(fileno=os.dup(fd))
                except OSError:
                    continue
                if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
                    found.shutdown(socket.SHUT_RDWR)
                found.close()

    @service.path("/never-ready")
    class NeverReady(Base):
        async def start(self, *, room):
            subprocess.Popen(["sleep", "1000"])
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1000)  # here it stands

    class Odd(Exception):
        def __init__(self):
            super().__init__("odd")
            self.big = Odd.Endless()
        def __str__(self):
            while True:
                pass
        class Endless:
            def __repr__(self):
                return "x" * 10**10

    @service.path("/odd")
    class OddAgent(Base):
        async def start(self, *, room):
            endless = Odd.Endless()
            raise Odd

    @service.path("/secret")
    class Secret(Base):
        async def start(self, *, room):
            api_key = "local-" + "secret-1"
            config = {"nested": {"password": "local-" + "secret-2"}}
            print("key is", api_key, "env", os.environ["SHOP_TOKEN"], "argument", self.arguments["password"])
            print("Authorization: Bearer log-secret-3")
            shown = f"{api_key} {os.environ['SHOP_TOKEN']} {self.arguments['password']}"
            raise RuntimeError(shown + " sk-message-secret-44")
"""
SECRETS = (
    "local-secret-1",
    "local-secret-2",
    "env-secret-5",
    "argument-secret-6",
    "log-secret-3",
    "sk-message",
)


@pytest_asyncio.fixture
async def crashing(make_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("SHOP_TOKEN", "env-secret-5")
    node = make_node(stop_s=0.3, term_s=0.2, start_s=15.0)
    node.write("bundle.py", BUNDLE)
    await node.start()
    yield node
    await node.close()


async def report_of(node: Any, session_id: Any) -> CrashReport:
    """The report came with the end itself, and before anything else could be asked of the session."""
    ended = await node.exited(session_id)
    report: CrashReport | None = ended.report
    assert report is not None
    kinds = [type(event) for event in node.seen if event.session_id == session_id]
    assert kinds[-2:] == [Exited, Released]
    assert report.exit == ended.exit or report.exit.failure is not None
    assert report.exit.reason is ended.exit.reason
    assert report.sentence
    assert report.cure
    assert len(report.fingerprint) == 12
    empty = [name for name in ("frames", "tasks", "native", "log", "messages") if not getattr(report, name)]
    assert set(empty) <= set(report.unknown), "what is empty says why"
    return report


async def crash(node: Any, path: str, **more: Any) -> CrashReport:
    return await report_of(node, await node.call(path, **more))


def function_of(report: CrashReport) -> str:
    assert "bundle.py:" in report.where
    return report.where.partition(" in ")[2]


async def test_an_exception_in_start_is_told_with_all_there_is(crashing: Any) -> None:
    report = await crash(crashing, "/start")
    assert report.exit.reason is ExitReason.START_ERROR
    assert function_of(report) == "buy"
    assert [frame.function for frame in report.frames] == ["start", "buy"]
    assert report.frames[1].locals["prices"] == "{'apple': 1}"
    assert report.excerpt is not None
    marked = report.excerpt.lines[report.excerpt.marked - report.excerpt.first]
    assert marked.strip() == 'return prices["pear"]'
    assert "KeyError: 'pear'" in report.traceback
    assert "runtime/worker" not in report.traceback
    (task,) = report.tasks
    assert (task.name, task.own) == ("news", True)
    assert "about to fail" in [line.text for line in report.log]
    assert [message.kind for message in report.messages if message.direction == "in"] == ["start"]
    assert "failed" in [message.kind for message in report.messages]
    assert (report.code.bundle, report.code.generation, len(report.code.sha256)) == ("bundle", 1, 64)
    assert report.pid == crashing.pid(report.session_id)
    assert ".get()" in report.cure


@pytest.mark.parametrize(
    ("path", "reason", "function"),
    [
        ("/construct", ExitReason.START_ERROR, "__init__"),
        ("/background", ExitReason.AGENT_ERROR, "poll"),
        ("/exit", ExitReason.EXIT, "start"),
        ("/segfault", ExitReason.SIGNAL, "start"),
    ],
)
async def test_the_line_is_named(crashing: Any, path: str, reason: ExitReason, function: str) -> None:
    report = await crash(crashing, path)
    assert report.exit.reason is reason
    assert function_of(report) == function
    assert report.excerpt is not None


async def test_a_segmentation_fault_has_its_native_stack_and_its_library(crashing: Any) -> None:
    report = await crash(crashing, "/segfault")
    assert "Current thread" in report.native
    assert "below ctypes" in report.sentence
    assert report.excerpt is not None
    assert "ctypes.string_at(0)" in report.excerpt.lines[report.excerpt.marked - report.excerpt.first]


async def test_exit_says_where_also_from_a_callback_and_os_exit_cannot(crashing: Any) -> None:
    assert "exit code 7" in (await crash(crashing, "/exit")).sentence
    later = await crash(crashing, "/exit-later")
    assert (later.exit.reason, later.exit.code) == (ExitReason.EXIT, 8)
    assert "SystemExit" in later.traceback
    silent = await crash(crashing, "/os-exit")
    assert (silent.where, silent.exit.code) == ("", 9)
    assert "os._exit" in silent.cure
    assert "frames" in silent.unknown


async def test_a_kill_from_outside_has_what_can_be_known(crashing: Any) -> None:
    session_id = await crashing.ready("/plain")
    live = [(one.direction, one.kind) for one in await crashing.placement.messages(session_id)]
    assert ("in", "connected") in live
    os.kill(crashing.pid(session_id), signal.SIGKILL)
    report = await report_of(crashing, session_id)
    assert "signal 9" in report.sentence
    assert {"frames", "native", "excerpt"} <= set(report.unknown)
    assert "ready" in [message.kind for message in report.messages]
    assert [(one.direction, one.kind) for one in report.room_messages] == live
    assert await crashing.placement.messages(session_id) == []
    assert report.recorded == (), "nothing is kept of what was said, unless somebody wants it"


async def test_a_failing_stop_a_lost_and_an_unreachable_room(crashing: Any) -> None:
    dismissed = await crashing.ready("/stop", identity="one")
    assert await crashing.hub.dismiss("r", "one") == 1
    report = await report_of(crashing, dismissed)
    assert (report.exit.reason, function_of(report)) == (ExitReason.AGENT_ERROR, "stop")
    lost = await crashing.ready("/plain", identity="two")
    for connection in crashing.connections():
        connection.transport.abort()
    report = await report_of(crashing, lost)
    assert report.exit.reason is ExitReason.ROOM_LOST
    crashing.port = 9
    report = await crash(crashing, "/plain")
    assert report.exit.reason is ExitReason.ROOM_UNREACHABLE
    assert "room_url" in report.cure
    assert report.where == ""


async def test_garbage_and_a_closed_pipe(crashing: Any) -> None:
    report = await crash(crashing, "/garbage")
    assert report.exit.reason is ExitReason.PROTOCOL_ERROR
    assert report.sentence.startswith("It broke the protocol of its pipe: ")
    for path in ("/closes", "/shuts"):  # one sits in a call and has to be ended, the other notices
        report = await crash(crashing, path)
        assert report.exit.reason is ExitReason.PROTOCOL_ERROR, path
        assert "pipe to the server was cut at its end" in report.sentence
        assert "os.closerange" in report.cure


async def test_a_fault_sent_to_an_idle_session_is_not_blamed_on_a_library(crashing: Any) -> None:
    session_id = await crashing.ready("/plain")
    pid = crashing.pid(session_id)
    async with asyncio.timeout(10 * PATIENCE):
        while psutil.Process(pid).status() != psutil.STATUS_SLEEPING:  # its word that it is ready comes first
            await asyncio.sleep(0.01)
    os.kill(pid, signal.SIGSEGV)
    report = await report_of(crashing, session_id)
    assert (report.exit.reason, report.exit.signal) == (ExitReason.SIGNAL, signal.SIGSEGV)
    assert report.sentence.startswith("SIGSEGV (signal 11) came while it waited")
    assert "who sent it" in report.cure


async def test_one_that_never_gets_ready_shows_where_it_stands_and_what_it_started(
    make_node: Callable[..., Any],
) -> None:
    node = make_node(stop_s=0.3, term_s=0.2, start_s=0.5, join_s=0.4)
    node.write("bundle.py", BUNDLE)
    await node.start()
    try:
        report = await crash(node, "/never-ready")
        assert report.exit.reason is ExitReason.START_ERROR
        assert function_of(report) == "start"
        assert report.excerpt is not None
        assert "# here it stands" in report.excerpt.lines[report.excerpt.marked - report.excerpt.first]
        assert [line.split()[1] for line in report.process_tree if "sleep" in line] == ["sleep"]
    finally:
        await node.close()


LIMITED = """
    @service.path("/blocks")
    class Blocks(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(0.2, self.block)
        def block(self):
            time.sleep(1000)

    @service.path("/hoards")
    class Hoards(Base):
        async def start(self, *, room):
            self.kept = []
            asyncio.get_running_loop().call_later(0.3, self.hoard)
        def hoard(self):
            while True:
                self.kept.append(b"\\xff" * (4 << 20))
                time.sleep(0.02)
"""


async def test_a_hang_shows_the_line_that_blocks_and_what_to_write_instead(
    make_node: Callable[..., Any],
) -> None:
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.5, hang_kill_s=1.2)
    node.write("bundle.py", LIMITED)
    await node.start()
    try:
        report = await crash(node, "/blocks")
        assert report.exit.reason is ExitReason.HANG
        assert function_of(report) == "block"
        assert "time.sleep" in report.cure
        assert "await asyncio.sleep" in report.cure
        assert report.warnings
        assert "most recent call first" in report.native
        assert report.process_tree
    finally:
        await node.close()


async def test_a_memory_limit_shows_the_curve_and_the_processes(make_node: Callable[..., Any]) -> None:
    node = make_node()
    node.write("bundle.py", LIMITED)
    await node.start()
    try:
        report = await crash(node, "/hoards", limits=Limits(memory="200MiB"))
        assert report.exit.reason is ExitReason.MEMORY
        assert "Limits(memory=" in report.cure
        assert max(point.rss_bytes for point in report.use.curve) > 100 << 20
        assert report.process_tree
        assert function_of(report) == "hoard"
    finally:
        await node.close()


async def test_an_import_that_fails_in_a_fresh_interpreter(node: Any) -> None:
    # Its import starts a thread, so each session has an interpreter of its own; there it fails.
    node.write(
        "bundle.py",
        """
    import pathlib
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    if pathlib.Path(__file__).with_name("broken").exists():
        import no_such_package
    @service.path("/x")
    class X(Base):
        pass
    """,
    )
    await node.start()
    (node.folder / "broken").touch()
    report = await crash(node, "/x")
    assert report.exit.reason is ExitReason.IMPORT_ERROR
    assert report.cure.startswith("Is it a file of yours? Then put it beside the program. Else write")
    assert function_of(report) == "<module>"


async def test_a_hostile_exception_neither_hangs_nor_floods_the_report(crashing: Any) -> None:
    async with asyncio.timeout(10 * PATIENCE):
        report = await crash(crashing, "/odd")
    assert "cannot be shown" in report.sentence
    assert report.frames[-1].locals["endless"] == "<Endless>"


async def test_no_secret_stands_in_a_report(crashing: Any) -> None:
    report = await crash(crashing, "/secret", arguments={"password": "argument-secret-6", "shop": "north"})
    stored = to_json(report).decode()
    assert [secret for secret in SECRETS if secret in stored] == []
    bundle = gzip.decompress(crash_bundle(report, report_json(report))).decode()
    assert [secret for secret in SECRETS if secret in bundle] == []
    assert "north" in stored
    assert report.frames[-1].locals["api_key"] == "•••"
    assert any(line.text.startswith("key is") for line in report.log)


async def test_a_clean_end_has_none(crashing: Any) -> None:
    session_id = await crashing.ready("/plain")
    await crashing.placement.stop(session_id, ExitReason.STOPPED)
    assert (await crashing.exited(session_id)).report is None


async def test_two_crashes_at_one_line_are_one_kind_also_after_an_edit_above_it(crashing: Any) -> None:
    first, second = await crash(crashing, "/start"), await crash(crashing, "/start")
    other = await crash(crashing, "/construct")
    assert first.fingerprint == second.fingerprint != other.fingerprint
    crashing.write("bundle.py", "\n    # a line more\n    # and another\n" + BUNDLE)
    node = crashing
    bundle = node.placement.supervisor.roster._bundles["bundle"]
    await bundle.load()
    edited = await crash(crashing, "/start")
    assert edited.code.generation == 2
    assert edited.code.sha256 != first.code.sha256
    assert edited.where != first.where
    assert edited.fingerprint == first.fingerprint


async def test_the_lines_are_those_that_ran_although_the_file_was_edited(crashing: Any) -> None:
    crashing.write("bundle.py", "\n# nothing is as it was\n")  # nobody watches the folder in this test
    raised = await crash(crashing, "/start")
    assert raised.excerpt is not None
    assert (
        raised.excerpt.lines[raised.excerpt.marked - raised.excerpt.first].strip() == 'return prices["pear"]'
    )
    faulted = await crash(crashing, "/segfault")
    assert faulted.excerpt is None or faulted.excerpt.note  # from the file, and said to be changed
