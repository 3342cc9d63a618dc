"""Whether another user could run a bundle's program: tried, by that user, before it is left to it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import runtime
from runtime.errors import BundleError
from runtime.process.program.command import Command

_TRIES: Final = """
import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
for kind, path in zip(sys.argv[2::2], sys.argv[3::2]):
    try:
        if kind == "write":
            if not os.access(path, os.W_OK | (os.X_OK if os.path.isdir(path) else 0)):
                raise PermissionError
        elif kind == "run":
            if not os.access(path, os.X_OK):
                raise PermissionError
        elif os.path.isdir(path):
            os.listdir(path)
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
NEEDED: Final = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7, "SYS_PTRACE": 19, "SYS_NICE": 23
}  # fmt: skip
"""Capabilities, and their numbers."""


def missing_capabilities() -> list[str]:
    """What this process has not and would need, to start others as somebody else and still look after them.

    ``SETUID`` and ``SETGID`` to become them, ``CHOWN`` to give them what is theirs, ``DAC_OVERRIDE`` to
    count and remove it, ``KILL`` to end them, ``SYS_PTRACE`` to measure them, ``SYS_NICE`` to have them give
    way.
    """
    held = 0
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("CapEff:"):
                held = int(line.split()[1], 16)
    return [name for name, bit in NEEDED.items() if not held >> bit & 1]


def out_of_reach(command: Command, program: Path, uid: int) -> str:
    """What a program's user has to reach and does not: ``read PATH``, ``run PATH``, ``write PATH``; or empty.

    Tried by our own interpreter, which nothing of a bundle is run with.  Blocks for as long as that takes to
    start.

    Raises:
        BundleError: It could not be tried.
    """
    own = command.own(command.env)
    python = command.python if own is None else own.python
    prefix = Path(os.path.realpath(python)).parent.parent
    asked = [
        ("run", python),
        *(("read", str(path)) for path in (Path(python).parent.parent / "lib", prefix / "lib")),
        *(("read", str(path)) for path in (_PACKAGE, _PACKAGE.parent, command.folder, program)),
        *(("read", path) for path in command.policy.read),
        *(("write", path) for path in command.policy.write),
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRIES, str(uid), *(text for pair in asked for text in pair)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleError(f"whether user {uid} can run it was not to be found out: {error}") from error
    if done.returncode not in (0, 3):
        raise BundleError(f"nothing runs as user {uid}: {os.fsdecode(done.stderr)[-500:]}")
    return os.fsdecode(done.stdout)


def cure_of(found: str, uid: int) -> str:
    """What to do about what `out_of_reach` has found."""
    what, _, path = found.partition(" ")
    real = os.path.realpath(path)
    if shut := shut_above(path, uid) or shut_above(real, uid):
        return f"chmod o+x {shut}, on the way to {real}; or keep that elsewhere."
    if what == "write":
        return f"chown -R {uid}:{uid} {real}, or take it out of what it may write."
    return f"chmod -R o+rX {real}."


def shut_above(path: str, uid: int) -> str:
    """The first folder on the way to a path that a user may not go through; empty when there is none."""
    at = "/"
    for part in path.split("/")[1:]:
        try:
            found = os.stat(at)
        except OSError:
            return ""
        if stat.S_ISDIR(found.st_mode):
            asked = (
                stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == uid else stat.S_IXOTH
            )
            if not found.st_mode & asked:
                return at
        at = os.path.join(at, part)
    return ""
