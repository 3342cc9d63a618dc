"""A session's group: what is written into it, what is read from it, and what is done without one."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.process.cgroup.ground import Ground, Unusable
from runtime.process.cgroup.group import Cgroup
from runtime.session.spec import Limits
from runtime.supervisor.watch.cgroups import Cgroups, SessionCgroup, controls
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

MIB = 1 << 20


def test_what_is_written_follows_from_the_limits() -> None:
    assert controls(Limits()) == {}
    assert controls(Limits(memory="512MiB", pids=256, cpu=1.5, files=10, timeout="1h")) == {
        "memory.oom.group": "1",
        "memory.max": str(576 * MIB),
        "pids.max": "256",
        "cpu.max": "150000 100000",
    }
    assert controls(Limits(memory="64MiB"))["memory.max"] == str(96 * MIB)
    assert controls(Limits(cpu=0.001))["cpu.max"] == "1000 100000"  # the kernel takes no less


class Folder:
    """A place whose groups are folders of files, with these controls in each."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.group = Cgroup(root / "bulkhead.1")
        self.group.path.mkdir()
        self.moved: list[int] = []

        def make(group: Cgroup) -> bool:
            group.path.mkdir()
            for name in ("cgroup.kill", "cgroup.freeze", *names):
                (group.path / name).write_text("")
            return True

        monkeypatch.setattr(Cgroup, "make", make)
        monkeypatch.setattr(Cgroup, "add_tree", lambda _, pid: self.moved.append(pid) or True)

    def ground(self) -> Ground:
        ground = Ground(self.group, os.open(self.group.path, os.O_RDONLY), Cgroup(self.group.path.parent))
        ground.controllers = frozenset({"memory", "pids"})
        ground.missing = "no cpu controller there"
        ground.divide = lambda *, may_move: None  # type: ignore[method-assign]
        ground.release = lambda: os.close(ground._lock_fd) is None  # type: ignore[method-assign]
        return ground


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as popen:
        yield popen.pid
        popen.kill()


async def enclosed(cgroups: Cgroups, pid: int, limits: Limits) -> SessionCgroup:
    cgroup = cgroups.enclose("s_1.1", pid, limits)
    await settled(cgroups)
    return cgroup


async def settled(cgroups: Cgroups) -> None:
    """The thread has done everything up to now."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    cgroups._later(lambda: loop.call_soon_threadsafe(done.set))
    await done.wait()


FORKS = """
import os, signal, time
os.read(0, 1)  # until it is in its group
made = []
try:
    while True:
        if (pid := os.fork()) == 0:
            time.sleep(600)
            os._exit(0)
        made.append(pid)
except BlockingIOError:
    print(len(made), flush=True)
for pid in made:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


@pytest.mark.asyncio
async def test_a_session_gets_its_limits_and_is_then_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int
) -> None:
    folder = Folder(tmp_path, monkeypatch, "memory.max", "memory.oom.group", "pids.max")
    cgroups = Cgroups("auto", find=folder.ground)
    await cgroups.open()
    cgroup = await enclosed(cgroups, child, Limits(memory="512MiB", pids=64, cpu=1))
    group = folder.group.path / "s_1.1"
    assert (group / "memory.max").read_text() == str(576 * MIB)
    assert (group / "pids.max").read_text() == "64"
    assert cgroup.kept == {"memory.max", "memory.oom.group", "pids.max"}  # cpu.max it has not got
    assert folder.moved == [child]
    assert cgroup.is_enclosed
    assert (cgroup.ended_by_kernel(), cgroup.refused_forks()) == ("", "")

    (group / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n")
    (group / "pids.events").write_text("max 5\n")
    assert (
        cgroup.ended_by_kernel()
        == "grew above its limit of memory: the kernel ended it at 576 MiB, caches included"
    )
    assert cgroup.refused_forks() == "wanted more than 64 processes and threads: 5 were refused"
    (group / "pids.peak").write_text("12\n")  # a limit of the machine or container was met, not this one
    assert cgroup.refused_forks() == ""
    (group / "pids.peak").write_text("64\n")
    assert cgroup.refused_forks().startswith("wanted more than 64")
    (group / "memory.events").write_text("max 0\noom 0\noom_kill 1\n")
    assert cgroup.ended_by_kernel().endswith("not here, but on the whole machine or container")
    (group / "memory.events").write_text("max 0\noom 1\noom_kill 1\n")
    (group / "memory.max").write_text("max\n")  # a session without a limit
    assert cgroup.ended_by_kernel().endswith("not here, but on the whole machine or container")

    assert cgroup.freeze(True)
    await settled(cgroups)
    assert (group / "cgroup.freeze").read_text() == "1"
    cgroup.kill()
    await settled(cgroups)
    assert (group / "cgroup.kill").read_text() == "1"
    told = cgroups.told()
    assert told.limits == {
        "memory": "cgroup",
        "pids": "cgroup",
        "disk": "watching",
        "cpu": "watching",
        "cpu_total": "watching",
        "timeout": "watching",
        "idle_timeout": "watching",
        "files": "rlimit",
        "file_size": "rlimit",
    }
    assert (told.kill, told.group, told.reason) == (
        "cgroup",
        str(folder.group.path),
        "no cpu controller there",
    )
    cgroup.leave()
    assert not cgroup.freeze(True)
    await cgroups.aclose()


@pytest.mark.asyncio
async def test_a_group_that_could_not_go_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int
) -> None:
    folder = Folder(tmp_path, monkeypatch)
    cgroups = Cgroups("auto", find=folder.ground)
    await cgroups.open()
    first = await enclosed(cgroups, child, Limits())
    first.leave()  # a folder with files in it does not go, as a group with processes does not
    await settled(cgroups)
    group = folder.group.path / "s_1.1"
    for file in group.iterdir():
        file.unlink()
    (group / "cgroup.kill").write_text("")
    monkeypatch.setattr(Cgroup, "kill", lambda one: (one.path / "cgroup.kill").unlink() is None)
    async with asyncio.timeout(20 * PATIENCE):
        while group.exists():
            await asyncio.sleep(0.005)
    await cgroups.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["gone", "ours"])
async def test_a_group_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int, how: str
) -> None:
    folder = Folder(tmp_path, monkeypatch)
    cgroups = Cgroups("auto", find=folder.ground)
    await cgroups.open()
    first = await enclosed(cgroups, child, Limits())
    group = folder.group.path / "s_1.1"
    with capture_logs() as logs:
        first.leave()
        await settled(cgroups)
        assert len(cgroups._left) == 1
        if how == "gone":
            shutil.rmtree(group)
        else:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        async with asyncio.timeout(20 * PATIENCE):
            while cgroups._left:
                await asyncio.sleep(0.005)
    told = [one["group"] for one in logs if one["event"] == "limits.group_left"]
    assert told == ([] if how == "gone" else [str(group)])
    await cgroups.aclose()


@pytest.mark.asyncio
async def test_a_session_that_was_over_before_is_not_enclosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: int
) -> None:
    folder = Folder(tmp_path, monkeypatch)
    cgroups = Cgroups("auto", find=folder.ground)
    await cgroups.open()
    cgroup = SessionCgroup(folder.group, cgroups._later, lambda _: None)
    cgroup.leave()
    cgroup.enclose(child, {})
    assert folder.moved == []
    await settled(cgroups)
    await cgroups.aclose()


@pytest.mark.asyncio
async def test_nobody_is_enclosed_who_does_not_descend_from_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path, monkeypatch)
    cgroups = Cgroups("auto", find=folder.ground)
    await cgroups.open()
    with subprocess.Popen(["sleep", "600"]) as gone:
        gone.kill()
    for pid in (os.getpid(), os.getppid(), gone.pid):
        assert not (await enclosed(cgroups, pid, Limits())).is_enclosed
    assert (folder.moved, list(folder.group.path.iterdir())) == ([], [])
    await cgroups.aclose()


@pytest.mark.asyncio
async def test_the_kernel_refuses_what_is_beyond_the_limit_of_processes() -> None:
    cgroups = Cgroups("auto", may_move=False)
    await cgroups.open()
    try:
        if cgroups.told().limits["pids"] != "cgroup":
            pytest.skip(f"no pids controller of cgroup v2 here: {cgroups.told().reason}")
        with subprocess.Popen(
            [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as popen:
            cgroup = await enclosed(cgroups, popen.pid, Limits(pids=8))
            told, _ = await asyncio.to_thread(popen.communicate, b"x")
            assert told == b"7\n"
            assert cgroup.refused_forks() == "wanted more than 8 processes and threads: 1 were refused"
        cgroup.leave()
    finally:
        await cgroups.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_without_a_place_everything_is_done_by_signals(mode: str) -> None:
    cgroups = Cgroups(mode, find=lambda: Unusable("it is mounted read-only"))
    await cgroups.open()
    cgroup = cgroups.enclose("s_1.1", os.getpid(), Limits(memory="1GiB"))
    assert not cgroup.freeze(True)
    cgroup.kill()
    cgroup.leave()
    assert (cgroup.kept, cgroup.ended_by_kernel(), cgroup.refused_forks()) == (frozenset(), "", "")
    told = cgroups.told()
    assert set(told.limits.values()) == {"watching", "rlimit"}
    assert (told.kill, told.group) == ("signals", "")
    expected = {"auto": "it is mounted read-only", "off": "switched off (supervisor.cgroups)"}
    assert told.reason == expected[mode]
    await cgroups.aclose()


def test_the_disk_is_counted_only_where_sessions_have_folders() -> None:
    assert Cgroups("off").told().limits["disk"] == "watching"
    assert Cgroups("off", counts_disk=False).told().limits["disk"] == "nothing"
