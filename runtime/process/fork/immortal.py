"""Leave what all sessions share uncounted, so that to use it writes to no page.

Nearly every page that a forked process copies is copied for a count of references.  From Python 3.12 on an
object whose count has a certain pattern is not counted, and never freed.  A zygote gives the pattern to what
it has before it forks: half of an idle session's memory, and of the page faults of its start.

What somebody would notice the end of stays counted, and so does what leads to it: objects with a finalizer,
generators that have not ended, views of buffers, whatever somebody refers to weakly; and the list, the
closure or the object that holds one, however many steps away.  Among 340,000 objects of an agent with the
usual packages these are 300.  Modules and classes are no holders: they are there as long as the process.

To find them takes as much memory again, so a child does it and tells addresses.  It tries them first, on its
own copy: only if it lives on with them, and ends in order, does the zygote do the same.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import ctypes
import gc
import mmap
import os
import select
import signal
import sys
import traceback
import types
import weakref
from collections.abc import Iterable
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Final

_LONGEST_S: Final = 30.0  # less than an import may take
_VERSIONS: Final = ((3, 12), (3, 13), (3, 14))
_MOST: Final = 1 << 30
"""No count is above it.  In what was freed, a pointer stands instead of a count, or nothing."""

_MOST_OBJECTS: Final = 2_000_000  # each takes 2 µs and 150 bytes of the child
_ADDRESSES: Final = 1 << 48


class _Code(IntEnum):
    """How the process that tries it ends, beside 0."""

    FAILED = 1
    COUNTS = 2
    MANY = 3


class _Kind(Enum):
    """What the objects of a class are, as far as it matters here."""

    LEAF = "refers to nothing"
    CODE = "refers to its constants, which the collector does not know"
    LASTING = "is there as long as the process: a class, a module"
    PLAIN = "may hold others"
    COUNTED = "somebody would notice its end, or asks for its count"


def is_possible() -> bool:
    """Whether this interpreter has the pattern, and we know how."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] in _VERSIONS
        and sys.byteorder == "little"
        and sys.maxsize > 1 << 32
        and "t" not in sys.abiflags  # a build without the global lock counts in another way
        and not hasattr(sys, "gettotalrefcount")  # a build for debugging adds counts up
    )


def settle(folder: Path) -> str:
    """Leave uncounted what is there now.  Runs in: a zygote with one thread, with the collector off.

    Args:
        folder: Of the program.  If code in it asks for counts of references, all stay counted.

    Returns:
        Why it goes on with everything counted; empty when it does not, and where this interpreter has to.

    Raises:
        OSError: The system is short of what it takes, and everything stays counted.
    """
    if not is_possible():
        return ""
    memory = _Memory()
    told = os.memfd_create("bulkhead-shared", os.MFD_CLOEXEC)
    try:
        # From here to `leave_uncounted` nothing may end that was there before: its address is told.
        pid = ctypes.PyDLL(None).fork()  # the C library's own: nothing of the program's runs at it
        if pid == 0:
            _be_first(memory, told, os.path.join(folder, ""))
        if pid < 0:
            return "no process could be forked to try it"
        match _status(pid):
            case 0:
                pass
            case _Code.COUNTS:
                return "the program counts references"
            case _Code.MANY:
                return f"the program has made more than {_MOST_OBJECTS:,} objects"
            case status:
                return f"the process that tried it ended with {status}"
        size = os.fstat(told).st_size
        if size:
            with mmap.mmap(told, size, prot=mmap.PROT_READ) as found:
                memory.leave_uncounted(memoryview(found).cast("Q"))
        return ""
    finally:
        os.close(told)


class _Memory:
    """The counts of all objects, by address."""

    def __init__(self) -> None:
        self._counts = (ctypes.c_uint64 * (_ADDRESSES // 8)).from_address(0)
        self._words = (ctypes.c_uint32 * (_ADDRESSES // 4)).from_address(0)
        # What the interpreter itself has never counted has it.  The other half may have flags.
        self._pattern = self._words[id(None) // 4]

    def leave_uncounted(self, addresses: Iterable[int]) -> None:
        counts, words, pattern = self._counts, self._words, self._pattern
        for at in addresses:
            if 0 < counts[at >> 3] < _MOST:
                words[at >> 2] = pattern


def _be_first(memory: _Memory, told: int, folder: str) -> None:
    """In the child: find them, live with them, tell them; ends the process."""
    try:
        found = shared(folder)
        if isinstance(found, _Code):
            os._exit(found)
        addresses = array.array("Q", found)
        memory.leave_uncounted(addresses)
        gc.freeze()
        _live()
        with open(told, "wb", closefd=False) as file:
            addresses.tofile(file)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - whatever it is, it must not come out of the child
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    os._exit(_Code.FAILED)


def _live() -> None:
    """Do what a session does with what it was forked with: use, raise, make, forget, collect."""

    class Made:
        def __init__(self, other: object) -> None:
            self.other = other

    made = [Made(each) for each in list(sys.modules.values())]
    for each in made:
        each.other = each
    try:
        raise LookupError(made)
    except LookupError:
        traceback.format_exc()
    made.clear()
    asyncio.run(asyncio.sleep(0))
    gc.collect()


def _status(pid: int) -> int:
    """How a child ended; it is killed if that takes too long."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_LONGEST_S * 1000):
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)


# ---- what they are


def shared(folder: str) -> list[int] | _Code:
    """Addresses of all objects whose end nobody would notice, or why all are to stay counted: code below
    `folder` counts references, or there are too many.

    What is made meanwhile is not among them: nothing that was there before may come to refer to it.
    """
    first = gc.get_objects()
    kinds: dict[type, _Kind] = {**dict.fromkeys(_LEAVES, _Kind.LEAF), types.CodeType: _Kind.CODE}
    seen = dict(zip(map(id, first), first, strict=True))
    lasting: set[int] = set()  # what a class or a module refers to
    holders: list[Any] = []
    noticed: list[int] = []
    # Names of this function, because there is a turn of the loop for each of some 300,000 objects.
    leaf, code, plain, lasts, counted = _Kind.LEAF, _Kind.CODE, _Kind.PLAIN, _Kind.LASTING, _Kind.COUNTED
    referents, weak = gc.get_referents, weakref.getweakrefcount
    level = first
    while level:
        below: list[Any] = []
        for each in level:
            cls = type(each)
            kind = kinds.get(cls)
            if kind is None:
                kind = kinds[cls] = _kind(cls)
                if id(cls) not in seen:
                    seen[id(cls)] = cls
                    below.append(cls)
            if kind is leaf:
                continue
            if kind is code:
                if "getrefcount" in each.co_names and _is_of(each.co_filename, folder):
                    return _Code.COUNTS
                refers = _constants(each)
            else:
                refers = referents(each)
                if kind is lasts:
                    lasting.update(map(id, refers))
                else:
                    holders.append(each)
                    if kind is counted or weak(each):
                        noticed.append(id(each))
            for other in refers:
                if id(other) not in seen:
                    seen[id(other)] = other
                    if type(other) not in _LEAVES:
                        below.append(other)
        if len(seen) > _MOST_OBJECTS:
            return _Code.MANY
        level = below
    # A dict of names of a module or a class lets go of what it refers to when the process ends.
    holders = [each for each in holders if not (type(each) is dict and id(each) in lasting)]
    can_be_held = {cls for cls, kind in kinds.items() if kind is plain or kind is counted}
    left = _leading_to(noticed, holders, can_be_held)
    return [at for at in seen if at not in left]


def _leading_to(noticed: list[int], holders: list[Any], can_be_held: set[type]) -> set[int]:
    """Those, and what holds them over any number of steps."""
    held_by: dict[int, list[int]] = {}
    for each in holders:
        for other in gc.get_referents(each):
            if type(other) in can_be_held:
                held_by.setdefault(id(other), []).append(id(each))
    found: set[int] = set()
    while noticed:
        at = noticed.pop()
        if at not in found:
            found.add(at)
            noticed += held_by.get(at, ())
    return found


_LEAVES: Final = frozenset(
    (
        str,
        bytes,
        int,
        float,
        complex,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.MemberDescriptorType,
        types.GetSetDescriptorType,
    )
)
_ASKED: Final = (memoryview,)  # what it is a view of cannot change its size before it has ended
_mro_of: Final = type.__dict__["__mro__"].__get__  # a metaclass may say something else


def _kind(cls: type) -> _Kind:
    above = _mro_of(cls)
    if type in above or types.ModuleType in above:
        return _Kind.LASTING
    if any("__del__" in each.__dict__ or each in _ASKED for each in above) or _is_array(above):
        return _Kind.COUNTED
    return _Kind.PLAIN


def _is_array(above: tuple[type, ...]) -> bool:
    """Of numpy: it is resized in place only while nobody else refers to it."""
    numpy: Any = sys.modules.get("numpy")
    return getattr(numpy, "ndarray", None) in above


def _is_of(file: str, folder: str) -> bool:
    """Whether a file is the program's own, and not of a package that is installed in its folder."""
    return file.startswith(folder) and "-packages" not in file.removeprefix(folder)


def _constants(code: types.CodeType) -> list[object]:
    """What code refers to; the collector does not know of it."""
    names = (code.co_name, code.co_qualname, code.co_filename)
    return [code.co_consts, code.co_names, *code.co_consts, *code.co_names, *names]
