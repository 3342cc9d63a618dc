"""What rooms ask of who runs their services, and are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.containers.contract import Home
from runtime.wire.manifest.manifest import Spec


@dataclass(frozen=True, slots=True)
class Shown:
    """A service in a room.

    Attributes:
        spec: Its manifest's normal form, with its id.
        state: How it goes, as clients read it.
    """

    spec: Spec
    state: Mapping[str, Any]


class ServicesOfRooms(Protocol):
    """What runs the services of rooms."""

    def opened(self, home: Home, session_id: str) -> None:
        """A room has opened: begin to start its services."""
        ...

    async def closed(self, room: str) -> None:
        """A room closes: nothing is started there any more.  Its containers are the room's to end."""
        ...

    async def listed(self, room: str) -> list[Shown]:
        """Those of a room and of the project, by name."""
        ...

    async def restart(self, room: str, service_id: str) -> None:
        """Start one anew, by its newest revision.

        Raises:
            ServiceNotFound: The room has no such service.
            WrongState: It is not to run there.
        """
        ...
