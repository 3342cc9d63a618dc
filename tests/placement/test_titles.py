"""What the processes of a node are called, where every user of the machine can read it."""

from __future__ import annotations

import os

import psutil
import pytest

from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_no_title_tells_room_or_identity(node: Node) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x")
    class X(Base):
        pass
    """,
    )
    await node.start()
    session_id = await node.ready("/x", room="clinic", identity="whistleblower")
    assert " ".join(psutil.Process(node.pid(session_id)).cmdline()).strip() == f"bulkhead: {session_id}"
    for process in psutil.Process(os.getpid()).children(recursive=True):
        try:
            title = " ".join([process.name(), *process.cmdline()])
        except psutil.Error:
            continue  # it has ended
        assert "whistleblower" not in title
        assert "clinic" not in title
