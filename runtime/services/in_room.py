"""What rooms ask of who runs their services, and are told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from runtime.containers.contract import BoxId, Home
from runtime.wire.manifest.manifest import Spec


class Shown(msgspec.Struct, frozen=True):
    """A service in a room.

    Attributes:
        spec: Its manifest's normal form, with its id.
        state: How it goes, as clients read it.
    """

    spec: Spec
    state: Mapping[str, Any]


class ServicesOfRooms(Protocol):
    """What runs the services of rooms."""

    def opened(self, home: Home, session_id: str, is_present: Callable[[str], bool]) -> None:
        """A room has opened: begin to start its services.

        Args:
            is_present: Whether somebody is in it for the service of that id.
        """
        ...

    async def run(self, room: str, service_id: str, more: Mapping[str, str]) -> BoxId:
        """Have one run, which need not run all the time; return its container, once there is one.

        Args:
            more: Variables for it, until it ends.

        Raises:
            ServiceNotFound: The room has no such service.
            WrongState: It is not to run there, or runs already and would have to be given variables.
            EngineFailed: It could not be started.
        """
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
