"""Filters in real children: what a rule denies fails with its number, everything else goes on."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable

import pytest

from runtime.process.confine import denied, privileges, seccomp
from runtime.process.confine.seccomp import Rule, deny, differs, equals, has_any, is_given, masked

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not seccomp.is_there(), reason="the kernel has no seccomp, or the machine is unknown"),
]

Confined = Callable[[Callable[[], object]], str]
_libc = ctypes.CDLL(None, use_errno=True)
_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86-64")
_NOT = errno.EXDEV  # whatever these calls would say themselves, it is not this


def called(number: int, *arguments: int) -> int:
    """The error number of a call, 0 when there is none."""
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments))
    return ctypes.get_errno() if result < 0 else 0


@_x86_64
@pytest.mark.parametrize(
    ("when", "denied_for", "asked_for"),
    [
        ((equals(1, 5, 7),), [5, 7, 5 | 1 << 32], [0, 6, 8]),
        ((equals(1, -1),), [0xFFFFFFFF], [0, 1, 0x7FFFFFFF]),
        ((differs(1, 5, 7),), [0, 6, 8], [5, 7]),
        ((has_any(1, 0b110),), [2, 4, 6, 7], [0, 1, 8]),
        ((masked(1, 0b111, 0b101),), [5, 13], [0, 1, 4, 7]),
        ((is_given(1),), [1, 1 << 32, 1 << 63], [0]),
        ((has_any(1, 1), has_any(1, 2)), [3, 7], [0, 1, 2, 4]),
        ((is_given(1), differs(1, 2), equals(1, 2, 4)), [4], [0, 2, 8]),
        ((), [0, 1], []),
    ],
)
def test_conditions(
    confined: Confined, when: tuple[seccomp.Condition, ...], denied_for: list[int], asked_for: list[int]
) -> None:
    truncate = 76  # of the number 0, which is no path: it does nothing, whatever the length

    def work() -> list[int]:
        seccomp.install(seccomp.program([Rule("truncate", deny(_NOT), *when)]))
        return [value for value in (*denied_for, *asked_for) if called(truncate, 0, value) == _NOT]

    assert confined(work) == str(denied_for)


def test_of_several_rules_the_first_that_applies_counts(confined: Confined) -> None:
    def work() -> str:
        rules = [
            Rule("ioctl", seccomp.ALLOW, equals(1, 5)),
            Rule("ioctl", deny(_NOT), has_any(1, 4)),
            Rule("ioctl", deny(errno.EDOM)),
        ]
        seccomp.install(seccomp.program(rules))
        numbers = []
        for request in (5, 4, 1):
            ctypes.set_errno(0)
            _libc.ioctl(-1, ctypes.c_ulong(request))
            numbers.append(errno.errorcode[ctypes.get_errno()])
        return " ".join(numbers)

    assert confined(work) == "EBADF EXDEV EDOM"


def test_a_filter_can_hold_for_threads_that_are_there(confined: Confined) -> None:
    def work() -> str:
        installed, said = threading.Event(), []

        def other() -> None:
            installed.wait()
            said.append(_refused(lambda: os.truncate("/nowhere/at/all", 0)))

        thread = threading.Thread(target=other)
        thread.start()
        seccomp.install(seccomp.program([Rule("truncate", deny(_NOT))]), all_threads=True)
        installed.set()
        thread.join()
        return said[0]

    assert confined(work) == "EXDEV"


def test_a_listener_learns_of_a_call_before_it_returns(confined: Confined) -> None:
    """The descriptor that a later level will answer by is there, and readable when a call waits."""

    def work() -> str:
        listener = seccomp.install(seccomp.program([Rule("truncate", seccomp.NOTIFY)]), listener=True)
        assert listener is not None
        child = os.fork()
        if child == 0:
            os.truncate("/nowhere/at/all", 0)
            os._exit(1)
        import select

        ready = select.select([listener], [], [], 10)[0]
        os.kill(child, signal.SIGKILL)
        return f"{bool(ready)} {os.waitpid(child, 0)[1]}"

    assert confined(work) == "True 9"


@_x86_64
def test_calls_of_x32_do_not_exist(confined: Confined) -> None:
    def work() -> int:
        seccomp.install(seccomp.program([]))
        return called(39 | 0x40000000)  # getpid

    assert confined(work) == str(errno.ENOSYS)


def test_both_machines_have_a_program_and_another_has_none() -> None:
    for machine in ("x86_64", "aarch64"):
        code = seccomp.program([*denied.basic(), *denied.instead_of_landlock(0, [1, 2, 3])], machine)
        assert len(code) // 8 < 500
        for at in range(0, len(code), 8):  # no jump leaves it
            operation, if_true, if_false, _ = struct.unpack_from("=HBBI", code, at)
            if operation & 0x07 == 0x05:
                assert at // 8 + 1 + max(if_true, if_false) < len(code) // 8
    with pytest.raises(KeyError):
        seccomp.program([], "sparc64")
    with pytest.raises(ValueError, match="no machine has the call 'opne'"):
        seccomp.program([Rule("opne", deny(1))])


# ---- what sessions go without


def _refused(work: Callable[[], object]) -> str:
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _basic() -> None:
    seccomp.install(seccomp.program(denied.basic()))


def test_limits_and_turns_of_others_are_not_ours_to_set(confined: Confined) -> None:
    def work() -> str:
        other = os.fork()
        if other == 0:
            signal.pause()
            os._exit(0)
        _basic()
        said = [
            _refused(lambda: resource.prlimit(other, resource.RLIMIT_CPU, (0, 0))),
            _refused(lambda: resource.prlimit(other, resource.RLIMIT_CPU)),
            _refused(lambda: resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))),
            _refused(lambda: os.sched_setaffinity(other, {0})),
            _refused(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
            _refused(lambda: os.sched_setscheduler(other, os.SCHED_IDLE, os.sched_param(0))),
            _refused(lambda: os.setpriority(os.PRIO_PROCESS, other, 19)),
            _refused(lambda: os.setpriority(os.PRIO_USER, 0, 19)),
            _refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, 19)),
        ]
        os.kill(other, signal.SIGKILL)
        return " ".join(said)

    assert confined(work) == "EPERM done done EPERM done EPERM EPERM EPERM done"


def test_sockets_are_of_ordinary_families(confined: Confined) -> None:
    def work() -> str:
        _basic()
        made = [
            _refused(lambda: socket.socket(socket.AF_UNIX).close()),
            _refused(lambda: socket.socket(socket.AF_INET).close()),
            _refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()),
            _refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4).close()),
            _refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()),
            _refused(lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()),
            _refused(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()),
        ]
        one = socket.socket()
        made.append(_refused(lambda: one.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", 9))))
        made.append(_refused(lambda: one.sendmsg([b"x"], [], socket.MSG_FASTOPEN, ("127.0.0.1", 9))))
        return " ".join(made)

    no, other = "EAFNOSUPPORT", "EPROTONOSUPPORT"
    assert confined(work) == f"done done done {other} {other} {no} {no} ENOTSUP ENOTSUP"


@_x86_64
def test_namespaces_and_what_is_for_debuggers_and_administrators(confined: Confined) -> None:
    def work() -> str:
        _basic()
        calls = {
            "unshare user": (272, 0x10000000),
            "unshare mount": (272, 0x20000),
            "unshare time": (272, 0x80),
            "unshare files": (272, 0x400),
            "clone user": (56, 0x10000000 | 17),
            "clone3": (435, 0, 0),
            "ptrace": (101, 16, os.getppid()),
            "process_vm_readv": (310, os.getppid(), 0, 0, 0, 0, 0),
            "pidfd_getfd": (438, 0, 0, 0),
            "io_uring_setup": (425, 1, 0),
            "bpf": (321, 0, 0, 0),
            "shmget": (29, 0, 4096, 0o600),
            "mq_open": (240, 0, 0, 0, 0),
            "keyctl": (250, 0, 0),
            "personality": (135, 0x0040000),
            "personality asked": (135, 0xFFFFFFFF),
            "mount": (165, 0, 0, 0, 0, 0),
            "lease": (72, os.open(__file__, os.O_RDONLY), 1024, 0),
            "deleg": (72, 0, 1040, 0),
            "flags": (72, 0, 3),
            "clone beside us": (56, 0x8000 | 17),
            "leave orphans to others": (157, 36, 0),
            "take orphans": (157, 36, 1),
        }
        return " ".join(errno.errorcode.get(called(*call), "done") for call in calls.values())

    assert confined(work).split() == [
        "EPERM", "EPERM", "EPERM", "done", "EPERM", "ENOSYS", "EPERM", "EPERM", "EPERM", "ENOSYS", "EPERM",
        "EPERM", "EPERM", "EPERM", "EPERM", "done", "EPERM", "EPERM", "EPERM", "done",
        "EPERM", "EPERM", "done",
    ]  # fmt: skip


def test_threads_children_and_programs_start_as_ever(confined: Confined) -> None:
    def work() -> str:
        _basic()
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        child = os.fork()
        if child == 0:
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = subprocess.run(["sh", "-c", "echo hello"], capture_output=True, text=True, check=True).stdout
        return f"{status} {said.strip()}"

    assert confined(work) == "7 hello"


def test_on_an_older_kernel_front_and_zygote_are_kept_from_signals(confined: Confined) -> None:
    def work() -> str:
        kept = os.fork()
        if kept == 0:
            os.setsid()
            signal.pause()
            os._exit(0)
        other = os.fork()
        if other == 0:
            signal.pause()
            os._exit(0)
        seccomp.install(seccomp.program([*denied.basic(), *denied.instead_of_landlock(5, [kept])]))
        own = socket.socketpair()[0]
        import fcntl

        said = [
            _refused(lambda: os.kill(kept, 0)),
            _refused(lambda: os.kill(-kept, 0)),
            _refused(lambda: os.kill(-1, 0)),
            _refused(lambda: os.pidfd_open(kept)),
            _refused(lambda: signal.pidfd_send_signal(os.open(f"/proc/{kept}", os.O_RDONLY), 0)),
            _refused(lambda: fcntl.fcntl(own, fcntl.F_SETOWN, kept)),
            _refused(lambda: fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())),
            _refused(lambda: os.kill(other, signal.SIGKILL)),
            _refused(lambda: os.truncate("/nowhere/at/all", 0)),
        ]
        return f"{' '.join(said)} {kept}"

    *said, kept = confined(work).split()
    os.kill(int(kept), signal.SIGKILL)
    assert said == ["EPERM"] * 6 + ["done", "done", "ENOENT"]


def test_a_file_is_not_emptied_where_landlock_would_not_see_it(confined: Confined) -> None:
    def work() -> str:
        seccomp.install(seccomp.program(denied.instead_of_landlock(2, [])))
        return " ".join(
            [
                _refused(lambda: os.truncate("/nowhere/at/all", 0)),
                _refused(lambda: os.open("/nowhere/at/all", os.O_RDONLY | os.O_TRUNC)),
                _refused(lambda: os.open("/nowhere/at/all", os.O_WRONLY | os.O_TRUNC)),
                _refused(lambda: os.open("/nowhere/at/all", os.O_RDONLY)),
            ]
        )

    assert confined(work) == "EPERM EPERM ENOENT ENOENT"


def test_privileges_are_gone_for_good(confined: Confined, uid: int) -> None:
    def work() -> str:
        before = privileges.held()
        privileges.drop()
        status = subprocess.run(
            ["cat", "/proc/self/status"], capture_output=True, text=True, check=True
        ).stdout
        after_exec = {line.split()[1] for line in status.splitlines() if line.startswith("CapEff")}
        return f"{bool(before)} {privileges.held()} {after_exec}"

    had_some = "False" if uid or os.getuid() else "True"
    assert confined(work) == f"{had_some} 0 {{'0000000000000000'}}"
