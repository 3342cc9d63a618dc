"""Posting the webhooks by which participants of a room call somebody in."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from runtime.confinement.addresses import Address
from runtime.dispatch.dispatcher import Outcome
from runtime.errors import InvalidRequest, PermissionDenied, RoomError
from runtime.front.access.destinations import SETTING, Destinations, addresses, is_here
from runtime.front.access.posting import Unanswered, post
from runtime.session.admission import Refused
from runtime.wire.signature import meshagent_signature
from runtime.wire.webhook import RoomCall, encode

TIMEOUT_S: Final = 10.0
MAX_CALLS: Final = 32
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"http": 80, "https": 443}

Dispatch = Callable[[str, RoomCall], Any]


class RoomCaller:
    """A `runtime.rooms.agents.Caller`: this server's own endpoints directly, all others over HTTP.

    Args:
        port: The port this server listens on.
        own_hosts: Further names under which it is reached.
        room_url: The address at which somebody elsewhere reaches one of our rooms.
        secret: Signs calls that go elsewhere; empty leaves them unsigned.
        destinations: Where it may post.
        dispatch: `Dispatcher.call`, set once there is one.
    """

    def __init__(
        self,
        *,
        port: int,
        own_hosts: tuple[str, ...],
        room_url: Callable[[str], str],
        secret: str,
        destinations: Destinations,
    ) -> None:
        self._port, self._hosts = port, {*_LOCAL, *own_hosts}
        self.room_url, self.secret = room_url, secret
        self._destinations = destinations
        self._slots = asyncio.Semaphore(MAX_CALLS)
        self.dispatch: Dispatch | None = None

    async def call(
        self,
        *,
        url: str,
        room: str,
        name: str,
        arguments: dict[str, Any],
        token: str,
        only_here: bool = False,
    ) -> None:
        """Post ``room.call`` to `url`.

        Raises:
            InvalidRequest: `url` is no http or https URL.
            PermissionDenied: It is neither a public address nor one that the operator listed; or elsewhere,
                and that was not allowed.
            RoomError: The service refused, or did not answer in time.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme not in _PORTS:
            raise InvalidRequest(f"cannot call {url[:200]!r}", cure="Give an http:// or https:// URL.")
        call = RoomCall(room_name=room, token=token, arguments=arguments)
        if self.is_ours(host, port) and await self._called_here(parts.path, call):
            return
        if only_here:
            raise PermissionDenied(
                f"{host[:200]} is not called for a session without a network, or with a list of hosts",
                cure="Let somebody else in the room call it; endpoints of this server may be called.",
            )
        data = {
            "room_name": room,
            "room_url": self.room_url(room),
            "token": token,
            "arguments": arguments,
        }
        if self._slots.locked():
            raise RoomError("too many calls are under way", cure="Try again in a moment.")
        async with self._slots:
            proxied = _is_proxied(parts.scheme, parts.netloc)
            found = await asyncio.to_thread(self._found, host, port, proxied)
            if found is not None:
                await asyncio.to_thread(self._post, url, encode("room.call", data), () if proxied else found)
        if found is None and not await self._called_here(parts.path, call):
            raise self._refused(host, port)

    def is_ours(self, host: str, port: int) -> bool:
        """Whether that is this server, by one of the names that it knows of itself."""
        return port == self._port and host in self._hosts

    async def called_ours(self, url: SplitResult, room: str, token: str) -> bool:
        """Call an endpoint of this server itself; False where the URL is somebody else's."""
        port = url.port or _PORTS.get(url.scheme, 0)
        if not self.is_ours(url.hostname or "", port):
            return False
        return await self._called_here(url.path, RoomCall(room_name=room, token=token))

    async def _called_here(self, path: str, call: RoomCall) -> bool:
        if self.dispatch is None:
            return False
        outcome: Outcome = await self.dispatch(unquote(path) or "/", call)
        if isinstance(outcome, Refused):
            raise RoomError(outcome.message, cure=outcome.cure)
        return True

    def _found(self, host: str, port: int, proxied: bool) -> list[Address] | None:
        """The addresses to connect to; None when that is this server."""
        try:
            found = addresses(host, port)
        except (OSError, UnicodeError) as error:
            if proxied:
                return []  # such a network has names that the proxy alone knows, and its own rules
            raise RoomError(f"{host[:200]} cannot be found: {error}", cure="Is the name right?") from error
        if port == self._port and any(is_here(address) for address in found):
            return None
        allowed = [address for address in found if self._destinations.allows(host, port, address)]
        if not allowed:
            raise self._refused(host, port)
        return allowed

    def _refused(self, host: str, port: int) -> PermissionDenied:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return PermissionDenied(
            f"{shown[:200]} is no public address, and participants have this server call only those",
            cure=f"If it is meant, whoever runs the server lists it: {SETTING}={shown[:200]}",
        )

    def _post(self, url: str, body: bytes, found: Sequence[Address]) -> None:
        headers = {"Meshagent-Signature": meshagent_signature(body, self.secret)} if self.secret else {}
        try:
            status = post(url, body, headers, found=found, timeout_s=TIMEOUT_S)
        except Unanswered as error:
            raise RoomError(f"{url[:200]} did not answer: {error}", cure="Is the service running?") from error
        if not 200 <= status < 300:
            raise RoomError(f"{url[:200]} answered {status}", cure="Its log says why.")


def _is_proxied(scheme: str, netloc: str) -> bool:
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(netloc)
