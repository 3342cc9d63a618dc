"""Calling every endpoint into one room: at start, and each new one when it appears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from runtime.errors import RuntimeServiceError
from runtime.front.state import Front
from runtime.logs import get_logger
from runtime.rooms.elsewhere.server import Elsewhere
from runtime.session.admission import Refused
from runtime.session.calls.deployed import service_of
from runtime.session.spec import SessionSpec
from runtime.wire.webhook import RoomCall

_MAX_TRIES: Final = 60
_REQUEST: Final = "autocall"
"""In the place of a request's id: nobody but the setting asked for it."""
BY_COMMAND: Final = "service-run"
"""The same of what `service run` calls."""
_log = get_logger("autocall")


def still_wanted(room: str) -> Callable[[SessionSpec], bool]:
    """Whether a session of an earlier run is to come back, given the room of the setting now.

    What was called for the setting goes with it.  Rooms elsewhere are called anew, with a new token.
    Services of rooms are called when somebody enters.
    """
    return lambda spec: (
        service_of(spec.endpoint) is None
        and (spec.request_id != _REQUEST or (spec.room == room and not spec.room_url))
    )


def called_anew(room: str) -> Callable[[SessionSpec], bool]:
    """Whether a call of an earlier `service run` is made again by this one, which calls into `room`.

    Both would be in the room.  Services of rooms are, when somebody enters.
    """
    return lambda spec: (
        service_of(spec.endpoint) is not None
        or (spec.request_id == BY_COMMAND and bool(room) and spec.room == room)
    )


class AutoCall:
    """Keeps a set of the paths it has called; each is called once.

    An endpoint that has a live session in the room already (the journal brought it back) counts as called.

    Args:
        elsewhere: The server that has the room; None for this one.
    """

    def __init__(self, front: Front, room: str, elsewhere: Elsewhere | None = None) -> None:
        self._front, self._room, self._elsewhere = front, room, elsewhere
        self._room_url = elsewhere.room_url(room) if elsewhere is not None else ""
        self._called: set[str] = set()
        self._calls: set[asyncio.Task[None]] = set()

    def sync(self) -> None:
        """Call what is there and was not called yet; give as a listener of the placement's changes."""
        if not self._front.is_ready:
            return
        present = {
            record.spec.endpoint
            for record in self._front.registry.live()
            if record.spec.room == self._room and self._room_url in ("", record.spec.room_url)
        }
        for endpoint in self._front.placement.endpoints():
            if endpoint.state != "ready" or not endpoint.path or endpoint.path in self._called:
                continue
            if service_of(endpoint.path) is not None:
                continue  # rooms call them
            self._called.add(endpoint.path)
            if endpoint.path not in present:
                call = asyncio.create_task(
                    self._call(endpoint.path, endpoint.identity), name=f"call {endpoint.path}"
                )
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    async def aclose(self) -> None:
        """Give up calls that still wait."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _call(self, path: str, identity: str) -> None:
        token = self._elsewhere.token(self._room, identity) if self._elsewhere is not None else ""
        call = RoomCall(room_name=self._room, room_url=self._room_url, token=token)
        for _ in range(_MAX_TRIES):
            try:
                outcome = await self._front.dispatcher.call(path, call, request_id=_REQUEST)
            except RuntimeServiceError as error:
                _log.warning("autocall.failed", endpoint=path, room=self._room, error=str(error))
                return
            if not isinstance(outcome, Refused):
                return
            if outcome.code == "draining" or outcome.retry_after_s is None:
                return
            await asyncio.sleep(outcome.retry_after_s)
