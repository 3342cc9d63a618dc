"""Webhooks going out: written down, sent, and sent again until they arrive or are given up.

Nothing waits for it: what happens in a room is put into a queue, from there into the store, and only then is
anything sent.  Where it is sent the operator said, so any address will do.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any, Final

from runtime.clock import Clock
from runtime.errors import NotFound, RuntimeServiceError, SealBroken
from runtime.front.access.posting import Unanswered, post
from runtime.logs import get_logger
from runtime.services.webhooks.delivery import Delivery, DeliveryState
from runtime.services.webhooks.webhook_store import WebhookStore
from runtime.wire.signature import meshagent_signature, standard_headers

MAX_QUEUED: Final = 1_000
MAX_AT_ONCE: Final = 8
TIMEOUT_S: Final = 10.0
_LOOK_AGAIN_S: Final = 60.0
_SIGNED_S: Final = 300
_log = get_logger("webhooks")


class Deliverer:
    """Sends what the webhooks of a store are to hear.

    Args:
        webhooks: Who is to hear of what, and how each delivery went.
    """

    def __init__(self, webhooks: WebhookStore, clock: Clock) -> None:
        self._webhooks, self._clock = webhooks, clock
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._wake = asyncio.Event()

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Something happened.  Returns at once; of too many that nobody writes down the oldest are lost."""
        if len(self._queue) >= MAX_QUEUED:
            lost, _ = self._queue.popleft()
            _log.warning("webhook.lost", webhook_event=lost)
        self._queue.append((event, data))
        self._wake.set()

    def look(self) -> None:
        """A delivery was written down by somebody else."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._wake.clear()
            try:
                await self._write_down()
                while due := await self._webhooks.due(most=MAX_AT_ONCE):
                    await asyncio.gather(*map(self._send, due))
                    await self._write_down()
                next_at = await self._webhooks.next_at()
            except RuntimeServiceError as error:
                _log.error("webhook.not_kept", error=str(error))
                next_at = None
            wait_s = _LOOK_AGAIN_S if next_at is None else max(0.0, next_at - self._clock.wall())
            try:
                async with asyncio.timeout(min(wait_s, _LOOK_AGAIN_S)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def aclose(self) -> None:
        """Write down what was told last, for the next server to send."""
        try:
            await self._write_down()
        except RuntimeServiceError as error:
            _log.error("webhook.not_kept", error=str(error))

    async def _write_down(self) -> None:
        while self._queue:
            event, data = self._queue[0]
            await self._webhooks.announce(event, data)
            self._queue.popleft()

    async def _send(self, delivery: Delivery) -> None:
        status, error = 0, ""
        try:
            webhook = await self._webhooks.get(delivery.webhook_id)
            secret = await self._webhooks.secret(delivery.webhook_id)
            headers = _signed(delivery, secret, self._clock.wall())
            status = await asyncio.to_thread(post, webhook.url, delivery.body, headers, timeout_s=TIMEOUT_S)
            if not 200 <= status < 300:
                error = f"answered {status}"
        except Unanswered as unanswered:
            error = f"no answer: {unanswered}"
        except SealBroken as broken:
            error = str(broken)
        except NotFound:
            return  # it was deleted while it waited
        try:
            state = await self._webhooks.tried(delivery.id, status=status, error=error, luck=random.random())
        except NotFound:
            return
        told = _log.warning if state is DeliveryState.FAILED else _log.info
        event = "webhook.delivered" if state is DeliveryState.DELIVERED else "webhook.not_delivered"
        told(
            event,
            webhook_id=delivery.webhook_id,
            delivery_id=delivery.id,
            status=status,
            error=error,
            state=state,
        )


def _signed(delivery: Delivery, secret: str, at: float) -> dict[str, str]:
    """Both signatures: Standard Webhooks', and the one that MeshAgent's receivers check."""
    own = meshagent_signature(delivery.body, secret, iat=int(at), exp=int(at) + _SIGNED_S, jti=delivery.id)
    return {
        **standard_headers(delivery.body, secret, webhook_id=delivery.id, at=at),
        "Meshagent-Signature": own,
    }
