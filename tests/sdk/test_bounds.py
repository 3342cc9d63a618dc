"""What an agent can pile up is bounded, and the bound says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import RoomFull
from runtime.sdk.room import connection, developer, messaging
from runtime.sdk.room.client import RoomException
from runtime.sdk.tools.schema import Schema, SchemaMismatch

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_requests_without_an_answer(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_PENDING_COUNT", 2)
    ada = await house.enter("ada")
    waiting = [asyncio.create_task(ada.queues.receive(name=f"q{n}")) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(RoomException, match="2 requests wait"):
        await ada.queues.list()
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    assert await ada.agents.list_agents() == []  # a cancelled request makes room
    waiting[1].cancel()


@pytest.mark.asyncio
async def test_messages_sent_without_waiting(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messaging, "MAX_SENDING_COUNT", 1)
    ada, ben = await house.enter("ada"), await house.enter("ben")
    ada.messaging.send_message_nowait(to=ben.local_participant, type="note", message={})
    with pytest.raises(RoomFull):
        ada.messaging.send_message_nowait(to=ben.local_participant, type="note", message={})


@pytest.mark.asyncio
async def test_log_entries_sent_without_waiting(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(developer, "MAX_SENDING_COUNT", 1)
    ada = await house.enter("ada")
    for _ in range(3):
        ada.developer.log_nowait(type="step", data={})
    assert ada.developer.dropped_count == 2


def test_the_text_of_a_mismatch() -> None:
    schema = Schema({"type": "array", "items": {"type": "integer"}})
    with pytest.raises(SchemaMismatch) as caught:
        schema.check(["x" * 100_000] * 10, what="arguments of 'x'")
    assert "$[0]: " in caught.value.message
    assert "and 7 more" in caught.value.message
    assert len(caught.value.message) < 2_000


def test_a_value_nested_without_end() -> None:
    schema = Schema({"$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"})
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(SchemaMismatch, match="nested too deeply"):
        schema.check(value, what="arguments")
    while value:  # taken apart by hand: freeing it in one go would recurse as deeply
        value = value[0]
