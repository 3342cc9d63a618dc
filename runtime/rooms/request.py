"""One request of a participant, whichever dialect it came in, and how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from runtime.containers.errors import (
    ContainerNotFound,
    EngineSilent,
    NameTaken,
    NoEngine,
    ServiceNotFound,
    WrongState,
)
from runtime.errors import (
    Conflict,
    Exists,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RoomError,
    RuntimeServiceError,
    TookTooLong,
    ToolNotFound,
)
from runtime.rooms.connection import Peer
from runtime.wire import content as wire
from runtime.wire.content import Content, ErrorContent

_CODES: Final[tuple[tuple[type[RuntimeServiceError], int], ...]] = (
    (PermissionDenied, wire.CODE_PERMISSION),
    (InvalidRequest, wire.CODE_INVALID),
    (ContainerNotFound, wire.CODE_NO_CONTAINER),
    (ServiceNotFound, wire.CODE_NO_SERVICE),
    (NotFound, wire.CODE_NOT_FOUND),
    (ToolNotFound, wire.CODE_NOT_FOUND),
    (Exists, wire.CODE_EXISTS),
    (NameTaken, wire.CODE_EXISTS),
    (WrongState, wire.CODE_STATE),
    (Conflict, wire.CODE_CONFLICT),
    (NoEngine, wire.CODE_UNSUPPORTED),
    (EngineSilent, wire.CODE_TIMEOUT),
    (TookTooLong, wire.CODE_TIMEOUT),
)


def error_content(error: RuntimeServiceError) -> ErrorContent:
    """Our error as the protocol's."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), wire.CODE_FAILED)
    return ErrorContent(str(error), code)


@dataclass(slots=True)
class Request:
    """What a participant asked.

    Attributes:
        name: Full name, for errors: ``storage.list``.
        arguments: The request's header (older dialects) or the tool's JSON arguments (newer).
        data: Raw bytes that came with it.
        is_tool: It came as a call of a built-in tool.
    """

    peer: Peer
    id: int
    name: str
    arguments: dict[str, Any]
    data: bytes = b""
    is_tool: bool = False
    _answered: bool = field(default=False, init=False)

    def answer(self, content: Content) -> None:
        """Answer once; later answers are dropped, as are answers to somebody who has gone."""
        if not self._answered:
            self._answered = True
            self.peer.respond(self.id, content)

    def remembered(self) -> Request:
        """Let go of what it asked: only its answer is still to come."""
        self.arguments, self.data = {}, b""
        return self

    def fail(self, error: RoomError) -> None:
        """Answer with an error."""
        self.answer(error_content(error))

    def text(self, key: str) -> str:
        """A compulsory text argument that is not empty."""
        value = self.arguments.get(key)
        if not isinstance(value, str) or not value:
            raise InvalidRequest(f"{self.name} needs {key!r}, a text")
        return value

    def path(self, key: str = "path") -> str:
        """A compulsory text argument that may be empty (the root)."""
        value = self.arguments.get(key)
        if not isinstance(value, str):
            raise InvalidRequest(f"{self.name} needs {key!r}, a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text argument, or None."""
        value = self.arguments.get(key)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{key!r} of {self.name} must be a text")
        return value or None

    def optional_object(self, key: str) -> dict[str, Any] | None:
        """A JSON object argument, or None."""
        value = self.arguments.get(key)
        if value is not None and not isinstance(value, dict):
            raise InvalidRequest(f"{key!r} of {self.name} must be an object")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A boolean argument; absent and null mean the default."""
        value = self.arguments.get(key)
        return default if value is None else bool(value)


Outcome: TypeAlias = Content | None
"""What a handler returns: the answer, or None when it has answered or will answer by itself."""

Handler: TypeAlias = Callable[[Request], Outcome | Awaitable[Outcome]]
"""Plain functions run at once and in order; coroutines run as tasks of the participant."""

Handlers: TypeAlias = Mapping[str, Handler]
