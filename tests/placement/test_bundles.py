"""Bundles: loaded side by side, loaded again when they change, and broken alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.errors import EndpointNotFound
from runtime.session.events import Exited, Started
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PLAIN = '@service.path("/{0}", identity="{0}")\nclass X(Base):\n    pass\n'

SEED_BUNDLE = """
import asyncio
from meshagent.otel import otel_config
from meshagent.api.services import ServiceHost
from meshagent.agents.chat import ChatBot
from meshagent.agents import TaskRunner
from meshagent.tools import Tool
from meshagent.openai import OpenAIResponsesAdapter

otel_config(service_name="chatbot")
service = ServiceHost()

@service.path(path="/chat", identity="chatbot")
class ChatAgent(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", title="t", description="d", rules=[],
                         llm_adapter=OpenAIResponsesAdapter())

@service.path(path="/dataanalysis", identity="data-analsis-tool")
class DataAnalysis(Tool):
    def __init__(self):
        super().__init__(name="mean", title="Mean", description="The mean of numbers", input_schema={
            "type": "object", "additionalProperties": False, "required": ["values"],
            "properties": {"values": {"type": "array", "items": {"type": "number"}}}})
    async def execute(self, context, *, values):
        return {"mean": sum(values) / len(values)}

@service.path(path="/helper", identity="task-helper")
class HelperAgent(TaskRunner):
    def __init__(self):
        super().__init__(name="helper", title="h", description="h",
                         input_schema={"type": "object"}, output_schema={"type": "object"})
    async def ask(self, *, context, arguments):
        return arguments

asyncio.run(service.run())
"""


async def test_the_seeds_bundle_starts_all_three_kinds_each_in_its_own_process(node: Any) -> None:
    node.write("main.py", SEED_BUNDLE, preamble="")
    await node.start()
    listed = [(e.path, e.identity, e.class_name) for e in node.placement.endpoints()]
    assert listed == [
        ("/chat", "chatbot", "ChatAgent"),
        ("/dataanalysis", "data-analsis-tool", "DataAnalysis"),
        ("/helper", "task-helper", "HelperAgent"),
    ]
    sessions = [await node.ready(path, identity=identity) for path, identity, _ in listed]
    pids = {node.pid(session_id) for session_id in sessions}
    assert len(pids) == 3
    assert all(os.getpgid(pid) == pid for pid in pids)


async def test_a_bundle_that_fails_to_import_is_a_row_and_the_others_serve(node: Any) -> None:
    node.write("good.py", PLAIN.format("good"))
    node.write("missing.py", "import no_such_package_of_ours\n", preamble="")
    node.write("broken.py", "x = (\n", preamble="")
    node.write("raises.py", "def f():\n    raise KeyError('why')\nf()\n", preamble="")
    node.write("quits.py", "raise SystemExit(3)\n", preamble="")
    node.write("empty.py", "x = 1\n", preamble="")
    await node.start()
    infos = {info.name: info for info in node.placement.bundles()}
    assert infos["good"].state == "ready"
    assert "no_such_package_of_ours" in infos["missing"].error
    assert "Is it a file of yours?" in infos["missing"].error
    assert "bulkhead bundle install" in infos["missing"].error
    assert "pip install" not in infos["missing"].error
    assert "SyntaxError" in infos["broken"].error
    assert "broken.py:1" in infos["broken"].error
    assert "raises.py:2 in f" in infos["raises"].error
    assert "raise KeyError('why')" in infos["raises"].detail
    assert "runtime/worker" not in infos["raises"].detail
    assert "exit(3)" in infos["quits"].error
    assert "declares no endpoint" in infos["empty"].error
    failed = [e for e in node.placement.endpoints() if e.state == "failed"]
    assert {e.bundle for e in failed} == {"missing", "broken", "raises", "quits", "empty"}
    await node.ready("/good")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ("python = '~nobody-of-that-name/bin/python'\n", "RuntimeError"),
        ("a = " + "[" * 20_000, "RecursionError"),
    ],
)
async def test_a_load_that_fails_as_nobody_foresaw_is_told_too(node: Any, settings: str, error: str) -> None:
    node.write("x/main.py", PLAIN.format("x"))
    node.write("x/bulkhead.toml", settings, preamble="")
    await node.start()
    info = await node.bundle_state("x", lambda info: info.state != "loading")
    assert info.state == "failed"
    assert f"x cannot be loaded: {error}" in info.error
    node.write("x/bulkhead.toml", "", preamble="")
    assert await node.placement.reload_changed() == ["x"]
    await node.bundle_state("x", lambda info: info.state == "ready")


@pytest.mark.parametrize(
    ("line", "how", "cure"),
    [
        ("ctypes.string_at(0)", "by signal 11 (SIGSEGV)", "native package"),
        ("os._exit(3)", "with exit code 3", "Do not end the process"),
    ],
)
async def test_an_import_that_ends_its_interpreter_says_how(
    node: Any, line: str, how: str, cure: str
) -> None:
    node.write("bad.py", f"import ctypes, os\n{line}\n", preamble="")
    await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "failed"
    assert f"its interpreter ended before the program was imported, {how}" in info.error
    assert cure in info.error


async def test_two_bundles_that_claim_one_path_are_named_both(node: Any) -> None:
    node.write("first.py", PLAIN.format("same"))
    node.write("second.py", PLAIN.format("same"))
    await node.start()
    infos = {info.name: info for info in node.placement.bundles()}
    assert infos["first"].state == "ready"
    assert infos["second"].state == "failed"
    assert "first.py" in infos["second"].error
    assert "second.py" in infos["second"].error


async def test_a_path_that_the_server_needs_is_refused_by_name(node: Any) -> None:
    node.write("bad.py", PLAIN.format("workers"))
    await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "failed"
    assert "/workers" in info.error
    with pytest.raises(EndpointNotFound):
        await node.call("/workers")


async def test_folders_and_files_without_a_host_are_bundles_too(node: Any) -> None:
    node.write("folder/main.py", PLAIN.format("folder"))
    node.write("_helper.py", "raise RuntimeError('not a bundle')\n", preamble="")
    node.write(
        "bare.py",
        "class Bare:\n    async def start(self, *, room): pass\n    async def stop(self): pass\n",
        preamble="",
    )
    await node.start()
    assert {e.path for e in node.placement.endpoints()} == {"/folder", "/bare"}
    await node.ready("/bare")


async def test_a_file_dropped_in_is_served_and_a_removed_one_is_not(node: Any) -> None:
    await node.start(watch=True)
    path = node.write("late.py", PLAIN.format("late"))
    await node.bundle_state("late", lambda info: info.state == "ready")
    session_id = await node.ready("/late")
    path.unlink()
    async with asyncio.timeout(20 * PATIENCE):
        while node.placement.bundles():
            await asyncio.sleep(0.02)
    with pytest.raises(EndpointNotFound):
        await node.call("/late")
    assert await node.placement.vitals(session_id) is not None  # a removed program takes no session with it


async def test_an_edit_serves_new_sessions_and_leaves_the_old_ones(node: Any) -> None:
    node.write("x.py", '@service.path("/x")\nclass X(Base):\n    async def stop(self): print("old code")\n')
    await node.start(watch=True)
    old = await node.ready("/x", identity="old")
    node.write("x.py", '@service.path("/x")\nclass X(Base):\n    async def stop(self): print("new code")\n')
    await node.bundle_state("x", lambda info: info.generation == 2)
    new = await node.ready("/x", identity="new")
    for session_id, word in ((old, "old code"), (new, "new code")):
        await node.placement.stop(session_id, ExitReason.STOPPED)
        ended = await node.exited(session_id)
        assert (ended.exit.reason, ended.exit.code) == (ExitReason.STOPPED, 0)
        assert word in node.lines(session_id)


async def test_a_broken_edit_leaves_the_old_code_serving(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start(watch=True)
    node.write("x.py", "def (", preamble="")
    info = await node.bundle_state("x", lambda info: info.error != "")
    assert (info.state, info.generation) == ("ready", 1)
    await node.ready("/x")


async def test_a_zygote_that_dies_takes_no_session_with_it_and_is_started_again(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start()
    session_id = await node.ready("/x", identity="one")
    (info,) = node.placement.bundles()
    os.kill(info.pid, signal.SIGKILL)
    info = await node.bundle_state("x", lambda now: now.state == "ready" and now.pid not in (None, info.pid))
    assert await node.placement.vitals(session_id) is not None
    await node.ready("/x", identity="two")
    os.kill(node.pid(session_id), signal.SIGSEGV)  # its zygote is gone; its status is known all the same
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.signal) == (ExitReason.SIGNAL, 11)


async def test_a_call_while_the_zygote_is_away_waits_for_the_next_one(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start()
    (info,) = node.placement.bundles()
    os.kill(info.pid, signal.SIGKILL)
    await node.bundle_state("x", lambda now: now.state != "ready")
    await node.ready("/x")


async def test_threads_at_import_are_named_and_served_by_fresh_interpreters(node: Any) -> None:
    node.write(
        "x.py",
        """
    threading.Thread(target=time.sleep, args=(1000,), name="ticker", daemon=True).start()
    @service.path("/x")
    class X(Base):
        pass
    """,
    )
    await node.start()
    (info,) = node.placement.bundles()
    assert (info.state, info.threads, info.pid) == ("ready", ("ticker",), None)
    session_id = await node.ready("/x")
    assert psutil.Process(node.pid(session_id)).ppid() == os.getpid()
    os.kill(node.pid(session_id), signal.SIGABRT)
    ended = await node.exited(session_id)
    assert (ended.exit.reason, ended.exit.signal) == (ExitReason.SIGNAL, 6)


async def test_a_start_finds_a_parked_child_and_another_is_parked(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start()
    await node.bundle_state("x", lambda info: True)
    await _parked(node, 2)
    session_id = await node.ready("/x")
    started = next(e for e in node.seen if isinstance(e, Started) and e.session_id == session_id)
    assert started.parked
    await _parked(node, 2)


async def test_no_child_is_parked_where_the_setting_says_none(make_node: Callable[..., Any]) -> None:
    node = make_node(max_parked=0)
    try:
        node.write("x.py", PLAIN.format("x"))
        await node.start()
        session_id = await node.ready("/x")
        started = next(e for e in node.seen if isinstance(e, Started) and e.session_id == session_id)
        assert not started.parked
        assert node.placement.bundles()[0].parked == 0
    finally:
        await node.close()


async def test_a_parked_child_that_was_killed_is_not_handed_out(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start()
    await _parked(node, 2)
    (info,) = node.placement.bundles()
    children = psutil.Process(info.pid).children()
    for child in children:
        child.kill()
    psutil.wait_procs(children, timeout=10)
    await node.ready("/x")


async def test_an_import_that_takes_too_long_is_cut(make_node: Callable[..., Any]) -> None:
    node = make_node(import_s=1.0)
    try:
        node.write("slow.py", "import time\ntime.sleep(1000)\n", preamble="")
        await node.start()
        (info,) = node.placement.bundles()
        assert info.state == "failed"
        assert "within 1 s" in info.error
    finally:
        await node.close()


async def test_a_bundle_sees_the_environment_less_our_secrets(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.write(
        "x.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            print("env", sorted(name for name in os.environ if name.startswith(("BULKHEAD", "MESH"))))
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    line = await node.printed(session_id, "env")
    assert "BULKHEAD_SESSION" in line
    assert "MESHAGENT_ROOM" in line


async def test_limits_of_the_endpoint_are_listed_over_the_defaults(node: Any) -> None:
    node.write(
        "x.py",
        """
    from runtime.sdk import Limits
    @service.path("/x", limits=Limits(memory="1GiB", files=64))
    class X(Base):
        async def start(self, *, room):
            import resource
            print("files", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    """,
    )
    await node.start()
    (endpoint,) = node.placement.endpoints()
    assert endpoint.limits.plain() == {"memory_bytes": 1 << 30, "files": 64}
    session_id = await node.ready("/x", limits=endpoint.limits)
    assert await node.printed(session_id, "files") == "files 64"


async def test_a_worker_keeps_what_the_import_opened_and_nothing_of_its_siblings(
    node: Any, tmp_path: Path
) -> None:
    note = node.given / "note.txt"
    note.write_text("read at import\n")
    node.write(
        "x.py",
        f"""
    note = open({str(note)!r})
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            print("note", note.read().strip())
    """,
    )
    await node.start()
    first = await node.ready("/x", identity="one")
    second = await node.ready("/x", identity="two")
    assert await node.printed(first, "note") == "note read at import"
    mine = {
        os.readlink(f"/proc/{node.pid(second)}/fd/{fd}") for fd in os.listdir(f"/proc/{node.pid(second)}/fd")
    }
    other = {
        os.readlink(f"/proc/{node.pid(first)}/fd/{fd}") for fd in os.listdir(f"/proc/{node.pid(first)}/fd")
    }
    shared = {name for name in mine & other if name.startswith(("socket:", "pipe:"))}
    assert shared == set()


async def test_a_flood_of_output_is_cut_and_counted(make_node: Callable[..., Any]) -> None:
    node = make_node(log_lines_per_s=50, log_lines=20)
    try:
        node.write(
            "x.py",
            """
        @service.path("/x")
        class X(Base):
            async def stop(self):
                for i in range(5000):
                    print("line", i)
        """,
        )
        await node.start()
        session_id = await node.ready("/x")
        await node.placement.stop(session_id, ExitReason.STOPPED)
        ended = await node.exited(session_id)
        assert isinstance(ended, Exited)
        assert ended.log_lines_dropped > 4000
        assert len(node.lines(session_id)) == 20
    finally:
        await node.close()


async def test_stacks_of_a_hung_session_name_the_line(node: Any) -> None:
    node.write(
        "x.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(0.05, self.hang)
        def hang(self):
            print("hanging", flush=True)
            time.sleep(1000)
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    await node.printed(session_id, "hanging")
    stacks = await node.placement.stacks(session_id)
    assert stacks is not None
    assert "x.py" in stacks
    assert "in hang" in stacks


async def test_vitals_tell_of_the_whole_tree(node: Any) -> None:
    node.write(
        "x.py",
        """
    @service.path("/x")
    class X(Base):
        async def start(self, *, room):
            subprocess.Popen(["sleep", "1000"])
    """,
    )
    await node.start()
    session_id = await node.ready("/x")
    vitals = await node.placement.vitals(session_id)
    assert vitals is not None
    assert vitals.children == 1
    assert 0 < vitals.pss_bytes < vitals.rss_bytes
    assert vitals.fds > 3
    assert vitals.last_heartbeat is not None
    assert vitals.lag_ms is not None
    async with asyncio.timeout(10 * PATIENCE):
        while not (processes := await node.placement.processes(session_id))[-1].command:
            await asyncio.sleep(0.01)  # its exec is not quite over
    worker, child = processes
    assert (worker.pid, child.parent) == (node.pid(session_id), node.pid(session_id))
    assert (child.name, child.command) == ("sleep", "sleep 1000")


async def _parked(node: Any, count: int) -> None:
    async with asyncio.timeout(10 * PATIENCE):
        while node.placement.bundles()[0].parked < count:
            await asyncio.sleep(0.01)


async def test_closing_while_a_worker_is_being_forked_leaves_nobody_behind(node: Any) -> None:
    node.write("x.py", PLAIN.format("x"))
    await node.start()
    bundle = node.placement.supervisor.roster._bundles["x"]
    async with asyncio.timeout(20 * PATIENCE):
        while not bundle._pool.parked or not bundle._pool._refilling.done():
            await asyncio.sleep(0.01)
        os.kill(bundle._pool.pid, signal.SIGSTOP)  # so that a fork takes as long as it does on a busy machine
        session = await node.ready("/x")
        while not bundle._pool._zygote._forks:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(bundle.close())
        while not bundle._pool._closed:
            await asyncio.sleep(0)
        os.kill(bundle._pool.pid, signal.SIGCONT)
        await closing
    assert [child.pid for child in psutil.Process().children(recursive=True)] == [node.pid(session)]


async def test_a_session_that_is_being_forked_when_its_code_is_replaced_starts(
    make_node: Callable[..., Any],
) -> None:
    node = make_node(max_parked=0)
    try:
        path = node.write("x.py", PLAIN.format("x"))
        await node.start()
        bundle = node.placement.supervisor.roster._bundles["x"]
        old = bundle._pool
        os.kill(old.pid, signal.SIGSTOP)
        called = asyncio.create_task(node.ready("/x"))
        async with asyncio.timeout(20 * PATIENCE):
            while not old._zygote._forks:
                await asyncio.sleep(0.01)
            path.write_text(path.read_text() + "# changed")
            await node.placement.reload_changed()
            await node.placement.loaded()
            while not old._closed:
                await asyncio.sleep(0.01)
            os.kill(old.pid, signal.SIGCONT)
            session = await called
            while await node.placement.vitals(session) is None:
                await asyncio.sleep(0.01)
        assert bundle.generation == 2
    finally:
        await node.close()
