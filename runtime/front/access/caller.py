"""Posting the webhooks by which participants of a room call somebody in."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from runtime.dispatch.dispatcher import Outcome
from runtime.errors import InvalidRequest, RoomError
from runtime.session.admission import Refused
from runtime.wire.signature import meshagent_signature
from runtime.wire.webhook import RoomCall, encode

TIMEOUT_S: Final = 10.0
MAX_CALLS: Final = 32
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")

Dispatch = Callable[[str, RoomCall], Any]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        # Whoever named the URL was allowed to name that one, not where it might send us.
        return None


class RoomCaller:
    """A `runtime.rooms.agents.Caller`: this server's own endpoints directly, all others over HTTP.

    Args:
        port: The port this server listens on.
        own_hosts: Further names under which it is reached.
        room_url: The address at which somebody elsewhere reaches one of our rooms.
        secret: Signs calls that go elsewhere; empty leaves them unsigned.
        dispatch: `Dispatcher.call`, set once there is one.
    """

    def __init__(
        self, *, port: int, own_hosts: tuple[str, ...], room_url: Callable[[str], str], secret: str
    ) -> None:
        self._port, self._hosts = port, {*_LOCAL, *own_hosts}
        self._room_url, self._secret = room_url, secret
        self._slots = asyncio.Semaphore(MAX_CALLS)
        self.dispatch: Dispatch | None = None

    async def call(self, *, url: str, room: str, name: str, arguments: dict[str, Any], token: str) -> None:
        """Post ``room.call`` to `url`.

        Raises:
            InvalidRequest: `url` is no http or https URL.
            RoomError: The service refused, or did not answer in time.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme not in ("http", "https"):
            raise InvalidRequest(f"cannot call {url[:200]!r}", cure="Give an http:// or https:// URL.")
        if self.dispatch is not None and host in self._hosts and port == self._port:
            call = RoomCall(room_name=room, token=token, arguments=arguments)
            outcome: Outcome = await self.dispatch(unquote(parts.path) or "/", call)
            if isinstance(outcome, Refused):
                raise RoomError(outcome.message, cure=outcome.cure)
            return
        data = {
            "room_name": room,
            "room_url": self._room_url(room),
            "token": token,
            "arguments": arguments,
        }
        if self._slots.locked():
            raise RoomError("too many calls are under way", cure="Try again in a moment.")
        async with self._slots:
            await asyncio.to_thread(self._post, url, encode("room.call", data))

    def _post(self, url: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "bulkhead"}
        if self._secret:
            headers["Meshagent-Signature"] = meshagent_signature(body, self._secret)
        opener = urllib.request.build_opener(_NoRedirects)
        post = urllib.request.Request(url, body, headers, method="POST")
        try:
            with opener.open(post, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
            raise RoomError(f"{url[:200]} answered {status}", cure="Its log says why.") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise RoomError(
                f"{url[:200]} did not answer: {reason}", cure="Is the service running?"
            ) from error
