"""What a model is asked by way of a room, and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import Shape


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
