"""A worker that was asked for and is not wanted any more leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from runtime.process.handle import ProcessHandle, held
from runtime.process.plumbing import Plumbing
from runtime.process.worker_process import WorkerProcess
from runtime.settings import SupervisorSettings

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
