"""Every way a session is known to misbehave, each beside a healthy neighbour that must not notice.

Each animal's file states how it ends.  The neighbour is talked to all the while: no message may be lost,
change its place, or be late.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.errors import EndpointNotFound
from runtime.session.events import Exited, Ready, Warned
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE
from tests.zoo.conftest import conversation

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ANIMALS = sorted(path.stem for path in (Path(__file__).parent / "animals").glob("*.py"))


@pytest.mark.parametrize("animal", [name for name in ANIMALS if name != "raises_on_import"])
async def test_an_animal_ends_as_it_states_and_its_neighbour_does_not_notice(
    zoo: Any, facts: Any, animal: str
) -> None:
    stated = facts(animal)
    node = await zoo(animal)
    sibling = await node.ready("/sibling", identity="sibling")
    before = _processes()
    async with conversation(node):
        victim = await node.call("/victim", identity="victim", limits=_limits(node))
        if stated.get("ASK_TO_STOP"):
            await node.event(victim, Ready)
            if stated.get("WARNS"):
                await node.event(victim, Warned)
            await asyncio.sleep(stated.get("AFTER_S", 0))  # so long its fault is to last
            await node.placement.stop(victim, ExitReason.STOPPED)
        ended = await node.exited(victim)
    assert str(ended.exit.reason) == stated["EXPECTED"], ended.exit
    if "LINE" in stated:
        assert f"{animal}.py:" in ended.exit.message, ended.exit
        assert stated["LINE"] in ended.exit.message
    if stated.get("DROPS_LINES"):
        assert ended.log_lines_dropped > 0
    for line in node.lines(victim):
        if line.startswith("child "):
            assert not psutil.pid_exists(int(line.split()[1]))
    async with asyncio.timeout(10 * PATIENCE):  # one that was forked in advance may be dying just now
        while {pid for pid in _processes() - before if not _is_ours(pid, node)}:
            await asyncio.sleep(0.02)
    assert psutil.pid_exists(node.pid(sibling))
    assert not [one for one in node.seen if one.session_id == sibling and isinstance(one, Exited)]


async def test_a_file_that_cannot_be_imported_serves_nobody_and_hurts_nobody(zoo: Any, facts: Any) -> None:
    stated = facts("raises_on_import")
    assert stated["EXPECTED"] == str(ExitReason.IMPORT_ERROR)  # what dispatch makes of it
    node = await zoo("raises_on_import")
    await node.ready("/sibling", identity="sibling")
    async with conversation(node):
        with pytest.raises(EndpointNotFound):
            await node.call("/victim", identity="victim")
    failed = next(one for one in node.placement.bundles() if one.name == "raises_on_import")
    assert failed.state == "failed"
    assert "no key in the environment" in failed.error


async def test_the_zoo_is_complete() -> None:
    assert len(ANIMALS) == 18


def _limits(node: Any) -> Any:
    """As dispatch would: those the endpoint declares."""
    return next(one.limits for one in node.placement.endpoints() if one.path == "/victim")


def _processes() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def _is_ours(pid: int, node: Any) -> bool:
    """A zygote, or a worker that waits for a session."""
    try:
        title = " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return True
    return "worker/boot.py" in title or title.startswith("bulkhead: parked")
