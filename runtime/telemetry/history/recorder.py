"""Keeps the figures of each minute: looked at in the front's loop, written by the file's own thread.

A server that is killed loses the minute it was in.  What cannot be written waits, for an hour and more, and
is told meanwhile as if it were written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.clock import Clock
from runtime.errors import JournalUnusable
from runtime.logs import get_logger
from runtime.telemetry.history.figures import By, Figures, gathered, risen, totals
from runtime.telemetry.history.file import HOUR_S, MINUTE_S, FiguresFile

MAX_WAITING: Final = 120
"""Minutes that could not be written yet."""
FINE_HOURS: Final = 3
"""So far back each minute is told by itself."""
DAY_HOURS: Final = 24
MOST_HOURS: Final = 35 * 24
FIVE_MINUTES_S: Final = 300
_log = get_logger("history")


class Past(msgspec.Struct, frozen=True):
    """Some hours, in equal steps.

    Attributes:
        begin: Of the first step, in seconds since the epoch.
        steps: None is a step in which no server ran.
        failing: Why older figures are missing; empty when none are.
    """

    begin: int
    step_s: int
    steps: list[Figures | None]
    failing: str


class Recorder:
    """Runs in: the front's event loop; counters are read, and rows written, in threads.

    Args:
        path: Of the file, which is opened when something is to be written or read.
        collect: The families of the registry that count; called in a thread.
    """

    def __init__(self, path: Path, clock: Clock, collect: Callable[[], Iterable[Any]]) -> None:
        self._path, self._clock, self._collect = path, clock, collect
        self._file: FiguresFile | None = None
        self._totals: dict[str, By] = {}
        self._minute, self._figures = _minute(clock), Figures()
        self._over: list[tuple[int, Figures]] = []  # without what was counted
        self._waiting: list[tuple[int, Figures]] = []
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._has_failed = False

    def look(self, gauges: Mapping[str, float | Mapping[str, float]]) -> None:
        """Gauges were read now; a minute that is over by that is written down."""
        minute = _minute(self._clock)
        if minute != self._minute:
            self._end_minute()
            self._minute = minute
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(), name="history")
        self._figures.look(gauges)

    async def past(self, hours: int) -> Past:
        """The last hours, with what is known of this minute; the fewer they are, the finer."""
        step_s = MINUTE_S if hours <= FINE_HOURS else FIVE_MINUTES_S if hours <= DAY_HOURS else HOUR_S
        now, failing = self._clock.wall(), ""
        begin = int((now - hours * HOUR_S) // step_s + 1) * step_s
        points: list[tuple[int, Figures]] = []
        async with self._turn:
            try:
                points = await (await self._opened()).points(HOUR_S if step_s == HOUR_S else MINUTE_S, begin)
            except JournalUnusable as error:
                failing = str(error)
            counted = Figures()
            counted.rose(risen(self._totals, await self._counted()))
            this = Figures()
            this.add(self._figures)
            points += [*self._waiting, *self._over, (self._minute, this), (self._minute, counted)]
            # In a thread: of a day it takes longer than the loop should be held.  Nothing is added meanwhile.
            steps = await asyncio.to_thread(gathered, points, begin=begin, end=int(now) + 1, step_s=step_s)
        return Past(begin, step_s, steps, failing)

    async def copy(self, target: Path) -> None:
        """Copy the file to a new one, for a backup.

        Raises:
            JournalUnusable, OSError: There is no copy.
        """
        async with self._turn:
            await (await self._opened()).copy(target)

    async def aclose(self) -> None:
        """Write what is left, and close the file."""
        has_counted = any(any(by.values()) for by in risen(self._totals, await self._counted()).values())
        if has_counted or "sessions" in self._figures.sums:
            self._end_minute()
        if self._writing is not None:
            await self._writing
        if self._over or self._waiting:
            await self._write()
        if self._file is not None:
            await self._file.aclose()

    def _end_minute(self) -> None:
        self._over = [*self._over, (self._minute, self._figures)][-MAX_WAITING:]
        self._figures = Figures()

    async def _counted(self) -> dict[str, By]:
        # In a thread: with many endpoints it takes longer than the loop should be held.
        return await asyncio.to_thread(lambda: totals(self._collect()))

    async def _write(self) -> None:
        async with self._turn:
            now = await self._counted()
            over, self._over = self._over, []
            if over:
                over[-1][1].rose(risen(self._totals, now))
                self._totals = now
            self._waiting = [*self._waiting, *over][-MAX_WAITING:]
            try:
                await (await self._opened()).add(self._waiting)
            except JournalUnusable as error:
                if not self._has_failed:
                    _log.warning("history.not_written", error=error.message, cure=error.cure)
                self._has_failed = True
            else:
                self._waiting, self._has_failed = [], False

    async def _opened(self) -> FiguresFile:
        if self._file is None:
            self._file = await FiguresFile.open(self._path)
        return self._file


def _minute(clock: Clock) -> int:
    return int(clock.wall() // MINUTE_S) * MINUTE_S
