"""The exception a room's own error answers become."""

from __future__ import annotations

from runtime.errors import RoomError
from runtime.wire.content import CODE_LOADED_AGAIN


class RoomException(RoomError):
    """The room answered a request with an error, or an agent says that it cannot do what it was asked.

    Args:
        message: The room's text, as it came.
        status_code: Kept for programs written for MeshAgent; nothing here reads it.
        error_code: The protocol's number (1001 permission denied, 1003 not found, …), None if it sent none.
    """

    code = "room_request_failed"

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 400,
        error_code: int | None = None,
        cure: str = "",
    ) -> None:
        super().__init__(message, cure=cure)
        self.status_code = status_code
        self.error_code = error_code


class LoadedAgain(RoomException):
    """Who was asked ended before it was done, because its program was loaded again: ask once more."""

    code = "loaded_again"

    def __init__(self, message: str) -> None:
        super().__init__(message, status_code=503, error_code=CODE_LOADED_AGAIN)


def failure_of(text: str, error_code: int | None) -> RoomException:
    """The exception that an error in an answer becomes."""
    return (
        LoadedAgain(text) if error_code == CODE_LOADED_AGAIN else RoomException(text, error_code=error_code)
    )
