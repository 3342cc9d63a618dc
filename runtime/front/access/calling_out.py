"""Posting the webhooks by which services that are kept here are called into rooms."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from runtime.errors import RoomError
from runtime.front.access.caller import RoomCaller
from runtime.front.access.posting import Unanswered, post
from runtime.wire.signature import meshagent_signature
from runtime.wire.webhook import encode

TIMEOUT_S: Final = 10.0
MAX_AT_ONCE: Final = 16
_HERE: Final = ip_address("127.0.0.1")


class ServiceCaller:
    """A `runtime.services.life.means.CallOut`.  Where it posts the operator said, so any address will do."""

    def __init__(self, caller: RoomCaller) -> None:
        self._caller = caller
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def __call__(self, url: str, *, room: str, token: str, room_url: str | None, secret: str) -> None:
        """Post ``room.call``.

        Raises:
            RoomError: It was refused, or not answered in time.
        """
        parts = urlsplit(url)
        if room_url is None and await self._caller.called_ours(parts, room, token):
            return
        data = {
            "room_name": room,
            "room_url": room_url or self._caller.room_url(room),
            "token": token,
            "arguments": {},
        }
        body = encode("room.call", data)
        secret = secret or self._caller.secret
        headers = {"Meshagent-Signature": meshagent_signature(body, secret)} if secret else {}
        async with self._slots:
            try:
                # A container's port is on this machine: no proxy leads there.
                found = () if room_url is None else (_HERE,)
                status = await asyncio.to_thread(post, url, body, headers, found=found, timeout_s=TIMEOUT_S)
            except Unanswered as error:
                raise RoomError(f"{url[:200]} did not answer: {error}") from error
        if not 200 <= status < 300:
            raise RoomError(f"{url[:200]} answered {status}", cure="Its log says why.")
