"""Landlock: a process gives up files, ports, signals and the memory of others, for itself and its children.

Theory: a ruleset names the kinds of access that it handles; all of them are denied but for what its rules
allow.  `Ruleset.restrict` puts the calling thread, and whatever it starts later, below it, for good; up to 16
of them lie on each other, and each only takes away.  A rule is for a file or for all that is below a folder:
nothing inside can be taken out again.  What is open already stays usable.

The kernel says how much of this it knows (its ABI); what it does not know is left out here, and
`missing` names it.  Source: https://docs.kernel.org/userspace-api/landlock.html.

Imports what a bare interpreter has at hand: it runs before every zygote (`runtime.process.confine.launch`).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from errno import EAFNOSUPPORT, ENOSYS, EOPNOTSUPP

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is several milliseconds of each start
    from typing import Self

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13  # ABI 2
TRUNCATE = 1 << 14  # ABI 3
IOCTL_DEV = 1 << 15  # ABI 5
ALL_FILES = (1 << 16) - 1
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = ALL_FILES & ~(MAKE_CHAR | MAKE_BLOCK)
"""Read, and all that may be done to files and folders of one's own."""

BIND_TCP = 1 << 0  # ABI 4
CONNECT_TCP = 1 << 1

ALL_PORTS = BIND_TCP | CONNECT_TCP

SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0  # ABI 6
SCOPE_SIGNAL = 1 << 1
ALL_SCOPES = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL

_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_FILES_SINCE = ((5, ALL_FILES), (3, ALL_FILES ^ IOCTL_DEV), (2, (1 << 14) - 1), (1, (1 << 13) - 1))
_SINCE = (
    (1, "5.13", "files"),
    (2, "5.19", "moving files between folders"),
    (3, "6.2", "cutting files"),
    (4, "6.7", "ports"),
    (5, "6.10", "devices"),
    (6, "6.12", "signals, and sockets without a file"),
)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # of every architecture
_VERSION, _ERRATA = 1, 2
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


_PATH_BENEATH = struct.Struct("=Qi")  # packed: 12 bytes
_NET_PORT = struct.Struct("=QQ")
_RULESET = struct.Struct("=QQQ")  # files, ports, scopes


def abi() -> int:
    """Which version of Landlock the kernel has; 0 when it has none, or somebody refuses it to us."""
    found = _syscall(
        ctypes.c_long(_CREATE_RULESET), ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)
    )
    return max(0, int(found))


def why_not() -> str:
    """Why `abi` is 0, in a few words."""
    _syscall(
        ctypes.c_long(_CREATE_RULESET), ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)
    )
    number = ctypes.get_errno()
    if number == ENOSYS:
        return "the kernel has no Landlock (Linux 5.13 and later have)"
    if number == EOPNOTSUPP:
        return "Landlock is switched off (add landlock to lsm= on the kernel's command line)"
    return "Landlock is refused by the container's seccomp profile (update the container engine)"


def errata() -> int:
    """Faults of the kernel's Landlock that are mended in it, a bit each; 0 where it cannot tell."""
    found = _syscall(
        ctypes.c_long(_CREATE_RULESET), ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(_ERRATA)
    )
    return max(0, int(found))


def missing(version: int) -> list[str]:
    """What an ABI does not keep, with the kernel that does."""
    return [f"{what} (Linux {kernel})" for since, kernel, what in _SINCE if version < since]


def known_files(version: int) -> int:
    """The kinds of access to files that an ABI can handle."""
    return next((kinds for since, kinds in _FILES_SINCE if version >= since), 0)


class Ruleset:
    """Rules to be put on, once they are complete.  Owns its descriptor; use it as a context or close it.

    Args:
        files: Kinds of access to files that are denied where no rule allows them.
        ports: The same for ports of TCP.
        scopes: What is kept within those that are below the same ruleset.
        version: The ABI to go by; kinds that it does not know are left out.

    Attributes:
        files: The kinds that are handled.
        ports: The same of ports.
        scopes: The same of scopes.

    Raises:
        OSError: The kernel has no Landlock, or nothing is left to handle (ENOMSG).
    """

    def __init__(
        self, *, files: int = 0, ports: int = 0, scopes: int = 0, version: int | None = None
    ) -> None:
        version = abi() if version is None else version
        self.files = files & known_files(version)
        self.ports = ports if version >= 4 else 0
        self.scopes = scopes if version >= 6 else 0
        attr = _RULESET.pack(self.files, self.ports, self.scopes)
        size = 24 if version >= 6 else 16 if version >= 4 else 8
        self._fd = _checked(
            _syscall(
                ctypes.c_long(_CREATE_RULESET),
                ctypes.c_char_p(attr),
                ctypes.c_size_t(size),
                ctypes.c_uint32(0),
            )
        )

    def fileno(self) -> int:
        return self._fd

    def allow_path(self, path: str | int, access: int) -> None:
        """Allow this on a file, or on a folder and all that is and will be below it.

        Args:
            path: What it is now counts, through links; one that is replaced later is another file.  Or an
                open descriptor of it.
            access: Kinds that are for folders alone are left out for a file.

        Raises:
            OSError: There is no such path.
        """
        fd = path if isinstance(path, int) else os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
            access &= self.files if is_folder else self.files & _OF_A_FILE
            if access:
                self._add(_RULE_PATH_BENEATH, _PATH_BENEATH.pack(access, fd))
        finally:
            if not isinstance(path, int):
                os.close(fd)

    def allow_port(self, port: int, access: int) -> None:
        """Allow to listen on this port of TCP, or to connect to it on any host."""
        if access & self.ports:
            self._add(_RULE_NET_PORT, _NET_PORT.pack(access & self.ports, port))

    def restrict(self) -> None:
        """Put the calling thread below these rules, and all that it starts from now on.

        It gains no privileges by exec from now on either (`no_new_privs`).

        Raises:
            OSError: E2BIG: it is below sixteen already.
        """
        give_up_new_privileges()
        restrict(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, kind: int, rule: bytes) -> None:
        _checked(
            _syscall(
                ctypes.c_long(_ADD_RULE),
                ctypes.c_int(self._fd),
                ctypes.c_int(kind),
                ctypes.c_char_p(rule),
                ctypes.c_uint32(0),
            )
        )


def restrict(fd: int) -> None:
    """Put the calling thread below the rules of a descriptor; see `Ruleset.restrict`."""
    _checked(_syscall(ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(fd), ctypes.c_uint32(0)))


def give_up_new_privileges() -> None:
    """No exec gives this process, or a child, more than it has; for good."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        said = "Landlock knows nothing of TCP here" if number == EAFNOSUPPORT else os.strerror(number)
        raise OSError(number, said)
    return int(result)
