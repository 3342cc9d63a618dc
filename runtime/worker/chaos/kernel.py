"""Attacks by rarer calls of the kernel: memory by name, namespaces, and what was often a way out."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.confinement.level import Level
from runtime.confinement.refusal import FILES_LIST, KERNEL_CALL, MEMORY_SHARED
from runtime.process.confine import calls
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets
from runtime.worker.chaos.calls import call, checked, in_child, libc

_CLONE_PARENT: Final = 0x00008000
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_SIGCHLD: Final = 17
_PR_SET_CHILD_SUBREAPER: Final = 36
_USER_KEYRING: Final = -4
_SHM_RDONLY: Final = 0o10000
_ADDR_NO_RANDOMIZE: Final = 0x0040000
_UFFD_USER_MODE_ONLY: Final = 1
_MNT_DETACH: Final = 2
_IOPRIO_IDLE: Final = 3 << 13
_X32: Final = 0x40000000
_OLD_IOPRIO_SET: Final = 289
# push rbx; mov eax, edi; mov ebx, esi; mov r9d, edx; mov edx, ecx; mov ecx, r9d; int 0x80; pop rbx; ret
_INT80: Final = bytes.fromhex("53 89f8 89f3 4189d1 89ca 4489c9 cd80 5b c3")

shared = Catalogue(MEMORY_SHARED)
rare = Catalogue(KERNEL_CALL)


@shared.add("shm-list", "which memory others share by name", rule=FILES_LIST, silent=True)
def shm_list(at: Targets) -> str:
    return f"{len(os.listdir('/dev/shm'))} names"


@shared.add("shm-read", "memory that others share, by a name that is known", level=Level.STRICT)
def shm_read(at: Targets) -> str:
    if not at.shm:
        raise NotHere("there is no /dev/shm")
    return Path("/dev/shm", at.shm).read_text()


@shared.add("shm-segment", "a System V segment of others", silent=True)
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


@shared.add("message-queue", "a POSIX message queue of others", silent=True)
def message_queue(at: Targets) -> str:
    if not at.queue:
        raise NotHere("the onlooker could not make one")
    os.close(checked(libc.mq_open(at.queue.encode(), os.O_RDONLY | os.O_NONBLOCK)))
    return "opened"


@shared.add("keyring", "leave a key in the keyring of the user", silent=True)
def keyring(at: Targets) -> str:
    return f"key {call('add_key', b'user', look.PLANTED.encode(), b'1', 1, _USER_KEYRING)}"


@rare.add("user-namespace", "a user namespace, in which we are root", silent=True)
def user_namespace(at: Targets) -> str:
    in_child(lambda: checked(libc.unshare(_CLONE_NEWUSER)))
    return "made"


@rare.add("clone-namespace", "the same by clone", silent=True)
def clone_namespace(at: Targets) -> str:
    return _cloned(lambda: call("clone", _CLONE_NEWUSER | _SIGCHLD, 0, 0, 0, 0))


@rare.add("clone3-namespace", "the same by clone3, which no filter can look into", silent=True)
def clone3_namespace(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("8Q", _CLONE_NEWUSER, 0, 0, 0, _SIGCHLD, 0, 0, 0))
    return _cloned(lambda: call("clone3", ctypes.addressof(about), 64))


@rare.add("clone-beside", "a process beside the session, which outlives it uncounted", silent=True)
def clone_beside(at: Targets) -> str:
    if call("clone", _CLONE_PARENT | _SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
    return "made"


@rare.add("disown", "what we start is the server's, when it has lost its parent", silent=True)
def disown(at: Targets) -> str:
    call("prctl", _PR_SET_CHILD_SUBREAPER, 0)
    call("prctl", _PR_SET_CHILD_SUBREAPER, 1)
    return "disowned"


@rare.add("network-namespace", "a network of our own", as_root=True, silent=True)
def network_namespace(at: Targets) -> str:
    in_child(lambda: checked(libc.unshare(_CLONE_NEWNET)))
    return "made"


@rare.add("mount", "mount a file system", as_root=True, silent=True)
def mount(at: Targets) -> str:
    with tempfile.TemporaryDirectory(prefix=look.PLANTED) as folder:
        checked(libc.mount(b"none", folder.encode(), b"tmpfs", 0, None))
        checked(libc.umount2(folder.encode(), _MNT_DETACH))
    return "mounted"


@rare.add("rename-machine", "give the machine the name that it has", as_root=True, silent=True)
def rename_machine(at: Targets) -> str:
    name = os.uname().nodename.encode()
    checked(libc.sethostname(name, len(name)))
    return "renamed"


@rare.add("become-another", "become another user", as_root=True, silent=True)
def become_another(at: Targets) -> str:
    in_child(lambda: os.setresuid(65_534, 65_534, 65_534))
    return "another"


@rare.add("raw-socket", "read what passes by on the network", as_root=True, silent=True)
def raw_socket(at: Targets) -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
        return "opened"


@rare.add("io-uring", "calls of the kernel by a ring that no filter sees", silent=True)
def io_uring(at: Targets) -> str:
    about = ctypes.create_string_buffer(120)
    os.close(call("io_uring_setup", 2, ctypes.addressof(about)))
    return "opened"


@rare.add("bpf", "load a program into the kernel", silent=True)
def bpf(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("4I", 2, 4, 4, 1) + bytes(112))  # a small array
    os.close(call("bpf", 0, ctypes.addressof(about), 128))
    return "made"


@rare.add("watch-kernel", "count what the kernel does", silent=True)
def watch_kernel(at: Targets) -> str:
    about = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))  # the processor's clock
    os.close(call("perf_event_open", ctypes.addressof(about), 0, -1, -1, 0))
    return "opened"


@rare.add("page-faults", "hold the kernel up at page faults of our own", silent=True)
def page_faults(at: Targets) -> str:
    os.close(call("userfaultfd", os.O_CLOEXEC | _UFFD_USER_MODE_ONLY))
    return "opened"


@rare.add("hold-file", "hold up whoever opens a program that is shared", silent=True)
def hold_file(at: Targets) -> str:
    with open(look.program_of(at.own_code), "rb") as module:
        fcntl.fcntl(module, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(module, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return "held"


@rare.add("old-abi", "the disk's turn of a session by a call of 32 bits", seen=look.io_class, silent=True)
def old_abi(at: Targets) -> None:
    if os.uname().machine != "x86_64":
        raise NotHere("this machine has one set of calls")
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_INT80)
    enter = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 4)(
        ctypes.addressof(ctypes.c_char.from_buffer(code))
    )
    try:
        in_child(lambda: _as_kernel(enter(_OLD_IOPRIO_SET, 1, at.sibling, _IOPRIO_IDLE)))
    except OSError as error:
        if error.errno == -signal.SIGSEGV:
            raise NotHere("this kernel has no calls of 32 bits") from error
        raise


@rare.add("other-abi", "the same by the numbers of x32", seen=look.io_class, silent=True)
def other_abi(at: Targets) -> None:
    if os.uname().machine != "x86_64":
        raise NotHere("this machine has one set of calls")
    number = calls.of(None).number("ioprio_set")
    assert number is not None
    in_child(lambda: checked(int(libc.syscall(ctypes.c_long(_X32 | number), 1, at.sibling, _IOPRIO_IDLE))))


@rare.add("personality", "have the memory of what we start where we want it", silent=True)
def personality(at: Targets) -> str:
    in_child(lambda: call("personality", _ADDR_NO_RANDOMIZE))
    return "set"


def _as_kernel(answer: int) -> None:
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))


def _cloned(clone: Callable[[], int]) -> str:
    pid = clone()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "made"
