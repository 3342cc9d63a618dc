"""Lines from a terminal and from a pipe, and a wait that can be given up."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Iterator

import pytest

from runtime.cli.room.typed_lines import TypedLines
from tests.patience import PATIENCE

pytestmark = pytest.mark.unit


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The far end of a terminal that is standard input."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield master
    os.close(master)


@pytest.mark.asyncio
async def test_lines_typed_at_once_come_one_by_one(keyboard: int) -> None:
    lines = TypedLines()
    os.write(keyboard, b"one\ntwo\n")
    async with asyncio.timeout(5 * PATIENCE):
        assert [await lines.read(""), await lines.read("")] == ["one", "two"]


@pytest.mark.asyncio
async def test_the_end_of_input_is_none(keyboard: int) -> None:
    os.write(keyboard, b"\x04")
    async with asyncio.timeout(5 * PATIENCE):
        assert await TypedLines().read("") is None


@pytest.mark.asyncio
async def test_a_wait_can_be_given_up(keyboard: int) -> None:
    lines = TypedLines()
    assert lines.can_give_up
    asyncio.get_running_loop().call_soon(lines.give_up)
    async with asyncio.timeout(5 * PATIENCE):
        assert await lines.read("") is None


@pytest.mark.asyncio
async def test_a_pipe_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, b"hi\nlast")
    os.close(write)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        lines = TypedLines()
        assert [await lines.read("") for _ in range(3)] == ["hi", "last", None]


@pytest.mark.asyncio
async def test_bytes_that_are_no_text_become_text_that_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, b"\xff\xfe hello\r\n")
    os.close(write)
    with os.fdopen(read, errors="surrogateescape") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert await TypedLines().read("") == "\ufffd\ufffd hello"
