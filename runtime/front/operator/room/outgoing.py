"""Webhooks that go out, and how each delivery went: in MeshAgent's accounts API, as its clients ask."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import asdict
from quart import Blueprint

from runtime.errors import NotFound
from runtime.front.access.rules import project_of
from runtime.front.http.contract import belongs, gives, takes
from runtime.front.openapi.shapes.outgoing import (
    Deliveries,
    MadeWebhook,
    NewWebhook,
    OneDelivery,
    OneWebhook,
    Webhooks,
)
from runtime.front.openapi.shapes.rooms import Nothing
from runtime.front.state import Front, caller
from runtime.services.webhooks.delivery import Delivery
from runtime.services.webhooks.webhook_store import Webhook, WebhookStore

BASE: Final = "/accounts/projects/<project>/webhooks"
_EXAMPLE: Final = NewWebhook(
    name="rooms", url="https://example.org/hook", events=["room.started", "room.ended"]
)


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/webhooks``."""
    paths = Blueprint("outgoing", __name__)
    belongs(paths, "accounts", to_operators=True)
    own = project_of(front.settings.api_key)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def kept(project: str) -> WebhookStore:
        if front.store is None:
            raise NotFound("this server keeps no webhooks", cure="Ask the server that has the rooms.")
        if front.settings.api_key and project != own:
            raise NotFound("this server has another project", cure="Set MESHAGENT_PROJECT_ID to its own.")
        return front.store.webhooks

    @paths.get(BASE)
    @gives(Webhooks)
    async def listed(project: str) -> Webhooks:
        """Who wants to hear of events"""
        return Webhooks(webhooks=[OneWebhook(**_told(one)) for one in await kept(project).listed()])

    @paths.post(BASE)
    @takes(NewWebhook, example=_EXAMPLE)
    @gives(MadeWebhook)
    async def create(project: str, data: NewWebhook) -> MadeWebhook:
        """Tell somebody of events; the secret that signs them is shown this once"""
        made, secret = await kept(project).create(_wanted("", data))
        return MadeWebhook(**_told(made), secret=secret)

    @paths.put(f"{BASE}/<webhook_id>")
    @takes(NewWebhook, example=_EXAMPLE)
    @gives(OneWebhook)
    async def update(project: str, webhook_id: str, data: NewWebhook) -> OneWebhook:
        """Change a webhook; its secret stays"""
        return OneWebhook(**_told(await kept(project).update(_wanted(webhook_id, data))))

    @paths.delete(f"{BASE}/<webhook_id>")
    @gives(Nothing)
    async def delete(project: str, webhook_id: str) -> Nothing:
        """Tell somebody nothing more"""
        await kept(project).delete(webhook_id)
        return Nothing()

    @paths.get(f"{BASE}/<webhook_id>/deliveries")
    @gives(Deliveries)
    async def deliveries(project: str, webhook_id: str) -> Deliveries:
        """How its deliveries went, the newest first"""
        return Deliveries(deliveries=[_delivery(one) for one in await kept(project).deliveries(webhook_id)])

    @paths.post(f"{BASE}/<webhook_id>/deliveries/<delivery_id>")
    @gives(OneDelivery)
    async def redeliver(project: str, webhook_id: str, delivery_id: str) -> OneDelivery:
        """Send one again, as a delivery of its own"""
        held = kept(project)
        if all(one.id != delivery_id for one in await held.deliveries(webhook_id)):
            raise NotFound("this webhook has no such delivery")
        again = await held.redeliver(delivery_id)
        front.look_for_deliveries()
        return _delivery(again)

    return paths


def _wanted(webhook_id: str, data: NewWebhook) -> Webhook:
    return Webhook(
        id=webhook_id,
        name=data.name,
        description=data.description,
        url=data.url,
        events=tuple(data.events),
        action=data.action or "",
        payload=data.payload if isinstance(data.payload, dict) and data.payload else None,
    )


def _told(one: Webhook) -> dict[str, Any]:
    told = asdict(one)
    return told | {"events": list(one.events)}


def _delivery(one: Delivery) -> OneDelivery:
    return OneDelivery(
        id=one.id,
        event=one.event,
        state=one.state.value,
        attempts=one.attempts,
        created_at=one.created_at,
        next_at=one.next_at,
        ended_at=one.ended_at,
        status=one.status,
        error=one.error,
    )
