"""Groups of the kernel: where there is a place for them, what is done with it, and that nothing stays.

What needs the kernel is skipped where no group may be made; which values are written is seen in a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from runtime.process import procfs
from runtime.process.cgroup.ground import Ground, Unusable, find
from runtime.process.cgroup.group import Cgroup
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

SCATTERED = """
import os, time
os.read(0, 1)  # until it is in its group
for i in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(1, b"up\\n")
            time.sleep(600)
        os._exit(0)  # its child has lost its parent, and its group
for i in range(3):
    os.wait()
os.write(1, b"up\\n")
time.sleep(600)
"""


@pytest.fixture
def ground() -> Iterator[Ground]:
    found = find()
    if isinstance(found, Unusable):
        pytest.skip(f"no cgroups here: {found.reason}")
    yield found
    assert found.release()
    assert not found.group.path.exists()


@pytest.fixture
def scattered() -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", SCATTERED]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        yield popen
        popen.kill()


def lives(pid: int) -> bool:
    """Whether it is there and not only waiting to be reaped, by whoever has inherited it."""
    one = procfs.member(pid)
    return one is not None and one.state not in ("Z", "X")


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10 * PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_group_is_ended_at_one_blow_with_what_lost_parent_and_group(
    ground: Ground, scattered: subprocess.Popen[bytes]
) -> None:
    group = Cgroup(ground.group.path / "s_1.1")
    assert group.make()
    assert group.add(scattered.pid)
    assert scattered.stdin is not None
    assert scattered.stdout is not None
    scattered.stdin.write(b"x")
    scattered.stdin.flush()
    for _ in range(4):
        assert scattered.stdout.readline() == b"up\n"
    inside = group.pids()
    assert len(inside) == 4
    assert group.is_populated
    assert not group.remove()
    assert group.kill()
    assert scattered.wait() == -9
    until(lambda: not group.is_populated)
    assert not any(lives(pid) for pid in inside)
    assert group.remove()
    assert group.remove()
    assert (group.pids(), group.is_populated, group.kill()) == (set(), False, False)


def test_what_was_forked_before_the_move_is_moved_too(ground: Ground) -> None:
    source = "import os, time\nos.fork()\nos.fork()\nos.write(1, b'up\\n')\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        for _ in range(4):
            popen.stdout.readline()
        group = Cgroup(ground.group.path / "s_2.1")
        group.make()
        assert group.add_tree(popen.pid)
        assert len(group.pids()) == 4
        group.kill()


def test_what_is_frozen_does_nothing_until_it_goes_on(ground: Ground) -> None:
    source = "import os\nwhile True: os.write(1, b'x')"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        group = Cgroup(ground.group.path / "s_3.1")
        group.make()
        group.add(popen.pid)
        assert group.freeze(True)
        until(lambda: group.count("cgroup.events", "frozen") == 1)
        used = psutil.Process(popen.pid).cpu_times()
        time.sleep(0.03)
        assert psutil.Process(popen.pid).cpu_times() == used
        assert group.freeze(False)
        assert popen.stdout.read(200_000)  # more than was in the pipe
        group.freeze(True)
        group.kill()
        assert popen.wait() == -9


def test_what_a_dead_server_left_is_cleared_away_and_a_living_ones_is_not(ground: Ground) -> None:
    program = """
import os, subprocess, sys, time
from runtime.process.cgroup.group import Cgroup
from runtime.process.cgroup.ground import find
ground = find()
group = Cgroup(ground.group.path / "s_4.1")
group.make()
sleeper = subprocess.Popen(["sleep", "1000"], stdout=2)
group.add(sleeper.pid)
print(ground.group.path, sleeper.pid, flush=True)
time.sleep(1000)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as other:
        assert other.stdout is not None
        path, sleeper = other.stdout.readline().split()
        for alive in (True, False):
            if not alive:
                other.kill()
                other.wait()
            mine = find()
            assert isinstance(mine, Ground)
            assert mine.release()
            if alive:
                assert Path(path).exists()
                assert lives(int(sleeper))
    until(lambda: not Path(path).exists())  # another server may be clearing it at this moment
    until(lambda: not lives(int(sleeper)))


SUICIDAL = """
import os, subprocess, sys
from pathlib import Path
from runtime.process.cgroup import ground
from runtime.process.cgroup.group import Cgroup
group = Cgroup(Path(sys.argv[1]))
nested = Cgroup(group.path / "deeper")
nested.make()
nested.add(os.getpid() if sys.argv[2] == "own" else os.getppid())
print("done", nested.pids() != set(), group.kill(), nested.kill(), ground._clear(group), flush=True)
"""


@pytest.mark.parametrize("whose", ["own", "parent's"])
def test_a_group_in_which_we_or_those_above_us_live_is_not_ended(ground: Ground, whose: str) -> None:
    group = Cgroup(ground.group.path / "s_5.1")
    assert group.make()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    # The parent is a shell of ours, so that what goes wrong ends that alone.
    argv = ["sh", "-c", '"$@"; echo alive', "sh", sys.executable, "-c", SUICIDAL, str(group.path), whose]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("done True False False False\nalive\n"), done
    assert "limits.group_left" in done.stdout


# ---- without the kernel


def tree_of_files(root: Path, mount: str = "/", own: str = "/", options: str = "rw,relatime") -> Path:
    """A /proc whose cgroup file system is a folder."""
    proc, point = root / "proc", root / "cgroup"
    (proc / "self").mkdir(parents=True)
    point.mkdir(exist_ok=True)
    (proc / "self" / "mountinfo").write_text(
        "30 1 0:2 / / rw - ext4 /dev/vda rw\n"
        f"41 30 0:38 {mount} {point} {options} - cgroup2 cgroup2 {options}\n"
    )
    (proc / "self" / "cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")
    return proc


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"options": "ro,relatime"}, "is mounted read-only"),
        ({"mount": "/docker/1", "own": "/docker/2"}, "our own group cannot be seen"),
        ({"own": "/../other"}, "our own group cannot be seen"),
        ({}, "our own group cannot be seen"),  # its list of processes is not there, or not with us in it
    ],
)
def test_why_there_is_no_place_is_told(tmp_path: Path, how: dict[str, str], reason: str) -> None:
    found = find(proc=tree_of_files(tmp_path, **how))
    assert isinstance(found, Unusable)
    assert reason in found.reason


def test_a_machine_without_cgroups_is_told_apart(tmp_path: Path) -> None:
    found = find(proc=tmp_path)
    assert isinstance(found, Unusable)
    assert found.reason == "no cgroup v2 is mounted here"


def home_in(root: Path) -> tuple[Path, Path]:
    """A /proc, and the group that this process is in: a folder of files."""
    proc = tree_of_files(root, mount="/docker/1", own="/docker/1/app")
    home = root / "cgroup" / "app"
    home.mkdir()
    (home / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return proc, home


def test_what_systemd_did_not_hand_over_is_left_alone(tmp_path: Path) -> None:
    proc, home = home_in(tmp_path)
    found = find(proc=proc, systemd=tmp_path)
    assert isinstance(found, Unusable)
    assert "Delegate=yes" in found.reason
    assert [each.name for each in home.iterdir()] == ["cgroup.procs"]


def test_a_kernel_that_cannot_end_a_group_is_told_and_nothing_stays(tmp_path: Path) -> None:
    proc, home = home_in(tmp_path)
    found = find(proc=proc, systemd=tmp_path / "no")
    assert isinstance(found, Unusable)
    assert "Linux 5.14" in found.reason
    assert [each.name for each in home.iterdir()] == ["cgroup.procs"]


class Kernel:
    """Takes what is written, as the kernel would, and notes it: group, control, value."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[tuple[str, str, str]] = []
        monkeypatch.setattr(Cgroup, "write", lambda group, name, value: self.write(group, name, value))

    def write(self, group: Cgroup, name: str, value: str) -> bool:
        self.written.append((group.path.name, name, value))
        if name == "cgroup.subtree_control":
            words = group.words(name)
            words ^= {value[1:]}
            (group.path / name).write_text(" ".join(sorted(words)))
        return True


def divided(
    root: Path, *, others: str = "", may_move: bool = True, offered: str = "cpuset memory pids"
) -> Ground:
    """A ground in a folder of files."""
    home, group = Cgroup(root / "home"), Cgroup(root / "home" / "bulkhead.1")
    for each in (home, group):
        each.path.mkdir()
        (each.path / "cgroup.subtree_control").write_text("")
    (home.path / "cgroup.controllers").write_text(f"{offered}\n")
    (home.path / "cgroup.type").write_text("domain\n")
    (home.path / "cgroup.procs").write_text(f"{os.getpid()}\n{others}")
    fd = os.open(group.path, os.O_RDONLY)
    ground = Ground(group, fd, home)
    ground.divide(may_move=may_move)
    os.close(fd)
    return ground


MOVE = ("server", "cgroup.procs", str(os.getpid()))


def test_controllers_are_handed_down_once_we_are_out_of_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(monkeypatch)
    ground = divided(tmp_path)
    assert kernel.written == [
        MOVE,
        ("home", "cgroup.subtree_control", "+memory"),
        ("bulkhead.1", "cgroup.subtree_control", "+memory"),
        ("home", "cgroup.subtree_control", "+pids"),
        ("bulkhead.1", "cgroup.subtree_control", "+pids"),
    ]
    assert ground.controllers == {"memory", "pids"}
    assert ground.missing == "no cpu controller there"


def test_all_that_is_wanted_may_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel(monkeypatch)
    ground = divided(tmp_path, offered="cpu memory pids io")
    assert ground.controllers == {"memory", "pids", "cpu"}
    assert ground.missing == ""


@pytest.mark.parametrize("how", [{"others": "1000000\n"}, {"may_move": False}])
def test_nobody_is_moved_who_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, object]
) -> None:
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(kernel, "write", lambda *_: False)  # a group with processes in it hands nothing down
    ground = divided(tmp_path, **how)  # type: ignore[arg-type]
    assert ground.controllers == frozenset()
    assert "no cpu controller there; the memory or pids controller cannot be handed down" in ground.missing
    assert not (ground.group.path / "server").exists()
