"""Bundles that are sent to the server, and what becomes of each."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape, words

Name = Annotated[
    str,
    Meta(
        min_length=1, max_length=63, pattern="^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="Of the service"
    ),
]


class WantedDeployment(Shape, frozen=True, kw_only=True):
    """A bundle that will be sent."""

    name: Name
    room: Annotated[str, Meta(description="Whose service it is to be; empty for the project")] = ""
    environment: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="Variables, as in a manifest; none for those that the service has"),
    ] = None
    now: Annotated[
        bool, Meta(description="End the sessions of older revisions, instead of letting them go on")
    ] = False


class DeploymentError(Shape, frozen=True, kw_only=True):
    """Why nothing was switched."""

    code: str
    message: str
    cure: str = ""
    detail: Annotated[str, Meta(description="The traceback of a bundle that does not load")] = ""


class OneDeployment(Shape, frozen=True, kw_only=True):
    """How far a deployment got."""

    id: str
    name: str
    room: str
    state: Annotated[str, words("waiting", "checking", "installing", "loading", "ready", "failed")]
    lines: Annotated[list[str], Meta(description="Of progress, after those that were asked for")]
    next: Annotated[int, Meta(description="What to ask for as `after` next")]
    digest: Annotated[str, Meta(description="sha256 of what was sent; empty before it was unpacked")] = ""
    service: Annotated[str, Meta(description="Id of the service, once it is ready")] = ""
    revision: int = 0
    going_on: Annotated[int, Meta(description="Sessions that go on with older revisions")] = 0
    error: DeploymentError | None = None


class AllDeployments(Shape, frozen=True, kw_only=True):
    """The latest, the newest first."""

    deployments: list[OneDeployment]


class ProgressQuery(Shape, frozen=True, kw_only=True):
    """What is known already."""

    after: Annotated[int, Meta(ge=0, description="Lines that are known")] = 0
    state: Annotated[str, Meta(description="Answer when it is in another one, or there are more lines")] = ""
    wait: Annotated[float, Meta(ge=0, le=30, description="Seconds, at most")] = 0
