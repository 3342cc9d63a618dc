"""Attacks on the memory of other processes, and on what ``/proc`` tells of them."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

from runtime.confinement.level import Level
from runtime.confinement.refusal import PROCESSES_LOOK
from runtime.process.environment import is_for_agents
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets
from runtime.worker.chaos.calls import call

_PTRACE_PEEKDATA: Final = 2
_PTRACE_ATTACH: Final = 16
_PTRACE_DETACH: Final = 17
_WALL: Final = 0x40000000
_KCMP_VM: Final = 1
_SECRET_BYTES: Final = 24

_SECRETS: Final = ("KEY", "SECRET", "TOKEN")

memory = Catalogue(PROCESSES_LOOK)


def _secret(at: Targets) -> str:
    return at.session


def _address(at: Targets) -> int:
    if not at.address:
        raise NotHere("where the session keeps its secret could not be seen from outside either")
    return at.address


@memory.add("trace-sibling", "attach to a session as a debugger", silent=True)
def trace_sibling(at: Targets) -> str:
    call("ptrace", _PTRACE_ATTACH, at.sibling, 0, 0)
    try:
        os.waitpid(at.sibling, _WALL)
    finally:
        call("ptrace", _PTRACE_DETACH, at.sibling, 0, 0)
    return "attached"


@memory.add("read-memory", "process_vm_readv of a session", proof=_secret, silent=True)
def read_memory(at: Targets) -> str:
    into = ctypes.create_string_buffer(_SECRET_BYTES)
    _move("process_vm_readv", at.sibling, ctypes.addressof(into), _address(at), _SECRET_BYTES)
    return into.raw.decode(errors="replace")


@memory.add(
    "write-memory",
    "process_vm_writev to a session",
    seen=look.text_of("sibling", "cmdline"),
    undo=lambda at, before: _put(at, at.session.encode()),
    silent=True,
)
def write_memory(at: Targets) -> None:
    word = ctypes.create_string_buffer(b"x_")
    _move("process_vm_writev", at.sibling, ctypes.addressof(word), _address(at), 2)


@memory.add("proc-mem", "read a session's memory as a file", proof=_secret)
def proc_mem(at: Targets) -> str:
    with open(f"/proc/{at.sibling}/mem", "rb", buffering=0) as file:
        file.seek(_address(at))
        return file.read(_SECRET_BYTES).decode(errors="replace")


@memory.add(
    "proc-mem-write",
    "write a session's memory as a file",
    seen=look.text_of("sibling", "cmdline"),
    undo=lambda at, before: _put(at, at.session.encode()),
)
def proc_mem_write(at: Targets) -> None:
    _put(at, b"y_")


@memory.add("proc-maps", "where a session's memory lies")
def proc_maps(at: Targets) -> str:
    return Path(f"/proc/{at.sibling}/maps").read_text()[:60]


@memory.add("environ-sibling", "the environment of a session")
def environ_sibling(at: Targets) -> str | None:
    return _size(f"/proc/{at.sibling}/environ")


@memory.add("environ-front", "the environment of the server")
def environ_front(at: Targets) -> str | None:
    return _size(f"/proc/{at.front}/environ")


@memory.add("environ-zygote", "the environment of what forks sessions")
def environ_zygote(at: Targets) -> str | None:
    if not at.zygote:
        raise NotHere("these sessions were not forked")
    return _size(f"/proc/{at.zygote}/environ")


@memory.add("proc-descriptor", "open what a session has open", silent=True)
def proc_descriptor(at: Targets) -> str | None:
    return _first_opened(at.sibling)


@memory.add("proc-descriptor-front", "open what the server has open", silent=True)
def proc_descriptor_front(at: Targets) -> str | None:
    return _first_opened(at.front)


@memory.add("take-descriptor", "take a descriptor out of a session", silent=True)
def take_descriptor(at: Targets) -> str:
    process = os.pidfd_open(at.sibling)
    try:
        taken = call("pidfd_getfd", process, 1, 0)
    finally:
        os.close(process)
    try:
        return f"descriptor of mode {os.fstat(taken).st_mode:o}"
    finally:
        os.close(taken)


@memory.add("compare-kernel", "compare what the kernel has of a session with ours", silent=True)
def compare_kernel(at: Targets) -> str:
    return str(call("kcmp", os.getpid(), at.sibling, _KCMP_VM, 0, 0))


@memory.add("proc-cwd", "the working folder of the server by its process", silent=True)
def proc_cwd(at: Targets) -> str:
    return str(len(os.listdir(f"/proc/{at.front}/cwd/"))) + " names"


@memory.add("proc-root", "the files of the machine by the server's process", silent=True)
def proc_root(at: Targets) -> str:
    return str(len(os.listdir(os.path.join("/proc", str(at.front), "root", "")))) + " names"


@memory.add("list-descriptors", "which descriptors a session has", level=Level.STRICT)
def list_descriptors(at: Targets) -> str:
    return str(len(os.listdir(f"/proc/{at.sibling}/fd"))) + " descriptors"


@memory.add("proc-cmdline", "what a session is called", level=Level.STRICT)
def proc_cmdline(at: Targets) -> str:
    return Path(f"/proc/{at.sibling}/cmdline").read_text(errors="replace").strip("\0")


@memory.add("title-tells", "who talks where, by what a session is called", level=Level.OFF, rule="the title")
def title_tells(at: Targets) -> str | None:
    title = Path(f"/proc/{at.sibling}/cmdline").read_text(errors="replace")
    told = Path("/proc/self/cmdline").read_text(errors="replace")
    return title if "chaos" in title or "chaos" in told else None  # the room of both is called so


@memory.add(
    "own-environment",
    "secrets of the server in the session's own environment",
    level=Level.OFF,
    rule="the environment",
)
def own_environment(at: Targets) -> str | None:
    inherited = Path("/proc/self/environ").read_bytes().split(b"\0")
    names = {*os.environ, *(one.partition(b"=")[0].decode(errors="replace") for one in inherited)}
    ours = sorted(name for name in names if not is_for_agents(name))
    return ", ".join(name for name in ours if any(word in name for word in _SECRETS)) or None


@memory.add("own-descriptors", "descriptors of the server in the session", level=Level.OFF, rule="the fork")
def own_descriptors(at: Targets) -> str | None:
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if at.state_dir and path.startswith(at.state_dir + "/") and not path.startswith(os.getcwd()):
            found.append(path)
    return ", ".join(found) or None


def _put(at: Targets, word: bytes) -> None:
    with open(f"/proc/{at.sibling}/mem", "r+b", buffering=0) as file:
        file.seek(_address(at))
        file.write(word)


def _move(name: str, pid: int, ours: int, theirs: int, size: int) -> None:
    local, remote = struct.pack("PN", ours, size), struct.pack("PN", theirs, size)
    vectors = [ctypes.create_string_buffer(one) for one in (local, remote)]
    call(name, pid, ctypes.addressof(vectors[0]), 1, ctypes.addressof(vectors[1]), 1, 0)


def _size(path: str) -> str | None:
    size = len(Path(path).read_bytes())
    return f"{size} bytes" if size else None


def _first_opened(pid: int) -> str | None:
    refused: OSError | None = None
    for number in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            link = f"/proc/{pid}/fd/{number}"
            if os.readlink(link).startswith("/dev/null"):
                continue
            os.close(os.open(link, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            refused = refused or error
        else:
            return f"descriptor {number}"
    if refused is not None:
        raise refused
    return None
