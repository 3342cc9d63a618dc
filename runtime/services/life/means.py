"""What every life of a service needs: what it is done with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from runtime.clock import Clock
from runtime.containers.contract import Boxes
from runtime.services.deployed.deployments import Deployments
from runtime.services.life.asked import Mint
from runtime.services.store import Store
from runtime.services.terms import Tell
from runtime.session.crash import CrashReport


class CallOut(Protocol):
    """Posts ``room.call`` to an endpoint."""

    async def __call__(self, url: str, *, room: str, token: str, room_url: str | None, secret: str) -> None:
        """Return once it was taken.

        Args:
            room_url: Where the endpoint finds the room; None for where everybody does.
            secret: Signs the call; empty leaves that to the server's own.

        Raises:
            RuntimeServiceError: It was not.
        """
        ...


class Offer(Protocol):
    """Tools that are offered in a room."""

    async def aclose(self) -> None:
        """Offer them no more, in seconds; again: nothing."""
        ...


class OfferTools(Protocol):
    """Makes the tools of an MCP server a toolkit of a room."""

    async def __call__(
        self,
        url: str,
        endpoint: Mapping[str, Any],
        *,
        room: str,
        token: str,
        is_near: bool,
        tell: Callable[[Tell], None],
    ) -> Offer:
        """Return once they are offered.

        Args:
            endpoint: What the manifest says of it.
            token: Of who is to be in the room for it.
            is_near: It is on this machine.
            tell: Called with what becomes of them later.

        Raises:
            RuntimeServiceError: They are not.
        """
        ...


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What every life needs.

    Attributes:
        crashed: Keeps the report of a container that ended and was not to.
        hide: Takes secrets out of a text.
        deployed: Services that are bundles; None where there can be none.
    """

    store: Store
    boxes: Boxes
    mint: Mint
    call: CallOut
    offer: OfferTools
    clock: Clock
    crashed: Callable[[CrashReport], None]
    hide: Callable[[str], str]
    deployed: Deployments | None = None
