"""How much a box may use: judged as a session is, by a look of its own.

A share of processors is kept by stopping its commands for as long as they have used too much.  All other
limits end it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from runtime.containers.contract import Exit, Most
from runtime.containers.process.guard import Guard
from runtime.process import tree
from runtime.process.procfs import Member
from runtime.process.tree import TreeUse
from runtime.session.spec import Limits
from runtime.supervisor.watch.budget import Budget, Excess, Pause
from runtime.supervisor.watch.disks import Disks, SessionDisk

_KILLED: Final = 137
_STOPPED: Final = "Tt"


def limits_of(most: Most, disk_bytes: int) -> Limits:
    """Those of a box; 0 is none."""
    return Limits(
        memory=most.memory_bytes or None,
        cpu=most.cpu or None,
        pids=most.pids or None,
        disk=disk_bytes or None,
    )


async def broken(
    guard: Guard,
    limits: Limits,
    folder: Path,
    ended: asyncio.Future[Exit],
    disks: Disks,
) -> Exit | None:
    """Look until a limit is passed that ends it, and say which; None once the box has ended."""
    now = asyncio.get_running_loop().time
    budget = Budget(limits, now())
    most_bytes = int(limits.plain().get("disk_bytes", 0))
    counted = str(folder) if most_bytes else ""
    disk = SessionDisk(lambda: counted, most_bytes or None, disks=disks, now=now())
    try:
        while True:
            await asyncio.wait({ended}, timeout=min(budget.next_s, disk.next_s))
            use = None if ended.done() else guard.use()
            if use is None:
                return None
            if budget.wants_pss(use):
                use = await _weighed(use)
            pause_s = 0.0
            for finding in budget.take(use, now()) + disk.look(use.members, now()):
                match finding:
                    case Excess():
                        return Exit(_KILLED, finding.reason.value, finding.message)
                    case Pause():
                        pause_s = max(pause_s, finding.for_s)
            if pause_s:
                await _held(use.members[1:], pause_s, ended)  # the first of them starts and ends the others
    finally:
        disk.close()


async def _weighed(use: TreeUse) -> TreeUse:
    """With what belongs to it: a process that forks cannot be asked before it is done, so not here."""
    pss, uss = await asyncio.to_thread(tree.owned, use.members)
    return replace(use, pss_bytes=pss, uss_bytes=uss)


async def _held(members: Sequence[Member], for_s: float, ended: asyncio.Future[Exit]) -> None:
    going = [one for one in members if one.state not in _STOPPED]
    tree.signal_all(going, signal.SIGSTOP)
    try:
        await asyncio.wait({ended}, timeout=for_s)
    finally:
        tree.signal_all(going, signal.SIGCONT)
