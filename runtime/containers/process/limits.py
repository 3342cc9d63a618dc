"""How much a box may use, and the look that finds out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.containers.contract import Exit
from runtime.containers.process.guard import Guard, Use
from runtime.supervisor.watch import disk_use

_LOOK_S: Final = 0.1
_LOOKS_A_DISK: Final = 50
_KILLED: Final = 137


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one box; 0 for none."""

    memory_bytes: int = 0
    pids: int = 0
    disk_bytes: int = 0


async def broken(guard: Guard, limits: Limits, folder: Path, ended: asyncio.Future[Exit]) -> Exit | None:
    """Look until a limit is passed, and say which; None once the box has ended.

    Processes are looked at ten times a second, the disk every few seconds.
    """
    looks = 0
    while True:
        await asyncio.wait({ended}, timeout=_LOOK_S)
        use = None if ended.done() else guard.use()
        if use is None:
            return None
        looks += 1
        if (found := _of_processes(guard, limits, use)) is not None:
            return found
        if limits.disk_bytes and looks % _LOOKS_A_DISK == 0:
            kept = await asyncio.to_thread(
                disk_use.measure, str(folder), use.pids, enough_bytes=limits.disk_bytes
            )
            if kept is not None and kept.bytes > limits.disk_bytes:
                return Exit(_KILLED, "disk", f"it kept more than {limits.disk_bytes} bytes in its folder")


def _of_processes(guard: Guard, limits: Limits, use: Use) -> Exit | None:
    if limits.pids and use.tasks > limits.pids:
        return Exit(_KILLED, "pids", f"it had {use.tasks} processes and threads, at most {limits.pids}")
    if not limits.memory_bytes or use.memory_bytes <= limits.memory_bytes:
        return None
    whole = guard.memory_bytes()  # what is shared was counted more than once
    if whole <= limits.memory_bytes:
        return None
    return Exit(_KILLED, "memory", f"it took {whole} bytes of memory, at most {limits.memory_bytes}")
