"""What a program opened while it was imported, and what its sessions would share if they were forked from it.

A fork copies memory, but not what the kernel holds: a connection, a database, a pipe to a child are one
object, and two sessions that use it read each other's answers.  Whoever begins an `Import` before the program
runs is told afterwards what of that kind is there: peers, files, children, threads, with the line.

Innocent are: files open for reading or for appending, folders, sockets that are not connected, what talks to
the system's own services, random numbers and nowhere; the event loop that runs the program; and whatever was
open before.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import operator
import os
import re
import socket
import stat
import sys
from _socket import socket as _socket_type
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.process.leftovers import holders, threads
from runtime.process.leftovers.openers import Openers
from runtime.process.procfs import children, member, read
from runtime.wire.control import Opened

MOST: Final = 50
"""Findings that are told; one is enough."""

_TEXT_CHARS: Final = 200
_SQLITE: Final = b"SQLite format 3\0"
_HARMLESS_DEVICES: Final = re.compile(r"/dev/(null|zero|full|u?random|tty|console|ptmx|pts/\d+)$")
_SYSTEM_SOCKETS: Final = re.compile(r"/dev/log$|/run/systemd/|(/var)?/run/nscd/|/var/lib/sss/")
_HARMLESS_MAPS: Final = re.compile(r"/memfd:(libffi|doublemapper)|/dev/null")
_ANONYMOUS: Final = {
    "eventpoll": ("poller", "an epoll object"),
    "eventfd": ("event", "an eventfd"),
    "timerfd": ("timer", "a timer (timerfd)"),
    "inotify": ("watch", "a watch of files (inotify)"),
    "fanotify": ("watch", "a watch of files (fanotify)"),
    "signalfd": ("signals", "a signalfd"),
    "io_uring": ("poller", "an io_uring"),
    "userfaultfd": ("memory", "a userfaultfd"),
}
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, "AF_VSOCK", -1))
_ONCE: Final = ("database", "thread")
"""What a library has several alike of is told once."""
_OF_LOOPS: Final = frozenset({"poller", "event", "pipe", "pair"})


class _Before(msgspec.Struct, frozen=True):
    """What was there before the program ran."""

    fds: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    maps: frozenset[int] = frozenset()
    children: frozenset[int] = frozenset()


class Import:
    """Watches one program being imported, from `begin` until `end` tells what it left open.

    Args:
        folder: Where the program lives; lines of other files are not told.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openers = Openers(folder)
        self._before = _Before()

    def begin(self) -> None:
        self._before = _Before(
            _identities(),
            frozenset(one.start for one in _shared_maps()),
            frozenset(children(os.getpid())),
        )
        self._openers.begin()

    def end(self) -> list[Opened]:
        """What the sessions would share; empty when the process can be forked from."""
        self._openers.end()
        if not self._look():
            return []
        gc.collect()  # what nobody refers to any more is closed by that
        told = list(map(_bounded, self._look(with_lines=True)))
        return [one for at, one in enumerate(told) if one.kind not in _ONCE or one not in told[:at]][:MOST]

    def _look(self, *, with_lines: bool = False) -> list[Opened]:
        processes = _processes(self._before.children)
        found = _descriptors(self._before.fds, processes)
        loops = _idle_loops() if any(one.kind in _OF_LOOPS for one in found) else []
        found = _without_loops(found, loops) + _memory(self._before.maps)
        running = [
            Found("thread", _thread_named(one), of=one.thread, library=one.library, name=one.name)
            for one in threads.put_away()
        ]
        for one in found:  # a library's own, such as a database in its cache
            one.library = next((each.library for each in running if each.library in one.what), "")
        told = [*processes.values(), *found, *running]
        return [self._with_line(one) if with_lines else one.told() for one in told]

    def _with_line(self, found: Found) -> Opened:
        where, library = "", found.library
        for opened, line, by in self._openers.opened():
            if found.is_by(opened):
                where, library = line or where, library or by
        if not where and found.holds is not None:
            where = holders.holder_of(found.holds, self._folder)
        through = ""
        if not where and library:
            where, through = holders.import_of(library, self._folder)
        return found.told(where, library, through)


class Found(msgspec.Struct):
    """Something of the kernel's that sessions would share.

    Attributes:
        fd: Its descriptor; -1 for what has none.
        of: The Python object, where it is known.
        pid: Of a process.
        holds: Tells the object that holds it from others.
    """

    kind: str
    what: str
    fd: int = -1
    of: Any = None
    pid: int = 0
    library: str = ""
    name: str = ""
    holds: Callable[[Any], bool] | None = None

    def is_by(self, opened: Any) -> bool:
        """Whether an object that was noted when it was made is this one."""
        if self.of is not None:
            return opened is self.of
        if self.pid:
            return getattr(opened, "pid", None) == self.pid
        return self.fd >= 0 and isinstance(opened, socket.socket) and opened.fileno() == self.fd

    def told(self, where: str = "", library: str = "", through: str = "") -> Opened:
        is_native = self.kind == "thread" and self.of is None
        return Opened(self.kind, self.what, where, library or self.library, self.name, through, is_native)


def _bounded(opened: Opened) -> Opened:
    def cut(text: str) -> str:
        return text.encode("utf-8", "replace").decode()[:_TEXT_CHARS]

    return Opened(
        opened.kind,
        cut(opened.what),
        cut(opened.where),
        cut(opened.library),
        cut(opened.name),
        cut(opened.through),
        opened.is_native,
    )


def _thread_named(thread: threads.Running) -> str:
    return (
        f"a thread of {thread.library}"
        if thread.thread is None and thread.library
        else f"thread {thread.name!r}"
    )


# ---- descriptors


def _identities() -> dict[int, tuple[int, int]]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself
            status = os.fstat(int(name))
            found[int(name)] = (status.st_dev, status.st_ino)
    return found


def _descriptors(before: dict[int, tuple[int, int]], processes: dict[int, Found]) -> list[Found]:
    of_children = {link for pid in processes for link in _links(pid)}
    trackers = _tracker_fds()
    found = []
    for fd, identity in sorted(_identities().items()):
        if before.get(fd) == identity or fd in trackers:
            continue
        try:
            link, status = os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd)
        except OSError:
            continue
        if stat.S_ISFIFO(status.st_mode) and link in of_children:
            continue  # the child is told
        one = _descriptor(fd, link, status.st_mode)
        if one is not None:
            one.holds = one.holds or holders.is_on_descriptor(fd)
            found.append(one)
    return found


def _descriptor(fd: int, link: str, mode: int) -> Found | None:
    if stat.S_ISSOCK(mode):
        return _socket(fd)
    if link.startswith("anon_inode:"):
        named = _ANONYMOUS.get(link.removeprefix("anon_inode:").strip("[]"))
        return Found(*named, fd=fd) if named else None
    if stat.S_ISFIFO(mode):
        return Found("pipe", "a pipe" if link.startswith("pipe:") else f"the pipe {link}", fd=fd)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    if stat.S_ISREG(mode) and flags & os.O_ACCMODE != os.O_RDONLY and not flags & os.O_PATH:
        return _file(fd, link, flags)
    if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and not _HARMLESS_DEVICES.match(link):
        return Found("device", f"the device {link}", fd=fd)
    return None


def _file(fd: int, link: str, flags: int) -> Found | None:
    path = link.removesuffix(" (deleted)")
    if _HARMLESS_MAPS.match(path):
        return None
    database = re.sub(r"-(wal|shm|journal)$", "", path)
    with suppress(OSError):
        if os.pread(fd, len(_SQLITE), 0) == _SQLITE or (database != path and os.path.exists(database)):
            return Found(
                "database", f"the SQLite database {database}", fd=fd, holds=holders.is_database(database)
            )
    if flags & os.O_APPEND:
        return None  # each write goes to the end, whoever writes
    if os.path.basename(path).startswith("memfd:"):
        return Found("memory", f"shared memory ({path.removeprefix('/')})", fd=fd)
    known = Found("file", f"the file {path}, open for writing", fd=fd)
    if not os.fstat(fd).st_size and "sqlite3" in sys.modules:
        # SQLite writes the first page of a new database with its first table.
        known.holds = _either(holders.is_on_descriptor(fd), holders.is_database(path))
    return known


def _either(*tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def wanted(value: Any) -> bool:
        for test in tests:
            with suppress(Exception):
                if test(value):
                    return True
        return False

    return wanted


def _socket(fd: int) -> Found | None:
    one = _socket_type(fileno=os.dup(fd))  # the program may have put another class in place of socket.socket
    try:
        if one.family not in _FAMILIES:
            return None
        with suppress(OSError):
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return Found("listener", f"a socket that listens at {_address(one.getsockname())}", fd=fd)
        peer = one.getpeername()
    except OSError:
        return None  # not connected
    finally:
        one.close()
    if one.family == socket.AF_UNIX and not peer:
        return Found("pair", "a pair of sockets", fd=fd)
    if isinstance(peer, str) and _SYSTEM_SOCKETS.match(peer):
        return None
    how = " (UDP)" if one.type == socket.SOCK_DGRAM and one.family != socket.AF_UNIX else ""
    return Found("connection", f"a connection to {_address(peer)}{how}", fd=fd)


def _address(address: Any) -> str:
    if isinstance(address, bytes):
        return "@" + address.lstrip(b"\0").decode("utf-8", "replace")
    if isinstance(address, tuple) and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return f"{host}:{address[1]}"
    return str(address) or "an unnamed socket"


# ---- children, shared memory, event loops


def _processes(before: frozenset[int]) -> dict[int, Found]:
    trackers = _tracker_pids()
    found = {}
    for pid in children(os.getpid()):
        one = member(pid)
        if pid in before or pid in trackers or one is None or one.state in ("Z", "X"):
            continue
        command = read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
        found[pid] = Found("process", f"the process {(command or one.name)[:120]!r}", pid=pid)
    return found


def _links(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def _trackers() -> Iterable[Any]:
    """What multiprocessing starts to clean up behind programs; it is made to be shared by processes."""
    for library in ("multiprocessing", "multiprocess"):
        tracker = getattr(sys.modules.get(f"{library}.resource_tracker"), "_resource_tracker", None)
        if tracker is not None:
            yield tracker


def _tracker_pids() -> set[int]:
    return {pid for one in _trackers() if isinstance(pid := getattr(one, "_pid", None), int)}


def _tracker_fds() -> set[int]:
    return {fd for one in _trackers() if isinstance(fd := getattr(one, "_fd", None), int)}


def _shared_maps() -> list[threads.Mapping]:
    return [
        one
        for one in threads.mappings()
        if one.permissions[3] == "s" and "w" in one.permissions and not _HARMLESS_MAPS.match(one.path)
    ]


def _memory(before: frozenset[int]) -> list[Found]:
    found: dict[str, Found] = {}
    for one in _shared_maps():
        path = one.path.removesuffix(" (deleted)")
        if one.start in before or path.endswith("-shm") or path.startswith(("anon_inode:", "/[aio]")):
            continue  # SQLite's and the pollers' are told by their descriptors
        if path.startswith("/dev/shm/sem."):
            what = "a lock or semaphore of multiprocessing"
        elif path in ("", "/dev/zero"):
            what = "shared memory"
        elif path.startswith("/dev/") and not path.startswith("/dev/shm/"):
            what = f"the device {path}"
        else:
            what = f"shared memory ({path})"
        found.setdefault(what, Found("memory", what, holds=holders.is_shared_map))
    return list(found.values())


def _idle_loops() -> list[asyncio.AbstractEventLoop]:
    """Event loops that are open; the one that will run, or runs, the program comes with it."""
    return [
        one
        for one in gc.get_objects()
        if issubclass(type(one), asyncio.AbstractEventLoop) and not one.is_closed()
    ]


def _without_loops(found: list[Found], loops: list[asyncio.AbstractEventLoop]) -> list[Found]:
    """What belongs to event loops is told as theirs, and not at all where the loop is the program's own."""
    for loop in loops:
        theirs = _fds_of(loop)
        # An event loop that is not asyncio's does not say what it has: then all of that kind is its.
        mine = [one for one in found if (one.fd in theirs if theirs else one.kind in _OF_LOOPS)]
        if not mine:
            continue
        found = [one for one in found if one not in mine]
        if not _is_main(loop):
            name = type(loop).__module__.split(".")[0]
            what = "an event loop that was left open" + ("" if name == "asyncio" else f" ({name})")
            found.append(Found("event_loop", what, holds=partial(operator.is_, loop)))
    return found


def _fds_of(loop: asyncio.AbstractEventLoop) -> set[int]:
    found = set()
    for name in ("_selector", "_ssock", "_csock"):
        with suppress(Exception):
            found.add(int(getattr(loop, name).fileno()))
    return found


def _is_main(loop: asyncio.AbstractEventLoop) -> bool:
    policy = getattr(asyncio.events, "_event_loop_policy", None)  # the function for it warns from 3.14 on
    return loop.is_running() or loop is getattr(getattr(policy, "_local", None), "_loop", None)
