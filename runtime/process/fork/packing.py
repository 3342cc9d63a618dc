"""Bring together what every worker touches, so that it touches few pages.

A fork shares every page with its parent, and the first write to each copies it.  To run a function is to
write to its code object: the interpreter counts a reference to it.  Code lies where its module was imported,
between docstrings and code that no session ever runs, so a page is copied for one count.  And what was freed
after an import lies one block here and one there: a child that takes it copies a page or two for each block.

Here the code that sessions run is copied, one piece behind the other, and the gaps are filled.  Measured with
an agent that imports OpenAI's and OpenTelemetry's packages: a session's own memory, 5.5 MiB before, is 4.3
after.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

# Of the interpreter's allocator for what is small; with others, this file costs a little and gains nothing.
_POOL_BYTES: Final = 16 << 10
_POOL_HEADER_BYTES: Final = 48
_BLOCK_SIZES: Final = range(16, 513, 16)
# Of the C library's: what is larger comes from the kernel, what is smaller does not exist.
_LARGEST_BYTES: Final = 100 << 10
_SMALLEST_BYTES: Final = 24
# Other allocators do not hand out blocks in order: then this much is used up in vain.
_MOST_POOL_BYTES: Final = 256 << 10  # for each size
_MOST_HEAP_BYTES: Final = 8 << 20

_plugs: list[object] = []

Codes = dict[int, CodeType]
"""Code by its number, in the order it was first run in; by number, because code of equal text is equal."""


@contextmanager
def noted_code() -> Iterator[Codes]:
    """Note the code that this thread runs within."""
    seen: Codes = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.setdefault(id(frame.f_code), frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def code_of(*modules: ModuleType) -> Codes:
    """The code of what these modules define."""
    names = {module.__name__ for module in modules}
    return {
        id(each.__code__): each.__code__
        for each in gc.get_objects()
        if type(each) is FunctionType and each.__module__ in names
    }


def pack(codes: Codes) -> None:
    """Give every function that runs one of `codes` a copy of it; all copies lie together.

    A copy begins unspecialised: run it often enough before the fork.  Call `fill_gaps` before.
    """
    made: Codes = {}

    def copied(code: CodeType) -> CodeType:
        if id(code) not in made:
            made[id(code)] = code.replace(
                co_consts=tuple(constant(each) for each in code.co_consts),
                co_name=_fresh(code.co_name),
                co_qualname=_fresh(code.co_qualname),
            )
        return made[id(code)]

    def constant(value: Any) -> Any:
        match value:
            case CodeType():
                return copied(value) if id(value) in codes else value
            case str():
                return _fresh(value)
            case tuple():
                return tuple([constant(each) for each in value])
            case _:
                return value

    for code in codes.values():
        copied(code)
    for function in gc.get_objects():
        if type(function) is FunctionType and id(function.__code__) in made:
            function.__code__ = code = made[id(function.__code__)]
            # A coroutine refers to the names of its function.
            if (function.__name__, function.__qualname__) == (code.co_name, code.co_qualname):
                function.__name__, function.__qualname__ = code.co_name, code.co_qualname


def fill_gaps() -> None:
    """Use up the free blocks between those in use, so that what is allocated from now on lies together."""
    for size in _BLOCK_SIZES:
        _fill_pools(size, _maker_of(size))
    try:
        _fill_heap(ctypes.CDLL(None))
    except AttributeError:
        pass  # another C library


def _fill_pools(size: int, make: Callable[[], object]) -> None:
    pool = last = in_order = 0
    for _ in range(_MOST_POOL_BYTES // size):
        block = make()
        _plugs.append(block)
        at = id(block)
        # A pool is begun when all others of its size are full, and its blocks come in order.
        if at // _POOL_BYTES == pool and at > last:
            in_order += 1
            if in_order == 3:
                return
        else:
            pool = at // _POOL_BYTES if at % _POOL_BYTES == _POOL_HEADER_BYTES else 0
            in_order = 0
        last = at


def _maker_of(size: int) -> Callable[[], object]:
    """Makes objects that take a block of this size, and nothing else refers to."""
    if size == 16:
        return object
    if size == 32:
        return lambda: complex(1, 1)
    return lambda: bytes(size - sys.getsizeof(b""))


def _fill_heap(libc: Any) -> None:
    libc.gnu_get_libc_version  # noqa: B018 - another one's gaps are not known
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    size = _LARGEST_BYTES
    first, second = libc.malloc(size), libc.malloc(size)  # this also sorts, by size, what was freed
    end = max(first or 0, second or 0) - size
    libc.free(second)
    libc.free(first)
    left = _MOST_HEAP_BYTES
    while size >= _SMALLEST_BYTES and left > 0:
        block = libc.malloc(size)
        if block and block < end:  # a gap, which stays filled
            left -= size
        else:
            libc.free(block)
            size = min(size - 8, size * 7 // 8)


def _fresh(text: str) -> str:
    """A copy of it."""
    return (text + " ")[:-1]
