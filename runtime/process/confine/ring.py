"""Put this process below what holds a bundle: privileges, files, signals, system calls; for good.

What to put it below comes as plain data from the front (`runtime.process.confine.hold`).  Paths are opened
and the rules complete before the first right is given up: who did it the other way round could not open them.

Imports what a bare interpreter has at hand: it runs before every zygote (`runtime.process.confine.launch`).
"""

from __future__ import annotations

import os
import sys
from errno import EMFILE, ENFILE, ENOMEM

from runtime.process.confine import denied, landlock, privileges, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Rule = tuple[str, int, bool]
    Rules = Iterable[Rule]
    """Path, access, and whether it must be that very file: no link on the way to it is followed."""

_STRICT = "strict"  # as `runtime.confinement.level` has it, which an interpreter this bare has not


def enter(held: dict[str, Any]) -> dict[str, Any]:
    """Be held from here on; what holds is returned, as data: ``landlock``, ``seccomp``, ``failed``.

    Args:
        held: As `Hold` wrote it.

    Raises:
        OSError: A right could not be given up.
    """
    version = landlock.abi()
    is_strict, network = held["level"] == _STRICT, held["network"]
    # Whoever is connected by somebody else needs no port, and must not come by one by itself.
    ports = landlock.ALL_PORTS if network != "all" else 0
    rules = ruleset(held["outer"], version, ports=ports) if version else None
    if held["user"] is not None:
        privileges.become(held["user"], held["group"], keeping=True)
    users = held["users"]
    privileges.drop(but_users=bool(users))
    landlock.give_up_new_privileges()
    if rules is not None:
        with rules:
            rules.restrict()
    has_filter = seccomp.is_there()
    if users and not has_filter:
        privileges.drop()  # nothing else would keep it from being anybody
    if has_filter:
        kept, watch_fd = [*held["kept"], os.getpid()], held["watch"]
        rules_of_calls = [
            *(denied.strict(network, is_watched=watch_fd >= 0) if is_strict else ()),
            *denied.basic(),
            *denied.instead_of_landlock(version, kept),
            *(denied.users_but(*users) if users else ()),
        ]
        listener = seccomp.install(seccomp.program(rules_of_calls), listener=watch_fd >= 0)
        if listener is not None:
            hand_over(watch_fd, listener)
    failed = "" if version else landlock.why_not()
    return {"landlock": version, "seccomp": has_filter, "failed": failed}


def hand_over(watch_fd: int, listener: int) -> None:
    """Send the listener to the front, and keep nothing of it; see `runtime.process.confine.watch`."""
    from _socket import SCM_RIGHTS, SOL_SOCKET, socket  # without what `socket` itself imports

    with_fd = [(SOL_SOCKET, SCM_RIGHTS, listener.to_bytes(4, sys.byteorder))]
    to_front = socket(fileno=watch_fd)
    to_front.sendmsg([b"."], with_fd)
    to_front.close()
    os.close(listener)


def ruleset(rules: Rules, version: int | None = None, *, ports: int = 0) -> landlock.Ruleset:
    """Rules for files, with the scopes that keep signals and nameless sockets within."""
    made = blank(version, ports=ports)
    try:
        for path, access, exactly in rules:
            allow(made, path, access, exactly=exactly)
    except BaseException:
        made.close()
        raise
    return made


def blank(version: int | None = None, *, ports: int = 0) -> landlock.Ruleset:
    """A ruleset that allows nothing yet."""
    return landlock.Ruleset(
        files=landlock.ALL_FILES, ports=ports, scopes=landlock.ALL_SCOPES, version=version
    )


def allow(made: landlock.Ruleset, path: str, access: int, *, exactly: bool) -> None:
    """Add a rule; one for something that is not there, or not what it was, is left out."""
    fd = opened(path, exactly=exactly)
    if fd is not None:
        try:
            made.allow_path(fd, access)
        finally:
            os.close(fd)


def opened(path: str, *, exactly: bool) -> int | None:
    """A descriptor for what a rule is for; None where it is not there, or not what it was.

    Raises:
        OSError: There is no descriptor, or no memory, for it.
    """
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if exactly else 0))
    except OSError as error:
        if error.errno in (EMFILE, ENFILE, ENOMEM):  # who left it out would hold somebody from what is his
            raise
        return None
    if not exactly or os.readlink(f"/proc/self/fd/{fd}") == path:
        return fd
    os.close(fd)
    return None
