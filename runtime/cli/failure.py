"""How a command fails: one sentence, one cure, one exit status."""

from __future__ import annotations

import re
import shlex
from enum import IntEnum
from typing import ClassVar, Final

from runtime.errors import ConfigError, PermissionDenied, RuntimeServiceError


class ExitCode(IntEnum):
    """Exit statuses, the same for every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_READY = 3
    AUTH = 4
    INTERRUPTED = 130
    TERMINATED = 143


_IN_A_ROOM: Final = re.compile(
    r"(\bbulkhead (?!service run|setup)(?:(?!--url)[^`])*?)(?= --room (?![^`]*--url))"
)

typed: Final[list[str]] = []
"""The words of the command line, without the program's name."""


def typed_with(*words: str, instead: tuple[str, str] | None = None) -> str:
    """The command that was typed, with more words, or another in the place of one, to be typed again."""
    old, new = instead or ("", "")
    return shlex.join(["bulkhead", *(new if instead and word == old else word for word in typed), *words])


def where_typed(cure: str) -> str:
    """The same with the server that was named by ``--url`` in the commands that ask one about a room."""
    url = ""
    for word, following in zip(typed, [*typed[1:], ""], strict=True):
        if word == "--url" or word.startswith("--url="):
            url = word.removeprefix("--url=") if "=" in word else following
    return _IN_A_ROOM.sub(lambda found: f"{found[1]} --url {shlex.quote(url)}", cure) if url else cure


class CommandFailed(RuntimeServiceError):
    """The thing asked for did not happen.

    Args:
        detail: More lines to show.
        exit_code: What the shell gets.
        problem: The code of a server's refusal, such as ``endpoint_not_found``.
    """

    code: ClassVar[str] = "command_failed"

    def __init__(
        self,
        message: str,
        *,
        cure: str = "",
        detail: str = "",
        exit_code: ExitCode = ExitCode.FAILED,
        problem: str = "",
    ) -> None:
        super().__init__(message, cure=cure)
        self.detail = detail
        self.exit_code = exit_code
        self.problem = problem


def exit_code_of(error: RuntimeServiceError) -> ExitCode:
    """The exit status that says what kind of failure it was."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, ConfigError):
        return ExitCode.USAGE
    if isinstance(error, PermissionDenied):
        return ExitCode.AUTH
    return ExitCode.FAILED
