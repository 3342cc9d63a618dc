"""A session's cgroup from its start to its end; skipped where no group may be made."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.process.cgroup.ground import Ground
from runtime.process.cgroup.group import Cgroup
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits
from runtime.supervisor.watch.cgroups import Cgroups
from runtime.supervisor.watch.standstill import Standstill
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SCATTERING = """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(600)
"""


async def enclosed(node: Any, session_id: str, count: int) -> Cgroup:
    """The session's group, once all its processes are in it."""
    group = Cgroup(Path(node.placement.enforcement().group) / f"{session_id}.1")
    async with asyncio.timeout(20 * PATIENCE):
        while len(group.pids()) < count:
            await asyncio.sleep(0.005)  # the move makes no event
    return group


async def gone(group: Cgroup) -> None:
    async with asyncio.timeout(20 * PATIENCE):
        while group.path.exists():
            await asyncio.sleep(0.005)


async def started(node: Any) -> None:
    node.write("bundle.py", SCATTERING)
    await node.start()
    told = node.placement.enforcement()
    if not told.group:
        pytest.skip(f"no cgroups here: {told.reason}")


async def test_all_a_session_started_is_in_its_group_and_ends_with_it(node: Any) -> None:
    await started(node)
    session_id = await node.ready("/x")
    group = await enclosed(node, session_id, 4)
    inside = group.pids()
    assert inside == {one.pid for one in psutil.Process(node.pid(session_id)).children(recursive=True)} | {
        node.pid(session_id)
    }
    await node.placement.stop(session_id, ExitReason.STOPPED, 0)
    assert not any(psutil.pid_exists(pid) for pid in inside)
    await gone(group)


async def test_nothing_stays_of_many_sessions(node: Any) -> None:
    await started(node)
    home = Path(node.placement.enforcement().group)
    for _ in range(8):
        sessions = await asyncio.gather(*(node.ready("/x", identity=f"x{n}") for n in range(3)))
        await asyncio.gather(*(node.placement.stop(one, ExitReason.STOPPED, 0) for one in sessions))
    for each in Cgroup(home).below():
        if each.path.name.startswith("s_"):
            await gone(each)
    await node.placement.aclose()
    assert not home.exists()


async def test_a_session_that_is_frozen_for_its_share_is_not_taken_for_one_that_hangs(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Standstill.hold

    def held(self: Standstill, *args: Any, **more: Any) -> None:
        hold(self, *args, **more)
        until = time.monotonic() + 0.2
        while not self._cgroup.is_frozen() and time.monotonic() < until:  # which it is not at once
            time.sleep(0.001)

    monkeypatch.setattr(Standstill, "hold", held)
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    """,
    )
    await node.start()
    session_id = await node.ready("/x", limits=Limits(cpu=0.1))
    await asyncio.sleep(2.5)  # in which it has used up its share and stood still for most of the time
    vitals = await node.placement.vitals(session_id)
    assert vitals is not None
    assert vitals.cpu_s < 2.0
    assert not [one for one in node.seen if getattr(one, "kind", "") == "hang"]
    await node.placement.stop(session_id, ExitReason.STOPPED, 0)


async def test_groups_may_be_switched_off(make_node: Any) -> None:
    node = make_node(cgroups="off")
    node.write("bundle.py", SCATTERING)
    await node.start()
    try:
        session_id = await node.ready("/x")
        told = node.placement.enforcement()
        assert (told.kill, told.group, told.reason) == ("signals", "", "switched off (supervisor.cgroups)")
        below = {one.pid for one in psutil.Process(node.pid(session_id)).children(recursive=True)}
        assert len(below) == 3
        await node.placement.stop(session_id, ExitReason.STOPPED, 0)
        assert not any(psutil.pid_exists(pid) for pid in below)
    finally:
        await node.close()


class Told:
    """A place of files, in which the kernel's figures are what a test writes."""

    def __init__(self, root: Path) -> None:
        self.path = root / "bulkhead.1"
        self.path.mkdir()

    def ground(self) -> Ground:
        ground = Ground(Cgroup(self.path), os.open(self.path, os.O_RDONLY), Cgroup(self.path.parent))
        ground.divide = lambda *, may_move: None  # type: ignore[method-assign]
        ground.release = lambda: os.close(ground._lock_fd) is None  # type: ignore[method-assign]
        return ground

    async def says(self, session_id: str, name: str, text: str) -> None:
        group = self.path / f"{session_id}.1"
        async with asyncio.timeout(20 * PATIENCE):
            while not (group / "pids.max").exists():
                await asyncio.sleep(0.005)
        (group / name).write_text(text)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What a kernel with controllers would say; moves succeed, and do nothing."""

    def make(group: Cgroup) -> bool:
        group.path.mkdir()
        for name in ("memory.max", "memory.oom.group", "pids.max"):
            (group.path / name).touch()
        return True

    monkeypatch.setattr(Cgroup, "make", make)
    monkeypatch.setattr(Cgroup, "add_tree", lambda group, pid: True)
    return Told(tmp_path)


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_the_kernel_ends_for_want_of_memory_is_called_so(
    node: Any, told: Told, at_once: bool
) -> None:
    node.placement.supervisor.cgroups = Cgroups("auto", find=told.ground)
    node.write("bundle.py", SCATTERING)
    await node.start()
    session_id = await node.ready("/x", limits=Limits(memory="512MiB", pids=64))
    await told.says(session_id, "memory.events", "oom 1\noom_kill 1\n")
    if at_once:  # all of it; without `memory.oom.group` it may be a child of it alone
        os.kill(node.pid(session_id), signal.SIGKILL)
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.MEMORY
    assert ended.exit.message.startswith("grew above its limit of memory: the kernel ended it at 576 MiB")
    assert ended.exit.signal == signal.SIGKILL


async def test_what_the_kernel_refuses_to_fork_is_an_end_too(node: Any, told: Told) -> None:
    node.placement.supervisor.cgroups = Cgroups("auto", find=told.ground)
    node.write("bundle.py", SCATTERING)
    await node.start()
    session_id = await node.ready("/x", limits=Limits(pids=64))
    await told.says(session_id, "pids.events", "max 3\n")
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.PIDS
    assert ended.exit.message == "wanted more than 64 processes and threads: 3 were refused"


async def test_an_exception_for_want_of_processes_is_that_end(node: Any, told: Told) -> None:
    node.placement.supervisor.cgroups = Cgroups("auto", find=told.ground)
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            while not os.path.exists(os.environ["GO"]):
                await asyncio.sleep(0.005)
            raise BlockingIOError(11, "Resource temporarily unavailable")
    """.replace('os.environ["GO"]', repr(str(told.path / "go"))),
    )
    await node.start()
    session_id = await node.call("/x", limits=Limits(pids=64))
    await told.says(session_id, "pids.events", "max 1\n")
    (told.path / "go").touch()
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.PIDS
