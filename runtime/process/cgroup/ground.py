"""Find the place in cgroup v2 that is ours to divide, divide it, and leave it as it was found.

Theory: a process may make groups below its own where the file system lets it: as root of a machine without
systemd, in a container whose cgroup namespace is private and writable, or where systemd says ``Delegate=``.
Limits need controllers as well, and those are handed down only by a group that has no process itself: then
we move into a group of our own beside those of the sessions.

    <ours>/                 where we were started
        bulkhead.3f2a9c/    locked as long as its server lives
            server/         we, only where controllers were to be handed down
            s_7Q2M.1/       a session

The lock is on the folder: one that can be taken belongs to a server that died, and is cleared away.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import Final

import msgspec

from runtime.logs import get_logger
from runtime.process import procfs
from runtime.process.cgroup.group import Cgroup, ours_and_above

CONTROLLERS: Final[tuple[str, ...]] = ("memory", "pids", "cpu")
_PREFIX: Final = "bulkhead."
_SERVER: Final = "server"
_CLEAR_S: Final = 2.0
_log = get_logger("supervisor")


class Unusable(msgspec.Struct, frozen=True):
    """Why there is no such place, in words for people."""

    reason: str


class Ground:
    """A group of this server's own.  Blocks for milliseconds: call it in a thread.

    Attributes:
        group: Below it are the groups of the sessions.
        controllers: Those that its sessions' groups have, of `CONTROLLERS`.
        missing: Why not all of them; empty when they are all there.
    """

    def __init__(self, group: Cgroup, lock_fd: int, home: Cgroup) -> None:
        self.group = group
        self.controllers: frozenset[str] = frozenset()
        self.missing = ""
        self._home = home
        self._lock_fd = lock_fd
        self._handed: list[str] = []

    def divide(self, *, may_move: bool) -> None:
        """Hand controllers down to the groups of the sessions, as far as there are any.

        Args:
            may_move: Whether this process, and those above it in the same group, may be moved.
        """
        wanted = [one for one in CONTROLLERS if one in self._home.words("cgroup.controllers")]
        given = self._home.words("cgroup.subtree_control")
        if any(one not in given for one in wanted) and may_move and self._must_move():
            self._move()
        for one in wanted:
            if one not in given and self._home.write("cgroup.subtree_control", f"+{one}"):
                self._handed.append(one)
            self.group.write("cgroup.subtree_control", f"+{one}")
        self.controllers = frozenset(wanted) & self.group.words("cgroup.subtree_control")
        self.missing = self._why(wanted)

    def _why(self, wanted: list[str]) -> str:
        absent = [one for one in CONTROLLERS if one not in wanted]
        refused = [one for one in wanted if one not in self.controllers]
        told = []
        if absent:
            told.append(f"no {_listed(absent)} controller there")
        if refused:
            told.append(f"the {_listed(refused)} controller cannot be handed down: other processes share it")
        return "; ".join(told)

    def _must_move(self) -> bool:
        """The root of all groups may hand down although it has processes; it alone has no type."""
        return bool(self._home.read("cgroup.type")) and os.getpid() in self._home.pids()

    def _move(self) -> None:
        here, ours = self._home.pids(), ours_and_above()
        server = Cgroup(self.group.path / _SERVER)
        if here - ours or not server.make():
            return  # somebody else's: they stay, and so do we
        for pid in sorted(ours & here):
            server.add(pid)

    def release(self) -> bool:
        """End what is left of the sessions, and remove all groups; False when something would not go."""
        for left in self.group.below():
            if left.path.name != _SERVER:
                _clear(left)
        for one in self._handed:
            self.group.write("cgroup.subtree_control", f"-{one}")
            self._home.write("cgroup.subtree_control", f"-{one}")
        for pid in Cgroup(self.group.path / _SERVER).pids():
            self._home.add(pid)
        gone = self.group.remove()  # without a blow: where we could not leave it, we are in it
        os.close(self._lock_fd)
        return gone


def find(*, proc: Path = Path("/proc"), systemd: Path = Path("/run/systemd/system")) -> Ground | Unusable:
    """A group of our own below the one we run in, and the end of those that dead servers left."""
    mount = _mount(procfs.read(f"{proc}/self/mountinfo").decode(errors="replace"))
    if mount is None:
        return Unusable("no cgroup v2 is mounted here")
    if mount.read_only:
        return Unusable(f"{mount.point} is mounted read-only")
    home = _home(mount, procfs.read(f"{proc}/self/cgroup").decode(errors="replace"))
    if home is None or os.getpid() not in home.pids():
        return Unusable(f"our own group cannot be seen below {mount.point}")
    if home.path.name == _SERVER and home.path.parent.name.startswith(_PREFIX):
        return _again(Cgroup(home.path.parent))  # the server before us, whose init we have, has moved us
    if not os.access(home.path, os.W_OK):
        return Unusable(f"{home.path} is not ours to write to (systemd: Delegate=yes)")
    if systemd.is_dir() and os.geteuid() == 0 and not _is_delegated(home.path):
        return Unusable(f"{home.path} is systemd's own (Delegate=yes makes it ours)")
    for left in home.below():
        if left.path.name.startswith(_PREFIX):
            _clear_if_left(left)
    return _made(home)


def _made(home: Cgroup) -> Ground | Unusable:
    for _ in range(3):
        group = Cgroup(home.path / f"{_PREFIX}{secrets.token_hex(3)}")
        if not group.make():
            return Unusable(f"no group can be made in {home.path}")
        fd = _lock(group)
        if fd is None:
            continue  # somebody thought it was left by the dead, in the moment before it was locked
        if not (group.path / "cgroup.kill").exists():
            group.remove()
            os.close(fd)
            return Unusable("the kernel cannot end a group at one blow (Linux 5.14 can)")
        return Ground(group, fd, home)
    return Unusable(f"no group could be kept in {home.path}")


def _again(group: Cgroup) -> Ground | Unusable:
    """Take over the group of a server that died, and with it that server's place."""
    fd = _lock(group)
    if fd is None:
        return Unusable(f"{group.path} is another server's")
    for left in group.below():
        if left.path.name != _SERVER:
            _clear(left)
    return Ground(group, fd, Cgroup(group.path.parent))


def _lock(group: Cgroup) -> int | None:
    """A descriptor that holds the group's lock; None when another has it, or the group is gone."""
    try:
        fd = os.open(group.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(group.path).st_ino == os.fstat(fd).st_ino:
            return fd
    except OSError:
        pass
    os.close(fd)
    return None


def _clear_if_left(group: Cgroup) -> None:
    fd = _lock(group)
    if fd is not None:
        if not Cgroup(group.path / _SERVER).is_populated:  # else its init is about to start another
            _clear(group)
        os.close(fd)


def _clear(group: Cgroup) -> bool:
    """End what lives in it, wait for that, remove it; False when it stays.

    One in which we live, or somebody above us, is left as it is: with it our own machine would end.
    """
    deadline = time.monotonic() + _CLEAR_S
    while not group.remove():
        if not group.kill() and must_stay(group):
            return False
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class _Mount(msgspec.Struct, frozen=True):
    point: Path
    root: str
    read_only: bool


def _mount(mountinfo: str) -> _Mount | None:
    for line in mountinfo.splitlines():
        place, _, kind = line.partition(" - ")
        fields = place.split()
        if kind.startswith("cgroup2 ") and len(fields) > 5:
            options = {*fields[5].split(","), *kind.split()[-1].split(",")}
            return _Mount(Path(fields[4]), fields[3], "ro" in options)
    return None


def _home(mount: _Mount, cgroups: str) -> Cgroup | None:
    """The group that this process is in; None when it lies outside of what is mounted."""
    path = next((line[3:] for line in cgroups.splitlines() if line.startswith("0::")), None)
    if path is None or "/../" in f"{path}/":
        return None
    if mount.root != "/":
        if path != mount.root and not path.startswith(f"{mount.root}/"):
            return None
        path = path[len(mount.root) :]
    return Cgroup(mount.point / path.strip("/"))


def _is_delegated(path: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        try:
            return os.getxattr(path, name) == b"1"
        except OSError:
            continue
    return False


def must_stay(group: Cgroup) -> bool:
    """Whether a group cannot be ended because we live in it, or somebody above us; then it is told."""
    if not group.holds_us():
        return False
    _log.warning(
        "limits.group_left",
        group=str(group.path),
        detail="this process, or one above it, lives in it: it is not ended",
        cure="Move what must live into another group (write its id to cgroup.procs there).",
    )
    return True


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
