"""Whether another user could run a bundle's program: tried, by that user, before it is left to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import runtime
from runtime.process.program.command import Command

_TRIES: Final = """
import os, sys
def first(folder):
    return next(iter(os.listdir(folder)), None)
for kind, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        if kind == "write":
            if not os.access(path, os.W_OK | (os.X_OK if os.path.isdir(path) else 0)):
                raise PermissionError
        elif os.path.isdir(path):
            first(path)
            os.stat(os.path.join(path, "."))
        else:
            open(path, "rb").close()
    except FileNotFoundError:
        continue
    except OSError:
        sys.stdout.write(kind + " " + path)
        sys.exit(3)
"""
_TIMEOUT_S: Final = 10.0
_PACKAGE: Final = Path(str(runtime.__file__)).parent
NEEDED: Final = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7, "SYS_PTRACE": 19}
"""Capabilities, and their numbers."""


def missing_capabilities() -> list[str]:
    """What this process has not and would need, to start others as somebody else and still look after them.

    ``SETUID`` and ``SETGID`` to become them, ``CHOWN`` to give them what is theirs, ``DAC_OVERRIDE`` to
    count and remove it, ``KILL`` to end them, ``SYS_PTRACE`` to measure them.
    """
    held = 0
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("CapEff:"):
                held = int(line.split()[1], 16)
    return [name for name, bit in NEEDED.items() if not held >> bit & 1]


def out_of_reach(command: Command, program: Path, uid: int) -> str:
    """What a program's user has to reach and does not: ``read PATH`` or ``write PATH``; or empty.

    Blocks for as long as an interpreter takes to start.
    """
    own = command.own(command.env)
    python = command.python if own is None else own.python
    asked = [
        *(("read", str(path)) for path in (_PACKAGE, _PACKAGE.parent, command.folder, program)),
        *(("read", path) for path in command.policy.read),
        *(("write", path) for path in command.policy.write),
    ]
    arguments = [text for pair in asked for text in pair]
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", _TRIES, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            user=uid,
            group=uid,
            extra_groups=(),
            env={},
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"read {python}"
    if done.returncode == 3:
        return os.fsdecode(done.stdout)
    return f"read {python}" if done.returncode else ""
