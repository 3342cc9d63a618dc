"""Callers' own connections, kept until the sessions they are for dial them: those run on other machines."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from runtime.errors import PermissionDenied
from runtime.session.info import RelayPort
from runtime.session.spec import SessionId

GOODBYE_S: Final = 2.0


@dataclass(slots=True)
class Offer:
    """One caller's connection.

    Attributes:
        token: Good once; empty when it was used.
        carried_bytes: What went through it, both ways.
    """

    port: RelayPort
    token: str = field(repr=False)
    carried_bytes: int = 0

    async def join(self, session: RelayPort) -> None:
        """Carry packets both ways until one of both closes; neither outruns the other."""
        ways = [
            asyncio.create_task(self._carry(self.port, session), name="relay:down"),
            asyncio.create_task(self._carry(session, self.port), name="relay:up"),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(self.port.close(), session.close(), return_exceptions=True)
            await asyncio.wait(ways, timeout=GOODBYE_S)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, one: RelayPort, other: RelayPort) -> None:
        while (packet := await one.receive()) is not None:
            self.carried_bytes += len(packet)
            await other.send(packet)


class Relays:
    """Those that are open.  As many as there are sessions with a caller's connection.

    Args:
        url: Where sessions reach this front.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.rstrip("/").partition("://")
        self._base = f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}/relay/"
        self._open: dict[SessionId, Offer] = {}

    def offer(self, session: SessionId, port: RelayPort) -> tuple[str, str]:
        """Keep a connection for a session: the address at which it dials it, and its token."""
        made = self._open[session] = Offer(port, secrets.token_urlsafe(32))
        return self._base + quote(session, safe=""), made.token

    def take(self, session: str, token: str) -> Offer:
        """The connection for whoever has the token, once.

        Raises:
            PermissionDenied: It is not that one, was used, or its session is over.
        """
        offer = self._open.get(SessionId(session))
        known = "" if offer is None else offer.token
        if offer is None or not known or not secrets.compare_digest(known.encode(), token.encode()):
            raise PermissionDenied("no connection waits here for that token", cure="Call the agent again.")
        offer.token = ""
        return offer

    def withdraw(self, session: SessionId) -> int:
        """Its session is over; how many bytes went through it."""
        offer = self._open.pop(session, None)
        return 0 if offer is None else offer.carried_bytes
