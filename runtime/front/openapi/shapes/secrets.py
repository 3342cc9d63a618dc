"""Secrets of the project, as MeshAgent's clients set them; no answer has a value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import Shape, Time

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


class ValueQuery(Shape, frozen=True, kw_only=True):
    """Whether the value is asked for as well."""

    include_value: Annotated[bool, Meta(description="It is not given")] = False


class NewOwnSecret(Shape, frozen=True, kw_only=True):
    """A secret that gets its value as a version, later."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    project_id: str | None = None
    type: Annotated[str, Meta(min_length=1, max_length=50)] = "opaque"
    http_only: bool = False
    metadata: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class ChangedOwnSecret(Shape, frozen=True, kw_only=True):
    """What is to be another of a secret; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType | None = UNSET
    type: Annotated[str, Meta(description="As it is: a type is not changed")] | UnsetType | None = UNSET
    http_only: bool | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    annotations: dict[str, Any] | UnsetType | None = UNSET


class SecretSearch(Shape, frozen=True, kw_only=True):
    """What is looked for among the names and notes of secrets; other words are looked for among the notes."""

    filter: str | None = None
    name: str | None = None
    type: str | None = None
    http_only: bool | None = None
    metadata: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    page_size: int = 100
    continuation_token: str | None = None


class OwnSecret(Shape, frozen=True, kw_only=True):
    """A secret without its value."""

    id: str
    project_id: str
    type: str
    name: str
    http_only: bool
    metadata: dict[str, Any]
    annotations: dict[str, Any]
    current_version_id: str | None
    created_at: Time
    updated_at: Time


class OwnSecrets(Shape, frozen=True, kw_only=True):
    """Secrets, by name."""

    secrets: list[OwnSecret]
    continuation_token: str | None = None


class NewVersion(Shape, frozen=True, kw_only=True):
    """A value for a secret."""

    value_base64: str
    set_current: Annotated[bool, Meta(description="Services that are updated from now on get it")] = True


class SecretVersion(Shape, frozen=True, kw_only=True):
    """One value that a secret has or had, without it."""

    id: str
    secret_id: str
    version: int
    value_sha256: Annotated[str | None, Meta(description="Not told: a short value could be guessed")]
    created_at: Time


class SecretVersions(Shape, frozen=True, kw_only=True):
    """Those of a secret that are kept, the oldest first."""

    versions: list[SecretVersion]
