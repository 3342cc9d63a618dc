"""The `chat` message, as hostile as it may be."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.sdk.chat.chat_message import MAX_ATTACHMENTS, said_from
from runtime.sdk.room.participant import RemoteParticipant

pytestmark = pytest.mark.unit

ADA = RemoteParticipant(id="p")


@pytest.mark.parametrize(
    "message", [{}, {"text": ""}, {"text": "  "}, {"text": 3}, {"text": None, "attachments": [{}]}]
)
def test_what_says_nothing_is_none(message: dict[str, Any]) -> None:
    assert said_from(ADA, message, 100) is None


def test_everything_in_it_is_bounded() -> None:
    message = {"text": "x" * 200, "id": "i" * 200, "model": 7, "attachments": [{"path": "a"}] * 50}
    said = said_from(ADA, message, 100)
    assert said is not None
    assert (len(said.text), said.model, len(said.attachments)) == (100, None, MAX_ATTACHMENTS)
    assert said.id != message["id"]


def test_a_file_alone_says_something() -> None:
    said = said_from(ADA, {"text": "", "attachments": [{"path": "a.png"}]}, 100)
    assert said is not None
    assert said.for_model().endswith("[attached files in the room: a.png]")
