"""What a script reads of a chat: the answers on a pipe, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.room.chat_loop import ChatLoop

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Room:
    async def __aenter__(self) -> Room:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Session(Room):
    """Fails where it is told to."""

    is_failed = False

    async def say(self, text: str) -> AsyncIterator[str]:
        yield f"about {text}"
        self.is_failed = text == "fail"


@pytest.mark.parametrize(("lines", "status"), [("hello\n", 0), ("fail\nhello\n", 1)])
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
        monkeypatch.setattr(loop, "_session", lambda _: Session())
        assert await loop.run() == status
    assert capsys.readouterr().out.splitlines() == [f"about {line}" for line in lines.split()]
