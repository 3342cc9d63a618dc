"""Attacks by rarer calls of the kernel: memory by name, namespaces, and what was often a way out."""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.confinement.level import Level
from runtime.confinement.refusal import FILES_LIST, KERNEL_CALL, MEMORY_SHARED
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets
from runtime.worker.chaos.calls import call, checked, in_child, libc

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_SIGCHLD: Final = 17
_USER_KEYRING: Final = -4
_SHM_RDONLY: Final = 0o10000
_ADDR_NO_RANDOMIZE: Final = 0x0040000
_UFFD_USER_MODE_ONLY: Final = 1
_MNT_DETACH: Final = 2

shared = Catalogue(MEMORY_SHARED)
rare = Catalogue(KERNEL_CALL)


@shared.add("shm-list", "which memory others share by name", rule=FILES_LIST)
def shm_list(at: Targets) -> str:
    return f"{len(os.listdir('/dev/shm'))} names"


@shared.add("shm-read", "memory that others share, by a name that is known", level=Level.STRICT)
def shm_read(at: Targets) -> str:
    if not at.shm:
        raise NotHere("there is no /dev/shm")
    return Path("/dev/shm", at.shm).read_text()


@shared.add("shm-segment", "a System V segment of others")
def shm_segment(at: Targets) -> str:
    if at.shm_id < 0:
        raise NotHere("the onlooker could not make one")
    address = libc.shmat(at.shm_id, None, _SHM_RDONLY)
    if address in (None, ctypes.c_void_p(-1).value):
        checked(-1)
    try:
        return ctypes.string_at(address, 4).decode()
    finally:
        libc.shmdt(ctypes.c_void_p(address))


@shared.add("message-queue", "a POSIX message queue of others")
def message_queue(at: Targets) -> str:
    if not at.queue:
        raise NotHere("the onlooker could not make one")
    os.close(checked(libc.mq_open(at.queue.encode(), os.O_RDONLY | os.O_NONBLOCK)))
    return "opened"


@shared.add("keyring", "leave a key in the keyring of the user")
def keyring(at: Targets) -> str:
    return f"key {call('add_key', b'user', look.PLANTED.encode(), b'1', 1, _USER_KEYRING)}"


@rare.add("user-namespace", "a user namespace, in which we are root")
def user_namespace(at: Targets) -> str:
    in_child(lambda: checked(libc.unshare(_CLONE_NEWUSER)))
    return "made"


@rare.add("clone-namespace", "the same by clone")
def clone_namespace(at: Targets) -> str:
    return _cloned(lambda: call("clone", _CLONE_NEWUSER | _SIGCHLD, 0, 0, 0, 0))


@rare.add("clone3-namespace", "the same by clone3, which no filter can look into")
def clone3_namespace(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("8Q", _CLONE_NEWUSER, 0, 0, 0, _SIGCHLD, 0, 0, 0))
    return _cloned(lambda: call("clone3", ctypes.addressof(about), 64))


@rare.add("network-namespace", "a network of our own")
def network_namespace(at: Targets) -> str:
    _as_root()
    in_child(lambda: checked(libc.unshare(_CLONE_NEWNET)))
    return "made"


@rare.add("mount", "mount a file system")
def mount(at: Targets) -> str:
    _as_root()
    with tempfile.TemporaryDirectory(prefix=look.PLANTED) as folder:
        checked(libc.mount(b"none", folder.encode(), b"tmpfs", 0, None))
        checked(libc.umount2(folder.encode(), _MNT_DETACH))
    return "mounted"


@rare.add("rename-machine", "give the machine the name that it has")
def rename_machine(at: Targets) -> str:
    _as_root()
    name = os.uname().nodename.encode()
    checked(libc.sethostname(name, len(name)))
    return "renamed"


@rare.add("become-another", "become another user")
def become_another(at: Targets) -> str:
    _as_root()
    in_child(lambda: os.setresuid(65_534, 65_534, 65_534))
    return "another"


@rare.add("raw-socket", "read what passes by on the network")
def raw_socket(at: Targets) -> str:
    import socket

    _as_root()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
        return "opened"


@rare.add("io-uring", "calls of the kernel by a ring that no filter sees")
def io_uring(at: Targets) -> str:
    about = ctypes.create_string_buffer(120)
    os.close(call("io_uring_setup", 2, ctypes.addressof(about)))
    return "opened"


@rare.add("bpf", "load a program into the kernel")
def bpf(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("4I", 2, 4, 4, 1) + bytes(112))  # a small array
    os.close(call("bpf", 0, ctypes.addressof(about), 128))
    return "made"


@rare.add("watch-kernel", "count what the kernel does")
def watch_kernel(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))  # the processor's clock
    os.close(call("perf_event_open", ctypes.addressof(about), 0, -1, -1, 0))
    return "opened"


@rare.add("page-faults", "hold the kernel up at page faults of our own")
def page_faults(at: Targets) -> str:
    os.close(call("userfaultfd", os.O_CLOEXEC | _UFFD_USER_MODE_ONLY))
    return "opened"


@rare.add("personality", "have the memory of what we start where we want it")
def personality(at: Targets) -> str:
    in_child(lambda: call("personality", _ADDR_NO_RANDOMIZE))
    return "set"


def _as_root() -> None:
    if os.geteuid():
        raise NotHere("root alone could")


def _cloned(clone: Callable[[], int]) -> str:
    pid = clone()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "made"
