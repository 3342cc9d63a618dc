"""A child that gives something up and then tries, as root and as a user without privileges."""

from __future__ import annotations

import contextlib
import ctypes
import encodings.idna  # noqa: F401 - names are looked up with it by children that can import nothing
import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

UNPRIVILEGED = 10_077
_PR_SET_DUMPABLE = 4

Confined = Callable[[Callable[[], object]], str]


def in_child(work: Callable[[], object], *, uid: int = 0) -> str:
    """What `work` returned in a fork, as text; the class of the error that it raised, with its number."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as a program of that user is
            said = str(work())
        except OSError as error:
            said = f"{type(error).__name__} {error.errno}"
        except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
            said = traceback.format_exc()
        os.write(write_fd, said.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # whom it started to try something on
    os.close(write_fd)
    os.set_blocking(read_fd, False)  # a process that it left may hold the other end
    said = os.read(read_fd, 65536).decode()
    os.close(read_fd)
    return said


@pytest.fixture(params=["root", "unprivileged"])
def uid(request: pytest.FixtureRequest) -> int:
    """0 for whoever runs the tests."""
    if os.getuid() == 0:
        return UNPRIVILEGED if request.param == "unprivileged" else 0
    if request.param == "root":
        pytest.skip("not root")
    return 0


@pytest.fixture
def confined(uid: int) -> Confined:
    return lambda work: in_child(work, uid=uid)


@pytest.fixture
def folder(uid: int) -> Iterator[Path]:
    """A folder that belongs to whom the child will be."""
    made = Path(tempfile.mkdtemp(prefix="confine-"))
    try:
        if uid:
            os.chown(made, uid, uid)
        yield made
    finally:
        shutil.rmtree(made)
