"""The first thing that a node says, before it has loaded what it needs to run anything."""

from __future__ import annotations

import os
import time
from typing import Final

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import Engine
from runtime.placement.cluster.engine.joining import Membership
from runtime.placement.cluster.engine.subjects import Subjects
from runtime.session.info import Capacity

ANNOUNCE_S: Final = 0.5


def slept_too() -> float:
    """Seconds of a clock that goes on while the machine sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def announce(engine: Engine, member: Membership, boot: str) -> None:
    """Say that a life of a node begins: what the one before it ran is gone, and may be started elsewhere."""
    beat = say.Beat(
        node=member.node,
        boot=boot,
        number=0,
        sent=slept_too(),
        capacity=Capacity(sessions=0, starting=0, max_sessions=0, max_starting=0),
        processors=len(os.sched_getaffinity(0)),
        early=True,
    )
    await engine.publish(Subjects(member.cluster).beat(member.node), say.encoded(beat))
    await engine.settled(ANNOUNCE_S)
