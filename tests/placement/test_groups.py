"""A session's cgroup from its start to its end; skipped where no group may be made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.process.cgroup import Cgroup
from runtime.session.record import ExitReason
from runtime.session.spec import Limits

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
    async with asyncio.timeout(20):
        while len(group.pids()) < count:
            await asyncio.sleep(0.005)  # the move makes no event
    return group


async def gone(group: Cgroup) -> None:
    async with asyncio.timeout(20):
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


async def test_a_session_that_is_frozen_for_its_share_is_not_taken_for_one_that_hangs(node: Any) -> None:
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
    vitals = node.placement.vitals(session_id)
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
