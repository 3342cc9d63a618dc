"""py-spy, where it is installed: it reads a process from outside, also one that is stuck in native code."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from runtime.process.program.running import running
from runtime.wire.looking.profile import (
    MAX_STACKS,
    RUNNING,
    WAITING,
    Profile,
    ProfileFrame,
    ProfileStack,
    heard,
    is_idle,
    is_turn,
)

_OVERTIME_S: Final = 20.0
_MAX_BYTES: Final = 8 << 20
_SAID_BYTES: Final = 16 << 10
_FRAME: Final = re.compile(r"^(?P<name>.*) \((?P<file>.*?)(?::(?P<line>[0-9]{1,9}))?\)$")
_THREAD: Final = re.compile(r'^thread \(.*\): "(?P<name>.*)"$|^(?P<other>(?:thread|process) .*)$')


def found() -> str | None:
    """The program, in the server's environment or on its path."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


async def record(program: str, pid: int, *, seconds: float, rate: int) -> Profile:
    """Have a process looked at; one with `Profile.failed` where py-spy may or can not."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-profile-") as folder:
        to = Path(folder) / "stacks.txt"
        argv = ["record", "-p", str(pid), "-d", str(max(1, math.ceil(seconds))), "-r", str(rate)]
        argv += ["-f", "raw", "-o", str(to), "--threads", "--full-filenames"]
        said = b""
        try:
            async with running([program, *argv]) as child, asyncio.timeout(seconds + _OVERTIME_S):
                while piece := await child.read(_SAID_BYTES):
                    said = (said + piece)[-_SAID_BYTES:]
                status = await child.status()
        except TimeoutError:
            return Profile(failed="py-spy did not come to an end")
        if status or not to.is_file():
            told = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
            why = next((line for line in told if line.startswith("Error")), (told or ["no reason told"])[0])
            return Profile(failed=f"py-spy may not look at it ({why[:120]}), so its own sampler did.")
        with to.open(errors="replace") as lines:
            return read(lines.read(_MAX_BYTES), seconds=seconds, rate=rate)


def read(text: str, *, seconds: float, rate: int) -> Profile:
    """What ``py-spy record -f raw --threads`` wrote: ``frame;frame;frame count``, a stack a line."""
    frames: dict[ProfileFrame, int] = {}
    stacks: list[ProfileStack] = []
    dropped = 0
    for line in text.splitlines():
        path, _, number = line.rpartition(" ")
        if not number.isdigit():
            continue
        weight = int(number)
        if len(stacks) >= MAX_STACKS:
            dropped += weight
            continue
        root, *rest = path.split(";")
        thread = _THREAD.match(root)
        if thread is None:
            root, rest = "thread", [root, *rest]
        else:
            root = f"thread {thread['name']}" if thread["name"] else thread["other"]
        way = [_frame(one) for one in rest]
        turn = next((at for at, one in enumerate(way) if is_turn(one.file, one.function)), -1)
        is_waiting = bool(way) and is_idle(way[-1].file, way[-1].function)
        places = [frames.setdefault(one, len(frames)) for one in way[turn + 1 :]]
        stacks.append(ProfileStack(WAITING if is_waiting else RUNNING, root, places, weight))
    return heard(
        Profile(
            by="py-spy",
            seconds=seconds,
            rate=rate,
            samples=round(seconds * rate),
            frames=list(frames),
            stacks=stacks,
            dropped=dropped,
        )
    )


def _frame(text: str) -> ProfileFrame:
    if (known := _FRAME.match(text)) is None:
        return ProfileFrame(text, "")
    return ProfileFrame(known["name"], known["file"], int(known["line"] or 0))
