"""Webhooks that go out, as MeshAgent's clients make them, and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape

URL: Final = (
    r"^https?://[A-Za-z0-9][A-Za-z0-9.-]{0,250}"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?][!-~]*)?$"
)
Text = Annotated[str, Meta(max_length=2000)]


class NewWebhook(Shape, frozen=True, kw_only=True):
    """Somebody who wants to hear of events."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    url: Annotated[str, Meta(pattern=URL, max_length=2000, description="http or https, without a user")]
    events: list[Literal["room.started", "room.ended"]]
    description: Text = ""
    action: Text | None = None
    payload: dict[str, Any] | str | None = None


class OneWebhook(Shape, frozen=True, kw_only=True):
    """A webhook, without what signs it."""

    id: str
    name: str
    description: str
    url: str
    events: list[str]
    action: str
    payload: dict[str, Any] | None
    created_at: float
    updated_at: float


class MadeWebhook(OneWebhook, frozen=True, kw_only=True):
    """A new webhook, with the secret that signs it: no other answer has that."""

    secret: str


class Webhooks(Shape, frozen=True, kw_only=True):
    """All webhooks."""

    webhooks: list[OneWebhook]


class OneDelivery(Shape, frozen=True, kw_only=True):
    """An event on its way to one receiver."""

    id: str
    event: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    created_at: float
    next_at: Annotated[float, Meta(description="Of the next attempt, while it waits")]
    ended_at: float | None
    status: Annotated[int, Meta(description="Of the last answer; 0 for none")]
    error: str


class Deliveries(Shape, frozen=True, kw_only=True):
    """Those of a webhook that are kept, the newest first."""

    deliveries: list[OneDelivery]
