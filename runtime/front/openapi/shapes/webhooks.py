"""What calls agents, and the answer; how it is read is up to `runtime.wire.webhook`, which forgives more."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import SessionName, Shape
from runtime.session.spec import SessionState


class CallData(Shape, frozen=True, kw_only=True):
    """The room, and what goes along."""

    room_name: str
    room_url: Annotated[str, Meta(description="Default: this server's own room of that name")] | UnsetType = (
        UNSET
    )
    token: Annotated[str, Meta(description="Default: one is minted for the own room")] | UnsetType = UNSET
    arguments: dict[str, Any] | UnsetType = UNSET


class Webhook(Shape, frozen=True, kw_only=True):
    """A call into a room, or what became of the room."""

    event: Literal["room.call", "room.started", "room.ended"]
    data: CallData


class Called(Shape, frozen=True, kw_only=True):
    """Accepted and written down; ready, when waiting was asked for."""

    ok: Literal[True] = True
    session: SessionName | UnsetType = UNSET
    state: SessionState | UnsetType = UNSET


class CallHeaders(Shape, frozen=True, kw_only=True):
    """How a call is to be taken."""

    prefer: Annotated[str, Meta(description="wait=N: answer when the agent is ready, or after N seconds")] = (
        ""
    )
    idempotency_key: Annotated[str, Meta(description="The same key is the same session")] = ""
    meshagent_webhook: Annotated[str, Meta(description="The webhook as JSON, instead of a body")] = ""


class EventsQuery(Shape, frozen=True, kw_only=True):
    """Where a stream of events begins."""

    since: (
        Annotated[str, Meta(description="An event's id to go on after; 0 for all that is kept")] | UnsetType
    ) = UNSET


class ResumeHeaders(Shape, frozen=True, kw_only=True):
    """Where a stream that broke goes on."""

    last_event_id: Annotated[str, Meta(description="The id of the last event that was read")] = ""


class ModelRequest(Shape, frozen=True, kw_only=True):
    """A request of the Responses API; whatever else it has is for the provider."""

    input: str | list[dict[str, Any]]
    model: str | UnsetType = UNSET
    stream: Annotated[bool | None, Meta(description="Answer by server-sent events")] | UnsetType = UNSET


class ModelResponse(Shape, frozen=True, kw_only=True):
    """A response of the Responses API, as the provider gave it."""


class EmbeddingsRequest(Shape, frozen=True, kw_only=True):
    """A request of the Embeddings API; whatever else it has is for the provider."""

    input: str | list[str | int | list[int]]
    model: str | UnsetType = UNSET
    dimensions: int | UnsetType = UNSET
    encoding_format: Literal["float", "base64"] | UnsetType = UNSET


class Embeddings(Shape, frozen=True, kw_only=True):
    """Vectors in the order of the texts, as the provider gave them."""


class MessagesRequest(Shape, frozen=True, kw_only=True):
    """A request of Anthropic's Messages API; whatever else it has is for the provider."""

    messages: list[dict[str, Any]]
    model: str | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    system: str | list[dict[str, Any]] | UnsetType = UNSET
    stream: Annotated[bool | None, Meta(description="Answer by server-sent events")] | UnsetType = UNSET


class MessagesResponse(Shape, frozen=True, kw_only=True):
    """A message of the model, as the provider gave it."""


class TokenCount(Shape, frozen=True, kw_only=True):
    """How many tokens a request has."""

    input_tokens: int
