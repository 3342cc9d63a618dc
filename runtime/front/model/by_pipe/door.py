"""What sessions reach through the front: rooms, and the model; a `runtime.session.info.RoomDoor`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from runtime.errors import RuntimeServiceError
from runtime.front.access.destinations import is_here
from runtime.front.http.problems import STATUS, problem_type
from runtime.front.http.refusal import Refusal
from runtime.front.model.by_pipe.elsewhere import NoModel, RoomElsewhere, told
from runtime.front.model.by_pipe.ports import OwnRoom
from runtime.front.model.desk import ModelDesk, authorize
from runtime.front.model.routes import PASSED_ON
from runtime.front.state import Front
from runtime.logs import get_logger
from runtime.model.contract import MAX_REQUEST_BYTES
from runtime.session.info import ModelAnswer, RelayPort
from runtime.tasks import Tasks

_log = get_logger("front")
_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_ROOMS: Final = "/rooms/"


class Door:
    """The way into rooms here and elsewhere, and to the model of those that are here.

    Args:
        is_ours: Whether a host and a port are this server's.
    """

    def __init__(self, front: Front, desk: ModelDesk, *, is_ours: Callable[[str, int], bool]) -> None:
        self._front, self._is_ours = front, is_ours
        self._own = _Model(front, desk)
        self._tasks = Tasks(_log, "room.not_served")

    def has(self, url: str) -> bool:
        return self._own_room(url) is not None

    def room(self, url: str, token: str, *, is_inward: bool) -> RelayPort:
        name = self._own_room(url)
        if name is None:
            return RoomElsewhere(url, token, is_inward=is_inward)
        return OwnRoom(self._front, name, url=url, token=token, is_inward=is_inward, tasks=self._tasks)

    def model(self, url: str) -> _Model | NoModel:
        return NoModel() if self._own_room(url) is None else self._own

    def is_ours(self, address: str, port: int) -> bool:
        return port == self._front.port and is_here(ip_address(address))

    def _own_room(self, url: str) -> str | None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return None
        public = urlsplit(self._front.settings.public_url).netloc
        is_ours = self._is_ours(host, port) or (public != "" and parts.netloc == public)
        name = unquote(parts.path.removeprefix(_ROOMS))
        is_room = parts.path.startswith(_ROOMS) and self._front.rooms is not None
        return name if is_ours and is_room else None


class _Model:
    """The model as the route answers it; a `runtime.session.info.ModelPort`."""

    max_body_bytes = MAX_REQUEST_BYTES

    def __init__(self, front: Front, desk: ModelDesk) -> None:
        self._front, self._desk = front, desk
        self.kind = "offline" if desk.provider is None else "provider"

    @asynccontextmanager
    async def ask(
        self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[ModelAnswer]:
        async with AsyncExitStack() as held:
            try:
                authorize(self._front, bearer, _room_of(path))
                answer = await held.enter_async_context(self._desk.asked(path, body, headers))
            except RuntimeServiceError as error:
                refused = _problem(error.code, str(error))
            except Refusal as error:
                refused = _problem(error.code, error.detail)
            else:
                passed = ("content-type", *PASSED_ON)
                told = {name: answer.headers[name] for name in passed if name in answer.headers}
                yield ModelAnswer(answer.status, told, answer.chunks)
                return
        yield refused


def _room_of(path: str) -> str | None:
    """The room that a path names; None where it names none."""
    return unquote(path.removeprefix(_ROOMS).split("/", 1)[0]) if path.startswith(_ROOMS) else None


def _problem(code: str, detail: str) -> ModelAnswer:
    status, title = STATUS.get(code, STATUS["internal"])
    return told(status, title, problem_type(code), detail)
