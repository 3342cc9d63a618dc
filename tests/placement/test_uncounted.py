"""Sessions count no references to what they share, unless one setting says that they do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.process.fork import immortal
from tests.placement.conftest import Node

pytestmark = pytest.mark.process

BUNDLE = """
    class Ending:
        def __del__(self):
            os.write(1, b"ended in order\\n")

    kept = {"ending": [Ending()]}
    count = getattr(sys, "getrefcount")  # a program that calls it by name is one that counts

    @service.path("/count", identity="count")
    class Count(Base):
        async def start(self, *, room):
            print("uncounted", count(Count) > 1 << 30, count(kept) > 1 << 30)
            kept.clear()
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("wanted", [True, False])
async def test_sessions_share_what_is_not_counted(make_node: Callable[..., Node], wanted: bool) -> None:
    node = make_node(immortal=wanted, max_parked=0)
    node.write("count.py", BUNDLE)
    try:
        await node.start()
        session = await node.ready("/count")
        uncounted = wanted and immortal.is_possible()
        # What leads to somebody who wants to end is counted in any case.
        assert await node.printed(session, "uncounted") == f"uncounted {uncounted} False"
        await node.printed(session, "ended in order")
    finally:
        await node.close()
