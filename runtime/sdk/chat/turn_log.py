"""What a turn does, in its room's developer log: what the model was asked and said, what was called, when.

Secrets are hidden here, where the values of the environment are known; long talks are cut at their beginning.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from runtime.sdk.context import cut
from runtime.session.redaction import Redactor, secrets_in

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

MAX_LOGGED_CHARS: Final = 4_000
MAX_MESSAGE_CHARS: Final = 8_000
MAX_TALK_BYTES: Final = 48_000


class TurnLog:
    """Entries ``llm.…`` of one turn of a thread."""

    def __init__(self, room: RoomClient, path: str, turn_id: str) -> None:
        self._room = room
        self._about = {"path": path, "turn_id": turn_id}
        self._round = 0
        self._has_spoken = False

    def write(self, what: str, **data: Any) -> None:
        """Say something of the turn.  Never waits; nothing once the room is left."""
        if not self._room.is_closed:
            self._room.developer.log_nowait(type=f"llm.{what}", data={**self._about, **data})

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the adapter."""
        match event.get("type"):
            case "response.requested":
                self._round += 1
                self._has_spoken = False
                asked = {key: event.get(key) for key in ("model", "tools", "parameters")}
                self.write(
                    "model_request", round=self._round, **_shown(asked), **_talk(event.get("messages"))
                )
            case "response.output_text.delta" if not self._has_spoken:
                self._has_spoken = True
                self.write("first_words", round=self._round)
            case "response.function_call.started":
                called = {key: event.get(key) for key in ("name", "call_id", "arguments")}
                self.write("tool_call", **called)
            case "response.function_call.done":
                named = {key: event.get(key) for key in ("name", "call_id")}
                self.write("tool_result", **named, output=cut(str(event.get("output", "")), MAX_LOGGED_CHARS))
            case "response.completed":
                used, answer = event.get("usage", {}), event.get("answer")
                self.write("usage", model=event.get("model"), **used)
                if answer is not None:
                    self.write("model_answer", round=self._round, model=event.get("model"), **_shown(answer))


def _talk(messages: Any) -> dict[str, Any]:
    """The newest messages that are not too many, and how many were left out before them."""
    kept: list[Any] = []
    size = 0
    for message in reversed(messages if isinstance(messages, list) else []):
        shown = _redactor().plain(message, max_chars=MAX_MESSAGE_CHARS)
        size += len(json.dumps(shown))
        if kept and size > MAX_TALK_BYTES:
            break
        kept.append(shown)
    return {"messages": kept[::-1], "left_out": len(messages or []) - len(kept)}


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = _redactor().plain(data, max_chars=MAX_MESSAGE_CHARS)
    return shown


@cache
def _redactor() -> Redactor:
    return Redactor(secrets_in(os.environ))
