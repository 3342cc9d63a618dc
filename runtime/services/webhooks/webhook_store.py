"""Webhooks that go out: who wants to hear of what, and every delivery with how it went.

A delivery is on the disk before anything is sent, so a server that dies in between sends it later; a receiver
may get it twice, with the same id.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from runtime.clock import Clock
from runtime.errors import InvalidRequest, NotFound, StoreFull
from runtime.services.file import Seals, ServicesFile
from runtime.services.webhooks.delivery import LONGEST_S, MAX_ERROR_CHARS, Delivery, DeliveryState, outcome
from runtime.session.redaction import Hidden

EVENTS: Final = ("room.started", "room.ended")
MAX_WEBHOOKS: Final = 50
MAX_DELIVERIES: Final = 200
"""Of a webhook, that are kept; the oldest that have ended go first, then the oldest that wait."""
MAX_PAYLOAD_BYTES: Final = 16 << 10
MAX_TEXT_CHARS: Final = 2_000
_DELIVERY: Final = (
    "SELECT id, webhook_id, event, body, state, attempts, next_at, created_at, ended_at, status, error"
    " FROM deliveries"
)
_WEBHOOK: Final = (
    "SELECT id, name, description, url, events, action, payload, created_at, updated_at FROM webhooks"
)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who wants to hear of events.

    Attributes:
        events: Their names.
        action: Delivered beside the event; empty for none.
        payload: Merged into the event's data.
    """

    id: str
    name: str
    description: str
    url: str
    events: tuple[str, ...]
    action: str = ""
    payload: Mapping[str, Any] | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


class WebhookStore:
    """The webhooks of a file.

    Args:
        seal: Gives that of the state folder, when something is to be sealed or opened.
        hidden: Learns every secret that signs.
    """

    def __init__(self, file: ServicesFile, seal: Seals, clock: Clock, hidden: Hidden) -> None:
        self._file, self._seal, self._clock, self._hidden = file, seal, clock, hidden

    async def create(self, wanted: Webhook) -> tuple[Webhook, str]:
        """A new webhook, its id made here, and the secret that signs it, which is not to be had again.

        Raises:
            InvalidRequest, StoreFull: It cannot be delivered to, or there are `MAX_WEBHOOKS`.
        """
        _check(wanted)
        secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
        self._hidden.learn([secret])
        now = self._clock.wall()
        made = replace(wanted, id=str(uuid.uuid4()), created_at=now, updated_at=now)

        def work(db: sqlite3.Connection) -> None:
            if db.execute("SELECT COUNT(*) FROM webhooks").fetchone()[0] >= MAX_WEBHOOKS:
                raise StoreFull(f"there are {MAX_WEBHOOKS} webhooks already", cure="Delete some.")
            sealed = self._seal().seal(secret.encode(), _sealed_as(made.id))
            db.execute(
                "INSERT INTO webhooks (name, description, url, events, action, payload, updated_at, id,"
                " created_at, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_row(made), made.id, now, sealed),
            )

        await self._file.change(work)
        return made, secret

    async def update(self, wanted: Webhook) -> Webhook:
        """Change one; its secret stays.

        Raises:
            NotFound, InvalidRequest: There is none, or it cannot be delivered to.
        """
        _check(wanted)
        made = replace(wanted, updated_at=self._clock.wall())

        def work(db: sqlite3.Connection) -> Webhook:
            db.execute(
                "UPDATE webhooks SET name = ?, description = ?, url = ?, events = ?, action = ?, payload = ?,"
                " updated_at = ? WHERE id = ?",
                (*_row(made), made.id),
            )
            return _one(db, made.id)

        return await self._file.change(work)

    async def listed(self) -> list[Webhook]:
        """All of them, the oldest first; none with its secret."""

        def work(db: sqlite3.Connection) -> list[Webhook]:
            return [_webhook(row) for row in db.execute(f"{_WEBHOOK} ORDER BY created_at, id")]

        return await self._file.read(work)

    async def get(self, webhook_id: str) -> Webhook:
        """One of them.

        Raises:
            NotFound: There is none.
        """
        return await self._file.read(lambda db: _one(db, webhook_id))

    async def delete(self, webhook_id: str) -> None:
        """Forget one, with its deliveries.

        Raises:
            NotFound: There is none.
        """

        def work(db: sqlite3.Connection) -> None:
            _one(db, webhook_id)
            db.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

        await self._file.change(work)

    async def secret(self, webhook_id: str) -> str:
        """What signs the deliveries of one.  For who delivers; nothing that answers anybody calls it.

        Raises:
            NotFound, SealBroken: There is none, or the key of the state folder is another one.
        """

        def work(db: sqlite3.Connection) -> str:
            _one(db, webhook_id)
            sealed = db.execute("SELECT secret FROM webhooks WHERE id = ?", (webhook_id,)).fetchone()[0]
            return self._seal().open(sealed, _sealed_as(webhook_id)).decode()

        secret = await self._file.read(work)
        self._hidden.learn([secret])
        return secret

    # ---- deliveries

    async def announce(self, event: str, data: Mapping[str, Any]) -> int:
        """Write down a delivery for everybody who wants to hear of an event; how many."""

        def work(db: sqlite3.Connection) -> int:
            wanted = [one for one in map(_webhook, db.execute(_WEBHOOK)) if event in one.events]
            for one in wanted:
                body: dict[str, Any] = {"event": event, "data": {**data, **(one.payload or {})}}
                if one.action:
                    body["action"] = one.action
                # As MeshAgent's receivers write it again before they check the signature.
                self._put(db, one.id, event, json.dumps(body).encode())
            return len(wanted)

        return await self._file.change(work)

    async def redeliver(self, delivery_id: str) -> Delivery:
        """Send one again, as a delivery of its own.

        Raises:
            NotFound: It is not kept any more.
        """

        def work(db: sqlite3.Connection) -> Delivery:
            old = _kept(db, delivery_id)
            return _kept(db, self._put(db, old.webhook_id, old.event, old.body))

        return await self._file.change(work)

    async def deliveries(self, webhook_id: str) -> list[Delivery]:
        """The deliveries of a webhook that are kept, the newest first.

        Raises:
            NotFound: There is no such webhook.
        """

        def work(db: sqlite3.Connection) -> list[Delivery]:
            _one(db, webhook_id)
            rows = db.execute(f"{_DELIVERY} WHERE webhook_id = ? ORDER BY number DESC", (webhook_id,))
            return [_delivery(row) for row in rows]

        return await self._file.read(work)

    async def due(self, *, most: int) -> list[Delivery]:
        """Those whose next attempt is now, the one that waits longest first.

        One that would have to wait for longer than any does waits for a clock that was put back since.
        """
        now = self._clock.wall()

        def work(db: sqlite3.Connection) -> list[Delivery]:
            rows = db.execute(
                f"{_DELIVERY} WHERE state = 'waiting' AND (next_at <= ? OR next_at > ?)"
                " ORDER BY next_at LIMIT ?",
                (now, now + LONGEST_S, most),
            )
            return [_delivery(row) for row in rows]

        return await self._file.read(work)

    async def next_at(self) -> float | None:
        """When the next attempt is to be made; None while nothing waits."""

        def work(db: sqlite3.Connection) -> float | None:
            found: float | None = db.execute(
                "SELECT MIN(next_at) FROM deliveries WHERE state = 'waiting'"
            ).fetchone()[0]
            return found

        return await self._file.read(work)

    async def tried(self, delivery_id: str, *, status: int, error: str, luck: float) -> DeliveryState:
        """Note how an attempt went.

        Args:
            status: Of the answer; 0 for none.
            luck: As `delivery.outcome` takes it.

        Raises:
            NotFound: It was forgotten meanwhile.
        """

        def work(db: sqlite3.Connection) -> DeliveryState:
            attempts = _kept(db, delivery_id).attempts + 1
            follows, now = outcome(status, attempts, luck=luck), self._clock.wall()
            next_at = now + follows.delay_s
            ended = None if follows.state is DeliveryState.WAITING else now
            noted = (follows.state, attempts, next_at, ended, status, error[:MAX_ERROR_CHARS])
            db.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, ended_at = ?, status = ?,"
                " error = ? WHERE id = ?",
                (*noted, delivery_id),
            )
            return follows.state

        return await self._file.change(work)

    def _put(self, db: sqlite3.Connection, webhook_id: str, event: str, body: bytes) -> str:
        delivery_id, now = f"msg_{uuid.uuid4().hex}", self._clock.wall()
        db.execute(
            "INSERT INTO deliveries"
            " (id, webhook_id, event, body, state, attempts, next_at, created_at, status, error)"
            " VALUES (?, ?, ?, ?, 'waiting', 0, ?, ?, 0, '')",
            (delivery_id, webhook_id, event, body, now, now),
        )
        db.execute(
            "DELETE FROM deliveries WHERE number IN (SELECT number FROM deliveries WHERE webhook_id = ?"
            " ORDER BY state = 'waiting' DESC, number DESC LIMIT -1 OFFSET ?)",
            (webhook_id, MAX_DELIVERIES),
        )
        return delivery_id


def _check(wanted: Webhook) -> None:
    try:
        parts = urlsplit(wanted.url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or len(wanted.url) > MAX_TEXT_CHARS:
        raise InvalidRequest("the webhook's url cannot be posted to", cure="Write http://… or https://….")
    if unknown := [one for one in wanted.events if one not in EVENTS]:
        cure = f"There are {', '.join(EVENTS)}."
        raise InvalidRequest(f'there is no event "{unknown[0][:100]}"', cure=cure)
    if any(len(text) > MAX_TEXT_CHARS for text in (wanted.name, wanted.description, wanted.action)):
        raise InvalidRequest("a text of the webhook is too long", cure=f"Write {MAX_TEXT_CHARS} characters.")
    if len(json.dumps(wanted.payload)) > MAX_PAYLOAD_BYTES:
        cure = f"It may have {MAX_PAYLOAD_BYTES >> 10} KiB."
        raise InvalidRequest("the webhook's payload is too large", cure=cure)


def _row(one: Webhook) -> Sequence[object]:
    payload, events = json.dumps(one.payload), json.dumps(one.events)
    return (one.name, one.description, one.url, events, one.action, payload, one.updated_at)


def _one(db: sqlite3.Connection, webhook_id: str) -> Webhook:
    row = db.execute(f"{_WEBHOOK} WHERE id = ?", (webhook_id,)).fetchone()
    if row is None:
        raise NotFound(f'there is no webhook "{webhook_id[:100]}"')
    return _webhook(row)


def _webhook(row: Sequence[Any]) -> Webhook:
    return Webhook(
        id=row[0],
        name=row[1],
        description=row[2],
        url=row[3],
        events=tuple(json.loads(row[4])),
        action=row[5],
        payload=json.loads(row[6]),
        created_at=row[7],
        updated_at=row[8],
    )


def _kept(db: sqlite3.Connection, delivery_id: str) -> Delivery:
    row = db.execute(f"{_DELIVERY} WHERE id = ?", (delivery_id,)).fetchone()
    if row is None:
        raise NotFound(f'there is no delivery "{delivery_id[:100]}"')
    return _delivery(row)


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(
        id=row[0],
        webhook_id=row[1],
        event=row[2],
        body=bytes(row[3]),
        state=DeliveryState(row[4]),
        attempts=row[5],
        next_at=row[6],
        created_at=row[7],
        ended_at=row[8],
        status=row[9],
        error=row[10],
    )


def _sealed_as(webhook_id: str) -> str:
    return f"secret of webhook {webhook_id}"
