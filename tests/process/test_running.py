"""A command beside the sessions: heard, held, and gone with whoever ran it."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from runtime.process.environment import BUNDLE_MARK
from runtime.process.handle import held
from runtime.process.orphans import Orphans
from runtime.process.program.running import running

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

FORKS = "import os, time; os.fork(); os.write(1, b'%d\\n' % os.getpid()); time.sleep(600)"


async def test_it_is_no_orphan_and_nothing_of_it_is_left() -> None:
    marked = {**os.environ, BUNDLE_MARK: "1"}
    async with running([sys.executable, "-c", FORKS], env=marked) as child:
        said = b""
        while said.count(b"\n") < 2:
            said += await child.read(100)
        pids = [int(line) for line in said.split()]
        assert not Orphans(BUNDLE_MARK).strike(held()).new & set(pids)
        assert all(os.kill(pid, 0) is None for pid in pids)
    assert await child.read(100) == b""  # both have closed it
    assert not set(pids) & held()


async def test_its_end_is_told() -> None:
    async with running(["sh", "-c", "echo out; echo err >&2; exit 3"]) as child:
        said = b""
        while piece := await child.read(100):
            said += piece
        assert (said, await child.status()) == (b"out\nerr\n", 3)
    async with running([sys.executable, "-c", FORKS]) as child:
        await child.read(1)
        child.interrupt()
        assert await child.status() in (1, -signal.SIGINT)
    with pytest.raises(OSError, match="no such program"):
        async with running(["/no such program"]):
            pass
