"""Services, as MeshAgent's clients keep them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape

Manifest = Annotated[
    dict[str, Any], Meta(description="A service's manifest in its normal form, with its `id`")
]


class SentService(Shape, frozen=True, kw_only=True):
    """A manifest as JSON, in whichever form; or a template's text, with its values."""

    version: str | None = None
    kind: str | None = None
    id: Annotated[str | None, Meta(description="Of the service that is changed; none of a new one")] = None
    metadata: dict[str, Any] | None = None
    container: dict[str, Any] | None = None
    external: dict[str, Any] | None = None
    ports: Any = None
    agents: Any = None
    template: Annotated[str | None, Meta(description="Text of a ServiceTemplate, instead of all else")] = None
    values: dict[str, str] | None = None


class SentTemplate(Shape, frozen=True, kw_only=True):
    """A template's text, and values for it."""

    template: str
    values: dict[str, str] | None = None


class Services(Shape, frozen=True, kw_only=True):
    """Those of a project or of a room, by name."""

    services: list[Manifest]


class ChangeQuery(Shape, frozen=True, kw_only=True):
    """What a change was made from."""

    revision: Annotated[
        int | None,
        Meta(description="If another one is in force, the change is refused with 409"),
    ] = None


class LogQuery(Shape, frozen=True, kw_only=True):
    """Which log."""

    previous: Annotated[bool, Meta(description="Of the containers that have ended")] = False


class ServiceLog(Shape, frozen=True, kw_only=True):
    """What a service wrote in a room."""

    lines: list[str]


class ServicesInRoom(Shape, frozen=True, kw_only=True):
    """Those of a room and of the project, with how each goes in that room."""

    services: list[Manifest]
    states: Annotated[dict[str, Any], Meta(description="By id: state, restarts, ports, events")]
