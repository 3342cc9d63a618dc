"""What names mean: looked up by the front for its sessions, and remembered both ways for a while."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from ipaddress import ip_address
from typing import Final

import msgspec

from runtime.clock import Clock
from runtime.confinement.addresses import Address

KEPT_S: Final = 60.0
"""What a name means is asked again after this; the system does not tell for how long it holds."""

GRACE_S: Final = 300.0
"""An address that a name meant may be connected to for so long: programs remember it, too."""

LOOKUP_S: Final = 10.0
MAX_NAMES: Final = 1000


class _Known(msgspec.Struct):
    at: float
    addresses: tuple[Address, ...]


class Names:
    """One memory for all sessions of a server.  Runs in: the front's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asking: dict[str, asyncio.Task[tuple[Address, ...]]] = {}

    async def look_up(self, name: str) -> tuple[Address, ...]:
        """What a name means; empty when it means nothing, or nobody says in time."""
        known = self._known.get(name)
        if known is not None and self._clock.now() - known.at < KEPT_S:
            return known.addresses
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._ask(name), name="name")
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(asking)

    def of(self, address: Address) -> list[str]:
        """The names that were looked up and mean this address."""
        now = self._clock.now()
        return [
            name
            for name, known in self._known.items()
            if now - known.at < GRACE_S and address in known.addresses
        ]

    async def _ask(self, name: str) -> tuple[Address, ...]:
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            found = []
        meant = tuple(dict.fromkeys(ip_address(str(address[0]).partition("%")[0]) for *_, address in found))
        if meant:
            self._known[name] = _Known(self._clock.now(), meant)
            self._known.move_to_end(name)
            if len(self._known) > MAX_NAMES:
                self._known.popitem(last=False)
        return meant
