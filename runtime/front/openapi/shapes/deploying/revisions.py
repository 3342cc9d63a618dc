"""Revisions of services: what each was, what differs, and going back."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtime.front.openapi.shapes.services import Manifest
from runtime.front.openapi.shapes.shape import Shape, Time

Number = Annotated[int, Meta(ge=1, description="Of a revision")]


class OneRevision(Shape, frozen=True, kw_only=True):
    """One change of a service."""

    revision: Number
    at: Time
    by: Annotated[str, Meta(description="Who made it, as far as that is known")]
    what: Annotated[str, Meta(description="Such as `created`, `updated`, `rolled back to 3`")]
    image: Annotated[str, Meta(description="As the manifest has it; empty for one that runs elsewhere")]
    image_digest: Annotated[str, Meta(description="What it stood for when it was started last")]
    secrets: Annotated[dict[str, int], Meta(description="Version of each secret that it is given, by id")]
    is_current: bool
    manifest: Manifest


class Revisions(Shape, frozen=True, kw_only=True):
    """Those of a service that are kept, the newest first."""

    service: Annotated[str, Meta(description="Name of the service")]
    revisions: list[OneRevision]


class DiffQuery(Shape, frozen=True, kw_only=True):
    """Which revisions are compared."""

    old: Annotated[Number | None, Meta(description="The one before the newer one, if it is not said")] = None
    new: Annotated[Number | None, Meta(description="The one in force, if it is not said")] = None


class Difference(Shape, frozen=True, kw_only=True):
    """What differs between two revisions."""

    old: Number
    new: Number
    diff: Annotated[str, Meta(description="Of the manifests as YAML, unified; empty where they are alike")]


class WantedRevision(Shape, frozen=True, kw_only=True):
    """Which revision is to be in force again."""

    revision: Annotated[Number | None, Meta(description="The one before, if it is not said")] = None
    now: Annotated[bool, Meta(description="Open rooms follow at once; sessions of other revisions end")] = (
        False
    )


class RolledBack(Shape, frozen=True, kw_only=True):
    """What is in force now."""

    name: str
    id: str
    revision: Number
    was: Annotated[int, Meta(description="The revision that was in force before")]
    to: Annotated[int, Meta(description="The revision that it repeats")]
    going_on: Annotated[int, Meta(description="Sessions of other revisions that go on", ge=0)]
