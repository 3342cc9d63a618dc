"""Secrets of the project, as MeshAgent's clients set them; no answer has a value."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape

Kind = Annotated[
    Literal["keys", "docker", "text"],
    Meta(description="keys and docker: a map of texts, for variables or for a registry; text: one text"),
]


class SentSecret(Shape, frozen=True, kw_only=True):
    """A secret with its value."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    type: Kind
    data: Annotated[dict[str, str] | None, Meta(description="The map, of releases up to 0.34")] = None
    data_base64: Annotated[str | None, Meta(description="Base64 of the map's JSON, or of the text")] = None


class SetSecret(Shape, frozen=True, kw_only=True):
    """A secret that was set."""

    id: str
    behind: Annotated[
        list[str], Meta(description="Services that go on with an older version until they are updated")
    ]


class OneSecret(Shape, frozen=True, kw_only=True):
    """A secret without its value: a map has its names, and nothing else."""

    id: str
    name: str
    type: str
    data: dict[str, str]
    data_base64: str
    version: int
    updated_at: float


class Secrets(Shape, frozen=True, kw_only=True):
    """All secrets of the project."""

    secrets: list[OneSecret]
