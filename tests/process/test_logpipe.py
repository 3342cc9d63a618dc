"""Reading what a process prints: whole lines, cut lines, floods, and pipes that outlive their process."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from runtime.clock import SystemClock
from runtime.process.logpipe import LogPipe

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class StillClock:
    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0


@pytest_asyncio.fixture
async def open_pipe() -> AsyncIterator[Callable[..., Any]]:
    made: list[tuple[LogPipe, int]] = []

    def make(**limits: Any) -> tuple[int, list[str], LogPipe]:
        read_fd, write_fd = os.pipe()
        lines: list[str] = []
        bounds = {"max_line_bytes": 100, "lines_per_s": 1000.0, "clock": StillClock(), **limits}
        pipe = LogPipe(read_fd, lines.append, **bounds)
        made.append((pipe, write_fd))
        return write_fd, lines, pipe

    yield make
    for pipe, write_fd in made:
        pipe.close()
        os.close(write_fd)


async def test_lines_come_whole_however_they_were_written(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe()
    os.write(write_fd, b"one\ntw")
    os.write(write_fd, b"o\r\nthree")
    pipe.drain()
    assert lines == ["one", "two", "three"]


async def test_a_line_without_end_is_cut_and_its_rest_dropped(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe()
    os.write(write_fd, b"x" * 5000 + b"\nnext\n")
    pipe.drain()
    assert lines == ["x" * 100 + " …(cut)", "next"]


async def test_lines_above_the_rate_are_counted_not_kept(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe(lines_per_s=10.0)
    os.write(write_fd, b"y\n" * 500)
    pipe.drain()
    assert (len(lines), pipe.dropped) == (10, 490)


async def test_binary_junk_is_shown_as_text(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe()
    os.write(write_fd, b"\xff\xfe\x00\n")
    pipe.drain()
    assert lines == ["\\xff\\xfe\x00"]


async def test_drain_returns_while_somebody_still_holds_the_pipe(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe()
    os.write(write_fd, b"last words")
    pipe.drain()  # the writing end is open: an orphan has it
    assert lines == ["last words"]


async def test_a_partial_line_waits_for_its_end_and_binary_junk_before_it_does_no_harm(
    open_pipe: Any,
) -> None:
    write_fd, lines, pipe = open_pipe()
    os.write(write_fd, b"\x00\x80\nhal")
    pipe._readable()
    assert lines == ["\x00\\x80"]
    os.write(write_fd, b"f\n")
    pipe._readable()
    assert lines[1:] == ["half"]


async def test_a_flood_fills_its_own_pipe_and_is_counted(open_pipe: Any) -> None:
    write_fd, lines, pipe = open_pipe(lines_per_s=10.0, bytes_per_s=100_000.0)
    os.set_blocking(write_fd, False)
    flood = (b"y" * 19 + b"\n") * 60_000
    taken = 0
    # As fast as the reader lets it: it is read for the burst, then not at all, for the clock stands still.
    for _ in range(20):
        try:
            taken += os.write(write_fd, flood[taken : taken + 60_000])
        except BlockingIOError:
            pass
        await asyncio.sleep(0)
    assert pipe.paused_count == 1
    assert 100_000 <= taken <= 100_000 + 3 * 65536
    assert len(lines) == 10
    pipe.drain()
    assert len(lines) == 10
    assert pipe.dropped in (taken // 20 - 10, taken // 20 - 9)  # the last one may be half a line


async def test_reading_goes_on_when_the_debt_is_paid(open_pipe: Any, within: Any) -> None:
    clock = SystemClock()
    write_fd, lines, pipe = open_pipe(clock=clock, bytes_per_s=50_000.0, lines_per_s=1e6)
    before = clock.now()
    os.write(write_fd, b"z" * 99 + b"\n")
    pipe._readable()
    os.write(write_fd, (b"z" * 99 + b"\n") * 600)

    async def all_lines() -> None:
        while len(lines) < 601:
            await asyncio.sleep(0.005)

    await within(5, all_lines())
    os.write(write_fd, b"and on\n")

    async def one_more() -> None:
        while lines[-1] != "and on":
            await asyncio.sleep(0.005)

    await within(5, one_more())
    assert clock.now() - before >= 0.15  # it owed 10,000 bytes


async def test_a_drain_ends_although_somebody_writes_on_and_on(open_pipe: Any) -> None:
    write_fd, _, pipe = open_pipe(lines_per_s=1.0)
    writer = subprocess.Popen(["sh", "-c", "while :; do echo noise noise noise; done"], stdout=write_fd)
    try:
        pipe.drain()
    finally:
        writer.kill()
        writer.wait()


async def test_closing_while_it_pauses_leaves_nothing(open_pipe: Any) -> None:
    write_fd, _, pipe = open_pipe(bytes_per_s=4096.0)
    os.write(write_fd, b"x" * 60_000)
    pipe._readable()
    assert pipe.paused_count == 1
    pipe.close()
    pipe.close()
