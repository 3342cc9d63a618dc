"""What a script reads of a chat: the answers on a pipe, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.failure import CommandFailed
from runtime.cli.room.chat_loop import ChatLoop
from runtime.errors import RoomLost

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Room:
    async def __aenter__(self) -> Room:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Session(Room):
    """Fails where it is told to."""

    is_failed = is_cut = False

    async def say(self, text: str) -> AsyncIterator[str]:
        if text == "lose":
            raise RoomLost("chatbot left the room in mid-answer")
        yield f"about {text}"
        self.is_failed, self.is_cut = text == "fail", text == "stop"


@pytest.mark.parametrize(("lines", "status"), [("hello\n", 0), ("fail\nhello\n", 1), ("stop\n", 1)])
async def test_an_answer_that_failed_is_an_exit_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: str,
    status: int,
) -> None:
    given = tmp_path / "lines"
    given.write_text(lines)
    room: Any = Room()
    with given.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        loop = ChatLoop(room, to="chatbot", prompt="", show_progress=False)
        monkeypatch.setattr(loop, "_session", lambda *_, **__: Session())
        assert await loop.run() == status
    said, told = capsys.readouterr()
    assert said.splitlines() == [f"about {line}" for line in lines.split()]
    assert ("chatbot was stopped in the middle of the answer" in told) == (lines == "stop\n")


class Question:
    """Knows why, once it was asked."""

    asked = 0

    def again(self) -> None:
        self.asked += 1

    def why(self, error: str) -> tuple[str, str]:
        return f"{error}, the {self.asked}nd time", "look"


async def test_an_agent_that_is_lost_is_told_with_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "lines"
    given.write_text("hello\nlose\n")
    room: Any = Room()
    question: Any = Question()
    with given.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        loop = ChatLoop(room, to="chatbot", prompt="", show_progress=False, question=question)
        monkeypatch.setattr(loop, "_session", lambda *_, **__: Session())
        with pytest.raises(CommandFailed, match="left the room in mid-answer, the 2nd time") as failed:
            await loop.run()
    assert failed.value.cure == "look"
