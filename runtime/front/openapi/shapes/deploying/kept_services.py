"""What Studio asks of services that are kept: all of them with how they go, and what a text would be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape


class KeptService(Shape, frozen=True, kw_only=True):
    """A service as it is now."""

    id: str
    name: str
    room: Annotated[str, Meta(description="The room that it is for; empty for every one")]
    revision: int
    image: Annotated[str, Meta(description="Empty where it runs elsewhere")]
    is_enabled: bool
    created_at: float
    updated_at: float
    states: Annotated[
        dict[str, Any], Meta(description="By open room: state, revision that serves, restarts, ports, events")
    ]


class KeptServices(Shape, frozen=True, kw_only=True):
    """Services of the project and of all rooms, by name."""

    services: list[KeptService]


class Draft(Shape, frozen=True, kw_only=True):
    """The text of a manifest that somebody writes."""

    text: Annotated[str, Meta(description="YAML or JSON: a Service or a ServiceTemplate, in whichever form")]
    values: Annotated[dict[str, str] | None, Meta(description="For a template, to be checked too")] = None
    creating: Annotated[bool, Meta(description="It is to be a new service")] = False


class ManifestProblem(Shape, frozen=True, kw_only=True):
    """One thing about one place of a manifest."""

    line: int
    column: int
    path: Annotated[str, Meta(description="Of the field; empty for the whole, `values.NAME` for a value")]
    severity: Literal["error", "warning", "note"]
    text: str


class Variable(Shape, frozen=True, kw_only=True):
    """A value that a template takes."""

    name: str
    title: str
    description: str
    is_obscure: bool
    is_optional: bool
    words: Annotated[list[str], Meta(description="All that it can be; empty for any text")]
    kind: Annotated[str, Meta(description="email, route or empty")]


class CheckedDraft(Shape, frozen=True, kw_only=True):
    """What a text would be as a manifest."""

    valid: bool
    kind: Annotated[str, Meta(description="Service or ServiceTemplate; empty while it cannot be used")]
    name: str
    problems: list[ManifestProblem]
    variables: list[Variable]
    manifest: Annotated[dict[str, Any] | None, Meta(description="The normal form of a Service")]
    mended: Annotated[str | None, Meta(description="The text with what is sure changed")]
