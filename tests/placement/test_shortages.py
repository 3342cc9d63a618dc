"""What is away for a moment: sessions wait for it, are told of it, and start when it is there again."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.process import descriptors, zygote_client
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SERVES = """
    @service.path("/x", identity="x")
    class X(Base):
        pass
"""
FULL = """
    fork = os.fork

    def forks():
        if os.path.exists({path!r}):
            raise OSError({number}, os.strerror({number}))
        return fork()

    os.fork = forks
"""


async def until(happened: Callable[[], Any]) -> Any:
    """Ask until something is so; only for what no event tells."""
    async with asyncio.timeout(20 * PATIENCE):
        while not (found := happened()):
            await asyncio.sleep(0.01)
        return found


@contextmanager
def few_descriptors(more: int) -> Iterator[None]:
    """Within, this process may open so many more than those that are held back."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held_back = descriptors.RESERVE + descriptors.FOR_CALLERS
    os.close(lowest := os.dup(0))  # free ones come from below
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + held_back + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_zygote_whose_restart_failed_is_tried_until_it_serves(node: Any) -> None:
    words = node.folder / "words.txt"
    words.write_text("hello")
    node.write("x.py", f"    open({str(words)!r}).read()\n" + SERVES)
    await node.start()
    (info,) = node.placement.bundles()
    words.unlink()
    os.kill(info.pid, signal.SIGKILL)
    failed = await node.bundle_state("x", lambda info: info.state == "failed")
    assert "words.txt" in failed.error
    words.write_text("hello again")
    await node.bundle_state("x", lambda info: info.state == "ready")
    await node.ready("/x")


async def test_a_first_load_waits_for_what_its_import_reads(node: Any) -> None:
    words = node.folder / "words.txt"
    node.write("x.py", f"    open({str(words)!r}).read()\n" + SERVES)
    node.write("y.py", "    undefined\n")
    with capture_logs() as logs:
        await node.start()
        words.write_text("hello")
        await node.bundle_state("x", lambda info: info.state == "ready")
    failed = [line for line in logs if line["event"] == "bundle.failed"]
    assert {line["bundle"] for line in failed if line["again_in_s"] is None} == {"y"}  # it has to be edited
    await node.ready("/x")


async def test_a_zygote_that_hangs_is_replaced_and_whoever_waits_starts(
    make_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_client, "SILENT_S", 0.5 * PATIENCE)
    node = make_node(start_s=20.0 * PATIENCE)
    try:
        node.write("x.py", SERVES)
        await node.start()
        (info,) = node.placement.bundles()
        os.kill(info.pid, signal.SIGSTOP)
        with capture_logs() as logs:
            calls = [await node.call("/x", identity=str(number)) for number in range(6)]
            started = [await node.event(call, Ready, Exited) for call in calls]
        assert all(isinstance(event, Ready) for event in started)
        (silent,) = [line for line in logs if line["event"] == "zygote.silent"]
        assert (silent["pid"], silent["state"]) == (info.pid, "T")
        (now,) = node.placement.bundles()
        assert now.pid != info.pid
    finally:
        await node.close()


async def test_a_start_is_stopped_although_its_zygote_does_not_answer(make_node: Any) -> None:
    node = make_node(max_parked=0)
    node.write("x.py", SERVES)
    try:
        await node.start()
        (info,) = node.placement.bundles()
        os.kill(info.pid, signal.SIGSTOP)
        session = await node.call("/x")
        driver = node.placement.supervisor.driver(session)
        await until(lambda: driver._having is not None)
        async with asyncio.timeout(zygote_client.SILENT_S / 2 * PATIENCE):
            await node.placement.stop(session, ExitReason.STOPPED)
        assert (await node.exited(session)).exit.reason is ExitReason.STOPPED
        os.kill(info.pid, signal.SIGCONT)
        await node.ready("/x")
    finally:
        await node.close()


@pytest.mark.parametrize(
    ("number", "lacks"),
    [(errno.EAGAIN, "processes"), (errno.ENOMEM, "memory"), (errno.ENFILE, "open files")],
)
async def test_forks_that_the_system_refuses_are_waited_for(
    make_node: Any, tmp_path: Path, number: int, lacks: str
) -> None:
    node, full = make_node(max_parked=0), tmp_path / "full"
    node.write("x.py", FULL.format(path=str(full), number=int(number)) + SERVES)
    try:
        await node.start()
        full.touch()
        session = await node.call("/x")
        await until(lambda: node.placement.capacity().lacks)
        assert node.placement.capacity().lacks == (lacks,)
        full.unlink()
        assert isinstance(await node.event(session, Ready, Exited), Ready)
        assert node.placement.capacity().lacks == ()
    finally:
        await node.close()


async def test_an_attempt_that_waited_too_long_says_what_for_and_is_nobodys_death(
    make_node: Any, tmp_path: Path
) -> None:
    node, full = make_node(max_parked=0, start_s=1.0), tmp_path / "full"
    node.write("x.py", FULL.format(path=str(full), number=errno.EAGAIN) + SERVES)
    try:
        await node.start()
        full.touch()
        ended = await node.exited(await node.call("/x"))
        assert ended.exit.reason is ExitReason.NOT_STARTED
        assert ended.exit.message.startswith("no process could be forked: ")
        assert "pids.max" in ended.exit.message
        assert not ended.exit.reason.row.is_death
        full.unlink()
        await node.ready("/x")
    finally:
        await node.close()


async def test_sessions_wait_for_open_files_and_take_none_that_are_held_back(make_node: Any) -> None:
    node = make_node(max_parked=0)
    node.write("x.py", SERVES)
    try:
        await node.start()
        first = await node.ready("/x")
        with few_descriptors(3):
            waiting = await node.call("/x", identity="second")
            await until(lambda: node.placement.capacity().lacks)
            assert node.placement.capacity().sessions_left == 0
            assert await node.placement.ping(first, 20 * PATIENCE) is not None
            with open("/dev/null"):  # what is at work has its own
                pass
            assert not any(isinstance(event, Exited) for event in node.seen)
        assert isinstance(await node.event(waiting, Ready, Exited), Ready)
        assert node.placement.capacity().lacks == ()
    finally:
        await node.close()


async def test_a_lack_that_nobody_meets_any_more_is_forgotten(
    make_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, full = make_node(max_parked=0), tmp_path / "full"
    node.write("x.py", FULL.format(path=str(full), number=errno.EAGAIN) + SERVES)
    try:
        await node.start()
        full.touch()
        session = await node.call("/x")
        await until(lambda: node.placement.capacity().lacks)
        await node.placement.stop(session, ExitReason.STOPPED)
        monkeypatch.setattr("runtime.supervisor.shortages.HOLD_S", 0.1)
        await until(lambda: not node.placement.capacity().lacks)
    finally:
        await node.close()


async def test_what_a_failed_import_left_behind_is_ended(node: Any) -> None:
    node.write(
        "x.py",
        """
    told, tells = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(tells, str(os.getpid()).encode())
            time.sleep(1000)
        os._exit(0)
    os.wait()
    print("left behind:", os.read(told, 20).decode(), flush=True)
    raise ValueError("no")
""",
    )
    with capture_logs() as logs:
        await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "failed"
    said = [line["line"] for line in logs if line["event"] == "bundle.printed"]
    (pid,) = [line.split()[-1] for line in said if line.startswith("left behind:")]
    await until(lambda: not os.path.exists(f"/proc/{pid}"))


async def test_a_worker_that_cannot_begin_for_want_of_something_ends_as_that(node: Any) -> None:
    node.write(
        "x.py",
        """
    from runtime.process import child

    def settle(ends, inherited):
        raise OSError(23, "Too many open files in system")

    if "--once" not in sys.argv:
        child.settle = settle
"""
        + SERVES,
    )
    await node.start()
    ended = await node.exited(await node.call("/x"))
    assert ended.exit.reason is ExitReason.SYSTEM_SHORT
    assert not ended.exit.reason.row.is_death
