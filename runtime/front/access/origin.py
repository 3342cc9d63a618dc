"""Which process of this machine sent a request that shows no key: a shell, or one of our own sessions.

To the network every process here is the same loopback, sessions included, and these do what strangers talk
them into.  So the kernel is asked whose socket the far end is, and /proc who has it open: somebody outside of
our own tree must, and nobody within it.  A session may have a user of its own, and keep its processes from
being looked at.  Not finding out is an answer, too: of a socket that nobody has open, or only processes that
may not be looked at.  Asked once for a connection, in a thread, and only where nothing but the place, or a
cookie, speaks for the caller.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

from runtime.front.access.peer_socket import PeerSocket, is_answered, peer_socket
from runtime.process import procfs

MAX_KNOWN: Final = 1024
"""Connections whose origin is remembered."""
MAX_WAITING: Final = 512
"""Searches at once, one of which goes on: whoever comes then is not looked for."""
MAX_RECENT: Final = 16
_FIRST_PIDS: Final = 0xEFFFFFFC
"""The namespace of pids that is all of the machine's."""


class Origin(StrEnum):
    """Where a request comes from, as far as this machine can tell."""

    UNASKED = "unasked"
    ELSEWHERE = "elsewhere"
    """No socket of this network namespace; or the kernel does not tell."""
    NEAR = "near"
    """A process of our user, outside of everything this server runs."""
    OTHER_USER = "other_user"
    SESSION = "session"
    """The server's own tree: a session, the program of a bundle, or the front itself."""
    HIDDEN = "hidden"
    """A socket of our user that nobody is seen to have open, and somebody outside of the tree may have."""
    DOUBTFUL = "doubtful"
    """The same where a session may have it: one that does not let us look, or on its way between two
    processes."""
    GONE = "gone"
    """One that is closed: who asked does not wait for the answer."""


class Origins:
    """The origins of one server's connections.

    Args:
        is_alone: Our own process is the server's alone; what it sends itself is nobody's request then.
    """

    def __init__(self, *, is_alone: bool = True) -> None:
        self._is_alone = is_alone
        self._known: OrderedDict[bytes, Origin] = OrderedDict()
        self._recent: OrderedDict[int, None] = OrderedDict()  # processes that asked: they ask again
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def can_tell(self) -> bool:
        """Whether it can be told here at all."""
        return await asyncio.to_thread(is_answered)

    async def of(self, scope: Any) -> Origin:
        """Where the connection of an ASGI scope comes from."""
        found = self._socket(scope)
        if isinstance(found, Origin):
            return found
        if self._waiting >= MAX_WAITING:
            return Origin.UNASKED
        self._waiting += 1
        try:
            async with self._turn:
                if (known := self._known.get(found.cookie)) is not None:
                    return known
                origin = await asyncio.to_thread(self._search, found)
                if origin is not Origin.DOUBTFUL:  # it may have been a process that was just being started
                    self._known[found.cookie] = origin
                while len(self._known) > MAX_KNOWN:
                    self._known.popitem(last=False)
                return origin
        finally:
            self._waiting -= 1

    def recall(self, scope: Any) -> Origin:
        """The same without waiting: UNASKED for a connection that was not looked at yet."""
        found = self._socket(scope)
        return found if isinstance(found, Origin) else Origin.UNASKED

    def _socket(self, scope: Any) -> Origin | PeerSocket:
        client, server = scope.get("client"), scope.get("server")
        if not client or not server or not server[1]:
            return Origin.ELSEWHERE
        found = peer_socket(client, server)
        if found is None:
            # Of this machine there must be one, unless it was torn down by who asked and will not listen.
            return Origin.GONE if _is_loopback(client[0]) and is_answered() else Origin.ELSEWHERE
        if not found.inode:
            return Origin.GONE
        return self._known.get(found.cookie, found)

    def _search(self, socket: PeerSocket) -> Origin:
        name, us, is_near = f"socket:[{socket.inode}]", os.getpid(), socket.uid == os.geteuid()
        ours = {one.pid for one in procfs.tree(us)} - {us}
        unseen = []
        for pid in ours:
            if (has := _has(pid, name)) is None:
                unseen.append(pid)
            elif has:
                return Origin.SESSION
        if _has(us, name):
            return Origin.SESSION if self._is_alone else Origin.NEAR
        for pid in self._others(ours | {us}):
            if (has := _has(pid, name)) is None:
                unseen.append(pid)
            if not has:
                continue
            if is_below(pid, us):
                return Origin.SESSION  # it was forked while we looked
            self._recent[pid] = None
            self._recent.move_to_end(pid)
            while len(self._recent) > MAX_RECENT:
                self._recent.popitem(last=False)
            return Origin.NEAR if is_near else Origin.OTHER_USER
        if any(pid in ours or procfs.descends(pid, us) for pid in unseen):
            return Origin.DOUBTFUL
        if not is_near:
            return Origin.OTHER_USER
        init = os.getppid()  # which lets nobody look either
        may_be = not _sees_all() or any(pid != init and _is_of_our_user(pid) for pid in unseen)
        return Origin.HIDDEN if may_be else Origin.DOUBTFUL

    def _others(self, ours: Iterable[int]) -> Iterator[int]:
        recent = [pid for pid in reversed(self._recent) if pid not in ours]
        yield from recent
        skipped = {*recent, *ours}
        # The newest first: a command has just been started.
        yield from (pid for pid in sorted(_pids(), reverse=True) if pid not in skipped)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_below(pid: int, top: int) -> bool:
    """Whether a process descends from another, or may: where that cannot be followed, it does."""
    first = procfs.line(pid, top=top)
    return first is None or first[-1][0] == top or first != procfs.line(pid, top=top)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _sees_all() -> bool:
    """Whether /proc shows every process there is, if not what is in it."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _FIRST_PIDS and os.path.exists("/proc/1/stat")
    except OSError:
        return False


def _is_of_our_user(pid: int) -> bool:
    lines = procfs.read(f"/proc/{pid}/status").splitlines()
    return any(line.startswith(b"Uid:") and b"%d" % os.geteuid() in line.split() for line in lines)


def _has(pid: int, name: str) -> bool | None:
    """Whether a process has this open; None where it may not be looked at."""
    try:
        folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return None
    except OSError:
        return False
    try:
        return any(_leads_to(number, folder) == name for number in os.listdir(folder))
    except PermissionError:
        return None
    except OSError:
        return False
    finally:
        os.close(folder)


def _leads_to(number: str, folder: int) -> str:
    try:
        return os.readlink(number, dir_fd=folder)
    except OSError:
        return ""  # closed meanwhile
