"""A bundle whose zygote says what it likes to the front, or ends when nobody expects it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.errors import ZygoteLost
from runtime.process.zygote_client import ZygoteClient
from runtime.wire import control
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SERVES = """
    @service.path("/x", identity="x")
    class X(Base):
        pass
"""
SAYS = """
    from runtime.process import zygote
    from runtime.wire import control

    report = zygote.report

    def says(front, message):
        report(front, message)
        front.setblocking(True)
        said = control.encode({said})
        while True:
            front.sendall(said)

    zygote.report = says
"""


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("control.Reaped(4194999, 0, 0.0)", "the end of a worker that it has not forked"),
        ("message", "it says a second time how the import went"),
        ("control.ForkFailed(4194999, 'no more')", ""),
    ],
)
async def test_one_that_never_stops_talking_holds_up_nobody(
    node: Any, monkeypatch: pytest.MonkeyPatch, said: str, refused: str
) -> None:
    heard: list[int] = []
    readable, hear = ZygoteClient._readable, ZygoteClient._heard

    def counted(self: ZygoteClient, *args: Any) -> None:
        heard[-1] += 1
        assert heard[-1] <= 64  # of those that wait, however many: then the loop is everybody's
        hear(self, *args)

    def called(self: ZygoteClient) -> None:
        heard.append(0)
        readable(self)

    monkeypatch.setattr(ZygoteClient, "_heard", counted)
    monkeypatch.setattr(ZygoteClient, "_readable", called)
    node.write("x.py", SERVES + SAYS.format(said=said))
    with capture_logs() as logs:
        async with asyncio.timeout(20 * PATIENCE):
            await node.start()
            while sum(heard) < 100 and not any(line["event"] == "zygote.refused" for line in logs):
                await asyncio.sleep(0)
    assert max(heard) <= 64
    told = [line["error"] for line in logs if line["event"] == "zygote.refused"]
    assert bool(told) == bool(refused)
    assert not refused or refused in told[0]


async def test_one_that_ends_as_soon_as_it_has_described_itself_is_a_failed_load(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = ZygoteClient._heard

    def heard_late(self: ZygoteClient, message: control.FromZygote, fds: list[int]) -> None:
        if isinstance(message, control.Described):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        hear(self, message, fds)

    monkeypatch.setattr(ZygoteClient, "_heard", heard_late)
    ends = """
    from runtime.process import zygote
    zygote.Zygote.serve = lambda self: os._exit(3)
"""
    node.write("x.py", SERVES + ends)
    async with asyncio.timeout(20 * PATIENCE):
        await node.start()
    (info,) = node.placement.bundles()
    assert (info.state, info.pid) == ("failed", None)
    assert "ended as soon as the program was imported" in info.error


FORKS_SLOWLY = """
    import time

    os.register_at_fork(after_in_child=lambda: time.sleep(1))
"""


async def test_one_that_is_given_up_takes_no_session_along_that_it_just_forked(make_node: Any) -> None:
    node = make_node(max_parked=0)
    node.write("x.py", FORKS_SLOWLY + SERVES)
    given_up = []

    def forked(self: ZygoteClient, message: control.Forked, pidfd: int) -> None:
        hear(self, message, pidfd)
        if not given_up:
            given_up.append(self.pid)
            self._give_up(ZygoteLost("it was given up"))  # while its child is in its group yet

    hear = ZygoteClient._forked
    try:
        await node.start()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ZygoteClient, "_forked", forked)
            await node.ready("/x")
        assert given_up
    finally:
        await node.close()
