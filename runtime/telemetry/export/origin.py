"""Whose telemetry something is: the server's, or that of one session."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import msgspec
from opentelemetry.sdk.resources import Resource

MAX_KEPT: Final = 2_000


class Origin(msgspec.Struct, frozen=True):
    """A session, as its records name it.

    Attributes:
        service: What its program calls itself, or its identity.
    """

    session_id: str
    service: str
    room: str
    identity: str
    project: str = ""

    def attributes(self) -> dict[str, str]:
        """Of its resource: those that MeshAgent's programs send, and the standard's."""
        named = {"project": self.project, "room": self.room, "session": self.session_id}
        return {
            "service.name": self.service or self.identity,
            "service.instance.id": self.session_id,
            "bulkhead.identity": self.identity,
            **{name: value for name, value in named.items() if value},
        }


class Resources:
    """A resource for each origin, made once while it is used."""

    def __init__(self, own: Resource) -> None:
        self.own = own
        self._kept: OrderedDict[Origin, Resource] = OrderedDict()

    def of(self, origin: Origin | None) -> Any:
        """The resource of a session; the server's own for None."""
        if origin is None:
            return self.own
        found = self._kept.get(origin)
        if found is None:
            found = self._kept[origin] = self.own.merge(Resource(origin.attributes()))
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found
