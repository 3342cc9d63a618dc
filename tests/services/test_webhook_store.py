"""Webhooks that go out: what is written down before anything is sent, and what follows from each attempt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from runtime.errors import InvalidRequest, NotFound, StoreFull
from runtime.services.store import Store
from runtime.services.webhooks import webhook_store
from runtime.services.webhooks.delivery import DELAYS_S, DeliveryState, outcome
from runtime.services.webhooks.webhook_store import MAX_DELIVERIES, Webhook
from tests.services.conftest import SetClock

WANTED = Webhook(
    id="",
    name="hook",
    description="",
    url="https://example.org/h",
    events=("room.started",),
    payload={"a": 1},
)


@pytest.mark.process
@pytest.mark.asyncio
class TestStore:
    async def test_the_secret_is_shown_once_and_signs(self, store: Store, tmp_path: Path) -> None:
        made, secret = await store.webhooks.create(WANTED)
        assert secret.startswith("whsec_")
        assert await store.webhooks.secret(made.id) == secret
        assert await store.webhooks.listed() == [made] == [await store.webhooks.get(made.id)]
        assert secret not in repr(made)
        for path in tmp_path.iterdir():
            assert secret.encode() not in path.read_bytes()

    async def test_who_wants_to_hear_gets_a_delivery_and_nobody_else(
        self, store: Store, clock: SetClock
    ) -> None:
        made, _ = await store.webhooks.create(WANTED)
        await store.webhooks.create(
            Webhook(id="", name="b", description="", url="http://x", events=("room.ended",))
        )
        assert await store.webhooks.announce("room.started", {"room_name": "lab", "a": 0}) == 1
        (due,) = await store.webhooks.due(most=10)
        assert json.loads(due.body) == {"event": "room.started", "data": {"room_name": "lab", "a": 1}}
        assert (due.webhook_id, due.attempts, await store.webhooks.next_at()) == (made.id, 0, clock.at)

    async def test_a_failed_attempt_waits_and_the_last_one_ends_it(
        self, store: Store, clock: SetClock
    ) -> None:
        made, _ = await store.webhooks.create(WANTED)
        await store.webhooks.announce("room.started", {})
        for delay_s in DELAYS_S:
            (due,) = await store.webhooks.due(most=10)
            state = await store.webhooks.tried(due.id, status=500, error="x" * 1_000, luck=0)
            assert state is DeliveryState.WAITING
            assert await store.webhooks.due(most=10) == []
            clock.at += delay_s
        assert await store.webhooks.tried(due.id, status=0, error="gone", luck=0) is DeliveryState.FAILED
        (ended,) = await store.webhooks.deliveries(made.id)
        assert (ended.attempts, ended.error, ended.ended_at) == (len(DELAYS_S) + 1, "gone", clock.at)
        assert await store.webhooks.next_at() is None

    async def test_one_does_not_wait_for_a_clock_that_was_put_back(
        self, store: Store, clock: SetClock
    ) -> None:
        await store.webhooks.create(WANTED)
        await store.webhooks.announce("room.started", {})
        (due,) = await store.webhooks.due(most=1)
        await store.webhooks.tried(due.id, status=500, error="", luck=1)
        assert await store.webhooks.due(most=1) == []
        clock.at -= 86_400
        assert [one.id for one in await store.webhooks.due(most=1)] == [due.id]

    async def test_a_delivery_is_sent_again_as_one_of_its_own(self, store: Store) -> None:
        made, _ = await store.webhooks.create(WANTED)
        await store.webhooks.announce("room.started", {})
        (due,) = await store.webhooks.due(most=1)
        assert await store.webhooks.tried(due.id, status=204, error="", luck=0) is DeliveryState.DELIVERED
        again = await store.webhooks.redeliver(due.id)
        assert (again.body, again.id != due.id) == (due.body, True)
        assert [one.state for one in await store.webhooks.deliveries(made.id)] == ["waiting", "delivered"]

    async def test_one_that_is_deleted_is_gone_with_its_deliveries(self, store: Store) -> None:
        made, _ = await store.webhooks.create(WANTED)
        await store.webhooks.announce("room.started", {})
        (due,) = await store.webhooks.due(most=1)
        await store.webhooks.delete(made.id)
        for asked in (
            store.webhooks.get(made.id),
            store.webhooks.secret(made.id),
            store.webhooks.deliveries(made.id),
            store.webhooks.redeliver(due.id),
            store.webhooks.tried(due.id, status=200, error="", luck=0),
            store.webhooks.update(made),
            store.webhooks.delete(made.id),
        ):
            with pytest.raises(NotFound):
                await asked

    async def test_one_can_be_changed_and_keeps_its_secret(self, store: Store) -> None:
        made, secret = await store.webhooks.create(WANTED)
        changed = await store.webhooks.update(
            Webhook(
                id=made.id, name="n", description="d", url="http://y", events=("room.ended",), action="go"
            )
        )
        assert (changed.name, changed.events, changed.created_at) == ("n", ("room.ended",), made.created_at)
        assert await store.webhooks.secret(made.id) == secret
        await store.webhooks.announce("room.ended", {})
        (due,) = await store.webhooks.due(most=1)
        assert json.loads(due.body)["action"] == "go"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "ftp://x"},
            {"url": "http://"},
            {"url": "http://x:99999"},
            {"url": "javascript:alert(1)"},
            {"events": ("room.opened",)},
            {"name": "x" * 3_000},
            {"payload": {"a": "x" * 20_000}},
        ],
    )
    async def test_what_cannot_be_delivered_is_refused(self, store: Store, wrong: dict[str, object]) -> None:

        with pytest.raises(InvalidRequest):
            await store.webhooks.create(replace(WANTED, **wrong))  # type: ignore[arg-type]

    async def test_webhooks_and_deliveries_are_bounded(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, _ = await store.webhooks.create(WANTED)
        monkeypatch.setattr(webhook_store, "MAX_DELIVERIES", 3)
        await store.webhooks.announce("room.started", {"n": 0})
        (first,) = await store.webhooks.due(most=1)
        await store.webhooks.tried(first.id, status=200, error="", luck=0)
        for number in range(1, 6):
            await store.webhooks.announce("room.started", {"n": number})
        kept = [json.loads(one.body)["data"]["n"] for one in await store.webhooks.deliveries(made.id)]
        assert kept == [5, 4, 3]
        assert MAX_DELIVERIES > 3
        monkeypatch.setattr(webhook_store, "MAX_WEBHOOKS", 1)
        with pytest.raises(StoreFull):
            await store.webhooks.create(WANTED)


@pytest.mark.unit
@given(
    statuses=st.lists(st.sampled_from([0, 200, 204, 301, 404, 410, 500]), min_size=20), luck=st.floats(0, 1)
)
def test_a_delivery_ends_and_waits_within_bounds(statuses: list[int], luck: float) -> None:
    waited = 0.0
    for attempts, status in enumerate(statuses, start=1):
        follows = outcome(status, attempts, luck=luck)
        if follows.state is not DeliveryState.WAITING:
            assert (follows.state is DeliveryState.DELIVERED) == (200 <= status < 300)
            break
        waited += follows.delay_s
    assert attempts <= len(DELAYS_S) + 1
    assert waited <= 1.2 * sum(DELAYS_S)
