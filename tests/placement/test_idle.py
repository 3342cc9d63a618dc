"""Sessions that wait for something to do: not woken, not looked at, and found out when they only say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.process import tree
from runtime.session.events import Warned
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BUNDLE = """
    import mmap, struct

    @service.path("/idle", identity="idle")
    class Idle(Base):
        pass

    @service.path("/liar", identity="liar")
    class Liar(Base):
        async def start(self, *, room):
            asyncio.get_running_loop().call_later(9.0, self.lie)

        asleep_ns = 7

        def lie(self):
            for fd in os.listdir("/proc/self/fd"):
                held = f"/proc/self/fd/{fd}"
                if os.path.lexists(held) and "bulkhead-box" in os.readlink(held):
                    box = mmap.mmap(int(fd), 4096)
                    break
            struct.pack_into("Q", box, 16, self.asleep_ns)  # as if it had not woken
            while True:
                pass
"""


def wakeups(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("voluntary"))


async def test_one_that_waits_is_neither_woken_nor_looked_at_and_one_that_only_says_so_is_ended(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    measure = tree.measure

    def counted(pid: int, **more: Any) -> tree.TreeUse | None:
        looked.append(pid)
        return measure(pid, **more)

    node = make_node(hang_warn_s=0.5, hang_kill_s=1.2)
    node.write("bundle.py", BUNDLE)
    try:
        await node.start()
        session, liar = await node.ready("/idle"), await node.ready("/liar")
        pid = node.pid(session)
        monkeypatch.setattr(tree, "measure", counted)
        async with asyncio.timeout(30 * PATIENCE):
            woken = True
            while woken or pid in looked:  # until it has come to rest
                looked.clear()
                before = wakeups(pid)
                await asyncio.sleep(3.0)  # there would be three looks, and as many wake-ups
                woken = wakeups(pid) > before
        monkeypatch.undo()
        vitals = node.placement.glance(session)
        assert vitals is not None
        assert vitals.last_heartbeat is not None
        assert await node.placement.ping(session, 10 * PATIENCE) is not None
        ended = await node.exited(liar)
        assert ended.exit.reason is ExitReason.HANG
        assert ended.exit.message.startswith("busy without a break for ")
        assert ended.exit.message.endswith("in lie")
        assert {e.session_id for e in node.seen if isinstance(e, Warned)} == {liar}
    finally:
        await node.close()
