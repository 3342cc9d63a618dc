"""What is kept of a service: where it belongs, what it is now, and every change that made it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

Spec = dict[str, Any]
"""A manifest's normal form (`runtime.wire.manifest`)."""

PROJECT: Final = ""
"""The room of a service that belongs to the project, and runs in every room."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it is now.

    Attributes:
        room: The room that it is for; `PROJECT` for every one.
        revision: Number of the revision in force.
        spec: Of that revision, with the service's id.
        image_digest: What the image's reference stood for when it was started last; empty before.
        created_at, updated_at: Seconds since the epoch.
    """

    id: str
    room: str
    name: str
    revision: int
    spec: Spec
    image_digest: str
    created_at: float
    updated_at: float

    @property
    def is_enabled(self) -> bool:
        return bool(self.spec.get("enabled", True))


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a service.

    Attributes:
        by: Who made it, as far as that is known.
        what: ``created``, ``updated``, ``enabled``, ``disabled``, ``rolled back to 3``, ``secrets changed``.
        secret_versions: By its id, the version of each secret that the service is given.
    """

    number: int
    at: float
    by: str
    what: str
    image_digest: str
    secret_versions: Mapping[str, int]
    spec: Spec


def secrets_named(spec: Spec) -> Iterator[tuple[str, str]]:
    """The ids or names of the secrets that a manifest asks for, each with the path of the field that does."""
    container = spec.get("container") or {}
    for number, name in enumerate(container.get("secrets", ())):
        yield name, f"container.secrets[{number}]"
    if pull := container.get("pull_secret"):
        yield pull["id"], "container.pull_secret"
    for number, variable in enumerate(container.get("environment", ())):
        if secret := variable.get("secret"):
            yield secret["id"], f"container.environment[{number}].secret"
