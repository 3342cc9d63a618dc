"""What was refused reaches the front: the first at once, more of it seldom, and all before the last word."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from runtime.errors import ChannelClosed
from runtime.wire import control
from runtime.worker.refused.account import Account
from runtime.worker.refused.teller import TELL_S, Teller
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_the_first_is_told_at_once_and_the_rest_together() -> None:
    account, told = Account(), asyncio.Queue[Any]()
    Teller(account, told.put_nowait)
    begun = asyncio.get_running_loop().time()
    noting = threading.Thread(target=account.note, args=("files.read", "/a/x"))
    noting.start()
    first = await asyncio.wait_for(told.get(), 5 * PATIENCE)
    noting.join()
    assert first == control.Refused([("files.read", "/a/x")], {"files.read": 1})
    for name in ("x", "y", "\udcff"):
        account.note("files.write", f"/{name}/x")
    second = await asyncio.wait_for(told.get(), 5 * PATIENCE)
    assert asyncio.get_running_loop().time() - begun >= TELL_S
    assert second.counts == {"files.read": 1, "files.write": 3}
    assert [what for _, what in second.found][:2] == ["/x/x", "/y/x"]
    assert control.decode(control.from_worker, control.encode(second)) == second, "a name that is no text"


async def test_it_goes_before_a_last_word() -> None:
    account, told = Account(), list[Any]()
    teller = Teller(account, told.append)
    teller.send(control.Pong(1))
    account.note("files.read", "/a/x")
    teller.send(control.Ended("finished"))
    assert [type(one).__name__ for one in told] == ["Pong", "Refused", "Ended"]


async def test_a_front_that_is_gone_and_a_loop_that_is_closed_are_no_error() -> None:
    def gone(_: object) -> None:
        raise ChannelClosed("gone")

    account = Account()
    teller = Teller(account, gone)
    account.note("files.read", "/a/x")
    teller.tell()

    async def over() -> Account:
        Teller(late := Account(), gone)
        return late

    late = await asyncio.to_thread(lambda: asyncio.run(over()))
    late.note("files.read", "/a/x")
    assert late.take()[1] == {"files.read": 1}
