"""Is it true?  A child of the zygote that tries what nobody may, before a line of the bundle is run.

Rules that are in place may still keep nothing: a kernel that knows half of them, a profile of a container, a
fault of ours.  So what is shown to people is what was tried, with what got through.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

from runtime.process.confine import calls, landlock, privileges
from runtime.process.confine.inner import PROBE, Inner

_PR_SET_PDEATHSIG: Final = 1
_CLONE_NEWUSER: Final = 0x10000000
_PTRACE_SEIZE: Final = 0x4206
_MPTCP: Final = 262
_LONGEST_S: Final = 10
_libc = ctypes.CDLL(None, use_errno=True)

Attack = Callable[[], object]


def got_through(held: dict[str, Any], inner: Inner) -> list[str]:
    """What succeeded, by name; empty where everything holds.  Runs in: a zygote, before it runs a program.

    Raises:
        OSError: It could not be tried.
    """
    read_fd, write_fd = os.pipe()
    listener = _listener()
    try:
        entry = inner.entry(PROBE, inner.stranger)
        pid = os.fork()
        if pid == 0:
            _be_the_child(held, entry.enter, listener and listener.getsockname(), write_fd)
        entry.close()
        os.close(write_fd)
        write_fd = -1
        with open(read_fd, encoding="utf-8", closefd=False) as told:
            said = told.read()
        _, status = os.waitpid(pid, 0)
    finally:
        if listener is not None:
            listener.close()
        os.close(read_fd)
        if write_fd >= 0:
            os.close(write_fd)
    with contextlib.suppress(PermissionError):  # the server made it
        os.rmdir(entry.folder)
    *names, last = said.split("\n")
    if last != "done":
        raise OSError(f"the probe of the confinement ended with status {status}")
    return [name for name in names if name]


def _listener() -> socket.socket | None:
    """A socket without a file, for the child to reach; None where nobody may have one."""
    try:
        made = socket.socket(socket.AF_UNIX)
    except PermissionError:
        return None
    made.bind(f"\0bulkhead-{os.getpid()}-{os.urandom(8).hex()}")
    made.listen()
    return made


def _be_the_child(held: dict[str, Any], enter: Attack, listener: object, write_fd: int) -> None:
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.alarm(_LONGEST_S)
        zygote = os.getppid()
        enter()
        for name, attack in _attacks(held, zygote, listener):
            if _succeeds(attack):
                os.write(write_fd, f"{name}\n".encode())
        os.write(write_fd, b"done")
    finally:
        os._exit(0)


def _succeeds(attack: Attack) -> bool:
    """Whether it did what it must not, or was let as far as an error of its own."""
    try:
        return attack() is not False
    except OSError:
        return False


def _attacks(held: dict[str, Any], zygote: int, listener: object) -> Iterator[tuple[str, Attack]]:
    front, state = held["front"], held["state"]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield "signal the server", lambda: os.kill(front, 0)
    yield "signal its zygote", lambda: os.kill(zygote, 0)
    yield "read the state folder", lambda: _state_read(state)
    yield "write to the state folder", lambda: os.close(_open(f"{state}/.probe", os.O_CREAT | os.O_WRONLY))
    yield "read the server's environment", lambda: os.close(_open(f"/proc/{front}/environ", os.O_RDONLY))
    yield "read its zygote's memory", lambda: os.close(_open(f"/proc/{zygote}/mem", os.O_RDONLY))
    yield "copy the server's memory", lambda: _copied(front)
    yield "trace the server", lambda: _call("ptrace", _PTRACE_SEIZE, front, 0, 0)
    yield "limit the server", lambda: resource.prlimit(front, resource.RLIMIT_NOFILE, limit)
    yield (
        "move the server to other processors",
        lambda: os.sched_setaffinity(front, os.sched_getaffinity(front)),
    )
    yield "make a user namespace", lambda: _call("unshare", _CLONE_NEWUSER)
    yield "open a socket of MPTCP", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP).close()
    if held["network"] != "all":
        yield "have a socket with a name", lambda: socket.socket(socket.AF_UNIX).close()
        yield "send datagrams", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    if held["network"] == "none":
        yield "have a socket of the internet", lambda: socket.socket(socket.AF_INET).close()
    yield "reach a socket without a file", lambda: socket.socket(socket.AF_UNIX).connect(listener)  # type: ignore[arg-type]
    yield "change the server's programs", lambda: os.close(_open(landlock.__file__, os.O_WRONLY))
    yield "use a privilege of root", lambda: privileges.held() != 0


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _state_read(state: str) -> bool:
    """Whether anything that lies in it can be read; its names can be, where it lies in a bundle's folder."""
    for name in ("server.json", "journal.sqlite3", ".gitignore"):
        try:
            os.close(_open(f"{state}/{name}", os.O_RDONLY))
        except OSError:
            continue
        return True
    return False


def _copied(pid: int) -> bool:
    """Whether memory of a process is given out; of an address that it has not, the error is another."""
    there, here = ctypes.create_string_buffer(16), ctypes.create_string_buffer(16)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(here), 16)
    remote = (ctypes.c_void_p * 2)(ctypes.addressof(there), 16)
    try:
        _call("process_vm_readv", pid, ctypes.addressof(vector), 1, ctypes.addressof(remote), 1, 0)
    except OSError as error:
        return error.errno == errno.EFAULT
    return True


def _call(name: str, *arguments: int) -> None:
    try:
        number = calls.of(None).number(name)
    except KeyError:
        raise OSError(errno.ENOSYS, "unknown machine") from None
    assert number is not None
    if _libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
