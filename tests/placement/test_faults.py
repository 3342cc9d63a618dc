"""Faults on purpose: asked of a session over its pipe, and its neighbour still answers."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.session.exit_reasons import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AGENT = '@service.path("/x")\nclass X(Base):\n    pass\n'


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", ExitReason.AGENT_ERROR),
        ("exit", ExitReason.EXIT),
        ("segfault", ExitReason.SIGNAL),
        ("kill", ExitReason.SIGNAL),
    ],
)
async def test_a_fault_ends_its_session_and_the_neighbour_answers(
    node: Any, fault: str, reason: ExitReason
) -> None:
    node.write("bundle.py", AGENT)
    await node.start()
    victim, sibling = await node.ready("/x"), await node.ready("/x", identity="second")
    assert await node.placement.inject(victim, fault)
    ended = await node.exited(victim)
    assert ended.exit.reason is reason
    if fault in ("raise", "segfault"):
        assert "<chaos>:" in ended.exit.message  # shown as a line of an agent is
    assert await node.placement.ping(sibling, 20) is not None
    assert await node.placement.ping(victim, 20) is None
    assert not await node.placement.inject(victim, fault)
