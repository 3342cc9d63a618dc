"""Webhooks going out: signed, sent again until they arrive, and never in the way of who tells of it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from runtime.clock import SystemClock
from runtime.front.access import deliverer as delivering
from runtime.front.access.deliverer import Deliverer
from runtime.rooms.live import RoomEvent
from runtime.services.store import Store
from runtime.services.webhooks import delivery
from runtime.services.webhooks.delivery import DeliveryState
from runtime.services.webhooks.webhook_store import Webhook
from runtime.session.redaction import Hidden
from runtime.wire.sealed import KEY_BYTES, Seal
from runtime.wire.signature import verify
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@dataclass
class Receiver:
    """Answers with the statuses that a test gives it, the last one for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.arrived.acquire, timeout=20 * PATIENCE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    held = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            held.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(held.statuses.pop(0) if len(held.statuses) > 1 else held.statuses[0])
            self.send_header("Location", held.url)
            self.send_header("Content-Length", "0")
            self.end_headers()
            held.arrived.release()

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = False
    held.url = f"http://127.0.0.1:{httpd.server_address[1]}/hook"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield held
    httpd.shutdown()
    thread.join()
    httpd.server_close()


async def stored(path: Path) -> Store:
    seal = Seal(bytes(KEY_BYTES))
    return await Store.open(path / "s.sqlite3", lambda: seal, SystemClock(), hidden=Hidden(), project="p")


def hook(url: str, *events: str) -> Webhook:
    return Webhook(id="", name="h", description="", url=url, events=events or ("room.started",))


async def ended(store: Store, webhook_id: str) -> delivery.Delivery:
    """The newest delivery, once it has ended."""
    async with asyncio.timeout(20 * PATIENCE):
        while True:
            newest = (await store.webhooks.deliveries(webhook_id))[0]
            if newest.state is not DeliveryState.WAITING:
                return newest
            await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DELAYS_S", (0.01, 0.01))


async def test_it_arrives_signed_in_both_ways(receiver: Receiver, tmp_path: Path) -> None:
    store = await stored(tmp_path)
    made, secret = await store.webhooks.create(hook(receiver.url))
    deliverer = Deliverer(store.webhooks, SystemClock())
    running = asyncio.create_task(deliverer.run())
    try:
        deliverer.tell("room.started", {"room_name": "lab"})
        deliverer.tell("room.ended", {"room_name": "lab"})
        await receiver.wait()
        done = await ended(store, made.id)
        assert (done.state, done.status, done.attempts, done.error) == ("delivered", 200, 1, "")
        ((headers, body),) = receiver.got
        assert json.loads(body) == {"event": "room.started", "data": {"room_name": "lab"}}
        assert headers["content-type"] == "application/json"
        standardwebhooks.Webhook(secret).verify(body, headers)
        own = {"meshagent-signature": headers["meshagent-signature"]}
        found = verify(own, body, secrets=[secret], now=time.time(), window_s=300)
        assert found is not None
        assert found.webhook_id == headers["webhook-id"] == done.id
    finally:
        await stopped(running, store)


async def test_it_is_sent_again_with_its_id_until_it_arrives(
    receiver: Receiver, tmp_path: Path, quick: None
) -> None:
    receiver.statuses = [500, 302, 204]
    store = await stored(tmp_path)
    made, _ = await store.webhooks.create(hook(receiver.url))
    deliverer = Deliverer(store.webhooks, SystemClock())
    running = asyncio.create_task(deliverer.run())
    try:
        deliverer.tell("room.started", {})
        await receiver.wait(3)
        done = await ended(store, made.id)
        assert (done.state, done.attempts) == ("delivered", 3)
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert len(receiver.got) == 3, "it followed nobody"
    finally:
        await stopped(running, store)


async def test_it_is_given_up_and_says_why(tmp_path: Path, quick: None) -> None:
    store = await stored(tmp_path)
    made, _ = await store.webhooks.create(hook("http://127.0.0.1:9/hook"))
    deliverer = Deliverer(store.webhooks, SystemClock())
    running = asyncio.create_task(deliverer.run())
    try:
        deliverer.tell("room.started", {})
        async with asyncio.timeout(20 * PATIENCE):
            while not await store.webhooks.deliveries(made.id):
                await asyncio.sleep(0.01)
        done = await ended(store, made.id)
        assert (done.state, done.attempts, done.status) == ("failed", 3, 0)
        assert done.error.startswith("no answer: ")
    finally:
        await stopped(running, store)


async def test_what_was_written_down_is_sent_by_the_next_server(receiver: Receiver, tmp_path: Path) -> None:
    store = await stored(tmp_path)
    made, _ = await store.webhooks.create(hook(receiver.url))
    await store.webhooks.announce("room.started", {"room_name": "lab"})
    await store.aclose()
    store = await stored(tmp_path)
    running = asyncio.create_task(Deliverer(store.webhooks, SystemClock()).run())
    try:
        await receiver.wait()
        assert (await ended(store, made.id)).state is DeliveryState.DELIVERED
    finally:
        await stopped(running, store)


async def test_who_tells_never_waits_and_what_is_told_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "MAX_QUEUED", 3)
    store = await stored(tmp_path)
    made, _ = await store.webhooks.create(hook("http://127.0.0.1:9/"))
    deliverer = Deliverer(store.webhooks, SystemClock())
    for number in range(5):
        deliverer.tell("room.started", {"n": number})
    await deliverer._write_down()
    bodies = [json.loads(one.body)["data"]["n"] for one in await store.webhooks.deliveries(made.id)]
    assert bodies == [4, 3, 2]
    await store.aclose()


async def test_what_is_told_last_is_left_for_the_next_server(serving: Any, receiver: Receiver) -> None:
    async with serving() as site:
        made, _ = await site.server.front.store.webhooks.create(hook(receiver.url, "room.ended"))
        site.server._parts.callback(
            lambda: site.server.front.rooms._listener(RoomEvent(kind="room_closed", room="lab", at=0.0))
        )
    async with serving() as site:
        await receiver.wait()
        assert json.loads(receiver.got[0][1]) == {"event": "room.ended", "data": {"room_name": "lab"}}
        assert (await ended(site.server.front.store, made.id)).state is DeliveryState.DELIVERED


async def test_a_room_that_opens_and_closes_is_told(serving: Any, receiver: Receiver) -> None:
    async with serving() as site:
        store = site.server.front.store
        made, _ = await store.webhooks.create(hook(receiver.url, "room.started"))
        site.server.front.rooms._listener(RoomEvent(kind="room_opened", room="lab", at=0.0))
        await receiver.wait()
        data = json.loads(receiver.got[0][1])["data"]
        assert (data["room_name"], data["room_url"]) == (
            "lab",
            f"{site.server.url.replace('http', 'ws')}/rooms/lab",
        )
        assert (await ended(store, made.id)).state is DeliveryState.DELIVERED


async def stopped(running: asyncio.Task[None], store: Store) -> None:
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await store.aclose()
