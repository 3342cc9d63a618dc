"""What a person says to a chatbot: the `chat` message, checked and bounded."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from runtime.sdk.room.participant import Participant

MAX_ATTACHMENTS = 20
MAX_ID_CHARS = 100


@dataclass(frozen=True, slots=True)
class Said:
    """A `chat` message.

    Args:
        id: The message's id in the thread if its sender gave one, else a fresh one; names the turn.
        model: Which model the sender wants; None leaves it to the agent.
        attachments: Paths of files in the room.
        at: When it was heard, in monotonic seconds.
    """

    sender: Participant
    text: str
    id: str
    model: str | None
    attachments: tuple[str, ...] = ()
    at: float = field(default_factory=time.monotonic, compare=False)

    def for_model(self) -> str:
        """The text, and where the attached files are."""
        if not self.attachments:
            return self.text
        return f"{self.text}\n[attached files in the room: {', '.join(self.attachments)}]"


def said_from(sender: Participant, message: dict[str, Any], limit_chars: int) -> Said | None:
    """Read a `chat` message; None for one that says nothing.  The text is cut at `limit_chars`."""
    text, model, id = message.get("text"), message.get("model"), message.get("id")
    listed = message.get("attachments")
    paths = (
        [entry.get("path") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    )
    attachments = tuple(path for path in paths[:MAX_ATTACHMENTS] if isinstance(path, str))
    if not isinstance(text, str) or not (text.strip() or attachments):
        return None
    return Said(
        sender=sender,
        text=text if len(text) <= limit_chars else text[:limit_chars],
        id=id if isinstance(id, str) and len(id) <= MAX_ID_CHARS else str(uuid.uuid4()),
        model=model if isinstance(model, str) and model else None,
        attachments=attachments,
    )
