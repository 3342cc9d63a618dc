"""Reading what a process prints: whole lines, cut lines, floods, and pipes that outlive their process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

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
