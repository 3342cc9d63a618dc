"""Who rests, and that the kernel knows of those who only say it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest

from runtime.process import procfs, tree
from runtime.process.procfs import Member
from runtime.process.tree import TreeUse
from runtime.supervisor.watch.rest import LONGEST_S, Rest

pytestmark = pytest.mark.process

_PROGRAM = """
import os, signal, sys, threading, time
for line in sys.stdin:
    match line.strip():
        case "burn":
            end = time.process_time() + 0.1
            while time.process_time() < end: pass
        case "grow": kept = b"x" * (8 << 20)
        case "fork":
            if os.fork() == 0:
                signal.signal(signal.SIGUSR1, lambda *_: None)
                while True: time.sleep(600)
        case "thread": threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    print(flush=True)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    args = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as started:
        do(started, "nothing")
        yield started
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)


def do(process: subprocess.Popen[str], what: str) -> None:
    """Have it do something, and wait until it has, and all of it sleeps."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(what + "\n")
    process.stdin.flush()
    process.stdout.readline()
    while any(one.state != "S" for one in tree.measure(process.pid).members):  # type: ignore[union-attr]
        os.sched_yield()


def begun(process: subprocess.Popen[str]) -> Rest:
    known = tree.measure(process.pid)
    assert known is not None
    cpu_ns = {one.pid: procfs.cpu_ns(one.pid) for one in known.members}
    use = tree.measure(process.pid)
    assert use is not None
    rest = Rest.begun(use, cpu_ns, 100.0, next_s=1.0)
    assert rest is not None
    return rest


def test_it_goes_on_while_nothing_is_done_and_is_looked_at_now_and_then_all_the_same(
    process: subprocess.Popen[str],
) -> None:
    rest = begun(process)
    assert not rest.is_over()
    assert (rest.next_s(100.0), rest.next_s(101.0 + LONGEST_S)) == (LONGEST_S, 0.0)
    do(process, "nothing")
    assert rest.is_over()


@pytest.mark.parametrize("what", ["burn", "grow", "fork", "thread"])
def test_one_that_only_says_it_is_found_out(process: subprocess.Popen[str], what: str) -> None:
    rest = begun(process)
    do(process, what)
    assert rest.is_over()


def test_one_that_is_stopped_goes_on_or_ends_does_not_rest(process: subprocess.Popen[str]) -> None:
    rest = begun(process)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    assert rest.is_over()
    stopped = msgspec.structs.replace(rest, cpu_ns={process.pid: procfs.cpu_ns(process.pid)})
    process.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, process.pid, os.WCONTINUED)
    while not stopped.is_over():  # what it used is counted as soon as it runs
        os.sched_yield()
    process.kill()
    process.wait()
    assert rest.is_over()


def test_others_of_it_may_sleep_as_well_and_are_asked_too(process: subprocess.Popen[str]) -> None:
    do(process, "fork")
    do(process, "thread")
    rest = begun(process)
    assert not rest.is_over()
    (child,) = set(rest.cpu_ns) - {process.pid}
    os.kill(child, signal.SIGUSR1)
    while not rest.is_over():
        os.sched_yield()


def used(*pids: int, state: str = "S") -> TreeUse:
    members = tuple(Member(pid, "python", state, 1, 0.0, 1 << 20, 1) for pid in pids)
    return TreeUse(
        processes=len(pids), threads=len(pids), fds=5, cpu_s=0, rss_bytes=1, pss_bytes=0, members=members
    )


def test_who_came_since_or_must_be_seen_soon_does_not_rest() -> None:
    known: dict[int, int | None] = {7: 1, 8: 1}
    assert Rest.begun(used(7, 8), known, 100.0, next_s=1.0) is not None
    for use in (used(7), used(7, 9), used(7, 8, 9), used(7, 8, state="R"), used(7, 8, state="T")):
        assert Rest.begun(use, known, 100.0, next_s=1.0) is None
    assert Rest.begun(used(7, 8), known | {8: None}, 100.0, next_s=1.0) is None, "it was gone"
    assert Rest.begun(used(7, 8), known, 100.0, next_s=0.1) is None, "near a limit"
    assert Rest.begun(used(7, 8), known, 100.0, next_s=1.0, left_s=0.0) is None


def test_it_is_asked_as_often_as_it_would_have_to_be_seen_and_lasts_no_longer_than_it_may() -> None:
    often = Rest.begun(used(7), {7: 1}, 100.0, next_s=0.4, left_s=2.0)
    assert often is not None
    assert (often.peek_s, often.next_s(100.0), often.next_s(101.5)) == (0.25, 2.0, 0.5)
