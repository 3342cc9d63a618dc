"""A worker that is not wanted any more leaves nothing behind, and one that ends is heard to its last word."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from runtime.process.handle import ProcessHandle, held
from runtime.process.plumbing import Plumbing
from runtime.process.worker_process import Owner, WorkerProcess
from runtime.settings import SupervisorSettings
from runtime.wire import control
from runtime.wire.frames import encode_frame
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_worker_whose_asker_was_cancelled_is_killed_and_let_go() -> None:
    popen = subprocess.Popen(["sleep", "1000"], process_group=0)
    process = ProcessHandle(popen.pid, os.pidfd_open(popen.pid))
    connecting = asyncio.create_task(WorkerProcess._connected(process, Plumbing(), SupervisorSettings()))
    await asyncio.sleep(0)  # it is on its way: the pipe is being connected
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert popen.wait(10) == -9
    assert popen.pid not in held()  # so a sweep takes it for the orphan that it is
    process.parent_lost()  # as its zygote's client says at its end, to all that it forked


LAST_WORD = control.Failed("run", "ValueError", "no such model")


async def _ended_while_the_loop_was_busy(script: str, folder: Path) -> tuple[int | None, list[object]]:
    """Run a shell script with the worker's end of the pipe as its output; its status and what was heard."""
    plumbing = Plumbing()
    popen = subprocess.Popen(
        ["sh", "-c", script], cwd=folder, process_group=0, stdout=plumbing.child_fds()[0]
    )
    plumbing.release_child_ends()
    process = ProcessHandle(popen.pid, os.pidfd_open(popen.pid))
    worker = await WorkerProcess._connected(process, plumbing, SupervisorSettings())
    heard: list[object] = []
    worker.adopt(Owner(heard.append, lambda _: None, lambda _: None))
    try:
        _wait_for_its_end(popen.pid)  # the loop does not turn meanwhile
        assert process.has_exited  # as whoever measures it asks, so that its end is known first
        async with asyncio.timeout(10 * PATIENCE):
            status = await worker.exited()
        popen.returncode = status
        return status, list(heard)
    finally:
        worker.close()
        await asyncio.sleep(0)


def _wait_for_its_end(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _frame(folder: Path) -> None:
    frame = encode_frame(control.encode(LAST_WORD), max_frame_bytes=1 << 20)
    (folder / "last_word").write_bytes(frame)


async def test_the_last_word_is_heard_before_the_end_however_busy_the_loop_is(tmp_path: Path) -> None:
    _frame(tmp_path)
    for _ in range(50):
        status, heard = await _ended_while_the_loop_was_busy("cat last_word; exit 7", tmp_path)
        assert status == 7
        assert heard == [LAST_WORD]


async def test_a_descendant_that_holds_the_pipe_does_not_hold_up_the_end(tmp_path: Path) -> None:
    _frame(tmp_path)
    script = "setsid sleep 1000 & echo $! > holder; cat last_word"
    try:
        assert await _ended_while_the_loop_was_busy(script, tmp_path) == (0, [LAST_WORD])
    finally:
        os.kill(int((tmp_path / "holder").read_text()), signal.SIGKILL)
