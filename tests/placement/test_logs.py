"""A session that floods its output stops itself: the others' lines and the front come through."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from runtime.session.events import Exited, Warned
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BUNDLE = """
    @service.path("/flood", identity="flood")
    class Flood(Base):
        async def start(self, *, room):
            threading.Thread(target=self.flood, daemon=True).start()
        def flood(self):
            line = "noise " * 20
            while True:
                print(line)

    @service.path("/binary", identity="binary")
    class Binary(Base):
        async def start(self, *, room):
            threading.Thread(target=self.flood, daemon=True).start()
        def flood(self):
            while True:
                os.write(1, os.urandom(4096))

    @service.path("/quiet", identity="quiet")
    class Quiet(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.tell())
        async def tell(self):
            while True:
                print(f"at {time.monotonic()}")
                await asyncio.sleep(0.05)

    @service.path("/inherits", identity="inherits")
    class Inherits(Base):
        async def start(self, *, room):
            flood = "while :; do echo noise; done"
            self.child = subprocess.Popen(["sh", "-c", flood], start_new_session=True)
            await asyncio.sleep(0.3)
            os._exit(3)
"""


@pytest.mark.parametrize("path", ["/flood", "/binary"])
async def test_a_flood_is_dropped_and_counted_and_delays_nobody(node: Any, path: str) -> None:
    node.write("bundle.py", BUNDLE)
    await node.start()
    quiet = await node.ready("/quiet")
    flood = await node.ready(path)
    async with asyncio.timeout(15 * PATIENCE):
        await node.until(lambda: [e for e in node.seen if isinstance(e, Warned) and e.kind == "logs"])
    lags = []
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        lags.append(time.monotonic() - before - 0.01)
    # One core is the flooder's for as long as it may write; the loop is late by less than a few time slices.
    assert sorted(lags)[len(lags) // 2] < 0.05
    last = float(node.lines(quiet)[-1].split()[1])
    assert time.monotonic() - last < 5.0
    await node.placement.stop(flood, ExitReason.STOPPED, 0)
    ended = await node.exited(flood)
    assert ended.log_lines_dropped > 100
    assert len(node.lines(flood)) <= node.settings.log_lines
    assert not [e for e in node.seen if isinstance(e, Exited | Warned) and e.session_id == quiet]


async def test_a_grandchild_that_floods_the_pipe_it_inherited_keeps_nobody(node: Any) -> None:
    node.write("bundle.py", BUNDLE)
    await node.start()
    ended = await node.exited(await node.call("/inherits"))
    assert (ended.exit.reason, ended.exit.code) == (ExitReason.EXIT, 3)


LONG = """
    import logging

    @service.path("/long", identity="long")
    class Long(Base):
        async def start(self, *, room):
            logging.getLogger("mine").warning("payload %s END", "€" * 1_000_000)
            logging.getLogger("mine").error("after it")
"""
THREAD = "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"


@pytest.mark.parametrize("forks", [True, False], ids=["forked", "fresh-interpreter"])
@pytest.mark.parametrize("line_bytes", [16384, 1000])
async def test_a_long_log_call_keeps_its_level_whatever_the_bound(
    make_node: Any, forks: bool, line_bytes: int
) -> None:
    node = make_node(log_line_bytes=line_bytes)
    try:
        node.write("bundle.py", LONG if forks else THREAD + LONG)
        await node.start()
        session = await node.ready("/long")
        await node.printed(session, "after it")
        seen = [(line.stream, line.level) for line in await node.placement.log_lines(session)]
        assert seen == [("log", "warning"), ("log", "error")]
        assert "more characters" in node.lines(session)[0]
        assert len(node.lines(session)[0].encode()) <= line_bytes
    finally:
        await node.close()
