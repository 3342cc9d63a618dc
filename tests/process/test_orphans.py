"""What ended sessions left behind is killed once, waited for, and never taken for somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from runtime.process import procfs
from runtime.process.child import become_subreaper
from runtime.process.orphans import Orphans, sweep
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

LEAVES = """
import os, time
for i in range(3):
    if os.fork() == 0:
        if i == 2 and os.fork() == 0:
            time.sleep(600)
        os.setsid()
        time.sleep(600)
os.write(1, b"up\\n")
"""


@pytest.fixture
def left() -> Iterator[set[int]]:
    """Three orphans of this process, one of them with a child of its own."""
    become_subreaper()
    before = set(procfs.children(os.getpid()))
    env = {**os.environ, "ORPHAN_OF": "us"}
    subprocess.run([sys.executable, "-c", LEAVES], env=env, check=True, stdout=subprocess.DEVNULL)
    orphans, deadline = set(procfs.children(os.getpid())) - before, time.monotonic() + 10 * PATIENCE
    while not any(procfs.children(pid) for pid in orphans):  # they are started, and have yet to run
        assert time.monotonic() < deadline
        time.sleep(0.002)
    yield orphans
    while sweep(before):
        time.sleep(0.002)


def until_none_is_left(orphans: Orphans, known: set[int]) -> set[int]:
    """Strike until nothing is left; return those that were found new on the way."""
    new, deadline = set[int](), time.monotonic() + 10 * PATIENCE
    while True:
        found = orphans.strike(known)
        new |= found.new
        if not found.new and not found.left:
            return new
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_each_is_struck_once_and_what_it_leaves_comes_next(left: set[int]) -> None:
    orphans = Orphans()
    assert len(left) == 3
    found = orphans.strike(())
    assert found.new >= left
    again = until_none_is_left(orphans, set())
    assert not again & left
    assert len(found.new | again) == 4  # with the child of one of them


def test_what_somebody_knows_is_left_alone(left: set[int]) -> None:
    spared = min(left)
    assert spared not in until_none_is_left(Orphans(), {spared})
    assert procfs.member(spared) is not None


def test_what_bears_no_mark_is_left_alone(left: set[int]) -> None:
    assert not until_none_is_left(Orphans("ANOTHER_MARK"), set())
    assert all(procfs.member(pid) is not None for pid in left)
    assert len(until_none_is_left(Orphans("ORPHAN_OF"), set())) >= 3
