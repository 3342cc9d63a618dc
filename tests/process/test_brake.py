"""A tree that multiplies is stopped by the one who counts it, whatever groups it has spread to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from runtime.process import procfs, tree
from runtime.process.brake import GIVES_WAY, Brake, give_way
from runtime.process.child import become_subreaper
from runtime.process.orphans import sweep
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

FAMILY = """
import os, time
for i in range(5):
    if os.fork() == 0:
        if i % 2:
            os.setsid()  # out of the group
        os.write(1, b"up\\n")
        time.sleep(600)
os.write(1, b"up\\n")
time.sleep(600)
"""

BOMB = """
import mmap, os, time
forks = mmap.mmap(-1, 4096)  # shared by all: each fork is a byte
end = time.monotonic() + 20
while time.monotonic() < end:
    made = forks[:].count(1)
    if made > 400:
        time.sleep(0.1)  # a seat belt for the machine that runs the tests
        continue
    forks[made] = 1
    os.fork()
"""


@pytest.fixture
def family() -> Iterator[int]:
    yield from _run(FAMILY, ups=6)


@pytest.fixture
def bomb() -> Iterator[int]:
    yield from _run(BOMB, ups=0)


def _run(source: str, *, ups: int) -> Iterator[int]:
    become_subreaper()
    argv = [sys.executable, "-c", source]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, process_group=0) as popen:
        assert popen.stdout is not None
        for _ in range(ups):
            assert popen.stdout.readline() == b"up\n"
        yield popen.pid
        popen.kill()
        popen.wait()
        while sweep(()):
            time.sleep(0.005)


def braked(pid: int, *, most: int) -> Brake:
    brake = Brake(pid, most_tasks=most, most_processes=most)
    assert tree.measure(pid, brake=brake) is not None
    return brake


def all_stopped(pid: int) -> bool:
    return all(one.state == "T" for one in procfs.tree(pid))


def test_one_within_its_bound_is_not_touched(family: int) -> None:
    assert not braked(family, most=6).pulled
    assert not any(one.state == "T" for one in procfs.tree(family))


def test_all_are_stopped_those_too_that_left_the_group(family: int) -> None:
    assert braked(family, most=2).pulled
    deadline = time.monotonic() + 10 * PATIENCE
    while not all_stopped(family):
        assert time.monotonic() < deadline
    assert len(procfs.tree(family)) == 6


def test_one_that_forks_as_fast_as_it_can_stands_still(bomb: int) -> None:
    while not braked(bomb, most=20).pulled:
        pass
    deadline = time.monotonic() + 10 * PATIENCE
    while not all_stopped(bomb):
        assert time.monotonic() < deadline
    count = len(procfs.tree(bomb))
    time.sleep(0.05)  # in which a bomb would make dozens
    assert len(procfs.tree(bomb)) == count


def test_those_who_give_way_go_last(family: int) -> None:
    use = tree.measure(family)
    assert use is not None
    give_way(family, use.members)
    assert {os.getpriority(os.PRIO_PROCESS, one.pid) for one in use.members} == {GIVES_WAY}
    assert psutil.Process().nice() != GIVES_WAY
