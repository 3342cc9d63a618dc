"""Looking at real process trees, and ending ones that do not want to end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runtime.process import procfs, tree
from runtime.process.child import become_subreaper
from runtime.process.orphans import sweep

pytestmark = pytest.mark.process

SPREAD = """
import os, sys, time, ctypes
ctypes.CDLL(None).prctl(36, 1)  # a subreaper, as workers are
block = bytearray(32 << 20)
for i in range(3):
    if os.fork() == 0:
        if os.fork() == 0:          # its parent ends: it is reparented
            os.setsid()
            os.write(1, b"up\\n")
            time.sleep(600)
        os._exit(0)
for i in range(3):
    os.wait()
os.write(1, b"up\\n")
time.sleep(600)
"""

FORKS = """
import os, time, ctypes, mmap
ctypes.CDLL(None).prctl(36, 1)
forks = mmap.mmap(-1, 4096)             # shared by all: each fork is a byte
os.write(1, b"up\\n")
end = time.monotonic() + 20
while time.monotonic() < end:
    if forks[:].count(1) > 400:
        time.sleep(0.1)                 # a seat belt for the machine that runs the tests
        continue
    forks[forks[:].count(1)] = 1
    if os.fork() == 0:
        os.setsid()                     # each out of the group of its parent
"""


@pytest.fixture
def program() -> Iterator[list[subprocess.Popen[str]]]:
    made: list[subprocess.Popen[str]] = []
    yield made
    for popen in made:
        below = psutil.Process(popen.pid).children(recursive=True) if popen.poll() is None else []
        for one in below:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        popen.kill()
        popen.wait()
        assert popen.stdout is not None
        popen.stdout.close()
    while sweep(()):
        pass


def start(made: list[subprocess.Popen[str]], source: str, ups: int) -> subprocess.Popen[str]:
    popen = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    made.append(popen)
    assert popen.stdout is not None
    for _ in range(ups):
        assert popen.stdout.readline() == "up\n"
    return popen


def test_a_tree_is_counted_with_what_left_its_group_and_its_parent(
    program: list[subprocess.Popen[str]],
) -> None:
    popen = start(program, SPREAD, 4)
    use = tree.measure(popen.pid)
    assert use is not None
    assert (use.processes, use.threads) == (4, 4)
    assert use.members[0].pid == popen.pid
    others = {child.pid for child in psutil.Process(popen.pid).children(recursive=True)}
    assert {one.pid for one in use.members[1:]} == others
    assert use.rss_bytes > 4 * (32 << 20)
    # The block is one, seen four times: divided among those who share it, it counts once.
    assert (32 << 20) < use.pss_bytes < 2 * (32 << 20)
    assert use.uss_bytes < (32 << 20)
    assert use.most_fds >= 3


def test_one_process_agrees_with_psutil() -> None:
    one, other = procfs.member(os.getpid()), psutil.Process()
    assert one is not None
    assert abs(one.rss_bytes - other.memory_info().rss) < (4 << 20)
    assert one.threads == other.num_threads()
    assert abs(procfs.fds(os.getpid()) - other.num_fds()) <= 1
    assert one.state == "R"
    assert procfs.peak_rss_bytes(os.getpid()) >= one.rss_bytes - (4 << 20)


def test_nobody_is_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert tree.measure(gone.pid) is None
    assert (procfs.fds(gone.pid), procfs.owned(gone.pid), procfs.ran_s(gone.pid)) == (0, (0, 0), (0.0, 0.0))


def test_the_machine_is_told_in_two_numbers() -> None:
    machine = procfs.machine()
    assert machine.tasks > 1
    assert abs(machine.available_bytes - psutil.virtual_memory().available) < (512 << 20)


def test_a_tree_that_forks_as_fast_as_it_can_is_ended_whole(program: list[subprocess.Popen[str]]) -> None:
    become_subreaper()  # as the front is: what the tree leaves behind comes here
    popen = start(program, FORKS, 1)
    while len(procfs.tree(popen.pid)) < 20:
        pass
    popen.kill()
    popen.wait()
    assert sweep(()) >= 1
    while sweep(()):
        pass
    assert not psutil.Process().children(recursive=True)


GHOST = """
import ctypes, os, threading, time
def go_on():
    held = b"x" * (50 << 20)
    os.write(1, b"up\\n")
    time.sleep(600)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_is_still_counted(
    program: list[subprocess.Popen[str]],
) -> None:
    popen = start(program, GHOST, 1)
    raw = procfs.read(f"/proc/{popen.pid}/stat")
    while raw[raw.rfind(b")") + 2 :][:1] != b"Z":
        raw = procfs.read(f"/proc/{popen.pid}/stat")
    use = tree.measure(popen.pid)
    assert use is not None
    assert use.rss_bytes > (50 << 20)
    assert use.pss_bytes > (50 << 20)
    assert use.threads >= 2


def test_thousands_of_children_are_all_seen_and_all_reaped() -> None:
    # In a process of its own: the kernel hands out a list of this length in several pieces.
    program = """
import os
from runtime.process import procfs
from runtime.process.orphans import sweep
for _ in range(2000):
    if os.fork() == 0:
        os._exit(0)
print(len(procfs.children(os.getpid())))
swept = 0
while found := sweep(()):
    swept += found
print(swept >= 2000, procfs.children(os.getpid()))
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["2000", "True []"]
