"""What a session says last is what its end is judged by, also beside a loop that comes late to everything."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from runtime.session.exit_reasons import ExitReason
from runtime.supervisor import lifecycle

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SHORT = """
    @service.path("/raises", identity="x")
    class Raises(Base):
        async def start(self, *, room):
            raise ValueError("no such model")

    @service.path("/stays", identity="x")
    class Stays(Base):
        pass
"""


@contextmanager
def _busy(node: Any, sessions: list[Any], each_s: float) -> Iterator[None]:
    """Keep the loop late, and look at every session in each of its turns, as a sampler in a hurry does."""
    loop = asyncio.get_running_loop()
    is_on = True

    def turn() -> None:
        if is_on:
            time.sleep(each_s)
            for session_id in sessions:
                node.placement.supervisor.driver(session_id).vitals()
            loop.call_soon(turn)

    loop.call_soon(turn)
    try:
        yield
    finally:
        is_on = False


async def test_no_end_is_misjudged_beside_a_busy_loop(node: Any) -> None:
    node.write("bundle.py", SHORT)
    await node.start()
    sessions: list[Any] = []
    with _busy(node, sessions, 0.05):
        for _ in range(3):
            batch = [await node.call("/raises") for _ in range(12)]
            sessions[:] = batch
            ends = [(await node.exited(session_id)).exit for session_id in batch]
            found = Counter((one.reason, one.failure.kind if one.failure else "") for one in ends)
            assert found == {(ExitReason.START_ERROR, "ValueError"): 12}


async def test_a_process_that_is_gone_is_not_taken_for_one_that_cut_its_pipe(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_AFTER_PIPE_S", 0.05)
    node.write("bundle.py", SHORT)
    await node.start()
    session_id = await node.ready("/stays")
    worker = psutil.Process(node.pid(session_id))
    zygote = worker.parent()
    assert zygote is not None
    zygote.suspend()  # its parent, which is to say how it ended, comes late to it
    try:
        worker.send_signal(signal.SIGSEGV)
        await asyncio.sleep(0.5)  # well after a living process would have been judged by its closed pipe
    finally:
        zygote.resume()
    ended = (await node.exited(session_id)).exit
    assert ended.reason is ExitReason.SIGNAL, ended
    assert ended.signal == signal.SIGSEGV
