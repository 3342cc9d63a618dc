"""Which threads a process has beside its main one, and which library started each.

A fork copies one thread only, so a thread that lives cannot come along.  But some libraries keep idle ones
that they put away themselves before a fork and start again when they need them (OpenBLAS, below numpy):
`put_away` lets them, by a fork of a child that ends at once.  Only what is left then is in the way.

A thread of a native library says nothing of itself: its name is that of the program.  Its stack does: the
addresses on it lie in the library's code.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from runtime.process.procfs import read

_TRIAL_S: Final = 2.0
_STACK_BYTES: Final = 64 << 10
_LOOKS, _LOOK_S = 5, 0.01
_START_THREADS: Final = ("grpc", "onnxruntime", "polars", "pyarrow", "tensorflow", "torch")
"""Native libraries that start threads by themselves."""
_NO_LIBRARY: Final = (
    *(
        "libc.",
        "libc-",
        "ld-",
        "libpthread",
        "libstdc++",
        "libgcc_s",
        "libm.",
        "libdl",
        "libpython",
        "python",
    ),
)
_PACKAGE_FOLDERS: Final = ("/site-packages/", "/dist-packages/")
_THEIR_FILES: Final = {"libgomp": "OpenMP", "libomp": "OpenMP", "libiomp": "OpenMP", "libmkl": "MKL"}


class Running(msgspec.Struct, frozen=True):
    """A thread that is not the main one.

    Attributes:
        name: Python's name of it, or the kernel's.
        library: The package whose code it runs; empty when that is not known, or the program's own.
        thread: Python's object; None when Python does not know the thread.
    """

    native_id: int
    name: str
    library: str = ""
    thread: threading.Thread | None = None


class Mapping(msgspec.Struct, frozen=True):
    """A line of ``/proc/self/maps``."""

    start: int
    end: int
    permissions: str
    device: str
    inode: int
    path: str


def running() -> list[Running]:
    """All threads of this process but the main one, those that Python does not know included."""
    known = {thread.native_id: thread for thread in threading.enumerate()}
    tasks = [task for task in map(int, os.listdir("/proc/self/task")) if task != os.getpid()]
    mapped = mappings() if any(task not in known for task in tasks) else []
    found = []
    for task in sorted(tasks):
        comm = read(f"/proc/self/task/{task}/comm").decode("utf-8", "replace").strip()
        thread = known.get(task)
        if thread is not None:
            found.append(Running(task, thread.name, _library_of_target(thread), thread))
        elif comm:  # else it has ended meanwhile
            found.append(Running(task, comm, _library_of_native(task, mapped)))
    return found


def put_away() -> list[Running]:
    """The threads that are left once the libraries that know of forks have put theirs away."""
    found = running()
    if not found or any(one.thread is not None for one in found):
        return found
    # The C library's fork calls what native libraries have registered, and nothing of Python's, whose own
    # hooks a program may have filled.  PyDLL keeps the interpreter's lock, so the child can end by itself.
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        os._exit(0)
    if pid > 0:
        _reap(pid)
    return running()


def mappings() -> list[Mapping]:
    """The memory of this process, by address."""
    found = []
    for line in read("/proc/self/maps").decode("utf-8", "replace").splitlines():
        fields = line.split(None, 5)
        start, _, end = fields[0].partition("-")
        path = fields[5] if len(fields) > 5 else ""
        found.append(Mapping(int(start, 16), int(end, 16), fields[1], fields[3], int(fields[4]), path))
    return found


def package_of(file: str) -> str:
    """The package that a file was installed with; empty when it was not installed."""
    for folder in _PACKAGE_FOLDERS:
        _, found, rest = file.rpartition(folder)
        if found:
            return rest.split("/")[0].removesuffix(".py").removesuffix(".libs").split(".")[0]
    return ""


def _library_of_target(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None) or getattr(thread, "function", None) or type(thread)
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    return package_of(getattr(module, "__file__", None) or "")


def _library_of_native(task: int, mapped: Sequence[Mapping]) -> str:
    """Of a thread that runs just now nothing can be read, so it is asked again; then who is known counts."""
    for _ in range(_LOOKS):
        if library := _library_of_stack(task, mapped):
            return library
        time.sleep(_LOOK_S)
    known = [name for name in _START_THREADS if name in sys.modules]
    return known[0] if len(known) == 1 else ""


def _library_of_stack(task: int, mapped: Sequence[Mapping]) -> str:
    """Whose code the addresses on a waiting thread's stack lie in, from the inside out."""
    words = read(f"/proc/self/task/{task}/syscall").split()
    if len(words) < 3:
        return ""  # it runs, or the kernel does not tell
    pointer = int(words[-2], 16)
    stack = next((one for one in mapped if one.start <= pointer < one.end), None)
    if stack is None:
        return ""
    code = [one for one in mapped if "x" in one.permissions and one.path.startswith("/")]
    others = ""
    for address in _words(pointer, min(stack.end, pointer + _STACK_BYTES)):
        one = next((one for one in code if one.start <= address < one.end), None)
        file = os.path.basename(one.path) if one is not None else ""
        if one is None or file.startswith(_NO_LIBRARY):
            continue
        if package := package_of(one.path):
            return package
        others = others or next(
            (name for begin, name in _THEIR_FILES.items() if file.startswith(begin)), file
        )
    return others


def _words(start: int, end: int) -> Sequence[int]:
    with suppress(OSError), open("/proc/self/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        held = memory.read(end - start) or b""
        return struct.unpack(f"{len(held) // 8}Q", held[: len(held) // 8 * 8])
    return ()


def _reap(pid: int) -> None:
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(_TRIAL_S * 1000):
            os.kill(pid, signal.SIGKILL)  # a handler of some library hangs in a child
    finally:
        os.close(fd)
        os.waitpid(pid, 0)
