"""Where this process spends its time: a thread that looks at all others many times a second.

Theory: who holds the interpreter's lock sees every other thread stand still, so nothing is stopped for a
look, and a loop that is blocked is looked at as well as one that turns.  The thread is begun by a signal's
handler, which may wait for nobody: so without `threading`, whose locks the interrupted code may hold.  What
waits in an event loop has no stack; its tasks have, and are asked ten times a second.

A main thread within native code that keeps the lock is not seen, nor is any other then.
"""

from __future__ import annotations

import _thread
import asyncio
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final

from runtime.process.box.profile_slot import Wanted
from runtime.process.plumbing import Box
from runtime.wire.looking.profile import (
    ALLOCATED,
    MAX_DEPTH,
    MAX_STACKS,
    RUNNING,
    TEXT_CHARS,
    WAITING,
    Profile,
    ProfileFrame,
    ProfileStack,
    is_idle,
    is_turn,
    profile_to_bytes,
)
from runtime.wire.text import utf8_text

_TASK_LOOKS_A_S: Final = 10
_MAX_TASKS: Final = 200
_TRACED_FRAMES: Final = 20
_UNNAMED: Final = re.compile(r"Task-\d+")
_Place = tuple[int, int]  # of a code object, and of an instruction in it
_Key = tuple[str, str, tuple[_Place, ...]]
Chain = Callable[[Any], tuple[list[FrameType], str]]
IsOurs = Callable[[str, list[FrameType]], bool]


class Sampler:
    """Makes the profiles that the front asks for in the box, one at a time.

    Args:
        chain: The frames of a suspended coroutine, outermost first.
        is_ours: Whether a task, by its name and frames, only keeps the session going.
    """

    def __init__(self, box: Box, *, chain: Chain, is_ours: IsOurs) -> None:
        self._box, self._chain, self._is_ours = box, chain, is_ours
        self._begun = 0

    def begin_if_asked(self) -> bool:
        """Begin what was asked for since the last time.  Runs in: a signal's handler of the main thread."""
        wanted = self._box.profile.wanted()
        if wanted is None or wanted.number == self._begun:
            return False
        self._begun = wanted.number
        loop = asyncio._get_running_loop()
        _thread.start_new_thread(self._run, (wanted, loop))
        return True

    def _run(self, wanted: Wanted, loop: asyncio.AbstractEventLoop | None) -> None:
        # A descriptor or a page may be gone by the time: the process ends, and nobody waits.
        with suppress(OSError, ValueError):
            self._box.profile.begin(wanted.number)
            try:
                profile = self._allocated(wanted) if wanted.memory else self._sampled(wanted, loop)
            except Exception as error:  # noqa: BLE001 - a program that did away with something we need
                profile = Profile(failed=f"the session's process could not be looked at: {error!r}")
            self._box.profile.tell(wanted.number, profile_to_bytes(profile))

    def _goes_on(self, wanted: Wanted) -> bool:
        now = self._box.profile.wanted()
        return now is not None and now.number == wanted.number

    def _sampled(self, wanted: Wanted, loop: asyncio.AbstractEventLoop | None) -> Profile:
        found = _Found(main=threading.main_thread().ident or 0, mine=_thread.get_ident(), loop=loop)
        period_s, every = 1 / wanted.rate, max(1, wanted.rate // _TASK_LOOKS_A_S)
        began = due = time.monotonic()
        until = began + wanted.seconds
        while (now := time.monotonic()) < until and self._goes_on(wanted):
            found.look(names=found.samples % every == 0)
            if found.samples % every == 0 and loop is not None:
                found.look_at_tasks(self._chain, self._is_ours, weight=every)
            found.samples += 1
            # A look that comes late because nobody let go of the interpreter is not made up for.
            due = max(due + period_s, now)
            time.sleep(max(0.0, due - time.monotonic()))
        return found.profile(time.monotonic() - began, wanted.rate)

    def _allocated(self, wanted: Wanted) -> Profile:
        import tracemalloc

        was_on = tracemalloc.is_tracing()
        if not was_on:
            tracemalloc.start(_TRACED_FRAMES)
        began = time.monotonic()
        try:
            while time.monotonic() < began + wanted.seconds and self._goes_on(wanted):
                time.sleep(0.1)
            traces = tracemalloc.take_snapshot().statistics("traceback")
        finally:
            if not was_on:
                tracemalloc.stop()
        frames: dict[ProfileFrame, int] = {}
        stacks = []
        for one in traces[:MAX_STACKS]:
            places = [ProfileFrame("", line.filename[:TEXT_CHARS], line.lineno) for line in one.traceback]
            stack = [frames.setdefault(place, len(frames)) for place in places]
            stacks.append(ProfileStack(ALLOCATED, "allocated", stack, one.size))
        since = "since the agent began to trace" if was_on else "while it was looked at"
        return Profile(
            by="tracemalloc",
            seconds=round(time.monotonic() - began, 2),
            samples=1,
            frames=list(frames),
            stacks=stacks,
            dropped=sum(one.size for one in traces[MAX_STACKS:]),
            cost_cpu_s=round(time.thread_time(), 4),
            note=f"What was allocated {since} and is still held; not what was there before.",
        )


class _Found:
    """What was seen so far."""

    def __init__(self, *, main: int, mine: int, loop: asyncio.AbstractEventLoop | None) -> None:
        self._main, self._mine, self._loop = main, mine, loop
        self._codes: dict[int, CodeType] = {}  # kept, so that no other gets their numbers
        self._weights: dict[_Key, int] = {}
        self._names: dict[int, str] = {}
        self._dropped = 0
        self._tasks_weight = 0
        self.samples = 0

    def look(self, *, names: bool) -> None:
        """All threads, now."""
        if names:
            self._names = {one.ident or 0: one.name for one in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident == self._mine:
                continue
            code = frame.f_code
            waits = is_idle(code.co_filename, code.co_name)
            if waits and ident == self._main:
                continue  # in its loop, where its tasks wait
            places, in_loop = self._walk(frame)
            root = self._root(ident, in_loop=in_loop)
            self._count((WAITING if waits else RUNNING, root, places), 1)

    def look_at_tasks(self, chain: Chain, is_ours: IsOurs, *, weight: int) -> None:
        """What waits in the loop, and where."""
        assert self._loop is not None
        try:
            running = asyncio.current_task(self._loop)
            tasks = list(islice(asyncio.all_tasks(self._loop), _MAX_TASKS))
        except RuntimeError:  # they changed while they were listed
            return
        self._tasks_weight += weight
        for task in tasks:
            name = _name_of(task)
            if task is running:
                continue
            frames, _ = chain(task.get_coro())
            if frames and not is_ours(name, frames):
                self._count((WAITING, f"task {name}", tuple(map(self._place, frames))), weight)

    def _walk(self, frame: FrameType | None) -> tuple[tuple[_Place, ...], bool]:
        """The frames, outermost first, without those that lead to a loop; and whether it was one."""
        places: list[_Place] = []
        while frame is not None and len(places) < MAX_DEPTH:
            code = frame.f_code
            if is_turn(code.co_filename, code.co_name):
                return tuple(reversed(places)), True
            places.append(self._place(frame))
            frame = frame.f_back
        return tuple(reversed(places)), False

    def _place(self, frame: FrameType) -> _Place:
        code = frame.f_code
        self._codes[id(code)] = code
        return id(code), frame.f_lasti

    def _root(self, ident: int, *, in_loop: bool) -> str:
        if ident == self._main and in_loop and self._loop is not None:
            with suppress(RuntimeError):
                task = asyncio.current_task(self._loop)
                if task is not None:
                    return f"task {_name_of(task)}"
        return f"thread {self._names.get(ident) or hex(ident)}"

    def _count(self, key: _Key, weight: int) -> None:
        if key in self._weights:
            self._weights[key] += weight
        elif len(self._weights) < MAX_STACKS:
            self._weights[key] = weight
        else:
            self._dropped += weight

    def profile(self, seconds: float, rate: int) -> Profile:
        """All of it, instructions of one line together."""
        frames: dict[ProfileFrame, int] = {}
        lines = {number: dict(_lines_of(code)) for number, code in self._codes.items()}
        weights: dict[tuple[str, str, tuple[int, ...]], int] = {}
        # Tasks were asked less often, each time for the looks to come, of which there were fewer at last.
        of_tasks = self.samples / self._tasks_weight if self._tasks_weight else 1.0
        for (kind, root, places), weight in self._weights.items():
            stack = []
            for number, at in places:
                code = self._codes[number]
                frame = ProfileFrame(
                    utf8_text(code.co_qualname[:TEXT_CHARS]),
                    utf8_text(code.co_filename[-TEXT_CHARS:]),
                    lines[number].get(at, code.co_firstlineno),
                )
                stack.append(frames.setdefault(frame, len(frames)))
            key = (kind, utf8_text(root[:TEXT_CHARS]), tuple(stack))
            if kind == WAITING and root.startswith("task "):
                weight = max(1, round(weight * of_tasks))
            weights[key] = weights.get(key, 0) + weight
        return Profile(
            by="sampler",
            seconds=round(seconds, 2),
            rate=rate,
            samples=self.samples,
            frames=list(frames),
            stacks=[ProfileStack(kind, root, [*at], weight) for (kind, root, at), weight in weights.items()],
            dropped=self._dropped,
            cost_cpu_s=round(time.thread_time(), 4),
        )


def _name_of(task: asyncio.Task[Any]) -> str:
    name = asyncio.Task.get_name(task) if isinstance(task, asyncio.Task) else type(task).__name__
    if _UNNAMED.fullmatch(name):
        return str(getattr(task.get_coro(), "__qualname__", name))
    return name


def _lines_of(code: CodeType) -> Iterator[tuple[int, int]]:
    """Each instruction's place, and its line."""
    for start, end, line in code.co_lines():
        if line is not None:
            for at in range(start, end, 2):
                yield at, line
