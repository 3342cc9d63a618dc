"""A process that may become some users, and nobody else; as root, in children."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.process.confine import denied, privileges, seccomp
from tests.process.confine.conftest import in_child

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others; run as root"),
    pytest.mark.skipif(not seccomp.is_there(), reason="the kernel has no seccomp, or the machine is unknown"),
]

BUNDLE, FIRST, LAST = 200_000, 216_384, 217_407
SETUID = 1 << 7


def _be_a_zygote() -> None:
    privileges.become(BUNDLE, BUNDLE, keeping=True)
    privileges.drop(but_users=True)
    seccomp.install(seccomp.program(denied.users_but(FIRST, LAST)))


def _outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except OSError as error:
        return str(error.errno)
    return "done"


def test_it_becomes_a_user_of_the_range_and_has_nothing_left_then() -> None:
    def work() -> object:
        _be_a_zygote()
        assert privileges.held() == SETUID
        privileges.become(FIRST + 5)
        again = [_outcome(lambda uid=uid: os.setresuid(*[uid] * 3)) for uid in (FIRST + 6, BUNDLE, 0)]
        own = _outcome(lambda: os.setuid(FIRST + 5))
        return os.getresuid(), os.getresgid(), os.getgroups(), privileges.held(), again, own, _is_readable()

    told = "(216389, 216389, 216389), (200000, 200000, 200000), [], 0, ['1', '1', '1'], 'done', True"
    assert in_child(work) == f"({told})"


def _is_readable() -> bool:
    return bool(os.listdir("/proc/self/fd"))


def test_it_becomes_nobody_else_in_no_way() -> None:
    def work() -> object:
        _be_a_zygote()
        ways: list[Callable[[], object]] = []
        for uid in (0, 1000, BUNDLE, FIRST - 1, LAST + 1, 1 << 31):
            ways += [
                lambda uid=uid: os.setuid(uid),  # type: ignore[misc]
                lambda uid=uid: os.seteuid(uid),  # type: ignore[misc]
                lambda uid=uid: os.setreuid(uid, FIRST),  # type: ignore[misc]
                lambda uid=uid: os.setreuid(-1, uid),  # type: ignore[misc]
                lambda uid=uid: os.setresuid(FIRST, FIRST, uid),  # type: ignore[misc]
                lambda uid=uid: os.setresuid(FIRST, uid, -1),  # type: ignore[misc]
            ]
        ways += [lambda: os.setgid(0), lambda: os.setresgid(0, 0, 0), lambda: os.setgroups([0])]
        return {_outcome(way) for way in ways}, os.getresuid()

    assert in_child(work) == "({'1'}, (200000, 200000, 200000))"


def test_an_exec_keeps_it_until_it_is_kept_to_itself() -> None:
    def work() -> object:
        _be_a_zygote()
        before = _of_a_program()
        privileges.keep_to_itself()
        return before, _of_a_program(), privileges.held()

    assert in_child(work) == "(128, 0, 128)"


def _of_a_program() -> int:
    shown = subprocess.run(
        ["grep", "CapEff", "/proc/self/status"], capture_output=True, text=True, check=True
    )
    return int(shown.stdout.split()[1], 16)


def test_without_a_range_nothing_is_kept() -> None:
    def work() -> object:
        privileges.become(BUNDLE, BUNDLE, keeping=True)
        privileges.drop()
        return privileges.held(), _outcome(lambda: os.setuid(FIRST))

    assert in_child(work) == "(0, '1')"


def _refused_of_a_parent(*, kept: bool) -> str:
    privileges.become(BUNDLE, BUNDLE)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(4, 1, 0, 0, 0)  # as after an exec: a change of user has hidden it
    if kept:
        assert privileges.keep_out_others()
    parent, told = os.getpid(), []
    looks: dict[str, Callable[[], object]] = {
        "environ": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "mem": lambda: Path(f"/proc/{parent}/mem").open("rb").close(),
        "fd": lambda: os.listdir(f"/proc/{parent}/fd"),
    }
    read, write = os.pipe()
    if os.fork() == 0:
        for name, look in looks.items():
            try:
                look()
            except PermissionError:
                told.append(name)
        if libc.ptrace(0x4206, parent, None, None) < 0:  # PTRACE_SEIZE, which stops nobody
            told.append("ptrace")
        os.write(write, " ".join(told).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as said:
        return said.read().decode()


def test_a_process_of_its_user_reads_no_secret_of_a_server() -> None:
    assert in_child(lambda: _refused_of_a_parent(kept=True)) == "environ mem fd ptrace"
    assert "environ" not in in_child(lambda: _refused_of_a_parent(kept=False))
