"""The room of another server, and the model that is not there: what a node needs of a front's ways.

Nothing of it brings HTTP along: a node that is started again has to be quick.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from runtime.errors import RoomLost
from runtime.model.contract import MAX_REQUEST_BYTES
from runtime.rooms.elsewhere.dialled import Dialled, dial
from runtime.session.info import ModelAnswer

DIAL_S: Final = 30.0
PROBLEM: Final = "application/problem+json"


class RoomElsewhere:
    """A room of another server, dialled when it is first read; a `runtime.session.info.RelayPort`."""

    def __init__(self, url: str, token: str, *, is_inward: bool) -> None:
        self._url, self._token, self._is_inward = url, token, is_inward
        self._room: Dialled | None = None
        self._is_closed = False

    async def receive(self) -> bytes | None:
        if self._room is None:
            self._room = await dial(self._url, self._token, timeout_s=DIAL_S, is_inward=self._is_inward)
            if self._is_closed:
                await self._room.close()
        return await self._room.receive()

    async def send(self, packet: bytes) -> None:
        if self._room is not None:
            with suppress(RoomLost):  # who reads is told
                await self._room.send(packet)

    async def close(self) -> None:
        self._is_closed = True
        if self._room is not None:
            await self._room.close()


class NoModel:
    """Where the room is another server's, so is the model behind it."""

    kind = "none"
    max_body_bytes = MAX_REQUEST_BYTES

    @asynccontextmanager
    async def ask(
        self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[ModelAnswer]:
        yield told(
            404,
            "Not found",
            "urn:bulkhead:problem:not_found",
            "The room is of another server, and its model is not reached by a session without a network. "
            'Allow its host: confinement=Confine(network=["api.openai.com:443"]).',
        )


def told(status: int, title: str, kind: str, detail: str) -> ModelAnswer:
    """An answer that says what is in the way.

    Args:
        kind: The address of what it is.
    """
    said = {"type": kind, "title": title, "status": status, "detail": detail, "message": detail}
    return ModelAnswer(status, {"content-type": PROBLEM}, _once(json.dumps(said).encode()))


async def _once(whole: bytes) -> AsyncIterator[bytes]:
    yield whole
